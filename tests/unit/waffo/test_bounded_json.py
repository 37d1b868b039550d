"""JSON that means harm."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.waffo.bounded_json import UnreadableJson, read_json_object


def _nested(depth: int) -> bytes:
    """An object with arrays in it: ``depth`` containers in all."""
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def test_numbers_are_exact() -> None:
    # When
    document = read_json_object(b'{"a":10,"b":0.1,"c":12345678901234567890.123456789,"d":1e3}')
    # Then
    assert document == {
        "a": 10,
        "b": Decimal("0.1"),
        "c": Decimal("12345678901234567890.123456789"),
        "d": Decimal("1E+3"),
    }
    assert not any(isinstance(value, float) for value in document.values())


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b'{"a":1}x', "is not JSON"),
        (b"\xef\xbb\xbf{}", "is not JSON"),
        (b"[]", "is not a JSON object"),
        (b'"text"', "is not a JSON object"),
        (b"null", "is not a JSON object"),
        (b"\xff{}", "is not UTF-8"),
        ('{"a":1}'.encode("utf-16"), "is not UTF-8"),
        (b'{"a":NaN}', "has NaN or Infinity"),
        (b'{"a":-Infinity}', "has NaN or Infinity"),
        (b'{"a":' + b"9" * 5000 + b"}", "has a number of more than 38 characters"),
        (b'{"a":0.' + b"9" * 100_000 + b"}", "has a number of more than 38 characters"),
        (b'{"a":1e999999}', "has a number out of range"),
        (b'{"a":1e-999999}', "has a number out of range"),
        (b'{"a":"\\ud800"}', "has text that is not Unicode"),
        (b'{"\\udfff":1}', "has text that is not Unicode"),
        (_nested(34), "is nested deeper than 32"),
        (b"[" * 200_000, "is nested deeper than 32"),
        (b'{"a":' * 50_000, "is nested deeper than 32"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_beyond_the_bounds_is_a_typed_refusal(raw: bytes, problem: str) -> None:
    with pytest.raises(UnreadableJson) as caught:
        read_json_object(raw)
    assert caught.value.problem == problem


def test_the_deepest_document_within_the_bound_is_read() -> None:
    assert read_json_object(_nested(32)).keys() == {"a"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=5))
def test_ordinary_json_reads_as_written(document: dict[str, object]) -> None:
    assert read_json_object(json.dumps(document).encode()) == document


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_a_typed_refusal(raw: bytes) -> None:
    try:
        document = read_json_object(raw)
    except UnreadableJson:
        return
    assert isinstance(document, dict)
