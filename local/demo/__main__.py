"""`python -m local.demo`: give the running local stack a demo month; where none runs, start one and keep it running."""

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from local import ROOT
from local.demo.cast import CAST
from local.demo.month import Journal, live
from local.demo.world import DemoFailed, World
from local.errors import LocalStackError
from local.settings import READY_FILE, read_settings

TIMEOUT_SECONDS = 60.0
JOURNAL_FILE = "demo.json"


def main() -> int:
    """Run the demo; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local.demo", description=__doc__)
    parser.add_argument("--customers", type=int, default=len(CAST), help="how many customers take part (default: all)")
    parser.add_argument("--ready", help="what the ready line of a running stack says; otherwise it is found")
    parser.add_argument(
        "--journal", type=Path, help="file that keeps what has happened (default: beside the stack's data)"
    )
    wanted = parser.parse_args()
    try:
        if wanted.ready:
            ready = json.loads(wanted.ready)
            fill(ready, wanted.customers, wanted.journal or Path(ready["logs"]).parent / "data" / JOURNAL_FILE)
            return 0
        state = read_settings(os.environ).state_folder
        with _running(state) as (ready, is_ours):
            fill(ready, wanted.customers, wanted.journal or state / "data" / JOURNAL_FILE)
            _say(f"portal  {ready['portal_url']}")
            _say(f"console {ready['console_url']}")
            if is_ours:
                print(f"ready {json.dumps(ready)}", flush=True)
                signal.pause()
    except (DemoFailed, LocalStackError) as error:
        _say(str(error))
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def fill(ready: Mapping[str, Any], customers: int, journal_file: Path) -> None:
    """Give a stack its demo month. Raises `DemoFailed`."""
    headers = {"Authorization": f"Bearer {ready['api_key']}"}
    journal = Journal.read(journal_file, datetime.now(UTC))
    with (
        httpx.Client(base_url=ready["api_url"], headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False) as api,
        httpx.Client(base_url=ready["waffo_url"], timeout=TIMEOUT_SECONDS, trust_env=False) as waffo,
    ):
        live(World(api, waffo, ready["api_url"], CAST[:customers], journal.begins), journal, _say)


@contextmanager
def _running(state: Path) -> Iterator[tuple[dict[str, Any], bool]]:
    """Give what the ready line of the running stack says, or start one; and say whether it is ours to end."""
    file = state / READY_FILE
    if file.exists():
        ready = json.loads(file.read_text(encoding="ascii"))
        if _answers(ready["api_url"]):
            yield ready, False
            return
    _say("no local stack runs: starting one")
    command = [sys.executable, "-m", "local"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            line = next((line for line in process.stdout if line.startswith("ready ")), None)
            if line is None:
                raise LocalStackError("the local stack did not start")
            yield json.loads(line.removeprefix("ready ")), True
        finally:
            process.send_signal(signal.SIGINT)


def _answers(url: str) -> bool:
    try:
        httpx.get(url, timeout=TIMEOUT_SECONDS, trust_env=False)
    except httpx.HTTPError:
        return False
    return True


def _say(text: str) -> None:
    print(f"demo: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
