"""What webhook bodies say."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.waffo.errors import BodyTooLarge, MalformedEvent, ObsoleteEventShape, WebhookRefused
from pancake_meter.waffo.events import (
    MAX_BODY_BYTES,
    EventKind,
    PaymentFacts,
    PriceBreakdown,
    RefundFacts,
    SubscriptionFacts,
    Unrecognised,
    kind_of,
    parse_event,
)
from pancake_meter.waffo.fields import PeriodBound
from tests.support.waffo_webhooks import DATA, EVENTS, body_of, encode, reference, webhook_request

PAYMENT_KINDS = {EventKind.ORDER_COMPLETED, EventKind.SUBSCRIPTION_PAYMENT_SUCCEEDED}
REFUND_KINDS = {EventKind.REFUND_SUCCEEDED, EventKind.REFUND_FAILED}
WEBHOOK_FILES = sorted(path.stem.removeprefix("webhook_") for path in EVENTS.glob("webhook_*.json"))


def _document(path: str, **data: object) -> dict[str, Any]:
    """A reference event with some of its ``data`` replaced; ``...`` removes a field."""
    document: dict[str, Any] = reference(path)
    for name, value in data.items():
        if value is ...:
            document["data"].pop(name, None)
        else:
            document["data"][name] = value
    return document


def _subscription(document: dict[str, Any]) -> SubscriptionFacts:
    facts = parse_event(encode(document)).facts
    assert isinstance(facts, SubscriptionFacts)
    return facts


def _payment(document: dict[str, Any]) -> PaymentFacts:
    facts = parse_event(encode(document)).facts
    assert isinstance(facts, PaymentFacts)
    return facts


@pytest.mark.parametrize("path", sorted((DATA / "events").iterdir()), ids=lambda path: path.stem)
def test_every_reference_event_is_recognised_with_its_block(path: Any) -> None:
    # Given
    raw = path.read_bytes()
    # When
    event = parse_event(raw)
    # Then
    assert event.event_type in path.name
    assert event.data == json.loads(raw, parse_float=Decimal)["data"]
    assert not isinstance(event.facts, Unrecognised)
    kind = event.facts.kind
    expected = PaymentFacts if kind in PAYMENT_KINDS else RefundFacts if kind in REFUND_KINDS else SubscriptionFacts
    assert type(event.facts) is expected
    assert event.facts.order.buyer_identity == "acct_1001"
    assert event.order_id == json.loads(raw, parse_float=Decimal)["data"]["orderId"]


@pytest.mark.parametrize("name", WEBHOOK_FILES)
def test_every_file_in_events_is_a_function_url_request_with_a_known_event(name: str) -> None:
    # Given
    request = webhook_request(name)
    # When
    event = parse_event(body_of(request))
    # Then
    assert request["version"] == "2.0"
    assert request["requestContext"]["http"]["method"] == "POST"
    assert request["headers"]["content-length"] == str(len(body_of(request)))
    assert request["headers"]["x-waffo-signature"].startswith("t=")
    assert event.event_type.replace(".", "_") == name
    assert event.mode == "test"
    assert not isinstance(event.facts, Unrecognised)


def test_events_has_a_file_for_every_kind_and_for_the_older_name() -> None:
    assert set(WEBHOOK_FILES) == {kind.replace(".", "_") for kind in EventKind} | {"subscription_updated"}


def test_the_envelope_and_the_order_are_read() -> None:
    # When
    event = parse_event(encode(reference("events/04_subscription.renewed.json")))
    # Then
    assert event.id == "0b7c1d2e-4f50-4a6b-8c7d-000000000004"
    assert event.timestamp == datetime(2026, 4, 10, 15, 14, 41, 330_000, tzinfo=UTC)
    assert event.timestamp.tzinfo is UTC
    assert event.event_id == "ORD_4kPz8sYvN1qJ6tGwB2dXfR-2026-04-10T15:14:41.102Z"
    assert (event.store_id, event.store_name, event.mode) == ("STO_7hQ2mVb9KxT4cLr8WnZ3aE", "Invented AI Store", "test")
    assert isinstance(event.facts, SubscriptionFacts)
    order = event.facts.order
    assert (order.id, order.status) == ("ORD_4kPz8sYvN1qJ6tGwB2dXfR", "active")
    assert order.external_id == "sub:acct_1001:pro-monthly:v1"
    assert order.metadata == {"accountId": "acct_1001", "planKey": "pro-monthly"}
    assert (order.product_name, order.product_metadata) == ("Pro monthly", {"planKey": "pro-monthly"})
    assert event.facts.plan_price == PriceBreakdown(Decimal("31.90"), Decimal("29.00"), Decimal("2.90"))
    assert (event.facts.billing_period, event.facts.period_number) == ("monthly", 2)


def test_a_period_bound_knows_whether_it_was_only_a_date() -> None:
    # Given
    document = _document("events/04_subscription.renewed.json", currentPeriodEnd="2026-05-10T15:14:30.000Z")
    # When
    facts = _subscription(document)
    # Then
    assert facts.period_start == PeriodBound(datetime(2026, 4, 10, tzinfo=UTC), is_date_only=True)
    assert facts.period_end == PeriodBound(datetime(2026, 5, 10, 15, 14, 30, tzinfo=UTC), is_date_only=False)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-05-10T15:14:30Z", datetime(2026, 5, 10, 15, 14, 30, tzinfo=UTC)),
        ("2026-05-10T15:14:30.123456Z", datetime(2026, 5, 10, 15, 14, 30, 123456, tzinfo=UTC)),
        ("2026-05-10T15:14:30", datetime(2026, 5, 10, 15, 14, 30, tzinfo=UTC)),
        ("2026-05-10T23:14:30+08:00", datetime(2026, 5, 10, 15, 14, 30, tzinfo=UTC)),
        ("2026-05-10 15:14:30+0000", datetime(2026, 5, 10, 15, 14, 30, tzinfo=UTC)),
    ],
)
def test_a_date_time_becomes_utc(text: str, instant: datetime) -> None:
    facts = _subscription(_document("events/04_subscription.renewed.json", currentPeriodEnd=text))
    assert facts.period_end == PeriodBound(instant, is_date_only=False)
    assert facts.period_end is not None
    assert facts.period_end.instant.tzinfo is UTC


@pytest.mark.parametrize("value", ["", None, ...], ids=["empty", "null", "absent"])
def test_an_empty_period_is_none(value: object) -> None:
    facts = _subscription(
        _document("events/04_subscription.renewed.json", currentPeriodStart=value, currentPeriodEnd=value)
    )
    assert (facts.period_start, facts.period_end) == (None, None)


@pytest.mark.parametrize(
    "value",
    [
        "soon",
        "2026-13-01",
        "2026-05-10T25:00:00Z",
        "10.05.2026",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31",
        "1999-12-31",
        "2026-W15-5",
        "20260510",
        "2026-05-10T15:14:30Z" + " " * 50,
        1775121331,
        True,
        {},
        [],
    ],
    ids=str,
)
def test_a_period_that_is_no_date_is_refused_without_quoting_it(value: object) -> None:
    with pytest.raises(MalformedEvent) as caught:
        parse_event(encode(_document("events/04_subscription.renewed.json", currentPeriodEnd=value)))
    assert caught.value.field == "data.currentPeriodEnd"
    assert str(value) not in str(caught.value) or str(value) in {"{}", "[]"}


def test_a_payment_is_read_exactly() -> None:
    # When
    facts = _payment(reference("events/01_order.completed.json"))
    # Then
    assert facts.payment_id == "PAY_8bVc5xZa2sDf6gHj9kLq3W"
    assert (facts.status, facts.method, facts.failure_reason) == ("succeeded", "card", None)
    assert (facts.currency, str(facts.charged), str(facts.amount)) == ("USD", "19.80", "19.80")
    assert facts.list_price == PriceBreakdown(Decimal("19.80"), Decimal("18.00"), Decimal("1.80"))
    assert facts.paid_on == PeriodBound(datetime(2026, 4, 2, tzinfo=UTC), is_date_only=True)
    assert facts.period_number is None
    assert not facts.is_card_check


def test_scenario_82_yen_have_no_decimals() -> None:
    facts = _payment(reference("quirks/jpy_zero_decimals.json"))
    assert (facts.currency, str(facts.charged)) == ("JPY", "4500")


def test_scenario_77_an_absent_charged_amount_stays_unknown() -> None:
    facts = _payment(reference("quirks/charged_amount_absent.json"))
    assert facts.charged is None
    assert facts.list_price is not None
    assert str(facts.list_price.total) == "31.90"


def test_scenario_41_a_card_check_is_known_by_its_period() -> None:
    check = reference("quirks/zero_amount_authorization_period_0.json")
    assert _payment(check).is_card_check
    check["data"]["periodNumber"] = 1
    assert not _payment(check).is_card_check
    check["data"]["periodNumber"] = "0"
    assert _payment(check).is_card_check
    check["data"]["chargedAmount"] = "31.90"
    assert not _payment(check).is_card_check, "money was collected"


def test_an_older_event_without_price_block_is_read_from_the_flat_fields() -> None:
    facts = _payment(_document("events/01_order.completed.json", listPrice=..., chargedAmount=...))
    assert facts.list_price == PriceBreakdown(Decimal("19.80"), Decimal("18.00"), Decimal("1.80"))
    assert str(facts.amount) == "19.80"


def test_a_payment_has_no_period_even_when_an_older_event_carries_one() -> None:
    # Given: what the platform sent before SDK 0.20
    document = _document(
        "events/03_subscription.payment_succeeded.json", currentPeriodStart="", currentPeriodEnd="2026-04-10"
    )
    # When
    facts = _payment(document)
    # Then
    assert not hasattr(facts, "period_end")


def test_a_refund_is_read_exactly() -> None:
    # When
    event = parse_event(encode(reference("events/14_refund.succeeded.json")))
    # Then
    facts = event.facts
    assert isinstance(facts, RefundFacts)
    assert event.event_id == "REF_5tGb8yHn1uJm4iKo7lPq0A"
    assert (str(facts.refunded), str(facts.original_charged)) == ("9.90", "19.80")
    assert facts.original_price == PriceBreakdown(Decimal("19.80"), Decimal("18.00"), Decimal("1.80"))
    assert (facts.payment_id, facts.status, facts.reason) == (
        "PAY_8bVc5xZa2sDf6gHj9kLq3W",
        "succeeded",
        "requested_by_customer",
    )
    assert facts.ticket_external_id == "rfd:acct_1001:0001"
    assert facts.created_at == PeriodBound(datetime(2026, 4, 4, 10, 18, tzinfo=UTC), is_date_only=False)


def test_a_failed_refund_gave_nothing_back() -> None:
    facts = parse_event(encode(reference("events/15_refund.failed.json"))).facts
    assert isinstance(facts, RefundFacts)
    assert (facts.kind, facts.refunded) == (EventKind.REFUND_FAILED, None)


@pytest.mark.parametrize(
    "value",
    [1980, 19.8, True, "19,80", "$19.80", "-1.00", "1e3", "NaN", ".5", "5.", " 1", "９", "1" * 20, {}],  # noqa: RUF001
    ids=str,
)
def test_scenario_19_money_that_is_no_display_string_is_refused(value: object) -> None:
    with pytest.raises(MalformedEvent) as caught:
        parse_event(encode(_document("events/01_order.completed.json", chargedAmount=value)))
    assert caught.value.field == "data.chargedAmount"


def test_scenario_19_the_shape_of_old_docs_is_refused_as_such() -> None:
    with pytest.raises(ObsoleteEventShape):
        parse_event(encode(reference("quirks/obsolete_old_docs_shape.json")))


def test_scenario_18_an_unknown_type_is_kept_whole() -> None:
    # Given
    document = reference("quirks/unknown_event_type.json")
    document["data"]["amount"] = 5
    # When
    body = encode(document)
    event = parse_event(body)
    # Then
    assert event.facts == Unrecognised(order_id="ORD_4kPz8sYvN1qJ6tGwB2dXfR")
    assert event.data == json.loads(body, parse_float=Decimal)["data"]
    assert event.order_id == "ORD_4kPz8sYvN1qJ6tGwB2dXfR"


def test_scenario_18_unknown_fields_are_kept() -> None:
    document = _document("events/04_subscription.renewed.json", newThing={"deep": [1, "two"]})
    document["newEnvelopeField"] = 7
    assert parse_event(encode(document)).data["newThing"] == {"deep": [1, "two"]}


def test_scenario_18_the_older_name_of_a_plan_change_means_the_same() -> None:
    # Given
    document = reference("events/08_subscription.plan_changed.json")
    new = _subscription(document)
    # When
    document["eventType"] = "subscription.updated"
    event = parse_event(encode(document))
    # Then
    assert event.facts == new
    assert event.event_type == "subscription.updated"


def test_scenario_39_a_rebuilt_checkout_has_no_metadata_and_no_external_id() -> None:
    order = _payment(reference("quirks/checkout_rebuilt_without_metadata_or_external_id.json")).order
    assert (order.external_id, order.metadata, order.buyer_identity) == (None, {}, "acct_1001")


def test_scenario_40_an_identity_that_is_an_e_mail_is_passed_on_as_it_is() -> None:
    order = _subscription(reference("quirks/buyer_identity_is_email.json")).order
    assert order.buyer_identity == order.buyer_email == "buyer@example.com"


@pytest.mark.parametrize("name", sorted(path.name for path in (DATA / "quirks").iterdir()))
def test_every_quirk_is_an_event_or_a_typed_refusal(name: str) -> None:
    # Given: one file holds two deliveries
    document = reference(f"quirks/{name}")
    documents = [document["first"], document["second"]] if "first" in document else [document]
    for each in documents:
        # When
        try:
            event = parse_event(encode(each))
        except ObsoleteEventShape:
            assert name == "obsolete_old_docs_shape.json"
            continue
        # Then
        assert event.order_id == each["data"]["orderId"]
        assert isinstance(event.facts, Unrecognised) == (name == "unknown_event_type.json")


def test_metadata_keeps_scalars_as_text_and_leaves_the_rest_to_the_raw_data() -> None:
    # Given
    metadata = {"plan": "pro", "tokens": 100000, "ratio": 0.5, "trial": True, "none": None, "nested": {"a": 1}}
    # When
    order = _subscription(_document("events/02_subscription.activated.json", productMetadata=metadata)).order
    # Then
    assert order.product_metadata == {"plan": "pro", "tokens": "100000", "ratio": "0.5", "trial": "true"}


@pytest.mark.parametrize("value", ["text", 5, [], None, {"k" * 5: []}])
def test_metadata_of_another_form_is_empty(value: object) -> None:
    order = _subscription(_document("events/02_subscription.activated.json", orderMetadata=value)).order
    assert order.metadata == {}


def test_point_16_the_plan_is_found_in_metadata_of_any_number_of_entries() -> None:
    metadata = {f"key{number}": "x" for number in range(5_000)} | {"plan": "pro"}
    order = _subscription(_document("events/02_subscription.activated.json", productMetadata=metadata)).order
    assert order.product_metadata == metadata


def test_nothing_of_an_event_can_be_changed() -> None:
    event = parse_event(encode(reference("events/02_subscription.activated.json")))
    assert isinstance(event.facts, SubscriptionFacts)
    with pytest.raises(TypeError):
        event.data["orderId"] = "x"  # type: ignore[index]
    with pytest.raises(TypeError):
        event.facts.order.metadata["planKey"] = "x"  # type: ignore[index]


def _without(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda document: document.pop(name)


def _with(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda document: document.update({name: value})


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (_without("id"), "id"),
        (_without("timestamp"), "timestamp"),
        (_without("eventType"), "eventType"),
        (_without("eventId"), "eventId"),
        (_without("storeId"), "storeId"),
        (_without("mode"), "mode"),
        (_without("data"), "data"),
        (_with("data", []), "data"),
        (_with("id", ""), "id"),
        (_with("id", "x" * 257), "id"),
        (_with("mode", 1), "mode"),
        (_with("timestamp", "2026-04-10"), "timestamp"),
        (_with("timestamp", "now"), "timestamp"),
        (_with("eventType", {"a": 1}), "eventType"),
        (_with("data", {}), "data.orderId"),
        (_with("data", {"orderId": 7}), "data.orderId"),
        (_with("data", {"orderId": "x" * 257}), "data.orderId"),
        (_with("data", {"orderId": "ORD_1", "orderMerchantExternalId": 7}), "data.orderMerchantExternalId"),
    ],
)
def test_an_envelope_that_lacks_what_decides_is_refused(change: Callable[[dict[str, Any]], None], field: str) -> None:
    # Given
    document = reference("events/02_subscription.activated.json")
    change(document)
    # When / Then
    with pytest.raises(MalformedEvent) as caught:
        parse_event(encode(document))
    assert caught.value.field == field


@pytest.mark.parametrize("name", ["paymentId", "currency"])
def test_a_payment_without_id_or_currency_is_refused(name: str) -> None:
    with pytest.raises(MalformedEvent) as caught:
        parse_event(encode(_document("events/01_order.completed.json", **{name: ...})))
    assert caught.value.field == f"data.{name}"


def test_scenario_13_a_body_beyond_the_bound_is_refused_unread() -> None:
    with pytest.raises(BodyTooLarge):
        parse_event(b"{" * (MAX_BODY_BYTES + 1))
    with pytest.raises(BodyTooLarge):
        parse_event(b"x" * 10_000_000)


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[" * 100_000, b'{"id":' * 20_000, b"\xff\xfe\x00", b'{"id":' + b"9" * 10_000 + b"}"],
    ids=["empty", "null", "array bomb", "object bomb", "not UTF-8", "huge number"],
)
def test_scenario_13_a_body_that_means_harm_is_a_typed_refusal(body: bytes) -> None:
    with pytest.raises(MalformedEvent) as caught:
        parse_event(body)
    assert caught.value.field == "body"


VALUES: st.SearchStrategy[object] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just({}) | st.just([])
)


@given(
    st.sampled_from(sorted(path.name for path in (DATA / "events").iterdir())),
    st.data(),
    VALUES,
)
def test_any_field_replaced_by_anything_is_an_event_or_a_typed_refusal(
    name: str, data: st.DataObject, value: object
) -> None:
    # Given
    document = reference(f"events/{name}")
    part = data.draw(st.sampled_from([document, document["data"]]))
    part[data.draw(st.sampled_from(sorted(part)))] = value
    # When
    try:
        event = parse_event(json.dumps(document).encode())
    except WebhookRefused:
        return
    # Then
    assert event.data.keys() == document["data"].keys()


def test_kinds_are_told_by_name_alone() -> None:
    assert kind_of("subscription.renewed") is EventKind.SUBSCRIPTION_RENEWED
    assert kind_of("subscription.updated") is EventKind.SUBSCRIPTION_PLAN_CHANGED
    assert kind_of("Subscription.Renewed") is None
