"""The lock: requirements-dev.txt (everything) and layers/shared/requirements.txt (what the layer carries).

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
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = ROOT / "pyproject.toml"
EVERYTHING = ROOT / "requirements-dev.txt"
LAYER = ROOT / "layers" / "shared" / "requirements.txt"
BOOTSTRAP = ROOT / "requirements-bootstrap.txt"
FINGERPRINT = re.compile(r"^# pyproject dependencies: sha256 ([0-9a-f]{64})$", re.MULTILINE)
PIN = re.compile(r"^([A-Za-z0-9._-]+)(\[[^\]]*\])?==([^ ;\\]+)")
HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")
UV_OPTIONS = ("--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url", "--no-header")

Pins = dict[str, tuple[str, frozenset[str]]]
"""Canonical package name -> (version, hashes)."""


def fingerprint() -> str:
    """Return the SHA-256 of the dependency declarations in pyproject.toml, whatever their order or comments."""
    declared = _declared()
    return hashlib.sha256(json.dumps({name: sorted(lines) for name, lines in declared.items()}).encode()).hexdigest()


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
    found: list[str] = []
    everything, layer, bootstrap = (_read(path) for path in (EVERYTHING, LAYER, BOOTSTRAP))
    for path, text in ((EVERYTHING, everything), (LAYER, layer)):
        recorded = FINGERPRINT.search(text)
        if recorded is None or recorded[1] != fingerprint():
            found.append(f"{path.relative_to(ROOT)} was made from other dependencies than pyproject.toml has")
    all_pins = pins(everything)
    for path, text in ((LAYER, layer), (BOOTSTRAP, bootstrap)):
        found += [
            f"{path.relative_to(ROOT)}: {name} is not the {name} of requirements-dev.txt"
            for name, pin in pins(text).items()
            if all_pins.get(name) != pin
        ]
    declared = _declared()
    found += _unmet(declared["project"], pins(layer), LAYER)
    found += _unmet(declared["project"] + declared["dev"], all_pins, EVERYTHING)
    found += [f"{name} has no hash" for name, (_, hashes) in all_pins.items() if not hashes]
    return found


def write() -> None:
    """Resolve anew and write the three files. Needs a package index; raises `subprocess.CalledProcessError`."""
    header = f"# Made by `make lock`; do not edit.\n# pyproject dependencies: sha256 {fingerprint()}\n"
    _compile(EVERYTHING, header, "--no-strip-extras", "--group", "dev")
    _compile(LAYER, header, "--constraints", EVERYTHING.name)
    uv = re.search(r"^uv==.*?(?=^\S)", EVERYTHING.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    if uv is None:
        raise LookupError("uv is not in the lock")
    BOOTSTRAP.write_text(
        f"# Made by `make lock`; do not edit. The installer that installs requirements-dev.txt.\n{uv[0]}",
        encoding="utf-8",
    )


def _compile(output: Path, header: str, *options: str) -> None:
    command = ("uv", "pip", "compile", *UV_OPTIONS, *options, PYPROJECT.name, "--quiet", "--output-file")
    subprocess.run([*command, str(output.relative_to(ROOT))], cwd=ROOT, check=True)
    output.write_text(header + output.read_text(encoding="utf-8"), encoding="utf-8")


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _declared() -> dict[str, list[str]]:
    pyproject = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))
    return {"project": pyproject["project"]["dependencies"], "dev": pyproject["dependency-groups"]["dev"]}


def _unmet(requirements: list[str], pinned: Pins, path: Path) -> list[str]:
    found: list[str] = []
    for line in requirements:
        requirement = Requirement(line)
        pin = pinned.get(canonicalize_name(requirement.name))
        if pin is None or not requirement.specifier.contains(pin[0], prereleases=True):
            found.append(f"{path.relative_to(ROOT)}: nothing there meets {line!r}")
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
