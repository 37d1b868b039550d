"""Reports of the use cases: each is a line in the log and a metric."""

from decimal import Decimal
from typing import Final, Literal

from aws_lambda_powertools import Logger

from pancake_meter import metrics
from pancake_meter.domain.balance.balance import Balance
from pancake_meter.domain.balance.spend import RefusalReason
from pancake_meter.domain.quantity import format_quantity

_REFUSED: Final = {"hold": metrics.HOLD_REFUSED, "check": metrics.CHECK_REFUSED}


def report_unprovisioned(customer_id: str, meter: str) -> None:
    """Report that a balance was opened for a customer whom no plan covers."""
    Logger(child=True).warning("customer unprovisioned", customer_id=customer_id, meter=meter)
    metrics.add(metrics.CUSTOMER_UNPROVISIONED)


def report_refused(what: Literal["hold", "check"], code: RefusalReason, wanted: Decimal, balance: Balance) -> None:
    """Report a refusal: one line in the log, and the metric, in all and by reason."""
    Logger(child=True).info(
        "refused",
        refused=what,
        customer_id=balance.customer_id,
        meter=balance.meter,
        code=code,
        wanted=format_quantity(wanted),
        available=format_quantity(balance.available),
    )
    metrics.add(_REFUSED[what])
    metrics.add_by(_REFUSED[what], {code: Decimal(1)})


def report_lookup_failed(error: Exception) -> None:
    """Report that Waffo did not answer which orders a customer has. The sale goes on without the answer."""
    Logger(child=True).warning("orders not looked up at Waffo", reason=repr(error))
    metrics.add(metrics.ORDER_LOOKUP_FAILED)


def report_not_rung(error: Exception) -> None:
    """Report that a refusal did not ring. The next one tries again."""
    Logger(child=True).warning("refusal not rung", reason=repr(error))


def report_links_unavailable(error: Exception) -> None:
    """Report that an answer was sent without purchase links."""
    Logger(child=True).warning("purchase links unavailable", reason=repr(error))
    metrics.add(metrics.LINK_SECRET_UNAVAILABLE)
