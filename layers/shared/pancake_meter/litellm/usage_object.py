"""Token counts as model providers state them, split into disjoint pools.

Prompt tokens contain what was read from and written to a cache, completion tokens contain reasoning: the shape that
LiteLLM gives to every provider's usage, and OpenAI's own. Anthropic's names for the cached part are read where OpenAI's
are missing. Anthropic's own shape differs: its ``input_tokens`` are the uncached ones, and the cached stand beside them.
"""

from collections.abc import Mapping
from decimal import Decimal

from pancake_meter.domain.errors import CannotMeasure
from pancake_meter.domain.measuring import TokenPools
from pancake_meter.domain.quantity import parse_quantity

ZERO = Decimal(0)


def token_pools(usage: Mapping[str, object]) -> TokenPools:
    """Return the disjoint pools of a usage object.

    Raises:
        CannotMeasure: it has no counts, or a part is larger than its whole.
        InvalidQuantity: a count is no exact number, negative, or out of bounds.
    """
    prompt, completion = (
        _first(usage, "prompt_tokens", "input_tokens"),
        _first(usage, "completion_tokens", "output_tokens"),
    )
    if prompt is None and completion is None:
        raise CannotMeasure("the event has no token counts")
    prompt_details = _details(usage, "prompt_tokens_details", "input_tokens_details")
    completion_details = _details(usage, "completion_tokens_details", "output_tokens_details")
    cache_read = _first(prompt_details, "cached_tokens")
    cache_write = _first(prompt_details, "cache_creation_tokens")
    pools = TokenPools(
        cache_read=(cache_read if cache_read is not None else _first(usage, "cache_read_input_tokens")) or ZERO,
        cache_write=(cache_write if cache_write is not None else _first(usage, "cache_creation_input_tokens")) or ZERO,
        reasoning=_first(completion_details, "reasoning_tokens") or ZERO,
    )
    if _is_anthropic(usage):
        prompt = (prompt or ZERO) + pools.cache_read + pools.cache_write
    return _without_parts(prompt or ZERO, completion or ZERO, pools)


def _is_anthropic(usage: Mapping[str, object]) -> bool:
    """Whether the cached tokens stand beside the input tokens: OpenAI's input tokens come with details instead."""
    if usage.get("prompt_tokens") is not None or isinstance(usage.get("input_tokens_details"), Mapping):
        return False
    return "cache_read_input_tokens" in usage or "cache_creation_input_tokens" in usage


def _without_parts(prompt: Decimal, completion: Decimal, parts: TokenPools) -> TokenPools:
    uncached_input = prompt - parts.cache_read - parts.cache_write
    output = completion - parts.reasoning
    if uncached_input < ZERO or output < ZERO:
        raise CannotMeasure("a part of the tokens is larger than the whole")
    return TokenPools(uncached_input, parts.cache_read, parts.cache_write, output, parts.reasoning)


def _details(usage: Mapping[str, object], *names: str) -> Mapping[str, object]:
    for name in names:
        details = usage.get(name)
        if isinstance(details, Mapping):
            return details
    return {}


def _first(counts: Mapping[str, object], *names: str) -> Decimal | None:
    value = next((counts[name] for name in names if counts.get(name) is not None), None)
    return None if value is None else parse_quantity(value)
