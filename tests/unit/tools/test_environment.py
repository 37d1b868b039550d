"""An environment is made with the pip that came with Python, where that can be found."""

import subprocess
import sys
import zipfile
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from tools import environment


def made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["environment.py", str(folder)])
    return environment.main()


def kept_wheels(folder: Path, monkeypatch: pytest.MonkeyPatch, *, by_the_system: Path | None) -> None:
    """Let this Python be one whose `ensurepip` is in `folder`."""
    spec = ModuleSpec("ensurepip", None, origin=str(folder / "__init__.py"))
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: spec)
    monkeypatch.setattr("sysconfig.get_config_var", lambda _name: by_the_system and str(by_the_system))


def wheel(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / name, "w") as file:
        file.writestr("pip/__init__.py", f"came_from = {name!r}")
    return folder / name


def test_pip_works_in_an_environment_that_was_made_and_knows_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if environment.bundled_pip() is None:
        pytest.skip("this Python keeps no wheel of pip: `python3 -m venv` makes its environments")
    assert made(tmp_path / "made", monkeypatch) == 0
    python = tmp_path / "made" / "bin" / "python"
    done = subprocess.run([python, "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True)
    (line,) = done.stdout.splitlines()
    assert line.startswith("pip==")


def test_an_environment_that_is_made_again_keeps_its_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "made"
    kept_wheels(tmp_path / "ensurepip", monkeypatch, by_the_system=None)
    for name in ("pip-1-py3-none-any.whl", "pip-2-py3-none-any.whl"):
        path = wheel(tmp_path / "ensurepip" / "_bundled", name)
        assert made(folder, monkeypatch) == 0
        path.unlink()
    (pip,) = folder.glob("lib/*/site-packages/pip/__init__.py")
    assert pip.read_text() == "came_from = 'pip-1-py3-none-any.whl'"


def test_an_environment_whose_making_was_cut_off_gets_a_whole_pip_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a wheel that is unpacked by half when somebody presses Ctrl-C
    kept_wheels(tmp_path / "ensurepip", monkeypatch, by_the_system=None)
    path = wheel(tmp_path / "ensurepip" / "_bundled", "pip-1-py3-none-any.whl")
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("pip/__main__.py", "")
        file.writestr("pip-1.dist-info/RECORD", "")

    def cut_off(archive: zipfile.ZipFile, folder: str) -> None:
        archive.extract(archive.namelist()[0], folder)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "extractall", cut_off)
        with pytest.raises(KeyboardInterrupt):
            made(tmp_path / "made", patch)
    assert not list(tmp_path.glob("made/lib/*/site-packages/pip"))
    # When it is made again
    assert made(tmp_path / "made", monkeypatch) == 0
    # Then nothing of it is missing
    (packages,) = tmp_path.glob("made/lib/*/site-packages")
    assert sorted(each.name for each in packages.iterdir()) == ["pip", "pip-1.dist-info"]
    assert sorted(each.name for each in (packages / "pip").iterdir()) == ["__init__.py", "__main__.py"]


def test_an_environment_of_another_python_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given what an older Python left
    kept_wheels(tmp_path / "ensurepip", monkeypatch, by_the_system=None)
    wheel(tmp_path / "ensurepip" / "_bundled", "pip-1-py3-none-any.whl")
    folder = tmp_path / "made"
    (folder / "lib" / "python3.10" / "site-packages" / "pip").mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to("/usr/bin/true")
    (folder / "pyvenv.cfg").write_text("version = 3.10.0")
    # When
    assert made(folder, monkeypatch) == 0
    # Then
    assert len(list(folder.glob("lib/*/site-packages/pip"))) == 1
    told = subprocess.run([folder / "bin" / "python", "--version"], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["Python", sys.version.split()[0]]


def test_a_folder_that_is_no_environment_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept_wheels(tmp_path / "ensurepip", monkeypatch, by_the_system=None)
    wheel(tmp_path / "ensurepip" / "_bundled", "pip-1-py3-none-any.whl")
    (tmp_path / "letter.txt").write_text("Dear Ada")
    assert made(tmp_path, monkeypatch) == 0
    assert (tmp_path / "letter.txt").read_text() == "Dear Ada"


def test_the_wheel_that_the_system_keeps_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept_wheels(tmp_path / "ensurepip", monkeypatch, by_the_system=tmp_path / "system")
    bundled = wheel(tmp_path / "ensurepip" / "_bundled", "pip-1-py3-none-any.whl")
    assert environment.bundled_pip() == bundled
    assert environment.bundled_pip() != wheel(tmp_path / "system", "pip-2-py3-none-any.whl")
    assert environment.bundled_pip() == tmp_path / "system" / "pip-2-py3-none-any.whl"


def test_where_no_wheel_is_kept_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept_wheels(tmp_path / "ensurepip", monkeypatch, by_the_system=tmp_path / "system")
    assert made(tmp_path / "made", monkeypatch) == 1
    assert not (tmp_path / "made").exists()


def test_a_python_without_ensurepip_keeps_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setattr("sysconfig.get_config_var", lambda _name: None)
    assert environment.bundled_pip() is None
