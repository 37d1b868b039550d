"""The audit: known advisories about what the locks name, asked of pip-audit and of npm.

`make audit` prints a line for each lock. The exit status tells what is to be done:

- 0: every lock was audited, and no advisory is about what the layer carries
- 1: an advisory is about what the layer carries, so about what a seller runs
- 2: a lock was not audited, since the advisories of one of its packages could not be had

Advisories about what only developers run are printed and do not fail: no request of a customer reaches it.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tools.lock import BOOTSTRAP, LAYER, LOCKS, ROOT

PIP_AUDIT: Final = ROOT / ".venv-audit" / "bin" / "pip-audit"
NPM_LOCKS: Final = ("tests/package-lock.json",)
LONGEST_SECONDS: Final = 300
"""One lock takes at most this long; what hangs was not audited."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an audit of one lock came to: how many packages it has, the advisories, and why it is not whole, if so."""

    packages: int = 0
    advisories: tuple[str, ...] = ()
    not_audited: str | None = None

    def __str__(self) -> str:
        """Return it as a line."""
        found = f"{len(self.advisories)} known advisories" if self.advisories else "no known advisory"
        told = [f"{self.packages} packages, {found}"] if self.packages or self.advisories else []
        return "; ".join([*told, *([f"NOT AUDITED: {self.not_audited}"] if self.not_audited is not None else [])])


def of_pip(output: str, errors: str) -> Verdict:
    """Read what pip-audit printed as JSON. It skips a package that it cannot ask about, and calls that no failure."""
    try:
        packages: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except (ValueError, LookupError, TypeError):
        return Verdict(not_audited=_last_line(errors))
    skipped = [each["skip_reason"] for each in packages if "skip_reason" in each]
    advisories = tuple(
        f"{each['name']} {each['version']}: {advisory['id']}, mended in {', '.join(advisory['fix_versions']) or 'none'}"
        for each in packages
        for advisory in each.get("vulns", ())
    )
    asked = len(packages) - len(skipped)
    if skipped or not packages:
        why = (
            f"{len(skipped)} of {len(packages)} packages, the first: {skipped[0]}" if skipped else "it names no package"
        )
        return Verdict(asked, advisories, why)
    return Verdict(asked, advisories)


def of_npm(output: str, errors: str) -> Verdict:
    """Read what `npm audit` printed as JSON."""
    try:
        answer = json.loads(output)
        packages: int = answer["metadata"]["dependencies"]["total"]
        found: dict[str, dict[str, Any]] = answer["vulnerabilities"]
    except (ValueError, LookupError, TypeError):
        return Verdict(not_audited=_last_line(errors))
    return Verdict(packages, tuple(f"{name}: {each['severity']}, {each['range']}" for name, each in found.items()))


def _last_line(errors: str) -> str:
    """Return the most telling line of what a tool complained of."""
    lines = [line.strip() for line in errors.splitlines() if line.strip() and "complete log" not in line]
    return f"the advisories cannot be had ({lines[-1][:200] if lines else 'no answer'})"


def audited(command: tuple[str, ...], read: Callable[[str, str], Verdict], folder: Path = ROOT) -> Verdict:
    """Run an audit and read what it printed. It never raises: what did not run has not audited."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=LONGEST_SECONDS)
    except subprocess.TimeoutExpired:
        return Verdict(not_audited=f"no answer in {LONGEST_SECONDS} s")
    except OSError as error:
        return Verdict(not_audited=f"{command[0]} does not run: {error.strerror}")
    return read(done.stdout, done.stderr)


def verdicts() -> dict[str, Verdict]:
    """Audit every lock; return what each came to, by its file."""
    options = ("--disable-pip", "--require-hashes", "--format", "json", "--progress-spinner", "off")
    found = {
        file: audited((str(PIP_AUDIT), *options, "--requirement", file), of_pip)
        for file in (*(lock.file for lock in LOCKS), BOOTSTRAP.name)
    }
    for file in NPM_LOCKS:
        found[file] = audited(("npm", "audit", "--json"), of_npm, (ROOT / file).parent)
    return found


def exit_status(found: dict[str, Verdict]) -> int:
    """Return the exit status of these verdicts."""
    if found[LAYER.file].advisories:
        return 1
    return 2 if any(each.not_audited is not None for each in found.values()) else 0


def main() -> int:
    """Audit, print, and return the exit status."""
    argparse.ArgumentParser(prog="python -m tools.audit").parse_args()
    found = verdicts()
    for file, verdict in found.items():
        print(f"{file}: {verdict}")
        for advisory in verdict.advisories:
            print(f"    {advisory}")
    status = exit_status(found)
    if status == 1:
        print(f"an advisory is about what {LAYER.file} carries into AWS: take a version that mends it", file=sys.stderr)
    if any(each.not_audited is not None for each in found.values()):
        print("NOT ALL WAS AUDITED: run this where the advisories can be had", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
