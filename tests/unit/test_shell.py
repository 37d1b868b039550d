r"""Recipes and scripts keep to what macOS ships: make 3.81, bash 3.2, and the tools of BSD.

BSD's sed knows no \t in what it writes; bash 3.2 takes an empty array for an unset variable under `set -u`.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAKEFILES = [ROOT / "Makefile", *sorted((ROOT / "layers").glob("*/Makefile"))]
SCRIPTS = [ROOT / ".ci" / "run", *sorted((ROOT / "local").glob("*.sh"))]
GNU_ALONE = {
    "a GNU program": r"\b(timeout|realpath|nproc|tac|shuf|sha256sum|md5sum|setsid|numfmt)\s",
    "readlink -f": r"\breadlink\s+-f",
    "sed: \\t in what it writes, -i without a suffix, -r": r"\bsed\s+(-i\s|-r\b)|\bsed\b.*/\\?.*\\t[^/]*/",
    "grep -P": r"\bgrep\s+-\w*P",
    "find -printf": r"\s-(printf|regextype)\b",
    "date -d": r"\bdate\s+(-d|--)",
    "stat -c": r"\bstat\s+-c",
    "cp -a, cp --": r"\bcp\s+(-\w*a|--)",
    "base64 -w": r"\bbase64\s+-w",
    "bash 4": r"\bdeclare\s+-A|\b(mapfile|readarray)\b|\$\{\w+(\^|,,)|\|&|&>>",
    "make 4": r"^\.ONESHELL|\$\(file |^\w+\s*(!=|::=)",
}


@pytest.mark.parametrize("file", [*MAKEFILES, *SCRIPTS], ids=lambda file: str(file.relative_to(ROOT)))
def test_recipes_and_scripts_keep_to_what_macos_ships(file: Path) -> None:
    lines = [line for line in file.read_text().splitlines() if not line.lstrip().startswith("#")]
    assert [(what, line) for line in lines for what, pattern in GNU_ALONE.items() if re.search(pattern, line)] == []


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_an_array_that_may_be_empty_is_expanded_only_where_it_has_something(file: Path) -> None:
    text = file.read_text()
    may_be_empty = re.findall(r"^\s*(\w+)=\(\)", text, re.MULTILINE)
    for name in may_be_empty:
        first = re.search(rf"\$\{{{name}\[[@*]\]\}}", text)
        checked = text.find(f'[ "${{#{name}[@]}}" -gt 0 ]')
        assert first is None or 0 <= checked < first.start(), name


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (r"sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile", "sed"),
        ("here=$(readlink -f .)", "readlink"),
        ("timeout 5 make", "a GNU program"),
        ("cp -a one other", "cp"),
    ],
)
def test_what_only_gnu_has_is_seen(line: str, what: str) -> None:
    assert any(found.startswith(what) for found, pattern in GNU_ALONE.items() if re.search(pattern, line))
