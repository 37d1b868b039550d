"""The clock of the local stack's functions follows the simulator's, and can be nowhere else."""

import ast
import importlib.util
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

import pancake_meter.clock
from local.errors import LocalStackError
from local.moved_clock import BUILT_CLOCK, CLOCK_FILE_VARIABLE, clock_file, move_function_clocks
from local.waffo_simulator.clock import Clock
from pancake_meter.deps import stack

ROOT = Path(__file__).resolve().parents[3]
MOVED = ROOT / "local" / "function_clock.py"
NEARLY = timedelta(seconds=5)


def function_clock() -> ModuleType:
    """Import the movable clock as a function on the local stack does: as a module of its own."""
    spec = importlib.util.spec_from_file_location("function_clock_of_the_test", MOVED)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def told_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    monkeypatch.setenv(CLOCK_FILE_VARIABLE, str(clock_file(tmp_path)))
    return clock_file(tmp_path)


def test_the_functions_clock_follows_the_simulators(told_in: Path) -> None:
    simulators, functions = Clock(told_in=told_in), function_clock()
    assert abs(functions.now() - datetime.now(UTC)) < NEARLY
    simulators.set(simulators.now() + timedelta(days=31))
    assert abs(functions.now() - (datetime.now(UTC) + timedelta(days=31))) < NEARLY
    stopped = datetime(2030, 2, 28, 12, tzinfo=UTC)
    simulators.set(stopped, stopped=True)
    assert functions.now() == stopped
    simulators.reset()
    assert abs(functions.now() - datetime.now(UTC)) < NEARLY


@pytest.mark.parametrize(
    "endpoint", [None, "", "https://dynamodb.eu-west-1.amazonaws.com", "http://127.0.0.1.example.com"]
)
def test_the_movable_clock_does_not_start_in_aws(
    told_in: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str | None
) -> None:
    if endpoint is None:
        monkeypatch.delenv("AWS_ENDPOINT_URL")
    else:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(RuntimeError, match="local stack alone"):
        function_clock()


def test_what_is_deployed_has_the_wall_clock_and_nothing_that_moves_it(
    told_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given the file that would move a movable clock
    Clock(told_in=told_in).set(datetime(2030, 1, 1, tzinfo=UTC))

    # Then the functions' own clock does not know of it, and reads nothing at all
    assert abs(stack.utc_now() - datetime.now(UTC)) < NEARLY
    source = Path(pancake_meter.clock.__file__).read_text()
    imported = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in imported] == ["from datetime import UTC, datetime"]

    # And neither the template nor any code in it speaks of it
    deployed = [ROOT / "template.yaml", *ROOT.glob("functions/**/*.py"), *ROOT.glob("layers/**/*.py")]
    assert [file for file in deployed if CLOCK_FILE_VARIABLE in file.read_text()] == []


def test_the_clock_is_put_into_the_local_build_alone(tmp_path: Path) -> None:
    # Given a build whose layer is a link into the cache of builds
    built, cached = tmp_path / BUILT_CLOCK, tmp_path / "cached.py"
    built.parent.mkdir(parents=True)
    cached.write_text("the wall clock")
    built.hardlink_to(cached)
    compiled = built.parent / "__pycache__" / "clock.cpython-313.pyc"
    compiled.parent.mkdir()
    compiled.write_bytes(b"the wall clock")

    # When the local stack takes it over
    move_function_clocks(tmp_path)

    # Then its clock is the movable one, and the cache's is not
    assert (built.read_text(), cached.read_text()) == (MOVED.read_text(), "the wall clock")
    assert CLOCK_FILE_VARIABLE in built.read_text()
    assert not compiled.exists()
    with pytest.raises(LocalStackError, match="clock"):
        move_function_clocks(tmp_path / "nothing built")
