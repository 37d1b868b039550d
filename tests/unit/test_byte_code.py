"""Before the first run of the tests byte code is written once, not by each worker."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import byte_code
from tests.support.byte_code import HALVES, TESTS, is_written


def test_the_halves_are_all_tests_but_those_of_a_whole_stack() -> None:
    with_tests = {each.name for each in TESTS.iterdir() if any(each.glob("**/test_*.py"))}
    assert {kind for half in HALVES for kind in half} == with_tests - {"e2e"}


def test_byte_code_is_of_one_python(tmp_path: Path) -> None:
    written = tmp_path / "__pycache__"
    written.mkdir()
    assert not is_written(tmp_path)
    (written / "conftest.cpython-39-pytest-9.2.0.pyc").touch()
    assert not is_written(tmp_path)
    (written / f"conftest.{sys.implementation.cache_tag}-pytest-9.2.0.pyc").touch()
    assert is_written(tmp_path)


def test_nothing_is_done_where_byte_code_is_there_or_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)
    for is_there, is_unwanted in ((True, False), (False, True)):
        monkeypatch.setattr(byte_code, "is_written", lambda is_there=is_there: is_there)
        monkeypatch.setattr(sys, "dont_write_bytecode", is_unwanted)
        byte_code.main()
