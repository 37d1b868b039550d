"""Builds the stack for one Lambda runtime and processor: `python -m tools.build --runtime python3.13 --architecture arm64`.

`sam build` does the work. This adds what it lacks: wheels that are checked against the lock's hashes for every platform,
byte code made by the runtime's own Python (Lambda cannot write it, so each cold start would compile anew), a look at the
result (wheels of the right platform, sizes within Lambda's limit), and a record of what was built for `tools.deploy`. It
checks the catalog too, and puts it into the layer as code, so that no cold start checks it again.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from packaging.tags import Tag, compatible_tags, cpython_tags, parse_tag

from tools.cfn_template import ROOT, TEMPLATE_PATH, load_template
from tools.marks import LAYERS, NoMark, write_mark

BUILD_FOLDER: Final = ROOT / ".aws-sam" / "build"
RECORD: Final = "built-for.json"
CATALOG: Final = ROOT / "layers" / "catalog" / "catalog.toml"
CHECKED_CATALOG: Final = Path("SharedLayer") / "python" / "pancake_meter" / "catalog" / "checked.py"
"""The catalog as code, below the folder that is built into. The file itself is deployed too: a function takes the code where
it was made of that very file."""
RUNTIMES: Final = ("python3.11", "python3.12", "python3.13")
"""What a stack may run on; the last one is the default."""
BYTE_CODE: Final = ROOT / "tools" / "byte_code.py"
WHEEL_ARCHITECTURES: Final = {"arm64": "aarch64", "x86_64": "x86_64"}
_PROCESSORS: Final = {"arm64": "arm64", "aarch64": "arm64", "x86_64": "x86_64", "amd64": "x86_64"}
"""Lambda's name of each processor that systems have names for: a Mac says arm64, Linux aarch64."""
UNZIPPED_BYTES_MAX: Final = 262_144_000
"""Lambda's limit for a function with its layers."""

_GLIBC: Final = {"python3.11": 26}
"""Minor version of the glibc 2 of the runtime's Amazon Linux; 34 for later runtimes."""
_NEWEST_GLIBC: Final = 34
_KNOWN_GLIBCS: Final = (17, 24, 26, 27, 28, 31, 34)


class BuildError(Exception):
    """The stack cannot be built like this; the message says why and what helps."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is built for. A ``native`` build takes wheels of this machine: the local stack runs them here."""

    runtime: str
    architecture: str
    native: bool = False

    @property
    def sync_command(self) -> str:
        """The command that installs wheels of this machine, all but its folder; one that fails for another machine."""
        if not self.native:
            return "false"
        version = self.runtime.removeprefix("python")
        return f"uv pip sync --quiet --require-hashes --only-binary=:all: --python-version {version}"

    @property
    def wheel_options(self) -> str:
        """The options of `pip install` that choose wheels for the target."""
        if self.native:
            return f"--python-version {self.runtime.removeprefix('python')}"
        processor = WHEEL_ARCHITECTURES[self.architecture]
        newest = _GLIBC.get(self.runtime, _NEWEST_GLIBC)
        tags = [f"manylinux_2_{minor}_{processor}" for minor in _KNOWN_GLIBCS if minor <= newest]
        platforms = " ".join(f"--platform {tag}" for tag in (f"manylinux2014_{processor}", *tags))
        return f"--implementation cp --python-version {self.runtime.removeprefix('python')} {platforms}"

    @property
    def cache_name(self) -> str:
        """The folder of what `sam build` keeps for the target: a Mac's own wheels are none for Lambda, nor for Linux."""
        return f"{self.runtime}-{self.architecture}" + (f"-{sys.platform}" if self.native else "")


def architecture_here() -> str:
    """Return Lambda's name of this machine's processor. Raises `BuildError` where Lambda has none such."""
    processor = platform.machine().lower()
    if processor not in _PROCESSORS:
        raise BuildError(f"Lambda has no {processor} processors: nothing can be built for this machine")
    return _PROCESSORS[processor]


def build(target: Target, folder: Path, cache_folder: Path) -> None:
    """Build every function and layer into ``folder``.

    Raises:
        BuildError: the runtime's Python is missing, `sam build` failed, the catalog has a problem, the template has no place
            for the digest of the layers, or the result is not fit for Lambda.
    """
    python = interpreter(target.runtime)
    _sam_build(target, folder, cache_folder)
    write_catalog(CATALOG, folder / CHECKED_CATALOG)
    _compile(python, {folder / name: mount for name, mount in artifacts(folder)})
    found = [*foreign_wheels(folder, target), *oversized(folder)]
    if found:
        raise BuildError("\n".join(found))
    try:
        write_mark(folder / "template.yaml", LAYERS, layers_digest(folder))
    except NoMark as error:
        raise BuildError(str(error)) from error
    record = {"runtime": target.runtime, "architecture": target.architecture}
    (folder / RECORD).write_text(json.dumps(record), encoding="utf-8")


def layers_digest(folder: Path) -> str:
    """Return what differs whenever a layer does: one that was built into ``folder``, or that is deployed as it is."""
    found = hashlib.sha256()
    for name, resource in sorted(load_template()["Resources"].items()):
        if resource["Type"] != "AWS::Serverless::LayerVersion":
            continue
        layer = folder / name if (folder / name).is_dir() else ROOT / resource["Properties"]["ContentUri"]
        for path in sorted(layer.rglob("*")):
            # Byte code is made of what is beside it, and of the runtime, which is a parameter.
            if path.is_file() and path.suffix != ".pyc":
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                found.update(f"{name}/{path.relative_to(layer)} {content}\n".encode())
    return found.hexdigest()[:16]


def read_record(folder: Path) -> Mapping[str, str]:
    """Return what ``folder`` was built for: ``runtime`` and ``architecture``.

    Raises:
        BuildError: nothing was built there.
    """
    try:
        record: Mapping[str, str] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BuildError("nothing is built yet: run `make build`") from None
    return record


def artifacts(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the folder name of each function and layer that was built, with the place where Lambda mounts it."""
    mounts = {"AWS::Serverless::LayerVersion": "/opt", "AWS::Serverless::Function": "/var/task"}
    for name, resource in load_template()["Resources"].items():
        if resource["Type"] in mounts and (folder / name).is_dir():
            yield name, mounts[resource["Type"]]


def foreign_wheels(folder: Path, target: Target) -> list[str]:
    """Return a sentence for each package whose compiled wheel is for another platform or Python than the target."""
    fits, here = (_runs_here(target), "this machine") if target.native else (_runs_on(target), target.architecture)
    found = []
    for wheel in sorted(folder.glob("*/python/*.dist-info/WHEEL")):
        lines = wheel.read_text(encoding="utf-8").splitlines()
        tags = [line.partition(":")[2].strip() for line in lines if line.startswith("Tag:")]
        if tags and not any(map(fits, tags)):
            found.append(f"{wheel.parent.name}: {', '.join(tags)} does not run on {here}, {target.runtime}")
    return found


def _runs_on(target: Target) -> Callable[[str], bool]:
    """Return whether a wheel with a tag runs on Lambda."""
    ours = _python_tag(target)

    def fits(tag: str) -> bool:
        python, abi, system = tag.split("-", 2)
        if system != "any" and not ("linux" in system and system.endswith(WHEEL_ARCHITECTURES[target.architecture])):
            return False
        return abi in ("none", "abi3") or ours in python

    return fits


def _runs_here(target: Target) -> Callable[[str], bool]:
    """Return whether a wheel with a tag runs on this machine: a Mac cannot import what is made for Linux."""
    version = tuple(map(int, target.runtime.removeprefix("python").split(".")))
    known: set[Tag] = {*cpython_tags(version), *compatible_tags(version, _python_tag(target))}
    return lambda tag: bool(parse_tag(tag) & known)


def _python_tag(target: Target) -> str:
    return target.runtime.replace("python", "cp").replace(".", "")


def sizes(folder: Path) -> dict[str, int]:
    """Return the unzipped bytes of each function and layer."""
    return {name: _bytes_of(folder / name) for name, _ in artifacts(folder)}


def oversized(folder: Path) -> list[str]:
    """Return a sentence for each function that is larger than Lambda takes, its layers included."""
    measured, resources = sizes(folder), load_template()["Resources"]
    layers = sum(size for name, size in measured.items() if "Layer" in resources[name]["Type"])
    return [
        f"{name}: {size + layers:,} bytes with its layers; Lambda takes {UNZIPPED_BYTES_MAX:,}"
        for name, size in measured.items()
        if "Layer" not in resources[name]["Type"] and size + layers > UNZIPPED_BYTES_MAX
    ]


def _bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def interpreter(runtime: str) -> str:
    """Return the runtime's own Python, whose byte code Lambda can read. A name on the path may be a shim without one.

    Raises:
        BuildError: there is none here.
    """
    if runtime == f"python{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    found = shutil.which(runtime) or runtime
    try:
        asked = subprocess.run(
            [found, "-c", "import sys; print(sys.executable)"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        here = f"python{sys.version_info.major}.{sys.version_info.minor}"
        raise BuildError(f"{runtime} does not run here. Install it, or build for this Python: RUNTIME={here}") from None
    return asked.stdout.strip()


def _sam_build(target: Target, folder: Path, cache_folder: Path) -> None:
    overrides = (f'Runtime="{target.runtime}"', f'Architecture="{target.architecture}"')
    command: Sequence[str] = (
        *(sys.executable, "-m", "tools.sam", "build", "--config-env", "none", "--template-file", str(TEMPLATE_PATH)),
        *("--build-dir", str(folder), "--cached", "--parallel"),
        # The cache does not know the environment, which chooses the wheels: one for each target.
        *("--cache-dir", str(cache_folder / target.cache_name)),
        *("--parameter-overrides", *overrides),
    )
    wheels = {"LAYER_WHEELS": target.wheel_options, "LAYER_SYNC": target.sync_command}
    environment: dict[str, Any] = {**os.environ, **wheels, "SAM_CLI_TELEMETRY": "0"}
    # The layers' own makes have nothing to do side by side, nor a share in the jobs of the make that may run this.
    environment.pop("MAKEFLAGS", None)
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', os.defpath)}"
    if subprocess.run(command, env=environment, check=False).returncode:
        raise BuildError("sam build failed")


def write_catalog(catalog: Path, module: Path) -> None:
    """Check a catalog in full, and write it as a module. Raises ``BuildError`` where it has a problem."""
    command = (sys.executable, "-m", "pancake_meter.catalog", "write", str(catalog), str(module))
    # The order of sets is the hashes': the same catalog makes the same layer.
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "layers" / "shared"), "PYTHONHASHSEED": "0"}
    if subprocess.run(command, env=environment, check=False).returncode:
        raise BuildError(f"{catalog} cannot be used; the problems are above")


def _compile(interpreter: str, mounts: Mapping[Path, str]) -> None:
    """Write the byte code beside the sources of each folder, which Lambda has elsewhere. One Python does them all."""
    asked = (interpreter, str(BYTE_CODE), json.dumps({str(folder): mount for folder, mount in mounts.items()}))
    if subprocess.run(asked, check=False).returncode:
        raise BuildError(f"a file above is one that {interpreter} cannot compile")


def main() -> int:
    """Build, and say how large the result is; the exit status is 1 where it cannot be."""
    parser = argparse.ArgumentParser(prog="python -m tools.build")
    parser.add_argument("--runtime", choices=RUNTIMES, default=RUNTIMES[-1])
    parser.add_argument("--architecture", choices=sorted(WHEEL_ARCHITECTURES), default="arm64")
    parser.add_argument("--native", action="store_true", help="take wheels of this machine, for the local stack")
    parser.add_argument("--build-dir", type=Path, default=BUILD_FOLDER)
    parser.add_argument("--cache-dir", type=Path, default=ROOT / ".aws-sam" / "cache")
    asked = parser.parse_args()
    try:
        build(Target(asked.runtime, asked.architecture, asked.native), asked.build_dir, asked.cache_dir)
    except BuildError as error:
        print(f"build: {error}", file=sys.stderr)
        return 1
    for name, size in sorted(sizes(asked.build_dir).items()):
        print(f"{size / 1e6:8.2f} MB  {name}")
    print(
        f"built for {asked.runtime} on {asked.architecture}, within Lambda's {UNZIPPED_BYTES_MAX / 1e6:.0f} MB a function"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
