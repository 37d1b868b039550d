"""Issue 13.4: an audit says what it could not ask, and never passes in silence."""

import json
import sys

import pytest

from tools.audit import Verdict, audited, exit_status, of_npm, of_pip
from tools.lock import LAYER

CLEAN = {"name": "httpx", "version": "0.28.1", "vulns": []}
SKIPPED = {"name": "uv", "skip_reason": "Dependency not found on PyPI and could not be audited: uv (0.13.9)"}
FAULTY = {
    "name": "pyjwt",
    "version": "2.4.0",
    "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["2.4.1", "2.5.0"], "aliases": [], "description": "words"}],
}


def of_packages(*packages: object) -> Verdict:
    return of_pip(json.dumps({"dependencies": packages, "fixes": []}), "")


def test_what_was_asked_and_is_clean_passes() -> None:
    assert of_packages(CLEAN) == Verdict(packages=1)
    assert str(of_packages(CLEAN)) == "1 packages, no known advisory"


def test_a_package_that_pip_audit_skipped_was_not_audited() -> None:
    verdict = of_packages(CLEAN, SKIPPED)
    assert verdict.packages == 1
    assert verdict.not_audited == f"1 of 2 packages, the first: {SKIPPED['skip_reason']}"


def test_an_advisory_names_the_package_and_the_versions_that_mend_it() -> None:
    assert of_packages(CLEAN, FAULTY) == Verdict(2, ("pyjwt 2.4.0: PYSEC-2026-1, mended in 2.4.1, 2.5.0",))


@pytest.mark.parametrize("output", ["", "no JSON", "{}", "[]", '{"dependencies": []}'])
def test_what_answers_nothing_to_be_read_was_not_audited(output: str) -> None:
    assert of_pip(output, "a trace\nConnectionError: no such host").not_audited is not None
    assert of_npm(output, "npm error audit endpoint returned an error").not_audited is not None


def test_npm_tells_its_advisories() -> None:
    answer = {
        "vulnerabilities": {"ms": {"severity": "high", "range": "<2.0.0"}},
        "metadata": {"dependencies": {"total": 12}},
    }
    assert of_npm(json.dumps(answer), "") == Verdict(12, ("ms: high, <2.0.0",))
    assert of_npm(json.dumps({**answer, "vulnerabilities": {}}), "") == Verdict(12)
    refused = {"message": "405 Method Not Allowed", "statusCode": 405}
    told = of_npm(
        json.dumps(refused), "npm error audit endpoint returned an error\nA complete log of this run is there"
    )
    assert told.not_audited == "the advisories cannot be had (npm error audit endpoint returned an error)"


def test_a_tool_that_is_not_there_or_hangs_has_not_audited(monkeypatch: pytest.MonkeyPatch) -> None:
    assert audited(("./no-such-tool",), of_pip).not_audited is not None
    monkeypatch.setattr("tools.audit.LONGEST_SECONDS", 0.05)
    assert audited((sys.executable, "-c", "import time; time.sleep(5)"), of_pip).not_audited == "no answer in 0.05 s"


@pytest.mark.parametrize(
    ("layer", "other", "status"),
    [
        (Verdict(3), Verdict(5), 0),
        (Verdict(3, ("one",)), Verdict(5), 1),
        (Verdict(3, ("one",)), Verdict(not_audited="why"), 1),
        (Verdict(3), Verdict(5, ("one",)), 0),
        (Verdict(3), Verdict(not_audited="why"), 2),
        (Verdict(1, (), "2 of 3 packages"), Verdict(5), 2),
    ],
)
def test_what_a_seller_runs_fails_and_what_was_not_audited_is_told(layer: Verdict, other: Verdict, status: int) -> None:
    assert exit_status({LAYER.file: layer, "requirements-dev.txt": other}) == status
