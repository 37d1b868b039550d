"""A worker that is forked is as a Python of its own: in its environment, its streams, its end, and what it imports."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.forked_workers import IMPORTED, PROGRAM, Forked, ForkedWorkers, can_fork
from pancake_meter import cold_start

forks_here = pytest.mark.skipif(not can_fork(), reason="workers are forked on Linux alone")

WORKER = """
import json, os, sys, random
before = "pydantic" in sys.modules
sys.path.insert(0, os.path.join(os.environ["_LAMBDA_LAYERS_DIRS"].split(os.pathsep)[0], "python"))
import ours
print("started", file=sys.stderr, flush=True)
for line in sys.stdin:
    if json.loads(line) == "fail":
        raise ValueError("as asked")
    told = {
        "asked": json.loads(line), "folder": os.getcwd(), "mine": os.environ.get("MINE"), "names": len(os.environ),
        "name": __name__, "before": before, "ours": ours.VALUE, "local": "local" in sys.modules, "path": sys.path,
        "random": random.random(), "parent": os.getppid(),
    }
    print(json.dumps(told), flush=True)
"""


@pytest.fixture(scope="module")
def workers() -> Iterator[ForkedWorkers]:
    made = ForkedWorkers()
    yield made
    made.close()


def start(workers: ForkedWorkers, folder: Path, mine: str) -> Forked:
    layer = folder / "layer_0"
    shared = folder.parent / "shared"
    other = folder / "layer_1"
    for each in (folder, shared, layer, other):
        each.mkdir(exist_ok=True)
    (shared / "ours.py").write_text("VALUE = 7")
    (layer / "python").symlink_to(shared)
    (folder / PROGRAM).write_text(WORKER)
    environment = {"MINE": mine, "_LAMBDA_LAYERS_DIRS": f"{layer}{os.pathsep}{other}"}
    started: Forked = workers([sys.executable, str(folder / PROGRAM)], cwd=str(folder), env=environment)
    return started


def ask(worker: Forked, what: object) -> Any:
    worker.stdin.write(json.dumps(what) + "\n")
    return json.loads(worker.stdout.readline())


def end(worker: Forked) -> None:
    worker.stdin.close()
    assert worker.wait(timeout=30) == -1
    worker.stdout.close()
    worker.stderr.close()


@forks_here
def test_workers_have_their_own_environment_streams_and_imports(workers: ForkedWorkers, tmp_path: Path) -> None:
    first, second = (start(workers, tmp_path / name, name) for name in ("a", "b"))
    told = [ask(first, 1), ask(second, {"x": 2})]
    assert [each["asked"] for each in told] == [1, {"x": 2}]
    assert [each["mine"] for each in told] == ["a", "b"]
    assert [each["folder"] for each in told] == [str(tmp_path / "a"), str(tmp_path / "b")]
    for each in told:
        # Libraries are there before it begins; what is ours it imports by itself, as it is then.
        assert (each["before"], each["ours"], each["local"], each["name"]) == (True, 7, False, "__main__")
        assert each["names"] == 2
        assert str(Path(__file__).parents[3]) not in each["path"]
    assert told[0]["random"] != told[1]["random"]
    assert told[0]["parent"] == told[1]["parent"] != os.getpid()
    assert first.stderr.readline() == "started\n"
    assert (first.poll(), second.poll()) == (None, None)
    end(first)
    assert ask(second, 3)["asked"] == 3
    end(second)


@forks_here
def test_a_worker_is_ended_as_a_process_is(workers: ForkedWorkers, tmp_path: Path) -> None:
    asked, forced, waits = (start(workers, tmp_path / name, name) for name in ("c", "d", "e"))
    with pytest.raises(subprocess.TimeoutExpired):
        waits.wait(timeout=0.01)
    asked.terminate()
    forced.kill()
    for worker in (asked, forced, waits):
        end(worker)
        worker.kill()


@forks_here
def test_a_worker_that_fails_says_why_and_ends(workers: ForkedWorkers, tmp_path: Path) -> None:
    worker = start(workers, tmp_path / "f", "f")
    worker.stdin.write(json.dumps("fail") + "\n")
    assert worker.stderr.read().endswith("ValueError: as asked\n")
    assert worker.stdout.read() == ""
    end(worker)


def test_any_other_program_is_started_as_it_is(workers: ForkedWorkers, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('hello')"]
    with workers(command, cwd=str(tmp_path), env=dict(os.environ), stdout=subprocess.PIPE, text=True) as process:
        assert process.communicate()[0] == "hello\n"


@pytest.mark.parametrize(("system", "forks"), [("linux", True), ("darwin", False)])
def test_workers_are_forked_on_linux_and_start_as_pythons_of_their_own_on_a_mac(
    monkeypatch: pytest.MonkeyPatch, system: str, forks: bool
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    assert can_fork() is forks


def test_a_worker_makes_packages_lazy_itself_as_in_lambda() -> None:
    code = f"import importlib, sys\nfor name in {IMPORTED!r}: importlib.import_module(name)\nprint(*sys.modules)"
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert set(imported) & set(cold_start._LAZY) == set()
