"""Token counts as libraries state them, split into disjoint pools: each usage object by the rules of its own dialect.

An object that more than one dialect can read counts where they agree. One that contradicts itself, or that has counts of
cached tokens under a name that nobody knows, is refused: to take those for uncached would be a guess.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from pancake_meter.domain.errors import CannotMeasure
from pancake_meter.domain.quantity import InvalidQuantity, parse_quantity
from pancake_meter.domain.usage.measuring import TokenPools
from pancake_meter.litellm.usage_dialects import ANTHROPIC, DIALECTS, RESPONSES, Dialect, Names
from pancake_meter.value import Value

ZERO = Decimal(0)
_WRAPPERS: Final = ("usage", "usageMetadata", "usage_metadata")
"""Under these a response has its usage object."""

_PROVIDER: Final = "providerMetadata"
"""What the AI SDK says beside a usage object, of whose provider it is."""

_BREAKDOWNS: Final = frozenset(
    {
        "cache_creation",
        "cache_creation_token_details",
        "cacheDetails",
        "cacheTokensDetails",
        "cache_tokens_details",
        "cached_tokens_details",
        "cache_write_tokens_details",
    }
)
"""Cached tokens once more, by modality or lifetime."""

_OBJECTS: Final = frozenset(
    path.rpartition(".")[0] for dialect in DIALECTS for path in (*dialect.input, *dialect.output) if "." in path
)
"""What is a count in one dialect, and in another an object that has the count inside."""

_CACHED_TOKENS: Final = re.compile(r"(?i)(?=.*cach)(?=.*token)")
_NOT_CACHED: Final = re.compile(r"(?i)no_?cache|(non_?|un)cached|cache_?miss")
_NAME_LENGTH_MAX: Final = 80
_WHOLE: Final = re.compile(r"[0-9]{1,20}")


class _Reading(Value):
    """What one dialect reads: the wholes, with their parts inside; a part is ``None`` where it is not stated."""

    input: Decimal
    output: Decimal
    cache_read: Decimal | None
    cache_write: Decimal | None
    reasoning: Decimal | None


def token_pools(usage: Mapping[str, object], *, is_total_exact: bool = True) -> TokenPools:
    """Return the disjoint pools of a usage object, or of the response that has it under ``usage``.

    A stated total is the sum of the pools, unless ``is_total_exact`` is false: LiteLLM passes on totals of providers that
    count what it leaves out.

    Raises:
        CannotMeasure: it has no counts, contradicts itself, or has cached tokens under an unknown name.
        InvalidQuantity: a count is no whole number, negative, or out of bounds.
    """
    readings = list(_readings(usage, is_total_exact=is_total_exact))
    if not readings:
        beside = {_PROVIDER: usage[_PROVIDER]} if _PROVIDER in usage else {}
        inner = [{**beside, **each} for name in _WRAPPERS if isinstance(each := usage.get(name), Mapping)]
        readings = [reading for each in inner for reading in _readings(each, is_total_exact=is_total_exact)]
    if not readings:
        raise CannotMeasure("the event has no token counts")
    # LiteLLM states zeros under OpenAI's names beside what a provider really counted.
    counted = [reading for reading in readings if reading.input or reading.output] or readings[:1]
    whole = counted[0]
    for other in counted[1:]:
        whole = _agreed(whole, other)
    if not whole.cache_read and not whole.cache_write:
        _check_cache_elsewhere(usage)
    return _split(whole)


def _readings(usage: Mapping[str, object], *, is_total_exact: bool) -> Iterator[_Reading]:
    dialects = [dialect for dialect in DIALECTS if _speaks(usage, dialect)]
    if ANTHROPIC in dialects:
        dialects.remove(RESPONSES)
    if not dialects:
        return
    _check_unknown_cache(usage, dialects)
    if usage.get("iterations") and ANTHROPIC in dialects:
        raise CannotMeasure("the usage has iterations, whose tokens its totals leave out")
    for dialect in dialects:
        yield _read(usage, dialect, is_total_exact=is_total_exact)


def _speaks(usage: Mapping[str, object], dialect: Dialect) -> bool:
    if dialect.needs and all(_at(usage, path) is None for path in dialect.needs):
        return False
    if any(_at(usage, path) is not None for path in dialect.not_with):
        return False
    return any(_is_stated(_at(usage, path), path) for path in (*dialect.input, *dialect.output))


def _read(usage: Mapping[str, object], dialect: Dialect, *, is_total_exact: bool) -> _Reading:
    counted_input, counted_output = _count(usage, dialect.input), _count(usage, dialect.output)
    entered = (counted_input or ZERO) + (_count(usage, dialect.more_input) or ZERO)
    output = counted_output or ZERO
    read, written = _count(usage, dialect.cache_read), _written(usage, dialect)
    reasoning, uncached = _count(usage, dialect.reasoning), _count(usage, dialect.uncached)
    total = _count(usage, dialect.total)
    cached = (read or ZERO) + (written or ZERO)
    whole_input = entered + cached if dialect.is_cache_beside else entered
    if uncached is not None and uncached != whole_input - cached:
        raise CannotMeasure("the cached and uncached tokens are not the input")
    with_reasoning = output + (reasoning or ZERO)
    if total and is_total_exact:
        if dialect is ANTHROPIC and cached and total == entered + output:
            raise CannotMeasure("it cannot be told whether the cached tokens are inside the input")
        sums = {whole_input + with_reasoning: with_reasoning, whole_input + output: output}
        if dialect.is_cache_beside:
            sums.setdefault(entered + output, output)
        if total not in sums:
            raise CannotMeasure("the token counts are not their total")
        output = sums[total]
    elif total and total > whole_input + with_reasoning and None in (counted_input, counted_output):
        raise CannotMeasure("a count is missing that the total has")
    elif dialect.is_reasoning_beside:
        output = with_reasoning
    return _Reading(whole_input, output, read, written, reasoning)


def _written(usage: Mapping[str, object], dialect: Dialect) -> Decimal | None:
    """Return what was written into a cache: LangChain states it by lifetime alone, and zero beside it."""
    whole = _count(usage, dialect.cache_write)
    parts = sum((_count(usage, (path,)) or ZERO for path in dialect.cache_write_parts), ZERO)
    return _same(whole or None, parts) if parts else whole


def _agreed(one: _Reading, other: _Reading) -> _Reading:
    """Return what both readings say; where one states no part, the other's stands."""
    if (one.input, one.output) != (other.input, other.output):
        raise CannotMeasure("the usage is stated twice, and differently")
    return _Reading(
        one.input,
        one.output,
        _same(one.cache_read, other.cache_read),
        _same(one.cache_write, other.cache_write),
        _same(one.reasoning, other.reasoning),
    )


def _same(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    if one is not None and other is not None and one != other:
        raise CannotMeasure("a count is stated twice, and differently")
    return other if one is None else one


def _split(whole: _Reading) -> TokenPools:
    read, written, reasoning = whole.cache_read or ZERO, whole.cache_write or ZERO, whole.reasoning or ZERO
    uncached_input, output = whole.input - read - written, whole.output - reasoning
    if uncached_input < ZERO or output < ZERO:
        raise CannotMeasure("a part of the tokens is larger than the whole")
    return TokenPools(uncached_input, read, written, output, reasoning)


def _check_unknown_cache(usage: Mapping[str, object], dialects: list[Dialect]) -> None:
    known = {path for dialect in dialects for path in (*dialect.cache_read, *dialect.cache_write, *dialect.uncached)}
    for path in _cache_paths(usage):
        if path not in known:
            raise CannotMeasure(f"{path[:80]!r} is a count of cached tokens that no known usage object has")


def _check_cache_elsewhere(usage: Mapping[str, object]) -> None:
    """Refuse an object of which no dialect reads cached tokens, but which has some: in its depth, a list or a text."""
    left: list[tuple[str, object]] = [("", usage)]
    while left:
        path, value = left.pop()
        if isinstance(value, Mapping):
            inner = f"{path}." if path else ""
            left += [(f"{inner}{key[:_NAME_LENGTH_MAX]}"[-_NAME_LENGTH_MAX:], each) for key, each in value.items()]
        elif isinstance(value, list):
            left += [(path, each) for each in value]
        elif _CACHED_TOKENS.search(path) and not _NOT_CACHED.search(path) and _is_count(value):
            raise CannotMeasure(f"{path!r} is a count of cached tokens that no known usage object has")
        elif isinstance(value, str) and "details" in path.lower() and "cache" in value:
            raise CannotMeasure(f"{path!r} is a text, and no object with counts")


def _cache_paths(usage: Mapping[str, object]) -> Iterator[str]:
    """Yield the paths of counts above nothing that have to do with a cache."""
    for key, value in usage.items():
        if key in _BREAKDOWNS and isinstance(value, Mapping | list) and not _has_input_tokens(value):
            continue
        if isinstance(value, Mapping):
            is_near = "cach" in key.lower() or "token" in key.lower() or "detail" in key.lower()
            is_cached = "cach" in key.lower()
            for name, inner in value.items() if is_near else ():
                is_cache = (is_cached or "cach" in name.lower()) and name not in _BREAKDOWNS
                if is_cache and name not in {"noCache", "noCacheTokens"} and _is_above_nothing(inner):
                    yield f"{key}.{name}"
        elif "cach" in key.lower() and "token" in key.lower() and _is_above_nothing(value):
            yield key


def _has_input_tokens(value: object) -> bool:
    return isinstance(value, Mapping) and "input_tokens" in value


def _is_above_nothing(value: object) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool) and value != 0


def _is_count(value: object) -> bool:
    """Whether it is a whole number above nothing; its text too."""
    if isinstance(value, str):
        return _WHOLE.fullmatch(value) is not None and int(value) > 0
    if not isinstance(value, int | Decimal) or not _is_above_nothing(value):
        return False
    return Decimal(value) == Decimal(value).to_integral_value()


def _count(usage: Mapping[str, object], paths: Names) -> Decimal | None:
    """Return a count that may be stated under several names."""
    counted: Decimal | None = None
    for path in paths:
        value = _at(usage, path)
        if not _is_stated(value, path):
            continue
        if isinstance(value, Mapping):
            raise CannotMeasure(f"{path!r} is an object, and no count")
        count = parse_quantity(value)
        if count != count.to_integral_value():
            raise InvalidQuantity("a count of tokens is a whole number")
        counted = _same(counted, count)
    return counted


def _is_stated(value: object, path: str) -> bool:
    """Whether a count is stated there. An object is no count, unless some dialect has its counts inside it."""
    return value is not None and not (isinstance(value, Mapping) and path in _OBJECTS)


def _at(usage: Mapping[str, object], path: str) -> object:
    """Return what stands under a dotted name, or at the path that it spells; ``None`` for nothing."""
    if path in usage:
        return usage[path]
    found: object = usage
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
