"""What units cost, in words: a price of the catalog as a person reads it before anything is owed."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import reduce
from typing import Final

from pancake_meter.domain.balance.balance import ZERO
from pancake_meter.domain.selling.money import currency_exponent
from pancake_meter.domain.selling.pricing import Graduated, Package, PerUnit, Price, Tier, Volume
from pancake_meter.value import Value
from pancake_pages.language import Language

_SIZES: Final = (Decimal(1), Decimal(1_000), Decimal(1_000_000))


def size_shown(unit_price: Decimal, currency: str) -> Decimal:
    """Return of how many units a price is said: of so many that they cost a coin, where a million of them cost as much."""
    coin = Decimal(1).scaleb(-currency_exponent(currency))
    return next((each for each in _SIZES if unit_price * each >= coin), _SIZES[-1]) if unit_price else _SIZES[0]


class PriceWords(Value):
    """Says prices in a language and currency. ``units`` writes a quantity with its meter, ``noun`` is that of one unit."""

    language: Language
    currency: str
    units: Callable[[Decimal], str]
    noun: str

    def of(self, price: Price) -> str:
        """Return what units cost."""
        t = self.language.words
        match price:
            case PerUnit():
                parts = [self._rate(price.unit_price), *self._flat(price.flat)]
            case Package():
                key = "package_up" if price.rounding == "up" else "package_down"
                rate = self.language.rate(price.price, self.currency)
                parts = [t(f"buy.beyond.{key}", price=rate, units=self.units(price.size)), *self._flat(price.flat)]
            case Graduated():
                parts = list(self._steps(price.tiers))
            case Volume():
                parts = [*self._steps(price.tiers), t("buy.beyond.volume")]
        free = [t("buy.beyond.free", units=self.units(price.free_units))] if price.free_units > ZERO else []
        return self._joined([*free, *parts])

    def _steps(self, tiers: tuple[Tier, ...]) -> Iterator[str]:
        t = self.language.words
        for tier in tiers:
            rate = self._joined([self._rate(tier.unit_price), *self._flat(tier.flat)])
            if tier.up_to is not None:
                yield t("buy.beyond.up_to", units=self.units(tier.up_to), price=rate)
            else:
                yield t("buy.beyond.above", price=rate) if len(tiers) > 1 else rate

    def _rate(self, unit_price: Decimal) -> str:
        t, size = self.language.words, size_shown(unit_price, self.currency)
        price = self.language.rate(unit_price * size, self.currency)
        if size == _SIZES[0]:
            return t("buy.beyond.each", price=price, noun=self.noun)
        return t("buy.beyond.per", price=price, units=self.units(size))

    def _flat(self, fee: Decimal) -> list[str]:
        words = self.language.words
        return [words("buy.beyond.flat", price=self.language.rate(fee, self.currency))] if fee > ZERO else []

    def _joined(self, parts: Sequence[str]) -> str:
        return reduce(lambda before, after: self.language.words("buy.beyond.both", before=before, after=after), parts)
