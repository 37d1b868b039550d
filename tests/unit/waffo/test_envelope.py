"""What an answer means."""

import pytest

from pancake_meter.waffo.envelope import read_answer
from pancake_meter.waffo.errors import (
    Notice,
    WaffoApiError,
    WaffoInFlight,
    WaffoRejected,
    WaffoUnavailable,
    WaffoUnreadable,
)
from tests.support.waffo_webhooks import DATA, encode, reference

EXAMPLES: dict[str, type[WaffoApiError]] = {
    "200_with_errors_treat_as_failure.json": WaffoRejected,
    "400_bad_id_format.json": WaffoRejected,
    "400_currency_not_supported.json": WaffoRejected,
    "400_graphql_too_deep_or_costly.json": WaffoRejected,
    "400_incomplete_jwt_headers.json": WaffoRejected,
    "400_missing_field.json": WaffoRejected,
    "400_name_too_long.json": WaffoRejected,
    "400_unpaid_balance.json": WaffoRejected,
    "400_wrong_state.json": WaffoRejected,
    "401_authentication_failed.json": WaffoRejected,
    "403_not_owner.json": WaffoRejected,
    "403_plan_group.json": WaffoRejected,
    "403_self_service_off.json": WaffoRejected,
    "404_not_found.json": WaffoRejected,
    "409_idempotent_in_flight.json": WaffoInFlight,
    "429_rate_limited.json": WaffoUnavailable,
    "500_root_cause_first.json": WaffoUnavailable,
    "501_not_implemented.json": WaffoRejected,
    "502_upstream.json": WaffoUnavailable,
}


def _read(status: int, body: bytes, *, has_idempotency_key: bool = True) -> object:
    return read_answer("/v1/x", status, body, has_idempotency_key=has_idempotency_key)


def test_every_reference_error_is_in_the_table() -> None:
    assert {path.name for path in (DATA / "errors").iterdir()} == set(EXAMPLES)


@pytest.mark.parametrize(("name", "kind"), EXAMPLES.items())
def test_every_reference_error_becomes_its_exception(name: str, kind: type[WaffoApiError]) -> None:
    # Given
    example = reference(f"errors/{name}")
    root_cause = example["body"]["errors"][0]
    # When
    with pytest.raises(WaffoApiError) as caught:
        _read(example["httpStatus"], encode(example["body"]))
    # Then
    error = caught.value
    assert type(error) is kind
    assert (error.operation, error.status) == ("/v1/x", example["httpStatus"])
    assert (error.layer, error.notices[0].message) == (root_cause["layer"], root_cause["message"])
    assert len(error.notices) == len(example["body"]["errors"])


def test_the_hint_of_the_root_cause_is_at_hand() -> None:
    body = {"data": None, "errors": [{"message": "m", "layer": "order", "aiHint": "RETRY_LATER"}, {"message": "n"}]}
    with pytest.raises(WaffoRejected) as caught:
        _read(400, encode(body))
    assert (caught.value.layer, caught.value.ai_hint) == ("order", "RETRY_LATER")
    assert caught.value.notices[1] == Notice("n")


def test_a_success_has_data_and_warnings() -> None:
    answer = read_answer(
        "/v1/x",
        200,
        encode({"data": {"a": "1"}, "errors": [], "warnings": [{"message": "old", "layer": "sdk", "aiHint": "USE_B"}]}),
        has_idempotency_key=False,
    )
    assert answer.data == {"a": "1"}
    assert answer.warnings == (Notice("old", "sdk", "USE_B"),)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b'{"data":null}', WaffoRejected),
        (200, b"{}", WaffoRejected),
        (200, b'{"data":{"a":1},"errors":[{"message":"m"}]}', WaffoRejected),
        (200, b'{"data":{"a":1},"errors":["of another form"]}', WaffoRejected),
        (200, b'{"data":{"a":1},"errors":{"message":"m"}}', WaffoRejected),
        (201, b'{"data":[]}', WaffoUnreadable),
        (200, b'{"data":"text"}', WaffoUnreadable),
        (200, b"<html>", WaffoUnreadable),
        (200, b"", WaffoUnreadable),
        (200, b"[" * 100_000, WaffoUnreadable),
        (302, b"", WaffoRejected),
        (404, b"<html>not found</html>", WaffoRejected),
        (500, b'{"data":{"a":1}}', WaffoUnavailable),
        (502, b"<html>bad gateway</html>", WaffoUnavailable),
        (503, b"", WaffoUnavailable),
        (599, b"", WaffoUnavailable),
    ],
)
def test_scenario_83_what_is_not_a_success_is_a_typed_failure(
    status: int, body: bytes, kind: type[WaffoApiError]
) -> None:
    with pytest.raises(WaffoApiError) as caught:
        _read(status, body)
    assert type(caught.value) is kind
    assert caught.value.status == status


def test_a_conflict_without_idempotency_key_is_final() -> None:
    with pytest.raises(WaffoRejected):
        _read(409, b"{}", has_idempotency_key=False)


def test_what_waffo_says_is_bounded() -> None:
    body = {"data": None, "errors": [{"message": "x" * 5000, "layer": 7}] * 50 + ["text"]}
    with pytest.raises(WaffoRejected) as caught:
        _read(400, encode(body))
    assert len(caught.value.notices) == 10
    assert len(str(caught.value)) < 400
    assert caught.value.layer is None
