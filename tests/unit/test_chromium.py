"""The browser of the tests is found on the path, and where a Mac keeps its programs."""

from pathlib import Path

import pytest

from tests.support.chromium import NoBrowserError, chromium


def program(file: Path) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return str(file)


def test_the_browser_is_the_one_that_is_named_else_one_on_the_path_else_a_macs(tmp_path: Path) -> None:
    environ, applications = {"PATH": str(tmp_path / "bin")}, [tmp_path / "Applications", tmp_path / "Own"]
    # Given none
    with pytest.raises(NoBrowserError, match="CHROMIUM="):
        chromium(environ, applications)
    # Then each is found before those that were there before it
    for file in (
        tmp_path / "Own" / "Google Chrome.app" / "Contents" / "MacOS" / "Google Chrome",
        tmp_path / "Applications" / "Chromium.app" / "Contents" / "MacOS" / "Chromium",
        tmp_path / "bin" / "google-chrome",
        tmp_path / "bin" / "chromium",
    ):
        path = program(file)
        assert chromium(environ, applications) == path
    assert chromium({**environ, "CHROMIUM": "/opt/a browser"}, applications) == "/opt/a browser"
