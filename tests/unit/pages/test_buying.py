"""Issue 16: what the pages before and after a payment say, and how they say it."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from pancake_meter.catalog import Catalog, Meter, load_catalog
from pancake_meter.domain.selling.money import Money
from pancake_meter.domain.selling.pricing import Graduated, Package, PerUnit, Price, Tier, Volume
from pancake_meter.domain.standing.held_order import HeldOrder
from pancake_meter.usecases.selling.follow_link import LinkOffer
from pancake_meter.usecases.selling.open_checkout import Quoted
from pancake_meter.usecases.selling.quote_sale import Quote
from pancake_meter.value import replace
from pancake_pages.buying import Buying, in_text
from pancake_pages.language import Language
from pancake_pages.price_words import PriceWords
from pancake_pages.site import Site

CATALOG = load_catalog(Path(__file__).resolve().parents[3] / "layers" / "catalog" / "catalog.toml")
NOW = datetime(2026, 3, 10, 15, 20, tzinfo=UTC)
EVENT = {"rawPath": "/buy/x"}


def shown(quoted: Quoted, catalog: Catalog = CATALOG, lang: str = "en") -> str:
    """Return what a person reads of an offer."""
    view = Site(catalog.brand).view({**EVENT, "queryStringParameters": {"lang": lang}})
    body = Buying.of(view, catalog, None).offer("acct_1001", LinkOffer(quoted), NOW).body
    assert body is not None
    main = body[body.index("<main") : body.index("</main>")]
    return " ".join(re.sub(r"<[^>]+>", " ", main).split())


def plan(key: str, before: str | None = None) -> Quoted:
    """Return the quote of a plan, as a change of another one."""
    product = next(each for each in CATALOG.products if each.plan == key)
    held = HeldOrder("ORD_1", CATALOG.plans[before], "active") if before else None
    quote = Quote("subscription", product.product_ids["test"], product.prices["USD"], plan=key)
    return Quoted(replace(quote, kind="plan_change") if before else quote, held)


def units(quantity: str, meter: str = "tokens") -> Quoted:
    return Quoted(Quote("top_up", "PROD_1", Money(Decimal(4), "USD"), meter=meter, quantity=Decimal(quantity)))


def test_a_change_of_plan_says_which_meters_are_included_no_more() -> None:
    text = shown(plan("scale", "agent"))
    assert "Agent runs: no more Now (Agent): 500 Agent runs per billing period" in text
    assert "Requests: no more Now (Agent): 5,000 requests per day" in text
    assert "no more" not in shown(plan("scale", "pro"))
    assert "不再包含" in shown(plan("scale", "agent"), lang="zh-Hans")


def test_a_plan_says_what_use_beyond_it_costs_and_that_it_is_charged_where_it_stopped_before() -> None:
    pro = shown(plan("pro", "starter"))
    assert "Up to 500,000 tokens beyond that are charged afterwards: $0.02 for each 1,000 tokens, begun ones" in pro
    assert "Until now, use stopped at what your plan includes." in pro
    scale = shown(plan("scale", "pro"))
    assert (
        "Use beyond that is charged afterwards: up to 1,000,000 tokens $0.015 per 1,000 tokens; "
        "up to 10,000,000 tokens $0.012 per 1,000 tokens; above that $0.01 per 1,000 tokens."
    ) in scale.replace("$0.010", "$0.01")
    assert "Until now" not in scale
    assert "Use stops there." in shown(plan("starter"))
    assert "$0.25 per run" in shown(plan("agent"))


def test_a_trial_says_what_follows_it() -> None:
    products = tuple(replace(each, trial_days=14) for each in CATALOG.products)
    text = shown(plan("starter"), replace(CATALOG, products=products))
    assert "This plan has a trial of 14 days." in text
    assert "If it does, $9.00 is charged when it ends" in text


TIERS = (Tier(Decimal(10), Decimal("0.5"), Decimal(1)), Tier(None, Decimal("0.000002")))


@pytest.mark.parametrize(
    ("price", "text"),
    [
        (PerUnit(Decimal("1.5")), "$1.50 per token"),
        (PerUnit(Decimal(0)), "$0.00 per token"),
        (
            PerUnit(Decimal("0.000015"), Decimal("0.3"), Decimal(50)),
            "50 tokens free; $0.015 per 1,000 tokens; plus $0.30 once",
        ),
        (PerUnit(Decimal("0.000000001")), "$0.001 per 1,000,000 tokens"),
        (Package(Decimal(100), Decimal(2), rounding="down"), "$2.00 for each full 100 tokens"),
        (Graduated(TIERS), "up to 10 tokens $0.50 per token; plus $1.00 once; above that $2.00 per 1,000,000 tokens"),
        (Volume((Tier(None, Decimal(1)),)), "$1.00 per token; all of them at the price that the total comes under"),
    ],
)
def test_every_price_of_the_catalog_is_said_in_words(price: Price, text: str) -> None:
    english = Language("en")
    words = PriceWords(english, "USD", lambda quantity: f"{english.number(quantity)} tokens", "token")
    assert words.of(price) == text
    assert PriceWords(Language("zh-Hans"), "JPY", str, "token").of(price)


@pytest.mark.parametrize(
    ("quantity", "lang", "title"),
    [
        ("1", "en", "Buy 1 token "),
        ("1000", "en", "Buy 1,000 tokens "),
        ("1.5", "en", "Buy 1.5 tokens "),
        ("1", "zh-Hans", "购买 1 tokens "),
    ],
)
def test_one_unit_is_called_by_the_name_of_one(quantity: str, lang: str, title: str) -> None:
    assert title in shown(units(quantity), lang=lang)


@pytest.mark.parametrize(
    ("name", "unit", "inside"),
    [
        ("Tokens", "token", "tokens"),
        ("Queries", "query", "queries"),
        ("API calls", "API call", "API calls"),
        ("Claude tokens", "token", "Claude tokens"),
        ("Meter 01", "meter", "Meter 01"),
        ("Agent runs", "run", "Agent runs"),
        ("Agent runs", "agent run", "agent runs"),
        ("Tokens", "Token", "Tokens"),
        ("次数", "次", "次数"),
    ],
)
def test_a_name_keeps_its_capital_inside_a_text_unless_it_is_a_common_word(name: str, unit: str, inside: str) -> None:
    assert in_text(Meter("m", name, unit)) == inside


def test_a_capital_is_kept_on_the_page() -> None:
    named = replace(CATALOG.meters["tokens"], name="Claude tokens")
    catalog = replace(CATALOG, meters={**CATALOG.meters, "tokens": named})
    assert "Buy 100 Claude tokens" in shown(units("100"), catalog)
