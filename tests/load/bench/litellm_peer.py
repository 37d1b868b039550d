"""LiteLLM's budget of a key: reserve before a call, reconcile after it. Runs in LiteLLM's own environment.

``python litellm_peer.py ROUNDS [REDIS_URL]``: for each line that it reads, it prints the median CPU seconds of both as JSON.
"""

import asyncio
import json
import os
import statistics
import sys
import time

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

from litellm.caching.redis_cache import RedisCache
from litellm.proxy import proxy_server
from litellm.proxy._types import UserAPIKeyAuth
from litellm.proxy.spend_tracking.budget_reservation import (
    reconcile_budget_reservation,
    reserve_budget_for_request,
)

BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 100}
WARMING = 5


async def serve(rounds: int, redis_url: str | None) -> None:
    """Measure so many rounds for each line that is read, and print the medians as JSON, by where the budget is."""
    redis = RedisCache(url=redis_url) if redis_url is not None else None
    for _ in sys.stdin:
        found = {}
        for name, cache in (("in memory", None), *((("with Redis", redis),) if redis is not None else ())):
            proxy_server.spend_counter_cache.redis_cache = cache
            found[name] = await measure(rounds)
        print(json.dumps(found), flush=True)


async def measure(rounds: int) -> float:
    """Return the median of ``rounds`` calls, after some that are not counted."""
    key = UserAPIKeyAuth(token="bench", api_key="bench", max_budget=1e9, spend=0.0)
    times = []
    for number in range(WARMING + rounds):
        begun = time.process_time()
        reserved = await reserve_budget_for_request(
            BODY,
            "/chat/completions",
            None,
            key,
            None,
            None,
            None,
            proxy_server.user_api_key_cache,
            proxy_server.proxy_logging_obj,
        )
        await reconcile_budget_reservation(reserved, 0.0005)
        seconds = time.process_time() - begun
        if not reserved:
            raise RuntimeError("LiteLLM reserved nothing")
        if number >= WARMING:
            times.append(seconds)
    return statistics.median(times)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None))
