"""From an empty store to the first subscription sold, and faults that ``doctor`` names: by the command alone. Issue 14."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import boto3
import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from local.seed import PRIVATE_KEY_SECRET, private_key_in
from local.stack import DUMMY_CREDENTIAL, REGION
from pancake_meter.waffo.keys import load_private_key
from pancake_meter_cli.profiles import Profile
from pancake_meter_cli.waffo import EVENT_TYPES, Waffo, waffo_of
from tests.e2e.conftest import ROOT, started_stack
from tests.support.cli_here import run_here
from tests.support.ports import free_port
from tests.support.waffo_simulator import MERCHANT_ID, STORE_ID

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

GIVEN = "PANCAKE_METER_EMPTY_STORE"
"""Names a running stack by its ready line: one beside ``local.waffo_simulator --empty --seed 7``, whose catalog was pushed
to it. WAFFO_PRIVATE_KEY is then the merchant's key."""

CATALOG = ROOT / "layers" / "catalog" / "catalog.toml"
PROBE = "pancake-meter-doctor"
ELSEWHERE = "https://old.example.com/webhooks/waffo"
MORE_THAN_ENOUGH = "999999999999999"
Json = dict[str, Any]


@dataclass(frozen=True)
class Ran:
    """What one run of the command came to."""

    status: int
    answer: Json

    def found(self, *statuses: str) -> dict[str, list[tuple[str, str]]]:
        """The texts and fixes that ``doctor`` found with these statuses, by check."""
        rows: dict[str, list[tuple[str, str]]] = {}
        for each in self.answer["findings"]:
            if each["status"] in statuses:
                rows.setdefault(each["check"], []).append((each["text"], each["fix"]))
        return rows


@dataclass(frozen=True)
class Launch:
    """A stack beside a store that was empty, and the command logged in to it."""

    ready: Json
    catalog: Path
    private_key: str
    folder: Path
    waffo: Waffo
    """Waffo's API, signed as the merchant."""
    aws: Callable[[str], Any]
    """A client of the emulator's, for a service."""
    first_doctor: Ran
    """What ``doctor --launch`` found before anything was connected or sold."""

    def command(self, *arguments: str, ahead: timedelta | None = None) -> Ran:
        """Run the command, on a clock that is so far ``ahead``."""
        return command(self.folder, self.private_key, *arguments, ahead=ahead)

    def must(self, *arguments: str) -> Json:
        """Run the command, which must do what it is told; return its answer."""
        ran = self.command(*arguments)
        assert ran.status == 0, (arguments, ran)
        return ran.answer

    def simulate(self, path: str, **body: Any) -> Json:
        """Ask something of the simulator: what a buyer does, or a fault of Waffo's."""
        answer: Json = (
            httpx.post(f"{self.ready['waffo_url']}/_sim/{path}", json=body, timeout=60).raise_for_status().json()
        )
        return answer

    def with_catalog(self, text: str) -> str:
        """Make a profile whose catalog has this text; return its name."""
        # A name of its own: this process keeps what it has read of a file.
        file = self.folder / f"{uuid4().hex}.toml"
        file.write_text(text)
        self.must("login", "--profile", "other", "--ready", json.dumps({**self.ready, "catalog_path": str(file)}))
        self.must("use", "default")
        return "other"

    def product(self, name: str) -> Json:
        """One product of the catalog, as ``catalog show`` has it."""
        return next(each for each in self.must("catalog", "show")["products"] if each["name"] == name)


def command(
    folder: Path,
    private_key: str,
    *arguments: str,
    ahead: timedelta | None = None,
    variables: Mapping[str, str] | None = None,
) -> Ran:
    """Run ``pancake-meter`` as somebody whose settings are in ``folder``."""
    environ = {"WAFFO_PRIVATE_KEY": private_key, **(variables or {})}
    done = run_here(*arguments, folder=folder, environ=environ, ahead=ahead)
    return Ran(done.status, done.answer)


@pytest.fixture(scope="module")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    """An empty store, then ``catalog push``, and only then a stack: nothing is connected and nothing sold."""
    folder = tmp_path_factory.mktemp("launch")
    catalog = folder / "catalog.toml"
    catalog.write_text(CATALOG.read_text())
    with empty_store(folder) as (waffo_url, private_key):
        seller = {
            "WAFFO_API_URL": waffo_url,
            "WAFFO_STORE_ID": STORE_ID,
            "WAFFO_MERCHANT_ID": MERCHANT_ID,
            "WAFFO_ENVIRONMENT": "test",
            "CATALOG_PATH": str(catalog),
        }
        missing = command(folder, private_key, "catalog", "diff", variables=seller)
        assert (missing.status, len(missing.answer["differences"])) == (1, 7), "six products and their group"
        pushed = command(folder, private_key, "catalog", "push", "--publish", variables=seller)
        assert {step["do"] for step in pushed.answer["steps"]} == {"create"}, pushed
        assert command(folder, private_key, "catalog", "diff", variables=seller).answer["differences"] == []
        with running_stack(folder, private_key, seller) as ready:
            logged_in = command(
                folder, private_key, "login", "--ready", json.dumps({**ready, "catalog_path": str(catalog)})
            )
            assert logged_in.status == 0, logged_in
            first = command(folder, private_key, "doctor", "--launch")
            names = ("api_url", "waffo_url", "waffo_store_id", "waffo_merchant_id")
            profile = Profile("waffo", **{name: ready[name] for name in names})
            waffo = waffo_of(profile, {"WAFFO_PRIVATE_KEY": private_key}, None)
            with closing(waffo._http), ExitStack() as clients:

                def aws(service: str) -> Any:
                    session = boto3.session.Session(DUMMY_CREDENTIAL, DUMMY_CREDENTIAL, region_name=REGION)
                    made = session.client(service, endpoint_url=ready["aws_endpoint_url"])  # type: ignore[call-overload]
                    return clients.enter_context(closing(made))

                yield Launch(ready, catalog, private_key, folder, waffo, aws, first)


@contextmanager
def empty_store(folder: Path) -> Iterator[tuple[str, str]]:
    """Start a simulator that sells nothing; yield its URL and the merchant's private key."""
    given = os.environ.get(GIVEN)
    if given:
        waffo_url = json.loads(given)["waffo_url"]
        httpx.post(f"{waffo_url}/_sim/reset", timeout=60).raise_for_status()
        yield waffo_url, os.environ["WAFFO_PRIVATE_KEY"]
        return
    private_key = private_key_in(folder / "merchant.pem")
    public_key = folder / "merchant-public.pem"
    made = load_private_key(private_key, "the merchant's").public_key()
    public_key.write_bytes(made.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    url = f"http://127.0.0.1:{(port := free_port())}"
    arguments = (
        "--empty",
        "--port",
        str(port),
        "--base-url",
        url,
        "--store-id",
        STORE_ID,
        "--merchant-id",
        MERCHANT_ID,
    )
    line = [sys.executable, "-m", "local.waffo_simulator", *arguments, "--merchant-public-key", str(public_key)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "layers" / "shared")))}
    with subprocess.Popen(line, cwd=ROOT, env=environment) as process:
        try:
            with httpx.Client(transport=httpx.HTTPTransport(retries=10), timeout=60) as http:
                http.get(f"{url}/_sim/state").raise_for_status()
            yield url, private_key
        finally:
            process.terminate()


@contextmanager
def running_stack(folder: Path, private_key: str, seller: dict[str, str]) -> Iterator[Json]:
    """Deploy the catalog that was pushed; yield the stack's ready line."""
    given = os.environ.get(GIVEN)
    if given:
        yield json.loads(given)
        return
    public_key = httpx.get(f"{seller['WAFFO_API_URL']}/_sim/public-key", timeout=60).json()["public_key"]
    variables = {**seller, "WAFFO_PRIVATE_KEY": private_key, "WAFFO_WEBHOOK_TEST_PUBLIC_KEY": public_key}
    with started_stack(folder / "stack", **variables) as stack:
        yield stack.ready


def test_issue_14_9_before_the_launch_every_step_that_is_open_is_named_with_what_to_do(launch: Launch) -> None:
    first = launch.first_doctor
    assert first.status == 1
    assert list(first.found("fault")) == ["webhook"]
    assert set(first.found("open")) == {"webhooks_arrive", "usage_arrives", "plan_changes", "overage_paid"}
    named = {text for texts in first.found("open").values() for text, _ in texts}
    assert {
        "no usage has been seen yet",
        "no upgrade has gone through yet",
        "no downgrade has gone through yet",
    } <= named
    assert all(fix for texts in first.found("fault", "open", "warning").values() for _, fix in texts)


def test_issue_14_from_an_empty_store_to_the_first_subscription_sold_and_all_green(launch: Launch) -> None:
    # Given a catalog that was pushed, and a stack with it: see the fixture
    assert launch.must("connect")["done"] == "registered"
    assert launch.must("connect")["done"] == "nothing"

    # The first subscription: the customer follows the link, and pays.
    first = f"first-{uuid4().hex[:12]}"
    checkout = launch.must("checkouts", "create", first, "--plan", "starter")
    link = urlsplit(checkout["url"])
    token = link.fragment.removeprefix("token=")
    launch.simulate(f"checkout/{link.path.rpartition('/')[2]}/pay", token=token)
    launch.simulate("flush")
    bought = launch.must("customers", "show", first)
    assert [(order["plan"], order["state"]) for order in bought["orders"]] == [("starter", "active")]
    assert launch.must("doctor")["counts"]["fault"] == 0

    # The seller's backend counts; a customer changes plan up, another one down; a third buys a pack.
    headers = {"Authorization": f"Bearer {launch.ready['api_key']}"}
    event = {"id": f"{first}-1", "customer_id": first, "meter": "tokens", "quantity": 10}
    used = httpx.post(f"{launch.ready['api_url']}/v1/usage", json={"events": [event]}, headers=headers, timeout=60)
    assert used.is_success, used.text
    launch.must("trigger", "subscription.plan_changed", "--customer", "up", "--product", "Starter")
    launch.must("trigger", "subscription.plan_changed", "--customer", "down", "--product", "Scale")
    launch.must("trigger", "order.completed", "--customer", "pack", "--product", "Pro")

    # Then the checklist has no fault, no warning, and no open step.
    green = launch.command("doctor", "--launch", "--page")
    assert green.status == 0, green
    assert green.found("fault", "warning", "open") == {}
    assert set(green.found("not_checked")) == {"published", "alarms"}, "they are of production, and of AWS"
    assert len(green.answer["prices"]["plans"]) == 4


@dataclass(frozen=True)
class Fault:
    """A fault that is seeded: by what, where and how ``doctor`` names it, and how it is undone."""

    check: str
    named: str
    fix: str
    seed: Callable[[Launch], str | None]
    """Do it; return the profile to look with, where it is not the usual one."""
    undo: Callable[[Launch], object] = lambda launch: None
    is_open: bool = False
    ahead: timedelta | None = None


def _change(**fields: Any) -> Callable[[Launch], None]:
    def seed(launch: Launch) -> None:
        product_id = launch.product("Starter")["product_ids"]["test"]
        launch.waffo.act("subscription-product/update-product", {"id": product_id, **fields})

    return seed


def _push(launch: Launch) -> None:
    launch.must("catalog", "push", "--yes")


def _no_webhook(launch: Launch) -> None:
    for webhook in launch.waffo.webhooks():
        launch.waffo.act("store/remove-webhook", {"id": webhook["id"]})


def _webhook_elsewhere(launch: Launch) -> None:
    _no_webhook(launch)
    body = {"storeId": STORE_ID, "channel": "http", "url": ELSEWHERE, "events": list(EVENT_TYPES), "testMode": True}
    launch.waffo.act("store/add-webhook", body)


def _webhook_deaf(launch: Launch) -> None:
    [webhook] = launch.waffo.webhooks()
    launch.waffo.act("store/update-webhook", {"id": webhook["id"], "events": ["order.completed"]})


def _connect(launch: Launch) -> None:
    _no_webhook(launch)
    launch.must("connect")


def _other_mode(launch: Launch) -> str:
    launch.must("login", "--profile", "prod", "--ready", json.dumps({**launch.ready, "waffo_environment": "prod"}))
    launch.must("use", "default")
    return "prod"


def _switch(state: str) -> Callable[[Launch], None]:
    def switch(launch: Launch) -> None:
        scheduler = launch.aws("scheduler")
        name = next(each["Name"] for each in scheduler.list_schedules()["Schedules"] if "econcil" in each["Name"])
        kept = scheduler.get_schedule(Name=name)
        wanted = {key: kept[key] for key in ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")}
        scheduler.update_schedule(**wanted, State=state)

    return switch


def _open_gate(launch: Launch) -> None:
    launch.must("grants", "add", PROBE, "tokens", MORE_THAN_ENOUGH, "--reason", "a mistake", "--id", "too-much")


def _park(launch: Launch) -> None:
    # Bought without an identity of the seller's: nobody can say whose it is.
    launch.simulate("subscriptions", product="Starter")
    launch.simulate("flush")


def _decide(launch: Launch) -> None:
    # Reconciliation asks of the live order too, and parks what it is told.
    launch.must("reconcile")
    for verdict in ("parked", "failed"):
        for each in launch.must("deliveries", "list", "--verdict", verdict)["deliveries"]:
            launch.must("deliveries", "dismiss", each["delivery_id"], "--reason", "a test")


def _lose(launch: Launch) -> None:
    launch.simulate("faults", drop=1)
    launch.simulate("subscriptions", product="Starter", buyer_identity="lost")
    launch.simulate("flush")
    launch.simulate("faults")


FAULTS = {
    "a product is missing at Waffo": Fault(
        "products",
        "Starter: Waffo has no product PROD_",
        "catalog push",
        lambda it: it.with_catalog(
            it.catalog.read_text().replace(it.product("Starter")["product_ids"]["test"], "PROD_AAAAAAAAAAAAAAAAAAAAAA")
        ),
    ),
    "a price differs": Fault(
        "products",
        "Starter: price in USD is 9.00 in the catalog and 7.00 at Waffo",
        "catalog push",
        _change(
            prices={"USD": {"amount": "7.00", "taxCategory": "saas"}, "JPY": {"amount": "1400", "taxCategory": "saas"}}
        ),
        _push,
    ),
    "a billing period differs": Fault(
        "products",
        "Starter: billing period is monthly in the catalog and yearly at Waffo",
        "catalog push",
        _change(billingPeriod="yearly"),
        _push,
    ),
    "the catalog has the ids of the example": Fault(
        "products",
        "Waffo has no product PROD_1tStarterMonthly",
        "catalog push",
        lambda it: it.with_catalog(CATALOG.read_text()),
    ),
    "no webhook is registered": Fault(
        "webhook", "no webhook is registered", "pancake-meter connect", _no_webhook, _connect
    ),
    "the webhook leads elsewhere": Fault(
        "webhook", f"Waffo sends to {ELSEWHERE}", "pancake-meter connect", _webhook_elsewhere, _connect
    ),
    "the webhook lacks events": Fault(
        "webhook", "not registered for subscription.activated", "pancake-meter connect", _webhook_deaf, _connect
    ),
    "the key is of another mode": Fault("key", "of a test stack, the profile says prod", "log in", _other_mode),
    "the clock is off": Fault("clock", "s ahead of the stack's", "NTP", lambda it: None, ahead=timedelta(minutes=6)),
    "whoever bought nothing is let in": Fault(
        "enforcement",
        "a customer who bought nothing may use without end",
        "overage",
        _open_gate,
        lambda it: it.must("grants", "void", PROBE, "too-much"),
    ),
    "production has no products": Fault(
        "published",
        "products without an id for production: Starter",
        "catalog push --publish",
        lambda it: it.with_catalog(
            it.catalog.read_text().replace(f', prod = "{it.product("Starter")["product_ids"]["test"]}"', "")
        ),
        is_open=True,
    ),
    "a secret is gone": Fault(
        "secrets",
        "is deleted",
        "restore-secret",
        lambda it: it.aws("secretsmanager").delete_secret(SecretId=PRIVATE_KEY_SECRET, RecoveryWindowInDays=7) and None,
        lambda it: it.aws("secretsmanager").restore_secret(SecretId=PRIVATE_KEY_SECRET),
    ),
    "a schedule is disabled": Fault("schedules", "does not run", "enable it", _switch("DISABLED"), _switch("ENABLED")),
    "a webhook is parked": Fault("undecided", "webhooks are parked", "deliveries replay --parked", _park, _decide),
    "a webhook was lost": Fault(
        "lost_webhooks", "did not arrive", "pancake-meter reconcile", _lose, lambda it: it.must("doctor", "--fix")
    ),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_issue_14_9_each_seeded_fault_is_named_with_its_fix(launch: Launch, fault: Fault) -> None:
    # Given
    launch.must("connect")
    profile = fault.seed(launch) or "default"
    try:
        # When
        ran = launch.command("doctor", "--launch", "--profile", profile, ahead=fault.ahead)
    finally:
        fault.undo(launch)
    # Then
    found = ran.found("open" if fault.is_open else "fault")
    assert ran.status == 1
    assert fault.check in found, ran
    assert any(fault.named in text and fault.fix in fix for text, fix in found[fault.check]), found
    assert all(fix for texts in ran.found("fault", "open", "warning").values() for _, fix in texts), "each has a fix"
    others = set(ran.found("fault")) - {fault.check}
    assert others == set(), ran.found("fault")


@pytest.mark.parametrize("seed", [_no_webhook, _webhook_elsewhere, _webhook_deaf, _lose])
def test_issue_14_9_fix_mends_what_is_safe(launch: Launch, seed: Callable[[Launch], None]) -> None:
    # Given
    launch.must("connect")
    seed(launch)
    # When
    ran = launch.command("doctor", "--fix")
    # Then
    assert ran.status == 0, ran
    assert len(ran.answer["mended"]) == 1
    _connect(launch)
