"""The browser that tests drive: Chromium, or Chrome. ``python -m tests.support.chromium`` prints where it is."""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
APPLICATIONS = (Path("/Applications"), Path.home() / "Applications")
"""Where a Mac has its programs: they are not on the path."""
IN_AN_APPLICATION = ("Chromium.app/Contents/MacOS/Chromium", "Google Chrome.app/Contents/MacOS/Google Chrome")
MISSING = (
    "Chromium is needed for the tests; on Debian: apt-get install chromium; on a Mac: Google Chrome, or"
    " brew install --cask chromium; elsewhere: set CHROMIUM=/path/to/it"
)


class NoBrowserError(RuntimeError):
    """There is none; the message says how to get one."""


def chromium(environ: Mapping[str, str] = os.environ, applications: Sequence[Path] = APPLICATIONS) -> str:
    """Return the path of the browser: what CHROMIUM names, else one that is installed. Raises `NoBrowserError`."""
    if named := environ.get("CHROMIUM"):
        return named
    path = environ.get("PATH", os.defpath)
    installed = (str(folder / inner) for folder in applications for inner in IN_AN_APPLICATION)
    for candidate in (*PROGRAMS, *installed):
        if found := shutil.which(candidate, path=path):
            return found
    raise NoBrowserError(MISSING)


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{chromium()}\n")
    except NoBrowserError as error:
        sys.exit(str(error))
