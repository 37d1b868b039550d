"""The client of an OpenMeter's ingest API: one batch of CloudEvents, one request, one answer."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import httpx

from pancake_meter.bounded_http import ApiKey, cut_timeout, send_with_key
from pancake_meter.deadline import deadline_in_hand

TIMEOUT: Final = httpx.Timeout(connect=2.0, read=10.0, write=5.0, pool=1.0)

_ATTEMPT_SECONDS_MIN: Final = 2.0
_TAKEN: Final = frozenset({HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT})
_ABOUT_THE_EVENTS: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.CONFLICT,
        HTTPStatus.PRECONDITION_FAILED,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
"""Answers that repeating the same events cannot change. 401, 403 and 404 are about a key or an address, not about them."""

_DETAIL_LENGTH_MAX: Final = 500


class EventsRefused(Exception):
    """OpenMeter will not take these events, now or later: one of them at least is at fault. It took none of them."""


class OpenMeterUnavailable(Exception):
    """OpenMeter did not say that it took the events. It may have: sending them again is safe."""


class OpenMeterClient:
    """One OpenMeter. A changed key is used within five minutes, and at once after OpenMeter has turned the old one away."""

    def __init__(self, base_url: str, api_key: ApiKey, *, transport: httpx.BaseTransport | None = None) -> None:
        """Prepare; nothing is sent."""
        self._url = f"{base_url.rstrip('/')}/api/v1/events"
        self._api_key = api_key
        self._http = httpx.Client(timeout=TIMEOUT, transport=transport, follow_redirects=False)

    def ingest(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Send a batch. Returns once OpenMeter has it.

        Raises:
            EventsRefused, OpenMeterUnavailable
        """
        content = json.dumps(events, ensure_ascii=False, separators=(",", ":")).encode()
        answer = send_with_key(self._api_key, lambda key: self._post(content, key))
        if answer.status_code in _TAKEN:
            return
        told = f"status {answer.status_code}: {answer.text[:_DETAIL_LENGTH_MAX]}"
        raise EventsRefused(told) if answer.status_code in _ABOUT_THE_EVENTS else OpenMeterUnavailable(told)

    def _post(self, content: bytes, key: str) -> httpx.Response:
        limit = deadline_in_hand()
        if not limit.allows(_ATTEMPT_SECONDS_MIN):
            raise OpenMeterUnavailable("there is no time left for a request")
        headers = {"Content-Type": "application/cloudevents-batch+json", "Authorization": f"Bearer {key}"}
        try:
            return self._http.post(self._url, content=content, headers=headers, timeout=cut_timeout(TIMEOUT, limit))
        except httpx.HTTPError as error:
            raise OpenMeterUnavailable(f"no answer ({type(error).__name__})") from error
