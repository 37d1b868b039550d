"""The client of a LiteLLM proxy's own records: its spend log, and the metadata of its keys.

Both want a key that may see everything: the master key, or one of a ``proxy_admin_viewer``.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Final

import httpx

from pancake_meter.bounded_http import ApiKey, cut_timeout, send_with_key
from pancake_meter.deadline import deadline_in_hand
from pancake_meter.litellm.spend_logs import SpendLog, spend_log
from pancake_meter.value import Value

PAGE_SIZE: Final = 100
TIMEOUT: Final = httpx.Timeout(connect=2.0, read=15.0, write=5.0, pool=1.0)

_ATTEMPT_SECONDS_MIN: Final = 2.0
_SPEND_LOGS: Final = "/spend/logs/v2"
_KEY_INFO: Final = "/key/info"
_MASTER_KEY: Final = "litellm_proxy_master_key"
"""What stands in the log in the place of the master key's hash; older versions have the hash."""


class LiteLLMUnavailable(Exception):
    """LiteLLM did not answer, or not with what was asked for. The message says how; nothing was changed."""


class KeyUnknown(Exception):
    """LiteLLM has no such key, or has it no more."""


class SpendLogPage(Value):
    """Rows, the oldest first, and how many there were, with those that could not be read."""

    logs: tuple[SpendLog, ...]
    received: int

    @property
    def is_last(self) -> bool:
        """Whether there is nothing behind it."""
        return self.received < PAGE_SIZE


class LiteLLMClient:
    """One proxy. A changed key is used within five minutes, and at once after LiteLLM has turned the old one away."""

    def __init__(self, base_url: str, api_key: ApiKey, *, transport: httpx.BaseTransport | None = None) -> None:
        """Prepare; nothing is sent."""
        self._base_url = base_url.rstrip("/")
        self._api_key = api_key
        self._http = httpx.Client(timeout=TIMEOUT, transport=transport, follow_redirects=False)

    def spend_logs(self, start: datetime, end: datetime, page: int) -> SpendLogPage:
        """Return a page of the calls that started from ``start`` to ``end``, both included, to the second; the first is 1.

        Raises:
            LiteLLMUnavailable
        """
        answer = self._get(
            _SPEND_LOGS,
            {
                "start_date": _second(start),
                "end_date": _second(end),
                "page": page,
                "page_size": PAGE_SIZE,
                "sort_by": "startTime",
                "sort_order": "asc",
            },
        )
        rows = _json(_SPEND_LOGS, answer).get("data")
        if answer.status_code != HTTPStatus.OK or not isinstance(rows, list):
            raise LiteLLMUnavailable(f"{_SPEND_LOGS}: status {answer.status_code}, and no list of rows")
        logs = [log for row in rows if (log := spend_log(row)) is not None]
        return SpendLogPage(tuple(logs), len(rows))

    def key_metadata(self, key_hash: str) -> Mapping[str, Any]:
        """Return the metadata of a key; the master key, which is in no database, has none.

        Raises:
            KeyUnknown: there is no such key.
            LiteLLMUnavailable
        """
        if key_hash in {_MASTER_KEY, sha256(self._api_key().encode()).hexdigest()}:
            return {}
        answer = self._get(_KEY_INFO, {"key": key_hash})
        if answer.status_code == HTTPStatus.NOT_FOUND:
            raise KeyUnknown("LiteLLM has no such key")
        info = _json(_KEY_INFO, answer).get("info")
        if answer.status_code != HTTPStatus.OK or not isinstance(info, Mapping):
            raise LiteLLMUnavailable(f"{_KEY_INFO}: status {answer.status_code}, and nothing about the key")
        metadata = info.get("metadata")
        return metadata if isinstance(metadata, Mapping) else {}

    def _get(self, path: str, query: Mapping[str, str | int]) -> httpx.Response:
        return send_with_key(self._api_key, lambda key: self._get_with(key, path, query))

    def _get_with(self, key: str, path: str, query: Mapping[str, str | int]) -> httpx.Response:
        limit = deadline_in_hand()
        if not limit.allows(_ATTEMPT_SECONDS_MIN):
            raise LiteLLMUnavailable(f"{path}: there is no time left for a request")
        headers = {"Authorization": f"Bearer {key}"}
        url, timeout = f"{self._base_url}{path}", cut_timeout(TIMEOUT, limit)
        try:
            return self._http.get(url, params=dict(query), headers=headers, timeout=timeout)
        except httpx.HTTPError as error:
            raise LiteLLMUnavailable(f"{path}: no answer ({type(error).__name__})") from error


def _json(path: str, answer: httpx.Response) -> Mapping[str, Any]:
    try:
        content = answer.json()
    except ValueError as error:
        raise LiteLLMUnavailable(f"{path}: status {answer.status_code}, and no JSON") from error
    return content if isinstance(content, Mapping) else {}


def _second(instant: datetime) -> str:
    """A second as LiteLLM takes it: in UTC, without saying so."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
