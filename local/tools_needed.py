"""The programs that the local stack needs besides its own Python packages."""

import importlib.util
import sys
from pathlib import Path

from local.errors import LocalStackError

PYTHON_MIN = (3, 11)
PYTHON_MAX = (3, 13)


def check_tools() -> None:
    """Raise `LocalStackError` naming what is missing, and how to get it."""
    if not PYTHON_MIN <= sys.version_info[:2] <= PYTHON_MAX:
        raise LocalStackError(
            "Python 3.11, 3.12 or 3.13 is needed: Lambda has no other. Remove .venv and run `make run`"
        )
    sam = Path(sys.executable).with_name("sam")
    if not sam.exists() or importlib.util.find_spec("ministack") is None:
        raise LocalStackError("SAM CLI or MiniStack is not installed: run `make setup`")
