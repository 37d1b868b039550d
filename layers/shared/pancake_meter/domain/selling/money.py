"""Money: exact amounts in one currency, with the decimal places that ISO 4217 gives it."""

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation
from typing import ClassVar, Self

from msgspec.structs import force_setattr

from pancake_meter.domain.errors import DomainError
from pancake_meter.value import Value

_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_TWO_DECIMALS = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY "
    "COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS "
    "INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR "
    "MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP "
    "STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG"
)
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
_FOUR_DECIMALS = "CLF UYW"

CURRENCY_EXPONENTS: Mapping[str, int] = {
    currency: exponent
    for exponent, currencies in ((0, _NO_DECIMALS), (2, _TWO_DECIMALS), (3, _THREE_DECIMALS), (4, _FOUR_DECIMALS))
    for currency in currencies.split()
}
"""Decimal places of every active ISO 4217 currency and fund (2026); those without minor units are absent."""

DEFAULT_MINIMUM_CHARGES: Mapping[str, Decimal] = {
    "USD": Decimal("0.50"),
    "EUR": Decimal("0.50"),
    "GBP": Decimal("0.30"),
    "HKD": Decimal("4.00"),
    "JPY": Decimal(50),
    "CNY": Decimal("4.00"),
}
"""Least card payment, where the catalog says nothing else. Waffo publishes none; these are what card processors ask."""

CURRENCIES_MAX = 50
"""Currencies that one thing may be priced in, and that one customer may pay in."""

_DIGITS_MAX = 60
_EXACT = Context(prec=_DIGITS_MAX + 10, traps=[Inexact, InvalidOperation])
_ROUNDED = Context(prec=_DIGITS_MAX + 10, traps=[InvalidOperation])
_DISPLAY = re.compile(r"[0-9]{1,24}(\.[0-9]{1,12})?")


class UnknownCurrency(DomainError):
    """A code is no active ISO 4217 currency."""

    code: ClassVar[str] = "unknown_currency"


class InvalidMoney(DomainError):
    """An amount cannot be stated in its currency, or is not written as a display string."""

    code: ClassVar[str] = "invalid_money"


class CurrencyMismatch(DomainError):
    """Two currencies met in one sum."""

    code: ClassVar[str] = "currency_mismatch"


def currency_exponent(currency: str) -> int:
    """Return the decimal places of ``currency``: 2 for USD, 0 for JPY, 3 for KWD.

    Raises:
        UnknownCurrency: the code is not an active ISO 4217 code in capitals.
    """
    try:
        return CURRENCY_EXPONENTS[currency]
    except KeyError:
        raise UnknownCurrency("not an active ISO 4217 currency code", currency=currency) from None


class Money(Value):
    """``amount`` in units of ``currency`` (dollars, not cents), held with exactly the currency's decimal places."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        """Give equal amounts one form.

        Raises:
            UnknownCurrency: the currency is unknown.
            InvalidMoney: the amount is not finite or has more decimal places than the currency.
        """
        step = _step(self.currency)
        if not self.amount.is_finite():
            raise InvalidMoney("an amount is a finite number", currency=self.currency)
        try:
            amount = _EXACT.plus(self.amount.quantize(step, context=_EXACT))
        except (Inexact, InvalidOperation):
            raise InvalidMoney("the amount has more decimal places than its currency", currency=self.currency) from None
        force_setattr(self, "amount", amount)

    def __add__(self, other: Self) -> Self:
        """Return the sum; both must be in one currency."""
        return type(self)(_EXACT.add(self.amount, self._same_currency(other)), self.currency)

    def __sub__(self, other: Self) -> Self:
        """Return the difference; both must be in one currency."""
        return type(self)(_EXACT.subtract(self.amount, self._same_currency(other)), self.currency)

    @property
    def display(self) -> str:
        """The amount as Waffo and people read it: ``"29.00"`` USD, ``"4500"`` JPY, ``"1.250"`` KWD."""
        return format(self.amount, "f")

    def _same_currency(self, other: "Money") -> Decimal:
        if other.currency != self.currency:
            raise CurrencyMismatch("currencies are never added together", left=self.currency, right=other.currency)
        return other.amount


def parse_display(text: str, currency: str) -> Money:
    """Return the money that a display string states. ``"4500.00"`` JPY is 4500 yen; ``"4500.50"`` JPY is refused.

    Raises:
        UnknownCurrency: the currency is unknown.
        InvalidMoney: not of the form ``29`` or ``29.00``, or finer than the currency.
    """
    if not _DISPLAY.fullmatch(text):
        raise InvalidMoney("an amount is digits with an optional decimal part", currency=currency)
    return Money(Decimal(text), currency)


def round_half_up(amount: Decimal, currency: str) -> Money:
    """Return ``amount`` rounded to the currency, halves away from zero: the one rounding of the project, once per line.

    Raises:
        UnknownCurrency: the currency is unknown.
        InvalidMoney: the amount is not finite, or beyond all measure.
    """
    step = _step(currency)
    if not amount.is_finite() or amount.adjusted() > _DIGITS_MAX:
        raise InvalidMoney("an amount is a finite number of bounded size", currency=currency)
    return Money(amount.quantize(step, rounding=ROUND_HALF_UP, context=_ROUNDED), currency)


def _step(currency: str) -> Decimal:
    return Decimal(1).scaleb(-currency_exponent(currency))
