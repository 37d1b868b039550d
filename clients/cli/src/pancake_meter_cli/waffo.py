"""Waffo's API as the merchant sees it: webhooks and products. The signature is the stack's own code."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx

from pancake_meter.waffo.envelope import read_answer
from pancake_meter.waffo.errors import InvalidKey, InvalidRequest, WaffoRejected, WaffoUnavailable, WaffoUnreadable
from pancake_meter.waffo.keys import load_private_key
from pancake_meter.waffo.signing import RequestSigner
from pancake_meter_cli.failures import refused, unreachable, usage
from pancake_meter_cli.profiles import WAFFO_API_URL, Profile, is_loopback, require

TIMEOUT_SECONDS: Final = 20.0
PAGE_SIZE: Final = 100
PAGES_MAX: Final = 50
EVENT_TYPES: Final = (
    "order.completed",
    "subscription.activated",
    "subscription.payment_succeeded",
    "subscription.renewed",
    "subscription.recovered",
    "subscription.plan_changed",
    "subscription.plan_change_scheduled",
    "subscription.plan_change_failed",
    "subscription.canceling",
    "subscription.uncanceled",
    "subscription.canceled",
    "subscription.past_due",
    "refund.succeeded",
    "refund.failed",
)
"""Every event that Waffo can be asked for; a webhook that lacks one is deaf to it."""

_WEBHOOKS: Final = "query ($id: ID!) { store(id: $id) { storeWebhooks { id url events testMode channel } } }"


class Waffo:
    """One store of one merchant. Every method raises ``Failure``."""

    def __init__(
        self, signer: RequestSigner, url: str, store_id: str, transport: httpx.BaseTransport | None = None
    ) -> None:
        """Nothing is sent yet."""
        self.store_id = store_id
        self._signer = signer
        self._url = url.rstrip("/")
        self._http = httpx.Client(timeout=TIMEOUT_SECONDS, transport=transport, trust_env=not is_loopback(url))

    def act(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Do one action, such as ``store/add-webhook``. It is sent once: a repetition could make a second thing."""
        return self._asked(f"/v1/actions/{path}", body)

    def query(self, query: str, **variables: Any) -> dict[str, Any]:
        """Read by GraphQL."""
        return self._asked("/v1/graphql", {"query": query, "variables": variables})

    def listed(self, name: str, query: str) -> list[dict[str, Any]]:
        """Read every page of a list: ``query`` takes ``$storeId``, ``$limit`` and ``$offset``."""
        found: list[dict[str, Any]] = []
        for page in range(PAGES_MAX):
            data = self.query(query, storeId=self.store_id, limit=PAGE_SIZE, offset=page * PAGE_SIZE)
            found += data[name]
            if len(data[name]) < PAGE_SIZE:
                break
        return found

    def webhooks(self) -> list[dict[str, Any]]:
        """Return the store's webhooks of this key's environment."""
        store = self.query(_WEBHOOKS, id=self.store_id)["store"]
        if store is None:
            raise refused("store_not_found", f"Waffo knows no store {self.store_id} for this key", "see WAFFO_STORE_ID")
        return list(store["storeWebhooks"])

    def _asked(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {
            "Content-Type": "application/json",
            **self._signer.headers(path, content, timestamp_seconds=int(time.time())),
        }
        try:
            response = self._http.post(f"{self._url}{path}", content=content, headers=headers)
            answer = read_answer(path, response.status_code, response.content, has_idempotency_key=False)
        except httpx.HTTPError as error:
            detail = f"Waffo at {self._url} gave no answer ({type(error).__name__})"
            raise unreachable("waffo_unavailable", detail, "see that WAFFO_API_URL is right, and repeat it") from error
        except (WaffoUnavailable, WaffoUnreadable) as error:
            raise unreachable("waffo_unavailable", f"Waffo at {self._url}: {error}", "repeat it later") from error
        except WaffoRejected as error:
            raise refused("waffo_refused", f"Waffo refused {path}: {error}", _helps(error)) from error
        return dict(answer.data)


def waffo_of(profile: Profile, environ: Mapping[str, str], transport: httpx.BaseTransport | None) -> Waffo:
    """Return Waffo as the profile and the environment name it. Raises ``Failure`` where something is missing."""
    store_id, merchant_id = require(profile, "waffo_store_id"), require(profile, "waffo_merchant_id")
    try:
        signer = RequestSigner(merchant_id, load_private_key(_private_key(profile, environ), "WAFFO_PRIVATE_KEY"))
    except (InvalidKey, InvalidRequest) as error:
        raise usage(str(error), "give Waffo's API key as it was downloaded") from None
    return Waffo(signer, profile.waffo_url or WAFFO_API_URL, store_id, transport)


def _private_key(profile: Profile, environ: Mapping[str, str]) -> str:
    text = environ.get("WAFFO_PRIVATE_KEY")
    if text:
        return text
    if profile.waffo_private_key_file is None:
        helps = "set WAFFO_PRIVATE_KEY, or pancake-meter login --waffo-private-key-file FILE"
        raise usage("nothing says where the merchant's private key for Waffo is", helps, "no_waffo_key")
    try:
        return Path(profile.waffo_private_key_file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise usage(f"{profile.waffo_private_key_file} cannot be read ({type(error).__name__})") from None


def _helps(error: WaffoRejected) -> str:
    return next((notice.ai_hint for notice in error.notices if notice.ai_hint), "see Waffo's documentation")
