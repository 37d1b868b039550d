"""The catalog as code: what the build makes of a catalog that it has checked, and when a cold start may take it."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pancake_meter.catalog import Catalog, CatalogError, load_catalog, parse_catalog
from pancake_meter.catalog.as_code import catalog_as_code
from pancake_meter.catalog.loading import CHECKED_MODULE
from tests.unit.catalog.catalogs import DEFAULT_CATALOG, SMALL, edited
from tools.build import BuildError, write_catalog
from tools.cfn_template import ROOT

SECTIONS = """
[meters.calls]
name = "Calls"
unit = "call"
counts = "events"

[litellm]
meters = ["calls"]

[[openmeter.events]]
type = "it's \\"quoted\\", 中文"
meter = "tokens"
value = "value"

[not_ours]
product_names = ["Stickers", "Mugs"]

[[not_ours.metadata]]
key = "shop"
"""


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """Have the build checked the small catalog."""
    catalog = parse_catalog(SMALL)
    monkeypatch.setitem(sys.modules, CHECKED_MODULE, SimpleNamespace(CATALOG=catalog))
    return catalog


@pytest.mark.parametrize(
    "text", [SMALL, SMALL + SECTIONS, DEFAULT_CATALOG.read_text()], ids=["small", "more", "default"]
)
def test_issue_15_the_code_makes_the_same_catalog(text: str) -> None:
    # Given
    catalog = parse_catalog(text)
    # When
    source = catalog_as_code(catalog)
    made: dict[str, Any] = {}
    exec(source, made)  # noqa: S102 - of our own making
    # Then: each digit as well, which equality passes over
    assert made["CATALOG"] == catalog
    assert catalog_as_code(made["CATALOG"]) == source


def test_issue_15_the_code_is_the_same_in_every_process() -> None:
    """Else each build would be another one, and each deployment would change every function."""
    made = []
    for seed in ("1", "2", "3"):
        command = [sys.executable, "-m", "pancake_meter.catalog", "write", "/dev/stdin", "/dev/stdout"]
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT / "layers" / "shared")}
        text = (SMALL + SECTIONS).encode()
        made.append(subprocess.run(command, input=text, env=environment, capture_output=True, check=True).stdout)
    assert b"stickers" in made[0]
    assert len(set(made)) == 1


def test_issue_15_the_file_that_the_build_has_checked_is_not_checked_again(checked: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "catalog.toml"
    path.write_text(SMALL)
    assert load_catalog(path) is checked


def test_issue_15_any_other_file_is_checked_in_full(checked: Catalog, tmp_path: Path) -> None:
    # Given
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text(SMALL + "\n")
    bad.write_text(edited(('plan = "pro"', 'plan = "por"')))
    # When / Then
    assert load_catalog(good) not in (checked, None)
    with pytest.raises(CatalogError, match="there is no plan 'por'"):
        load_catalog(bad)


def test_issue_15_a_catalog_with_a_problem_stops_the_build(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    # Given
    path, module = tmp_path / "catalog.toml", tmp_path / "checked.py"
    path.write_text(edited(('plan = "pro"', 'plan = "por"')))
    # When / Then
    with pytest.raises(BuildError, match="cannot be used"):
        write_catalog(path, module)
    assert "there is no plan 'por'" in capfd.readouterr().err
    assert not module.exists()


def test_issue_15_the_same_catalog_makes_the_same_code(tmp_path: Path) -> None:
    path = tmp_path / "catalog.toml"
    path.write_text(SMALL + SECTIONS)
    write_catalog(path, tmp_path / "one.py")
    write_catalog(path, tmp_path / "two.py")
    assert (tmp_path / "one.py").read_bytes() == (tmp_path / "two.py").read_bytes()
