"""What the seller does: keys, an endpoint for alerts, grants, a block, limits, and holds before the work."""

from datetime import timedelta
from http import HTTPStatus

from local.demo.acts import LAST_DAY, Act
from local.demo.world import World
from local.signed_in import ALERTS_PATH

KEYS = {"backend": ["meter", "sell"], "support desk": ["operate", "report"], "weekly report": ["report"]}
DAY_SECONDS = 24 * 3600


def _make_keys(world: World) -> None:
    for name, roles in KEYS.items():
        world.post("/v1/keys", {"name": name, "roles": roles}, key=f"demo-{name.replace(' ', '-')}")


def _take_alerts(world: World) -> None:
    body = {"url": world.api_url + ALERTS_PATH, "description": "What the local stack itself takes"}
    world.post("/v1/alert-endpoints", body, key="demo-endpoint")


def _grant(world: World, customer: str, quantity: int, reason: str) -> None:
    body = {"id": f"demo-{customer}", "meter": "tokens", "quantity": quantity, "reason": reason}
    ends = world.begins + timedelta(days=LAST_DAY + 45)
    world.post(f"/v1/customers/{customer}/grants", {**body, "expires_at": ends.isoformat()})


def _block(world: World) -> None:
    reason = "The card was reported stolen. Please write to us."
    world.post("/v1/customers/fern-press/block", {"reason": reason})


def _cap(world: World) -> None:
    cap = {"amount": "12.00", "currency": "USD"}
    world.put("/v1/customers/pine-insurance/limits", {"meter": "tokens", "spend_cap": cap})


def _forgive(world: World) -> None:
    path = "/v1/customers/zephyr-desk/overage/agent_runs/forgive"
    world.post(path, {"id": "demo-forgiven", "quantity": 20}, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)


def _work_with_holds(world: World) -> None:
    """Hold, work, settle: what it took is less than what was held."""
    holds = "/v1/customers/north-robotics/holds"
    for number, (held, used) in enumerate(((6_000, 5_210), (9_000, 8_444), (4_000, 1_975))):
        placed = world.post(
            holds, {"meter": "tokens", "quantity": held, "id": f"demo-call-{number}"}, HTTPStatus.PAYMENT_REQUIRED
        )
        if "hold_id" in placed:
            world.post(f"{holds}/{placed['hold_id']}/settle", {"quantity": used})


def _hold(world: World, customer: str, meter: str, quantity: int) -> None:
    """Hold units for the work in hand, or be refused."""
    body = {"meter": meter, "quantity": quantity, "id": "demo-now", "ttl_seconds": DAY_SECONDS}
    world.post(f"/v1/customers/{customer}/holds", body, HTTPStatus.PAYMENT_REQUIRED)


OPERATING = (
    Act(0, None, "the seller makes keys", _make_keys),
    Act(0, None, "the seller takes alerts at an endpoint", _take_alerts),
    Act(
        5,
        "north-robotics",
        "north-robotics is given tokens for an outage",
        lambda world: _grant(world, "north-robotics", 20_000, "Sorry for the outage"),
    ),
    Act(7, "pine-insurance", "pine-insurance caps what it spends", _cap),
    Act(
        10,
        "maple-clinic",
        "maple-clinic is welcomed with tokens",
        lambda world: _grant(world, "maple-clinic", 50_000, "Welcome"),
    ),
    Act(17, "fern-press", "fern-press is cut off", _block),
    Act(28, "zephyr-desk", "zephyr-desk is forgiven a part of its overage", _forgive),
    Act(28, "north-robotics", "north-robotics works with holds", _work_with_holds),
    Act(30, "north-robotics", "north-robotics is at work", lambda w: _hold(w, "north-robotics", "tokens", 12_000)),
    Act(30, "vista-health", "vista-health is at work", lambda w: _hold(w, "vista-health", "tokens", 250_000)),
    Act(30, "birch-studio", "birch-studio is refused", lambda w: _hold(w, "birch-studio", "tokens", 5_000)),
    Act(30, "atlas-freight", "atlas-freight is refused: overdue", lambda w: _hold(w, "atlas-freight", "agent_runs", 1)),
)
