"""The lock: requirements-dev.txt (everything) and layers/shared/requirements.txt (what the layer carries).

LiteLLM, the real one that tests run beside us, is requirements-litellm.txt: it wants other versions of what we use, and so
gets an environment of its own. So does checkov, which reads the templates: requirements-checkov.txt. So does mutmut,
which changes the domain: requirements-mutants.txt. And schemathesis, which makes requests from docs/openapi.json:
requirements-schemathesis.txt.

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
LITELLM = ROOT / "requirements-litellm.txt"
CHECKOV = ROOT / "requirements-checkov.txt"
MUTANTS = ROOT / "requirements-mutants.txt"
SCHEMATHESIS = ROOT / "requirements-schemathesis.txt"
FINGERPRINT = re.compile(r"^# pyproject dependencies: sha256 ([0-9a-f]{64})$", re.MULTILINE)
PIN = re.compile(r"^([A-Za-z0-9._-]+)(\[[^\]]*\])?==([^ ;\\]+)")
HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")
UV_OPTIONS = ("--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url", "--no-header")

OURS = ("project", "dev")
THEIRS = ("litellm", "litellm overrides")
CHECKS = ("checkov",)
MUTATES = ("project", "mutants")
FUZZ = ("schemathesis",)

Pins = dict[str, tuple[str, frozenset[str]]]
"""Canonical package name -> (version, hashes)."""


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
    found: list[str] = []
    paths = (EVERYTHING, LAYER, BOOTSTRAP, LITELLM, CHECKOV, MUTANTS, SCHEMATHESIS)
    everything, layer, bootstrap, litellm, checkov, mutants, schemathesis = map(_read, paths)
    for path, text, names in (
        (EVERYTHING, everything, OURS),
        (LAYER, layer, OURS),
        (LITELLM, litellm, THEIRS),
        (CHECKOV, checkov, CHECKS),
        (MUTANTS, mutants, MUTATES),
        (SCHEMATHESIS, schemathesis, FUZZ),
    ):
        recorded = FINGERPRINT.search(text)
        if recorded is None or recorded[1] != fingerprint(*names):
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
    found += _unmet(declared["litellm"] + declared["litellm overrides"], pins(litellm), LITELLM)
    found += _unmet(declared["checkov"], pins(checkov), CHECKOV)
    found += _unmet(declared["project"] + declared["mutants"], pins(mutants), MUTANTS)
    found += _unmet(declared["schemathesis"], pins(schemathesis), SCHEMATHESIS)
    found += [
        f"{name} has no hash"
        for each in (all_pins, pins(litellm), pins(checkov), pins(mutants), pins(schemathesis))
        for name, (_, hashes) in each.items()
        if not hashes
    ]
    return found


def write() -> None:
    """Resolve anew and write the six files. Needs a package index; raises `subprocess.CalledProcessError`."""
    _compile(EVERYTHING, OURS, PYPROJECT.name, "--no-strip-extras", "--group", "dev")
    _compile(LAYER, OURS, PYPROJECT.name, "--constraints", EVERYTHING.name)
    _compile(LITELLM, THEIRS, "--group", "litellm")
    _compile(CHECKOV, CHECKS, "--group", "checkov")
    _compile(MUTANTS, MUTATES, PYPROJECT.name, "--group", "mutants")
    _compile(SCHEMATHESIS, FUZZ, "--group", "schemathesis")
    uv = re.search(r"^uv==.*?(?=^\S)", EVERYTHING.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    if uv is None:
        raise LookupError("uv is not in the lock")
    BOOTSTRAP.write_text(
        f"# Made by `make lock`; do not edit. The installer that installs requirements-dev.txt.\n{uv[0]}",
        encoding="utf-8",
    )


def _compile(output: Path, names: tuple[str, ...], *options: str) -> None:
    header = f"# Made by `make lock`; do not edit.\n# pyproject dependencies: sha256 {fingerprint(*names)}\n"
    command = ("uv", "pip", "compile", *UV_OPTIONS, *options, "--quiet", "--output-file")
    subprocess.run([*command, str(output.relative_to(ROOT))], cwd=ROOT, check=True)
    output.write_text(header + output.read_text(encoding="utf-8"), encoding="utf-8")


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _declared() -> dict[str, list[str]]:
    pyproject = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))
    groups = pyproject["dependency-groups"]
    return {
        "project": pyproject["project"]["dependencies"],
        "dev": groups["dev"],
        "litellm": groups["litellm"],
        "checkov": groups["checkov"],
        "mutants": groups["mutants"],
        "schemathesis": groups["schemathesis"],
        "litellm overrides": pyproject["tool"]["uv"]["override-dependencies"],
    }


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
