"""Settings of the local stack, from the environment. The names of the official Waffo SDK where it has them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local import ROOT, STATE
from local.errors import LocalStackError

READY_FILE = "ready.json"
"""File in the state folder that has, while a stack runs, what its `ready` line says."""

DEFAULT_PORT = 8000
PORT_MAX = 65535
DEFAULT_IN_FLIGHT_MAX = 4
IN_FLIGHT_CEILING = 64
DEFAULT_BROWSER_ORIGINS = "http://localhost:3000,http://127.0.0.1:3000,http://localhost:5173,http://127.0.0.1:5173"
"""Where pages are served from while they are being made."""

DEFAULT_STORE_ID = "STO_LocalLocalLocalLocal00"
DEFAULT_MERCHANT_ID = "MER_LocalLocalLocalLocal00"
_PEM_BODY = re.compile(r"-----BEGIN [A-Z ]+-----(.*?)-----END [A-Z ]+-----", re.DOTALL)
_TRUE = frozenset({"1", "true", "yes", "on"})


@dataclass(frozen=True, slots=True)
class WaffoSettings:
    """Who we are to Waffo. `None` and empty mean: made for this run, or Waffo's own built-in."""

    environment: str
    store_id: str
    merchant_id: str
    private_key: str | None
    api_url: str | None
    webhook_test_public_key: str
    webhook_prod_public_key: str
    webhook_public_key: str


@dataclass(frozen=True, slots=True)
class OtherSystem:
    """Another system of the seller's, and a key to it."""

    base_url: str
    api_key: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is told: ports and folders, whether to keep what the last run left, who we are to Waffo.

    Without an `openmeter` usage is forwarded nowhere, without a `litellm` no spend log is searched.
    """

    port: int
    state_folder: Path
    keep_data: bool
    enforce_iam: bool
    catalog_path: Path
    checkout_success_url: str
    browser_origins: str
    log_level: str
    in_flight_max: int
    openmeter: OtherSystem | None
    litellm: OtherSystem | None
    waffo: WaffoSettings


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings. Raises `LocalStackError` naming the variable that is wrong."""
    environment = environ.get("WAFFO_ENVIRONMENT") or "test"
    if environment not in ("test", "prod"):
        raise LocalStackError("WAFFO_ENVIRONMENT must be test or prod")
    return Settings(
        port=_port(environ.get("PORT") or str(DEFAULT_PORT)),
        state_folder=Path(environ.get("LOCAL_STATE_DIR") or STATE).resolve(),
        keep_data=(environ.get("KEEP_DATA") or "").lower() in _TRUE,
        enforce_iam=(environ.get("ENFORCE_IAM") or "").lower() in _TRUE,
        catalog_path=Path(environ.get("CATALOG_PATH") or ROOT / "layers" / "catalog" / "catalog.toml").resolve(),
        checkout_success_url=environ.get("CHECKOUT_SUCCESS_URL") or "",
        browser_origins=environ.get("BROWSER_ORIGINS") or DEFAULT_BROWSER_ORIGINS,
        log_level=environ.get("LOG_LEVEL") or "INFO",
        in_flight_max=_in_flight_max(environ.get("IN_FLIGHT_MAX") or str(DEFAULT_IN_FLIGHT_MAX)),
        openmeter=_other_system(environ, "OPENMETER"),
        litellm=_other_system(environ, "LITELLM"),
        waffo=WaffoSettings(
            environment=environment,
            store_id=environ.get("WAFFO_STORE_ID") or DEFAULT_STORE_ID,
            merchant_id=environ.get("WAFFO_MERCHANT_ID") or DEFAULT_MERCHANT_ID,
            private_key=environ.get("WAFFO_PRIVATE_KEY") or None,
            api_url=environ.get("WAFFO_API_URL") or None,
            webhook_test_public_key=key_on_one_line(environ.get("WAFFO_WEBHOOK_TEST_PUBLIC_KEY") or ""),
            webhook_prod_public_key=key_on_one_line(environ.get("WAFFO_WEBHOOK_PROD_PUBLIC_KEY") or ""),
            webhook_public_key=key_on_one_line(environ.get("WAFFO_WEBHOOK_PUBLIC_KEY") or ""),
        ),
    )


def key_on_one_line(text: str) -> str:
    """Return public keys as base64 without header, comma-separated: a stack parameter cannot hold line breaks."""
    plain = text.replace("\\r", "\n").replace("\\n", "\n")
    bodies = _PEM_BODY.findall(plain) or [plain]
    return ",".join("".join(body.split()) for body in bodies)


def _other_system(environ: Mapping[str, str], name: str) -> OtherSystem | None:
    base_url, api_key = (environ.get(f"{name}_{what}") or "" for what in ("BASE_URL", "API_KEY"))
    if not base_url:
        return None
    if not api_key:
        raise LocalStackError(f"{name}_BASE_URL needs {name}_API_KEY")
    return OtherSystem(base_url, api_key)


def _in_flight_max(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= IN_FLIGHT_CEILING:
        raise LocalStackError(f"IN_FLIGHT_MAX must be a number from 1 to {IN_FLIGHT_CEILING}")
    return int(text)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= PORT_MAX:
        raise LocalStackError(f"PORT must be a number from 1 to {PORT_MAX}")
    return int(text)
