import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.errors import LocalStackError
from local.processes import Children, wait_until

ENVIRONMENT = {"PATH": os.environ["PATH"]}
# Starts a grandchild that ignores a polite request to end, tells its number, and waits.
STUBBORN = """
import subprocess, sys, time
ignoring = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", ignoring], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def is_alive(process_id: int) -> bool:
    """Whether it runs and is no zombie. Linux need not have `ps`; macOS has no /proc."""
    if not Path("/proc/self/stat").exists():
        command = ("/bin/ps", "-o", "stat=", "-p", str(process_id))
        state = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        return bool(state) and not state.startswith("Z")
    try:
        state = Path(f"/proc/{process_id}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_leaving_the_block_ends_a_child_and_what_it_started(tmp_path: Path) -> None:
    # Given
    with Children(tmp_path) as children:
        child = children.start("stubborn", (sys.executable, "-c", STUBBORN), ENVIRONMENT)
        wait_until(lambda: bool(child.log.read_text(encoding="ascii")), child, 10)
        grandchild = int(child.log.read_text(encoding="ascii"))
        assert is_alive(grandchild)
        # When
    # Then
    deadline = time.monotonic() + 5
    while is_alive(grandchild) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_alive(grandchild)
    assert child.process.returncode == -signal.SIGTERM


def test_a_failure_on_the_way_up_ends_what_was_started_before(tmp_path: Path) -> None:
    # When
    with pytest.raises(LocalStackError), Children(tmp_path) as children:  # noqa: PT012 - the block is what is tested
        first = children.start("first", (sys.executable, "-c", "import time; time.sleep(60)"), ENVIRONMENT)
        children.run("second", (sys.executable, "-c", "raise SystemExit(3)"), ENVIRONMENT, 10)
    # Then
    assert first.process.returncode is not None


def test_a_failed_program_is_reported_with_its_log(tmp_path: Path) -> None:
    with Children(tmp_path) as children, pytest.raises(LocalStackError) as error:
        children.run("doomed", (sys.executable, "-c", "print('because'); raise SystemExit(3)"), ENVIRONMENT, 10)
    assert "doomed failed with status 3" in str(error.value)
    assert "because" in str(error.value)
    assert str(tmp_path / "doomed.log") in str(error.value)


def test_waiting_for_a_program_that_has_ended_does_not_wait(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        child = children.start("gone", (sys.executable, "-c", "raise SystemExit(4)"), ENVIRONMENT)
        with pytest.raises(LocalStackError, match="gone ended with status 4"):
            wait_until(lambda: False, child, 30)
