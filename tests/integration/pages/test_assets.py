"""Issue 16, point 4: assets over their route, as API Gateway gets them: compressed, kept for good, without a key."""

import base64
import gzip
from datetime import UTC, datetime
from typing import Any

import pytest

import customer_pages
from pancake_meter.catalog.brand import Brand
from pancake_pages.assets import STATIC
from pancake_pages.deps.customer_pages import CustomerPagesDeps
from pancake_pages.site import Site
from tests.support.api import LambdaContext

SITE = Site(Brand(color="#0a7d55"))
NOBODY: Any = None  # no shop and no portal is asked
DEPS = CustomerPagesDeps(NOBODY, SITE, NOBODY, lambda: datetime(2026, 3, 10, tzinfo=UTC))


def get(path: str, accepted: str | None = "gzip, deflate, br", query: dict[str, str] | None = None) -> dict[str, Any]:
    event = {
        "version": "2.0",
        "routeKey": "GET /assets/{name}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"accept-encoding": accepted} if accepted is not None else {},
        "queryStringParameters": query,
        "requestContext": {
            "http": {
                "method": "GET",
                "path": path,
                "sourceIp": "127.0.0.1",
                "userAgent": "test",
                "protocol": "HTTP/1.1",
            },
            "requestId": "request",
            "stage": "$default",
        },
        "isBase64Encoded": False,
    }
    answer: dict[str, Any] = customer_pages.handler(event, LambdaContext(), DEPS)
    return answer


def body_of(answer: dict[str, Any]) -> bytes:
    assert answer["isBase64Encoded"] is True
    return base64.b64decode(answer["body"])


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("pages.css", "text/css; charset=utf-8"),
        ("charts.js", "text/javascript; charset=utf-8"),
        ("vendor/chart.js", "text/javascript; charset=utf-8"),
    ],
)
def test_an_asset_is_served_compressed_and_kept_for_good(name: str, content_type: str) -> None:
    answer = get(SITE.assets.url(name))
    assert answer["statusCode"] == 200
    assert gzip.decompress(body_of(answer)) == (STATIC / name).read_bytes()
    assert answer["headers"]["Content-Type"] == content_type
    assert answer["headers"]["Content-Encoding"] == "gzip"
    assert answer["headers"]["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("accepted", [None, "", "br", "identity", "gzip;q=0"])
def test_who_takes_no_gzip_gets_the_asset_as_it_is(accepted: str | None) -> None:
    answer = get(SITE.assets.url("pages.css"), accepted)
    assert body_of(answer) == (STATIC / "pages.css").read_bytes()
    assert "Content-Encoding" not in answer["headers"]


def test_the_sellers_colour_is_an_asset() -> None:
    assert b"--brand:#0a7d55" in gzip.decompress(body_of(get(SITE.assets.url("brand.css"))))


def test_a_parameter_that_somebody_has_added_is_passed_over() -> None:
    assert get(SITE.assets.url("pages.css"), query={"utm_source": "x"})["statusCode"] == 200


@pytest.mark.parametrize(
    "name", ["pages.css", "pages.0000000000000000.css", "no-such.js", "..%2Fsite.py", "%2e%2e", ".up-to-date", "%00"]
)
def test_another_name_is_a_page_that_says_so_and_is_kept_by_nobody(name: str) -> None:
    answer = get(f"/assets/{name}", None)
    assert answer["statusCode"] == 404
    assert answer["headers"]["Content-Type"] == "text/html; charset=utf-8"
    assert answer["headers"]["Cache-Control"] == "no-store"
    assert "There is no such page" in answer["body"]


@pytest.mark.parametrize("query", [None, {"lang": "en"}, {"utm_source": "x"}])
def test_a_page_that_there_is_not_is_a_404_with_a_query_too(query: dict[str, str] | None) -> None:
    assert get("/portal/no/such/page", query=query)["statusCode"] == 404
