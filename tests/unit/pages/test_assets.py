"""Issue 16, point 4: assets are content-hashed, compressed, and kept for good; pages stay under 150 KB."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from pancake_meter.catalog.brand import Brand
from pancake_pages.assets import STATIC, Assets, answer_of
from pancake_pages.site import Site

BUDGET = 150_000
"""What a page may transfer, in bytes, when nothing is in the cache."""

FOR_THE_PAGE = 50_000
"""Left for the page itself."""

Write = Callable[[str, bytes], None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, content: bytes) -> None:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)

    return write


def test_an_assets_name_changes_with_its_content_and_with_nothing_else(tmp_path: Path, write: Write) -> None:
    write("a.css", b"a{}")
    before = Assets({}, tmp_path).url("a.css")
    assert Assets({}, tmp_path).url("a.css") == before
    write("a.css", b"a{color:red}")
    assert Assets({}, tmp_path).url("a.css") != before


def test_an_asset_is_found_by_its_name_with_the_hash_alone(tmp_path: Path, write: Write) -> None:
    write("vendor/a.js", b"1")
    assets = Assets({"brand.css": b"x"}, tmp_path)
    for name in ("vendor/a.js", "brand.css"):
        path = assets.url(name)
        found = assets.find(path.removeprefix("/assets/"))
        assert found is not None
        # One segment: the route has one.
        assert path.count("/") == 2
    assert assets.find("a.js") is None
    assert assets.find("vendor/a.js") is None
    assert assets.find("../assets.py") is None
    with pytest.raises(KeyError):
        assets.url("no-such.css")


def test_two_files_of_one_name_in_two_folders_are_two_assets(tmp_path: Path, write: Write) -> None:
    write("a.js", b"one")
    write("vendor/a.js", b"two")
    assets = Assets({}, tmp_path)
    assert assets.url("a.js") != assets.url("vendor/a.js")


def test_files_of_other_kinds_are_not_served(tmp_path: Path, write: Write) -> None:
    write(".up-to-date", b"")
    write("notes.txt", b"x")
    assets = Assets({}, tmp_path)
    for name in (".up-to-date", "notes.txt"):
        with pytest.raises(KeyError):
            assets.url(name)


@pytest.mark.parametrize(
    ("accepted", "is_compressed"),
    [("gzip, deflate, br", True), ("br;q=1.0, GZIP;q=0.8", True), ("gzip;q=0", False), ("br", False), ("", False)],
)
def test_an_asset_is_compressed_where_the_browser_takes_that(accepted: str, is_compressed: bool) -> None:
    site = Site(Brand())
    asset = site.assets.find(site.assets.url("pages.css").removeprefix("/assets/"))
    assert asset is not None
    answer = answer_of(asset, accepted)
    assert answer.headers.get("Content-Encoding") == ("gzip" if is_compressed else None)
    body = answer.body or b""
    assert (gzip.decompress(body) if is_compressed else body) == (STATIC / "pages.css").read_bytes()
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_each_kind_has_its_type(tmp_path: Path, write: Write) -> None:
    for name in ("a.css", "a.js", "a.svg"):
        write(name, b"x")
    assets = Assets({}, tmp_path)
    types = [assets.find(assets.url(name).removeprefix("/assets/")) for name in ("a.css", "a.js", "a.svg")]
    assert [asset and asset.content_type for asset in types] == [
        "text/css; charset=utf-8",
        "text/javascript; charset=utf-8",
        "image/svg+xml",
    ]


def test_all_that_a_page_can_load_stays_within_its_budget() -> None:
    assets = Site(Brand()).assets
    names = ["brand.css", *(path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*.*s*") if path.suffix)]
    sizes = {}
    for name in names:
        asset = assets.find(assets.url(name).removeprefix("/assets/"))
        assert asset is not None
        sizes[name] = len(asset.compressed)
    assert sum(sizes.values()) <= BUDGET - FOR_THE_PAGE, sizes


def test_what_is_made_of_the_brand_differs_by_brand_alone() -> None:
    urls = [Site(Brand(color=color)).assets.url("brand.css") for color in ("#112233", "#112233", "#445566")]
    assert urls[0] == urls[1] != urls[2]
    sheets = [Site(Brand(color=color)).assets.url("pages.css") for color in ("#112233", "#445566")]
    assert sheets[0] == sheets[1]
