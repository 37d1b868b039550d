"""Values on DynamoDB's wire: in all that can be written and read, boto3's own translation is the reference."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.store.attribute_values import read, read_item, written, written_item

SERIALIZE: Callable[[Any], Any] = TypeSerializer().serialize
DESERIALIZE: Callable[[Any], Any] = TypeDeserializer().deserialize

NUMBERS = st.one_of(
    st.integers(-(10**38) + 1, 10**38 - 1),
    st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**20), max_value=10**20),
    st.sampled_from([Decimal("1E+3"), Decimal("-0"), Decimal("0.10"), Decimal("1E-100")]),
)
PLAIN = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(), st.binary())
SETS = st.one_of(st.frozensets(st.text(min_size=1), min_size=1), st.sets(st.integers(0, 9), min_size=1))
VALUES = st.recursive(
    st.one_of(PLAIN, SETS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.text(), inner, max_size=4),
    ),
    max_leaves=12,
)


@given(VALUES)
def test_a_value_is_written_and_read_as_boto3_does_it(value: Any) -> None:
    wire = written(value)
    assert same(wire, SERIALIZE(value))
    assert same(read(wire), DESERIALIZE(wire))


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_an_item_is_its_values(item: dict[str, Any]) -> None:
    wire = written_item(item)
    assert same(wire, {name: written(value) for name, value in item.items()})
    assert same(read_item(wire), {name: read(value) for name, value in wire.items()})


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        object(),
        Decimal("NaN"),
        Decimal("Infinity"),
        10**38 + 1,
        Decimal(f"1.{0:037}1"),
        {"inner": [Decimal("NaN")]},
        [1.5],
    ],
)
def test_what_boto3_refuses_is_refused_alike(value: Any) -> None:
    with pytest.raises((TypeError, ArithmeticError)) as expected:
        SERIALIZE(value)
    with pytest.raises(expected.type):
        written(value)


@pytest.mark.parametrize("wire", [{}, {"X": "1"}, {"M": {"a": {}}}, {"N": "1" * 39}])
def test_what_is_no_value_is_refused_alike(wire: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ArithmeticError)) as expected:
        DESERIALIZE(wire)
    with pytest.raises(expected.type):
        read(wire)


def same(one: Any, other: Any) -> bool:
    """Equal, of the same types all the way down, with the same digits and exponents."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, Decimal):
        return bool(one.as_tuple() == other.as_tuple())
    return bool(one == other)
