"""What a cold start costs: `python -m tools.cold [function ...]`.

Each function is imported as Lambda does it: in a process of its own, from the build with its byte code, with boto3 beside it
and nothing else. The floor is the same with boto3 and a DynamoDB client alone. All are measured in turn, many times over, in
CPU time, so that a busy machine changes little; the figure is the median, and its ratio to the floor's. The Python is that
which a stack is deployed on, where it is installed; else the one that runs this.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from tools.build import RUNTIMES, BuildError, Target, architecture_here, build, interpreter
from tools.cfn_template import ROOT, load_template

SETTINGS: Final[Mapping[str, str]] = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "TABLE_NAME": "not-used",
    "WAFFO_ENVIRONMENT": "test",
    "WAFFO_STORE_ID": "STO_7hQ2mVb9KxT4cLr8WnZ3aE",
    "WAFFO_MERCHANT_ID": "MER_1aB2cD3eF4gH5iJ6kL7mN8",
    "WAFFO_PRIVATE_KEY_SECRET_ID": "not-used",
    "PURCHASE_LINK_SECRET_ID": "not-used",
    "CUSTOMER_TOKEN_SECRET_ID": "not-used",
    "CUSTOMER_TOKEN_STACK": "not-used",
    "PSEUDONYM_SECRET_ID": "not-used",
    "PAGE_SECRET_ID": "not-used",
    "USAGE_QUEUE_URL": "not-used",
    "OPENMETER_BASE_URL": "https://openmeter.example.com",
    "OPENMETER_KEY_SECRET_ID": "not-used",
    "FORWARDING_REFUSED_QUEUE_URL": "not-used",
    "STREAM_FAILED_QUEUE_URL": "not-used",
    "ALERT_QUEUE_URL": "not-used",
    "ALERT_FAILED_QUEUE_URL": "not-used",
    "ALERT_SECRET_ID": "not-used",
    "LITELLM_BASE_URL": "https://litellm.example.com",
    "LITELLM_KEY_SECRET_ID": "not-used",
    "POWERTOOLS_METRICS_NAMESPACE": "PancakeMeter",
    "POWERTOOLS_SERVICE_NAME": "test",
}
"""The settings with which any function starts; nothing is called while it does."""

STARTED_BY_LAMBDA: Final[Mapping[str, str]] = {"AWS_LAMBDA_FUNCTION_NAME": "not-used"}
"""How a function knows that it is started, and not imported amid other work."""

NATIVE_FOLDER: Final = ROOT / ".aws-sam" / "native"

FLOOR: Final = "boto3 and a DynamoDB client"
_RUNTIME: Final = ("boto3", "botocore", "s3transfer", "urllib3", "jmespath", "dateutil", "six")
"""What Lambda's Python brings along."""

_CHILD: Final = """
import sys, time
begun, before = time.process_time(), len(sys.modules)
%s
print(time.process_time() - begun, len(sys.modules) - before)
"""
# The client is that of the stack: its settings are no part of what is compared.
_FLOOR_CODE: Final = "import boto3\nboto3.client('dynamodb')"


@dataclass(frozen=True, slots=True)
class Runtime:
    """A Python to import with: its program, and its name as a runtime of Lambda."""

    program: str
    name: str


def deployed_runtime() -> Runtime:
    """Return the Python that stacks are deployed on, or where it is not installed the one that runs this."""
    try:
        return Runtime(interpreter(RUNTIMES[-1]), RUNTIMES[-1])
    except BuildError:
        return Runtime(sys.executable, f"python{sys.version_info.major}.{sys.version_info.minor}")


@dataclass(frozen=True, slots=True)
class Import:
    """One thing that is imported: the code, and the folders where it is found, as Lambda orders them."""

    name: str
    code: str
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """CPU seconds of each run, and the number of modules that were imported."""

    seconds: Sequence[float]
    modules: int

    @property
    def milliseconds(self) -> float:
        """The median."""
        return statistics.median(self.seconds) * 1000


def imports(build_folder: Path, runtime: Path) -> dict[str, Import]:
    """Return what is measured, by name: the floor, and each function of the build."""
    found = {FLOOR: Import(FLOOR, _FLOOR_CODE, (runtime,))}
    for resource, described in load_template()["Resources"].items():
        if described["Type"] != "AWS::Serverless::Function":
            continue
        properties = described["Properties"]
        name = properties["Handler"].partition(".")[0]
        layers = ["SharedLayer", *(layer["Ref"] for layer in properties.get("Layers", []))]
        paths = [build_folder / resource, *(build_folder / layer / "python" for layer in layers), runtime]
        found[name] = Import(name, f"import {name}", tuple(paths))
    return found


def measure(each: Import, catalog: Path, program: str) -> tuple[float, int]:
    """Import it in a process of its own: the CPU seconds, and the number of modules."""
    places = {"CATALOG_PATH": str(catalog), "PYTHONPATH": os.pathsep.join(map(str, each.paths))}
    environment = {**SETTINGS, **STARTED_BY_LAMBDA, **places}
    # Without site: neither its time nor what is installed on this machine counts.
    command = (program, "-S", "-c", _CHILD % each.code)
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    seconds, modules = printed.split()
    return float(seconds), int(modules)


def measure_all(measured: Mapping[str, Import], catalog: Path, runs: int, program: str) -> dict[str, Measured]:
    """Import each ``runs`` times with a Python, one after the other."""
    for each in measured.values():
        measure(each, catalog, program)  # reads the files from the disk
    found: dict[str, list[tuple[float, int]]] = {name: [] for name in measured}
    for _ in range(runs):
        for name, each in measured.items():
            found[name].append(measure(each, catalog, program))
    return {name: Measured([seconds for seconds, _ in rows], rows[0][1]) for name, rows in found.items()}


def link_runtime(folder: Path) -> None:
    """Put what Lambda's Python brings along into ``folder``: as links to what is installed here."""
    for name in _RUNTIME:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise SystemExit(f"{name} is not installed")
        origin = Path(spec.origin)
        target = origin.parent if origin.name == "__init__.py" else origin
        (folder / target.name).symlink_to(target)


def build_here(folder: Path, runtime: str) -> Path:
    """Build for a runtime and the processor of this machine; return where the functions and layers are."""
    build(Target(runtime, architecture_here(), native=True), folder / "build", folder / "cache")
    return folder / "build"


def machine(runtime: str) -> str:
    """Return in a line what was measured with, on what machine, and how busy it was."""
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return f"{runtime}, {platform.machine()}, {os.cpu_count()} processors, load {load}"


def table(found: Mapping[str, Measured]) -> str:
    """Return the figures as a table in Markdown."""
    floor = found[FLOOR]
    rows = [
        f"| {name} | {each.milliseconds:.0f} | {each.milliseconds / floor.milliseconds:.2f} | {each.modules} |"
        for name, each in found.items()
    ]
    return "\n".join(("| imported | CPU, ms | ratio | modules |", "|---|---|---|---|", *rows))


def main() -> int:
    """Measure, and print the table; `--json` writes the figures to a file as well."""
    parser = argparse.ArgumentParser(prog="python -m tools.cold")
    parser.add_argument("functions", nargs="*", help="the functions to measure; without one, all")
    parser.add_argument("--build-dir", type=Path, help="what was built before; without it, everything is built here")
    parser.add_argument("--runs", type=int, default=21)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        brought, runtime = Path(folder), deployed_runtime()
        link_runtime(brought)
        known = imports((asked.build_dir or build_here(NATIVE_FOLDER, runtime.name)).resolve(), brought)
        unknown = set(asked.functions) - known.keys()
        if unknown:
            parser.error(f"no function {', '.join(sorted(unknown))}")
        wanted = {
            name: each for name, each in known.items() if not asked.functions or name in (FLOOR, *asked.functions)
        }
        found = measure_all(wanted, ROOT / "layers" / "catalog" / "catalog.toml", asked.runs, runtime.program)
    measured_on = machine(runtime.name)
    print(f"{measured_on}, {asked.runs} runs\n\n{table(found)}")
    if asked.json:
        figures = {name: {"cpu_ms": each.milliseconds, "modules": each.modules} for name, each in found.items()}
        asked.json.write_text(json.dumps({"machine": measured_on, "runs": asked.runs, "imports": figures}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
