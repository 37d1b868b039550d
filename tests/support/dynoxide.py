"""Dynoxide: a DynamoDB that is right under concurrency, one small process in memory, where there is one for the machine."""

import platform
import shutil
from collections.abc import Sequence
from pathlib import Path

NODE_MODULES = Path(__file__).resolve().parents[1] / "node_modules"
_SYSTEMS = {"Linux": "linux", "Darwin": "darwin"}
_PROCESSORS = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


def binary(node_modules: Path = NODE_MODULES) -> Path | None:
    """Return the program for this machine: the one that npm has installed by the lock, else the one on the path.

    None where there is neither. npm names its packages as Node names the platform and the processor.
    """
    system, processor = _SYSTEMS.get(platform.system()), _PROCESSORS.get(platform.machine().lower())
    installed = node_modules / "@dynoxide" / f"{system}-{processor}" / "dynoxide"
    if installed.exists():
        return installed
    found = shutil.which("dynoxide")
    return Path(found) if found else None


def command(program: Path, port: int) -> Sequence[str]:
    """Return the command that serves at a port of 127.0.0.1."""
    return (str(program), "--host", "127.0.0.1", "--port", str(port))
