"""Configuration that would sell what cannot be paid stops the cold start."""

import pytest

from pancake_meter.config import ConfigurationError, WaffoApiSettings

ENVIRONMENT = {
    "WAFFO_ENVIRONMENT": "test",
    "WAFFO_MERCHANT_ID": "MER_1",
    "WAFFO_STORE_ID": "STO_1",
    "WAFFO_PRIVATE_KEY_SECRET_ID": "key",
}
SIMULATOR = "http://127.0.0.1:8001"


@pytest.mark.parametrize(
    ("api_url", "success_url", "is_local"),
    [
        ("https://api.waffo.ai", "https://app.example.com/done", False),
        ("", "", False),
        (SIMULATOR, "http://localhost:3000/done", True),
        (SIMULATOR, "https://app.example.com/done", True),
    ],
)
def test_a_success_url_that_can_be_reached_is_taken(api_url: str, success_url: str, is_local: bool) -> None:
    settings = WaffoApiSettings.from_environment(
        {**ENVIRONMENT, "WAFFO_API_URL": api_url, "CHECKOUT_SUCCESS_URL": success_url}
    )
    assert (settings.success_url, settings.is_local) == (success_url or None, is_local)


@pytest.mark.parametrize("environment", ["test", "prod"])
@pytest.mark.parametrize(
    ("api_url", "success_url"),
    [
        ("https://api.waffo.ai", "http://localhost:3000/done"),
        ("http://api.example.com", "http://localhost:3000/done"),
        (SIMULATOR, "http://app.example.com/done"),
        ("https://api.waffo.ai", "http://app.example.com/done"),
    ],
)
def test_promise_11_a_success_url_at_which_a_payment_fails_stops_the_start(
    environment: str, api_url: str, success_url: str
) -> None:
    given = {"WAFFO_ENVIRONMENT": environment, "WAFFO_API_URL": api_url, "CHECKOUT_SUCCESS_URL": success_url}
    with pytest.raises(ConfigurationError, match="CHECKOUT_SUCCESS_URL must be https"):
        WaffoApiSettings.from_environment({**ENVIRONMENT, **given})
