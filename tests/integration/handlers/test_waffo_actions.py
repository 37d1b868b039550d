"""Issue 14, point 4: refunds by the operator, and cancel and reactivate, against the simulator."""

import itertools
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.deps.waffo_actions import WaffoActionsDeps
from pancake_meter.store.access.erasures import Erasures
from pancake_meter.store.errors import StoreError
from pancake_meter.store.selling.order_actions import read_action
from pancake_meter.store.selling.payments import payments_with_open_refunds, read_payment
from pancake_meter.store.standing.subscriptions import read_subscription
from pancake_meter.store.table import Table
from pancake_meter.usecases.access.erase import erase_customer
from pancake_meter.usecases.reconciliation.refunds import reconcile_refunds
from pancake_meter.usecases.reconciliation.run import Reconciling, Run, Tally
from pancake_meter.usecases.selling.act_on_order import Acting
from pancake_meter.usecases.selling.refund_payment import Refunding, RefundWish, refund_payment
from pancake_meter.value import replace
from pancake_meter.waffo.client import WaffoClient
from pancake_meter.waffo.retry import RetryPolicy
from pancake_meter.waffo.signing import RequestSigner
from tests.support.api import Answer, LambdaContext, api_event, read_answer
from tests.support.faulty_dynamodb import FaultyDynamoDB, When
from tests.support.waffo_simulator import MERCHANT_ID, PRO, STORE_ID, USAGE, RunningSimulator
from tests.support.waffo_webhooks import platform_key
from tests.support.webhook_world import CUSTOMER, World, utc
from waffo_actions import handler

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = utc("2026-03-10T15:15:00")
AT = "2026-03-10T15:14:30Z"
FREE, PACK = 10_000, 100_000
WISH = {"id": "case-1", "reason": "the wrong pack"}


@pytest.fixture
def sim(running: RunningSimulator) -> RunningSimulator:
    running.begin_again()
    running.sim("settings", refund_tickets="held", refund_payment_id=True)
    running.sim("clock", now=AT, stopped=True)
    return running


@pytest.fixture
def world(dynamodb: "DynamoDBClient", table: str) -> World:
    ours = Table(dynamodb, table, sleep=lambda _: None)
    return World(ours, NOW, erasures=Erasures(ours, lambda: "a key of the tests"))


@pytest.fixture
def waffo(sim: RunningSimulator) -> Iterator[WaffoClient]:
    signer = RequestSigner(MERCHANT_ID, platform_key())
    with WaffoClient(signer, api_url=sim.url, retry=RetryPolicy(attempts_max=1)) as client:
        yield client


class Seller:
    """The operator's calls, Waffo, and what its webhooks bring."""

    def __init__(self, world: World, sim: RunningSimulator, waffo: WaffoClient) -> None:
        assert world.erasures is not None
        self.world, self.sim = world, sim
        refunding = Refunding(world.table, world.erasures, waffo)
        acting = Acting(world.table, world.erasures, waffo, "test", STORE_ID)
        self.deps = WaffoActionsDeps(refunding, acting, lambda: NOW)
        self._told = 0

    def told(self) -> None:
        """Let the webhooks arrive."""
        events = self.sim.events()
        for event in events[self._told :]:
            self.world.take(event)
        self._told = len(events)

    def pack(self) -> str:
        """A customer who bought 100,000 tokens for 3.00; the payment's id."""
        params = {
            "productId": USAGE,
            "currency": "USD",
            "priceSnapshot": {"amount": "3.00", "taxCategory": "saas"},
            "buyerIdentity": CUSTOMER,
            "metadata": {"kind": "usage"},
        }
        [made] = self.sim.sdk(("checkout.authenticated.create", params, {"idempotencyKey": "pack"}))
        self.sim.sim(f"checkout/{made['result']['sessionId']}/pay", buyer_identity=CUSTOMER, at=AT)
        (event,) = self.sim.events()
        self._told = 1
        event["data"]["productMetadata"] = {"top_up_tokens": str(PACK)}
        assert self.world.take(event).verdict == "applied"
        return str(event["data"]["paymentId"])

    def subscription(self, **body: Any) -> str:
        order = self.sim.sim("subscriptions", product=PRO, buyer_identity=CUSTOMER, **body)["id"]
        self.told()
        return str(order)

    def refund(self, payment_id: str, body: dict[str, Any], key: str | None = None) -> Answer:
        return self.call("payment_refund", f"/v1/payments/{payment_id}/refund", body, key)

    def act(
        self, action: str, order_id: str, body: Any = None, customer_id: str = CUSTOMER, key: str | None = None
    ) -> Answer:
        path = f"/v1/customers/{customer_id}/subscriptions/{order_id}/{action}"
        return self.call(f"subscription_{action}", path, {} if body is None else body, key)

    def call(self, name: str, path: str, body: Any, key: str | None = None) -> Answer:
        event = api_event(name, path=path, body=body)
        if key is not None:
            event["headers"]["idempotency-key"] = key
        return read_answer(handler(event, LambdaContext(), self.deps))

    def tickets(self) -> list[dict[str, Any]]:
        return list(self.sim.http.get("/_sim/state").json()["refund_tickets"])

    def finish(self, ticket_id: str, **body: Any) -> None:
        self.sim.sim(f"refund-tickets/{ticket_id}/finish", **body)
        self.told()

    def state(self, payment_id: str, request_id: str = "case-1") -> str:
        payment = read_payment(self.world.table, payment_id)
        assert payment is not None
        return payment.state_of(payment.requests[request_id])

    def status(self, order_id: str) -> str:
        orders = self.sim.http.get("/_sim/state").json()["orders"]
        return str(next(order["status"] for order in orders if order["id"] == order_id))


@pytest.fixture
def seller(world: World, sim: RunningSimulator, waffo: WaffoClient) -> Seller:
    return Seller(world, sim, waffo)


def test_a_refund_takes_units_back_only_when_waffo_says_that_the_money_went(seller: Seller) -> None:
    # Given
    payment_id = seller.pack()
    # When
    asked = seller.refund(payment_id, WISH | {"amount": "1.50"})
    # Then Waffo has the ticket, and nothing is taken back
    assert asked.status == 201, asked.body
    assert (asked.body["state"], asked.body["amount"], asked.body["currency"]) == ("approved", "1.50", "USD")
    assert (asked.body["requested_by"], asked.body["refundable"]) == ("seller-backend", "1.50")
    (ticket,) = seller.tickets()
    assert (ticket["amount"], ticket["reason"], ticket["payment_id"]) == ("1.50", "the wrong pack", payment_id)
    assert seller.world.available() == FREE + PACK
    # When the money went back
    seller.finish(ticket["id"])
    # Then
    assert seller.state(payment_id) == "succeeded"
    assert seller.world.available() == FREE + PACK // 2


def test_without_an_amount_all_that_is_left_is_refunded(seller: Seller) -> None:
    payment_id = seller.pack()
    seller.refund(payment_id, WISH | {"amount": "1.00"})
    rest = seller.refund(payment_id, WISH | {"id": "case-2"})
    assert (rest.status, rest.body["amount"], rest.body["refundable"]) == (201, "2.00", "0.00")
    for ticket in seller.tickets():
        seller.finish(ticket["id"])
    assert seller.world.available() == FREE


def test_a_repeat_makes_no_second_ticket(seller: Seller) -> None:
    payment_id = seller.pack()
    first = seller.refund(payment_id, WISH)
    second = seller.refund(payment_id, WISH)
    assert (first.status, second.status, second.body["replayed"]) == (201, 201, True)
    assert (first.headers.get("Idempotency-Replayed"), second.headers["Idempotency-Replayed"]) == (None, "true")
    assert first.body == second.body | {"replayed": False}
    assert len(seller.tickets()) == 1


def asked_after(seller: Seller, later: timedelta = timedelta(minutes=15)) -> Tally:
    """A run of the reconciliation's pass over refunds."""
    reconciling = Reconciling(seller.world.metering, "test", STORE_ID, seller.deps.refunding.waffo)
    return reconcile_refunds(Run(reconciling, NOW + later, lambda: True, lambda *_: None))


def listed_open(seller: Seller) -> list[str]:
    return payments_with_open_refunds(seller.world.table, limit=10, start=None)[0]


def test_a_ticket_whose_answer_was_lost_is_asked_after_by_the_reconciliation(seller: Seller) -> None:
    # Given a ticket that Waffo made, whose answer was lost, and nobody who repeats the request
    payment_id = seller.pack()
    seller.sim.sim("faults", action_timeout_after_commit=1, hold_seconds=0)
    assert seller.refund(payment_id, WISH).status == 503
    assert listed_open(seller) == [payment_id]
    # When it may still be on its way, and when it is not
    assert asked_after(seller, timedelta(minutes=1)).healed == 0
    assert seller.state(payment_id) == "requested"
    runs = [asked_after(seller) for _ in range(2)]
    # Then
    assert [(run.read, run.healed, run.failed) for run in runs] == [(1, 1, 0), (0, 0, 0)]
    assert (seller.state(payment_id), listed_open(seller), len(seller.tickets())) == ("approved", [], 1)
    assert seller.refund(payment_id, WISH).body["ticket_id"] == seller.tickets()[0]["id"]


def test_a_refund_that_waffo_was_never_asked_for_is_not_sent_by_the_reconciliation(seller: Seller) -> None:
    payment_id = seller.pack()
    seller.sim.sim("faults", api_failures=1)
    assert seller.refund(payment_id, WISH).status == 503
    assert (asked_after(seller).unchanged, seller.tickets(), listed_open(seller)) == (1, [], [payment_id])
    assert (seller.refund(payment_id, WISH).body["state"], listed_open(seller)) == ("approved", [])


def test_a_webhook_that_is_faster_than_the_reconciliation_takes_the_refund_off_its_list(seller: Seller) -> None:
    payment_id = seller.pack()
    seller.sim.sim("faults", action_timeout_after_commit=1, hold_seconds=0)
    seller.refund(payment_id, WISH)
    seller.finish(seller.tickets()[0]["id"])
    assert seller.state(payment_id) == "succeeded"
    assert (asked_after(seller).unchanged, listed_open(seller)) == (1, [])


def test_an_idempotency_key_stands_in_the_place_of_a_refund_s_id(seller: Seller) -> None:
    """Issue 14, point 6."""
    payment_id = seller.pack()
    wish = {"reason": WISH["reason"], "amount": "1.00"}
    neither = seller.refund(payment_id, wish)
    assert (neither.status, neither.body["code"]) == (422, "invalid_idempotency_key")
    differs = seller.refund(payment_id, WISH, key="another")
    assert (differs.status, differs.body["code"]) == (422, "invalid_idempotency_key")
    first, again = seller.refund(payment_id, wish, key='"case-7"'), seller.refund(payment_id, wish, key="case-7")
    assert (first.status, again.status, first.body["id"]) == (201, 201, "case-7")
    assert first.body == again.body | {"replayed": False}
    assert len(seller.tickets()) == 1


def test_an_idempotency_key_makes_a_cancellation_happen_once(seller: Seller) -> None:
    """Issue 14, point 6: a repeat after a reactivation cancels nothing, and is answered as it was."""
    order = seller.subscription()
    first = seller.act("cancel", order, key="case-7")
    assert (first.status, first.body["id"], first.headers.get("Idempotency-Replayed")) == (200, "case-7", None)
    assert seller.act("reactivate", order).status == 200
    again = seller.act("cancel", order, key="case-7")
    assert (again.status, again.body) == (200, first.body | {"replayed": True})
    assert again.headers["Idempotency-Replayed"] == "true"
    assert seller.status(order) == "active"


def test_another_amount_under_the_id_is_a_conflict(seller: Seller) -> None:
    payment_id = seller.pack()
    seller.refund(payment_id, WISH | {"amount": "1.00"})
    other = seller.refund(payment_id, WISH | {"amount": "2.00"})
    assert (other.status, other.body["code"], len(seller.tickets())) == (409, "refund_conflict", 1)


def test_after_a_lost_answer_waffo_is_asked_before_the_ticket_is_sent_again(seller: Seller) -> None:
    # Given a ticket that Waffo made, and whose answer was lost
    payment_id = seller.pack()
    seller.sim.sim("faults", action_timeout_after_commit=1, hold_seconds=0)
    lost = seller.refund(payment_id, WISH)
    assert (lost.status, lost.body["code"]) == (503, "waffo_unavailable")
    assert seller.state(payment_id) == "requested"
    assert len(seller.tickets()) == 1
    # When it is asked for again; the key would not help: it is only known for a day
    sent = len(seller.tickets())
    seller.sim.sim("clock", advance_seconds=25 * 3600)
    again = seller.refund(payment_id, WISH)
    # Then it is the same ticket
    assert (again.status, again.body["state"], len(seller.tickets())) == (201, "approved", sent)
    assert again.body["ticket_id"] == seller.tickets()[0]["id"]


def test_a_request_that_never_reached_waffo_is_sent_by_the_repeat(seller: Seller) -> None:
    payment_id = seller.pack()
    seller.sim.sim("faults", api_failures=1)
    assert seller.refund(payment_id, WISH).status == 503
    assert seller.tickets() == []
    assert seller.refund(payment_id, WISH).body["state"] == "approved"
    assert len(seller.tickets()) == 1


@pytest.mark.parametrize("amount", ["3.01", "100"])
def test_more_than_is_left_is_refused_before_waffo_is_asked(seller: Seller, amount: str) -> None:
    payment_id = seller.pack()
    answer = seller.refund(payment_id, WISH | {"amount": amount})
    assert (answer.status, answer.body["code"], answer.body["left"]) == (409, "refund_too_large", "3.00")
    assert seller.tickets() == []


def test_what_is_asked_for_already_is_not_left(seller: Seller) -> None:
    payment_id = seller.pack()
    seller.refund(payment_id, WISH | {"amount": "2.50"})
    answer = seller.refund(payment_id, WISH | {"id": "case-2", "amount": "0.51"})
    assert (answer.body["code"], answer.body["left"]) == ("refund_too_large", "0.50")


def test_a_refund_that_failed_may_be_asked_for_again_under_another_id(seller: Seller) -> None:
    payment_id = seller.pack()
    seller.refund(payment_id, WISH)
    seller.finish(seller.tickets()[0]["id"], fail=True)
    assert seller.state(payment_id) == "failed"
    assert seller.world.available() == FREE + PACK
    again = seller.refund(payment_id, WISH | {"id": "case-2"})
    assert (again.status, again.body["amount"]) == (201, "3.00")


def test_what_waffo_refuses_is_told_in_its_words_and_asks_for_nothing_more(seller: Seller) -> None:
    # Given a refund at Waffo that we have not been told of
    payment_id = seller.pack()
    seller.sim.sim(f"payments/{payment_id}/refund", amount="2.00")
    # When
    answers = [seller.refund(payment_id, WISH) for _ in range(2)]
    # Then
    assert [(each.status, each.body["code"]) for each in answers] == [(409, "refund_refused")] * 2
    assert "exceeds" in answers[0].body["refusal"]
    assert seller.state(payment_id) == "failed"
    seller.told()
    assert seller.refund(payment_id, WISH | {"id": "case-2"}).body["amount"] == "1.00"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (WISH | {"amount": "1.005"}, "invalid_money"),
        (WISH | {"amount": "-1"}, "invalid_request"),
        (WISH | {"amount": 1}, "invalid_request"),
        (WISH | {"amount": "0.00"}, "invalid_request"),
        ({"id": "case-1"}, "invalid_request"),
        (WISH | {"id": "a/b"}, "invalid_request"),
    ],
)
def test_what_is_no_refund_is_refused(seller: Seller, body: dict[str, Any], code: str) -> None:
    payment_id = seller.pack()
    answer = seller.refund(payment_id, body)
    assert (answer.status, answer.body["code"], seller.tickets()) == (422, code, [])


def test_an_id_that_refunded_a_part_does_not_stand_for_all_that_is_left(seller: Seller) -> None:
    payment_id = seller.pack()
    seller.refund(payment_id, WISH | {"amount": "1.00"})
    assert seller.refund(payment_id, WISH).body["code"] == "refund_conflict"
    # And the reverse
    rest = WISH | {"id": "case-2"}
    assert [seller.refund(payment_id, rest).body["amount"] for _ in range(2)] == ["2.00", "2.00"]
    assert seller.refund(payment_id, rest | {"amount": "2.00"}).headers["Idempotency-Replayed"] == "true"
    assert seller.refund(payment_id, rest | {"amount": "1.00"}).body["code"] == "refund_conflict"


def test_a_payment_that_is_not_there_is_404(seller: Seller) -> None:
    assert seller.refund("PAY_3kLm9QwErTyUiOpAsDfGhJ", WISH).body["code"] == "payment_not_found"


def test_a_subscription_s_charge_is_refunded_too(seller: Seller) -> None:
    order = seller.subscription()
    payments = seller.sim.http.get("/_sim/state").json()["payments"]
    (payment_id,) = [each["id"] for each in payments if each["order_id"] == order]
    assert seller.refund(payment_id, WISH).status == 201
    seller.finish(seller.tickets()[0]["id"])
    assert seller.state(payment_id) == "succeeded"


def test_a_customer_who_was_erased_gets_the_money_and_no_word_is_kept(seller: Seller) -> None:
    payment_id = seller.pack()
    seller.refund(payment_id, {"id": "ada-1", "reason": "Ada asked", "amount": "1.00"})
    assert seller.world.erasures is not None
    erase_customer(seller.world.erasures, CUSTOMER, NOW, may_go_on=lambda: True)
    kept = read_payment(seller.world.table, payment_id)
    assert kept is not None
    assert "ada" not in str(kept).lower()
    # A refund that was asked for before is still found by its webhook, and another may be asked for
    assert seller.refund(payment_id, WISH | {"amount": "1.00"}).status == 201
    for ticket in seller.tickets():
        seller.finish(ticket["id"])
    done = read_payment(seller.world.table, payment_id)
    assert done is not None
    assert [done.state_of(each) for each in done.requests.values()] == ["succeeded"] * 2
    assert {each.reason for each in done.requests.values()} == {""}


def test_a_subscription_is_cancelled_at_waffo_and_who_wanted_it_is_kept(seller: Seller) -> None:
    order = seller.subscription()
    answer = seller.act("cancel", order, {"id": "c-1", "reason": "by mail"})
    assert answer.status == 200, answer.body
    assert (answer.body["status"], answer.body["replayed"]) == ("canceling", False)
    assert answer.body["ends_at"] == "2026-04-10T15:14:30.000Z"
    assert seller.status(order) == "canceling"
    kept = read_action(seller.world.table, CUSTOMER, order, "cancel", "c-1")
    assert kept is not None
    assert (kept.by, kept.reason, kept.status) == ("seller-backend", "by mail", "canceling")


def test_cancel_reactivate_and_cancel_again_each_happen(seller: Seller) -> None:
    order = seller.subscription()
    statuses = []
    for number, action in enumerate(("cancel", "reactivate", "cancel", "reactivate", "cancel")):
        body = {"id": f"a-{number}"} if number % 2 else None
        answer = seller.act(action, order, body)
        assert answer.status == 200, answer.body
        statuses.append((answer.body["status"], seller.status(order)))
    assert statuses == [("canceling", "canceling"), ("active", "active")] * 2 + [("canceling", "canceling")]


@pytest.mark.parametrize("action", ["cancel", "reactivate"])
def test_a_repeat_with_its_id_gets_the_first_answer_whatever_came_after(seller: Seller, action: str) -> None:
    order = seller.subscription()
    if action == "reactivate":
        seller.act("cancel", order)
    first = seller.act(action, order, {"id": "x"})
    seller.sim.sim(f"orders/{order}/cancel", immediately=True)
    again = seller.act(action, order, {"id": "x"})
    assert (again.status, again.body) == (200, first.body | {"replayed": True})


def test_an_order_that_is_canceling_is_not_cancelled_again(seller: Seller) -> None:
    order = seller.subscription()
    seller.act("cancel", order)
    again = seller.act("cancel", order)
    assert (again.status, again.body["status"], again.body["replayed"]) == (200, "canceling", True)
    seller.told()
    events = [event["eventType"] for event in seller.sim.events()]
    assert events.count("subscription.canceling") == 1


@pytest.mark.parametrize("action", ["cancel", "reactivate"])
def test_after_a_lost_answer_the_repeat_finds_that_it_is_done(seller: Seller, action: str) -> None:
    order = seller.subscription()
    if action == "reactivate":
        seller.act("cancel", order)
    seller.sim.sim("faults", action_timeout_after_commit=1, hold_seconds=0)
    assert seller.act(action, order, {"id": "x"}).status == 503
    again = seller.act(action, order, {"id": "x"})
    assert (again.status, again.body["status"]) == (200, "canceling" if action == "cancel" else "active")


def test_one_that_is_past_due_ends_at_once_and_is_not_reactivated(seller: Seller) -> None:
    order = seller.subscription()
    seller.sim.sim(f"orders/{order}/past-due")
    answer = seller.act("cancel", order, {"id": "x"})
    assert (answer.status, answer.body["status"]) == (200, "canceling")
    assert seller.status(order) == "canceled"
    assert seller.act("reactivate", order).body["code"] == "wrong_order_status"
    assert seller.act("cancel", order, {"id": "x"}).body["replayed"]


def test_one_that_waffo_does_not_reactivate_is_a_409_in_its_words(seller: Seller) -> None:
    order = seller.subscription()
    seller.sim.sim(f"orders/{order}/past-due")
    seller.sim.sim(f"orders/{order}/cancel")
    answer = seller.act("reactivate", order)
    assert (answer.status, answer.body["code"], answer.body["order_status"]) == (
        409,
        "wrong_order_status",
        "canceling",
    )
    assert "unpaid" in answer.body["refusal"]


def test_a_wrong_state_is_a_clear_409_before_waffo_is_asked_for_it(seller: Seller) -> None:
    order = seller.subscription()
    active = seller.act("reactivate", order)
    seller.sim.sim(f"orders/{order}/cancel", immediately=True)
    ended = [seller.act(action, order) for action in ("cancel", "reactivate")]
    assert (active.status, active.body["code"], active.body["order_status"]) == (409, "wrong_order_status", "active")
    assert [(each.status, each.body["order_status"]) for each in ended] == [(409, "canceled")] * 2


def test_an_order_is_the_customer_s_own(seller: Seller) -> None:
    order = seller.subscription()
    strange = [
        seller.act("cancel", order, customer_id="somebody_else"),
        seller.act("cancel", "ORD_4kPz8sYvN1qJ6tGwB2dXfR"),
        seller.act("cancel", "ORD_1"),
    ]
    assert [(each.status, each.body["code"]) for each in strange] == [(404, "order_not_found")] * 3
    assert seller.status(order) == "active"


def test_an_order_that_no_webhook_has_told_of_is_found_by_its_buyer(seller: Seller) -> None:
    order = seller.sim.sim("subscriptions", product=PRO, buyer_identity=CUSTOMER)["id"]
    assert seller.act("cancel", order).status == 200
    assert seller.act("cancel", order, customer_id="somebody_else").status == 404


def test_waffo_s_key_that_is_refused_is_no_word_on_the_refund(seller: Seller) -> None:
    payment_id = seller.pack()
    signer = RequestSigner("MER_0000000000000000000000", platform_key())
    deps = seller.deps
    with WaffoClient(signer, api_url=seller.sim.url, retry=RetryPolicy(attempts_max=1)) as stranger:
        seller.deps = replace(deps, refunding=replace(deps.refunding, waffo=stranger))
        assert (seller.refund(payment_id, WISH).status, seller.state(payment_id)) == (502, "requested")
    seller.deps = deps
    assert seller.refund(payment_id, WISH).body["state"] == "approved"


@pytest.mark.parametrize("when", ["before", "after", "lost"])
def test_a_crash_at_any_call_of_the_table_and_a_repeat_make_one_ticket(
    seller: Seller, dynamodb: "DynamoDBClient", table: str, when: When
) -> None:
    payment_id = seller.pack()
    sound = seller.deps.refunding
    for fails_at in itertools.count(1):
        wish = RefundWish(f"case-{fails_at}", Decimal("0.01"), "a cent", "ops")
        faulty = FaultyDynamoDB(dynamodb, fails_at, when)
        broken = replace(sound, table=Table(faulty, table, sleep=lambda _: None))  # type: ignore[arg-type]
        with suppress(StoreError):
            refund_payment(broken, payment_id, wish, NOW)
        assert refund_payment(sound, payment_id, wish, NOW).request.state == "approved"
        assert len(seller.tickets()) == fails_at
        if faulty.calls < fails_at:
            break
    assert fails_at > 3


def test_issue_14_point_4_a_subscription_s_state_is_told_by_waffo_s_webhook_alone(seller: Seller) -> None:
    order = seller.subscription()
    before = read_subscription(seller.world.table, CUSTOMER)
    seller.act("cancel", order)
    assert read_subscription(seller.world.table, CUSTOMER) == before
    seller.told()
    known = read_subscription(seller.world.table, CUSTOMER)
    found = known.order(order) if known else None
    assert found is not None
    assert found.is_canceling
