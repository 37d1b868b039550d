"""The locks: files that pin each dependency with its hashes.

`requirements-dev.txt` is everything that we work with, `layers/shared/requirements.txt` and
`layers/pages/requirements.txt` what the layers carry. A tool that
wants other versions of what we use has an environment of its own, and a lock of its own: see `LOCKS`.

`python -m tools.lock write` resolves anew and needs a package index; `python -m tools.lock check` is offline: it holds
the files against pyproject.toml and against each other.
"""

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = ROOT / "pyproject.toml"
FINGERPRINT = re.compile(r"^# pyproject dependencies: sha256 ([0-9a-f]{64})$", re.MULTILINE)
PIN = re.compile(r"^([A-Za-z0-9._-]+)(\[[^\]]*\])?==([^ ;\\]+)")
HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")
UV_OPTIONS = ("--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url", "--no-header")

Pins = dict[str, tuple[str, frozenset[str]]]
"""Canonical package name -> (version, hashes)."""


@dataclass(frozen=True, slots=True)
class Lock:
    """One lock: its file, what must be in it, and what it is made from.

    `meets` and `recorded` name lists of pyproject.toml (`_declared`): those that the pins must meet, and those whose
    fingerprint the file keeps. `options` are uv's.
    """

    file: str
    meets: tuple[str, ...]
    recorded: tuple[str, ...]
    options: tuple[str, ...]

    @property
    def path(self) -> Path:
        """Where the file is."""
        return ROOT / self.file

    @property
    def text(self) -> str:
        """What the file says; nothing when it is not there."""
        return self.path.read_text(encoding="utf-8") if self.path.exists() else ""


def _tool(name: str, *, with_ours: bool = False, overrides: tuple[str, ...] = ()) -> Lock:
    """Return the lock of a tool with an environment of its own; `with_ours`: beside what the layer carries."""
    meets = (*(("project",) if with_ours else ()), name, *overrides)
    options = (*((PYPROJECT.name,) if with_ours else ()), "--group", name)
    return Lock(f"requirements-{name}.txt", meets, meets, options)


_OURS: Final = ("project", "dev")
EVERYTHING: Final = Lock("requirements-dev.txt", _OURS, _OURS, (PYPROJECT.name, "--no-strip-extras", "--group", "dev"))
LAYER: Final = Lock(
    "layers/shared/requirements.txt", ("project",), _OURS, (PYPROJECT.name, "--constraints", EVERYTHING.file)
)
PAGES_LAYER: Final = Lock(
    "layers/pages/requirements.txt",
    ("pages",),
    ("pages", "dev"),
    ("--group", "pages", "--constraints", EVERYTHING.file),
)
LOCKS: Final = (
    EVERYTHING,
    LAYER,
    PAGES_LAYER,
    _tool("litellm", overrides=("litellm overrides",)),  # the real one, which tests run beside us
    _tool("checkov"),  # reads the templates
    _tool("mutants", with_ours=True),  # mutmut, which changes the domain
    _tool("schemathesis"),  # makes requests from docs/openapi.json
    _tool("audit"),  # pip-audit, which asks for known advisories
)
BOOTSTRAP: Final = ROOT / "requirements-bootstrap.txt"
"""The installer that installs `EVERYTHING`."""


def fingerprint(*names: str) -> str:
    """Return the SHA-256 of the named dependency declarations in pyproject.toml, whatever their order or comments."""
    declared = {name: sorted(lines) for name, lines in _declared().items() if name in names}
    return hashlib.sha256(json.dumps(declared).encode()).hexdigest()


def pins(text: str) -> Pins:
    """Read a requirements file with hashes."""
    found: Pins = {}
    for entry in text.replace("\\\n", " ").splitlines():
        pin = PIN.match(entry)
        if pin:
            found[canonicalize_name(pin[1])] = (pin[3], frozenset(HASH.findall(entry)))
    return found


def problems() -> list[str]:
    """Return what is out of step, as sentences; an empty list means all is well."""
    declared, everything = _declared(), pins(EVERYTHING.text)
    bootstrap = BOOTSTRAP.read_text(encoding="utf-8") if BOOTSTRAP.exists() else ""
    found: list[str] = []
    for lock in LOCKS:
        recorded, pinned = FINGERPRINT.search(lock.text), pins(lock.text)
        if recorded is None or recorded[1] != fingerprint(*lock.recorded):
            found.append(f"{lock.file} was made from other dependencies than pyproject.toml has")
        for name in lock.meets:
            found += _unmet(declared[name], pinned, lock.file)
        found += [f"{lock.file}: {name} has no hash" for name, (_, hashes) in pinned.items() if not hashes]
    for file, text in ((LAYER.file, LAYER.text), (PAGES_LAYER.file, PAGES_LAYER.text), (BOOTSTRAP.name, bootstrap)):
        found += [
            f"{file}: {name} is not the {name} of {EVERYTHING.file}"
            for name, pin in pins(text).items()
            if everything.get(name) != pin
        ]
    return found


def write() -> None:
    """Resolve anew and write every lock. Needs a package index; raises `subprocess.CalledProcessError`."""
    for lock in LOCKS:
        _compile(lock)
    uv = re.search(r"^uv==.*?(?=^\S)", EVERYTHING.text, re.MULTILINE | re.DOTALL)
    if uv is None:
        raise LookupError("uv is not in the lock")
    BOOTSTRAP.write_text(
        f"# Made by `make lock`; do not edit. The installer that installs {EVERYTHING.file}.\n{uv[0]}",
        encoding="utf-8",
    )


def _compile(lock: Lock) -> None:
    header = f"# Made by `make lock`; do not edit.\n# pyproject dependencies: sha256 {fingerprint(*lock.recorded)}\n"
    command = ("uv", "pip", "compile", *UV_OPTIONS, *lock.options, "--quiet", "--output-file", lock.file)
    subprocess.run(command, cwd=ROOT, check=True)
    lock.path.write_text(header + lock.text, encoding="utf-8")


def _declared() -> Mapping[str, list[str]]:
    pyproject = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))
    return {
        "project": pyproject["project"]["dependencies"],
        **pyproject["dependency-groups"],
        "litellm overrides": pyproject["tool"]["uv"]["override-dependencies"],
    }


def _unmet(requirements: list[str], pinned: Pins, file: str) -> list[str]:
    found: list[str] = []
    for line in requirements:
        requirement = Requirement(line)
        pin = pinned.get(canonicalize_name(requirement.name))
        if pin is None or not requirement.specifier.contains(pin[0], prereleases=True):
            found.append(f"{file}: nothing there meets {line!r}")
    return found


def main() -> int:
    """Run `write` or `check`; the exit status is 1 when something is out of step."""
    parser = argparse.ArgumentParser(prog="python -m tools.lock")
    parser.add_argument("action", choices=("write", "check"))
    if parser.parse_args().action == "write":
        write()
    found = problems()
    for problem in found:
        print(problem, file=sys.stderr)
    if found:
        print("run `make lock`", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
