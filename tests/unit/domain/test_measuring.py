"""Measuring: from what happened to units, exactly."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.domain.errors import CannotMeasure
from pancake_meter.domain.measuring import (
    EVEN_WEIGHTS,
    TOKEN_POOLS,
    EventCount,
    Happening,
    StatedQuantity,
    TokenPools,
    WeighedTokens,
    measure,
)
from pancake_meter.domain.quantity import InvalidQuantity
from pancake_meter.litellm.usage_object import token_pools


def pools(*counts: object) -> TokenPools:
    return TokenPools(*(Decimal(str(count)) for count in counts))


def test_each_pool_has_its_own_weight() -> None:
    how = WeighedTokens(pools(1, "0.1", "1.25", 5, 4))
    call = Happening(tokens=pools(1000, 2000, 400, 30, 7))
    assert measure(how, call) == Decimal(1000 + 200 + 500 + 150 + 28)


@pytest.mark.parametrize(
    ("model", "weight"),
    [
        ("claude-sonnet-4-5", 9),  # the exact name
        ("claude-opus-4", 5),  # the pattern with more of its own characters
        ("claude-haiku", 3),
        ("gpt-4o", 1),  # the default
    ],
)
def test_the_most_specific_model_wins(model: str, weight: int) -> None:
    by_model = {
        name: pools(weight, 0, 0, 0, 0)
        for name, weight in {"claude-*": 3, "claude-opus-*": 5, "claude-sonnet-4-5": 9}.items()
    }
    how = WeighedTokens(pools(1, 0, 0, 0, 0), by_model)
    assert measure(how, Happening(tokens=pools(1, 0, 0, 0, 0), models=(model,))) == weight


def test_the_first_name_that_is_known_decides() -> None:
    how = WeighedTokens(EVEN_WEIGHTS, {"fast": pools(2, 0, 0, 0, 0), "gpt-4o": pools(3, 0, 0, 0, 0)})
    call = Happening(tokens=pools(1, 0, 0, 0, 0), models=("openai/gpt-4o", "gpt-4o", "fast"))
    assert measure(how, call) == 3


def test_an_event_is_one_unit_and_a_quantity_is_what_was_stated() -> None:
    assert measure(EventCount(), Happening()) == 1
    assert measure(StatedQuantity(), Happening(value=Decimal("0.25"))) == Decimal("0.25")


@pytest.mark.parametrize("how", [StatedQuantity(), WeighedTokens()])
def test_what_was_not_told_is_not_guessed(how: StatedQuantity | WeighedTokens) -> None:
    with pytest.raises(CannotMeasure):
        measure(how, Happening())


def test_units_beyond_a_quantity_are_refused() -> None:
    with pytest.raises(InvalidQuantity):
        measure(WeighedTokens(pools(1000, 0, 0, 0, 0)), Happening(tokens=pools(10**15, 0, 0, 0, 0)))


counts = st.integers(0, 10**9)


@given(counts, counts, counts, counts, counts)
def test_pools_are_disjoint_every_token_is_in_exactly_one(
    fresh: int, read: int, written: int, said: int, thought: int
) -> None:
    # Given a provider's usage, where the whole contains its parts
    usage = {
        "prompt_tokens": fresh + read + written,
        "completion_tokens": said + thought,
        "prompt_tokens_details": {"cached_tokens": read, "cache_creation_tokens": written},
        "completion_tokens_details": {"reasoning_tokens": thought},
    }
    # Then the parts add up to the whole
    split = token_pools(usage)
    assert split == pools(fresh, read, written, said, thought)
    assert measure(WeighedTokens(), Happening(tokens=split)) == fresh + read + written + said + thought


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 20}, (10, 0, 0, 20, 0)),
        ({"prompt_tokens": 10, "completion_tokens": 0, "prompt_tokens_details": None}, (10, 0, 0, 0, 0)),
        ({"prompt_tokens": 8}, (8, 0, 0, 0, 0)),  # an embedding
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 5,
                "cache_read_input_tokens": 60,
                "cache_creation_input_tokens": 30,
            },
            (10, 60, 30, 5, 0),
        ),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 60, "cache_creation_tokens": None},
                "cache_read_input_tokens": 60,
            },
            (40, 60, 0, 5, 0),
        ),
        (
            {"input_tokens": 50, "output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 4}},
            (50, 0, 0, 5, 4),
        ),
        (
            {"input_tokens": 50, "output_tokens": 9, "input_tokens_details": {"cached_tokens": 30}},
            (20, 30, 0, 9, 0),
        ),
        (  # Anthropic's own: the cached stand beside the input
            {
                "input_tokens": 50,
                "cache_read_input_tokens": 1000,
                "cache_creation_input_tokens": 200,
                "output_tokens": 9,
            },
            (50, 1000, 200, 9, 0),
        ),
        (
            {
                "input_tokens": 2000,
                "cache_read_input_tokens": 1000,
                "cache_creation_input_tokens": None,
                "output_tokens": 9,
            },
            (2000, 1000, 0, 9, 0),
        ),
    ],
)
def test_usage_objects_of_several_providers(usage: dict[str, object], expected: tuple[int, ...]) -> None:
    assert token_pools(usage) == pools(*expected)


@pytest.mark.parametrize(
    ("usage", "error"),
    [
        ({}, CannotMeasure),
        ({"total_tokens": 30}, CannotMeasure),
        ({"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 11}}, CannotMeasure),
        ({"completion_tokens": 1, "completion_tokens_details": {"reasoning_tokens": 2}}, CannotMeasure),
        ({"prompt_tokens": -1}, InvalidQuantity),
        ({"prompt_tokens": "1,000"}, InvalidQuantity),
        ({"prompt_tokens": Decimal("NaN")}, InvalidQuantity),
        ({"prompt_tokens": Decimal("1e400")}, InvalidQuantity),
        ({"prompt_tokens": True}, InvalidQuantity),
        ({"prompt_tokens": 0.1}, InvalidQuantity),
        ({"prompt_tokens": 2**63 + 1}, InvalidQuantity),
    ],
)
def test_scenario_55_counts_are_exact_or_refused(usage: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        token_pools(usage)


def test_the_pools_are_those_of_the_catalog() -> None:
    assert TOKEN_POOLS == ("uncached_input", "cache_read", "cache_write", "output", "reasoning")
