"""Promise 5: what Waffo signed is kept; a refund that names no payment finds its own; what is dismissed is not open."""

import pytest

from pancake_meter.domain.errors import DeliveryNotOpen
from pancake_meter.store.webhooks.deliveries import read_delivery
from pancake_meter.usecases.webhooks.judge import dismiss_delivery
from tests.support.webhook_world import World, payment, refund


@pytest.mark.parametrize("body", [b"\xff\x00", b'{"a":1e99999999999999999999}', b'{"a":1,"a":2}', b"[" * 9000])
def test_promise_05_signed_bytes_are_kept_as_they_came_and_dismissed_once(world: World, body: bytes) -> None:
    outcome = world.take_bytes(body)
    kept = read_delivery(world.table, outcome.digest)
    assert kept is not None
    assert (kept.verdict, kept.reason, kept.body) == ("failed", "malformed_event", body)
    first = dismiss_delivery(world.metering, outcome.digest, "a test", world.now)
    assert first == dismiss_delivery(world.metering, outcome.digest, "again", world.now)
    assert world.take_bytes(body).verdict == "duplicate"


def test_scenario_77_a_refund_without_payment_id_waits_for_its_charge_and_is_not_dismissed(world: World) -> None:
    unnamed = refund("ORD_A", "PAY_A", "REF_A", "2026-03-10", amount="9.00", paymentId=None, periodNumber=1)
    assert world.take(unnamed).reason == "payment_unknown"
    assert world.take(payment("ORD_A", "PAY_A", "2026-03-10")).unparked == 1
    with pytest.raises(DeliveryNotOpen):
        dismiss_delivery(world.metering, world.take(unnamed).digest, "no", world.now)
