"""Mutants: the domain changed in one place at a time, to see whether a fast test notices.

``make mutants`` prints how many of the mutants the unit and property tests kill, by file and room. It fails where that is
less than ``LEAST_KILLED``, and where what survives is not what ``tests/mutants.toml`` lists with its reasons.
``ONLY=standing`` takes a room, ``ONLY=balance/adjust`` a file; ``ARGS=--again`` takes the survivors of the last run, and
``ARGS=--go-on`` what a run that was cut off has left, and the functions that were changed since.

mutmut makes the mutants and runs the tests. It leaves properties alone, and wants its code in a folder ``src``. So it works
in ``.mutants``, on a copy in which each property asks a method that has its body. Not counted are:

- what ``raise`` is given, the words and details of an error: the tests of the HTTP API read them
- what mypy refuses: ``make check`` comes before any test
- constants and defaults of modules and classes, which mutmut leaves alone too

Tests that go through every order of many histories are left out (``exhaustive``): they take seconds, each for every mutant.
"""

import argparse
import ast
import difflib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parent.parent
LISTED = ROOT / "tests" / "mutants.toml"
WORK = ROOT / ".mutants"
PACKAGE = Path("src", "pancake_meter")
DOMAIN = PACKAGE / "domain"

LEAST_KILLED: Final = 0.9
TESTS: Final = (
    "tests/unit/domain",
    "tests/unit/webhooks",
    "tests/unit/usecases",
    "tests/unit/reconciliation",
    "tests/property",
)
"""Unit and property tests of the domain and of what follows from it: they start nothing, and read no template."""

KILLED: Final = frozenset({1, 3, 24, 36, 152, 255, -24})
"""What mutmut keeps of a killed mutant: a test failed, or ran for ever."""
REFUSED_BY_MYPY: Final = 37
_READ = "read_"
_OF_CLASS = "ǁ"

Mutant = tuple[str, str, str]
"""Where a mutant is and what it is: function (``balance/adjust.add_grant``), the line, and the line that takes its place."""
_CONFIGURATION = """
[tool.mutmut]
source_paths = ["src"]
only_mutate = ["src/pancake_meter/domain/*"]
do_not_mutate_patterns = ['^\\s*raise ']
also_copy = ["layers", "local", "tools"]
pytest_add_cli_args = ["-p", "no:cacheprovider", "--no-header"]
pytest_add_cli_args_test_selection = [{tests}]
timeout_multiplier = 10.0
timeout_constant = 5.0
type_check_command = ["{python}", "-m", "mypy", "--output", "json", "src/pancake_meter/domain"]
use_git_change_detection = false

[tool.mypy]
strict = true
cache_dir = "../.mypy_cache"
warn_unused_ignores = false
mypy_path = ["src"]
explicit_package_bases = true
namespace_packages = true

[tool.pytest.ini_options]
pythonpath = [".", "src"]
addopts = ["--import-mode=importlib", "--allow-unix-socket", "-m", "not load and not exhaustive"]
markers = ["stack", "load", "exhaustive"]
timeout = 60
"""


@dataclass(frozen=True, slots=True)
class Listed:
    """A mutant that may survive, and why."""

    mutant: Mutant
    reason: str

    @property
    def file(self) -> str:
        """The file of the domain that it is in: ``balance/adjust``."""
        return self.mutant[0].partition(".")[0]


def listed(text: str) -> list[Listed]:
    """Read the list of mutants that may survive."""
    entries = tomllib.loads(text).get("survivor", [])
    return [Listed((each["function"], each["line"], each["mutant"]), each["reason"]) for each in entries]


def with_plain_properties(source: str) -> str:
    """Return the source with the body of each property in a method beside it, which the property calls."""
    lines = source.splitlines(keepends=True)
    for function in reversed(list(_properties(ast.parse(source)))):
        top, name = function.decorator_list[0].lineno - 1, function.name
        head = lines[function.lineno - 1]
        asked = f"    @property\n{head}        return self.{_READ}{name}()\n\n"
        lines[top : function.lineno] = [asked, head.replace(f"def {name}(", f"def {_READ}{name}(")]
    return "".join(lines)


def _properties(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    for each in tree.body:
        for function in each.body if isinstance(each, ast.ClassDef) else ():
            if isinstance(function, ast.FunctionDef) and any(
                isinstance(decorator, ast.Name) and decorator.id == "property" for decorator in function.decorator_list
            ):
                yield function


def prepare(*, anew: bool) -> None:
    """Lay out what mutmut works on. Files that are the same stay untouched, and with them what mutmut knows of them."""
    if anew:
        shutil.rmtree(WORK, ignore_errors=True)
    for source, target in _sources():
        text = source.read_text(encoding="utf-8")
        if (WORK / target).is_relative_to(WORK / DOMAIN):
            text = with_plain_properties(text)
        _write(WORK / target, text)
    tests = ", ".join(f'"{path}"' for path in TESTS)
    _write(WORK / "pyproject.toml", _CONFIGURATION.format(tests=tests, python=sys.executable))


def _sources() -> Iterator[tuple[Path, Path]]:
    package = ROOT / "layers" / "shared" / "pancake_meter"
    for path in package.rglob("*.py"):
        yield path, PACKAGE / path.relative_to(package)
    for pattern in ("tests/conftest.py", "tests/support/**/*.py", "tests/unit/**/*.py", "tests/property/**/*.py"):
        for path in ROOT.glob(pattern):
            yield path, path.relative_to(ROOT)
    for pattern in ("local/*.py", "tools/*.py", "layers/catalog/*.toml"):
        for path in ROOT.glob(pattern):
            yield path, path.relative_to(ROOT)


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def run(names: Iterable[str], children: int) -> None:
    """Make the mutants and run the tests on those of these names; without a name, on those that were not run yet."""
    command = (str(Path(sys.executable).with_name("mutmut")), "run", "--max-children", str(children), *names)
    subprocess.run(command, cwd=WORK, env=environment(), check=True)


def environment() -> dict[str, str]:
    """Return what the tests in the copy find set. No engine is among it: they start none, and the copy has none."""
    ours = {name: value for name, value in os.environ.items() if name != "TESTS_DYNAMODB"}
    return {**ours, "HYPOTHESIS_PROFILE": "mutants", "PYTHONDONTWRITEBYTECODE": "1"}


def verdicts(only: str) -> dict[str, tuple[str, int | None]]:
    """Return of each mutant of a part of the domain its file (``balance/adjust``) and what mutmut keeps of it."""
    found = {}
    for path in sorted((WORK / "mutants" / DOMAIN).rglob("*.meta")):
        file = str(path.relative_to(WORK / "mutants" / DOMAIN)).removesuffix(".py.meta")
        if _is_in(file, only):
            kept: dict[str, int | None] = json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
            found.update({name: (file, code) for name, code in kept.items()})
    return found


def described(names: Iterable[str], files: Mapping[str, str]) -> dict[str, Mutant]:
    """Return where each mutant is and what it is."""
    found = {}
    for name in names:
        functions = _functions(files[name])
        own = name.rpartition(".")[2]
        of, _, _ = own.partition("__mutmut_")
        changes = [
            line for line in difflib.ndiff(functions[f"{of}__mutmut_orig"], functions[own]) if line[:2] in {"- ", "+ "}
        ]
        gone, there = (" ".join(line[2:].strip() for line in changes if line[0] == sign) for sign in "-+")
        found[name] = (f"{files[name]}.{_plain(of)}", gone, there)
    return found


@cache
def _functions(file: str) -> dict[str, list[str]]:
    source = (WORK / "mutants" / DOMAIN / f"{file}.py").read_text(encoding="utf-8")
    lines = source.splitlines()
    return {
        node.name: [line.replace(f"{node.name}(", "(") for line in lines[node.lineno - 1 : node.end_lineno]]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
    }


def _plain(name: str) -> str:
    """Return the name of a function as it is written, from what mutmut makes of it: ``Balance.headroom``."""
    *owner, function = name.removeprefix("x").removeprefix("_").strip(_OF_CLASS).split(_OF_CLASS)
    return ".".join((*owner, function.removeprefix(_READ)))


def report(only: str) -> int:
    """Print the score, and what is wrong; return the exit status."""
    known = {name: (file, code) for name, (file, code) in verdicts(only).items() if code != REFUSED_BY_MYPY}
    counted = {name: (file, code) for name, (file, code) in known.items() if code is not None}
    survivors = [name for name, (_, code) in counted.items() if code not in KILLED]
    survive = set(described(survivors, {name: file for name, (file, _) in counted.items()}).values())
    may_survive = {each.mutant for each in listed(LISTED.read_text(encoding="utf-8")) if _is_in(each.file, only)}
    for function, line, mutant in sorted(survive - may_survive):
        print(f"\n{function} is not listed:\n-   {line}\n+   {mutant}")
    for function, line, mutant in sorted(may_survive - survive):
        print(f"\n{function} is listed, but killed:\n-   {line}\n+   {mutant}")
    killed = Counter(file for file, code in counted.values() if code in KILLED)
    every = Counter(file for file, _ in counted.values())
    print()
    for room in sorted({_room(file) for file in every}):
        files = sorted(file for file in every if _room(file) == room)
        for file in files:
            print(_score(f"  {file}", killed[file], every[file]))
        print(_score(room, sum(killed[file] for file in files), sum(every[file] for file in files)))
    print(_score("all", killed.total(), every.total()))
    print(f"{len(survive)} survive, {len(survive & may_survive)} of them listed with a reason")
    if len(counted) < len(known):
        print(f"{len(known) - len(counted)} were not run")
    is_whole, is_held = counted.keys() == known.keys(), killed.total() >= LEAST_KILLED * every.total()
    return 0 if is_whole and is_held and survive == may_survive else 1


def _is_in(file: str, only: str) -> bool:
    """Whether a file (``balance/adjust``) is in a part of the domain: a room, a file, or with ``""`` all of it."""
    return not only or f"{file}/".startswith(f"{only}/")


def _room(file: str) -> str:
    return file.rpartition("/")[0] or "top level"


def _score(what: str, killed: int, every: int) -> str:
    return f"{what:<26} {killed:>4} of {every:>4} killed {killed / every:>7.1%}"


def _names(arguments: argparse.Namespace, only: str) -> Iterable[str]:
    if arguments.go_on:
        return ()
    if arguments.again:
        return [name for name, (_, code) in verdicts(only).items() if code not in {*KILLED, REFUSED_BY_MYPY}]
    return [f"pancake_meter.domain.{only.replace('/', '.')}{'.' if only else ''}*"]


def main() -> int:
    """Run the mutants and report; the exit status is 1 when too many survive, or one that is not listed."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutants")
    parser.add_argument("--only", default="", help="a room or a file of the domain: standing, balance/adjust, quantity")
    parser.add_argument(
        "--again", action="store_true", help="only the survivors of the last run, with the tests of now"
    )
    parser.add_argument("--go-on", action="store_true", help="only what was not run yet, or was changed since")
    parser.add_argument("--report", action="store_true", help="run nothing: report the last run")
    parser.add_argument("--children", type=int, default=2, help="tests that run side by side")
    arguments = parser.parse_args()
    only: str = arguments.only.strip("/")
    if not arguments.report:
        prepare(anew=not arguments.again and not arguments.go_on)
        run(_names(arguments, only), arguments.children)
    return report(only)


if __name__ == "__main__":
    sys.exit(main())
