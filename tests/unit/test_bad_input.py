"""Issue 13, point 5: what a request carries beyond the contract is refused early, clearly, and without an echo."""

import importlib
from datetime import UTC, datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import pytest
from aws_lambda_powertools.event_handler import Response
from pydantic import ValidationError

from pancake_meter.http.access.keys import RotateKeyRequest
from pancake_meter.http.balance.holds import HoldRequest
from pancake_meter.http.fields import WireModel, place_of
from pancake_meter.http.reports.reports import CustomersQuery
from pancake_meter.http.request import answer
from pancake_meter.http.resolver import Router, http_handler, tolerates_query
from pancake_meter.usecases.selling.purchase_link import (
    TOKEN_LENGTH_MAX,
    InvalidLink,
    LinkKind,
    PurchaseLink,
    make_link,
    read_link,
)
from tests.support.api import LambdaContext, api_event, read_answer

NOW = datetime(2026, 3, 10, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _as_in_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "PancakeMeter")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "test")


class LimitQuery(WireModel):
    limit: int = 5


def routes() -> Router[str]:
    router = Router[str]()

    @router.get("/plain")
    def plain() -> Response[str]:
        return answer(HTTPStatus.OK, {})

    @router.get("/listed")
    def listed(query: LimitQuery) -> Response[str]:
        return answer(HTTPStatus.OK, {"limit": query.limit})

    @router.get("/open")
    @tolerates_query
    def open_to_all() -> Response[str]:
        return answer(HTTPStatus.OK, {})

    return router


def asked(path: str, query: dict[str, str]) -> Any:
    event = api_event("quota_all_meters", path=path, query=query)
    return read_answer(http_handler("deps", routes())(event, LambdaContext()))


@pytest.mark.parametrize("path", ["/plain", "/listed"])
def test_an_unknown_parameter_of_a_query_is_refused_by_name_and_without_its_value(path: str) -> None:
    found = asked(path, {"limt": "pm_test_secret"})
    assert (found.status, found.body["code"]) == (422, "invalid_request")
    assert found.body["errors"] == [{"field": "limt", "fault": "is no field that is known here"}]


def test_a_route_gets_its_query_read() -> None:
    assert asked("/listed", {"limit": "7"}).body == {"limit": 7}
    assert asked("/listed", {}).body == {"limit": 5}


def test_links_and_the_formats_of_other_systems_pass_over_unknown_parameters() -> None:
    assert asked("/open", {"utm_source": "mail"}).status == 200


@pytest.mark.parametrize("model", [(HoldRequest, "ttl_seconds"), (RotateKeyRequest, "overlap_seconds")])
def test_a_whole_number_may_be_written_with_a_decimal_part_of_zero(model: tuple[type[WireModel], str]) -> None:
    kind, name = model
    others = {"meter": "tokens", "quantity": 1} if kind is HoldRequest else {}
    assert getattr(kind.model_validate({**others, name: Decimal("60.0")}), name) == 60
    for other in (Decimal("60.5"), "60", True, Decimal("NaN")):
        with pytest.raises(ValidationError):
            kind.model_validate({**others, name: other})


@pytest.mark.parametrize(
    "cursor", ["", "x", "2026-99-99T00:00:00.000Z~" + "0" * 64, "2026-03-10T00:00:00.000Z~0", "x" * 5000]
)
def test_a_cursor_that_no_page_gave_is_refused_in_our_words(cursor: str) -> None:
    with pytest.raises(ValueError, match="must be the next_cursor of the page before"):
        place_of(cursor)
    with pytest.raises(ValidationError, match="must be the next_cursor of the page before, of at most 2048 characters"):
        CustomersQuery.model_validate({"month": "2026-03", "cursor": cursor})


def test_a_token_of_a_link_is_bounded_and_every_link_that_is_made_is_within_the_bound() -> None:
    kind: LinkKind = "overage"
    url = make_link("secret" * 6, "https://x", PurchaseLink("\U0001f600" * 128, kind, "m" * 32), NOW)
    token = url.removeprefix("https://x/buy/")
    assert len(token) <= TOKEN_LENGTH_MAX
    assert read_link("secret" * 6, token, NOW).meter == "m" * 32
    with pytest.raises(InvalidLink):
        read_link("secret" * 6, "a" * (TOKEN_LENGTH_MAX + 1), NOW)


def test_an_unknown_meter_is_not_repeated() -> None:
    metering = importlib.import_module("pancake_meter.usecases.balance.metering")
    errors = importlib.import_module("pancake_meter.domain.errors")
    catalog = type("Catalog", (), {"meters": {"tokens": None}})()
    books = type("Books", (), {"catalog": catalog})()
    with pytest.raises(errors.UnknownMeter) as refused:
        metering.Metering.check_meter(books, "pm_test_" + "x" * 8000)
    assert str(refused.value) == "the catalog has no such meter"
    assert refused.value.details == {"meters": ["tokens"]}
