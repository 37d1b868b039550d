"""Which language a page is in, and how that language writes figures, money and times."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from re import escape, fullmatch
from typing import Any, Final
from unicodedata import normalize

from babel import Locale, negotiate_locale
from babel.dates import format_date, format_skeleton, format_time
from babel.lists import format_list
from babel.numbers import format_currency, format_decimal, format_percent, get_decimal_symbol, get_group_symbol

from pancake_meter.catalog.brand import LANGUAGES
from pancake_meter.domain.selling.money import Money, currency_exponent
from pancake_meter.domain.selling.pricing import RATE_DECIMAL_PLACES
from pancake_meter.value import Value
from pancake_pages.cookies import cookies_of
from pancake_pages.wording import Wording, wording_of

COOKIE: Final = "lang"
PARAMETER: Final = "lang"

_ALIASES: Final = {"zh": "zh-Hans"}
_DIGITS_SHOWN: Final = 6


class Language(Value):
    """A language: its words, and how it writes what is no word. Times are UTC, and say so."""

    tag: str

    @property
    def words(self) -> Wording:
        """What pages say."""
        return wording_of(self.tag)

    @property
    def locale(self) -> Locale:
        """Babel's locale."""
        return Locale.parse(self.tag, sep="-")

    def number(self, quantity: Decimal | int) -> str:
        """Return a quantity, with no more than six digits after the point."""
        return format_decimal(round(Decimal(quantity), _DIGITS_SHOWN), locale=self.locale, decimal_quantization=False)

    def plain(self, written: str) -> str:
        """Return a number that a person has written as programs write it: ``1000.5`` of ``1,000.5``, full-width or not.

        What is not written by the language's rules, and could be read in two ways, stays as it is.
        """
        text = normalize("NFKC", written).strip()
        group, point = get_group_symbol(self.locale), get_decimal_symbol(self.locale)
        whole = rf"[0-9]+|[0-9]{{1,3}}(?:{escape(group)}[0-9]{{3}})+"
        number = fullmatch(rf"({whole})(?:{escape(point)}([0-9]+))?", text)
        if number is None:
            return text
        digits, fraction = number[1].replace(group, ""), number[2]
        return f"{digits}.{fraction}" if fraction else digits

    def percent(self, share: Decimal) -> str:
        """Return a share of 1 in whole percent."""
        return format_percent(share, locale=self.locale)

    def money(self, money: Money) -> str:
        """Return an amount with its currency, to the last place: CLDR rounds some currencies to what cash there is."""
        return self._amount(money.amount, money.currency, "0" * currency_exponent(money.currency))

    def rate(self, amount: Decimal, currency: str) -> str:
        """Return the price of some units, which may be finer than the currency's coins."""
        coins = currency_exponent(currency)
        return self._amount(amount, currency, "0" * coins + "#" * (RATE_DECIMAL_PLACES - coins))

    def _amount(self, amount: Decimal, currency: str, places: str) -> str:
        pattern = str(self.locale.currency_formats["standard"].pattern).replace(
            "0.00", f"0.{places}" if places else "0"
        )
        return format_currency(amount, currency, pattern, locale=self.locale, currency_digits=False)

    def is_one(self, quantity: Decimal) -> bool:
        """Return whether the language names so many in the singular."""
        return str(self.locale.plural_form(quantity)) == "one"

    def day(self, day: date) -> str:
        """Return a day with its year."""
        return format_date(day, "medium", locale=self.locale)

    def short_day(self, day: date) -> str:
        """Return a day without its year, as charts show it."""
        return format_skeleton("MMMd", day, locale=self.locale)

    def month(self, day: date) -> str:
        """Return the month of a day with its year."""
        return format_skeleton("yMMMM", day, locale=self.locale)

    def listed(self, names: Sequence[str]) -> str:
        """Return names one after the other, the last with an "and"."""
        return format_list(list(names), locale=self.locale)

    def instant(self, at: datetime) -> str:
        """Return an instant to the minute."""
        utc = at.astimezone(UTC)
        parts = (format_time(utc, "HH:mm", locale=self.locale), self.day(utc.date()))
        return f"{str(self.locale.datetime_formats['medium']).format(*parts)} UTC"


def choose_language(event: Mapping[str, Any], preferred: str) -> Language:
    """Return the language of a request: the one asked for, the one chosen before, the browser's, or the seller's own."""
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    wanted = (event.get("queryStringParameters") or {}).get(PARAMETER)
    for tag in (wanted, cookies_of(event).get(COOKIE)):
        if tag in LANGUAGES:
            return Language(tag)
    accepted = _accepted(str(headers.get("accept-language", "")))
    return Language(negotiate_locale(accepted, LANGUAGES, sep="-", aliases=_ALIASES) or preferred)


def _accepted(header: str) -> Sequence[str]:
    """Return the languages of ``Accept-Language``, the most wanted first. Any Chinese is served with Simplified Chinese."""
    weighed: list[tuple[float, str]] = []
    for each in header.split(","):
        tag, _, quality = "".join(each.split()).partition(";q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            continue
        if tag and weight > 0:
            weighed.append((-weight, "zh-Hans" if tag.lower().partition("-")[0] == "zh" else tag))
    return [tag for _, tag in sorted(weighed, key=lambda pair: pair[0])]
