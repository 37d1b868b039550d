"""What usage was made of, as a balance carries it to the stream: nothing is lost, and it stays small."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.domain.usage.made_of import MadeOf, Parts
from pancake_meter.store.balance.made_of import MADE_OF, made_of_attribute, made_of_from_item

UNITS = st.integers(1, 10**15).map(Decimal)
PARTS = st.builds(Parts, st.dictionaries(st.text(min_size=1), UNITS, max_size=16), st.integers(0, 9).map(Decimal))
PLACES = st.sampled_from(["0229", "0310", "1231", "2026-03-10T00:00:00.000Z#2026-03-31"])


@given(st.dictionaries(PLACES, st.builds(MadeOf, PARTS, PARTS)))
def test_the_stream_reads_what_a_write_has_told(made_of: dict[str, MadeOf]) -> None:
    assert made_of_from_item({MADE_OF: made_of_attribute(made_of)}) == made_of


def test_a_balance_without_it_is_read_as_it_is() -> None:
    assert made_of_from_item({}) == {}
