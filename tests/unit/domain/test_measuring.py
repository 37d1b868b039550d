"""Measuring: from what happened to units, exactly."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.domain.errors import CannotMeasure
from pancake_meter.domain.quantity import InvalidQuantity
from pancake_meter.domain.usage.measuring import (
    EVEN_WEIGHTS,
    TOKEN_POOLS,
    EventCount,
    Happening,
    StatedQuantity,
    TokenPools,
    WeighedTokens,
    measure,
)
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


TABLE: list[tuple[str, dict[str, Any], tuple[int, ...]]] = [
    (
        "OpenAI chat",
        {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 5, "audio_tokens": 0},
        },
        (30, 60, 10, 15, 5),
    ),
    (
        "OpenAI responses",
        {
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
            "output_tokens": 20,
            "output_tokens_details": {"reasoning_tokens": 5},
            "total_tokens": 120,
        },
        (30, 60, 10, 15, 5),
    ),
    (
        "OpenAI realtime",
        {
            "input_tokens": 100,
            "output_tokens": 20,
            "total_tokens": 120,
            "input_token_details": {
                "cached_tokens": 60,
                "text_tokens": 100,
                "cached_tokens_details": {"text_tokens": 60},
            },
            "output_token_details": {"text_tokens": 20},
        },
        (40, 60, 0, 20, 0),
    ),
    (
        "Anthropic",
        {
            "input_tokens": 30,
            "cache_read_input_tokens": 60,
            "cache_creation_input_tokens": 10,
            "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 20,
            "output_tokens_details": {"thinking_tokens": 5},
            "service_tier": "standard",
        },
        (30, 60, 10, 15, 5),
    ),
    (
        "LiteLLM of Anthropic",
        {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10, "cache_creation_tokens": 10},
            "cache_read_input_tokens": 60,
            "cache_creation_input_tokens": 10,
        },
        (30, 60, 10, 20, 0),
    ),
    (
        "DeepSeek",
        {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": 120,
            "prompt_cache_hit_tokens": 60,
            "prompt_cache_miss_tokens": 40,
            "completion_tokens_details": {"reasoning_tokens": 5},
        },
        (40, 60, 0, 15, 5),
    ),
    (
        "xAI: reasoning beside the completion",
        {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": 125,
            "prompt_tokens_details": {"cached_tokens": 60},
            "completion_tokens_details": {"reasoning_tokens": 5},
        },
        (40, 60, 0, 20, 5),
    ),
    (
        "Groq",
        {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120, "prompt_time": Decimal("0.01")},
        (100, 0, 0, 20, 0),
    ),
    ("Mistral", {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}, (100, 0, 0, 20, 0)),
    (
        "LangChain",
        {
            "input_tokens": 100,
            "output_tokens": 20,
            "total_tokens": 120,
            "input_token_details": {"cache_read": 60, "cache_creation": 10},
            "output_token_details": {"reasoning": 5},
        },
        (30, 60, 10, 15, 5),
    ),
    (
        "Gemini",
        {
            "promptTokenCount": 90,
            "toolUsePromptTokenCount": 10,
            "cachedContentTokenCount": 60,
            "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 60}],
            "candidatesTokenCount": 20,
            "thoughtsTokenCount": 5,
            "totalTokenCount": 125,
        },
        (40, 60, 0, 20, 5),
    ),
    (
        "Gemini, thoughts inside the candidates",
        {"promptTokenCount": 100, "candidatesTokenCount": 25, "thoughtsTokenCount": 5, "totalTokenCount": 125},
        (100, 0, 0, 20, 5),
    ),
    (
        "google-genai",
        {
            "prompt_token_count": 100,
            "cached_content_token_count": 60,
            "candidates_token_count": 20,
            "thoughts_token_count": 5,
            "total_token_count": 125,
        },
        (40, 60, 0, 20, 5),
    ),
    (
        "AI SDK 5",
        {"inputTokens": 100, "outputTokens": 20, "totalTokens": 120, "cachedInputTokens": 60, "reasoningTokens": 5},
        (40, 60, 0, 15, 5),
    ),
    (
        "AI SDK 5 of Anthropic",
        {
            "inputTokens": 40,
            "outputTokens": 20,
            "totalTokens": 60,
            "cachedInputTokens": 60,
            "providerMetadata": {"anthropic": {"cacheCreationInputTokens": 10}},
        },
        (40, 60, 10, 20, 0),
    ),
    (
        "AI SDK 5 of OpenAI",
        {
            "inputTokens": 100,
            "outputTokens": 20,
            "totalTokens": 120,
            "cachedInputTokens": 60,
            "providerMetadata": {"openai": {"responseId": "r"}},
        },
        (40, 60, 0, 20, 0),
    ),
    (
        "Anthropic by lifetime",
        {
            "input_tokens": 40,
            "output_tokens": 20,
            "cache_read_input_tokens": 60,
            "cache_creation_input_tokens": 10,
            "cache_creation": {"ephemeral_5m_input_tokens": 7, "ephemeral_1h_input_tokens": 3},
        },
        (40, 60, 10, 20, 0),
    ),
    (
        "AI SDK 6",
        {
            "inputTokens": 100,
            "inputTokenDetails": {"noCacheTokens": 30, "cacheReadTokens": 60, "cacheWriteTokens": 10},
            "outputTokens": 20,
            "outputTokenDetails": {"textTokens": 15, "reasoningTokens": 5},
            "totalTokens": 120,
            "reasoningTokens": 5,
            "cachedInputTokens": 60,
            "raw": {"input_tokens": 30, "cache_read_input_tokens": 60},
        },
        (30, 60, 10, 15, 5),
    ),
    (
        "AI SDK 6, a provider's own",
        {
            "inputTokens": {"total": 100, "noCache": 30, "cacheRead": 60, "cacheWrite": 10},
            "outputTokens": {"total": 20, "text": 15, "reasoning": 5},
        },
        (30, 60, 10, 15, 5),
    ),
    (
        "AI SDK 4",
        {"promptTokens": 100, "completionTokens": 20, "totalTokens": 120},
        (100, 0, 0, 20, 0),
    ),
    (
        "Bedrock",
        {
            "inputTokens": 30,
            "outputTokens": 20,
            "totalTokens": 120,
            "cacheReadInputTokens": 60,
            "cacheWriteInputTokens": 10,
            "cacheDetails": [{"ttl": "5m", "inputTokens": 10}],
        },
        (30, 60, 10, 20, 0),
    ),
    (
        "Cohere",
        {
            "billed_units": {"input_tokens": 70, "output_tokens": 20},
            "tokens": {"input_tokens": Decimal("100.0"), "output_tokens": 20},
            "cached_tokens": 60,
        },
        (40, 60, 0, 20, 0),
    ),
    ("Cohere, billed units", {"billed_units": {"input_tokens": 70, "output_tokens": 20}}, (70, 0, 0, 20, 0)),
    (
        "OpenTelemetry",
        {
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.cache_read.input_tokens": 60,
            "gen_ai.usage.cache_creation.input_tokens": 10,
            "gen_ai.usage.reasoning.output_tokens": 5,
        },
        (30, 60, 10, 15, 5),
    ),
    (
        "OpenTelemetry, nested",
        {"gen_ai": {"usage": {"input_tokens": 100, "output_tokens": 20, "cache_read": {"input_tokens": 60}}}},
        (40, 60, 0, 20, 0),
    ),
    (
        "OpenTelemetry, without its prefix",
        {"input_tokens": 100, "output_tokens": 20, "cache_read": {"input_tokens": 60}},
        (40, 60, 0, 20, 0),
    ),
]


@pytest.mark.parametrize(("usage", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_each_dialect_is_read_by_its_own_rules(usage: dict[str, Any], expected: tuple[int, ...]) -> None:
    assert token_pools(usage) == pools(*expected)
    # and where a response is sent whole, its usage is found in it
    assert token_pools({"id": "resp-1", "usage": usage}) == pools(*expected)


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 10, "completion_tokens": 2, "cached_prompt_tokens": 5},
        {"prompt_tokens": 10, "prompt_tokens_details": {"cache_hits": 5}},
        {"input_tokens": 10, "output_tokens": 2, "cache_read_tokens": 5},
        {"input_tokens": 10, "output_tokens": 2, "total_tokens": 12, "cache_read_input_tokens": 5},  # inside or beside?
        {"inputTokens": 10, "outputTokens": 2, "cacheReadTokens": 5},
        {"inputTokens": 10, "outputTokens": 2, "cachedInputTokens": 50},
        {"inputTokens": 10, "outputTokens": 2, "cachedInputTokens": 5, "cacheReadInputTokens": 5},
        {"inputTokens": 10, "inputTokenDetails": {"noCacheTokens": 9, "cacheReadTokens": 5}},
        {"prompt_tokens": 10, "prompt_cache_hit_tokens": 5, "prompt_cache_miss_tokens": 9},
        {"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 4}, "prompt_cache_hit_tokens": 5},
        {"prompt_tokens": 10, "input_tokens": 11, "output_tokens": 2, "completion_tokens": 2},
        {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 40},
        {"promptTokenCount": 10, "candidatesTokenCount": 2, "totalTokenCount": 40},
        {"billed_units": {"input_tokens": 10}, "cached_tokens": 5},
        {"input_tokens": 1, "output_tokens": 1, "cache_read_input_tokens": 0, "iterations": [{"type": "compaction"}]},
        {"usage": {"prompt_tokens": 10}, "usageMetadata": {"promptTokenCount": 11}},
        {"prompt_tokens": {"count": 10}},
        {"prompt_tokens": {}, "completion_tokens": 20},
        {"input_tokens": {"total": 10}, "output_tokens": 5},
        {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": {}},
        {"inputTokens": 10, "outputTokens": 2, "cachedInputTokens": {"total": 5}},
        {
            "input_tokens": 10,
            "output_tokens": 2,
            "cache_creation_input_tokens": 10,
            "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 48},
        },
        {"tokens": 12},
    ],
)
def test_what_is_ambiguous_contradicts_itself_or_is_unknown_is_refused(usage: dict[str, Any]) -> None:
    with pytest.raises(CannotMeasure):
        token_pools(usage)


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": Decimal("1.5")},
        {"inputTokens": -1},
        {"promptTokenCount": 0.5},
        {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": -1}},
    ],
)
def test_a_count_of_tokens_is_a_whole_number(usage: dict[str, Any]) -> None:
    with pytest.raises(InvalidQuantity):
        token_pools(usage)


def test_zeros_beside_the_true_counts_are_not_a_second_statement() -> None:
    usage = {"prompt_tokens": 0, "completion_tokens": 0, "input_tokens": 10, "output_tokens": 2}
    assert token_pools(usage) == pools(10, 0, 0, 2, 0)


def test_a_gateway_s_total_may_count_what_it_leaves_out() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 40}
    assert token_pools(usage, is_total_exact=False) == pools(10, 0, 0, 2, 0)


@pytest.mark.parametrize("missing", [{}, {"prompt_tokens": None}])
def test_a_count_that_is_missing_is_not_nothing_where_the_total_has_it(missing: dict[str, Any]) -> None:
    with pytest.raises(CannotMeasure):
        token_pools({**missing, "completion_tokens": 20, "total_tokens": 30}, is_total_exact=False)


def test_what_the_ai_sdk_says_of_the_provider_stands_beside_the_usage() -> None:
    usage = {"inputTokens": 40, "outputTokens": 20, "totalTokens": 60, "cachedInputTokens": 60}
    answer = {"usage": usage, "providerMetadata": {"anthropic": {"cacheCreationInputTokens": 0}}}
    assert token_pools(answer) == pools(40, 60, 0, 20, 0)


parts = st.integers(0, 10**6)


@given(parts, parts, parts, parts, parts)
def test_the_pools_of_every_dialect_add_up_to_its_own_total(
    fresh: int, read: int, written: int, said: int, thought: int
) -> None:
    prompt, completion = fresh + read + written, said + thought
    total = prompt + completion
    stated: list[dict[str, object]] = [
        {
            "input_tokens": prompt,
            "output_tokens": completion,
            "total_tokens": total,
            "input_token_details": {"cache_read": read, "cache_creation": written},
            "output_token_details": {"reasoning": thought},
        },
        {
            "inputTokens": prompt,
            "outputTokens": completion,
            "totalTokens": total,
            "inputTokenDetails": {"noCacheTokens": fresh, "cacheReadTokens": read, "cacheWriteTokens": written},
            "outputTokenDetails": {"reasoningTokens": thought},
        },
        {
            "inputTokens": fresh,
            "outputTokens": completion,
            "totalTokens": total,
            "cacheReadInputTokens": read,
            "cacheWriteInputTokens": written,
        },
        {
            "promptTokenCount": prompt,
            "cachedContentTokenCount": read,
            "candidatesTokenCount": said,
            "thoughtsTokenCount": thought,
            "totalTokenCount": total,
        },
    ]
    for usage in stated:
        split = token_pools(usage)
        each = [getattr(split, pool) for pool in TOKEN_POOLS]
        assert min(each) >= 0
        assert sum(each) == total


def test_the_pools_are_those_of_the_catalog() -> None:
    assert TOKEN_POOLS == ("uncached_input", "cache_read", "cache_write", "output", "reasoning")


CHAT_OF_100 = {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105}


@pytest.mark.parametrize(
    "cached",
    [
        {"cache_hits_tokens": "50"},
        {"details": {"prompt": {"cached_tokens": 50}}},
        {"prompt_tokens_details": [{"cached_tokens": 50}]},
        {"prompt_tokens_details": '{"cached_tokens": 50}'},
        {"raw": {"cached_tokens": 50}},
        {"raw": {"cached_tokens": Decimal("1e900")}},
        {"usage": {"prompt_tokens_details": {"cached_tokens": 50}}},
        {"cache_creation": {"ephemeral_5m_input_tokens": 50, "ephemeral_1h_input_tokens": 0}},
        {"cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 50}]},
    ],
)
def test_cached_tokens_that_no_dialect_reads_are_never_taken_for_uncached(cached: dict[str, object]) -> None:
    with pytest.raises(CannotMeasure):
        token_pools({**CHAT_OF_100, **cached})


@pytest.mark.parametrize(
    "beside",
    [
        {"raw": {"cached_tokens": 0, "cache_hit_tokens": Decimal("NaN"), "cache_hit": True}},
        {"raw": {"cache_read_input_token_cost": Decimal("0.0000001"), "cached_tokens": None}},
        {"prompt_cache_hit_tokens": 0, "prompt_cache_miss_tokens": 100},
        {"cache_creation": {"ephemeral_5m_input_tokens": 0}},
    ],
)
def test_nothing_cached_is_no_reason_to_refuse(beside: dict[str, object]) -> None:
    assert token_pools({**CHAT_OF_100, **beside}) == pools(100, 0, 0, 5, 0)


def test_langchain_states_what_was_written_by_lifetime_and_zero_beside_it() -> None:
    details = {"cache_read": 100, "cache_creation": 0, "ephemeral_5m_input_tokens": 80, "ephemeral_1h_input_tokens": 70}
    usage: dict[str, object] = {"input_tokens": 350, "output_tokens": 40, "total_tokens": 390}
    assert token_pools({**usage, "input_token_details": details}) == pools(100, 100, 150, 40, 0)
    # The whole and its parts are one count
    assert token_pools({**usage, "input_token_details": {**details, "cache_creation": 150}}).cache_write == 150
    with pytest.raises(CannotMeasure):
        token_pools({**usage, "input_token_details": {**details, "cache_creation": 151}})


@pytest.mark.parametrize("tier", ["priority", "flex"])
def test_langchain_names_the_pools_of_a_service_tier_otherwise(tier: str) -> None:
    usage: dict[str, object] = {"input_tokens": 350, "output_tokens": 40, "total_tokens": 390}
    usage["input_token_details"] = {f"{tier}_cache_read": 100, tier: 250}
    usage["output_token_details"] = {f"{tier}_reasoning": 30, tier: 10}
    assert token_pools(usage) == pools(250, 100, 0, 10, 30)
