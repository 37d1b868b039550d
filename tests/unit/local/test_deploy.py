"""The local stack builds what has changed, once for all stacks of a checkout."""

from pathlib import Path
from threading import Event, Thread

import pytest

from local import ROOT, deploy
from local.deploy import BUILT_FROM, built, fingerprint
from local.errors import LocalStackError
from local.processes import Children


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a file of each kind that a build depends on."""
    root = tmp_path / "checkout"
    for name in BUILT_FROM:
        file = root / name if Path(name).suffix else root / name / "inner" / "module.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("a = 1")
    return root


@pytest.fixture
def builds(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was built: the fingerprints, in order."""
    made: list[str] = []
    monkeypatch.setattr(deploy, "ROOT", checkout)
    monkeypatch.setattr(deploy, "_build", lambda _children, _folder: made.append(fingerprint(checkout)))
    monkeypatch.setattr(deploy, "move_function_clocks", lambda _folder: None)
    monkeypatch.setattr(deploy, "pack", lambda _folder: None)
    return made


def test_all_that_a_build_depends_on_is_in_the_checkout() -> None:
    assert [name for name in BUILT_FROM if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("name", BUILT_FROM)
def test_any_change_of_a_source_is_another_build(checkout: Path, name: str) -> None:
    before = fingerprint(checkout)
    changed = checkout / name if (checkout / name).is_file() else checkout / name / "inner" / "module.py"
    changed.write_text("a = 2")
    assert fingerprint(checkout) != before
    changed.write_text("a = 1")
    assert fingerprint(checkout) == before
    if (checkout / name).is_dir():
        changed.rename(changed.with_name("renamed.py"))
        assert fingerprint(checkout) != before


def test_byte_code_and_a_new_time_are_no_change(checkout: Path) -> None:
    before = fingerprint(checkout)
    (checkout / "layers" / "inner" / "module.cpython-313.pyc").write_text("byte code")
    (checkout / "template.yaml").touch()
    assert fingerprint(checkout) == before


def test_nothing_is_built_twice_and_what_has_changed_is_built(
    checkout: Path, builds: list[str], tmp_path: Path
) -> None:
    for text in ("a = 1", "a = 1", "a = 2", "a = 2"):
        (checkout / "layers" / "inner" / "module.py").write_text(text)
        with built(Children(tmp_path), tmp_path / "sam") as folder:
            assert folder == tmp_path / "sam"
    assert len(builds) == len(set(builds)) == 2


def test_a_build_that_fails_is_built_again(builds: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_folder: Path) -> None:
        raise LocalStackError

    with monkeypatch.context() as patched:
        patched.setattr(deploy, "move_function_clocks", fails)
        with pytest.raises(LocalStackError):
            built(Children(tmp_path), tmp_path / "sam").__enter__()
    with built(Children(tmp_path), tmp_path / "sam"):
        assert len(builds) == 2


def test_nobody_builds_other_sources_while_a_stack_is_deployed(
    checkout: Path, builds: list[str], tmp_path: Path
) -> None:
    began, children = Event(), Children(tmp_path)

    def another() -> None:
        began.set()
        with built(children, tmp_path / "sam"):
            """Deploy."""

    with built(children, tmp_path / "sam"):
        (checkout / "template.yaml").write_text("a = 2")
        thread = Thread(target=another)
        thread.start()
        began.wait()
        thread.join(timeout=0.2)
        assert (thread.is_alive(), len(builds)) == (True, 1)
    thread.join()
    assert len(builds) == 2
