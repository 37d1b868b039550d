"""The catalog's meters and sources: how usage in other systems' formats is counted."""

from decimal import Decimal

import pytest

from pancake_meter.catalog import parse_catalog
from pancake_meter.domain.usage.measuring import EventCount, EventMapping, StatedQuantity, TokenPools, WeighedTokens
from tests.unit.catalog.catalogs import SMALL, edited, problems_of

TOKENS = "[meters.tokens]\n"
ONE = Decimal(1)


def with_meter(text: str) -> str:
    return edited((TOKENS, f"{TOKENS}{text}\n"))


def test_a_meter_counts_stated_quantities_unless_it_says_otherwise() -> None:
    assert parse_catalog(SMALL).meters["tokens"].measure == StatedQuantity()
    assert parse_catalog(with_meter('counts = "events"')).meters["tokens"].measure == EventCount()


def test_weights_are_one_where_they_are_not_named() -> None:
    text = 'counts = "tokens"\nweights = { output = 5, models = { "claude-*" = { cache_read = "0.1" } } }'
    measure = parse_catalog(with_meter(text)).meters["tokens"].measure
    assert measure == WeighedTokens(
        TokenPools(ONE, ONE, ONE, Decimal(5), ONE), {"claude-*": TokenPools(ONE, Decimal("0.1"), ONE, ONE, ONE)}
    )


def test_sources_are_read() -> None:
    text = (
        with_meter('counts = "tokens"')
        + """
        [litellm]
        meters = ["tokens"]
        customer = ["spend_logs_metadata.account", "team_id"]
        count_cache_hits = true
        [[openmeter.events]]
        type = "tokens-used"
        meter = "tokens"
        value = "usage.total"
    """
    )
    catalog = parse_catalog(text)
    assert catalog.llm_calls is not None
    assert catalog.llm_calls.customer == ("spend_logs_metadata.account", "team_id")
    assert (catalog.llm_calls.counts_failures, catalog.llm_calls.counts_cache_hits) == (False, True)
    assert catalog.event_mappings == (EventMapping("tokens-used", "tokens", "usage.total"),)


LITELLM = '\n[litellm]\nmeters = ["tokens"]\n'
EVENT = '\n[[openmeter.events]]\ntype = "t"\nmeter = "tokens"\nvalue = "n"\n'


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (with_meter("weights = { output = 2 }"), "meters.tokens.weights"),
        (with_meter('counts = "tokens"\nweights = { output = -1 }'), "meters.tokens.weights.output"),
        (with_meter('counts = "tokens"\nweights = { output = "0.0000001" }'), "meters.tokens.weights.output"),
        (SMALL + LITELLM, "litellm.meters[0]"),
        (SMALL + LITELLM.replace("tokens", "nonsense"), "litellm.meters[0]"),
        (with_meter('counts = "tokens"') + LITELLM + 'customer = ["email"]\n', "litellm.customer[0]"),
        (SMALL + EVENT.replace('value = "n"', ""), "openmeter.events[0]"),
        (SMALL + EVENT + EVENT, "openmeter.events[1]"),
        (SMALL + EVENT.replace('"tokens"', '"nonsense"'), "openmeter.events[0].meter"),
        (SMALL + EVENT.replace('"n"', '"a..b"'), "openmeter.events[0].value"),
    ],
)
def test_what_cannot_be_meant_is_told_at_its_place(text: str, path: str) -> None:
    assert path in problems_of(text)
