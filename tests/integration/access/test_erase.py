"""Issue 13, point 7: a customer is exported and erased, and no webhook brings anything back or has its effect twice."""

import itertools
import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.domain.balance.gift import Gift
from pancake_meter.domain.errors import CustomerErased, CustomerNotFound, InvalidCustomerId
from pancake_meter.domain.instant import to_ms
from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.http import json as http_json
from pancake_meter.http.access.customer_data import export_body
from pancake_meter.http.cursors import Pages
from pancake_meter.store.access.erasures import Erasure, Erasures
from pancake_meter.store.errors import StoreBusy
from pancake_meter.store.reports.revenue import read_sold
from pancake_meter.store.table import Put, Table
from pancake_meter.store.usage.parked_usage import ParkedUsage, content_of, park, parked_usage
from pancake_meter.usecases.access import erase, export
from pancake_meter.usecases.access.erase import Erased, erase_customer, go_on_with_erasures
from pancake_meter.usecases.access.export import Place, export_customer
from pancake_meter.usecases.balance.grants import give_units
from pancake_meter.usecases.balance.hold_quota import hold_quota
from pancake_meter.usecases.balance.operate import block
from pancake_meter.usecases.balance.record_usage import UsageLine, record_events
from pancake_meter.usecases.usage.bulk import BULK, bulk_messages, message_items
from pancake_meter.usecases.usage.count_usage import count_items, replay_parked
from pancake_meter.usecases.usage.sources import LITELLM, OPENMETER
from pancake_meter.usecases.webhooks.judge import kept_delivery, replay_delivery
from pancake_meter.value import replace
from tests.support.webhook_world import Document, World, event, lifecycle, payment, refund, utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = utc("2026-03-10T15:20:00")
LATER = NOW + timedelta(days=1)
ADA = "ada.l@example.com"
"""The customer id; her e-mail address and name are in what Waffo sends."""

OTHER = "bob.the.other"
"""Another customer, whose id no signature or digest has in it by chance."""

MAIL, NAME = "countess@example.org", "Ada Lovelace"
PERSONAL = (ADA, MAIL, NAME, "ada.l", "countess", "Lovelace")
BUYER: dict[str, Any] = {
    "merchantProvidedBuyerIdentity": ADA,
    "buyerEmail": MAIL,
    "billingDetail": {"country": "GB", "isBusiness": True, "businessName": NAME, "taxId": "GB1"},
    "paymentLast4": "4242",
    "orderMetadata": {"customer_id": ADA, "note": f"for {NAME}"},
}


def first_period() -> list[Document]:
    return [
        lifecycle("activated", "ORD_1", "2026-03-10", "2026-03-10", "2026-04-10", plan="pro", **BUYER),
        payment("ORD_1", "PAY_1", "2026-03-10", amount="29.00", productName="Pro", **BUYER),
    ]


RENEWED = [
    lifecycle("renewed", "ORD_1", "2026-04-10", "2026-04-10", "2026-05-10", plan="pro", number=2, **BUYER),
    payment("ORD_1", "PAY_2", "2026-04-10", amount="29.00", number=2, productName="Pro", **BUYER),
]
REFUNDED = refund("ORD_1", "PAY_1", "REF_1", "2026-03-12", amount="14.50", of="29.00", **BUYER)


@pytest.fixture
def world(dynamodb: "DynamoDBClient", table: str) -> World:
    ours = Table(dynamodb, table, sleep=lambda _: None)
    return World(ours, NOW, erasures=Erasures(ours, lambda: "a key of the tests"))


@pytest.fixture
def every_item(dynamodb: "DynamoDBClient", table: str) -> Callable[[], list[dict[str, Any]]]:
    def read() -> list[dict[str, Any]]:
        pages = dynamodb.get_paginator("scan").paginate(TableName=table)
        return [item for page in pages for item in page["Items"]]

    return read


def live(world: World, documents: list[Document]) -> None:
    """Give the customer a life: a plan, usage, a hold, a gift, a reason to be blocked, and usage that is parked."""
    for document in documents:
        world.take(document)
    metering = world.metering
    events = [usage_event(f"call of {NAME} {n}", Decimal(7), None, NOW) for n in range(30)]
    record_events(metering, ADA, "tokens", events, NOW)
    hold_quota(metering, ADA, "tokens", f"hold-{ADA}", Decimal(10), timedelta(days=90), NOW)
    give_units(metering, ADA, "tokens", f"gift for {NAME}", Gift("promotion", Decimal(5)), NOW)
    block(metering, ADA, "requests" if "requests" in metering.catalog.meters else "tokens", f"{NAME} asked", NOW)
    park(world.table, ParkedUsage("openmeter", content_of({"subject": ADA, "type": "x"}), "unknown_meter", "no", NOW))
    park(world.table, ParkedUsage("openmeter", content_of({"subject": OTHER, "type": "x"}), "unknown_meter", "no", NOW))


def erased(world: World, now: Any = LATER) -> Erased:
    assert world.erasures is not None
    return erase_customer(world.erasures, ADA, now, may_go_on=lambda: True)


def personal(items: list[dict[str, Any]]) -> list[str]:
    return [text for text in PERSONAL if text in str(items)]


def sold(world: World, month: str = "2026-03") -> Any:
    return sorted(map(str, read_sold(world.table, month)))


def test_nothing_personal_is_left_in_any_item_and_money_facts_stay(world: World, every_item: Any) -> None:
    # Given a customer with a life, and another one
    first = first_period()
    live(world, first)
    bob = lifecycle("activated", "ORD_b", "2026-03-10", "2026-03-10", "2026-04-10", merchantProvidedBuyerIdentity=OTHER)
    world.take(bob)
    world.take(REFUNDED, LATER)
    before = sold(world)
    assert personal(every_item())
    others = [item for item in every_item() if OTHER in str(item)]
    # When
    done = erased(world)
    # Then
    assert (done.erasure.step, done.live_orders) == ("done", ["ORD_1"])
    assert personal(every_item()) == []
    assert sold(world) == before
    assert [item for item in every_item() if OTHER in str(item)] == others
    assert not [item for item in every_item() if item["PK"]["S"].startswith("USAGE#")]


def test_every_webhook_again_has_no_effect_twice_and_brings_nothing_back(world: World, every_item: Any) -> None:
    first = first_period()
    live(world, first)
    done = erased(world).erasure
    available = world.available(customer_id=done.pseudonym, now=LATER)
    # The same bodies are duplicates, and so are their replays
    outcomes = [world.take(document, LATER) for document in first]
    assert [outcome.verdict for outcome in outcomes] == ["duplicate", "duplicate"]
    for outcome in outcomes:
        assert replay_delivery(world.metering, outcome.digest, LATER).verdict == "duplicate"
    # The same events in other bodies are no news
    for document in first:
        again = world.take({**document, "id": "another-id"}, LATER)
        assert (again.verdict, again.customer_id) == ("ignored", done.pseudonym)
    assert world.available(customer_id=done.pseudonym, now=LATER) == available
    assert personal(every_item()) == []


def test_later_webhooks_are_handled_under_the_pseudonym(world: World, every_item: Any) -> None:
    live(world, first_period())
    done = erased(world).erasure
    # When the subscription goes on, a charge is refunded, and an event of an unknown kind comes
    april = utc("2026-04-10T15:20:00")
    for document in (*RENEWED, REFUNDED):
        outcome = world.take(document, april)
        assert (outcome.verdict, outcome.customer_id) == ("applied", done.pseudonym), outcome
        assert world.take(document, april).verdict == "duplicate"
    unknown = event("order.mystery", "ORD_1", "2026-04-11", **BUYER)
    assert world.take(unknown, april).reason == "unknown_event_type"
    # And an event that names nobody but by its address
    nameless = {**BUYER, "merchantProvidedBuyerIdentity": None, "orderMetadata": None}
    canceled = lifecycle(
        "canceled", "ORD_1", "2026-04-12", "2026-04-10", "2026-05-10", plan="pro", number=2, **nameless
    )
    assert world.take(canceled, april).customer_id == done.pseudonym
    # Then
    assert personal(every_item()) == []
    assert "29" in str(sold(world, "2026-04"))
    kept = kept_delivery(world.metering, world.take(RENEWED[0], april).digest)
    assert (kept.headers, kept.is_redacted) == ({}, True)


def test_an_order_that_nobody_knew_of_is_the_pseudonyms_too(world: World, every_item: Any) -> None:
    live(world, first_period())
    done = erased(world).erasure
    late = lifecycle("activated", "ORD_2", "2026-03-09", "2026-03-09", "2026-04-09", plan="starter", **BUYER)
    assert world.take(late, LATER).customer_id == done.pseudonym
    # As is one whose only evidence is an address that was the id
    weak = {**BUYER, "buyerEmail": ADA, "orderMetadata": None}
    weakly = payment("ORD_3", "PAY_3", "2026-03-09", productName="Pro", **weak)
    assert world.take(weakly, LATER).customer_id == done.pseudonym
    assert personal(every_item()) == []


@pytest.mark.parametrize("is_before", [True, False])
def test_an_event_of_another_that_names_the_erased_one_stays_the_other_s(
    world: World, every_item: Any, *, is_before: bool
) -> None:
    # Given an order of bob whose checkout names ada too
    live(world, first_period())
    both = {**BUYER, "merchantProvidedBuyerIdentity": OTHER, "buyerEmail": "bob@example.net", "billingDetail": None}
    shared = lifecycle("activated", "ORD_b", "2026-03-10", "2026-03-10", "2026-04-10", plan="starter", **both)
    if is_before:
        assert world.take(shared).customer_id == OTHER
    erased(world)
    if not is_before:
        assert world.take(shared, LATER).customer_id == OTHER
    # Then he has his plan, and of her nothing is left
    assert world.plan(customer_id=OTHER, now=LATER) == "starter"
    assert personal(every_item()) == []
    assert world.take({**shared, "id": "again"}, LATER).reason == "no_news"
    assert personal(every_item()) == []


def test_a_body_that_cannot_be_read_is_not_kept_for_an_erased_order(world: World, every_item: Any) -> None:
    live(world, first_period())
    erased(world)
    broken = payment("ORD_1", "PAY_9", "2026-03-11", amount="29.00", **{**BUYER, "currency": None})
    assert world.take(broken, LATER).verdict == "failed"
    assert personal(every_item()) == []


def test_of_a_body_that_is_too_large_to_keep_nothing_personal_stays(world: World, every_item: Any) -> None:
    live(world, first_period())
    assert (
        world.take(event("of.no.type", "ORD_9", "2026-03-11", None, **{**BUYER, "note": "x" * 300_000})).verdict
        == "failed"
    )
    erased(world)
    assert personal(every_item()) == []


def test_nothing_new_is_kept_under_the_id(world: World, every_item: Any) -> None:
    live(world, first_period())
    erased(world)
    metering = world.metering
    with pytest.raises(CustomerErased):
        hold_quota(metering, ADA, "tokens", "h2", Decimal(1), timedelta(minutes=1), LATER)
    with pytest.raises(CustomerErased):
        record_events(metering, ADA, "tokens", [usage_event("e2", Decimal(1), None, LATER)], LATER)
    assert world.erasures is not None
    with pytest.raises(InvalidCustomerId):
        erase_customer(world.erasures, world.erasures.pseudonym(ADA), LATER, may_go_on=lambda: True)
    assert personal(every_item()) == []


def test_usage_that_waited_in_the_queue_is_neither_counted_nor_parked(world: World, every_item: Any) -> None:
    live(world, first_period())
    erased(world)
    lines = [UsageLine(who, "tokens", usage_event("waited", Decimal(1), None, NOW)) for who in (ADA, OTHER)]
    (message,) = bulk_messages(lines)
    outcomes = count_items(world.metering, BULK, message_items(message), LATER)
    assert [outcome.status for outcome in outcomes] == ["ignored", "counted"]
    assert personal(every_item()) == []


def call_of(team: str, **said: Any) -> dict[str, Any]:
    """A call of LiteLLM that has no count of tokens: nobody can count it."""
    metadata = {"user_api_key_team_id": team, "user_api_key_auth_metadata": {}, **said}
    return {
        "id": "x",
        "litellm_call_id": f"call-{team}",
        "status": "success",
        "endTime": 1773156000,
        "metadata": metadata,
    }


def exported(world: World, *, page_items: int) -> list[Any]:
    """All pages of an export, none of which has more than so many items."""
    found: list[Any] = []
    place: Place | None = Place()
    while place is not None:
        page = export_customer(world.table, ADA, place, lambda: True)
        assert len(page.items) <= page_items
        found += page.items
        place = page.following
    return found


def parked_of(world: World) -> dict[str, ParkedUsage]:
    parked, _ = parked_usage(world.table, LATER, limit=50)
    return {each.content: each for each in parked}


def test_usage_that_cannot_be_counted_is_not_parked_for_an_erased_customer(world: World, every_item: Any) -> None:
    live(world, first_period())
    erased(world)
    unknown = {
        "specversion": "1.0",
        "type": "of no meter",
        "id": "1",
        "source": "app",
        "subject": ADA,
        "data": {"n": 1},
    }
    for source, item in ((OPENMETER, unknown), (LITELLM, call_of(ADA)), (BULK, [ADA, "tokens", "e", "-1", 0, True])):
        (outcome,) = count_items(world.metering, source, [item], LATER)
        assert (source.name, outcome.status) == (source.name, "ignored")
    # Together with others, and where only the name is hers: theirs is kept, without it.
    items = [call_of(ADA), call_of("acme", user_api_key_user_id=ADA), call_of(OTHER)]
    assert [each.status for each in count_items(world.metering, LITELLM, items, LATER)] == [
        "ignored",
        "parked",
        "parked",
    ]
    assert [each.status for each in count_items(world.metering, LITELLM, items, LATER)] == [
        "ignored",
        "parked",
        "parked",
    ]
    assert personal(every_item()) == []
    assert len([item for item in every_item() if "acme" in str(item)]) == 1


def test_an_erasure_takes_no_usage_of_others_that_has_the_id_somewhere(world: World, every_item: Any) -> None:
    live(world, first_period())
    event = {"specversion": "1.0", "id": "1", "source": "app", "subject": OTHER, "type": "of no meter"}
    count_items(world.metering, OPENMETER, [{**event, "data": {"pages": "692904", "model": "gpt"}}], NOW)
    count_items(world.metering, LITELLM, [call_of("acme", user_api_key_user_id=ADA)], NOW)
    before = parked_of(world)
    assert world.erasures is not None
    for customer_id in ("692904", "success", "gpt", "of no meter"):
        with pytest.raises(CustomerNotFound):
            erase_customer(world.erasures, customer_id, LATER, may_go_on=lambda: True)
        assert export_customer(world.table, customer_id, Place(), lambda: True).items == []
    assert parked_of(world) == before
    assert "acme" not in str(export_customer(world.table, ADA, Place(), lambda: True).items)
    erased(world)
    assert personal(every_item()) == []
    # acme's call is there under the id that it had, and names the pseudonym.
    ids = {each.digest for each in before.values() if "acme" in each.content}
    (kept,) = (each for each in parked_of(world).values() if "acme" in each.content)
    assert ({kept.digest}, kept.customer_id) == (ids, "acme")
    assert world.erasures.pseudonym(ADA) in kept.content
    assert replay_parked(world.metering, kept.digest, LATER)[0].status == "parked"


def test_parked_usage_keeps_nothing_that_was_said_to_a_model(world: World, every_item: Any) -> None:
    said = {
        "prompt": "my secret",
        "messages": [{"role": "user", "content": "my secret"}],
        "model": "gpt",
        "tokens": "12",
    }
    event = {"specversion": "1.0", "id": "1", "source": "app", "subject": OTHER, "type": "of no meter", "data": said}
    count_items(world.metering, OPENMETER, [event, {**event, "id": "2", "data": {"usage": {"n": 5, **said}}}], NOW)
    long = {"user_api_key_auth_metadata": {"customer_id": "acct", "note": "my secret " * 20}}
    count_items(world.metering, LITELLM, [{**call_of("acme", **long), "messages": "my secret"}], NOW)
    assert "my secret" not in str(every_item())
    kept = [json.loads(content) for content in parked_of(world)]
    assert {"model": "gpt", "tokens": "12"} in [each.get("data") for each in kept]
    assert {"usage": {"n": 5, "model": "gpt", "tokens": "12"}} in [each.get("data") for each in kept]
    assert {"customer_id": "acct"} in [each.get("metadata", {}).get("user_api_key_auth_metadata") for each in kept]


def test_a_quota_of_an_erased_customer_is_none(world: World) -> None:
    live(world, first_period())
    erased(world)
    for ask in (
        lambda: world.metering.current_balance(ADA, "tokens", LATER),
        lambda: world.metering.current_balances(ADA, LATER),
    ):
        with pytest.raises(CustomerErased):
            ask()


def test_an_export_has_deliveries_that_name_only_the_order(
    world: World, monkeypatch: pytest.MonkeyPatch, every_item: Any
) -> None:
    live(world, first_period())
    for number in range(5):
        nobody: dict[str, Any] = {"buyerEmail": MAIL, "merchantProvidedBuyerIdentity": None, "n": number}
        world.take(event("subscription.of_no_type", "ORD_1", f"2026-03-11T00:00:0{number}", None, **nobody))
    monkeypatch.setattr(export, "PAGE_ITEMS", 2)
    found = exported(world, page_items=2)
    keys = [(each.key["PK"], each.key["SK"]) for each in found]
    assert len(keys) == len(set(keys))
    bodies = {(item["PK"]["S"], item["SK"]["S"]) for item in every_item() if MAIL in str(item)}
    assert bodies <= set(keys)
    assert sum("of_no_type" in str(each.data) for each in found) >= 5


def test_a_page_of_an_export_fits_the_answer_of_a_function(world: World) -> None:
    live(world, first_period())
    for number in range(24):
        note = "中" * 60_000 + '"' * 40_000
        world.take(event("of.no.type", f"ORD_{number}", "2026-03-11", None, **{**BUYER, "note": note}))
    place: Place | None = Place()
    pages = 0
    while place is not None:
        page = export_customer(world.table, ADA, place, lambda: True)
        body = http_json.dumps(export_body(ADA, "2026-03-10T15:20:00Z", page, Pages(["export"])))
        assert len(json.dumps({"statusCode": 200, "body": body}).encode()) < 6 * 1024 * 1024
        place, pages = page.following, pages + 1
    assert pages > 2


def test_while_it_is_under_way_webhooks_wait(world: World, monkeypatch: pytest.MonkeyPatch, every_item: Any) -> None:
    live(world, first_period())
    assert world.erasures is not None
    monkeypatch.setattr(erase, "BOOKS_PAGE", 3)
    answers = iter([True, True])
    half = erase_customer(world.erasures, ADA, LATER, may_go_on=lambda: next(answers, False))
    assert half.erasure.step == "books"
    with pytest.raises(StoreBusy):
        world.take(RENEWED[0], utc("2026-04-10T15:20:00"))
    assert erased(world).erasure.step == "done"
    assert world.take(RENEWED[0], utc("2026-04-10T15:20:00")).verdict == "applied"
    assert personal(every_item()) == []


@pytest.mark.parametrize("steps", [3, 4, 5, 8])
def test_stopped_anywhere_it_goes_on_with_the_next_call(
    world: World, steps: int, monkeypatch: pytest.MonkeyPatch, every_item: Any
) -> None:
    monkeypatch.setattr(erase, "BOOKS_PAGE", 4)
    live(world, first_period())
    before = sold(world)
    assert world.erasures is not None
    for call in itertools.count(1):
        answers = iter([True] * steps)
        done = erase_customer(world.erasures, ADA, LATER, may_go_on=lambda: next(answers, False))  # noqa: B023
        if done.erasure.step == "done":
            break
        assert call < 100
    assert personal(every_item()) == []
    assert sold(world) == before
    assert erased(world).erasure == done.erasure


def go_on(world: World, *, steps: int = 1_000) -> tuple[int, list[str]]:
    assert world.erasures is not None
    failed: list[str] = []
    answers = iter([True] * steps)
    done = go_on_with_erasures(
        world.erasures,
        LATER,
        may_go_on=lambda: next(answers, False),
        on_failure=lambda erasure, _: failed.append(erasure.pseudonym),
    )
    return done, failed


def test_an_erasure_that_its_caller_left_half_done_goes_on_by_schedule(
    world: World, monkeypatch: pytest.MonkeyPatch, every_item: Any
) -> None:
    monkeypatch.setattr(erase, "BOOKS_PAGE", 3)
    live(world, first_period())
    assert world.erasures is not None
    answers = iter([True, True])
    half = erase_customer(world.erasures, ADA, LATER, may_go_on=lambda: next(answers, False))
    assert half.erasure.step == "books"
    runs = 0
    while go_on(world, steps=4) == (0, []):
        runs += 1
        assert runs < 100
    assert runs > 1
    assert personal(every_item()) == []
    assert erased(world).erasure.step == "done"
    assert go_on(world) == (0, [])


def test_an_erasure_that_fails_does_not_stop_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch, every_item: Any
) -> None:
    assert world.erasures is not None
    for customer_id in (ADA, OTHER):
        record_events(world.metering, customer_id, "tokens", [usage_event("e1", Decimal(3), None, NOW)], NOW)
        erase_customer(world.erasures, customer_id, NOW, may_go_on=lambda: False)
    delete_all = Table.delete_all

    def busy_for_ada(self: Table, keys: Any) -> None:
        if any("ada" in key["PK"] for key in keys):
            raise StoreBusy("throttled")
        delete_all(self, keys)

    with monkeypatch.context() as patched:
        patched.setattr(Table, "delete_all", busy_for_ada)
        assert go_on(world) == (1, [world.erasures.pseudonym(ADA)])
    assert [item for item in every_item() if OTHER in str(item)] == []
    assert go_on(world) == (1, [])
    assert personal(every_item()) == []


def test_erasing_an_id_of_which_nothing_is_kept_closes_nothing(world: World, every_item: Any) -> None:
    live(world, first_period())
    before = every_item()
    for _ in range(2):
        with pytest.raises(CustomerNotFound):
            erase_customer(world.erasures, "ada.l@exampel.com", LATER, may_go_on=lambda: True)  # type: ignore[arg-type]
    assert every_item() == before
    record_events(world.metering, "ada.l@exampel.com", "tokens", [usage_event("e1", Decimal(3), None, NOW)], LATER)


def test_two_at_once_do_not_take_the_mark_of_what_one_of_them_has_found(world: World) -> None:
    erasures = world.erasures
    assert erasures is not None
    ours = erasures.write(Erasure(erasures.pseudonym(ADA), LATER, ADA))
    theirs = erasures.write(replace(ours, has_found=True))
    assert not erasures.take_back(ours)
    assert erasures.write(replace(ours, step="table")) == replace(theirs, step="table")
    assert erasures.read(ours.pseudonym) == replace(theirs, step="table")


def test_the_mark_of_an_earlier_version_stays(world: World, every_item: Any) -> None:
    # It kept neither the id nor whether it had found something.
    erasures = world.erasures
    assert erasures is not None
    pseudonym = erasures.pseudonym(ADA)
    earlier = {
        "PK": f"ERASED#{pseudonym}",
        "SK": "ERASED",
        "started_at": to_ms(NOW),
        "step": "table",
        "items": Decimal(0),
    }
    world.table.write(Put(earlier))
    assert erasures.open(10) == []
    assert erased(world).erasure.step == "done"
    assert erasures.is_erased(ADA)
    assert personal(every_item()) == []


def test_an_export_has_everything_in_pages(world: World, monkeypatch: pytest.MonkeyPatch, every_item: Any) -> None:
    monkeypatch.setattr(export, "PAGE_ITEMS", 7)
    live(world, first_period())
    world.take(REFUNDED, LATER)
    found = exported(world, page_items=7)
    keys = [(each.key["PK"], each.key["SK"]) for each in found]
    assert len(keys) == len(set(keys))
    named = {(item["PK"]["S"], item["SK"]["S"]) for item in every_item() if ADA in str(item)}
    assert named <= set(keys)
    kinds = {each.kind for each in found}
    assert {"balance", "subscription", "ledger_entry", "usage_event", "delivery", "payment", "order", "gift"} <= kinds
    assert {"revenue_fact", "revenue_total", "parked_usage", "delivery_of_order"} <= kinds
    assert OTHER not in str(found)
    # And of an erased customer there is nothing
    erased(world)
    assert export_customer(world.table, ADA, Place(), lambda: True).items == []
