"""A stack has one mode and one store."""

import pytest

from pancake_meter.waffo.errors import WrongMode, WrongStore
from pancake_meter.waffo.events import WaffoEvent, parse_event
from pancake_meter.waffo.pinning import check_pinned
from tests.support.waffo_webhooks import encode, reference

STORE_ID = "STO_7hQ2mVb9KxT4cLr8WnZ3aE"


def _event(**envelope: str) -> WaffoEvent:
    return parse_event(encode(reference("quirks/test_mode_event_sent_to_production.json") | envelope))


def test_an_event_of_our_mode_and_store_passes() -> None:
    check_pinned(_event(), "test", STORE_ID)
    check_pinned(_event(mode="prod"), "prod", STORE_ID)


def test_scenario_15_a_test_event_is_refused_by_a_prod_stack() -> None:
    with pytest.raises(WrongMode):
        check_pinned(_event(), "prod", STORE_ID)


def test_scenario_15_a_prod_event_is_refused_by_a_test_stack() -> None:
    with pytest.raises(WrongMode):
        check_pinned(_event(mode="prod"), "test", STORE_ID)


@pytest.mark.parametrize("mode", ["PROD", "live", "prod "])
def test_a_mode_that_is_only_similar_is_refused(mode: str) -> None:
    with pytest.raises(WrongMode):
        check_pinned(_event(mode=mode), "prod", STORE_ID)


def test_scenario_16_an_event_of_another_store_is_refused() -> None:
    with pytest.raises(WrongStore):
        check_pinned(_event(storeId="STO_0000000000000000000000"), "test", STORE_ID)


def test_scenario_14_a_stack_without_a_store_takes_no_event() -> None:
    with pytest.raises(WrongStore):
        check_pinned(_event(), "test", "")
