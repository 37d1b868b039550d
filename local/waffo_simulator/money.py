"""Amounts, currencies and payment methods, by Waffo's published matrix."""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from local.waffo_simulator.config import Kind

CARDS = ("card", "applepay", "googlepay")
_CARD_CURRENCIES = ("USD", "EUR", "GBP", "HKD", "JPY")
PAYMENT_METHODS: dict[Kind, dict[str, tuple[str, ...]]] = {
    "onetime": {**dict.fromkeys(_CARD_CURRENCIES, CARDS), "USD": (*CARDS, "wechat"), "CNY": ("wechat",)},
    "subscription": dict.fromkeys(_CARD_CURRENCIES, CARDS),
}
TAX_CATEGORIES = ("digital_goods", "saas", "software", "ebook", "online_course", "consulting", "professional_service")
AMOUNT = re.compile(r"\d+(\.\d+)?", re.ASCII)
AMOUNT_LENGTH_MAX = 20


@dataclass(frozen=True, slots=True)
class Tax:
    """What is added to a price, or is inside it. A rate of 0 is no tax, and then the wire names neither rate nor tax."""

    rate_percent: Decimal = Decimal(0)
    name: str = "Consumption Tax"
    is_inside: bool = False


@dataclass(frozen=True, slots=True)
class Price:
    """The breakdown of an amount in one currency: subtotal + tax = total."""

    currency: str
    subtotal: Decimal
    tax: Decimal
    tax_rate: Decimal
    tax_name: str

    @property
    def total(self) -> Decimal:
        """What the buyer pays."""
        return self.subtotal + self.tax


def taxed(subtotal: Decimal, currency: str, tax: Tax) -> Price:
    """A price with its tax, which is rounded half up to the currency's decimals."""
    if tax.is_inside:
        inside = round_to(subtotal * tax.rate_percent / (100 + tax.rate_percent), currency)
        return Price(currency, subtotal - inside, inside, tax.rate_percent, tax.name)
    amount = round_to(subtotal * tax.rate_percent / 100, currency)
    return Price(currency, subtotal, amount, tax.rate_percent, tax.name)


def decimals(currency: str) -> int:
    """Decimal places of one of the currencies that can be charged."""
    return 0 if currency == "JPY" else 2


def round_to(amount: Decimal, currency: str) -> Decimal:
    """Round half up to what the currency can pay."""
    return amount.quantize(Decimal(1).scaleb(-decimals(currency)), ROUND_HALF_UP)


def display(amount: Decimal, currency: str) -> str:
    """The wire's display string: "29.00", "4500"."""
    return f"{round_to(amount, currency):f}"
