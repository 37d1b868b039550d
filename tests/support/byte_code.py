"""Has all byte code written before the workers of a first run begin: `python -m tests.support.byte_code`.

Each worker would write all of it, since none knows of the others: that took a tenth of a run in a clean checkout. Here two
processes collect a half of the tests each, and so import what the tests do. After a first run there is nothing to do.
"""

import subprocess
import sys
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).resolve().parents[1]
HALVES: Final = (("integration",), ("unit", "property", "contract"))


def is_written(tests: Path = TESTS) -> bool:
    """Whether tests were collected here before, by this Python."""
    return any((tests / "__pycache__").glob(f"conftest.{sys.implementation.cache_tag}-pytest-*.pyc"))


def main() -> None:
    """Collect both halves at one time. What is wrong with a test is told by the run itself."""
    if is_written() or sys.dont_write_bytecode:
        return
    print("the first run: writing byte code ...", flush=True)  # noqa: T201 - what `make test` waits for
    command = (sys.executable, "-m", "pytest", "--collect-only", "--quiet")
    collecting = [
        subprocess.Popen([*command, *(str(TESTS / each) for each in half)], cwd=TESTS.parent, stdout=subprocess.DEVNULL)
        for half in HALVES
    ]
    for each in collecting:
        each.wait()


if __name__ == "__main__":
    main()
