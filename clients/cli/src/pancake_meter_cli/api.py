"""The API of a stack: every request that the command makes to it goes through here."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx

from pancake_meter_cli.answer_fields import missing_fields
from pancake_meter_cli.error_page import what_helps
from pancake_meter_cli.failures import Failure, of_client, unreachable
from pancake_meter_cli.profiles import is_loopback
from pancake_meter_cli.version import __version__
from pancake_meter_client.calls import customer_path, path_part
from pancake_meter_client.connection import Connection
from pancake_meter_client.errors import PancakeMeterError, error_of, unexpected
from pancake_meter_client.retrying import Retrying

Json = dict[str, Any]

TIMEOUT_SECONDS: Final = 35.0
"""Longer than the slowest route of the API takes, which is the reconciliation."""

PAGES_MAX: Final = 1_000
_ONCE: Final = Retrying(attempts=1)


class Api:
    """One stack's API. Every method raises ``Failure``."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Nothing is sent yet."""
        try:
            self._connection = Connection.of(base_url, api_key)
        except PancakeMeterError as error:
            raise of_client(error, "log in again: pancake-meter login") from error
        self._sleep = sleep
        headers = {**self._connection.headers, "User-Agent": f"pancake-meter-cli/{__version__}"}
        # A proxy of the environment's does not lead back to this machine.
        trusts = not is_loopback(base_url)
        self._http = httpx.Client(timeout=TIMEOUT_SECONDS, transport=transport, headers=headers, trust_env=trusts)
        self.clock_difference_seconds: float | None = None
        """How far this machine's clock is ahead of the API's, as of the last answer."""

    def get(self, path: str, **query: object) -> Json:
        """Read. A query field that is ``None`` is left out."""
        return self._asked("GET", path, query=query)

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, is_repeatable: bool = True) -> Json:
        """Act. What makes something anew each time is not repeated by itself: ``is_repeatable`` is false."""
        return self._asked("POST", path, body=body, retrying=Retrying() if is_repeatable else _ONCE)

    def put(self, path: str, body: Mapping[str, Any]) -> Json:
        """Set."""
        return self._asked("PUT", path, body=body)

    def patch(self, path: str, body: Mapping[str, Any]) -> Json:
        """Change a part."""
        return self._asked("PATCH", path, body=body)

    def delete(self, path: str) -> Json:
        """End, or take away."""
        return self._asked("DELETE", path)

    def listed(self, path: str, name: str, limit: int, **query: object) -> Json:
        """Return the first ``limit`` entries of a list (0: all), over as many pages as that takes."""
        entries: list[Json] = []
        cursor: str | None = None
        for _ in range(PAGES_MAX):
            page = self.get(path, **query, cursor=cursor)
            if not isinstance(page.get(name), list):
                detail = f"the answer to GET {path} has no {name}"
                raise unreachable("unexpected_answer", detail, what_helps("unexpected_answer"))
            entries += page[name]
            cursor = page.get("next_cursor")
            if cursor is None or 0 < limit <= len(entries):
                break
        has_more = cursor is not None or 0 < limit < len(entries)
        return {name: entries[:limit] if limit else entries, "has_more": has_more}

    def pages(self, path: str, **query: object) -> Iterator[Json]:
        """Yield every page of a list."""
        cursor: str | None = None
        for _ in range(PAGES_MAX):
            page = self.get(path, **query, cursor=cursor)
            yield page
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    def _asked(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: Mapping[str, Any] | None = None,
        retrying: Retrying | None = None,
    ) -> Json:
        response = self._sent(method, path, query or {}, body, retrying or Retrying())
        try:
            answer = response.json()
        except ValueError as error:
            raise self._failure(unexpected(response, "no JSON")) from error
        if not isinstance(answer, dict):
            raise self._failure(unexpected(response, "no JSON object"))
        missing = missing_fields(method, path, answer)
        if missing or not answer:
            # Something else listens there, or a stack that is older than this command.
            raise unreachable(
                "unexpected_answer",
                f"the answer to {method} {path} has no {missing[0] if missing else 'fields'}",
                what_helps("unexpected_answer"),
            )
        return answer

    def _sent(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        body: Mapping[str, Any] | None,
        retrying: Retrying,
    ) -> httpx.Response:
        url = f"{self._connection.base_url.rstrip('/')}{path}"
        params = {name: str(value) for name, value in query.items() if value is not None}
        content = None if body is None else json.dumps(body).encode()
        sent = {} if body is None else {"Content-Type": "application/json"}
        for attempt in range(1, retrying.attempts + 1):
            response: httpx.Response | None = None
            try:
                response = self._http.request(method, url, params=params or None, content=content, headers=sent)
            except httpx.HTTPError as trouble:
                wait = retrying.wait(attempt, None)
                if wait is None:
                    said = f"{type(trouble).__name__}: {trouble}".removesuffix(": ")
                    detail = f"no answer from {self._connection.base_url} ({said})"
                    raise unreachable("no_answer", detail, what_helps("no_answer")) from trouble
            else:
                self._compare_clocks(response)
                if response.is_success:
                    return response
                wait = retrying.wait(attempt, response)
                if wait is None:
                    raise self._failure(error_of(response))
            self._sleep(wait)
        raise AssertionError("the last attempt either answers or raises")

    def _compare_clocks(self, response: httpx.Response) -> None:
        try:
            # Behind a proxy there are two: the first is of who answered last.
            told = parsedate_to_datetime(response.headers.get_list("Date")[0])
        except (IndexError, ValueError):
            return
        # A date of which no zone is known is in UTC (RFC 9110).
        stated = told.replace(tzinfo=UTC) if told.tzinfo is None else told
        self.clock_difference_seconds = (datetime.now(UTC) - stated).total_seconds()

    def _failure(self, error: PancakeMeterError) -> Failure:
        return of_client(error, what_helps(error.code))


def customer(customer_id: str, *parts: str) -> str:
    """Return a path below a customer. Raises ``Failure`` for an id that no path can carry."""
    try:
        return "/".join((customer_path(customer_id), *(path_part(part) for part in parts)))
    except PancakeMeterError as error:
        raise of_client(error, what_helps(error.code)) from error


def path(*parts: str) -> str:
    """Return ``/v1/...`` of the parts, each quoted. Raises ``Failure`` as ``customer`` does."""
    try:
        return "/v1/" + "/".join(path_part(part) for part in parts)
    except PancakeMeterError as error:
        raise of_client(error, what_helps(error.code)) from error
