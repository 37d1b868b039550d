"""The one shape of handlers: what `http_handler` and `lambda_handler` do for every function."""

import json
from http import HTTPStatus
from typing import Any

import pytest
from aws_lambda_powertools.event_handler import Response

from pancake_meter import metrics
from pancake_meter.http.request import answer
from pancake_meter.http.resolver import Router, http_handler
from pancake_meter.invocation import Handler, lambda_handler
from pancake_meter.store.errors import StoreUnavailable
from tests.support.api import LambdaContext, api_event, read_answer

SCHEDULE: dict[str, Any] = {"schedule": "now"}


@pytest.fixture(autouse=True)
def _as_in_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "PancakeMeter")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "test")


def holds() -> Router[str]:
    router = Router[str]()

    @router.delete("/v1/customers/<customer_id>/holds/<hold_id>")
    def delete_hold(customer_id: str, hold_id: str) -> Response[str]:
        if hold_id == "trouble":
            raise StoreUnavailable("gone")
        return answer(HTTPStatus.OK, {"customer": customer_id, "hold": hold_id, "deps": router.deps})

    return router


def deleting(customer: str, hold: str = "h1") -> dict[str, Any]:
    return api_event("holds_release", path=f"/v1/customers/{customer}/holds/{hold}")


@pytest.mark.parametrize(
    ("written", "customer", "hold"),
    [("ada", "ada", "a%20b"), ("auth0%7C5f7c", "auth0|5f7c", "a%20b"), ("~b64.NTAl", "50%", "a%20b")],
)
def test_a_route_gets_the_values_of_its_path_decoded(written: str, customer: str, hold: str) -> None:
    found = read_answer(http_handler("deps", holds())(deleting(written, hold), LambdaContext()))
    assert (found.body["customer"], found.body["hold"]) == (customer, "a b")


def test_no_route_gets_a_customer_id_that_is_none() -> None:
    found = read_answer(http_handler("deps", holds())(deleting("~b64.!"), LambdaContext()))
    assert (found.status, found.body["code"]) == (422, "invalid_customer_id")


def test_a_handler_works_with_the_stack_s_deps_or_with_those_it_is_given() -> None:
    handler = http_handler("of the stack", holds())
    assert read_answer(handler(deleting("ada"), LambdaContext())).body["deps"] == "of the stack"
    assert read_answer(handler(deleting("ada"), LambdaContext(), "given")).body["deps"] == "given"
    assert read_answer(handler(deleting("ada"), LambdaContext(), deps="given")).body["deps"] == "given"


def test_trouble_in_a_route_is_503() -> None:
    found = read_answer(http_handler("deps", holds())(deleting("ada", "trouble"), LambdaContext()))
    assert (found.status, found.body["code"]) == (503, "unavailable")


def scheduled(*, trouble: bool) -> Handler:
    def run(deps: str, _: Any) -> dict[str, Any]:
        if trouble:
            raise StoreUnavailable("gone")
        return {"ran with": deps}

    return http_handler("deps", holds(), on_schedule=run)


def test_a_function_with_a_schedule_runs_for_it_and_answers_requests() -> None:
    handler = scheduled(trouble=False)
    assert handler(SCHEDULE, LambdaContext()) == {"ran with": "deps"}
    assert read_answer(handler(deleting("ada"), LambdaContext())).status == 200


def test_a_scheduled_run_in_trouble_fails_so_that_its_alarm_rings() -> None:
    with pytest.raises(StoreUnavailable):
        scheduled(trouble=True)(SCHEDULE, LambdaContext())


def test_what_is_counted_about_trouble_is_written_with_the_invocation_that_met_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def on_trouble(_: Any, __: Any, ___: Any) -> str:
        metrics.add(metrics.DELIVERY_UNAVAILABLE)
        return "503"

    @lambda_handler(on_trouble)
    def handler(_: Any, __: Any) -> str:
        raise StoreUnavailable("gone")

    assert handler({}, LambdaContext()) == "503"
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert [line["DeliveryUnavailable"] for line in lines] == [[1.0]]
