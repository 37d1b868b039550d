"""``pancake-meter`` as a process: wrong calls, a closed pipe, a proxy, an answer that is not ours. Issue 14, point 7."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "from pancake_meter_cli.main import main; main()"
DELIVERY = {
    "event_type": "x",
    "verdict": "applied",
    "reason": None,
    "customer_id": "c",
    "judged_at": "2026-03-10T12:00:00Z",
}
PAGE = {"deliveries": [{**DELIVERY, "delivery_id": f"{n:064x}", "attempts": 1} for n in range(50)], "next_cursor": None}

pytestmark = pytest.mark.timeout(120)


@contextmanager
def stack(status: int = 200, content: bytes = json.dumps(PAGE).encode(), dates: int = 2) -> Iterator[str]:
    """A server that gives every GET this answer, with as many dates; yield its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(status)
            for _ in range(dates):
                self.send_header("Date", self.date_time_string())
            self.send_header("Content-Type", "application/json" if status == 200 else "text/html")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def shell(folder: Path, line: str, url: str = "http://127.0.0.1:1") -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which ``pm`` is the command."""
    sources = ("clients/cli/src", "clients/python/src", "layers/shared")
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(str(ROOT / source) for source in sources),
        "XDG_CONFIG_HOME": str(folder),
        "PANCAKE_METER_API_URL": url,
        "PANCAKE_METER_API_KEY": "pm_test_x",
    }
    pm = f"pm() {{ '{sys.executable}' -c '{PROGRAM}' \"$@\"; }}; set -o pipefail"
    return subprocess.run(
        ["bash", "-c", f"{pm}; {line}"], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("line", ["nonsense --json", "grants add --json", "customers list --limit x --json"])
def test_issue_14_7_a_wrong_call_is_one_json_document_too(tmp_path: Path, line: str) -> None:
    done = shell(tmp_path, f"pm {line}")
    assert (done.returncode, done.stdout) == (2, "")
    assert json.loads(done.stderr)["code"] == "usage"


def test_issue_14_7_help_names_the_command(tmp_path: Path) -> None:
    done = shell(tmp_path, "pm grants add --help")
    assert (done.returncode, "Usage: pancake-meter grants add" in done.stdout) == (0, True)
    assert "Usage: pancake-meter" in shell(tmp_path, "pm nonsense").stderr


@pytest.mark.parametrize(
    "line",
    [
        "listen --past --for 1 --json",
        "deliveries list",
        "deliveries list --json",
        "--help",
        "grants add --help",
        "customers list --help --json",
        "--version",
    ],
)
def test_issue_14_7_a_pipe_that_is_closed_early_is_no_failure(tmp_path: Path, line: str) -> None:
    with stack() as url:
        done = shell(tmp_path, f"pm {line} | true", url)
    assert (done.returncode, "Traceback" in done.stderr, "Broken" in done.stderr) == (0, False, False), done.stderr


@pytest.mark.parametrize("dates", [0, 1, 2])
def test_issue_14_7_the_dates_of_a_proxy_are_no_trouble(tmp_path: Path, dates: int) -> None:
    with stack(dates=dates) as url:
        done = shell(tmp_path, "pm deliveries list --json", url)
    assert (done.returncode, len(json.loads(done.stdout)["deliveries"])) == (0, 50), done.stderr


def test_issue_14_7_something_that_is_no_stack_is_no_useful_answer(tmp_path: Path) -> None:
    with stack(405, b"<p>no</p>") as url:
        done = shell(tmp_path, "pm customers list --json", url)
    assert done.returncode == 3
    assert "api_url" in json.loads(done.stderr)["helps"]


def test_issue_14_9_doctor_says_so_when_nothing_answers(tmp_path: Path) -> None:
    done = shell(tmp_path, "pm doctor --json")
    assert done.returncode == 3
    [finding] = json.loads(done.stdout)["findings"]
    assert (finding["check"], finding["status"]) == ("key", "not_checked")
    assert finding["fix"]
    assert shell(tmp_path, "unset PANCAKE_METER_API_URL; pm doctor --json").returncode == 2
    assert "unknown_check" in shell(tmp_path, "pm doctor --only nonsense --json").stderr
