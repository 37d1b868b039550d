"""The first minute: how long `make run` takes in a clean clone, and once more, until it says that it is ready.

In seconds that a person waits, whatever else the machine does. What is installed comes from where uv, pip and npm get it.
"""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from local.ports import free_port
from tests.load.bench.figures import Figure
from tools.cfn_template import ROOT
from tools.cold import SETTINGS

FIRST: Final = "`make run` in a clean clone"
SECOND: Final = "`make run` again"
_AGAIN: Final = 3
_READY: Final = "ready {"
_STOP_SECONDS: Final = 30


def measure(_: str) -> Sequence[Figure]:
    """Return the first run, and the median of some later ones, of the commit that is checked out."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        first, *later = (_seconds_until_ready(clone) for _ in range(1 + _AGAIN))
    return [
        Figure(FIRST, round(first, 1), None, "s", note="with its environment"),
        Figure(SECOND, round(sorted(later)[_AGAIN // 2], 1), None, "s", note=f"the median of {_AGAIN}"),
    ]


def _seconds_until_ready(clone: Path) -> float:
    begun = time.monotonic()
    with _running(clone) as output:
        said = []
        for line in output:
            if line.startswith(_READY):
                return time.monotonic() - begun
            said.append(line)
    raise RuntimeError("make run ended before it was ready:\n" + "".join(said))


@contextmanager
def _running(clone: Path) -> Iterator[Iterator[str]]:
    ours = (*SETTINGS, "CATALOG_PATH", "PYTHONPATH", "VIRTUAL_ENV")
    # What this process has set for the handlers that it imports is not the stack's, nor is the `make` that began it.
    environment = {
        name: value for name, value in os.environ.items() if name not in ours and not name.startswith(("AWS_", "MAKE"))
    }
    environment["PORT"] = str(free_port(8_000))
    process = subprocess.Popen(
        ["make", "run"],
        cwd=clone,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=_STOP_SECONDS)
