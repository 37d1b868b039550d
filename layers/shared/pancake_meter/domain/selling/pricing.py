"""Prices: what a quantity of units costs, exactly.

- per unit: every paid unit at one price;
- package: started packages of ``size`` units (or, rounding down, full ones);
- graduated: each unit at the price of its own tier, plus the flat fee of every tier reached;
- volume: all units at the price of the tier that the total falls in, plus that tier's flat fee.

A tier's ``up_to`` is inclusive; a fractional quantity between two tiers belongs to the next. Free units come off first.
Selling nothing costs nothing, and units that are all free cost nothing, flat fees included.
Definitions: docs.stripe.com "tiered pricing"; getlago.com "charge models".
"""

from collections.abc import Mapping
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation, localcontext
from itertools import pairwise
from typing import ClassVar, Final, Literal

from pancake_meter.domain.errors import DomainError
from pancake_meter.domain.quantity import format_quantity
from pancake_meter.domain.selling.money import Money, round_half_up
from pancake_meter.value import Value

RATE_DECIMAL_PLACES = 12
MAX_RATE = Decimal(10) ** 9
MAX_TIERS = 50

_ZERO = Decimal(0)
_RATE_STEP = Decimal(1).scaleb(-RATE_DECIMAL_PLACES)
EXACT: Final = Context(prec=80, traps=[Inexact, InvalidOperation])
"""Room for the longest product: 22 digits of quantity by 22 of rate. An inexact result is our fault and must not pass."""


class InvalidPrice(DomainError):
    """A price contradicts itself. ``details["field"]`` names the part at fault: ``"tiers[1].up_to"``."""

    code: ClassVar[str] = "invalid_price"


class PerUnit(Value):
    """``unit_price`` for every unit beyond ``free_units``, plus ``flat`` when there is one."""

    unit_price: Decimal
    flat: Decimal = _ZERO
    free_units: Decimal = _ZERO

    def __post_init__(self) -> None:
        """Refuse a price that is negative, too fine or too large."""
        _check_rates(unit_price=self.unit_price, flat=self.flat)
        _check_free_units(self.free_units)


class Package(Value):
    """``price`` for each ``size`` units beyond ``free_units``, plus ``flat`` when there are any.

    Rounding ``up``, a package is paid as soon as it is started; ``down``, once it is full.
    """

    size: Decimal
    price: Decimal
    flat: Decimal = _ZERO
    free_units: Decimal = _ZERO
    rounding: Literal["up", "down"] = "up"

    def __post_init__(self) -> None:
        """Refuse a package without size, and a price that is negative, too fine or too large."""
        if not self.size > _ZERO:
            raise InvalidPrice("a package holds more than nothing", field="size")
        _check_rates(price=self.price, flat=self.flat)
        _check_free_units(self.free_units)


class Tier(Value):
    """Units up to and including ``up_to``, counted from zero; ``None`` is without end."""

    up_to: Decimal | None
    unit_price: Decimal
    flat: Decimal = _ZERO


class Graduated(Value):
    """Each paid unit at the price of the tier it lies in; the flat fee of every tier reached."""

    tiers: tuple[Tier, ...]
    free_units: Decimal = _ZERO

    def __post_init__(self) -> None:
        """Refuse tiers that overlap, end, or have a bad price."""
        _check_tiers(self.tiers)
        _check_free_units(self.free_units)


class Volume(Value):
    """All paid units at the price of the tier that their total falls in; the flat fee of that tier only."""

    tiers: tuple[Tier, ...]
    free_units: Decimal = _ZERO

    def __post_init__(self) -> None:
        """Refuse tiers that overlap, end, or have a bad price."""
        _check_tiers(self.tiers)
        _check_free_units(self.free_units)


Price = PerUnit | Package | Graduated | Volume
Prices = Mapping[str, Price]
"""Prices by currency."""


class PriceDrop(Value):
    """Just above ``quantity`` paid units the total falls from ``total_at`` to ``total_above``: more costs less."""

    quantity: Decimal
    total_at: Decimal
    total_above: Decimal


def price_of(price: Price, quantity: Decimal, from_quantity: Decimal = _ZERO) -> Decimal:
    """Return the exact, unrounded price of the units in ``(from_quantity, from_quantity + quantity]``.

    ``from_quantity`` is where billing of the period stopped, so that selling in parts costs what selling at once does.
    A volume price is the exception where its total falls at a tier's start: that part is free, never negative, and the
    parts together cost more than the whole.

    Raises:
        ValueError: a quantity is negative.
    """
    if quantity < _ZERO or from_quantity < _ZERO:
        raise ValueError("units are sold in quantities of zero or more, from zero or more")
    with localcontext(EXACT):
        return max(_ZERO, _charged(price, from_quantity + quantity) - _charged(price, from_quantity))


def line_amount(price: Price, quantity: Decimal, currency: str, from_quantity: Decimal = _ZERO) -> Money:
    """Return ``price_of`` as money: rounded half up, once.

    Raises:
        ValueError: a quantity is negative.
        UnknownCurrency: the currency is unknown.
    """
    return round_half_up(price_of(price, quantity, from_quantity), currency)


def lump_price(quantity: Decimal, total: Decimal) -> PerUnit:
    """Return a price at which all of ``quantity`` units cost ``total``, exact to 12 decimal places, and parts cost a share.

    What the price of a unit cannot state is a flat fee, less than a thousandth of the currency's unit for a billion units.
    """
    with localcontext(EXACT) as context:
        context.traps[Inexact] = False
        unit_price = min(MAX_RATE, (total / quantity).quantize(_RATE_STEP, rounding=ROUND_DOWN))
        flat = (total - unit_price * quantity).quantize(_RATE_STEP, rounding=ROUND_HALF_UP)
    return PerUnit(unit_price, flat)


def model_total(price: Price, paid_units: Decimal) -> Decimal:
    """Return the model's own figure for ``paid_units`` counted from zero, free units set aside.

    Here the first tier is always reached, so its flat fee stands at zero units too (as Lago bills it). What we sell
    goes through ``price_of``, which charges nothing for nothing.
    """
    with localcontext(EXACT):
        match price:
            case PerUnit():
                return price.flat + paid_units * price.unit_price
            case Package():
                return price.flat + _packages(price, paid_units) * price.price
            case Graduated():
                return _graduated_total(price.tiers, paid_units)
            case Volume():
                tier = _tier_of(price.tiers, paid_units)
                return tier.flat + paid_units * tier.unit_price


def steps_of(price: Price) -> tuple[Decimal, ...]:
    """Return the quantities, free units included, between which the price of all units never falls."""
    tiers = price.tiers if isinstance(price, Graduated | Volume) else ()
    return (price.free_units, *(price.free_units + tier.up_to for tier in tiers if tier.up_to is not None))


def cheaper_when_more(price: Volume) -> tuple[PriceDrop, ...]:
    """Return every place where a larger quantity costs less than a smaller one."""
    drops: list[PriceDrop] = []
    with localcontext(EXACT):
        for tier, above in pairwise(price.tiers):
            quantity = tier.up_to or _ZERO
            total_at = tier.flat + quantity * tier.unit_price
            total_above = above.flat + quantity * above.unit_price
            if total_above < total_at:
                drops.append(PriceDrop(quantity, total_at, total_above))
    return tuple(drops)


def check_rate(rate: Decimal, field: str = "") -> None:
    """Refuse what cannot be a price of units: 0 to 10**9, at most 12 decimal places.

    Raises:
        InvalidPrice: it cannot; ``field`` is passed on in the details.
    """
    if not rate.is_finite() or not _ZERO <= rate <= MAX_RATE:
        raise InvalidPrice(f"a price is from 0 to {format_quantity(MAX_RATE)}", field=field)
    try:
        rate.quantize(_RATE_STEP, context=EXACT)
    except (Inexact, InvalidOperation):
        raise InvalidPrice(f"a price has at most {RATE_DECIMAL_PLACES} decimal places", field=field) from None


def _charged(price: Price, quantity: Decimal) -> Decimal:
    paid_units = quantity - price.free_units
    return model_total(price, paid_units) if paid_units > _ZERO else _ZERO


def _packages(price: Package, paid_units: Decimal) -> Decimal:
    full, rest = divmod(paid_units, price.size)
    return full + 1 if rest and price.rounding == "up" else full


def _graduated_total(tiers: tuple[Tier, ...], paid_units: Decimal) -> Decimal:
    total, below = _ZERO, _ZERO
    for tier in tiers:
        within = paid_units if tier.up_to is None else min(paid_units, tier.up_to)
        total += tier.flat + (within - below) * tier.unit_price
        if within == paid_units:
            break
        below = within
    return total


def _tier_of(tiers: tuple[Tier, ...], paid_units: Decimal) -> Tier:
    return next(tier for tier in tiers if tier.up_to is None or paid_units <= tier.up_to)


def _check_tiers(tiers: tuple[Tier, ...]) -> None:
    if not 1 <= len(tiers) <= MAX_TIERS:
        raise InvalidPrice(f"a price has 1 to {MAX_TIERS} tiers", field="tiers")
    below = _ZERO
    for index, tier in enumerate(tiers):
        is_last = index == len(tiers) - 1
        if (tier.up_to is None) != is_last:
            raise InvalidPrice("the last tier, and only the last, has no up_to", field=f"tiers[{index}].up_to")
        if tier.up_to is not None and tier.up_to <= below:
            raise InvalidPrice(
                f"a tier ends above the one before it: above {format_quantity(below)}", field=f"tiers[{index}].up_to"
            )
        below = tier.up_to or below
        _check_rates(f"tiers[{index}].", unit_price=tier.unit_price, flat=tier.flat)


def _check_rates(prefix: str = "", **rates: Decimal) -> None:
    for name, rate in rates.items():
        check_rate(rate, f"{prefix}{name}")


def _check_free_units(free_units: Decimal) -> None:
    if not free_units >= _ZERO:
        raise InvalidPrice("free units are zero or more", field="free_units")
