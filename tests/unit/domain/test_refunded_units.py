"""Issue 11, point 18: what a refund takes back of what was bought: multiply before dividing; whole units stay whole."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.domain.selling.overage import LineKey
from pancake_meter.domain.selling.payment import Charge, Credit, Payment
from pancake_meter.domain.selling.refund import Refund
from pancake_meter.value import replace

AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
TOKENS = "tokens"


def paid(amount: str, *bought: Credit, back: tuple[str, ...] = ()) -> Payment:
    """A payment of what was ``bought``, and of which amounts went back."""
    charge = Charge("USD", Decimal(amount), Decimal(amount), AT, "overage")
    refunds = {
        f"REF_{number}": Refund(f"REF_{number}", Decimal(part), Decimal(amount), AT, succeeded_at=AT)
        for number, part in enumerate(back)
    }
    return Payment("PAY_1", "ORD_1", "acct_1001", charge, refunds, bought)


def pack(quantity: str, meter: str = TOKENS) -> Credit:
    return Credit(meter, "lot:top_up:90:never", Decimal(quantity))


def lines(*quantities: int) -> tuple[Credit, ...]:
    keys = [LineKey(AT + timedelta(days=day), "free") for day in range(len(quantities))]
    return tuple(
        Credit(TOKENS, str(key), Decimal(units), line=key) for key, units in zip(keys, quantities, strict=True)
    )


@pytest.mark.parametrize(
    ("units", "price", "back", "left"),
    [
        ("300", "30.00", ("10.00",), "200"),
        ("30000", "9.00", ("6.00",), "10000"),
        ("300", "30.00", ("0.01", "9.99"), "200"),
        ("1000", "29.99", ("10.00", "10.00"), "334"),
        ("7", "29.99", ("0.01",) * 50, "7"),
        ("100", "3.00", ("1.00",), "67"),
        ("100", "3.00", ("1.00", "1.00", "1.00"), "0"),
        ("100", "3.00", ("5.00",), "0"),
        ("1000000000000000", "0.03", ("0.01",), "666666666666667"),
        ("0.5", "1.00", ("0.50",), "0.25"),
        ("1", "3.00", ("1.00",), "1"),
        ("1.000001", "3.00", ("1.00",), "0.666668"),
    ],
)
def test_point_18_a_refund_leaves_its_share_of_a_pack(units: str, price: str, back: tuple[str, ...], left: str) -> None:
    (taken,) = paid(price, pack(units), back=back).refunded_units
    assert Decimal(units) - taken == Decimal(left)


@pytest.mark.parametrize(
    ("quantities", "back", "units"),
    [
        ((1,) * 20, "0.50", (0,) * 10 + (1,) * 10),
        ((3,) * 4, "0.50", (1, 1, 2, 2)),
        ((7, 7, 7), "0.50", (3, 3, 4)),
        ((1, 1, 1), "0.33", (0, 0, 0)),
        ((1, 1, 1), "0.34", (0, 0, 1)),
        ((1000, 5), "0.50", (500, 2)),
        ((2, 3), "1.00", (2, 3)),
    ],
)
def test_point_18_a_refund_of_many_lines_reopens_its_share_of_all_their_units(
    quantities: tuple[int, ...], back: str, units: tuple[int, ...]
) -> None:
    assert paid("1.00", *lines(*quantities), back=(back,)).refunded_units == units


def test_point_18_units_of_different_meters_are_not_added_up() -> None:
    # Given half of a payment that bought a single run beside many tokens
    payment = paid("2.00", pack("1", "agent_runs"), pack("1000001"), back=("1.00",))
    assert payment.refunded_units == (Decimal(0), Decimal(500_000))


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=60),
    st.lists(st.integers(1, 400), max_size=8),
    st.integers(1, 1000),
)
def test_point_18_the_share_of_the_money_is_the_share_of_the_units(
    quantities: list[int], parts: list[int], cents: int
) -> None:
    payment = paid(f"{cents / 100:.2f}", *lines(*quantities), back=tuple(f"{part / 100:.2f}" for part in parts))
    units = payment.refunded_units

    # All together it is the exact share rounded down; of each line it is less than one unit off
    share = Fraction(min(sum(parts), cents), cents)
    assert sum(units) == sum(quantities) * share // 1
    for bought, taken in zip(quantities, units, strict=True):
        assert 0 <= taken <= bought
        assert abs(Fraction(taken) - bought * share) < 1
        assert taken == taken.to_integral_value()


def test_what_rounding_leaves_out_is_given_by_what_was_rounded_down() -> None:
    # A half of the last one is whole by itself.
    assert paid("4.00", *lines(1, 1, 2), back=("2.00",)).refunded_units == (0, 1, 1)


@pytest.mark.parametrize(
    ("remainder", "taken", "carried"),
    [
        ("0.004", (0, 0), "0.004"),
        ("0.004", (3, 0), "0.0028"),
        ("0.004", (3, 7), "0"),
        ("-0.004", (0, 5), "-0.002"),
        ("0.001", (1, 0), "0.0009"),
        ("0.0000000000000001", (3, 0), "0.00000000000000007"),
        ("0.0000000000000000011", (5, 0), "0.000000000000000001"),
        ("0", (3, 0), "0"),
    ],
)
def test_what_rounding_left_out_goes_back_with_the_units_that_are_owed_again(
    remainder: str, taken: tuple[int, int], carried: str
) -> None:
    settled = tuple(replace(credit, taken_back=Decimal(back)) for credit, back in zip(lines(3, 7), taken, strict=True))
    payment = replace(paid("0.50", pack("1000"), *settled), remainder=Decimal(remainder))
    assert payment.carried == Decimal(carried)


def test_a_payment_that_settled_no_line_carries_nothing() -> None:
    assert replace(paid("0.50", pack("1000")), remainder=Decimal("0.004")).carried == 0
