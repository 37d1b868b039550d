"""A function that is configured wrongly does not start."""

from typing import Any

import pytest

from pancake_meter.deps.config import (
    ConfigurationError,
    LinkSettings,
    TokenSettings,
    WaffoApiSettings,
    browser_origins,
    key_mode,
)

ENVIRONMENT = {
    "WAFFO_ENVIRONMENT": "test",
    "WAFFO_MERCHANT_ID": "MER_1",
    "WAFFO_STORE_ID": "STO_1",
    "WAFFO_PRIVATE_KEY_SECRET_ID": "key",
    "PURCHASE_LINK_SECRET_ID": "link",
}
PROD = {**ENVIRONMENT, "WAFFO_ENVIRONMENT": "prod"}
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
    with pytest.raises(ConfigurationError, match="must be https"):
        WaffoApiSettings.from_environment({**ENVIRONMENT, **given})


URLS: list[tuple[Any, str]] = [(WaffoApiSettings, "WAFFO_API_URL"), (LinkSettings, "PUBLIC_BASE_URL")]


@pytest.mark.parametrize(("settings", "name"), URLS)
@pytest.mark.parametrize(
    "url", ["http://waffo.example", "HTTP://waffo.example", "http://localhost.example", "ftp://x", "x"]
)
def test_a_prod_stack_refuses_what_is_not_https(settings: Any, name: str, url: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} must be https"):
        settings.from_environment({**PROD, name: url})
    settings.from_environment({**ENVIRONMENT, name: url})


@pytest.mark.parametrize(("settings", "name"), URLS)
@pytest.mark.parametrize("url", ["https://waffo.example", "http://127.0.0.1:8001", "http://localhost:8001", ""])
def test_a_prod_stack_takes_https_and_its_own_machine(settings: Any, name: str, url: str) -> None:
    settings.from_environment({**PROD, name: url})


@pytest.mark.parametrize(("environment", "mode"), [("test", "test"), ("prod", "live")])
def test_a_stack_takes_api_keys_of_its_own_mode(environment: str, mode: str) -> None:
    assert key_mode({"WAFFO_ENVIRONMENT": environment}) == mode


@pytest.mark.parametrize("environ", [{}, {"WAFFO_ENVIRONMENT": ""}, {"WAFFO_ENVIRONMENT": "live"}])
def test_without_a_known_mode_no_api_key_is_taken(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        key_mode(environ)


@pytest.mark.parametrize("missing", ["CUSTOMER_TOKEN_SECRET_ID", "CUSTOMER_TOKEN_STACK"])
def test_without_its_secret_or_its_name_no_customer_token_is_taken(missing: str) -> None:
    given = {"CUSTOMER_TOKEN_SECRET_ID": "secret", "CUSTOMER_TOKEN_STACK": "stack"}
    assert TokenSettings.from_environment(given) == TokenSettings("secret", "stack")
    with pytest.raises(ConfigurationError):
        TokenSettings.from_environment({**given, missing: ""})


def test_pages_of_no_origin_may_call_unless_some_are_named() -> None:
    assert browser_origins({}) == browser_origins({"BROWSER_ORIGINS": ""}) == ()
    assert browser_origins({"BROWSER_ORIGINS": "https://a.example,https://b.example"}) == (
        "https://a.example",
        "https://b.example",
    )
