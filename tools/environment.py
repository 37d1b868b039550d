"""Makes a virtual environment with pip in a moment: ``python3 tools/environment.py FOLDER``.

`python3 -m venv` does the same in five seconds of a processor: it has pip install itself, out of a zip file and with all its
byte code. But pip is a wheel in Python alone, and such a wheel is installed once it is unpacked. The exit status is 1 where
this Python keeps no wheel of pip; then `python3 -m venv` can do it, or say what is missing. This runs before anything is
installed, so it imports nothing of ours.
"""

import importlib.util
import shutil
import sys
import sysconfig
import tempfile
import venv
import zipfile
from pathlib import Path


def main() -> int:
    """Make the environment."""
    folder, wheel = Path(sys.argv[1]), bundled_pip()
    if wheel is None:
        return 1
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    # One of another Python keeps its program: it is made anew.
    venv.create(folder, symlinks=True, clear=(folder / "pyvenv.cfg").exists() and not packages.exists())
    # One that is there stays: the environment was made before, and the lock has changed. It is there whole, or not at all.
    if not (packages / "pip").exists():
        with tempfile.TemporaryDirectory(dir=folder) as unpacked, zipfile.ZipFile(wheel) as file:
            file.extractall(unpacked)
            for part in sorted(Path(unpacked).iterdir(), key=lambda part: part.name == "pip"):
                shutil.rmtree(packages / part.name, ignore_errors=True)
                part.rename(packages / part.name)
    return 0


def bundled_pip() -> Path | None:
    """Return the wheel of pip that came with this Python: beside `ensurepip`, or where Debian and Fedora keep wheels."""
    elsewhere, ensurepip = sysconfig.get_config_var("WHEEL_PKG_DIR"), importlib.util.find_spec("ensurepip")
    folders = [Path(elsewhere)] if elsewhere else []
    if ensurepip is not None and ensurepip.origin is not None:
        folders.append(Path(ensurepip.origin).parent / "_bundled")
    return next((wheel for folder in folders for wheel in sorted(folder.glob("pip-*.whl"))), None)


if __name__ == "__main__":
    sys.exit(main())
