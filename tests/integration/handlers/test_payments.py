"""Issue 14, point 3: payments that fit nothing are listed, and an operator says what they are, once."""

import base64
import itertools
import json
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.domain.selling.checkout import Checkout
from pancake_meter.domain.selling.money import Money
from pancake_meter.domain.selling.resolution import Resolution
from pancake_meter.store.access.erasures import Erasures
from pancake_meter.store.balance.balances import read_ledger
from pancake_meter.store.errors import StoreError
from pancake_meter.store.reports.revenue import read_sold
from pancake_meter.store.selling.checkouts import read_checkout, write_new_checkout
from pancake_meter.store.selling.payments import read_payment
from pancake_meter.store.table import Put, Table
from pancake_meter.store.webhooks.deliveries import deliveries_by_verdict
from pancake_meter.usecases.access.erase import erase_customer
from pancake_meter.usecases.webhooks.judge import retry_order
from pancake_meter.usecases.webhooks.resolve_payment import resolve_payment
from pancake_meter.value import replace
from payments import handler
from tests.integration.handlers.test_nasty_values import NASTY_JSON
from tests.support.api import Answer, LambdaContext, api_event, read_answer
from tests.support.faulty_dynamodb import FaultyDynamoDB, When
from tests.support.webhook_world import CUSTOMER, Document, World, event, payment, refund, utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = utc("2026-03-10T15:15:00")
ORDER = "ORD_9aLm3cUeH7rTxK5pQ0vWsD"
FREE = 10_000
UNITS = {"id": "case-1", "reason": "paid by hand", "as": "units", "meter": "tokens", "quantity": 40_000}
NOT_OURS = {"id": "case-1", "reason": "a donation", "as": "not_ours"}
numbers = itertools.count(1)


@pytest.fixture
def world(dynamodb: "DynamoDBClient", table: str) -> World:
    ours = Table(dynamodb, table, sleep=lambda _: None)
    return World(ours, NOW, erasures=Erasures(ours, lambda: "a key of the tests"))


def open_checkout(world: World, checkout_id: str = "chk_1", **changed: Any) -> Checkout:
    made = Checkout(
        id=checkout_id,
        customer_id=CUSTOMER,
        kind="top_up",
        meter="tokens",
        plan=None,
        quantity=Decimal(100_000),
        amount=Money(Decimal("3.00"), "USD"),
        status="open",
        created_at=NOW,
        expires_at=NOW + timedelta(minutes=45),
    )
    made = replace(made, **changed)
    assert write_new_checkout(world.table, made, None)
    return made


def paid(
    payment_id: str = "PAY_1", order_id: str = ORDER, *, subtotal: str = "2.00", total: str = "2.20", **data: object
) -> Document:
    prices = {"listPrice": {"total": total, "subtotal": subtotal, "taxAmount": "0.20"}, "productName": "Usage"}
    charge = {"paymentId": payment_id, "chargedAmount": total, "amount": total, "productMetadata": {"kind": "usage"}}
    return event("order.completed", order_id, "2026-03-10", payment_id, **{**prices, **charge, **data})


def ask(world: World, name: str, **changed: Any) -> Answer:
    deps = MeteringDeps(world.metering, lambda: world.now)
    return read_answer(handler(api_event(name, **changed), LambdaContext(), deps))


def show(world: World, payment_id: str = "PAY_1") -> Any:
    answer = ask(world, "payment_read", path=f"/v1/payments/{payment_id}")
    assert answer.status == 200, answer.body
    return answer.body


def resolve(world: World, body: dict[str, Any], payment_id: str = "PAY_1") -> Answer:
    return ask(world, "payment_resolve_units", path=f"/v1/payments/{payment_id}/resolve", body=body)


def listed(world: World, **query: str) -> list[str]:
    answer = ask(world, "payments_flagged", query=query)
    assert answer.status == 200, answer.body
    return [each["payment_id"] for each in answer.body["payments"]]


def received(world: World) -> dict[str, Decimal]:
    return {row.sold: row.total.net for row in read_sold(world.table, "2026-03")}


def flagged(world: World) -> None:
    """Another amount than the checkout asks for."""
    open_checkout(world)
    assert world.take(paid(orderMerchantExternalId="chk_1")).reason == "amount_differs"


def unmatched(world: World) -> None:
    """A rebuilt checkout: it names nothing of ours, and its amount is no checkout's."""
    assert world.take(paid()).reason == "purchase_unknown"


KINDS = pytest.mark.parametrize("kind", [flagged, unmatched])


def test_an_idempotency_key_stands_in_the_place_of_a_resolution_s_id(world: World) -> None:
    """Issue 14, point 6."""
    flagged(world)
    body = {name: value for name, value in UNITS.items() if name != "id"}
    neither = resolve(world, body)
    assert (neither.status, neither.body["code"]) == (422, "invalid_idempotency_key")
    deps = MeteringDeps(world.metering, lambda: world.now)
    event = api_event("payment_resolve_units", path="/v1/payments/PAY_1/resolve", body=body)
    event["headers"]["idempotency-key"] = "case-7"
    first, again = (read_answer(handler(event, LambdaContext(), deps)) for _ in range(2))
    assert (first.status, first.headers.get("Idempotency-Replayed")) == (200, None)
    assert (again.status, again.headers["Idempotency-Replayed"]) == (200, "true")
    assert again.body == first.body | {"replayed": True}
    assert world.available() == FREE + 40_000


def test_a_payment_of_another_amount_is_listed_with_whom_it_is_about(world: World) -> None:
    flagged(world)
    answer = ask(world, "payments_flagged")
    (row,) = answer.body["payments"]
    assert row == {
        "payment_id": "PAY_1",
        "order_id": ORDER,
        "customer_id": CUSTOMER,
        "status": "flagged",
        "flag": "amount_differs",
        "sold": "top_up",
        "plan": None,
        "checkout_id": "chk_1",
        "currency": "USD",
        "amount": "2.20",
        "tax": "0.20",
        "refunded": "0.00",
        "paid_at": "2026-03-10T15:14:33.018Z",
    }
    assert show(world)["refundable"] == "2.20"


def test_a_rebuilt_checkout_that_nobody_can_match_is_listed_and_counts_nowhere_yet(world: World) -> None:
    unmatched(world)
    assert listed(world, status="flagged") == ["PAY_1"]
    shown = show(world)
    assert (shown["flag"], shown["sold"], shown["customer_id"]) == ("purchase_unknown", None, CUSTOMER)
    assert received(world) == {}
    assert world.available() == FREE


def test_a_parked_payment_that_is_matched_after_all_needs_nobody_s_word(world: World) -> None:
    unmatched(world)
    open_checkout(world, amount=Money(Decimal("2.00"), "USD"))
    retry_order(world.metering, ORDER, NOW)
    assert world.available() == FREE + 100_000
    assert (show(world)["status"], show(world)["flag"]) == ("applied", None)
    assert listed(world, status="flagged") == []


@KINDS
def test_resolved_as_units_it_is_credited_once_and_counts_as_a_top_up(world: World, kind: Any) -> None:
    kind(world)
    first, second = resolve(world, UNITS), resolve(world, UNITS)
    assert (first.status, first.body["replayed"]) == (200, False)
    assert (second.status, second.body["replayed"]) == (200, True)
    assert first.body == second.body | {"replayed": False}
    assert world.available() == FREE + 40_000
    assert received(world) == {"top_up": Decimal("2.00")}
    assert show(world)["status"] == "resolved"
    assert listed(world, status="resolved") == ["PAY_1"]
    assert listed(world, status="flagged") == []


@KINDS
def test_the_resolution_and_the_ledger_have_the_key_s_name(world: World, kind: Any) -> None:
    kind(world)
    resolve(world, UNITS)
    resolution = show(world)["resolution"]
    assert (resolution["as"], resolution["by"], resolution["reason"]) == ("units", "seller-backend", "paid by hand")
    entry, *_ = read_ledger(world.table, CUSTOMER, "tokens", limit=10)
    assert (entry.cause, entry.reference, entry.by) == ("payment_resolved", "PAY_1", "seller-backend")


@KINDS
def test_resolved_as_a_checkout_it_credits_what_the_checkout_sold(world: World, kind: Any) -> None:
    kind(world)
    if kind is unmatched:
        open_checkout(world)
    answer = resolve(world, {"id": "c", "reason": "tax inside", "as": "checkout", "checkout_id": "chk_1"})
    assert answer.status == 200, answer.body
    assert world.available() == FREE + 100_000
    checkout = read_checkout(world.table, "chk_1")
    assert checkout is not None
    assert (checkout.status, checkout.flag, checkout.payment_ids) == ("paid", None, ("PAY_1",))
    assert received(world) == {"top_up": Decimal("2.00")}


def test_the_checkout_may_be_the_one_that_the_payment_names(world: World) -> None:
    flagged(world)
    assert resolve(world, {"id": "c", "reason": "fine", "as": "checkout"}).status == 200
    assert world.available() == FREE + 100_000


@KINDS
def test_resolved_as_not_ours_it_counts_nowhere(world: World, kind: Any) -> None:
    kind(world)
    assert resolve(world, NOT_OURS).status == 200
    assert world.available() == FREE
    assert received(world) == {}
    assert (show(world)["status"], show(world)["sold"]) == ("not_ours", None)
    # A refund of it takes nothing, and is no revenue that went back.
    world.take(refund(ORDER, "PAY_1", "REF_1", "2026-03-12", amount="2.20", of="2.20"))
    assert received(world) == {}
    assert world.available() == FREE


@KINDS
def test_the_checkout_of_a_payment_that_is_for_something_else_waits_no_more(world: World, kind: Any) -> None:
    kind(world)
    resolve(world, UNITS)
    checkout = read_checkout(world.table, "chk_1")
    assert checkout is None or (checkout.status, checkout.flag) == ("superseded", None)


@KINDS
def test_a_later_refund_takes_its_share_of_what_the_resolution_gave(world: World, kind: Any) -> None:
    kind(world)
    resolve(world, UNITS)
    world.take(refund(ORDER, "PAY_1", "REF_1", "2026-03-12", amount="1.10", of="2.20"))
    assert world.available() == FREE + 20_000
    assert received(world) == {"top_up": Decimal("1.00")}


@KINDS
def test_a_refund_before_the_resolution_takes_its_share_too(world: World, kind: Any) -> None:
    kind(world)
    world.take(refund(ORDER, "PAY_1", "REF_1", "2026-03-12", amount="0.55", of="2.20"))
    assert resolve(world, UNITS).status == 200
    assert world.available() == FREE + 30_000


def test_what_is_refunded_in_full_needs_no_decision(world: World) -> None:
    flagged(world)
    world.take(refund(ORDER, "PAY_1", "REF_1", "2026-03-12", amount="2.20", of="2.20"))
    assert listed(world, status="refunded") == ["PAY_1"]
    assert resolve(world, UNITS).body["code"] == "payment_not_flagged"


def test_the_delivery_that_could_not_be_matched_is_done(world: World) -> None:
    unmatched(world)
    resolve(world, UNITS)
    assert deliveries_by_verdict(world.table, "parked", limit=10).deliveries == []
    (done,) = deliveries_by_verdict(world.table, "ignored", limit=10).deliveries
    assert done.reason == "no_news"
    assert world.available() == FREE + 40_000


def test_what_a_flagged_payment_gave_is_taken_back_before_it_is_credited_anew(world: World) -> None:
    # Given a checkout that is paid twice: the second payment is credit, until somebody says what it is for
    open_checkout(world)
    for number in (1, 2):
        world.take(
            paid(f"PAY_{number}", f"ORD_{number}", subtotal="3.00", total="3.30", orderMerchantExternalId="chk_1")
        )
    assert show(world, "PAY_2")["flag"] == "paid_twice"
    assert world.available() == FREE + 200_000
    # When
    assert resolve(world, UNITS, "PAY_2").status == 200
    # Then
    assert world.available() == FREE + 140_000
    # And the checkout is the first payment's alone
    checkout = read_checkout(world.table, "chk_1")
    assert checkout is not None
    assert (checkout.status, checkout.payment_ids) == ("paid", ("PAY_1",))


def test_one_decision_for_each_payment(world: World) -> None:
    flagged(world)
    assert resolve(world, UNITS).status == 200
    other = resolve(world, UNITS | {"quantity": 1})
    again = resolve(world, UNITS | {"id": "case-2"})
    assert (other.status, other.body["code"]) == (409, "resolution_conflict")
    assert (again.status, again.body["code"]) == (409, "payment_not_flagged")
    assert world.available() == FREE + 40_000


def test_units_have_the_priority_and_expiry_that_are_asked_for(world: World) -> None:
    flagged(world)
    until = "2026-04-01T00:00:00.000Z"
    resolve(world, UNITS | {"priority": 20, "expires_at": until})
    (credit,) = show(world)["credits"]
    assert (credit["kind"], credit["priority"], credit["expires_at"]) == ("top_up", 20, until)
    assert world.available(now=utc("2026-04-01T00:00:00")) == FREE


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (UNITS | {"meter": "nonsense"}, 404, "unknown_meter"),
        (UNITS | {"expires_at": "2026-03-10T00:00:00Z"}, 422, "invalid_gift"),
        ({"id": "a", "reason": "b", "as": "units"}, 422, "invalid_request"),
        (UNITS | {"as": "not_ours"}, 422, "invalid_request"),
        (UNITS | {"checkout_id": "chk_1"}, 422, "invalid_request"),
        (NOT_OURS | {"as": "gift"}, 422, "invalid_request"),
        (NOT_OURS | {"reason": " "}, 422, "invalid_request"),
        ({"id": "a", "reason": "b", "as": "checkout", "checkout_id": "chk_nobody"}, 404, "checkout_not_found"),
        ({"id": "a", "reason": "b", "as": "checkout", "checkout_id": "chk_other"}, 404, "checkout_not_found"),
        ({"id": "a", "reason": "b", "as": "checkout", "checkout_id": "chk_plan"}, 409, "checkout_of_no_units"),
    ],
)
def test_what_is_no_decision_changes_nothing(world: World, body: dict[str, Any], status: int, code: str) -> None:
    flagged(world)
    open_checkout(world, "chk_other", customer_id="somebody_else")
    open_checkout(world, "chk_plan", kind="subscription", plan="pro", meter=None)
    answer = resolve(world, body)
    assert (answer.status, answer.body["code"]) == (status, code)
    assert (show(world)["status"], world.available()) == ("flagged", FREE)


def test_a_payment_that_is_not_there_is_404(world: World) -> None:
    assert resolve(world, UNITS, "PAY_9").body["code"] == "payment_not_found"
    assert ask(world, "payment_read", path="/v1/payments/PAY_9").status == 404


@pytest.mark.parametrize("payment_id", ["x" * 5000, "%F0%9F%A5%9E" * 400, "%00", "PAYMENT", "%23"])
def test_an_id_that_is_none_is_404(world: World, payment_id: str) -> None:
    assert ask(world, "payment_read", path=f"/v1/payments/{payment_id}").status == 404
    assert resolve(world, UNITS, payment_id).status == 404


@pytest.mark.parametrize("text", ["2026-03-10T15:14:33.018Z", "2026-03-10T15:14:33.018Z#" + "é" * 600, "x", ""])
def test_a_cursor_of_another_origin_is_refused(world: World, text: str) -> None:
    cursor = base64.urlsafe_b64encode(text.encode()).decode()
    assert ask(world, "payments_flagged", query={"cursor": cursor}).status == 422


def test_a_subscription_s_charge_needs_nobody_s_word(world: World) -> None:
    world.take(payment("ORD_1", "PAY_1", "2026-03-10"))
    assert (show(world)["status"], show(world)["sold"], show(world)["number"]) == ("applied", "subscription", 1)
    assert resolve(world, UNITS).body["code"] == "payment_not_flagged"


def test_issue_14_point_3_lists_are_pages_newest_first_over_every_status(world: World) -> None:
    open_checkout(world, amount=Money(Decimal("5.00"), "USD"))
    for day in range(1, 8):
        made = paid(f"PAY_{day}", f"ORD_{day}", subtotal="9.00", total="9.00")
        world.take(made | {"timestamp": f"2026-03-0{day}T10:00:00.000Z"})
    resolve(world, NOT_OURS, "PAY_2")
    resolve(world, UNITS, "PAY_5")
    pages, cursor = [], None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        answer = ask(world, "payments_flagged", query=query)
        assert answer.status == 200, answer.body
        pages.append([each["payment_id"] for each in answer.body["payments"]])
        cursor = answer.body["next_cursor"]
        if cursor is None:
            break
    assert [each for page in pages for each in page] == [f"PAY_{day}" for day in range(7, 0, -1)]
    assert max(map(len, pages)) == 2
    assert listed(world, status="flagged", limit="3") == ["PAY_7", "PAY_6", "PAY_4"]
    assert ask(world, "payments_flagged", query={"cursor": "nonsense"}).status == 422
    assert ask(world, "payments_flagged", query={"status": "nonsense"}).status == 422


def test_an_erased_customer_s_payment_is_not_credited_and_the_operator_s_words_are_gone(world: World) -> None:
    flagged(world)
    world.take(paid("PAY_2", "ORD_2", subtotal="9.00", total="9.00"))
    resolve(world, UNITS | {"id": "case-of-ada", "reason": "Ada wrote us"})
    assert world.erasures is not None
    erase_customer(world.erasures, CUSTOMER, NOW, may_go_on=lambda: True)
    shown = show(world)
    assert shown["customer_id"].startswith("erased-")
    assert "ada" not in str(shown).lower()
    assert (shown["status"], shown["amount"]) == ("resolved", "2.20")
    answer = resolve(world, UNITS, "PAY_2")
    assert (answer.status, answer.body["code"]) == (410, "customer_erased")


def test_a_flagged_payment_of_earlier_code_is_resolved_by_its_id(world: World) -> None:
    flagged(world)
    item = world.table.get({"PK": "PAYMENT#PAY_1", "SK": "PAYMENT"})
    assert item is not None
    gone = ("flag", "checkout_id", "listing", "listed_at")
    world.table.write(Put({name: value for name, value in item.items() if name not in gone}))
    assert (show(world)["status"], show(world)["flag"]) == ("flagged", "fits_nothing")
    assert resolve(world, UNITS).status == 200
    assert world.available() == FREE + 40_000


TAX_INSIDE = {"subtotal": "2.73", "total": "3.00"}


def test_issue_14_point_3_a_price_with_tax_inside_is_no_exception(world: World) -> None:
    open_checkout(world, tax="inclusive")
    outcome = world.take(paid(**TAX_INSIDE, orderMerchantExternalId="chk_1"))
    assert (outcome.verdict, outcome.reason) == ("applied", None)
    assert world.available() == FREE + 100_000


def test_a_rebuilt_checkout_with_tax_inside_is_found_by_its_money(world: World) -> None:
    open_checkout(world, tax="inclusive")
    assert world.take(paid(**TAX_INSIDE)).verdict == "applied"
    assert world.available() == FREE + 100_000


def test_without_the_setting_tax_inside_the_price_is_another_amount(world: World) -> None:
    open_checkout(world)
    assert world.take(paid(**TAX_INSIDE, orderMerchantExternalId="chk_1")).reason == "amount_differs"


@pytest.mark.parametrize(("subtotal", "total"), [("2.70", "2.97"), ("3.01", "3.31")])
def test_with_the_setting_another_amount_is_still_another_amount(world: World, subtotal: str, total: str) -> None:
    open_checkout(world, tax="inclusive")
    outcome = world.take(paid(subtotal=subtotal, total=total, orderMerchantExternalId="chk_1"))
    assert outcome.reason == "amount_differs"


def test_a_payment_that_is_in_currency_another_is_resolved_too(world: World) -> None:
    open_checkout(world)
    assert world.take(paid(currency="EUR", orderMerchantExternalId="chk_1")).reason == "currency_differs"
    assert resolve(world, {"id": "c", "reason": "same worth", "as": "checkout"}).status == 200
    assert [row.currency for row in read_sold(world.table, "2026-03")] == ["EUR"]
    kept = read_payment(world.table, "PAY_1")
    assert kept is not None
    assert kept.charge is not None
    assert kept.charge.currency == "EUR"


@pytest.mark.parametrize("when", ["before", "after", "lost"])
def test_a_crash_at_any_call_and_a_repeat_resolve_once(dynamodb: "DynamoDBClient", table: str, when: When) -> None:
    sound = World(Table(dynamodb, table, sleep=lambda _: None), NOW)
    wanted = Resolution("case-1", "units", "by hand", NOW, "ops", "tokens", Decimal(40_000))
    for fails_at in itertools.count(1):
        customer, payment_id = f"acct_{fails_at}", f"PAY_{fails_at}"
        sound.take(paid(payment_id, f"ORD_{fails_at}", merchantProvidedBuyerIdentity=customer))
        faulty = FaultyDynamoDB(dynamodb, fails_at, when)
        world = World(Table(faulty, table, sleep=lambda _: None), NOW)  # type: ignore[arg-type]
        with suppress(StoreError):
            resolve_payment(world.metering, payment_id, wanted, NOW)
        assert not resolve_payment(sound.metering, payment_id, wanted, NOW).payment.unmatched
        assert sound.available(customer_id=customer) == FREE + 40_000
        if faulty.calls < fails_at:
            break
    assert fails_at > 5


def test_nasty_values_are_refused_and_never_a_fault(world: World) -> None:
    for number, (field, value) in enumerate(
        itertools.product((*UNITS, "priority", "expires_at", "checkout_id"), NASTY_JSON)
    ):
        payment_id = f"PAY_{number // 20}"
        if number % 20 == 0:
            world.take(paid(payment_id, f"ORD_{number}"))
        fields = {name: json.dumps(each) for name, each in UNITS.items()} | {field: value}
        body = "{" + ", ".join(f'"{name}": {text}' for name, text in fields.items()) + "}"
        answer = resolve(world, body, payment_id)  # type: ignore[arg-type]
        assert answer.status in (200, 400, 404, 409, 422), answer.body
