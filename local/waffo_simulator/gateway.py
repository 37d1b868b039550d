"""The door of /v1: who asks, whether it was asked before, and in which envelope the answer goes."""

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse

from local.waffo_simulator.envelope import Answer, ApiError, Json, failure, success
from local.waffo_simulator.faults import Faults
from local.waffo_simulator.signing import request_is_signed
from local.waffo_simulator.simulator import Simulator

TIMESTAMP_TOLERANCE_SECONDS = 300
CONTENT_LENGTH_MAX = 1024 * 1024
REPLAY = timedelta(hours=24)
IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9_-]{1,256}")
CREATE_SESSION = "/v1/actions/checkout/create-session"
CANCEL_ORDER = "/v1/actions/subscription-order/cancel-order"
REACTIVATE_ORDER = "/v1/actions/subscription-order/reactivate-order"
CREATE_TICKET = "/v1/actions/refund-ticket/create-ticket"
OPERATORS_ACTIONS = (CANCEL_ORDER, REACTIVATE_ORDER, CREATE_TICKET)
SIGNATURE_HEADERS = ("X-Merchant-Id", "X-Timestamp", "X-Signature")


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was let in. `customer` is the identity in its session token; `None`: the merchant asks."""

    content: bytes
    customer: str | None
    base_url: str

    def demand_merchant(self) -> None:
        """Refuse (403) what a buyer asks."""
        if self.customer is not None:
            raise ApiError(403, "API Key required", "gateway")


Action = Callable[[Simulator, Call], Answer]


@dataclass(slots=True)
class Remembered:
    """What an idempotency key stands for; no answer yet: in flight."""

    at: datetime
    answer: tuple[int, Json] | None = None


class Gateway:
    """Answers every call of the API."""

    def __init__(self, simulator: Simulator, actions: Mapping[str, Action]) -> None:
        self._simulator = simulator
        self._actions = actions
        self._remembered: dict[str, Remembered] = {}

    def forget(self) -> None:
        """Forget every idempotency key."""
        self._remembered.clear()

    async def answer(self, request: Request) -> JSONResponse:
        """The whole way of one request."""
        faults = self._simulator.deliverer.faults
        path = request.url.path
        try:
            content = await request.body()
            customer = authenticate(self._simulator, request, content)
            key = _idempotency_key(request.headers)
            call = Call(content, customer, self._simulator.config.base_url or str(request.base_url).rstrip("/"))
            status, body = await self._once(key, path, call)
        except ApiError as error:
            status, body = error.status, failure(error)
        # The work is done and will be replayed: only the answer is lost.
        if status < 300 and _is_lost(faults, path):  # noqa: PLR2004
            await asyncio.sleep(faults.hold_seconds)
            status, body = 502, failure(ApiError(502, "Upstream timeout", "gateway"))
        return JSONResponse(body, status)

    async def _once(self, key: str | None, path: str, call: Call) -> tuple[int, Json]:
        if key is None:
            return await self._act(path, call)
        now = self._simulator.clock.now()
        known = self._remembered.get(key)
        if known and known.answer is None:
            raise ApiError(409, "Idempotent request is already being processed", "gateway")
        if known and known.answer and now < known.at + REPLAY:
            return known.answer
        entry = self._remembered[key] = Remembered(now)
        try:
            entry.answer = await self._act(path, call)
        finally:
            if entry.answer is None:
                del self._remembered[key]
        return entry.answer

    async def _act(self, path: str, call: Call) -> tuple[int, Json]:
        faults = self._simulator.deliverer.faults
        await asyncio.sleep(faults.api_delay_seconds)
        if faults.fails_next_call():
            raise ApiError(502, "Upstream unavailable", "gateway")
        action = self._actions.get(path)
        if action is None:
            raise ApiError(501, "Not implemented", "gateway")
        return 200, success(action(self._simulator, call))


def _is_lost(faults: Faults, path: str) -> bool:
    if path == CREATE_SESSION:
        return faults.loses_next_session_answer()
    return path in OPERATORS_ACTIONS and faults.loses_next_action_answer()


def authenticate(simulator: Simulator, request: Request, content: bytes) -> str | None:
    """Whose request it is: the identity in a session token, or `None`, the merchant. Raises `ApiError` (400, 401)."""
    if len(content) > CONTENT_LENGTH_MAX:
        raise ApiError(400, "Request body too large", "gateway")
    authorization = request.headers.get("Authorization")
    if authorization is not None:
        return _customer(simulator, authorization, request.headers.get("X-Environment"))
    merchant_id, timestamp, signature = (request.headers.get(name, "") for name in SIGNATURE_HEADERS)
    if not (merchant_id or timestamp or signature):
        raise ApiError(401, "Authentication failed", "gateway")
    if not (merchant_id and timestamp and signature):
        raise ApiError(400, "Incomplete API Key authentication headers", "gateway")
    is_current = (
        re.fullmatch(r"[0-9]{1,12}", timestamp) is not None
        and abs(time.time() - int(timestamp)) <= TIMESTAMP_TOLERANCE_SECONDS
    )
    is_signed = request_is_signed(
        simulator.merchant_key,
        method=request.method,
        path=request.scope["raw_path"].decode("ascii", "replace"),
        timestamp=timestamp,
        content=content,
        signature=signature,
    )
    if merchant_id != simulator.config.merchant_id or not is_current or not is_signed:
        raise ApiError(401, "Authentication failed", "gateway")
    return None


def _customer(simulator: Simulator, authorization: str, environment: str | None) -> str:
    scheme, _, token = authorization.partition(" ")
    if environment is None:
        raise ApiError(400, "Incomplete JWT authentication headers", "gateway")
    buyer = simulator.tokens.read(token, simulator.clock.now())
    if scheme != "Bearer" or buyer is None or environment != simulator.config.mode:
        raise ApiError(401, "Authentication failed", "gateway")
    return buyer.identity


def _idempotency_key(headers: Headers) -> str | None:
    key = headers.get("X-Idempotency-Key")
    if key is not None and not IDEMPOTENCY_KEY.fullmatch(key):
        raise ApiError(400, "Invalid X-Idempotency-Key: expected at most 256 of [A-Za-z0-9_-]", "gateway")
    return key
