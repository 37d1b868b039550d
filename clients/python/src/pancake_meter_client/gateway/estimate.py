"""How many units to hold for a call, from its request: what goes in, and as much as may come out."""

from collections.abc import Callable, Iterator, Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any, Final

from pancake_meter_client.gateway.call_kinds import PRODUCING
from pancake_meter_client.gateway.settings import LoggerSettings

_INPUT_FIELDS: Final = (
    "messages",
    "prompt",
    "input",
    "system",
    "instructions",
    "contents",
    "systemInstruction",
    "query",
    "documents",
    "tools",
    "functions",
    "response_format",
)
_OUTPUT_FIELDS: Final = ("max_completion_tokens", "max_output_tokens", "max_tokens", "max_tokens_to_sample")
_CHARACTERS_PER_TOKEN: Final = 3
_TOKENS_PER_PART: Final = 4
"""What a message or another part of a prompt costs beside its text."""
_TOKENS_PER_MEDIUM: Final = 300
_MEDIA_FIELDS: Final = frozenset({"b64_json", "bytes", "data", "file_data", "image_url", "url"})
"""Where an image, a sound or a file stands in a prompt, as itself or by its address."""
_COUNT_MAX: Final = 10**9

Counter = Callable[[str], int]
"""Counts the tokens of a text; may raise anything."""


def hold_units(settings: LoggerSettings, call_type: str, request: Mapping[str, Any], count: Counter) -> int:
    """Return the units to hold: at least one, and never more than the settings' maximum."""
    if settings.hold_counts == "calls":
        return 1
    units = settings.input_token_units * _input_tokens(request, count)
    if call_type in PRODUCING:
        units += settings.output_token_units * _output_tokens(settings, request)
    return max(1, min(settings.hold_units_max, int(units.to_integral_value(ROUND_CEILING))))


def rough_tokens(text: str) -> int:
    """Estimate the tokens of a text from its length, on the high side for words."""
    return -(-len(text) // _CHARACTERS_PER_TOKEN)


def _input_tokens(request: Mapping[str, Any], count: Counter) -> int:
    parts = list(_parts([request.get(name) for name in _INPUT_FIELDS]))
    text = "\n".join(part for part in parts if isinstance(part, str))
    try:
        tokens = count(text)
    except Exception:  # noqa: BLE001 - whatever a tokenizer has against a text, the call is not refused for it
        tokens = rough_tokens(text)
    return tokens + sum(_TOKENS_PER_PART if isinstance(part, str) else part for part in parts)


def _output_tokens(settings: LoggerSettings, request: Mapping[str, Any]) -> int:
    config = request.get("generationConfig") or request.get("config")
    google = config.get("maxOutputTokens") if isinstance(config, Mapping) else None
    stated = [_count(request.get(name)) for name in _OUTPUT_FIELDS] + [_count(google)]
    longest = max((number for number in stated if number is not None), default=settings.output_tokens_default)
    choices = max(_count(request.get("n")) or 1, _count(request.get("best_of")) or 1)
    prompts = request.get("prompt")
    if isinstance(prompts, list) and any(isinstance(prompt, str | list) for prompt in prompts):
        choices *= len(prompts)
    return longest * choices


def _count(value: object) -> int | None:
    """A count that a client states, as a number or its text; what is no count, or none at all, is ``None``."""
    if isinstance(value, str):
        value = int(value) if value.isdecimal() and len(value) <= len(str(_COUNT_MAX)) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _COUNT_MAX:
        return None
    return int(Decimal(value).to_integral_value(ROUND_CEILING))


def _parts(value: object) -> Iterator[str | int]:
    """Walk through all texts, lists of token ids and media: a client's nesting has no bound, so without recursion."""
    left: list[Any] = [value]
    while left:
        node = left.pop()
        if isinstance(node, str):
            yield node
        elif isinstance(node, Mapping):
            media = [name for name, each in node.items() if name in _MEDIA_FIELDS and isinstance(each, str)]
            yield _TOKENS_PER_MEDIUM * len(media)
            left += [each for name, each in node.items() if name not in media]
        elif isinstance(node, list) and node and all(type(token) is int for token in node):
            yield len(node)
        elif isinstance(node, list | tuple):
            left += node
