"""Measuring: how a meter turns what happened into units.

Token counts are disjoint pools, so that none is counted twice: what came out of a cache is not input again, and reasoning
is not output again. Every count and weight is exact.
"""

from collections.abc import Mapping
from decimal import Decimal
from fnmatch import fnmatchcase

from pancake_meter.domain.errors import CannotMeasure
from pancake_meter.domain.quantity import parse_quantity
from pancake_meter.value import Value, field

ZERO = Decimal(0)
ONE = Decimal(1)


class TokenPools(Value):
    """Tokens of one model call, or the weight of each pool: no token is in two of them."""

    uncached_input: Decimal = ZERO
    cache_read: Decimal = ZERO
    cache_write: Decimal = ZERO
    output: Decimal = ZERO
    reasoning: Decimal = ZERO

    def weighed(self, weights: "TokenPools") -> Decimal:
        """Return the weighted sum of the pools."""
        return sum((getattr(self, pool) * getattr(weights, pool) for pool in TOKEN_POOLS), ZERO)


TOKEN_POOLS = TokenPools.__struct_fields__

EVEN_WEIGHTS = TokenPools(ONE, ONE, ONE, ONE, ONE)
"""Every token is a unit."""


class Happening(Value):
    """What a source tells: ``value`` where it states a quantity, ``tokens`` and ``models`` where it was a model call.

    ``models`` are the names under which the call's model may stand in the catalog, the most telling first.
    """

    value: Decimal | None = None
    tokens: TokenPools | None = None
    models: tuple[str, ...] = ()


class StatedQuantity(Value):
    """The source says how many units it was."""


class EventCount(Value):
    """Each event is one unit."""


class WeighedTokens(Value):
    """Units are the weighted sum of the token pools; ``by_model`` has weights for names and patterns (``claude-*``)."""

    default: TokenPools = EVEN_WEIGHTS
    by_model: Mapping[str, TokenPools] = field(default_factory=dict)

    def weights(self, models: tuple[str, ...]) -> TokenPools:
        """Return the weights of the first of ``models`` that the catalog knows, else the default.

        An exact name goes before every pattern, a pattern with more characters of its own before one with fewer.
        """
        for model in models:
            if model in self.by_model:
                return self.by_model[model]
            matching = [pattern for pattern in self.by_model if fnmatchcase(model, pattern)]
            if matching:
                return self.by_model[min(matching, key=_least_specific_last)]
        return self.default


Measure = StatedQuantity | EventCount | WeighedTokens


def measure(how: Measure, happening: Happening) -> Decimal:
    """Return the units that something comes to.

    Raises:
        CannotMeasure: the source did not tell what the meter counts.
        InvalidQuantity: the units are beyond what a quantity can be.
    """
    match how:
        case EventCount():
            return ONE
        case StatedQuantity():
            if happening.value is None:
                raise CannotMeasure("the event states no quantity")
            return happening.value
        case WeighedTokens():
            if happening.tokens is None:
                raise CannotMeasure("the event has no token counts")
            return parse_quantity(happening.tokens.weighed(how.weights(happening.models)))


def _least_specific_last(pattern: str) -> tuple[int, str]:
    return -len(pattern.replace("*", "")), pattern


class EventMapping(Value):
    """One line of the catalog's ``[[openmeter.events]]``: events of ``type`` feed ``meter``.

    ``value`` is the path of the quantity in the event's data (``usage.total``), ``model`` that of the model's name;
    ``usage`` that of an object with token counts, ``""`` being the data itself.
    """

    type: str
    meter: str
    value: str | None = None
    model: str | None = None
    usage: str = ""
