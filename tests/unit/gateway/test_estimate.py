"""How much is held for a call: what goes in and may come out, whatever a client writes into its request."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from pancake_meter_client.gateway.call_kinds import HELD
from pancake_meter_client.gateway.estimate import hold_units, rough_tokens
from pancake_meter_client.gateway.settings import LoggerSettings

SETTINGS = LoggerSettings("https://api.example.com", "pm_test_x", "tokens")


def words(text: str) -> int:
    """A tokenizer to whom each word is a token."""
    return len(text.split())


def units(request: dict[str, Any], call_type: str = "acompletion", settings: LoggerSettings = SETTINGS) -> int:
    return hold_units(settings, call_type, request, words)


def chat(content: Any = "hi there you", **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}], **more}


INPUT = 3 + 1 + 2 * 4
"""Three words and a role, and what two parts cost beside them."""


@pytest.mark.parametrize(
    ("request_", "call_type", "expected"),
    [
        (chat(), "acompletion", INPUT + 1024),
        (chat(max_tokens=50), "acompletion", INPUT + 50),
        (chat(max_completion_tokens=60, max_tokens=50), "acompletion", INPUT + 60),
        (chat(max_tokens=50, n=3), "acompletion", INPUT + 150),
        (chat(max_tokens="50"), "acompletion", INPUT + 50),
        (chat(max_tokens=50), "anthropic_messages", INPUT + 50),
        ({"input": "one two", "max_output_tokens": 9}, "aresponses", 2 + 4 + 9),
        ({"prompt": "one two", "max_tokens": 9, "best_of": 2}, "atext_completion", 2 + 4 + 18),
        ({"prompt": ["one", "two"], "max_tokens": 9}, "atext_completion", 2 + 8 + 18),
        ({"prompt": [1, 2, 3], "max_tokens": 9}, "atext_completion", 3 + 9),
        ({"input": ["one two", "three"]}, "aembedding", 3 + 8),
        ({"input": [[1, 2], [3]]}, "aembedding", 3),
        ({"query": "a", "documents": ["b", {"text": "c"}]}, "arerank", 3 + 12),
        ({"contents": "a b", "config": {"maxOutputTokens": 7}}, "agenerate_content", 2 + 4 + 7),
        (chat([{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:x"}}]), "acompletion",
         4 + 4 * 4 + 300 + 1024),
        ({}, "acompletion", 1024),
        ({}, "aembedding", 1),
    ],
    ids=str,
)  # fmt: skip
def test_what_goes_in_and_may_come_out_is_held(request_: dict[str, Any], call_type: str, expected: int) -> None:
    assert call_type in HELD
    assert units(request_, call_type) == expected


@pytest.mark.parametrize("odd", [None, 0, -5, True, "many", "9" * 5000, 1e400, float("nan"), 10**12, [1], {"a": 1}])
def test_a_number_that_is_none_is_as_if_it_were_left_out(odd: Any) -> None:
    assert units(chat(max_tokens=odd, n=odd, best_of=odd, max_output_tokens=odd)) == INPUT + 1024


@pytest.mark.parametrize("stated", [{"max_tokens": 10**9}, {"max_tokens": 50, "n": 10**9}, {"n": 4000}])
def test_a_hold_has_a_maximum(stated: dict[str, Any]) -> None:
    assert units(chat(**stated)) == SETTINGS.hold_units_max


def test_odd_prompts_are_held_for_and_not_refused() -> None:
    deep: Any = "x"
    for _ in range(50_000):
        deep = [deep]
    for prompt in (deep, 7, None, [None, {"content": None}], {"role": "user"}, "\ud800"):
        assert 1 <= units({"messages": prompt, "max_tokens": 5}) <= 20


def test_a_tokenizer_that_fails_is_replaced_by_a_count_on_the_high_side() -> None:
    def fails(_: str) -> int:
        raise ValueError("no tokenizer")

    text = "Tokens are words, or parts of words; four characters each, more or less."
    assert rough_tokens(text) >= len(text) / 4
    assert hold_units(SETTINGS, "aembedding", {"input": text}, fails) == rough_tokens(text) + 4


def test_weights_of_the_catalog_can_be_allowed_for() -> None:
    weighed = replace(SETTINGS, input_token_units=Decimal("0.1"), output_token_units=Decimal(5))
    assert units(chat(max_tokens=50), settings=weighed) == 2 + 250


def test_where_calls_are_counted_each_is_one() -> None:
    assert units(chat(max_tokens=50), settings=replace(SETTINGS, hold_counts="calls")) == 1


@pytest.mark.parametrize("call_type", ["moderation", "amoderation", "list_mcp_tools", "aretrieve_batch", "health"])
def test_calls_that_are_no_model_calls_pass(call_type: str) -> None:
    assert call_type not in HELD
