"""How the console's pages write what the API answers: its instants, amounts and words, in the language of the page."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from babel.numbers import format_currency

from pancake_meter.domain.instant import parse_instant
from pancake_meter.domain.quantity import format_quantity
from pancake_meter.domain.selling.plan import MeterAllowance, OverageAllowed, OverageBlocked, OverageCapped
from pancake_meter.domain.selling.pricing import Graduated, Package, PerUnit, Price, Volume
from pancake_meter.http.reports.live import DayBody
from pancake_meter.value import Value
from pancake_pages.language import Language

_IN_KEYS: Final = str.maketrans(".:", "__")
"""A key of the words has neither dots nor colons in its parts."""

NOTHING: Final = "\N{EN DASH}"


class Shown(Value):
    """Writes values of the API's answers in a language. What is not there is a dash."""

    language: Language

    def when(self, instant: str | None) -> str:
        """Return an instant (RFC 3339) to the minute."""
        return self.language.instant(parse_instant(instant)) if instant else NOTHING

    def on_day(self, day: str | None) -> str:
        """Return a day, given an ISO date or an instant."""
        return self.language.day(date.fromisoformat(day[:10])) if day else NOTHING

    def amount(self, amount: str | None, currency: str | None) -> str:
        """Return an amount of money with all its digits, given as the API writes it."""
        if amount is None or currency is None:
            return NOTHING
        return format_currency(Decimal(amount), currency, locale=self.language.locale, decimal_quantization=False)

    def said(self, kind: str, value: str | None) -> str:
        """Return the word for a value of the API, such as ``("state", "past_due")``; what has none is written as it is."""
        if value is None:
            return NOTHING
        key = self._key(kind, value)
        return self.language.words(key) if self.language.words.has(key) else value

    @staticmethod
    def _key(kind: str, value: str) -> str:
        return f"console.{kind}.{value.translate(_IN_KEYS)}"

    def cause(self, cause: str) -> str:
        """Return the words for the cause of a ledger entry; an event that no webhook told of says so."""
        words, (found_by, _, event) = self.language.words, cause.rpartition(":")
        if found_by and words.has(self._key("cause", event)):
            return words("console.found_by.reconciliation", what=self.said("cause", event))
        return self.said("cause", cause)

    def problem(self, code: str) -> str:
        """Return why the API refuses something, given its stable code: the code itself where the API says it in English."""
        key = f"problem.code.{code}"
        return self.language.words(key) if self.language.words.has(key) else code

    def month(self, month: str) -> str:
        """Return a month, such as ``2026-03``."""
        return self.language.month(date.fromisoformat(f"{month}-01"))

    def short(self, day: str) -> str:
        """Return a day without its year, given an ISO date."""
        return self.language.short_day(date.fromisoformat(day[:10]))

    @staticmethod
    def plans_of(days: Sequence[DayBody]) -> Sequence[str | None]:
        """Return the plans under which something was used on some days, by name; ``None`` is none."""
        found = {row["plan"] for day in days for row in day["by_plan"] if row["used"]}
        return sorted(found, key=lambda plan: (plan is None, plan or ""))

    @staticmethod
    def used_of(day: DayBody, plan: str | None) -> Decimal:
        """Return what was used on a day under a plan."""
        return sum((row["used"] for row in day["by_plan"] if row["plan"] == plan), Decimal(0))

    def overage_of(self, allowance: MeterAllowance) -> str:
        """Return what happens beyond an allowance."""
        words = self.language.words
        match allowance.overage:
            case OverageBlocked():
                return words("console.catalog.overage_blocked")
            case OverageCapped(limit):
                return words("console.catalog.overage_capped", units=self.language.number(limit))
            case OverageAllowed():
                return words("console.catalog.overage_allowed")

    def price_of(self, price: Price, currency: str) -> str:
        """Return a price of further units in short: that of a package or of a unit, or the lowest where it is by volume."""
        words = self.language.words
        match price:
            case Package():
                return words(
                    "console.catalog.price_per",
                    price=self.amount(f"{price.price:f}", currency),
                    units=self.language.number(price.size),
                )
            case PerUnit():
                unit = self.amount(f"{price.unit_price:f}", currency)
                return words("console.catalog.price_per", price=unit, units=self.language.number(1))
            case Graduated() | Volume():
                lowest = min(tier.unit_price for tier in price.tiers)
                key = (
                    "console.catalog.price_graduated"
                    if isinstance(price, Graduated)
                    else "console.catalog.price_volume"
                )
                return words(key, price=self.amount(f"{lowest.normalize():f}", currency))

    @staticmethod
    def plain(quantity: Decimal) -> str:
        """Return a quantity as the API takes it, for a field of a form."""
        return format_quantity(quantity)
