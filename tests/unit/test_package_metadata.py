"""Each package says what it is, whose, under which licence, for which Pythons, and where more is. Issue 14, point 12."""

import ipaddress
import json
import os
import re
import subprocess
import sys
import tomllib
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, requires
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (ROOT, ROOT / "clients" / "cli", ROOT / "clients" / "python")
VERSIONS = ("3.11", "3.12", "3.13")


def project(folder: Path) -> dict[str, Any]:
    stated: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return stated


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda folder: folder.name)
def test_issue_14_12_a_package_says_what_it_is(folder: Path) -> None:
    stated = project(folder)
    assert stated["name"].startswith("pancake-meter")
    assert 20 < len(stated["description"]) < 200
    assert stated["license"] == "MIT"
    assert [each["name"] for each in stated["authors"]] == ["The pancake-meter authors"]
    assert len(stated["keywords"]) >= 5
    assert stated["keywords"] == sorted(set(stated["keywords"]))
    assert "version" in stated or stated["dynamic"] == ["version"]
    # The files that it names are there, inside its own folder: a build cannot take others.
    for name in (stated["readme"], *stated["license-files"]):
        assert (folder / name).is_file(), name
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda folder: folder.name)
def test_issue_14_12_classifiers_agree_with_the_pythons_that_are_taken(folder: Path) -> None:
    stated = project(folder)
    named = {each.rpartition(" ")[2] for each in stated["classifiers"] if "Python :: 3." in each}
    assert named == set(VERSIONS)
    assert stated["requires-python"].startswith(f">={VERSIONS[0]}")
    assert len(stated["classifiers"]) == len(set(stated["classifiers"]))
    # A licence is an expression (PEP 639): a classifier beside it is refused.
    assert not [each for each in stated["classifiers"] if each.startswith("License")]


@pytest.mark.parametrize(
    ("folder", "package"), [("cli", "pancake_meter_cli"), ("python", "pancake_meter_client")], ids=["cli", "python"]
)
def test_issue_14_12_a_client_names_all_that_it_and_what_it_carries_import(folder: str, package: str) -> None:
    stated = project(ROOT / "clients" / folder)
    asked = [*stated["dependencies"], *chain.from_iterable(stated["optional-dependencies"].values())]
    assert not imported(package) - with_their_own(asked), "a client is installed without what our tests have"


def imported(package: str) -> set[str]:
    """The distributions that all modules of a package import, by the names that they are installed under."""
    paths = (*sorted((ROOT / "clients").glob("*/src")), ROOT / "layers" / "shared")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, paths))}
    command = (sys.executable, "-c", IMPORT_ALL, package)
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    return set(json.loads(printed))


IMPORT_ALL = """
import importlib, json, pkgutil, sys
from importlib.metadata import packages_distributions
before, of, absent = set(sys.modules), packages_distributions(), set()
package = importlib.import_module(sys.argv[1])
for each in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    try:
        importlib.import_module(each.name)
    except ModuleNotFoundError as missing:
        absent.add(missing.name)
names = {name.partition(".")[0] for name in {*sys.modules} - before | absent}
print(json.dumps([each.lower().replace("_", "-") for name in names for each in of.get(name, [name] * (name in absent))]))
"""


def with_their_own(asked: list[str]) -> set[str]:
    """The names of what is asked for, and of what that asks for in turn or takes where it is there."""
    found: set[str] = set()
    wanted = [Requirement(each) for each in asked]
    while wanted:
        requirement = wanted.pop()
        name = canonicalize_name(requirement.name)
        if name not in found:
            found.add(name)
            with suppress(PackageNotFoundError):
                wanted += map(Requirement, requires(name) or ())
    return found


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda folder: folder.name)
def test_issue_14_12_addresses_are_public(folder: Path) -> None:
    urls = project(folder)["urls"]
    assert urls
    for url in urls.values():
        parts = urlsplit(url)
        host = parts.hostname or ""
        assert (parts.scheme, parts.username, parts.port) == ("https", None, None), url
        assert re.fullmatch(r"([a-z0-9-]+\.)+[a-z]{2,}", host), url
        assert not host.endswith((".local", ".internal", ".lan", ".test", ".example")), url
        with pytest.raises(ValueError, match="does not appear"):
            ipaddress.ip_address(host)
