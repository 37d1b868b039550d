"""How many requests a checkout costs: to DynamoDB, and to Waffo, where the two of a new session are made at once."""

import threading
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import pytest

from pancake_meter.waffo.client import WaffoClient
from tests.integration.checkouts.conftest import Shop
from tests.support.fake_waffo import FakeWaffo
from tests.support.metered_dynamodb import metered
from tests.support.webhook_world import lifecycle

ORDER: Final = "ORD_4kPz8sYvN1qJ6tGwB2dXfR"
BEGAN: Final = "2026-03-10T15:00:00"
WAIT_SECONDS: Final = 30


@dataclass
class BothAtOnce(FakeWaffo):
    """A Waffo that answers a request for a token or a session only when the other has arrived too."""

    both: threading.Barrier = field(default_factory=lambda: threading.Barrier(2, timeout=WAIT_SECONDS))

    def client(self, *args: Any, **named: Any) -> WaffoClient:
        """A client that makes one attempt."""
        self.attempts_max = 1
        return super().client(*args, **named)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("graphql"):
            self.both.wait()
        return super()._answer(request)


@dataclass(frozen=True)
class Asked:
    """What is asked for, the plan that the customer has, and tokens used; then the requests of it, and of the same again.

    Of each: those to DynamoDB, and questions to Waffo about orders, before the session is made.
    """

    body: dict[str, Any]
    plan: str | None
    used: int
    new: tuple[int, int]
    again: tuple[int, int]


ASKED: Final = {
    "overage": Asked({"meter": "tokens"}, "pro", 1_100_000, (8, 0), (7, 0)),
    "top-up": Asked({"meter": "tokens", "kind": "top_up"}, None, 1_000, (7, 0), (6, 0)),
    "plan": Asked({"plan": "pro"}, None, 0, (6, 1), (5, 2)),
    "change of plan": Asked({"plan": "scale"}, "pro", 0, (6, 0), (5, 1)),
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_a_checkout_and_the_same_again(shop: Shop, asked: Asked) -> None:
    # Given
    if asked.plan is not None:
        shop.world.take(lifecycle("activated", ORDER, BEGAN, "2026-03-10", "2026-04-10", plan=asked.plan))
        shop.waffo.order(ORDER, asked.plan)
    if asked.used:
        shop.use(asked.used)
    orders = shop.waffo.orders
    # When: Waffo answers only when both of its requests have arrived
    shop.waffo = BothAtOnce(orders=orders)
    first = requests(shop, asked)
    made = shop.waffo
    shop.waffo = FakeWaffo(orders=orders)
    again = requests(shop, asked)
    # Then: a new session takes two requests at once, a page that is there a fresh token
    assert (first, again) == (asked.new, asked.again)
    assert (len(made.sessions), len(made.tokens)) == (1, 1)
    assert (len(shop.waffo.sessions), len(shop.waffo.tokens)) == (0, 1)


def requests(shop: Shop, asked: Asked) -> tuple[int, int]:
    """Ask for the checkout; return how many requests went to DynamoDB, and how many questions to Waffo."""
    with metered(shop.metering.table._client) as meter:
        assert shop.checkout(**asked.body).status in (200, 201)
    return len(meter.operations), len(shop.waffo.queries)
