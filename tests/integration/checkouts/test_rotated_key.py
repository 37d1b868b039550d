"""Scenario 100: the merchant's key is changed at Waffo and in its secret, and the same container goes on selling."""

import base64
import threading
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from overage_checkout import handler
from pancake_meter.deps.secret import AGE_SECONDS, Secret
from pancake_meter.deps.waffo import RotatingSigner
from pancake_meter.value import replace
from pancake_meter.waffo.client import CREATE_SESSION, ISSUE_SESSION_TOKEN, WaffoClient
from pancake_meter.waffo.retry import RetryPolicy
from pancake_meter.waffo.signing import canonical_request
from tests.integration.checkouts.conftest import Shop
from tests.support.api import Answer, LambdaContext, api_event, read_answer

SECONDS_MAX = 8.0
OLD, NEW = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))


def pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@dataclass
class Rotation:
    """A shop in one container: Secrets Manager, a Waffo that takes the ``accepted`` keys, and a stopwatch."""

    shop: Shop
    in_secret: rsa.RSAPrivateKey = OLD
    accepted: list[rsa.RSAPrivateKey] = field(default_factory=lambda: [OLD])
    seconds: float = 1000.0
    reads: int = 0
    asked: list[tuple[str, rsa.RSAPrivateKey]] = field(default_factory=list)
    late: str | None = None
    late_is_asked: threading.Event = field(default_factory=threading.Event)
    other_is_answered: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        secret = Secret("waffo", client=lambda: cast("Any", self), stopwatch=lambda: self.seconds)
        client = WaffoClient(
            RotatingSigner("MER_1aB2cD3eF4gH5iJ6kL7mN8", secret),
            api_url="https://waffo.test",
            transport=httpx.MockTransport(self._answer),
            retry=RetryPolicy(attempts_max=1),
        )
        deps = self.shop.deps()
        self._deps = replace(deps, selling=replace(deps.selling, waffo=client))

    def get_secret_value(self, **_: object) -> dict[str, str]:
        self.reads += 1
        return {"SecretString": pem(self.in_secret)}

    def buy(self) -> Answer:
        event = api_event("checkouts_top_up")
        return read_answer(handler(event, LambdaContext(), self._deps))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path, key = request.url.path, _signer_of(request)
        if self.late is not None and key not in self.accepted:
            self._hold(is_late=path == self.late)
        self.asked.append((path, key))
        if key not in self.accepted:
            error = {"message": "Authentication failed", "layer": "gateway"}
            return httpx.Response(401, json={"data": None, "errors": [error]})
        answer = self.shop.waffo._answer(request)
        self.other_is_answered.set()
        return answer

    def _hold(self, *, is_late: bool) -> None:
        """Answer neither question before both were asked, and the late one after the other got what it wants."""
        if is_late:
            self.late_is_asked.set()
        assert (self.other_is_answered if is_late else self.late_is_asked).wait(SECONDS_MAX)


def other(question: str) -> str:
    return ISSUE_SESSION_TOKEN if question == CREATE_SESSION else CREATE_SESSION


def _signer_of(request: httpx.Request) -> rsa.RSAPrivateKey:
    stamp, signature = int(request.headers["X-Timestamp"]), base64.b64decode(request.headers["X-Signature"])
    message = canonical_request("POST", request.url.path, stamp, request.content)
    for key in (OLD, NEW):
        try:
            key.public_key().verify(signature, message, PKCS1v15(), SHA256())
        except InvalidSignature:
            continue
        return key
    raise AssertionError("signed with neither key")


@pytest.fixture
def rotation(shop: Shop) -> Rotation:
    return Rotation(shop)


@pytest.mark.parametrize("late", [None, CREATE_SESSION, ISSUE_SESSION_TOKEN])
def test_scenario_100_a_key_that_waffo_answers_401_to_is_replaced_within_the_same_request(
    rotation: Rotation, late: str | None
) -> None:
    """A session and the buyer's token are asked for side by side. The ``late`` one arrives when the other is answered."""
    assert rotation.buy().status == 201
    assert {key for _, key in rotation.asked} == {OLD}
    rotation.in_secret, rotation.accepted, rotation.late = NEW, [NEW], late
    rotation.shop.now = rotation.shop.now.replace(hour=rotation.shop.now.hour + 3)
    rotation.asked.clear()
    rotation.other_is_answered.clear()
    assert rotation.buy().status == 201
    assert rotation.asked[0][1] is OLD
    keys_of = {path: [key for asked, key in rotation.asked if asked == path] for path, _ in rotation.asked}
    assert keys_of.keys() == {CREATE_SESSION, ISSUE_SESSION_TOKEN}
    assert all(keys in ([OLD, NEW], [NEW]) for keys in keys_of.values())
    assert late is None or rotation.asked == [(other(late), OLD), (other(late), NEW), (late, OLD), (late, NEW)]
    assert 2 <= rotation.reads <= 4


def test_scenario_100_without_a_401_the_new_key_is_used_within_five_minutes(rotation: Rotation) -> None:
    rotation.accepted = [OLD, NEW]
    assert rotation.buy().status == 201
    rotation.in_secret = NEW
    rotation.asked.clear()
    rotation.seconds += AGE_SECONDS
    rotation.shop.now = rotation.shop.now.replace(hour=rotation.shop.now.hour + 3)
    assert rotation.buy().status == 201
    assert {key for _, key in rotation.asked} == {NEW}
    assert 2 <= rotation.reads <= 4


def test_a_key_that_waffo_does_not_take_and_nobody_replaced_is_trouble_of_waffo(rotation: Rotation) -> None:
    rotation.accepted = []
    answer = rotation.buy()
    assert (answer.status, answer.body["code"]) == (502, "waffo_refused")
    assert {key for _, key in rotation.asked} == {OLD}
