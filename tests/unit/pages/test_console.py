"""The console's own rules: whose words are there, which routes it names, where it leads (issue 16, point 3)."""

import ast
import re
from collections.abc import Iterable, Iterator
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.domain.access.api_key import Status
from pancake_meter.domain.access.role import ROLES
from pancake_meter.domain.alerts.alert import ALERT_TYPES
from pancake_meter.domain.alerts.endpoint import DisabledBecause
from pancake_meter.domain.alerts.sending import Reason, SendingStatus
from pancake_meter.domain.balance.grant import GrantKind
from pancake_meter.domain.balance.ledger import MovementKind, OwnCause
from pancake_meter.domain.selling.checkout import CheckoutKind, CheckoutStatus, Flag
from pancake_meter.domain.selling.payment import FITS_NOTHING, PAYMENT_STATUSES, SoldKind
from pancake_meter.domain.selling.plan import Cadence
from pancake_meter.domain.selling.refund_request import RefundState
from pancake_meter.domain.selling.resolution import ResolvedAs
from pancake_meter.domain.standing.directory import CUSTOMER_STATUSES
from pancake_meter.domain.standing.lifecycle import BillingPeriod, ToldBy
from pancake_meter.http.access.routes import ROUTE_OF_KEY
from pancake_meter.store.webhooks.deliveries import Verdict
from pancake_meter.usecases.reports.launch_checklist import State, Step
from pancake_meter.usecases.reports.show_customer import CustomerFlag, OrderState
from pancake_meter.usecases.webhooks.payment import CHARGED_CARD_CHECK, FREE_OF_CHARGE, PURCHASE_UNKNOWN
from pancake_meter.waffo.events import EventKind
from pancake_pages.console.desk import address, own_path
from pancake_pages.console.shown import NOTHING, Shown
from pancake_pages.language import Language
from pancake_pages.site import TEMPLATES
from pancake_pages.wording import wording_of
from tools.cfn_template import ROOT

SHARED = ROOT / "layers" / "shared" / "pancake_meter"
FUNCTION = ROOT / "functions" / "operator_console"
VALUES: dict[str, Iterable[str]] = {
    "alert_type": ALERT_TYPES,
    "billing": get_args(BillingPeriod),
    "cadence": get_args(Cadence),
    "cause": (*get_args(OwnCause), *EventKind),
    "checkout": (*get_args(CheckoutKind), "plan"),
    "checkout_status": get_args(CheckoutStatus),
    "customer_flag": get_args(CustomerFlag),
    "customer_status": CUSTOMER_STATUSES,
    "disabled_because": get_args(DisabledBecause),
    "finding": get_args(State),
    "flag": (*get_args(Flag), FITS_NOTHING, CHARGED_CARD_CHECK, FREE_OF_CHARGE, PURCHASE_UNKNOWN),
    "grant": get_args(GrantKind),
    "key_status": get_args(Status),
    "launch.step": get_args(Step),
    "movement": get_args(MovementKind),
    "payment_status": PAYMENT_STATUSES,
    "refund": get_args(RefundState),
    "resolution": get_args(ResolvedAs),
    "role": ROLES,
    "sending": get_args(SendingStatus),
    "sending_reason": get_args(Reason),
    "sold": get_args(SoldKind),
    "state": get_args(OrderState),
    "told_by": get_args(ToldBy),
    "verdict": get_args(Verdict),
}


@pytest.mark.parametrize("language", ["en", "zh-Hans"])
@pytest.mark.parametrize("kind", VALUES)
def test_each_value_of_the_api_that_a_page_shows_has_a_word(kind: str, language: str) -> None:
    words = wording_of(language)
    lacking = [
        value for value in VALUES[kind] if not words.has(f"console.{kind}.{value.replace('.', '_').replace(':', '_')}")
    ]
    assert lacking == []


def reasons() -> Iterator[str]:
    """Yield each code that a delivery may have as its reason: what the judging of events names in its verdicts."""
    for path in (SHARED / "usecases" / "webhooks").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name(id="Effects" | "Parked" | "Ignored" | "Unread"), args=args):
                    yield from codes_in(*args)
                case (
                    ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant() as value)
                    | ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant() as value)
                ) if name.isupper() and name != "CAUSE":
                    yield from codes_in(value)
                case ast.FunctionDef(name="_why_nothing_moved" | "_unfit", body=body):
                    yield from codes_in(
                        *(each.value for each in ast.walk(ast.Module(body, [])) if isinstance(each, ast.Return))
                    )


def codes_in(*nodes: ast.AST | None) -> Iterator[str]:
    for each in (inner for node in nodes if node is not None for inner in ast.walk(node)):
        if (
            isinstance(each, ast.Constant)
            and isinstance(each.value, str)
            and re.fullmatch("[a-z]+(_[a-z]+)+", each.value)
        ):
            yield each.value


@pytest.mark.parametrize("language", ["en", "zh-Hans"])
def test_each_reason_of_a_delivery_has_a_word(language: str) -> None:
    known = {*reasons(), *get_args(Flag)}
    assert {"amount_unknown", "out_of_date", "wrong_mode", "refund_of_no_period", "too_many_refunds"} <= known
    assert [each for each in sorted(known) if not wording_of(language).has(f"console.delivery_reason.{each}")] == []


def test_every_page_and_action_names_a_route_of_the_api_that_opens_it() -> None:
    """So a key may do at the console what it may do by the API, and nothing else: only the sign-in asks for no role."""
    asks = re.compile(r'router\.(?:desk\(\s*|action\(\s*f?"[^"]*",\s*)(?:"([^"]*)")?')
    for path in FUNCTION.glob("console_*_routes.py"):
        source = path.read_text()
        routes = source.count("\n@router.")
        named = [found.group(1) for found in asks.finditer(source)]
        assert len(named) >= routes or path.stem == "console_sign_in_routes", path.stem
        assert set(filter(None, named)) <= set(ROUTE_OF_KEY), path.stem


def test_what_a_form_does_is_registered_in_the_one_way_that_does_it_once() -> None:
    for path in FUNCTION.glob("console_*_routes.py"):
        assert "router.post(" not in path.read_text() or path.stem == "console_sign_in_routes", path.stem
    for template in (TEMPLATES / "console").glob("*.html"):
        for name in re.findall(r'may\("([^"]+)"\)', template.read_text()):
            assert name in ROUTE_OF_KEY, template.name


def test_every_form_of_the_console_carries_the_session_s_token() -> None:
    for template in (TEMPLATES / "console").glob("*.html"):
        if template.name == "sign_in.html":
            continue
        for form in re.findall(r'<form[^>]*method="post".*?</form>', template.read_text(), re.DOTALL):
            assert re.search(r"\{\{ (ui\.)?(hidden|token)\(\) \}\}", form), template.name


@pytest.mark.parametrize(
    ("stated", "path"),
    [
        (None, "/console"),
        ("/console/keys?cursor=x", "/console/keys?cursor=x"),
        ("/console", "/console"),
        ("/console/sign-in", "/console"),
        ("/consoles", "/console"),
        ("/console/../v1", "/console"),
        ("//evil.example/console", "/console"),
        ("///console/steal", "/console"),
        ("/console/%2E%2e/v1", "/console"),
        ("/console/customers/a..b", "/console/customers/a..b"),
        ("https://evil.example/console", "/console"),
        ("/console/\r\nx: y", "/console"),
        ("javascript:alert(1)", "/console"),
    ],
)
def test_a_sign_in_leads_to_pages_of_the_console_alone(stated: str | None, path: str) -> None:
    assert own_path(stated) == path


def where_a_browser_goes(stated: str) -> str | None:
    """The path on our host that a browser asks for, as the URL standard has it; ``None`` of another host."""
    text = re.sub(r"[\t\r\n]", "", stated.strip(" ")).replace("\\", "/")
    if text.startswith("//") or re.match("[a-z][a-z0-9+.-]*:", text, re.IGNORECASE):
        return None
    kept: list[str] = []
    for segment in re.split("[?#]", text, maxsplit=1)[0].split("/")[1:]:
        plain = segment.lower().replace("%2e", ".")
        if plain == "..":
            del kept[-1:]
        elif plain != ".":
            kept.append(segment)
    return "/" + "/".join(kept)


PIECES = [
    "/",
    "//",
    "\\",
    "console",
    "/console",
    "sign-in",
    "..",
    ".",
    "%2e",
    "%2E",
    "?",
    "#",
    "@",
    ":",
    "https:",
    "\t",
    " ",
    "x",
]


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_no_way_of_writing_an_address_leads_out_of_the_console(stated: str) -> None:
    path = where_a_browser_goes(own_path(stated))
    assert path is not None
    assert path == "/console" or path.startswith("/console/")


@pytest.mark.parametrize(
    ("customer_id", "path"),
    [
        ("acct_1001", "/console/customers/acct_1001"),
        ("ada@example.com", "/console/customers/ada%40example.com"),
        ("a b", "/console/customers/a%20b"),
        ("50%", "/console/customers/~b64.NTAl"),
        ("who?", "/console/customers/~b64.d2hvPw"),
    ],
)
def test_any_customer_s_page_has_an_address_that_arrives_whole(customer_id: str, path: str) -> None:
    assert address("customers", customer_id) == path


def test_values_are_written_in_the_language_of_the_page() -> None:
    english, chinese = Shown(Language("en")), Shown(Language("zh-Hans"))
    assert english.when("2026-03-10T12:30:00.000Z") == "Mar 10, 2026, 12:30 UTC"
    assert chinese.when("2026-03-10T12:30:00.000Z") == "2026年3月10日 12:30 UTC"
    assert (english.amount("1234.50", "USD"), english.amount("4500", "JPY")) == ("$1,234.50", "¥4,500")
    assert english.amount("0.00012", "USD") == "$0.00012"
    assert english.when(None) == english.amount(None, None) == english.said("state", None) == NOTHING
    assert english.said("state", "past_due") == "past due"
    assert english.said("cause", "something.new") == "something.new"
    assert english.cause("reconciliation:subscription.renewed") == "subscription renewed (found by reconciliation)"
    assert english.cause("late_usage") == "late usage"
