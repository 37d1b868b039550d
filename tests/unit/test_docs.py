"""Pages that describe the layout are in step with it."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pancake_meter
from pancake_meter.domain.errors import DomainError
from pancake_meter.http.balance.quota import _DETAIL
from pancake_meter.http.problem import problem_of_domain
from pancake_meter.http.webhooks.intake import _ANSWERS
from tools.cfn_template import ROOT

PACKAGE = ROOT / "layers" / "shared" / "pancake_meter"
FLOORS = ("domain", "store", "usecases", "http")
PAGES = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "local").rglob("*.md")]


def named_files(page: Path) -> Iterator[str]:
    """Yield the Python files and test folders that a page names with their folder."""
    yield from re.findall(r"`((?:[a-z_]+/)+[a-z_0-9]+\.py)`", page.read_text())


def test_every_python_file_that_a_page_names_is_there() -> None:
    named = {(page.name, name) for page in PAGES for name in named_files(page)}
    assert named
    assert {
        each for each in named if not any((base / each[1]).is_file() for base in (ROOT, PACKAGE, PACKAGE.parent))
    } == set()


def test_every_module_that_a_docstring_names_is_there() -> None:
    """A bare name is of the same room; one with its folder is of the package."""
    named = {
        (module, name)
        for module in PACKAGE.rglob("*.py")
        for name in re.findall(r"``([a-z_/0-9]+\.py)``", module.read_text())
    }
    assert named
    assert [
        str(each) for each in named if not any((base / each[1]).is_file() for base in (each[0].parent, PACKAGE, ROOT))
    ] == []


def test_the_readme_shows_the_rooms_of_each_floor() -> None:
    rows = re.findall(r"^\| `([a-z]+)` \| [^|]+((?:\|[ a-z]*){4})\|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    shown = {
        (floor, room)
        for room, cells in rows
        for floor, cell in zip(FLOORS, cells.split("|")[1:], strict=True)
        if cell.strip() == "yes"
    }
    rooms = {(floor, path.parent.name) for floor in FLOORS for path in (PACKAGE / floor).glob("*/__init__.py")}
    assert shown == rooms


def statuses_of_problems() -> dict[str, int]:
    """Return the codes that a ``Problem`` is made with by name, with their statuses."""
    calls = (node for module in PACKAGE.rglob("*.py") for node in ast.walk(ast.parse(module.read_text())))
    statuses = {}
    for node in calls:
        match node:
            case ast.Call(
                func=ast.Name(id="Problem"), args=[ast.Attribute(attr=status), ast.Constant(value=str(code)), *_]
            ):
                statuses[code] = HTTPStatus[status].value
    return statuses


def domain_errors(base: type[DomainError] = DomainError) -> Iterator[type[DomainError]]:
    for error in base.__subclasses__():
        yield error
        yield from domain_errors(error)


def test_the_page_of_errors_has_every_code_with_its_status() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \| (\d{3}) \|", (ROOT / "docs" / "errors.md").read_text(), re.MULTILINE)
    told = {code: int(status) for code, status in rows}
    assert len(rows) == len(told)
    for module in pkgutil.walk_packages(pancake_meter.__path__, "pancake_meter."):
        importlib.import_module(module.name)
    known = {error.code: problem_of_domain(error("")).status.value for error in domain_errors()}
    known |= {code: status.value for status, code in _ANSWERS.values()} | statuses_of_problems()
    assert sorted(told) == sorted({*known, *_DETAIL})
    assert {code: told[code] for code in known} == known
