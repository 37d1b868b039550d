"""Settings: a function that is configured wrongly does not start."""

from typing import Any

import pytest

from pancake_meter.config import ConfigurationError, LinkSettings, WaffoApiSettings

ENVIRONMENT = {
    "WAFFO_ENVIRONMENT": "prod",
    "WAFFO_MERCHANT_ID": "MER_1aB2cD3eF4gH5iJ6kL7mN8",
    "WAFFO_STORE_ID": "STO_7hQ2mVb9KxT4cLr8WnZ3aE",
    "WAFFO_PRIVATE_KEY_SECRET_ID": "waffo-key",
    "PURCHASE_LINK_SECRET_ID": "link-secret",
}
URLS: list[tuple[Any, str]] = [(WaffoApiSettings, "WAFFO_API_URL"), (LinkSettings, "PUBLIC_BASE_URL")]


@pytest.mark.parametrize(("settings", "name"), URLS)
@pytest.mark.parametrize(
    "url", ["http://waffo.example", "HTTP://waffo.example", "http://localhost.example", "ftp://x", "x"]
)
def test_a_prod_stack_refuses_what_is_not_https(settings: Any, name: str, url: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} must be https"):
        settings.from_environment({**ENVIRONMENT, name: url})
    settings.from_environment({**ENVIRONMENT, "WAFFO_ENVIRONMENT": "test", name: url})


@pytest.mark.parametrize(("settings", "name"), URLS)
@pytest.mark.parametrize("url", ["https://waffo.example", "http://127.0.0.1:8001", "http://localhost:8001", ""])
def test_a_prod_stack_takes_https_and_its_own_machine(settings: Any, name: str, url: str) -> None:
    settings.from_environment({**ENVIRONMENT, name: url})
