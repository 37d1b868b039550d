"""Pages that describe the layout are in step with it."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import pancake_meter
from pancake_meter.catalog import model
from pancake_meter.catalog.loading import CATALOG_BYTES_MAX
from pancake_meter.domain.access import api_key, customer_token
from pancake_meter.domain.alerts import endpoint
from pancake_meter.domain.balance import gift, hold
from pancake_meter.domain.balance.closed_period import TOLD_AFTER_MAX
from pancake_meter.domain.balance.grant import MAX_GRANTS, SPENT_LOTS_KEPT
from pancake_meter.domain.customer import CUSTOMER_ID_LENGTH_MAX
from pancake_meter.domain.errors import DomainError
from pancake_meter.domain.quantity import MAX_QUANTITY
from pancake_meter.domain.selling import overage
from pancake_meter.domain.selling.payment import MAX_REFUNDS
from pancake_meter.domain.selling.pricing import MAX_TIERS
from pancake_meter.domain.selling.refund_request import MAX_REQUESTS
from pancake_meter.domain.standing import order
from pancake_meter.domain.standing.subscription import MAX_ORDERS, ORDERS_NOT_SOLD
from pancake_meter.domain.usage import made_of, usage_event
from pancake_meter.http import fields, request
from pancake_meter.http import json as http_json
from pancake_meter.http.balance.quota import _DETAIL
from pancake_meter.http.balance.readback import PERIODS_MAX
from pancake_meter.http.problem import problem_of_domain
from pancake_meter.http.reports.live import LIVE_DAYS_MAX
from pancake_meter.http.reports.reports import MONTHS_MAX
from pancake_meter.http.selling.checkouts import CHECKOUTS_PAGE_MAX
from pancake_meter.http.selling.payments import PAYMENTS_PAGE_MAX
from pancake_meter.http.standing.customers import CUSTOMERS_PAGE_MAX
from pancake_meter.http.usage import batch, intake
from pancake_meter.http.webhooks.deliveries import DELIVERIES_PAGE_MAX
from pancake_meter.http.webhooks.intake import _ANSWERS
from pancake_meter.standard_webhooks.client import SECONDS_MAX
from pancake_meter.store.usage.parked_usage import CONTENT_LENGTH_MAX
from pancake_meter.usecases.balance import operate
from pancake_meter.waffo import webhook_signature
from pancake_meter.waffo.events import MAX_BODY_BYTES
from tools.cfn_template import ROOT

PACKAGE = ROOT / "layers" / "shared" / "pancake_meter"
FLOORS = ("domain", "store", "usecases", "http")
FOLDERS = ("docs", "examples", "local")
PAGES = [*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))]


def named_files(page: Path) -> Iterator[str]:
    """Yield the Python files and test folders that a page names with their folder."""
    yield from re.findall(r"`((?:[a-z_]+/)+[a-z_0-9]+\.py)`", page.read_text())


def test_every_python_file_that_a_page_names_is_there() -> None:
    named = {(page.name, name) for page in PAGES for name in named_files(page)}
    assert named
    assert {
        each for each in named if not any((base / each[1]).is_file() for base in (ROOT, PACKAGE, PACKAGE.parent))
    } == set()


def test_every_module_that_a_docstring_names_is_there() -> None:
    """A bare name is of the same room; one with its folder is of the package."""
    named = {
        (module, name)
        for module in PACKAGE.rglob("*.py")
        for name in re.findall(r"``([a-z_/0-9]+\.py)``", module.read_text())
    }
    assert named
    assert [
        str(each) for each in named if not any((base / each[1]).is_file() for base in (each[0].parent, PACKAGE, ROOT))
    ] == []


def test_the_layout_shows_the_rooms_of_each_floor() -> None:
    rows = re.findall(
        r"^\| `([a-z]+)` \| [^|]+((?:\|[ a-z]*){4})\|$", (ROOT / "docs" / "layout.md").read_text(), re.MULTILINE
    )
    shown = {
        (floor, room)
        for room, cells in rows
        for floor, cell in zip(FLOORS, cells.split("|")[1:], strict=True)
        if cell.strip() == "yes"
    }
    rooms = {(floor, path.parent.name) for floor in FLOORS for path in (PACKAGE / floor).glob("*/__init__.py")}
    assert shown == rooms


def statuses_of_problems() -> dict[str, int]:
    """Return the codes that a ``Problem`` is made with by name, with their statuses."""
    calls = (node for module in PACKAGE.rglob("*.py") for node in ast.walk(ast.parse(module.read_text())))
    statuses = {}
    for node in calls:
        match node:
            case ast.Call(
                func=ast.Name(id="Problem"), args=[ast.Attribute(attr=status), ast.Constant(value=str(code)), *_]
            ):
                statuses[code] = HTTPStatus[status].value
    return statuses


def domain_errors(base: type[DomainError] = DomainError) -> Iterator[type[DomainError]]:
    for error in base.__subclasses__():
        yield error
        yield from domain_errors(error)


def test_the_page_of_errors_has_every_code_with_its_status() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \| (\d{3}) \|", (ROOT / "docs" / "errors.md").read_text(), re.MULTILINE)
    told = {code: int(status) for code, status in rows}
    assert len(rows) == len(told)
    for module in pkgutil.walk_packages(pancake_meter.__path__, "pancake_meter."):
        importlib.import_module(module.name)
    known = {error.code: problem_of_domain(error("")).status.value for error in domain_errors()}
    known |= {code: status.value for status, code in _ANSWERS.values()} | statuses_of_problems()
    assert sorted(told) == sorted({*known, *_DETAIL})
    assert {code: told[code] for code in known} == known


def test_the_page_of_limits_has_the_figures_of_the_code() -> None:
    told = {
        int(figure.replace("_", "")) for figure in re.findall(r"`([\d_]+)`", (ROOT / "docs" / "limits.md").read_text())
    }
    minutes, days = timedelta(minutes=1), timedelta(days=1)
    assert told == {
        request.BODY_BYTES_MAX,
        request.USAGE_BODY_BYTES_MAX,
        http_json.DEPTH_MAX,
        http_json.BATCH_DEPTH_MAX,
        int(MAX_QUANTITY),
        CUSTOMER_ID_LENGTH_MAX,
        usage_event.EVENT_ID_LENGTH_MAX,
        usage_event.ORIGIN_LENGTH_MAX,
        made_of.NAMES_MAX,
        made_of.NAMES_OF_WRITE_MAX,
        batch.EVENTS_MAX,
        intake.ITEMS_MAX,
        intake.CLOUD_EVENTS_MAX,
        usage_event.AHEAD_MAX // minutes,
        TOLD_AFTER_MAX // days,
        hold.MAX_HOLD_TTL // (60 * minutes),
        customer_token.LIFE_MAX // minutes,
        api_key.LIFE_MAX // days,
        api_key.OVERLAP_MAX // days,
        endpoint.ENDPOINTS_MAX,
        endpoint.SECRETS_MAX,
        endpoint.OVERLAP_MAX // days,
        int(SECONDS_MAX),
        gift.GIFT_ID_LENGTH_MAX,
        gift.PRIORITY_MAX,
        operate.REASON_LENGTH_MAX,
        fields.DISMISS_REASON_LENGTH_MAX,
        DELIVERIES_PAGE_MAX,
        PAYMENTS_PAGE_MAX,
        intake.PARKED_PAGE_MAX,
        CHECKOUTS_PAGE_MAX,
        CUSTOMERS_PAGE_MAX,
        LIVE_DAYS_MAX,
        MONTHS_MAX,
        hold.MAX_HOLDS,
        MAX_GRANTS,
        SPENT_LOTS_KEPT,
        MAX_ORDERS,
        ORDERS_NOT_SOLD,
        MAX_REFUNDS,
        overage.MAX_SOLD_LINES,
        order.MAX_PERIODS,
        CATALOG_BYTES_MAX,
        model.METERS_MAX,
        model.PLANS_MAX,
        model.PRICES_OF_PLAN_MAX,
        model.PRODUCTS_MAX,
        MAX_TIERS,
        model.THRESHOLDS_MAX,
        model.MODELS_MAX,
        model.EVENTS_MAX,
        model.TRIAL_DAYS_MAX,
        model.SESSION_MINUTES_MAX,
        MAX_REQUESTS,
        PERIODS_MAX,
        CONTENT_LENGTH_MAX,
        MAX_BODY_BYTES,
        webhook_signature.PAST_TOLERANCE // minutes,
    }


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_of_a_page_leads_somewhere() -> None:
    pages = [*PAGES, *(ROOT / "clients").rglob("README.md")]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text())]
    assert len(links) > 100
    wrong = []
    for page, link in links:
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if "://" not in link and (not target.exists() or (anchor and anchor not in anchors(target))):
            wrong.append(f"{page.relative_to(ROOT)}: {link}")
    assert wrong == []


def test_the_index_has_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert {page for page in pages if f"({page})" not in index} == set()
    decisions = (ROOT / "docs" / "decisions" / "README.md").read_text()
    assert [path for path in (ROOT / "docs" / "decisions").glob("0*.md") if f"({path.name})" not in decisions] == []


def shell_lines() -> Iterator[tuple[str, str]]:
    """Yield each line of a shell block of any page, with the page's name."""
    for page in [*PAGES, *(ROOT / "clients").rglob("README.md")]:
        for block in re.findall(r"^ *```sh\n(.*?)^ *```", page.read_text(), re.DOTALL | re.MULTILINE):
            for line in block.splitlines():
                yield str(page.relative_to(ROOT)), line.partition(" # ")[0].strip()


def test_issue_14_12_every_target_module_and_example_that_a_page_runs_is_there() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    lines = list(shell_lines())
    made = {(page, target) for page, line in lines for target in re.findall(r"\bmake ([a-z0-9-]+)", line)}
    assert {each for each in made if each[1] not in targets} == set()
    assert made
    modules = {(page, name) for page, line in lines for name in re.findall(r"python -m ([a-z_.]+)", line)}
    places = [ROOT, PACKAGE.parent]
    assert {
        (page, name)
        for page, name in modules
        if not any((place / name.replace(".", "/")).with_suffix(".py").is_file() for place in places)
        and not any((place / name.replace(".", "/") / "__main__.py").is_file() for place in places)
    } == set()
    assert modules


def test_the_page_of_the_data_model_has_every_word_that_begins_a_key() -> None:
    page = (ROOT / "docs" / "data-model.md").read_text()
    words = {
        word
        for module in (PACKAGE / "store").rglob("*.py")
        for word in re.findall(r'"([A-Z_]{4,})#', module.read_text())
    }
    assert len(words) > 20
    assert {word for word in words if f"`{word}#" not in page and f"#{word}#" not in page} == set()
