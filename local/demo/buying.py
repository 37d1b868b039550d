"""What the customers buy: subscriptions, packs, overage, another plan."""

from http import HTTPStatus

from local.demo.acts import Act
from local.demo.world import World, session_of

TRIAL_DAYS = 14


def subscribe(world: World) -> int:
    """Start the subscriptions that there are when the month begins, each on its own day before; return how many."""
    begun = {order["external_id"] for order in world.waffo_state()["orders"]}
    wanted = [
        customer
        for customer in world.customers
        if customer.product is not None and customer.days_before >= 0 and customer.order_name not in begun
    ]
    for customer in wanted:
        world.simulate(
            "subscriptions",
            product=customer.product,
            buyer_identity=customer.id,
            buyer_email=f"billing@{customer.id}.example",
            external_id=customer.order_name,
            start=f"{world.at(-customer.days_before):%Y-%m-%dT%H:%M:%SZ}",
        )
    return len(wanted)


def _buy(world: World, customer: str, wanted: dict[str, object], key: str, **payer: object) -> dict[str, object]:
    """Open a checkout, as the seller's backend does, and pay it on Waffo's page."""
    opened: dict[str, object] = world.post(f"/v1/customers/{customer}/checkouts", wanted, key=f"demo-{customer}-{key}")
    if opened["status"] == "open":
        session = session_of(str(opened["url"]))
        email = f"billing@{customer}.example"
        world.simulate(f"checkout/{session['session']}/pay", token=session["token"], buyer_email=email, **payer)
    return opened


def _pack(world: World, customer: str, key: str, **payer: object) -> dict[str, object]:
    return _buy(world, customer, {"kind": "top_up", "meter": "tokens", "quantity": 100_000}, key, **payer)


def _pay_overage(world: World) -> None:
    _buy(world, "north-robotics", {"kind": "overage", "meter": "tokens"}, "overage")


def _upgrade(world: World) -> None:
    _buy(world, "river-bank", {"plan": "pro"}, "upgrade")


def _downgrade_later(world: World) -> None:
    _buy(world, "xenon-cloud", {"kind": "plan_change", "plan": "pro", "timing": "next_period"}, "downgrade")


def _buy_at_the_limit(world: World) -> None:
    """Be refused, and buy what was missing."""
    hold = {"meter": "tokens", "quantity": 20_000, "id": "demo-limit"}
    world.post("/v1/customers/elm-tutors/holds", hold, HTTPStatus.PAYMENT_REQUIRED)
    _pack(world, "elm-tutors", "pack")


def _pay_twice(world: World) -> None:
    """Pay one page in two tabs."""
    opened = _pack(world, "harbor-legal", "pack")
    if opened["status"] == "open":
        session = session_of(str(opened["url"]))
        world.simulate(f"checkout/{session['session']}/pay", token=session["token"], again=True)


def _pay_what_fits_nothing(world: World) -> None:
    """Buy a pack, and then have Waffo make its page anew: what the seller had said of the purchase is lost."""
    opened = _pack(world, "dune-reader", "pack")
    if opened["status"] == "open":
        session = session_of(str(opened["url"]))["session"]
        world.simulate(f"checkout/{session}/pay", buyer_identity="dune-reader", again=True, rebuilt=True)


def _leave_open(world: World) -> None:
    """Open a checkout and go away."""
    wanted = {"kind": "overage", "meter": "agent_runs"}
    world.post("/v1/customers/zephyr-desk/checkouts", wanted, HTTPStatus.CONFLICT, key="demo-zephyr-desk-open")


def _try(world: World) -> None:
    """Begin with a trial."""
    world.simulate("trial", product="Pro", days=TRIAL_DAYS)
    world.simulate(
        "subscriptions",
        product="Pro",
        buyer_identity="opal-games",
        buyer_email="billing@opal-games.example",
        external_id="demo-opal-games",
    )
    world.simulate("trial", product="Pro")


def _buy_another_plan_beside(world: World) -> None:
    """Buy a second plan by a plain link of Waffo's, which knows nothing of the first."""
    world.simulate(
        "subscriptions",
        product="Pro",
        buyer_identity="coral-events",
        buyer_email="billing@coral-events.example",
        external_id="demo-coral-events-2",
    )


BUYING = (
    Act(6, "lumen-school", "lumen-school buys a pack", lambda world: _pack(world, "lumen-school", "pack")),
    Act(9, "gale-travel", "gale-travel buys a pack", lambda world: _pack(world, "gale-travel", "pack")),
    Act(15, "river-bank", "river-bank goes from Starter to Pro", _upgrade),
    Act(16, "north-robotics", "north-robotics pays for its overage", _pay_overage),
    Act(19, "coral-events", "coral-events buys a second plan beside its first", _buy_another_plan_beside),
    Act(20, "harbor-legal", "harbor-legal pays one checkout twice", _pay_twice),
    Act(21, "elm-tutors", "elm-tutors is refused, and buys a pack", _buy_at_the_limit),
    Act(22, "north-robotics", "north-robotics buys a pack", lambda world: _pack(world, "north-robotics", "pack")),
    Act(24, "opal-games", "opal-games begins a trial of Pro", _try),
    Act(26, "xenon-cloud", "xenon-cloud will go to Pro with its next period", _downgrade_later),
    Act(26, "dune-reader", "dune-reader pays once more, on a page that names no checkout", _pay_what_fits_nothing),
    Act(
        27,
        "moss-archive",
        "moss-archive buys a pack with a voucher",
        lambda world: _pack(world, "moss-archive", "pack", charged="1.00"),
    ),
    Act(30, "zephyr-desk", "zephyr-desk opens a checkout of its overage", _leave_open),
)
