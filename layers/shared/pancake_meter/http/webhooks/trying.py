"""Trying a delivery again for an operator, and counting what came of it: the API and the console do it alike."""

from datetime import datetime

from aws_lambda_powertools import Logger

from pancake_meter import metrics
from pancake_meter.domain.errors import DeliveryOfAnotherCustomer
from pancake_meter.store.webhooks.deliveries import Delivery
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.webhooks.decision import Told
from pancake_meter.usecases.webhooks.judge import Outcome, kept_delivery, replay_delivery


def try_again(metering: Metering, delivery_id: str, now: datetime, told: Told) -> tuple[Outcome, Delivery]:
    """Apply a delivery again; return what that came to, and the delivery as it stands after it.

    Raises:
        DeliveryOfAnotherCustomer: it is done already, for another customer than it is assigned to now.
    """
    outcome = replay_delivery(metering, delivery_id, now, told=told)
    if told.customer_id is not None and outcome.verdict == "duplicate" and outcome.customer_id != told.customer_id:
        raise DeliveryOfAnotherCustomer("the delivery is already done, and its customer is not this one")
    kept = kept_delivery(metering, outcome.digest)
    metrics.add(metrics.DELIVERY_REPLAYED)
    metrics.add(metrics.DELIVERY_UNPARKED, outcome.unparked)
    # A flag is money that a person has to look at: paid twice, or another amount.
    metrics.add(metrics.PAYMENT_FLAGGED, len(outcome.flags))
    message = "delivery assigned" if told.customer_id is not None else "delivery replayed"
    Logger(child=True).info(
        message, delivery=kept.digest, verdict=outcome.verdict, reason=outcome.reason, flags=outcome.flags
    )
    return outcome, kept
