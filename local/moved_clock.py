"""Gives the functions of the local stack a clock that follows the simulator's. Nothing of it is in the template."""

import shutil
from pathlib import Path

from local import ROOT
from local.errors import LocalStackError

CLOCK_FILE_VARIABLE = "LOCAL_CLOCK_FILE"
"""What tells the functions where the file is; `function_clock.py`, which imports nothing of ours, has the same name."""

BUILT_CLOCK = Path("build") / "SharedLayer" / "python" / "pancake_meter" / "clock.py"
"""Where `sam build` puts the layer's clock, below the folder that it builds into."""


def clock_file(temporary_folder: Path) -> Path:
    """Return the file through which the simulator tells the functions the time. A run begins without it."""
    return temporary_folder / "clock.json"


def move_function_clocks(build_folder: Path) -> None:
    """Put the movable clock into what was built in `build_folder`. Raises `LocalStackError`."""
    built = build_folder / BUILT_CLOCK
    if not built.is_file():
        raise LocalStackError(f"the build has no {BUILT_CLOCK}: where is the clock of the functions?")
    # `sam build` links what it has in its cache: the file is replaced, never written into.
    built.unlink()
    # The byte code beside it is taken unchecked: the old clock's must go.
    for compiled in (built.parent / "__pycache__").glob("clock.*.pyc"):
        compiled.unlink()
    shutil.copyfile(ROOT / "local" / "function_clock.py", built)
