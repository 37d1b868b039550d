"""Measures every figure of docs/performance.md beside its floor: ``python -m tests.load.bench [PART ...]``.

Parts: warm, cold, counts, rates, growth, peers, first; without one, all of them: about a quarter of an hour. ``--check``
measures nothing: it compares the page with what was measured last and with the goals. ``--json FILE`` writes the figures
elsewhere and leaves the page alone.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tools.cfn_template import ROOT
from tools.cold import (
    FLOOR,
    NATIVE_FOLDER,
    SETTINGS,
    STARTED_BY_LAMBDA,
    build_here,
    deployed_runtime,
    imports,
    link_runtime,
    measure_all,
)

CATALOG: Final = ROOT / "layers" / "catalog" / "catalog.toml"

# The handlers are imported as Lambda imports them: with their environment set. So they look for garbage as they do there.
os.environ |= {
    **SETTINGS,
    **STARTED_BY_LAMBDA,
    "CATALOG_PATH": str(CATALOG),
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
    # The SAM CLI brings a signer in C along. Lambda and our layers have none.
    "BOTO_DISABLE_CRT": "true",
}
sys.path += [str(folder) for folder in sorted((ROOT / "functions").iterdir()) if folder.is_dir()]

from pancake_meter.store.dynamodb_client import dynamodb_client  # noqa: E402
from tests.load.bench import counts, first_minute, growth, page, peers, rates, warm  # noqa: E402
from tests.load.bench.figures import Figure, Part, machine  # noqa: E402
from tests.load.bench.goals import GOALS, TITLES  # noqa: E402
from tests.support.dynamodb_engine import Engine, dynamodb_engine, engine_here  # noqa: E402

COLD_RUNS: Final = 7


def cold(_: str) -> list[Figure]:
    """Return what importing each function costs over its floor."""
    with tempfile.TemporaryDirectory() as folder:
        brought, runtime = Path(folder), deployed_runtime()
        link_runtime(brought)
        known = imports(build_here(NATIVE_FOLDER, runtime.name).resolve(), brought)
        wanted = {name: known[name] for name in (FLOOR, *GOALS["cold"])}
        found = measure_all(wanted, CATALOG, COLD_RUNS, runtime.program)
    floor = found.pop(FLOOR)
    return [
        Figure.of_times(name, each.seconds, floor.seconds, f"{runtime.name}, {each.modules} modules")
        for name, each in found.items()
    ]


PARTS: Final[Mapping[str, Callable[[str], Sequence[Figure]]]] = {
    "warm": lambda url: warm.measure(dynamodb_client(url), url),
    "cold": cold,
    "counts": lambda url: counts.measure(dynamodb_client(url)),
    "rates": rates.measure,
    "growth": lambda url: growth.measure(dynamodb_client(url), url),
    "peers": lambda url: peers.measure(dynamodb_client(url), url),
    "first": first_minute.measure,
}


def measured(names: Sequence[str]) -> Iterator[Part]:
    """Yield each part as it is measured, each with an engine of its own. What the handlers log goes nowhere."""
    for name in names:
        print(f"{name}: {TITLES[name]} ...", file=sys.stderr, flush=True)
        with dynamodb_engine() as url, _silence():
            part = Part.measured(name, PARTS[name](url))
        yield part


@contextmanager
def _silence() -> Iterator[None]:
    """Send what this process prints nowhere: its loggers have kept the stream that they began with."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def main() -> int:
    """Measure, print, and keep; return 1 where ``--check`` finds the page out of step."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.bench")
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; without one, all")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    if unknown := set(asked.parts) - PARTS.keys():
        parser.error(f"no part {', '.join(sorted(unknown))}")
    if asked.check:
        if page.is_in_step():
            return 0
        print(
            "docs/performance.md is not what docs/performance.json and the goals say: run `make bench`", file=sys.stderr
        )
        return 1
    if not asked.json and (engine := engine_here()) is not Engine.DYNOXIDE:
        parser.error(
            f"the page has figures of {Engine.DYNOXIDE}, and here is {engine}: keep them in a file, by --json FILE"
        )
    print(machine())
    parts = []
    for part in measured(asked.parts or tuple(PARTS)):
        print(f"\n{page.tables([part])}", flush=True)
        parts.append(part)
        if not asked.json:
            page.keep([part])
    if asked.json:
        asked.json.write_text(json.dumps([part.to_json() for part in parts], indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
