"""Each package says what it is, whose, under which licence, for which Pythons, and where more is. Issue 14, point 12."""

import ipaddress
import re
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

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
