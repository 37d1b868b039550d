"""Overage lines as items: what bought units paid for is kept, and lines of the version before are read and mended."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import pytest

from pancake_meter.domain.instant import to_ms
from pancake_meter.domain.selling.overage import LineKey, OverageLine
from pancake_meter.store.selling.overage_lines import line_write, read_lines
from pancake_meter.value import replace

if TYPE_CHECKING:
    from pancake_meter.store.table import Table

START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
KEY = LineKey(START, "pro")
ITEM = {"period_start": to_ms(START), "ends_at": to_ms(END), "plan": "pro"}


class Kept:
    """A table that has one line."""

    def __init__(self, **counts: int) -> None:
        """Keep the line with these counts."""
        self.item = {**ITEM, "forgiven": Decimal(0), **{name: Decimal(count) for name, count in counts.items()}}

    def get_all(self, _keys: object) -> list[dict[str, Any]]:
        """Return the line."""
        return [self.item]


def read(**counts: int) -> OverageLine:
    return read_lines(cast("Table", Kept(**counts)), "ada", "tokens", [KEY])[KEY]


def added(more: OverageLine) -> dict[str, int]:
    """What the write of differences adds."""
    write = line_write("ada", "tokens", more)
    names = write.expression.split(" ADD ")[1].split(", ")
    return {name.split()[0]: int(write.values[name.split()[1]]) for name in names}


def test_what_bought_units_have_paid_for_is_kept() -> None:
    line = read(closed=9, settled=4, reopened=6, regained=2, covered=3)
    assert [int(each) for each in (line.reopened, line.regained, line.covered, line.unkept)] == [6, 2, 3, 0]
    none = {"closed": 0, "settled": 0, "forgiven": 0}
    assert added(line.more(covered=Decimal(5))) == none | {"covered": 5}
    assert added(line.more(regained=Decimal(-1))) == none | {"reopened": 0, "regained": -1}
    # So it is known of every line with reopened units how many of them it does not owe
    assert added(line.more(reopened=Decimal(2))) == none | {"reopened": 2, "regained": 0}
    assert added(line.more(settled=Decimal(2))) == none | {"settled": 2}


@pytest.mark.parametrize(("closed", "regained"), [(4, 6), (9, 1), (10, 0), (12, 0)])
def test_a_line_of_the_version_before_owes_its_reopened_units_last_and_says_so_with_the_next_change(
    closed: int, regained: int
) -> None:
    line = read(closed=closed, settled=4, reopened=6)
    assert [int(each) for each in (line.regained, line.unkept, line.covered)] == [regained, regained, 0]
    written = added(line.more(regained=Decimal(-1)))
    assert written["regained"] == regained - 1
    # Differences add up, and what is unkept is written once
    twice = line.more(closed=Decimal(1)).plus(line.more(regained=Decimal(-1)))
    assert added(twice)["regained"] == regained - 1
    assert line.plus(twice) == replace(line, closed=line.closed + 1, regained=line.regained - 1)
