"""Settings, read from the environment and checked once, at the cold start.

A function that lacks a setting does not start: half configured, it would answer callers wrongly.
"""

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from pancake_meter.domain.access.api_key import Mode, mode_of_environment
from pancake_meter.domain.selling.loopback import is_loopback_url
from pancake_meter.value import Value

if TYPE_CHECKING:
    # Left out at run time: the authorizer reads one setting, and knows no plans.
    from pancake_meter.domain.selling.plan import Environment

DEFAULT_WAFFO_API_URL = "https://api.waffo.ai"
DEFAULT_CATALOG_PATH = "/opt/catalog.toml"
DEFAULT_BODY_RETENTION_DAYS = 180
BODY_RETENTION_DAYS_MAX = 3650

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class ConfigurationError(Exception):
    """The environment lacks settings, or has wrong ones; the message names them, never their values."""


class TableSettings(Value):
    """The name of the table."""

    name: str

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "TableSettings":
        """Read the settings; raise ``ConfigurationError`` when one is missing."""
        (name,) = _required(environ, "TABLE_NAME")
        return cls(name)


def key_mode(environ: Mapping[str, str] = os.environ) -> Mode:
    """Return the one mode of API keys that the stack takes; raise ``ConfigurationError`` when the stack's is not known."""
    return mode_of_environment(_environment(environ))


class TokenSettings(Value):
    """The secret that signs customer tokens, and the name by which a token says which stack it is of."""

    secret_id: str
    stack: str

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "TokenSettings":
        """Read the settings; raise ``ConfigurationError`` when one is missing."""
        return cls(*_required(environ, "CUSTOMER_TOKEN_SECRET_ID", "CUSTOMER_TOKEN_STACK"))


def browser_origins(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the origins whose pages may call with customer tokens; there may be none."""
    return tuple(origin for each in environ.get("BROWSER_ORIGINS", "").split(",") if (origin := each.strip()))


def catalog_path(environ: Mapping[str, str] = os.environ) -> str:
    """Return where the catalog is."""
    return environ.get("CATALOG_PATH") or DEFAULT_CATALOG_PATH


def pseudonym_secret_id(environ: Mapping[str, str] = os.environ) -> str:
    """Return the id of the secret that is the key of pseudonyms; raise ``ConfigurationError`` when it is missing."""
    (secret_id,) = _required(environ, "PSEUDONYM_SECRET_ID")
    return secret_id


def body_retention(environ: Mapping[str, str] = os.environ) -> timedelta:
    """Return how long bodies of webhooks are kept; raise ``ConfigurationError`` where it is no number of days."""
    text = environ.get("BODY_RETENTION_DAYS") or str(DEFAULT_BODY_RETENTION_DAYS)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= BODY_RETENTION_DAYS_MAX:
        raise ConfigurationError(f"BODY_RETENTION_DAYS must be 1 to {BODY_RETENTION_DAYS_MAX}")
    return timedelta(days=int(text))


def reads_stream(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether the stack reads its table's stream: without that, what follows from it would not stay up to date."""
    return environ.get("READS_STREAM") != "false"


class BulkSettings(Value):
    """The queue of bulk usage."""

    queue_url: str

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "BulkSettings":
        """Read the settings; raise ``ConfigurationError`` when one is missing."""
        (queue_url,) = _required(environ, "USAGE_QUEUE_URL")
        return cls(queue_url)


class ForwardingSettings(Value):
    """The address of an OpenMeter, the secret with its key, and the queue of usage that it refuses."""

    base_url: str
    key_secret_id: str
    refused_queue_url: str

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "ForwardingSettings":
        """Read the settings; raise ``ConfigurationError`` when one is missing."""
        return cls(*_required(environ, "OPENMETER_BASE_URL", "OPENMETER_KEY_SECRET_ID", "FORWARDING_REFUSED_QUEUE_URL"))


def stream_failed_queue_url(environ: Mapping[str, str] = os.environ) -> str:
    """Return the queue of changes that nobody could follow; raise ``ConfigurationError`` when it is missing."""
    (url,) = _required(environ, "STREAM_FAILED_QUEUE_URL")
    return url


def alert_queue_url(environ: Mapping[str, str] = os.environ) -> str:
    """Return the queue of alerts to send; raise ``ConfigurationError`` when it is missing."""
    (url,) = _required(environ, "ALERT_QUEUE_URL")
    return url


def alert_failed_queue_url(environ: Mapping[str, str] = os.environ) -> str:
    """Return the queue of alerts that were given up; raise ``ConfigurationError`` when it is missing."""
    (url,) = _required(environ, "ALERT_FAILED_QUEUE_URL")
    return url


def alert_secret_id(environ: Mapping[str, str] = os.environ) -> str:
    """Return the id of the secret that endpoints' secrets follow from; raise ``ConfigurationError`` when it is missing."""
    (secret_id,) = _required(environ, "ALERT_SECRET_ID")
    return secret_id


def is_local_stack(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the stack runs on this machine: its Waffo is a simulator here. In AWS it never is."""
    return is_loopback_url(environ.get("WAFFO_API_URL") or DEFAULT_WAFFO_API_URL)


class HealingSettings(Value):
    """The address of a LiteLLM, and the secret with a key that may read its spend log."""

    base_url: str
    key_secret_id: str

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "HealingSettings":
        """Read the settings; raise ``ConfigurationError`` when one is missing."""
        return cls(*_required(environ, "LITELLM_BASE_URL", "LITELLM_KEY_SECRET_ID"))


class WebhookSettings(Value):
    """One mode, one store, and the public keys of webhooks in that mode.

    ``public_keys`` is empty where Waffo's built-in key of the mode applies.
    """

    environment: "Environment"
    store_id: str
    public_keys: str

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "WebhookSettings":
        """Read the settings; raise ``ConfigurationError`` when one is missing or wrong."""
        environment = _environment(environ)
        (store_id,) = _required(environ, "WAFFO_STORE_ID")
        specific = environ.get(f"WAFFO_WEBHOOK_{environment.upper()}_PUBLIC_KEY")
        return cls(environment, store_id, specific or environ.get("WAFFO_WEBHOOK_PUBLIC_KEY") or "")


class WaffoApiSettings(Value):
    """Access to Waffo's API. The private key itself stays in Secrets Manager, under ``private_key_secret_id``.

    ``success_url`` is where a customer lands after paying, unless the request for the checkout names another. It is https,
    since Waffo's payment fails otherwise. Where Waffo is a simulator on this machine, it may be an address of this machine.
    """

    environment: "Environment"
    api_url: str
    merchant_id: str
    store_id: str
    private_key_secret_id: str
    success_url: str | None

    @property
    def is_local(self) -> bool:
        """Whether Waffo is a simulator on this machine. In AWS it never is."""
        return is_loopback_url(self.api_url)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "WaffoApiSettings":
        """Read the settings; raise ``ConfigurationError`` when one is missing or wrong."""
        merchant_id, store_id, secret_id = _required(
            environ, "WAFFO_MERCHANT_ID", "WAFFO_STORE_ID", "WAFFO_PRIVATE_KEY_SECRET_ID"
        )
        api_url = _safe_url(environ, "WAFFO_API_URL") or DEFAULT_WAFFO_API_URL
        success_url = environ.get("CHECKOUT_SUCCESS_URL") or None
        is_https = success_url is None or success_url.startswith("https://")
        if not is_https and not (is_loopback_url(api_url) and is_loopback_url(success_url or "")):
            raise ConfigurationError("CHECKOUT_SUCCESS_URL must be https")
        return cls(_environment(environ), api_url, merchant_id, store_id, secret_id, success_url)


class LinkSettings(Value):
    """The secret that signs purchase links. Without ``public_base_url`` a link points at the host of the request."""

    environment: "Environment"
    secret_id: str
    public_base_url: str | None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "LinkSettings":
        """Read the settings; raise ``ConfigurationError`` when one is missing."""
        (secret_id,) = _required(environ, "PURCHASE_LINK_SECRET_ID")
        return cls(_environment(environ), secret_id, _safe_url(environ, "PUBLIC_BASE_URL"))


def alert_bus_name(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the EventBridge bus that alerts are put on; ``None``: none is."""
    return environ.get("ALERT_BUS_NAME") or None


def _safe_url(environ: Mapping[str, str], name: str) -> str | None:
    """Return a URL. In a prod stack plain HTTP is allowed only to this machine, where the local stack runs."""
    url = environ.get(name) or None
    is_plain = url is not None and urlsplit(url).scheme != "https"
    if url is not None and is_plain and _environment(environ) == "prod" and urlsplit(url).hostname not in _LOOPBACK:
        raise ConfigurationError(f"{name} must be https in a prod stack")
    return url


def _required(environ: Mapping[str, str], *names: str) -> list[str]:
    missing = [name for name in names if not environ.get(name)]
    if missing:
        raise ConfigurationError(f"missing in the environment: {', '.join(missing)}")
    return [environ[name] for name in names]


def _environment(environ: Mapping[str, str]) -> "Environment":
    (name,) = _required(environ, "WAFFO_ENVIRONMENT")
    if name not in ("test", "prod"):
        raise ConfigurationError("WAFFO_ENVIRONMENT must be test or prod")
    return cast("Environment", name)
