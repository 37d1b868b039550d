"""Prices of units in words: what a customer pays for use beyond the plan, before there is any."""

from collections.abc import Sequence
from decimal import Decimal

from pancake_meter.domain.balance.balance import ZERO
from pancake_meter.domain.selling.pricing import Graduated, Package, PerUnit, Price, Tier, Volume
from pancake_pages.language import Language
from pancake_pages.price_words import size_shown


def price_texts(price: Price, currency: str, language: Language) -> Sequence[str]:
    """Return what a price says: one line, or one for each tier and what else there is."""
    free = [language.words("portal.rate.free", count=price.free_units, shown=language.number(price.free_units))]
    return [*(free if price.free_units > ZERO else ()), *_rates(price, currency, language)]


def _rates(price: Price, currency: str, language: Language) -> Sequence[str]:
    words = language.words
    match price:
        case PerUnit():
            return [_with_flat(_rate(price.unit_price, currency, language), price.flat, currency, language)]
        case Package():
            key = f"portal.rate.{'begun' if price.rounding == 'up' else 'full'}"
            amount = language.rate(price.price, currency)
            text = words(key, amount=amount, count=price.size, shown=language.number(price.size))
            return [_with_flat(text, price.flat, currency, language)]
        case Graduated() | Volume():
            kind = "graduated" if isinstance(price, Graduated) else "volume"
            if len(price.tiers) == 1:
                return [_of_tier(price.tiers[0], currency, language)]
            return [
                words(
                    f"portal.rate.{kind}.{'further' if tier.up_to is None else 'up_to'}",
                    up_to=language.number(tier.up_to or ZERO),
                    rate=_of_tier(tier, currency, language),
                )
                for tier in price.tiers
            ]


def _of_tier(tier: Tier, currency: str, language: Language) -> str:
    return _with_flat(_rate(tier.unit_price, currency, language), tier.flat, currency, language)


def _rate(unit_price: Decimal, currency: str, language: Language) -> str:
    if unit_price == ZERO:
        return language.words("portal.rate.nothing")
    per = size_shown(unit_price, currency)
    key = "portal.rate.each" if per == 1 else "portal.rate.per"
    return language.words(key, amount=language.rate(unit_price * per, currency), quantity=language.number(per))


def _with_flat(text: str, flat: Decimal, currency: str, language: Language) -> str:
    if flat == ZERO:
        return text
    return language.words("portal.rate.with_flat", rate=text, flat=language.rate(flat, currency))
