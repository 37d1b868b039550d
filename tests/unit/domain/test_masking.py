"""Issue 13, point 7: no log line shows an e-mail address, a key or a token."""

import json
from time import monotonic
from uuid import uuid4

import pytest
from aws_lambda_powertools import Logger
from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.domain.access.api_key import generate_api_key
from pancake_meter.domain.access.masking import masked, masked_id
from pancake_meter.invocation import lambda_handler
from tests.support.api import LambdaContext


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("jane.doe+x@example.com", "j***@example.com"),
        ("a@b.io, c@d.co.uk", "a***@b.io, c***@d.co.uk"),
        ('{"customer_id":"jane@example.com","n":1}', '{"customer_id":"j***@example.com","n":1}'),
        ("CUSTOMER#jane@example.com", "CUSTOMER#j***@example.com"),
        ("жанна@пример.рф", "ж***@пример.рф"),
        ("https://pay.example.com/s/1?x=2#token=eyJhbGci.abc", "https://pay.example.com/s/1?x=2#token=***"),
        ("GET /buy/gAAAAABh-_x.y HTTP", "GET /buy/*** HTTP"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("/v1/customers/jane%40example.com/quota", "/v1/customers/j***%40example.com/quota"),
        ("email%3Djane%2540example.com%26x", "email%3Dj***%2540example.com%26x"),
        ("%22jane%40example.com%22", "%22j***%40example.com%22"),
        ('from "jane doe"@example.com', 'from "***"@example.com'),
        ('{"m":"\\"jane doe\\"@example.com"}', '{"m":"\\"***\\"@example.com"}'),
        ("%22jane%20doe%22%40example.com", "%22***%22%40example.com"),
        ('{"m":"a","n":"@example.com"}', '{"m":"a","n":"@example.com"}'),
        ("key%3Dpm_test_0123456789", "key%3Dpm_test_***"),
        ("pm%5Flive%5F0123456789", "pm%5Flive%5F***"),
        ('{"m":"a\\npm_test_0123456789"}', '{"m":"a\\npm_test_***"}'),
        ("next=%2Fbuy%2FgAAAA-_x%2Ey&z=1", "next=%2Fbuy%2F***&z=1"),
        ("u=https%3A%2F%2Fx%23token%3DeyJa.b%26lang%3Den", "u=https%3A%2F%2Fx%23token%3D***%26lang%3Den"),
        ("Authorization%3A%20Bearer%20abc.def", "Authorization%3A%20Bearer%20***"),
        ("sub%3DeyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjIn0.c2ln", "sub%3DeyJ***"),
        ("100%40000, 50% off, keys/2026, a%20b", "100%40000, 50% off, keys/2026, a%20b"),
        ("3 @ 4.50, user@localhost, 1.2.3", "3 @ 4.50, user@localhost, 1.2.3"),
    ],
)
def test_what_a_line_shows(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_a_key_is_not_shown() -> None:
    key = generate_api_key("live")
    assert masked(f"the key {key} is gone") == "the key pm_live_*** is gone"


@given(st.dictionaries(st.text(), st.text() | st.emails()))
def test_masked_json_is_json(line: dict[str, str]) -> None:
    assert len(json.loads(masked(json.dumps(line, ensure_ascii=False)))) <= len(line)


def test_a_long_line_is_masked_in_little_time() -> None:
    assert masked("x" * 300_000 + "@") == "x" * 300_000 + "@"


@pytest.mark.parametrize(
    "part",
    [
        "%40",
        "a%40",
        "%25",
        "%2525",
        '"',
        '"a',
        "%22",
        "a@",
        "a.",
        "a@a.",
        "eyJ",
        "eyJ-aaaaaaaa",
        "pm_test_",
        "Bearer ",
        "%26key",
    ],
)
def test_no_text_takes_long(part: str) -> None:
    for text in (part * (300_000 // len(part)) + "@", "@" + part * (300_000 // len(part))):
        started = monotonic()
        masked(text)
        assert monotonic() - started < 10


@given(st.text('\\"@a.,:%240 {}[]'))
def test_masked_json_of_odd_texts_is_json(text: str) -> None:
    line = {"a": text, "@example.com": "@example.com", text: [text, "@a.example"]}
    assert json.loads(masked(json.dumps(line))).keys() >= {"@example.com"}
    once = masked(json.dumps(json.dumps(line)))
    json.loads(once)


def test_every_line_of_a_function_is_masked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A service of its own: the logger of an earlier test, or run of this one, writes to where that looked.
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", f"masked-{uuid4()}")

    @lambda_handler()
    def handler(_: object, __: object) -> None:
        Logger().info("refused", customer_id="jane@example.com")
        Logger(child=True).warning("trouble", extra={"reason": "no jane@example.com"})
        try:
            int("jane@example.com")
        except ValueError:
            Logger().exception("failed")

    handler({}, LambdaContext())
    printed = capsys.readouterr()
    assert "jane@" not in printed.out + printed.err
    lines = [json.loads(line) for line in printed.out.splitlines() if "example.com" in line]
    assert [line["message"] for line in lines] == ["refused", "trouble", "failed"]


@pytest.mark.parametrize(
    ("customer_id", "shown"),
    [
        ("acct_1001", "ac***01"),
        ("ada@example.com", "a***@example.com"),
        ("ada", "a***"),
        ("auth0|5f7c1d2e", "au***2e"),
        ("日本", "日***"),
        ("12345678", "12***78"),
        ("1234567", "1***"),
    ],
)
def test_a_customer_knows_the_own_account_and_nobody_else_does(customer_id: str, shown: str) -> None:
    assert masked_id(customer_id) == shown
