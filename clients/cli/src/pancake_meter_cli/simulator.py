"""The controls of the Waffo simulator, which stands beside a local stack."""

from collections.abc import Mapping
from typing import Any, Final

import httpx

from pancake_meter_cli.failures import refused, unreachable

TIMEOUT_SECONDS: Final = 60.0


class Simulator:
    """The ``/_sim`` routes. Both methods raise ``Failure``."""

    def __init__(self, url: str, transport: httpx.BaseTransport | None = None) -> None:
        """Nothing is sent yet."""
        self._url = url.rstrip("/")
        self._http = httpx.Client(timeout=TIMEOUT_SECONDS, transport=transport, trust_env=False)

    def get(self, path: str) -> dict[str, Any]:
        """Read."""
        return self._answer("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Act; fields that are ``None`` are left out."""
        return self._answer("POST", path, {name: value for name, value in (body or {}).items() if value is not None})

    def _answer(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        try:
            response = self._http.request(method, f"{self._url}/_sim/{path}", json=body)
            answer = response.json()
        except (httpx.HTTPError, ValueError) as error:
            detail = f"the simulator at {self._url} gave no answer ({type(error).__name__})"
            raise unreachable("no_simulator", detail, "start the local stack: make run") from error
        if not response.is_success or not isinstance(answer, dict):
            raise refused("simulator_refused", str(answer.get("error") if isinstance(answer, dict) else answer))
        return answer
