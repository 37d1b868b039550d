"""Events become deliveries: one for each webhook that asked for them."""

import json
import time
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from local.waffo_simulator.clock import wire
from local.waffo_simulator.config import SimulatorConfig
from local.waffo_simulator.delivering import Deliverer
from local.waffo_simulator.envelope import Json
from local.waffo_simulator.events import payment_event, refund_event, subscription_event
from local.waffo_simulator.ids import Ids
from local.waffo_simulator.model import Delivery, Payment, Refund, State, SubscriptionOrder
from local.waffo_simulator.signing import webhook_signature

# Their eventId is the order's id alone: each happens to an order once.
ONCE_AN_ORDER = ("subscription.activated", "subscription.canceled")


class Notifier:
    """Tells the merchant. `at` is the business time of what happened."""

    def __init__(
        self, config: SimulatorConfig, state: State, ids: Ids, key: RSAPrivateKey, deliverer: Deliverer
    ) -> None:
        self._config = config
        self._state = state
        self._ids = ids
        self._key = key
        self._deliverer = deliverer

    def payment(self, payment: Payment, at: datetime) -> None:
        """A charge was made."""
        is_subscription = isinstance(payment.order, SubscriptionOrder)
        event_type = "subscription.payment_succeeded" if is_subscription else "order.completed"
        self._emit(event_type, payment.id, payment.order.id, payment_event(payment, self._state.settings), at)

    def subscription(self, event_type: str, order: SubscriptionOrder, at: datetime) -> None:
        """Something happened to a subscription."""
        once = event_type in ONCE_AN_ORDER or (event_type == "subscription.plan_changed" and order.origin_order_id)
        event_id = order.id if once else f"{order.id}-{wire(at)}"
        self._emit(event_type, event_id, order.id, subscription_event(event_type, order, self._state.settings), at)

    def refund(self, refund: Refund, at: datetime) -> None:
        """A refund came to its end."""
        data = refund_event(refund, self._state.settings)
        self._emit(f"refund.{refund.status}", refund.id, refund.payment.order.id, data, at)

    def raw(self, envelope: Json) -> list[Delivery]:
        """Sign and send an envelope as it is, to every webhook: for what Waffo should never have sent."""
        webhooks = list(self._state.webhooks.values())
        return [self._send(self._ids.uuid(), webhook.url, envelope) for webhook in webhooks]

    def _emit(self, event_type: str, event_id: str, order_id: str, data: Json, at: datetime) -> None:
        for webhook in self._state.webhooks.values():
            if event_type not in webhook.events or webhook.test_mode != (self._config.mode == "test"):
                continue
            record_id = self._ids.uuid()
            envelope = {
                "id": order_id if self._state.settings.event_ids == "order_id" else record_id,
                "timestamp": wire(at),
                "eventType": event_type,
                "eventId": event_id,
                "storeId": self._config.store_id,
                "storeName": self._config.store_name,
                "mode": self._config.mode,
                "data": data,
            }
            self._send(record_id, webhook.url, envelope)

    def _send(self, record_id: str, url: str, envelope: Json) -> Delivery:
        content = json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()
        delivery = Delivery(
            id=record_id,
            event_type=str(envelope.get("eventType")),
            event_id=str(envelope.get("eventId")),
            url=url,
            content=content,
            # The receiver compares the stamp with its own clock, which nobody has moved.
            signature=webhook_signature(self._key, content, time.time_ns() // 1_000_000),
            created_at=self._deliverer.now(),
        )
        self._state.deliveries[delivery.id] = delivery
        self._deliverer.send(delivery)
        return delivery
