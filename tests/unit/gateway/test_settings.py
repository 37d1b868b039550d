"""The logger's settings: read from the environment, or refused with the name of what is wrong."""

from decimal import Decimal

import pytest

from pancake_meter_client.gateway.settings import BadSettings, LoggerSettings

NEEDED = {
    "PANCAKE_METER_URL": "https://api.example.com",
    "PANCAKE_METER_API_KEY": "pm_test_x",
    "PANCAKE_METER_METER": "tokens",
}


def test_what_is_not_set_has_a_default_that_fails_closed() -> None:
    settings = LoggerSettings.from_environment(NEEDED)
    assert (settings.url, settings.api_key, settings.meter) == tuple(NEEDED.values())
    assert (settings.when_unreachable, settings.when_customer_unknown, settings.client_call_ids) == (
        "closed",
        "refuse",
        "refuse",
    )
    assert settings.customer == ("key_metadata.customer_id", "team_id")


def test_every_setting_has_a_variable() -> None:
    more = {
        "PANCAKE_METER_CUSTOMER": " team_id, end_user ,",
        "PANCAKE_METER_WHEN_UNREACHABLE": "open",
        "PANCAKE_METER_WHEN_CUSTOMER_UNKNOWN": "pass",
        "PANCAKE_METER_CLIENT_CALL_IDS": "accept",
        "PANCAKE_METER_HOLD_COUNTS": "calls",
        "PANCAKE_METER_OTHER_CALLS": "refuse",
        "PANCAKE_METER_OUTPUT_TOKENS_DEFAULT": "200",
        "PANCAKE_METER_INPUT_TOKEN_UNITS": "0.25",
        "PANCAKE_METER_OUTPUT_TOKEN_UNITS": "1.5",
        "PANCAKE_METER_HOLD_UNITS_MAX": "5000",
        "PANCAKE_METER_HOLD_TTL_SECONDS": "60",
        "PANCAKE_METER_DEADLINE_SECONDS": "0.5",
    }
    assert LoggerSettings.from_environment(NEEDED | more) == LoggerSettings(
        url="https://api.example.com",
        api_key="pm_test_x",
        meter="tokens",
        customer=("team_id", "end_user"),
        when_unreachable="open",
        when_customer_unknown="pass",
        client_call_ids="accept",
        hold_counts="calls",
        other_calls="refuse",
        output_tokens_default=200,
        input_token_units=Decimal("0.25"),
        output_token_units=Decimal("1.5"),
        hold_units_max=5000,
        hold_ttl_seconds=60,
        deadline_seconds=0.5,
    )


def test_everything_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(BadSettings) as told:
        LoggerSettings.from_environment({"PANCAKE_METER_METER": " "})
    assert all(name in str(told.value) for name in NEEDED)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PANCAKE_METER_WHEN_UNREACHABLE", "opne"),
        ("PANCAKE_METER_WHEN_CUSTOMER_UNKNOWN", "open"),
        ("PANCAKE_METER_CLIENT_CALL_IDS", "yes"),
        ("PANCAKE_METER_HOLD_COUNTS", "words"),
        ("PANCAKE_METER_OTHER_CALLS", "hold"),
        ("PANCAKE_METER_CUSTOMER", ","),
        ("PANCAKE_METER_CUSTOMER", "team,end_user"),
        ("PANCAKE_METER_CUSTOMER", "key_metadata,end_user"),
        ("PANCAKE_METER_OUTPUT_TOKENS_DEFAULT", "many"),
        ("PANCAKE_METER_HOLD_UNITS_MAX", "0"),
        ("PANCAKE_METER_HOLD_TTL_SECONDS", "-1"),
        ("PANCAKE_METER_HOLD_TTL_SECONDS", "86401"),
        ("PANCAKE_METER_HOLD_UNITS_MAX", "1000000000000001"),
        ("PANCAKE_METER_DEADLINE_SECONDS", "NaN"),
        ("PANCAKE_METER_INPUT_TOKEN_UNITS", "Infinity"),
    ],
)
def test_a_setting_that_is_wrong_is_refused_by_its_name(name: str, value: str) -> None:
    with pytest.raises(BadSettings, match=name):
        LoggerSettings.from_environment({**NEEDED, name: value})
