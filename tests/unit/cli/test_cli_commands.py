"""``pancake-meter``, command by command: what it asks, what it prints, how it ends. Issue 14, point 7."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.cli_world import API_KEY, FakeWorld, Ran, run

QUOTA = {
    "customer_id": "acct_1001",
    "meter": "tokens",
    "plan": "starter",
    "allowance": 100_000,
    "used": 25_000,
    "held": 0,
    "available": 75_000,
    "overage": 0,
    "overage_due": 0,
    "resets_at": "2026-04-10T15:14:30.000Z",
    "blocked": None,
}
BALANCE = {"quota": QUOTA, "order_id": "ORD_1", "grants": [{"kind": "plan", "quantity": 5}], "holds": []}
LIVE = {"meter": "tokens", "days": [{"day": "2026-03-10", "used": 5, "customers": 1, "by_plan": []}]}
DELIVERY = {
    "delivery_id": "3" * 64,
    "event_type": "subscription.activated",
    "event_id": "ORD_1",
    "order_id": "ORD_1",
    "customer_id": "acct_1001",
    "verdict": "parked",
    "reason": "customer_unknown",
    "occurred_at": "2026-03-10T15:14:30.000Z",
    "received_at": "2026-03-10T15:14:31.000Z",
    "judged_at": "2026-03-10T15:14:31.000Z",
    "attempts": 1,
}
KEY = {
    "key_id": "k1",
    "name": "backend",
    "roles": ["meter"],
    "status": "active",
    "created_at": "2026-03-10T15:14:30.000Z",
    "expires_at": None,
    "last_used_on": None,
    "replaced_by": None,
}
ENTRY = {
    "segment": 4,
    "at": "2026-03-10T15:14:30.000Z",
    "cause": "subscription.renewed",
    "reference": None,
    "by": None,
    "movements": [{"kind": "granted", "quantity": 100_000, "reference": None}],
    "available": 200_000,
    "overage": 0,
}
PLANS = {
    "currency": "USD",
    "plans": [
        {
            "plan": "pro",
            "name": "Pro",
            "rank": 20,
            "add_on": False,
            "is_current": False,
            "price": "29.00",
            "billing_period": "monthly",
            "trial": None,
            "allowances": [{"meter": "tokens", "name": "Tokens", "quantity": 1_000_000, "cadence": "billing"}],
        }
    ],
    "top_ups": [{"meter": "tokens", "name": "Tokens", "quantity": 100_000, "price": "3.00", "expires_after_days": 365}],
}
CUSTOMER = "/v1/customers/{customer_id}"


@pytest.fixture
def world() -> FakeWorld:
    return FakeWorld()


@pytest.fixture
def command(world: FakeWorld, tmp_path: Path) -> Callable[..., Ran]:
    def call(*arguments: str, **fields: Any) -> Ran:
        return run(world, *arguments, folder=tmp_path, **fields)

    return call


Command = Callable[..., Ran]


@pytest.mark.parametrize(
    ("arguments", "operation", "answer", "body", "query"),
    [
        (
            "customers list --plan pro",
            "GET /v1/customers",
            {"customers": [], "next_cursor": None},
            None,
            {"plan": "pro"},
        ),
        ("customers show acct_1001", f"GET {CUSTOMER}", {"customer_id": "acct_1001", "balances": [BALANCE]}, None, {}),
        ("customers quota acct_1001", f"GET {CUSTOMER}/quota", {"quotas": [QUOTA]}, None, {}),
        (
            "grants add acct_1001 tokens 50000 --reason sorry --id g-1",
            f"POST {CUSTOMER}/grants",
            {"id": "g-1"},
            {"id": "g-1", "meter": "tokens", "quantity": "50000", "kind": "promotion", "reason": "sorry"},
            {},
        ),
        ("grants list acct_1001 --meter tokens", f"GET {CUSTOMER}/grants", {"grants": []}, None, {"meter": "tokens"}),
        ("grants void acct_1001 g-1", f"POST {CUSTOMER}/grants/{{grant_id}}/void", {"id": "g-1"}, None, {}),
        ("block acct_1001 --reason stolen", f"POST {CUSTOMER}/block", {"blocked": "stolen"}, {"reason": "stolen"}, {}),
        ("unblock acct_1001", f"POST {CUSTOMER}/unblock", {"blocked": None}, {}, {}),
        ("limits acct_1001", f"GET {CUSTOMER}/limits", {"limits": []}, None, {}),
        (
            "limits acct_1001 --meter tokens --overage-cap 500 --spend-cap none",
            f"PUT {CUSTOMER}/limits",
            {"meter": "tokens"},
            {"meter": "tokens", "overage_cap": "500", "spend_cap": None},
            {},
        ),
        ("usage acct_1001", f"GET {CUSTOMER}/quota", {"quotas": [QUOTA]}, None, {}),
        ("check acct_1001 tokens 4000", f"GET {CUSTOMER}/quota/{{meter}}", QUOTA, None, {"amount": "4000"}),
        (
            "usage acct_1001 tokens --periods 2",
            f"GET {CUSTOMER}/usage",
            {"customer_id": "acct_1001", "meter": "tokens", "periods": [], "closed": []},
            None,
            {"meter": "tokens", "periods": "2"},
        ),
        (
            "ledger acct_1001 tokens",
            f"GET {CUSTOMER}/ledger",
            {"entries": [ENTRY], "next_cursor": None},
            None,
            {"meter": "tokens"},
        ),
        ("checkouts list acct_1001", f"GET {CUSTOMER}/checkouts", {"checkouts": [], "next_cursor": None}, None, {}),
        (
            "checkouts show acct_1001 co_1",
            f"GET {CUSTOMER}/checkouts/{{checkout_id}}",
            {"checkout_id": "co_1"},
            None,
            {},
        ),
        (
            "checkouts create acct_1001 --plan pro",
            f"POST {CUSTOMER}/checkouts",
            {"checkout_id": "co_1", "url": "https://pay"},
            {"plan": "pro"},
            {},
        ),
        ("plans --customer acct_1001", "GET /v1/plans", PLANS, None, {"customer_id": "acct_1001"}),
        ("payments list --status flagged", "GET /v1/payments", {"payments": []}, None, {"status": "flagged"}),
        ("payments show PAY_1", "GET /v1/payments/{payment_id}", {"payment_id": "PAY_1"}, None, {}),
        (
            "payments resolve PAY_1 --as not_ours --reason shirt --id r-1",
            "POST /v1/payments/{payment_id}/resolve",
            {"payment_id": "PAY_1"},
            {"as": "not_ours", "id": "r-1", "reason": "shirt"},
            {},
        ),
        (
            "payments refund PAY_1 --reason sorry --amount 9.90 --id r-2 --yes",
            "POST /v1/payments/{payment_id}/refund",
            {"payment_id": "PAY_1", "state": "requested"},
            {"id": "r-2", "reason": "sorry", "amount": "9.90"},
            {},
        ),
        (
            "subscriptions cancel acct_1001 ORD_1 --id c-1 --yes",
            f"POST {CUSTOMER}/subscriptions/{{order_id}}/cancel",
            {"status": "canceling"},
            {"id": "c-1"},
            {},
        ),
        (
            "subscriptions reactivate acct_1001 ORD_1 --id c-2",
            f"POST {CUSTOMER}/subscriptions/{{order_id}}/reactivate",
            {"status": "active"},
            {"id": "c-2"},
            {},
        ),
        (
            "deliveries list --verdict parked",
            "GET /v1/deliveries",
            {"deliveries": [DELIVERY], "next_cursor": None},
            None,
            {"verdict": "parked"},
        ),
        (f"deliveries show {'3' * 64}", "GET /v1/deliveries/{delivery_id}", DELIVERY, None, {}),
        (f"deliveries replay {'3' * 64}", "POST /v1/deliveries/{delivery_id}/replay", {"verdict": "applied"}, None, {}),
        (
            f"deliveries assign {'3' * 64} acct_1001",
            "POST /v1/deliveries/{delivery_id}/assign",
            {"verdict": "applied"},
            {"customer_id": "acct_1001"},
            {},
        ),
        (
            f"deliveries dismiss {'3' * 64} --reason done",
            "POST /v1/deliveries/{delivery_id}/dismiss",
            {"verdict": "dismissed"},
            {"reason": "done"},
            {},
        ),
        ("parked list", "GET /v1/usage/parked", {"parked": [], "next_cursor": None}, None, {"status": "open"}),
        ("parked replay p-1", "POST /v1/usage/parked/{parked_id}/replay", {"status": "counted"}, None, {}),
        (
            "parked dismiss p-1 --reason ours",
            "POST /v1/usage/parked/{parked_id}/dismiss",
            {"id": "p-1"},
            {"reason": "ours"},
            {},
        ),
        ("reconcile", "POST /v1/reconciliations", {"healed": 0, "left": []}, None, {}),
        ("report revenue --month 2026-03", "GET /v1/reports/revenue", {"months": []}, None, {"month": "2026-03"}),
        (
            "report usage --from 2026-01 --to 2026-03",
            "GET /v1/reports/usage",
            {"months": []},
            None,
            {"from": "2026-01", "to": "2026-03"},
        ),
        (
            "report live --meter tokens",
            "GET /v1/reports/live",
            {"seconds_behind": 2, "active_this_month": 1, "meters": [LIVE]},
            None,
            {"meter": "tokens"},
        ),
        ("report subscriptions", "GET /v1/reports/subscriptions", {"plans": []}, None, {}),
        ("keys list", "GET /v1/keys", {"keys": [KEY], "next_cursor": None}, None, {}),
        ("keys own", "GET /v1/key", KEY, None, {}),
        (
            "keys create backend --role meter --role sell",
            "POST /v1/keys",
            {**KEY, "key": "pm_test_new"},
            {"name": "backend", "roles": ["meter", "sell"]},
            {},
        ),
        (
            f"keys rotate {'a' * 64} --overlap-seconds 60",
            "POST /v1/keys/{key_id}/rotate",
            {**KEY, "key": "pm_test_new"},
            {"overlap_seconds": 60},
            {},
        ),
        (f"keys revoke {'a' * 64} --yes", "DELETE /v1/keys/{key_id}", {**KEY, "status": "revoked"}, None, {}),
        (
            "tokens create acct_1001 --scope read",
            f"POST {CUSTOMER}/tokens",
            {"token": "t", "customer_id": "acct_1001"},
            {"scopes": ["read"]},
            {},
        ),
    ],
)
def test_issue_14_7_each_command_asks_one_documented_operation_and_prints_its_answer(
    command: Command,
    world: FakeWorld,
    arguments: str,
    operation: str,
    answer: Any,
    body: Any,
    query: dict[str, str],
) -> None:
    # Given
    world.answer(operation, answer)
    # When
    shown = command(*arguments.split())
    printed = command(*arguments.split(), "--json")
    # Then
    assert (shown.status, printed.status) == (0, 0), shown.err + printed.err
    assert shown.out.strip()
    # Fields that the case says nothing of are null.
    stated = {name: value for name, value in printed.json.items() if value is not None or name in answer}
    stated.pop("has_more", None)
    assert stated == {name: value for name, value in answer.items() if name != "next_cursor" or name in stated}
    assert [each.operation for each in world.asked] == [operation] * 2
    assert world.asked[0].query == query
    assert world.asked[0].body == body


def test_issue_14_7_a_list_goes_over_pages_until_there_is_enough(command: Command, world: FakeWorld) -> None:
    # Given
    cursor = "A" * 40
    world.answer("GET /v1/deliveries", {"deliveries": [DELIVERY] * 50, "next_cursor": cursor})
    world.answer("GET /v1/deliveries", {"deliveries": [DELIVERY] * 10, "next_cursor": None})
    # When
    ran = command("deliveries", "list", "--order", "ORD_1", "--limit", "0", "--json")
    # Then
    assert (len(ran.json["deliveries"]), ran.json["has_more"]) == (60, False)
    assert world.asked[1].query["cursor"] == cursor


def test_issue_14_7_the_newest_deliveries_are_found_where_a_stack_wants_a_filter(
    command: Command, world: FakeWorld
) -> None:
    # Given
    world.refuse("GET /v1/deliveries", 422, "invalid_request")
    for number in range(5):
        entry = {**DELIVERY, "delivery_id": str(number) * 64, "received_at": f"2026-03-1{number}T00:00:00.000Z"}
        world.answer("GET /v1/deliveries", {"deliveries": [entry], "next_cursor": None})
    # When
    ran = command("deliveries", "list", "--limit", "2", "--json")
    # Then
    assert [each["delivery_id"][0] for each in ran.json["deliveries"]] == ["4", "3"]


def test_issue_14_7_a_refusal_is_shown_with_its_code_and_what_helps_and_ends_with_1(
    command: Command, world: FakeWorld
) -> None:
    # Given
    world.refuse("GET /v1/deliveries/{delivery_id}", 404, "delivery_not_found")
    # When
    shown = command("deliveries", "show", "3" * 64)
    printed = command("deliveries", "show", "3" * 64, "--json")
    # Then
    assert (shown.status, shown.out, printed.out) == (1, "", "")
    assert shown.err == "delivery_not_found: it says no\nwhat helps: see the list\nrequest id: req-1\n"
    assert httpx.Response(200, content=printed.err).json()["code"] == "delivery_not_found"


def test_issue_14_7_wrong_fields_are_named(command: Command, world: FakeWorld) -> None:
    faults = [{"field": "quantity", "fault": "must be positive"}]
    world.refuse(f"POST {CUSTOMER}/grants", 422, "invalid_request", errors=faults)
    ran = command("grants", "add", "acct_1001", "tokens", "5", "--reason", "x")
    assert ran.status == 1
    assert "quantity: must be positive" in ran.err


def test_issue_14_7_trouble_ends_with_3_after_retries_and_without_an_answer_too(
    command: Command, world: FakeWorld
) -> None:
    # Given
    world.refuse("POST /v1/reconciliations", 503, "unavailable")
    # When, Then
    assert command("reconcile").status == 3
    assert len(world.asked) == 4
    world.answers.clear()

    def gone(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    world.handle = gone  # type: ignore[method-assign]
    ran = command("plans")
    assert ran.status == 3
    assert ran.err.startswith("no_answer: no answer from http://127.0.0.1:8000")


def test_issue_14_7_what_makes_something_new_each_time_is_sent_once(command: Command, world: FakeWorld) -> None:
    world.refuse("POST /v1/keys", 503, "unavailable")
    assert command("keys", "create", "backend", "--role", "meter").status == 3
    assert world.operations() == ["POST /v1/keys"]


def test_issue_14_7_usage_errors_end_with_2(command: Command) -> None:
    assert command("plans", profile=None).status == 2
    assert command("deliveries", "replay").status == 2
    assert command("no-such-command").status == 2
    assert command("grants", "add", "acct_1001").status == 2
    assert command("customers", "show", "a/b").status == 2
    assert command("trigger", "subscription.unheard").status == 2


def test_issue_14_7_a_report_is_csv_or_json_and_not_both(command: Command, world: FakeWorld) -> None:
    world.answer("GET /v1/reports/live", {"meters": [], "seconds_behind": None, "active_this_month": 0})
    assert command("report", "live", "--csv", "--json").status == 2


def test_issue_14_7_json_that_is_no_pancake_meter_s_ends_with_3(command: Command, world: FakeWorld) -> None:
    asked = {
        "alerts list": "GET /v1/alerts",
        "plans": "GET /v1/plans",
        "customers show acct_1001": f"GET {CUSTOMER}",
        "block acct_1001 --reason x": f"POST {CUSTOMER}/block",
        "unblock acct_1001": f"POST {CUSTOMER}/unblock",
        "grants add acct_1001 tokens 5 --reason x": f"POST {CUSTOMER}/grants",
        "grants void acct_1001 g-1": f"POST {CUSTOMER}/grants/{{grant_id}}/void",
        "limits acct_1001 --meter tokens --overage-cap 5": f"PUT {CUSTOMER}/limits",
        f"deliveries dismiss {'3' * 64} --reason x": "POST /v1/deliveries/{delivery_id}/dismiss",
        "keys create backend --role meter": "POST /v1/keys",
        f"keys revoke {'a' * 64} --yes": "DELETE /v1/keys/{key_id}",
        "customers erase acct_1001 --yes": f"DELETE {CUSTOMER}",
        "reconcile": "POST /v1/reconciliations",
        "alerts endpoints add https://example.com/": "POST /v1/alert-endpoints",
        "alerts endpoints change aep_0123456789abcdef01234567 --enable": "PATCH /v1/alert-endpoints/{endpoint_id}",
    }
    for line, operation in asked.items():
        world.answer(operation, {"id": "1", "status": "ok", "name": "httpbin"}, is_whole=True)
        ran = command(*line.split(), "--json")
        assert (ran.status, "unexpected_answer" in ran.err) == (3, True), (line, ran)
    world.answers.clear()
    world.answer("GET /v1/plans", {}, is_whole=True)
    assert command("plans").status == 3


def test_issue_14_7_this_month_is_the_stack_s(command: Command, world: FakeWorld) -> None:
    # Given a stack whose clock was moved
    world.answer("GET /v1/reports/live", {"meters": [{"meter": "tokens", "days": [{"day": "2027-02-01"}]}]})
    world.answer("GET /v1/reports/revenue", {"months": []})
    world.answer("GET /v1/reports/usage", {"months": []})
    # When
    for line in ("report revenue", "report usage", "report usage --from 2026-12", "report revenue --month 2026-03"):
        assert command(*line.split()).status == 0
    # Then
    assert [each.query for each in world.asked] == [
        {"days": "1"},
        {"month": "2027-02"},
        {"days": "1"},
        {"month": "2027-02"},
        {"days": "1"},
        {"from": "2026-12", "to": "2027-02"},
        {"month": "2026-03"},
    ]


def test_issue_14_7_what_cannot_be_undone_wants_a_yes(command: Command, world: FakeWorld) -> None:
    for arguments in (
        ("customers", "erase", "acct_1001"),
        ("payments", "refund", "PAY_1", "--reason", "x"),
        ("subscriptions", "cancel", "acct_1001", "ORD_1"),
        ("keys", "revoke", "a" * 64),
    ):
        ran = command(*arguments)
        assert (ran.status, "--yes" in ran.err) == (2, True)
    assert world.asked == []


def test_issue_14_7_erasing_goes_on_until_it_is_done(command: Command, world: FakeWorld) -> None:
    world.answer(f"DELETE {CUSTOMER}", {"status": "erasing", "pseudonym": "p"}, 202)
    world.answer(f"DELETE {CUSTOMER}", {"status": "erased", "pseudonym": "p"})
    assert command("customers", "erase", "acct_1001", "--yes", "--json").json["status"] == "erased"
    assert len(world.asked) == 2


def test_issue_14_7_an_export_is_one_line_of_json_an_item(command: Command, world: FakeWorld, tmp_path: Path) -> None:
    # Given
    item = {"kind": "balance", "key": {}, "data": {}}
    pages = [{"items": [item] * 2, "next_cursor": "A" * 40}, {"items": [item], "next_cursor": None}] * 2
    for page in pages:
        world.answer(f"GET {CUSTOMER}/export", page)
    # When, Then
    assert command("customers", "export", "acct_1001").lines == [item] * 3
    file = tmp_path / "out.jsonl"
    assert command("customers", "export", "acct_1001", "--to", str(file)).out == ""
    assert len(file.read_text().splitlines()) == 3


def test_issue_14_7_a_report_is_given_as_csv_that_no_spreadsheet_runs(command: Command, world: FakeWorld) -> None:
    # Given
    row = {"sold": "overage", "plan": "=cmd()", "received": "9.00", "tax": "0.00", "refunded": "0.00"}
    row |= {"refunded_tax": "0.00", "net": "9.00"}
    counts = {"payments": 1, "refunds": 0, "unstated": 0}
    rows = [{**row, **counts, "plan": plan} for plan in ("=cmd()", "'=cmd()", "pro")]
    currency = {"currency": "USD", "rows": rows, "by_sold": {}}
    world.answer("GET /v1/reports/revenue", {"months": [{"month": "2026-03", "currencies": [currency]}]})
    # When
    ran = command("report", "revenue", "--month", "2026-03", "--csv")
    # Then
    header, *lines = ran.out.splitlines()
    assert header.startswith("month,currency,sold,plan,received")
    rest = "9.00,0.00,0.00,0.00,9.00,1,0,0"
    # What begins with the mark itself gets it too: two plans never look alike.
    assert lines == [f"2026-03,USD,overage,{plan},{rest}" for plan in ("'=cmd()", "''=cmd()", "pro")]


def test_issue_14_7_a_key_is_printed_where_it_is_made_and_nowhere_else(command: Command, world: FakeWorld) -> None:
    # Given
    world.answer("GET /v1/key", {**KEY, "mode": "test", "routes": []})
    world.answer("POST /v1/keys", {**KEY, "key": "pm_test_new"})
    world.refuse("GET /v1/plans", 403, "forbidden")
    # When
    runs = [command(*each) for each in (("keys", "own"), ("profiles",), ("profiles", "--json"), ("plans",))]
    # Then
    assert not any(API_KEY in ran.out + ran.err for ran in runs)
    assert command("keys", "create", "x", "--role", "meter", "--json").json["key"] == "pm_test_new"


def test_issue_14_7_listen_shows_each_delivery_once_and_again_when_it_is_judged_again(
    command: Command, world: FakeWorld
) -> None:
    # Given
    page = {"deliveries": [DELIVERY], "next_cursor": None}
    again = {"deliveries": [{**DELIVERY, "verdict": "applied", "reason": None, "attempts": 2}], "next_cursor": None}
    for answer in (page, page, again, again):
        world.answer("GET /v1/deliveries", answer)
    # When
    ran = command("listen", "--past", "--for", "0.5", "--interval", "0.2", "--json")
    # Then
    assert [each["verdict"] for each in ran.lines] == ["parked", "applied"]


def test_issue_14_7_tail_shows_a_customers_movements_with_their_cause(command: Command, world: FakeWorld) -> None:
    # Given
    world.answer("GET /v1/deliveries", {"deliveries": [DELIVERY], "next_cursor": None})
    world.answer(f"GET {CUSTOMER}/quota", {"quotas": [QUOTA]})
    world.answer(f"GET {CUSTOMER}/ledger", {"entries": [ENTRY], "next_cursor": None})
    # When
    ran = command("tail", "--customer", "acct_1001", "--past", "--for", "0")
    # Then
    assert "subscription.renewed" in ran.out
    assert "granted 100,000" in ran.out
    assert "parked (customer_unknown)" in ran.out


def test_issue_14_7_every_command_has_help_with_an_example(command: Command) -> None:
    from pancake_meter_cli.main import app  # noqa: PLC0415

    def commands(of: Any, *above: str) -> list[tuple[str, ...]]:
        named = [(*above, each.name) for each in of.registered_commands]
        return named + [
            found
            for each in of.registered_groups
            for found in commands(each.typer_instance, *above, each.typer_instance.info.name)
        ]

    for path in commands(app):
        ran = command(*path, "--help")
        assert (ran.status, f"pancake-meter {' '.join(path)}" in ran.out) == (0, True), path
        assert "--json" in ran.out
