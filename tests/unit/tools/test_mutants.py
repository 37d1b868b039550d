"""The list of mutants that may survive, and the copy of the domain that mutants are made of."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tools import mutants
from tools.mutants import LISTED, TESTS, Listed, listed, with_plain_properties

DOMAIN = Path(__file__).parents[3] / "layers" / "shared" / "pancake_meter" / "domain"
SURVIVORS = listed(LISTED.read_text(encoding="utf-8"))


def functions(file: str) -> set[str]:
    """Functions and methods of a file of the domain, as the list names them."""
    names = set()
    for node in ast.parse((DOMAIN / f"{file}.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            names.add(f"{file}.{node.name}")
        elif isinstance(node, ast.ClassDef):
            names |= {f"{file}.{node.name}.{each.name}" for each in node.body if isinstance(each, ast.FunctionDef)}
    return names


@pytest.mark.parametrize("survivor", SURVIVORS, ids=lambda survivor: f"{survivor.mutant[0]}: {survivor.mutant[2]}")
def test_a_mutant_that_may_survive_is_of_a_line_that_is_there_and_has_a_reason(survivor: Listed) -> None:
    function, line, mutant = survivor.mutant
    source = (DOMAIN / f"{survivor.file}.py").read_text(encoding="utf-8")
    assert function in functions(survivor.file)
    assert line in " ".join(each.strip() for each in source.splitlines())
    assert line != mutant
    assert len(survivor.reason.split()) >= 4


def test_a_mutant_is_listed_once() -> None:
    assert len({survivor.mutant for survivor in SURVIVORS}) == len(SURVIVORS)


def test_a_property_asks_a_method_that_has_its_body() -> None:
    source = '''class Box:
    size: int

    @property
    def is_small(self) -> bool:
        """Whether it is."""
        return self.size < 3

    def other(self) -> int:
        return 1
'''
    changed = with_plain_properties(source)
    assert changed.count("@property") == 1
    assert "def read_is_small(self) -> bool:" in changed
    names: dict[str, type] = {}
    exec(changed, names)  # noqa: S102 - this very text
    box = names["Box"]()
    box.size = 2
    assert (box.is_small, box.read_is_small(), box.other()) == (True, True, 1)


def test_the_copy_that_mutants_are_made_of_has_all_that_its_tests_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mutants, "WORK", tmp_path)
    mutants.prepare(anew=True)
    collect = (sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *TESTS)
    monkeypatch.setenv("TESTS_DYNAMODB", "dynoxide")
    environment = mutants.environment()
    collected = subprocess.run(collect, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert collected.returncode == 0, collected.stdout + collected.stderr
