"""Issue 16, point 4: pages come in the language that was asked for, else the browser's, else the seller's."""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.catalog.brand import LANGUAGES
from pancake_meter.domain.selling.money import CURRENCY_EXPONENTS, Money, parse_display
from pancake_pages.language import Language, choose_language

ENGLISH, CHINESE = Language("en"), Language("zh-Hans")


def chosen(
    accept: str | None = None, cookies: list[str] | None = None, wanted: str | None = None, own: str = "en"
) -> str:
    event: dict[str, Any] = {}
    if accept is not None:
        event["headers"] = {"Accept-Language": accept}
    if cookies is not None:
        event["cookies"] = cookies
    if wanted is not None:
        event["queryStringParameters"] = {"lang": wanted}
    return choose_language(event, own).tag


@pytest.mark.parametrize(
    ("accept", "tag"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans"),
        ("zh-Hans-SG", "zh-Hans"),
        ("zh-TW,en;q=0.5", "zh-Hans"),
        ("ZH-cn", "zh-Hans"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("en;q=0.5,zh-CN;q=0.9", "zh-Hans"),
        ("zh-CN;q=0.5, en ; q=0.9", "en"),
        ("zh-CN;q=0, en;q=0.1", "en"),
        ("de-DE,de;q=0.9,zh;q=0.3", "zh-Hans"),
        ("fr, zh-CN;q=1.0;extra", "en"),
        ("de", "en"),
        ("*", "en"),
        ("", "en"),
        (None, "en"),
    ],
)
def test_the_browser_says_which_languages_it_takes(accept: str | None, tag: str) -> None:
    assert chosen(accept) == tag


def test_the_sellers_language_is_that_of_a_browser_that_asks_for_none_that_there_is() -> None:
    assert chosen("de", own="zh-Hans") == "zh-Hans"
    assert chosen(own="zh-Hans") == "zh-Hans"


def test_what_was_asked_for_goes_before_what_was_kept_and_that_before_the_browser() -> None:
    assert chosen("en", ["a=1", "lang=zh-Hans"]) == "zh-Hans"
    assert chosen("zh", ["lang=en"]) == "en"
    assert chosen("en", ["lang=en"], "zh-Hans") == "zh-Hans"


@pytest.mark.parametrize("odd", ["", "xx", "zh", "../en", "en;"])
def test_a_language_that_there_is_not_is_passed_over(odd: str) -> None:
    assert chosen("zh-CN", [f"lang={odd}"], odd) == "zh-Hans"


@given(st.text(), st.lists(st.text()), st.one_of(st.none(), st.text()), st.sampled_from(LANGUAGES))
def test_no_header_cookie_or_parameter_is_without_a_language(
    accept: str, cookies: list[str], wanted: str | None, own: str
) -> None:
    assert chosen(accept, cookies, wanted, own) in LANGUAGES


@given(st.lists(st.text(alphabet="enzhHasCNTW-_;=q0.9,* \t\x00é\"'", max_size=20), max_size=8))
def test_no_odd_list_of_languages_is_without_one(parts: list[str]) -> None:
    assert chosen(",".join(parts)) in LANGUAGES


def test_headers_that_are_missing_altogether_are_fine() -> None:
    empty: dict[str, Any] = {"headers": None, "cookies": None, "queryStringParameters": None}
    assert choose_language(empty, "en").tag == "en"


def test_figures_are_written_as_the_language_writes_them() -> None:
    assert [ENGLISH.number(each) for each in (0, 1_234_567, Decimal("0.5"), Decimal("1.23456789"))] == [
        "0",
        "1,234,567",
        "0.5",
        "1.234568",
    ]
    assert ENGLISH.number(Decimal(1000000000000000)) == "1,000,000,000,000,000"
    assert CHINESE.number(1_234_567) == "1,234,567"
    assert (ENGLISH.percent(Decimal("0.8")), CHINESE.percent(Decimal("0.8"))) == ("80%", "80%")


@pytest.mark.parametrize(
    ("amount", "currency", "english", "chinese"),
    [
        ("29.00", "USD", "$29.00", "US$29.00"),
        ("1234.5", "EUR", "€1,234.50", "€1,234.50"),
        ("4500", "JPY", "¥4,500", "JP¥4,500"),
        ("88.00", "CNY", "CN¥88.00", "¥88.00"),
        ("1.250", "KWD", "KWD1.250", "KWD1.250"),
        ("12.50", "AFN", "AFN12.50", "AFN12.50"),
    ],
)
def test_money_has_its_currencys_own_places(amount: str, currency: str, english: str, chinese: str) -> None:
    money = parse_display(amount, currency)
    assert (ENGLISH.money(money), CHINESE.money(money)) == (english, chinese)


@given(st.integers(min_value=0, max_value=10**15), st.sampled_from(sorted(CURRENCY_EXPONENTS)))
def test_no_amount_is_rounded(minor: int, currency: str) -> None:
    money = Money(Decimal(minor).scaleb(-CURRENCY_EXPONENTS[currency]), currency)
    for language in (ENGLISH, CHINESE):
        written = re.search(r"[0-9][0-9,.]*", language.money(money))
        assert written is not None
        assert written[0].replace(",", "") == money.display


def test_days_and_instants_are_written_as_the_language_writes_them() -> None:
    day = date(2026, 3, 9)
    assert (ENGLISH.day(day), CHINESE.day(day)) == ("Mar 9, 2026", "2026年3月9日")
    assert (ENGLISH.short_day(day), CHINESE.short_day(day)) == ("Mar 9", "3月9日")
    assert (ENGLISH.month(day), CHINESE.month(day)) == ("March 2026", "2026年3月")


def test_an_instant_is_told_in_utc_and_says_so() -> None:
    tokyo = datetime(2026, 3, 10, 1, 5, tzinfo=timezone(timedelta(hours=9)))
    assert ENGLISH.instant(tokyo) == "Mar 9, 2026, 16:05 UTC"
    assert CHINESE.instant(tokyo) == "2026年3月9日 16:05 UTC"
    assert ENGLISH.instant(datetime(2026, 3, 9, tzinfo=UTC)).endswith("00:00 UTC")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("20", "20"),
        (" 20.50 ", "20.50"),
        ("1,000", "1000"),
        ("1,000,000.5", "1000000.5"),
        ("\uff11\uff0c\uff10\uff10\uff10\uff0e\uff15", "1000.5"),
        ("\uff12\uff10", "20"),
    ],
)
def test_a_number_is_read_as_people_write_it(language: str, written: str, meant: str) -> None:
    assert Language(language).plain(written) == meant


@pytest.mark.parametrize(
    "written", ["1,5", "1,00", "1000,000", "1.000,50", "1,000,00", ",100", "20.", "-1", "", "1 000", "\u0661"]
)
def test_what_could_be_another_number_is_left_as_it_is(written: str) -> None:
    assert Language("en").plain(written) == written
