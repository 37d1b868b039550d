"""Issue 14, point 5: CSV by RFC 4180, for those who ask for it, and safe to open in a spreadsheet."""

import csv
import io
from decimal import Decimal

import pytest

from pancake_meter.http.csv import csv_text, wants_csv


@pytest.mark.parametrize(
    ("accept", "wants"),
    [
        ("text/csv", True),
        ("TEXT/CSV; charset=utf-8", True),
        ("text/csv, application/json", True),
        ("text/csv;q=0.9, application/json;q=0.1", True),
        ("application/json, text/csv;q=0.5", False),
        ("text/csv;q=0", False),
        ("application/json", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_only_who_asks_for_csv_gets_it(accept: str, wants: bool) -> None:
    assert wants_csv(accept) is wants


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("'=1+1", "''=1+1"),
        ("'tis", "''tis"),
        ("it's", "it's"),
        ("+1 555", "'+1 555"),
        ("-A1", "'-A1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ("-12.50", "-12.50"),
        (Decimal("-3.50"), "-3.5"),
        (Decimal("1E+3"), "1000"),
        (None, ""),
        (True, "true"),
        (0, "0"),
        ('a "quoted", one\r\nof two lines', 'a "quoted", one\r\nof two lines'),
    ],
)
def test_a_cell_is_read_back_as_it_was_and_never_as_a_formula(value: object, cell: str) -> None:
    text = csv_text(("a", "b"), [{"a": value}])
    assert text.endswith("\r\n")
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["a", "b"], [cell, ""]]
