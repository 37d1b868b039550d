"""Issue 14, point 1: customers in lists, without a scan; and one customer out of the customer's own items."""

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.store.standing.directory import read_lines
from pancake_meter.usecases.access.erase import erase_customer
from pancake_meter.usecases.access.export import Place, export_customer
from pancake_meter.usecases.balance.hold_quota import hold_quota
from pancake_meter.usecases.balance.operate import block, block_customer
from pancake_meter.usecases.balance.record_usage import record_events
from tests.integration.stream.conftest import NOW, Ask
from tests.support.followed import Reader, items_of
from tests.support.webhook_world import World, lifecycle

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MONTH = ("2026-03-10", "2026-04-10")


def use(world: World, customer_id: str, units: int = 1, at: Any = NOW) -> None:
    event = usage_event(f"e-{customer_id}-{at:%d%H%M}", Decimal(units), None, at)
    record_events(world.metering, customer_id, "tokens", [event], at)


def subscribe(
    world: World, customer_id: str, kind: str = "activated", at: str = "2026-03-10", plan: str = "pro"
) -> None:
    named: Any = {"merchantProvidedBuyerIdentity": customer_id, "planPrice": {"total": "29.00"}}
    world.take(lifecycle(kind, f"ORD_{customer_id}_{plan}", at, *MONTH, plan=plan, **named))


def ids(answer: Any) -> list[str]:
    return [customer["customer_id"] for customer in answer.body["customers"]]


def test_customers_are_listed_by_id_and_prefix_in_pages(followed: World, reads: Reader, ask: Ask) -> None:
    # Given
    for name in ("team-b", "team-a", "solo", "team#c", "=1+1"):
        use(followed, name)
    reads.follow()
    # When
    seen: list[str] = []
    query = {"limit": "2"}
    for _ in range(4):
        page = ask("customers_list", query)
        seen += ids(page)
        if page.body["next_cursor"] is None:
            break
        query["cursor"] = page.body["next_cursor"]
    # Then
    assert seen == ["=1+1", "solo", "team#c", "team-a", "team-b"]
    assert ids(ask("customers_list", {"prefix": "team"})) == ["team#c", "team-a", "team-b"]
    assert ids(ask("customers_list", {"prefix": "team#"})) == ["team#c"]
    assert ids(ask("customers_list", {"prefix": "nobody"})) == []


def test_customers_are_listed_by_plan_and_status_and_leave_the_lists_again(
    followed: World, reads: Reader, ask: Ask
) -> None:
    # Given
    use(followed, "ada")
    use(followed, "bo", at=NOW + timedelta(hours=2))
    subscribe(followed, "bo")
    subscribe(followed, "cy")
    subscribe(followed, "cy", "past_due", "2026-03-11")
    use(followed, "di", 10_000_000)
    followed.metering.keep_current(followed.metering.current_balance("di", "tokens", NOW), NOW + timedelta(days=40))
    reads.follow()
    # Then
    assert ids(ask("customers_list", {"plan": "pro"})) == ["bo", "cy"]
    assert ids(ask("customers_list", {"plan": "pro", "prefix": "c"})) == ["cy"]
    assert ids(ask("customers_past_due")) == ["cy"]
    assert ids(ask("customers_list", {"status": "owing"})) == ["di"]
    assert ids(ask("customers_list", {"status": "blocked"})) == []
    # And: the recently active ones first
    active = ids(ask("customers_list", {"status": "active"}))
    assert set(active) == {"ada", "bo", "di"}
    # When
    subscribe(followed, "cy", "recovered", "2026-03-12")
    reads.follow()
    # Then
    assert ids(ask("customers_past_due")) == []
    (line,) = ask("customers_list", {"prefix": "cy"}).body["customers"]
    assert (line["plans"], line["past_due"], line["blocked"]) == (["pro"], False, {})


def test_a_busy_customer_costs_the_directory_a_write_an_hour(followed: World, reads: Reader) -> None:
    for minute in range(20):
        use(followed, "ada", at=NOW + timedelta(minutes=2 * minute))
    reads.follow()
    line = read_lines(followed.table, ["ada"])["ada"]
    # Written once, and read again any number of times: a replay changes nothing.
    reads.follow()
    assert read_lines(followed.table, ["ada"])["ada"] == line
    assert line.revision == 1


def test_the_directory_is_the_same_however_the_stream_repeats_itself(followed: World, reads: Reader) -> None:
    for name in ("ada", "bo"):
        subscribe(followed, name)
        subscribe(followed, name, "past_due", "2026-03-11")
        use(followed, name, 7)
    reads.follow()
    told = [line.orders for line in read_lines(followed.table, ["ada", "bo"]).values()]
    reads.follow_in_trouble(reads.records(), 7)
    assert [line.orders for line in read_lines(followed.table, ["ada", "bo"]).values()] == told


def test_an_erased_customer_is_out_of_the_directory_and_no_late_record_brings_anything_back(
    followed: World, reads: Reader, ask: Ask, dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given
    use(followed, "ada@example.com")
    subscribe(followed, "ada@example.com")
    late = reads.records()
    reads.follow()
    exported = export_customer(followed.table, "ada@example.com", Place(), lambda: True)
    assert {"directory_entry", "live_totals_share", "active_days"} <= {item.kind for item in exported.items}
    # When
    erase_customer(reads.erasures, "ada@example.com", NOW, may_go_on=lambda: True)
    reads.follow(late)
    reads.follow()
    # Then
    assert ids(ask("customers_list", {"limit": "100"})) == []
    assert [item for item in items_of(dynamodb, table) if "ada@example.com" in str(item).replace("ORD_ada@", "")] == []
    assert ask("customer_read", path="/v1/customers/ada%40example.com").body["code"] == "customer_not_found"


def test_one_customer_is_read_from_its_own_items(followed: World, ask: Ask) -> None:
    # Given a customer of whom the stream has told nothing yet
    subscribe(followed, "acct_1001")
    subscribe(followed, "acct_1001", "canceling", "2026-03-11")
    subscribe(followed, "acct_1001", plan="starter")
    hold_quota(followed.metering, "acct_1001", "tokens", "h", Decimal(5), timedelta(minutes=5), NOW)
    use(followed, "acct_1001", 40_000_000)
    # When
    answer = ask("customer_read")
    # Then
    assert answer.status == 200
    orders = {order["order_id"]: order for order in answer.body["orders"]}
    pro = orders["ORD_acct_1001_pro"]
    assert (pro["state"], pro["plan"], pro["canceling_on"]) == ("canceling", "pro", "2026-04-10T00:00:00.000Z")
    assert "tokens" in pro["governs"]
    assert orders["ORD_acct_1001_starter"]["governs"] == []
    (tokens,) = (each for each in answer.body["balances"] if each["quota"]["meter"] == "tokens")
    assert tokens["order_id"] == "ORD_acct_1001_pro"
    assert [hold["hold_id"] for hold in tokens["holds"]] == ["h"]
    assert tokens["grants"][0]["kind"] == "plan"
    assert tokens["grants"][0]["remaining"] == 0
    (owed,) = answer.body["owed"]
    assert owed["units"] == tokens["quota"]["overage"]
    assert {each["currency"] for each in owed["amounts"]} >= {"USD"}


@pytest.mark.parametrize(
    "query",
    [{"plan": "pro", "status": "owing"}, {"status": "active", "prefix": "a"}, {"cursor": "x"}, {"limit": "101"}],
)
def test_a_list_of_anything_else_is_a_problem(ask: Ask, query: dict[str, str]) -> None:
    assert ask("customers_list", query).status == 422


def test_customers_as_csv_are_safe_in_a_spreadsheet(followed: World, reads: Reader, ask: Ask) -> None:
    use(followed, '=HYPERLINK("x")')
    use(followed, "ada")
    reads.follow()
    answer = ask("customers_list", {"limit": "1"}, accept="text/csv")
    assert answer.headers["Content-Type"].startswith("text/csv")
    header, row, end = answer.body.split("\r\n")
    assert header.startswith("customer_id,plans,past_due")
    assert row.startswith('"\'=HYPERLINK(""x"")",free,false')
    assert end == ""
    assert answer.headers["Next-Cursor"]


def test_who_never_used_anything_and_has_no_subscription_any_more_is_on_the_default_plan(
    followed: World, reads: Reader, ask: Ask
) -> None:
    # Given two whose subscription has ended, of whom one used it
    for name in ("used", "unused"):
        who: dict[str, Any] = {"merchantProvidedBuyerIdentity": name}
        month = ("2026-03-10", "2026-04-10")
        followed.take(lifecycle("activated", f"ORD_{name}", "2026-03-10", *month, plan="pro", **who))
        if name == "used":
            use(followed, name)
        followed.take(lifecycle("canceled", f"ORD_{name}", "2026-03-11", *month, plan="pro", **who))
    reads.follow()
    # Then
    lines = ask("customers_list", {"plan": "free"}).body["customers"]
    assert {line["customer_id"]: line["plans"] for line in lines} == {"used": ["free"], "unused": ["free"]}
    assert ids(ask("customers_list", {"plan": "pro"})) == []


def test_who_is_cut_off_before_the_first_use_is_on_the_list_of_the_blocked(
    followed: World, reads: Reader, ask: Ask
) -> None:
    # Given one who never used anything, and one who is let use tokens again, and no more
    block_customer(followed.metering, "never", "chargeback", NOW)
    use(followed, "partly")
    block_customer(followed.metering, "partly", "abuse", NOW)
    block(followed.metering, "partly", "tokens", None, NOW)
    reads.follow()
    # Then
    listed = ask("customers_list", {"status": "blocked"}).body["customers"]
    said = {line["customer_id"]: (line["blocked"], line["blocked_otherwise"]) for line in listed}
    assert said == {"never": ({}, "chargeback"), "partly": ({}, "abuse")}
    # And not when both are opened
    for customer_id in said:
        block_customer(followed.metering, customer_id, None, NOW)
    reads.follow()
    assert ids(ask("customers_list", {"status": "blocked"})) == []


@pytest.mark.parametrize(
    ("order", "number", "named", "shown"),
    [
        ("ORD_ada_pro", 1, "scale", "scale"),
        # Waffo names the product that the order has: that says nothing of the one to come
        ("ORD_ada_pro", 1, "pro", None),
        # Waffo tells it of the order to come, which has no period yet
        ("ORD_to_come", 0, "scale", "scale"),
    ],
)
def test_a_change_of_plan_that_is_to_come_is_shown_with_the_order_that_it_replaces(
    followed: World, ask: Ask, order: str, number: int, named: str, shown: str | None
) -> None:
    subscribe(followed, "ada")
    who: Any = {"merchantProvidedBuyerIdentity": "ada", "planPrice": {"total": "99.00"}}
    followed.take(lifecycle("plan_change_scheduled", order, "2026-03-11", *MONTH, plan=named, number=number, **who))
    (standing,) = ask("customer_read", path="/v1/customers/ada").body["orders"]
    change = standing["scheduled_change"]
    assert (change["plan"], change["told_at"][:10]) == (shown, "2026-03-11")
    # And it falls away when it fails
    followed.take(lifecycle("plan_change_failed", order, "2026-03-12", *MONTH, plan=named, number=number, **who))
    (standing,) = ask("customer_read", path="/v1/customers/ada").body["orders"]
    assert standing["scheduled_change"] is None
