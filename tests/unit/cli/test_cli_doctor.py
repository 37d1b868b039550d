"""``doctor``: a stack that is well has no fault, and each seeded fault is named with its fix. Issue 14, point 9."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pancake_meter_cli.doctoring.stack import ROUTES
from pancake_meter_cli.failures import unreachable, usage
from pancake_meter_cli.profiles import Profile
from tests.support.cli_world import NOW, FakeWorld, Ran, SimulatedWaffo, run, simulated_waffo
from tests.support.waffo_simulator import PRO, SCALE, USAGE

CATALOG = f"""
default_plan = "free"

[meters.tokens]
name = "Tokens"
unit = "token"
top_up = {{ quantity = 100_000, price = {{ USD = "3.00" }} }}

[plans.free]
name = "Free"
rank = 0
allowances.tokens = {{ quantity = 10_000, cadence = "month" }}

[plans.pro]
name = "Pro"
rank = 10
allowances.tokens = {{ quantity = 1_000_000 }}

[plans.scale]
name = "Scale"
rank = 20
allowances.tokens = {{ quantity = 9_000_000 }}

[[products]]
name = "Pro monthly"
plan = "pro"
billing_period = "monthly"
product_id = {{ test = "{PRO}", prod = "{PRO}" }}
price = {{ USD = "29.00", JPY = "4500" }}

[[products]]
name = "Scale monthly"
plan = "scale"
billing_period = "monthly"
product_id = {{ test = "{SCALE}", prod = "{SCALE}" }}
price = {{ USD = "99.00" }}

[usage_product]
name = "Usage"
product_id = {{ test = "{USAGE}", prod = "{USAGE}" }}
"""

CUSTOMER = "/v1/customers/{customer_id}"
DELIVERY = {
    "delivery_id": "3" * 64,
    "event_type": "subscription.activated",
    "customer_id": "acct_1001",
    "verdict": "applied",
    "reason": None,
    "received_at": "2026-03-10T12:00:00.000Z",
    "judged_at": "2026-03-10T12:00:00.000Z",
    "attempts": 1,
}
NONE: dict[str, Any] = {"deliveries": [], "next_cursor": None}
OVERAGE = {
    "months": [{"month": "2026-03", "currencies": [{"currency": "USD", "by_sold": {"overage": {}}, "rows": []}]}]
}


def key(**changes: Any) -> dict[str, Any]:
    roles = ["meter", "sell", "report", "operate", "admin"]
    own = {"key_id": "k1", "name": "local", "roles": roles, "mode": "test", "expires_at": None, "routes": list(ROUTES)}
    return {**own, **changes}


class Account:
    """A fake of what AWS shows. Tests change what it has."""

    def __init__(self) -> None:
        self.messages = {"UsageFailedQueue": 0, "ReconciliationFailedQueue": 0}
        self.state = "ENABLED"
        self.deleted = False
        self.alarm_state = "OK"
        self.actions = ["arn:aws:sns:eu-west-1:1:alarms"]
        self.subscription = "arn:aws:sns:eu-west-1:1:alarms:1"

    def __call__(self, _service: str, _profile: Profile) -> "Account":
        return self

    def list_stack_resources(self, **_: Any) -> dict[str, Any]:
        kinds = {
            **dict.fromkeys((*self.messages, "UsageQueue"), "AWS::SQS::Queue"),
            "SweepSchedule": "AWS::Scheduler::Schedule",
            "PurchaseLinkSecret": "AWS::SecretsManager::Secret",
            "WebhookErrors": "AWS::CloudWatch::Alarm",
        }
        return {
            "StackResourceSummaries": [
                {"LogicalResourceId": name, "PhysicalResourceId": name, "ResourceType": kind}
                for name, kind in kinds.items()
            ]
        }

    def describe_stacks(self, **_: Any) -> dict[str, Any]:
        return {"Stacks": [{"Parameters": [{"ParameterKey": "WaffoPrivateKeySecretArn", "ParameterValue": "arn:x"}]}]}

    def describe_secret(self, **_: Any) -> dict[str, Any]:
        return {"DeletedDate": "2026-01-01"} if self.deleted else {}

    def get_schedule(self, **_: Any) -> dict[str, Any]:
        return {"State": self.state}

    def get_queue_attributes(self, QueueUrl: str, **_: Any) -> dict[str, Any]:  # noqa: N803 - boto3's name
        return {"Attributes": {"ApproximateNumberOfMessages": str(self.messages[QueueUrl])}}

    def describe_alarms(self, **_: Any) -> dict[str, Any]:
        alarm = {"AlarmName": "webhook-errors", "StateValue": self.alarm_state, "AlarmActions": self.actions}
        return {"MetricAlarms": [alarm]}

    def list_subscriptions_by_topic(self, **_: Any) -> dict[str, Any]:
        return {"Subscriptions": [{"SubscriptionArn": self.subscription}]}


@pytest.fixture
def world() -> FakeWorld:
    """A stack that is well, through which everything has gone once."""
    return FakeWorld()


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def waffo(world: FakeWorld, tmp_path: Path) -> Iterator[SimulatedWaffo]:
    with simulated_waffo(world, tmp_path) as started:
        yield started


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    file = tmp_path / "catalog.toml"
    file.write_text(CATALOG)
    return file


def well(world: FakeWorld, **changed: Any) -> None:
    """Let the stack answer as one that is well, but for what is ``changed``, by operation."""
    plans = [
        {
            "plan": "pro",
            "name": "Pro",
            "price": "29.00",
            "billing_period": "monthly",
            "add_on": False,
            "trial": None,
            "allowances": [{"meter": "tokens", "name": "Tokens", "quantity": 1, "cadence": "billing"}],
        }
    ]
    healthy = {
        "GET /v1/key": key(),
        "GET /v1/plans": {"currency": "USD", "plans": plans, "top_ups": []},
        "GET /v1/usage/parked": {"parked": [], "next_cursor": None},
        "GET /v1/reports/usage": {"months": [{"month": "2026-02", "meter": "tokens", "used": 5}]},
        "GET /v1/reports/revenue": OVERAGE,
        f"GET {CUSTOMER}/quota": {"quotas": [{"meter": "tokens", "used": 0}]},
    }
    for operation, answer in {**healthy, **changed.pop("answers", {})}.items():
        world.answer(operation, answer)
    if f"GET {CUSTOMER}/quota/{{meter}}" not in world.answers:
        world.refuse(f"GET {CUSTOMER}/quota/{{meter}}", 402, "quota_exhausted", purchase_url="https://buy")
    # The newest; those that are parked; those that have failed.
    for answer in changed.get("deliveries", ({"deliveries": [DELIVERY], "next_cursor": None}, NONE, NONE)):
        world.answer("GET /v1/deliveries", answer)


def change_plans(waffo: SimulatedWaffo) -> None:
    """Upgrade and downgrade a customer."""
    order = waffo.client.post("/_sim/subscriptions", json={"product": PRO, "buyer_identity": "acct_1001"}).json()
    for product in (SCALE, PRO):
        body = {"order_id": order["id"], "product": product, "timing": "immediate"}
        order = waffo.client.post("/_sim/plan-change", json=body).json()
    waffo.client.post("/_sim/flush", json={})


Doctor = Callable[..., Ran]


@pytest.fixture
def doctor(world: FakeWorld, waffo: SimulatedWaffo, catalog: Path, account: Account, tmp_path: Path) -> Doctor:
    def call(*arguments: str, **changes: Any) -> Ran:
        profile = replace(waffo.profile, catalog_path=str(catalog), **changes.pop("profile", {}))
        fields = {"profile": profile, "aws": account, "now": lambda: NOW, **changes}
        return run(world, "doctor", *arguments, "--json", folder=tmp_path, **fields)

    return call


def faults(ran: Ran) -> dict[str, tuple[str, str]]:
    """Return the text and the fix of each fault, by check."""
    return {each["check"]: (each["text"], each["fix"]) for each in ran.json["findings"] if each["status"] == "fault"}


def test_issue_14_9_a_stack_that_is_well_has_no_fault_and_nothing_open(
    doctor: Doctor, world: FakeWorld, waffo: SimulatedWaffo
) -> None:
    # Given
    well(world)
    change_plans(waffo)
    # When
    ran = doctor("--launch", "--page")
    # Then
    assert ran.status == 0, ran.out
    assert (faults(ran), ran.json["counts"]["open"], ran.json["counts"]["warning"]) == ({}, 0, 0), ran.out
    assert ran.json["prices"]["plans"][0]["name"] == "Pro"
    # What was not looked at is told: the local stack's alarms, and production.
    assert {each["check"] for each in ran.json["findings"] if each["status"] == "not_checked"} == {
        "alarms",
        "published",
    }


def test_issue_14_9_a_new_store_has_open_steps_which_are_faults_at_launch_only(
    doctor: Doctor, world: FakeWorld
) -> None:
    # Given nothing sold yet
    nothing: dict[str, Any] = {"GET /v1/reports/usage": {"months": []}, "GET /v1/reports/revenue": {"months": []}}
    well(world, answers=nothing, deliveries=(NONE,))
    # When
    calm, launch = doctor(), doctor("--launch")
    # Then
    assert (calm.status, launch.status) == (0, 1)
    open_steps = {each["check"] for each in calm.json["findings"] if each["status"] == "open"}
    assert open_steps == {"webhooks_arrive", "usage_arrives", "plan_changes", "overage_paid"}
    assert all(each["fix"] for each in calm.json["findings"] if each["status"] == "open")


def test_issue_14_9_nothing_else_is_looked_at_when_the_key_is_refused(doctor: Doctor, world: FakeWorld) -> None:
    world.refuse("GET /v1/key", 403, "forbidden")
    ran = doctor()
    assert ran.status == 1
    assert list(faults(ran)) == ["key"]
    assert len(ran.json["findings"]) == 1


@pytest.mark.parametrize(
    ("check", "named", "fix", "seed"),
    [
        ("webhook", "no webhook is registered", "pancake-meter connect", lambda it: it.waffo.state.webhooks.clear()),
        (
            "webhook",
            "not registered for",
            "pancake-meter connect",
            lambda it: setattr(next(iter(it.waffo.state.webhooks.values())), "events", ("order.completed",)),
        ),
        (
            "products",
            "price in USD is 29.00 in the catalog and 35.00 at Waffo",
            "catalog",
            lambda it: it.change(PRO, prices={"USD": Decimal(35), "JPY": Decimal(4500)}),
        ),
        (
            "products",
            "billing period is monthly in the catalog and yearly at Waffo",
            "catalog",
            lambda it: it.change(PRO, billing_period="yearly"),
        ),
        (
            "products",
            "Waffo has no product",
            "catalog",
            lambda it: it.waffo.state.products.pop(SCALE),
        ),
        ("products", "metadata.plan is pro", "catalog", lambda it: it.change(PRO, metadata={"plan": "scale"})),
        ("products", "status is active", "catalog", lambda it: it.change(USAGE, status="inactive")),
        (
            "queues",
            "3 messages wait in UsageFailedQueue",
            "redrive start",
            lambda it: it.account.messages.update(UsageFailedQueue=3),
        ),
        ("schedules", "SweepSchedule does not run", "enable it", lambda it: setattr(it.account, "state", "DISABLED")),
        ("secrets", "WaffoPrivateKeySecretArn is deleted", "restore", lambda it: setattr(it.account, "deleted", True)),
        ("undecided", "1 webhooks are parked: customer_unknown", "deliveries replay", lambda it: it.park()),
        ("enforcement", "may use without end", "overage", lambda it: it.open_gate()),
        ("clock", "s ahead of the stack's", "NTP", lambda it: it.turn_clock()),
        ("catalog", "unknown_key", "docs/catalog.md", lambda it: it.write("unknown_key = 1\n" + CATALOG)),
        ("products", "the plan 'Team' has no product", "add [[products]]", lambda it: it.write(CATALOG + TEAM)),
    ],
)
def test_issue_14_9_each_seeded_fault_is_named_with_its_fix(
    doctor: Doctor,
    world: FakeWorld,
    waffo: SimulatedWaffo,
    account: Account,
    catalog: Path,
    check: str,
    named: str,
    fix: str,
    seed: Callable[["Seeding"], Any],
) -> None:
    # Given
    seeding = Seeding(world, waffo.simulator, account, catalog)
    seed(seeding)
    well(world, **seeding.changed)
    # When
    ran = doctor()
    # Then
    assert ran.status == 1
    found = faults(ran)
    assert list(found) == [check], ran.out
    text, stated = found[check]
    assert named in text
    assert fix in stated


TEAM = '[plans.team]\nname = "Team"\nrank = 15\nallowances.tokens = { quantity = 5 }\n'


class Seeding:
    """What a seeded fault changes."""

    def __init__(self, world: FakeWorld, waffo: Any, account: Account, catalog: Path) -> None:
        self.world, self.waffo, self.account, self.catalog = world, waffo, account, catalog
        self.changed: dict[str, Any] = {}

    def change(self, product_id: str, **fields: Any) -> None:
        self.waffo.state.products[product_id] = replace(self.waffo.state.products[product_id], **fields)

    def park(self) -> None:
        parked = {**DELIVERY, "verdict": "parked", "reason": "customer_unknown"}
        self.changed["deliveries"] = (
            {"deliveries": [parked], "next_cursor": None},
            {"deliveries": [parked], "next_cursor": None},
            NONE,
        )

    def open_gate(self) -> None:
        self.world.answer(f"GET {CUSTOMER}/quota/{{meter}}", {"meter": "tokens"})

    def turn_clock(self) -> None:
        self.world.date = datetime.now(UTC) - timedelta(minutes=6)

    def write(self, text: str) -> None:
        self.catalog.write_text(text)


def test_issue_14_9_alarms_without_a_receiver_and_alarms_that_ring_are_faults_in_aws(
    doctor: Doctor, world: FakeWorld, account: Account
) -> None:
    # Given a stack in AWS: its API is not on this machine
    from pancake_meter_cli.cli import Cli  # noqa: PLC0415
    from pancake_meter_cli.doctoring import account as checks  # noqa: PLC0415
    from pancake_meter_cli.doctoring.findings import Patient, examine  # noqa: PLC0415

    profile = Profile("prod", api_url="https://api.example.com", api_key="pm_live_x", stack_name="pancake-meter")
    patient = Patient(Cli(given=profile, aws=account))

    def texts() -> list[tuple[str, str]]:
        return [(each.status, each.text) for _, each in examine("alarms", checks.alarms, patient)]

    # Then
    assert texts() == [("ok", "alarms reach 1 receivers")]
    account.subscription = "PendingConfirmation"
    assert texts()[0][0] == "fault"
    account.actions = []
    assert texts() == [("fault", "no alarm has a receiver")]
    account.alarm_state = "ALARM"
    assert texts()[0] == ("fault", "rings now: webhook-errors")


@pytest.mark.parametrize("failure", [usage("boto3 is not installed"), unreachable("aws_unreachable", "no credentials")])
def test_issue_14_9_what_only_aws_shows_is_not_checked_where_aws_cannot_be_asked(
    doctor: Doctor, world: FakeWorld, failure: Exception
) -> None:
    # Given
    def nothing(_service: str, _profile: Profile) -> Any:
        raise failure

    well(world)
    # When
    ran = doctor("--only", "aws", aws=nothing)
    # Then
    assert ran.status == 0
    assert {each["status"] for each in ran.json["findings"]} == {"not_checked"}


def test_issue_14_9_fix_mends_what_is_safe_and_looks_again(
    doctor: Doctor, world: FakeWorld, waffo: SimulatedWaffo
) -> None:
    # Given no webhook, and a parked delivery whose cause is mended
    waffo.simulator.state.webhooks.clear()
    parked = {"deliveries": [{**DELIVERY, "verdict": "parked", "reason": "x"}], "next_cursor": None}
    newest = {"deliveries": [DELIVERY], "next_cursor": None}
    # Looked at; replayed; looked at again.
    well(world, deliveries=(newest, parked, NONE, parked, newest, NONE, NONE, newest))
    world.answer("POST /v1/deliveries/{delivery_id}/replay", {"verdict": "applied"})
    # When
    ran = doctor("--fix", "--only", "stack")
    # Then
    assert ran.status == 0, ran.out
    assert [each.partition(":")[0] for each in ran.json["mended"]] == ["webhook", "undecided"]
    assert len(waffo.simulator.state.webhooks) == 1


def test_issue_14_9_the_ids_of_the_example_are_a_fault_where_waffo_is_the_real_one(
    doctor: Doctor, world: FakeWorld, catalog: Path
) -> None:
    # Given
    catalog.write_text(CATALOG.replace(PRO, "PROD_2tProMonthly0000000001", 1))
    well(world)
    # When
    local = doctor("--only", "catalog")
    real = doctor("--only", "catalog", profile={"waffo_url": "https://api.waffo.ai"})
    # Then
    assert (local.status, real.status) == (0, 1)
    assert "ids of the example" in faults(real)["catalog"][0]


def test_issue_14_9_a_persons_page_names_faults_and_fixes(
    world: FakeWorld, waffo: SimulatedWaffo, catalog: Path, account: Account, tmp_path: Path
) -> None:
    # Given
    waffo.simulator.state.webhooks.clear()
    well(world)
    profile = replace(waffo.profile, catalog_path=str(catalog))
    # When
    ran = run(world, "doctor", folder=tmp_path, profile=profile, aws=account)
    # Then
    assert "✗" in ran.out
    assert "→ pancake-meter connect" in ran.out
    assert "1 fault" in ran.out
    assert json.dumps("pm_test")[1:-1] not in ran.out
