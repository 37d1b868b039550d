"""Holds and days in the short form that a balance stores: every hot write pays for the bytes of all of them.

A hold is one number under its short name: its units, followed by the ten digits of the second at which it expires. So
``40001774970700`` are 4,000 units until 1774970700. A hold of units with decimal places is a negative number, which counts
millionths of a unit: ``-2500001774970700`` are 0.25 units.

A day is two characters: the month as a hexadecimal digit and the day as one of 1 to 9 and A to V: ``3V`` is 31 March.
"""

from decimal import Decimal
from typing import Final

from pancake_meter.domain.balance.hold import Hold
from pancake_meter.domain.instant import from_ms, to_ms

_SECONDS: Final = 10**10
"""Room for the second of expiry below the units: enough until the year 2286."""

_PARTS_OF_A_UNIT: Final = 10**6
_DAYS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUV"


def hold_number(hold: Hold) -> int:
    """Return a hold, which expires at a whole second, as one number."""
    return _number(hold.quantity, to_ms(hold.expires_at) // 1000)


def hold_numbers(quantity: Decimal) -> tuple[int, int]:
    """Return the least and the greatest number of a hold of ``quantity`` units, whenever it expires."""
    least, greatest = sorted((_number(quantity, 0), _number(quantity, _SECONDS - 1)))
    return least, greatest


def hold_from_number(number: Decimal) -> Hold:
    """Return the hold that a number means."""
    units, second = divmod(abs(int(number)), _SECONDS)
    quantity = Decimal(units) if number > 0 else Decimal(units) / _PARTS_OF_A_UNIT
    return Hold(quantity, from_ms(second * 1000))


def stored_day(day: str) -> str:
    """Return a day of the chart (``MMDD``) as stored."""
    return f"{int(day[:2]):X}{_DAYS[int(day[2:])]}"


def day_from_stored(stored: str) -> str:
    """Return the day of the chart (``MMDD``) that is stored."""
    return f"{int(stored[0], 16):02}{_DAYS.index(stored[1]):02}"


def _number(quantity: Decimal, second: int) -> int:
    if quantity == quantity.to_integral_value():
        return int(quantity) * _SECONDS + second
    return -(int(quantity * _PARTS_OF_A_UNIT) * _SECONDS + second)
