"""The tests run on Dynoxide where there is one for the machine, and on MiniStack's DynamoDB elsewhere."""

import json
import platform
from pathlib import Path

import pytest

from tests.support import dynoxide
from tests.support.dynamodb_engine import VARIABLE, DynamoDBUnavailableError, Engine, chosen

TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture
def node_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What npm has installed, on a machine with nothing on its path."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "node_modules"


def program(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return file


def on(monkeypatch: pytest.MonkeyPatch, system: str, processor: str) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: processor)


@pytest.mark.parametrize(
    ("system", "processor", "package"),
    [
        ("Linux", "x86_64", "linux-x64"),
        ("Linux", "aarch64", "linux-arm64"),
        ("Darwin", "arm64", "darwin-arm64"),
        ("Darwin", "x86_64", "darwin-x64"),
    ],
)
def test_the_program_is_that_of_the_machine(
    node_modules: Path, monkeypatch: pytest.MonkeyPatch, system: str, processor: str, package: str
) -> None:
    # Given the packages of every machine, as in a folder that two machines share
    packages = ("linux-x64", "linux-arm64", "darwin-arm64", "darwin-x64")
    programs = {name: program(node_modules / "@dynoxide" / name / "dynoxide") for name in packages}
    # When
    on(monkeypatch, system, processor)
    # Then
    assert dynoxide.binary(node_modules) == programs[package]


def test_where_npm_has_none_for_the_machine_one_on_the_path_is_taken(
    node_modules: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program(node_modules / "@dynoxide" / "linux-x64" / "dynoxide")
    on(monkeypatch, "Darwin", "arm64")
    assert dynoxide.binary(node_modules) is None
    own = program(tmp_path / "bin" / "dynoxide")
    assert dynoxide.binary(node_modules) == own


def test_what_is_here_is_chosen_and_what_is_asked_for_before_it(tmp_path: Path) -> None:
    here, not_here = program(tmp_path / "dynoxide"), None
    assert chosen({}, here) is Engine.DYNOXIDE
    assert chosen({}, not_here) is Engine.MINISTACK
    assert chosen({VARIABLE: "ministack"}, here) is Engine.MINISTACK
    assert chosen({VARIABLE: "dynoxide"}, here) is Engine.DYNOXIDE
    with pytest.raises(DynamoDBUnavailableError, match="not installed"):
        chosen({VARIABLE: "dynoxide"}, not_here)
    with pytest.raises(DynamoDBUnavailableError, match="must be dynoxide or ministack"):
        chosen({VARIABLE: "moto"}, here)


def test_npm_may_leave_out_every_program_that_fits_one_machine_alone() -> None:
    packages = json.loads((TESTS / "package-lock.json").read_text())["packages"]
    of_one_machine = {name: package for name, package in packages.items() if "os" in package or "cpu" in package}
    assert any("dynoxide" in name for name in of_one_machine)
    assert [name for name, package in of_one_machine.items() if not package.get("optional")] == []
    assert [name for name, package in packages.items() if name and not package.get("integrity")] == []
