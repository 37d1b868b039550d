"""What pages need of the way between a browser and a function: cookies both ways, forms, and bodies that are no text."""

import gzip
import re
from collections.abc import Iterator

import httpx
import pytest

from pancake_pages.assets import STATIC
from tests.e2e.conftest import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


@pytest.fixture
def visitor(stack: Stack) -> Iterator[httpx.Client]:
    """A browser that knows nothing yet."""
    with httpx.Client(base_url=stack.ready["api_url"], timeout=60, trust_env=False) as client:
        yield client


def test_a_cookie_that_a_page_sets_comes_back_to_it(visitor: httpx.Client) -> None:
    # Given a page in another language than the browser's, which is asked for once
    asked = visitor.get("/buy/nonsense", params={"lang": "zh-Hans"}, headers={"Accept-Language": "en"})
    assert '<html lang="zh-Hans">' in asked.text
    assert [cookie.split("; ")[0] for cookie in asked.headers.get_list("set-cookie")] == ["lang=zh-Hans"]
    # It is plain http here: a cookie for https alone would not come back.
    assert "Secure" not in asked.headers["set-cookie"]

    # Then it is that of the next page, among other cookies too
    visitor.cookies.set("other", "a=b")
    again = visitor.get("/buy/nonsense", headers={"Accept-Language": "en"})
    assert '<html lang="zh-Hans">' in again.text


def test_what_a_page_loads_arrives_as_it_was_written_and_compressed(visitor: httpx.Client) -> None:
    page = visitor.get("/buy/nonsense").text
    (path,) = re.findall(r'href="(/assets/pages\.[0-9a-f]{16}\.css)"', page)
    written = (STATIC / "pages.css").read_bytes()
    with visitor.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as packed:
        content = b"".join(packed.iter_raw())
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(content) == written
    assert packed.headers["cache-control"] == "public, max-age=31536000, immutable"
    plain = visitor.get(path, headers={"Accept-Encoding": "identity"})
    assert ("content-encoding" in plain.headers, plain.content) == (False, written)


def test_no_page_is_stored_and_every_page_has_a_policy(visitor: httpx.Client) -> None:
    page = visitor.get("/buy/nonsense")
    assert page.headers["cache-control"] == "no-store"
    assert "script-src 'self'" in page.headers["content-security-policy"]
