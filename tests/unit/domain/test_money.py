"""Promise 10: money is exact, with the decimal places of ISO 4217 and one rounding."""

from decimal import Decimal

import pytest

from pancake_meter.domain.selling.money import (
    CURRENCY_EXPONENTS,
    DEFAULT_MINIMUM_CHARGES,
    CurrencyMismatch,
    InvalidMoney,
    Money,
    UnknownCurrency,
    currency_exponent,
    parse_display,
    round_half_up,
)


@pytest.mark.parametrize(
    ("currency", "exponent"),
    [
        ("USD", 2),
        ("EUR", 2),
        ("HKD", 2),
        ("CNY", 2),
        ("JPY", 0),
        ("KRW", 0),
        ("KWD", 3),
        ("BHD", 3),
        ("CLF", 4),
        ("XCG", 2),
    ],
)
def test_scenario_82_exponents_are_those_of_iso_4217(currency: str, exponent: int) -> None:
    # When / Then
    assert currency_exponent(currency) == exponent


@pytest.mark.parametrize("code", ["usd", "US", "USDT", "BTC", "DEM", "HRK", "XAU", "XXX", "XTS", "", "USD "])
def test_codes_that_are_not_active_currencies_are_refused(code: str) -> None:
    # When / Then
    with pytest.raises(UnknownCurrency) as refused:
        currency_exponent(code)
    assert refused.value.details == {"currency": code}
    with pytest.raises(UnknownCurrency):
        Money(Decimal(1), code)


def test_the_table_holds_every_active_code_with_a_minor_unit_once() -> None:
    # Given: ISO 4217 list one of 2026 has 178 codes, 13 of them without a minor unit (metals, units of account, tests)
    # When / Then
    assert len(CURRENCY_EXPONENTS) == 178 - 13
    assert set(CURRENCY_EXPONENTS.values()) == {0, 2, 3, 4}
    assert DEFAULT_MINIMUM_CHARGES.keys() <= CURRENCY_EXPONENTS.keys()


@pytest.mark.parametrize(
    ("amount", "currency", "display"),
    [
        ("29", "USD", "29.00"),
        ("0.5", "USD", "0.50"),
        ("4500", "JPY", "4500"),
        ("4500.00", "JPY", "4500"),
        ("1E+3", "JPY", "1000"),
        ("1.25", "KWD", "1.250"),
        ("0", "USD", "0.00"),
        ("90071992547409931234.56", "USD", "90071992547409931234.56"),
    ],
)
def test_scenario_82_display_strings_have_exactly_the_currencys_places(
    amount: str, currency: str, display: str
) -> None:
    # Given
    money = Money(Decimal(amount), currency)

    # When / Then
    assert money.display == display
    assert parse_display(display, currency) == money


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("4500.50", "JPY"),
        ("29.001", "USD"),
        ("-1.00", "USD"),
        ("1e2", "USD"),
        ("1,000.00", "USD"),
        ("29.", "USD"),
        ("", "USD"),
        ("NaN", "USD"),
        ("9" * 400, "USD"),
    ],
)
def test_amounts_that_are_no_display_string_of_the_currency_are_refused(text: str, currency: str) -> None:
    # When / Then
    with pytest.raises(InvalidMoney):
        parse_display(text, currency)


@pytest.mark.parametrize("amount", ["0.001", "NaN", "sNaN", "Infinity", "1E+200"])
def test_money_never_holds_what_its_currency_cannot_state(amount: str) -> None:
    # When / Then
    with pytest.raises(InvalidMoney):
        Money(Decimal(amount), "USD")


@pytest.mark.parametrize(
    ("amount", "currency", "display"),
    [
        ("0.005", "USD", "0.01"),
        ("0.0049999999999", "USD", "0.00"),
        ("2.675", "USD", "2.68"),
        ("-0.005", "USD", "-0.01"),
        ("0.5", "JPY", "1"),
        ("1.5", "JPY", "2"),
        ("2.5", "JPY", "3"),
        ("0.0005", "KWD", "0.001"),
        ("123456789012345678901234567890.125", "USD", "123456789012345678901234567890.13"),
    ],
)
def test_scenario_84_amounts_are_rounded_half_up_never_cut_off(amount: str, currency: str, display: str) -> None:
    # When / Then
    assert round_half_up(Decimal(amount), currency).display == display


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "1E+200", "1E+61", "-1E+61"])
def test_what_is_no_amount_is_not_rounded_into_one(amount: str) -> None:
    # When / Then
    with pytest.raises(InvalidMoney):
        round_half_up(Decimal(amount), "USD")


def test_an_amount_may_have_as_many_digits_as_any_sum_of_prices() -> None:
    assert round_half_up(Decimal("9.999E+60"), "USD").amount == Decimal("9.999E+60")


def test_sums_stay_in_one_currency() -> None:
    # Given
    price, tax, yen = Money(Decimal("18.00"), "USD"), Money(Decimal("1.80"), "USD"), Money(Decimal(180), "JPY")

    # When / Then
    assert (price + tax).display == "19.80"
    assert (tax - price).display == "-16.20"
    with pytest.raises(CurrencyMismatch):
        _ = price + yen
    with pytest.raises(CurrencyMismatch):
        _ = price - yen
