"""One customer's data: everything that is kept of a customer, to give out and to erase.

On a schedule it goes on with erasures that their callers left half done, and lists what earlier versions wrote.
"""

import pancake_meter.cold_start  # noqa: F401 - stops the search for garbage

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

import customer_data_routes
from pancake_meter.deps.customer_data import CustomerDataDeps, customer_data_deps
from pancake_meter.http.resolver import http_handler
from pancake_meter.invocation import time_left
from pancake_meter.store.access.erasures import Erasure
from pancake_meter.store.errors import StoreBusy, StoreError
from pancake_meter.store.keys import Key
from pancake_meter.usecases.access.erase import go_on_with_erasures
from pancake_meter.usecases.stream.backfill import backfill

logger = Logger()


def _go_on(deps: CustomerDataDeps, context: LambdaContext) -> dict[str, Any]:
    failed: list[str] = []

    def on_failure(erasure: Erasure, trouble: StoreError) -> None:
        logger.error("not erased", extra={"pseudonym": erasure.pseudonym, "error": repr(trouble)})
        failed.append(erasure.pseudonym)

    may_go_on = time_left(context, customer_data_routes.RESERVE)
    done = go_on_with_erasures(deps.erasures, deps.clock(), may_go_on=may_go_on, on_failure=on_failure)
    filled = backfill(
        deps.erasures.table, deps.followers, deps.clock(), may_go_on=may_go_on, on_failure=_on_item_left_out
    )
    if failed:
        # The run fails, so that the function's alarm rings; the next one tries again.
        raise StoreBusy(f"{len(failed)} erasures cannot go on")
    return {"erased": done, "backfilled": filled.items, "backfill_complete": filled.is_done}


def _on_item_left_out(key: Key, trouble: Exception) -> None:
    logger.error("item not backfilled", extra={"kind": key["SK"].partition("#")[0], "error": repr(trouble)})


handler = http_handler(customer_data_deps(), customer_data_routes.router, on_schedule=_go_on)
