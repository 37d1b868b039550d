"""The packages can be built, and the command carries what it needs. Issue 14, point 7."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from pancake_meter_cli.error_page import what_helps

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
