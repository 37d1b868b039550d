"""The packages can be built, and the command carries what it needs. Issue 14, point 7."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer

from pancake_meter_cli.error_page import what_helps
from pancake_meter_cli.main import app

CLIENTS = Path(__file__).resolve().parents[3] / "clients"


@pytest.mark.parametrize("name", ["cli", "python"])
def test_issue_14_7_the_version_is_found_where_the_build_looks_for_it(name: str) -> None:
    stated = tomllib.loads((CLIENTS / name / "pyproject.toml").read_text())["tool"]["hatch"]["version"]
    found = re.search(stated["pattern"], (CLIENTS / name / stated["path"]).read_text(), re.MULTILINE)
    assert found
    assert re.fullmatch(r"\d+\.\d+\.\d+", found["version"])


def test_issue_14_7_what_is_carried_along_is_there() -> None:
    build = tomllib.loads((CLIENTS / "cli" / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    carried = build["targets"]["wheel"]["force-include"]
    assert all((CLIENTS / "cli" / source).exists() for source in carried)


def test_issue_14_7_the_command_needs_no_library_that_its_package_does_not_name() -> None:
    # Given what a Lambda function has and a person's machine has not
    program = (
        "import sys\n"
        "for name in ('aws_lambda_powertools', 'boto3', 'botocore', 'itsdangerous', 'jwt'): sys.modules[name] = None\n"
        "import pancake_meter_cli.main\n"
    )
    # When
    folders = [CLIENTS / "cli" / "src", CLIENTS / "python" / "src", CLIENTS.parent / "layers" / "shared"]
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": ":".join(map(str, folders)), "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    # Then
    assert done.returncode == 0, done.stderr


def test_issue_14_7_what_helps_is_that_of_the_page_of_errors() -> None:
    assert what_helps("delivery_not_found") == "see the list"
    assert what_helps("quota_exhausted").startswith("`purchase_url`")
    assert what_helps("unheard_of") == ""


def test_issue_14_12_the_page_of_the_command_has_every_command_and_none_that_is_not_there() -> None:
    # Given
    page = (CLIENTS.parent / "docs" / "cli.md").read_text()
    shown = [line.partition("#")[0] for line in page.splitlines() if line.startswith("pancake-meter ")]
    rows = re.findall(r"^\| (`[^|]+`) \|", page.partition("## Commands")[2].partition("## Trigger")[0], re.MULTILINE)
    named: set[str] = set()
    for row in rows:
        first, *others = re.findall(r"`([a-z]+(?: [a-z]+)*)", row)
        noun = first.rpartition(" ")[0]
        named |= {first, *(f"{noun} {each}".strip() for each in others)}
    # Then
    assert named == {" ".join(path) for path in commands_of(app)}
    assert shown
    for line in shown:
        words = shlex.split(line)[1:]
        assert words[0].startswith("--") or any(" ".join(words[:count]) in named for count in (3, 2, 1)), line


def commands_of(of: typer.Typer, *above: str) -> list[tuple[str, ...]]:
    found = [(*above, str(each.name)) for each in of.registered_commands]
    for each in of.registered_groups:
        assert each.typer_instance is not None
        found += commands_of(each.typer_instance, *above, str(each.typer_instance.info.name))
    return found
