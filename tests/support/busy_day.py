"""A busy day of many customers: every kind of thing that Waffo tells of, at seeded times, the same in every world.

Each customer lives one story. Nothing in it depends on what the stack answers, so two worlds can live the same day.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from local.waffo_simulator.model import Order, SubscriptionOrder, Trial
from local.waffo_simulator.money import taxed
from pancake_meter.usecases.selling.open_checkout import OpenedCheckout
from tests.support.waffo_world import WaffoWorld
from tests.support.webhook_world import utc

MONTH_BEFORE = utc("2026-02-10T00:00:00")
DAY = utc("2026-03-10T00:00:00")
OUTAGE = (DAY + timedelta(hours=13), DAY + timedelta(hours=14))
HEALED = OUTAGE[1] + timedelta(minutes=10)
END = DAY + timedelta(hours=23)
MINUTE = timedelta(minutes=1)
TRIAL_DAYS = 14


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that happens. ``tells``: Waffo tells us of it; ``uses``: it is usage."""

    at: datetime
    customer_id: str
    do: Callable[["Life"], None]
    tells: bool = True
    uses: bool = False


@dataclass
class Life:
    """One customer in one world."""

    world: WaffoWorld
    customer_id: str
    order: SubscriptionOrder | None = None
    bought: Order | None = None
    opened: OpenedCheckout | None = None

    @property
    def subscription(self) -> SubscriptionOrder:
        """Their subscription."""
        assert self.order is not None
        return self.order


@dataclass
class Script:
    """The acts of one customer, in the making."""

    customer_id: str
    when: datetime
    random: random.Random
    acts: list[Act] = field(default_factory=list)

    def act(self, at: datetime, do: Callable[[Life], None], *, tells: bool = True, uses: bool = False) -> None:
        """Add an act."""
        self.acts.append(Act(at, self.customer_id, do, tells, uses))

    def subscribe(self, at: datetime, product: str) -> None:
        """Begin a subscription."""

        def do(life: Life) -> None:
            life.order = life.world.subscribe(life.customer_id, product)

        self.act(at, do)

    def a_month_ago(self, product: str, *, ends: bool = False) -> None:
        """Subscribe a month before, so that the period ends at the story's moment; or at some other time of that day."""
        start = self.when - (DAY - MONTH_BEFORE)
        self.subscribe(start if ends else start + timedelta(days=1), product)

    def on_subscription(self, at: datetime, verb: str, *arguments: Any, **named: Any) -> None:
        """Do something to the subscription."""

        def do(life: Life) -> None:
            getattr(life.world.waffo.subscriptions, verb)(life.subscription, life.world.now, *arguments, **named)

        self.act(at, do)


def new_subscriber(script: Script) -> None:
    script.subscribe(script.when, script.random.choice(("Starter", "Pro", "Agent", "Scale", "Pro yearly")))


def renews(script: Script) -> None:
    script.a_month_ago(script.random.choice(("Starter", "Pro", "Agent", "Scale")), ends=True)
    script.act(script.when, lambda _: None)


def tries(script: Script) -> None:
    _begin_trial(script, script.when)


def pays_after_a_trial(script: Script) -> None:
    _begin_trial(script, script.when - timedelta(days=TRIAL_DAYS))
    script.act(script.when, lambda _: None)


def gives_up_a_trial(script: Script) -> None:
    _begin_trial(script, script.when - timedelta(days=TRIAL_DAYS - 1))
    script.on_subscription(script.when, "cancel")


def cancels_at_once(script: Script) -> None:
    script.a_month_ago("Pro")
    script.on_subscription(script.when, "cancel", immediately=True)


def cancels(script: Script) -> None:
    script.a_month_ago("Starter")
    script.on_subscription(script.when, "cancel")


def hesitates(script: Script) -> None:
    script.a_month_ago("Starter")
    script.on_subscription(script.when, "cancel")
    script.on_subscription(script.when + 20 * MINUTE, "uncancel")
    script.on_subscription(script.when + 30 * MINUTE, "cancel")


def ends(script: Script) -> None:
    script.a_month_ago("Starter", ends=True)
    script.on_subscription(DAY - timedelta(days=3), "cancel")
    script.act(script.when, lambda _: None)


def changes_plan(script: Script) -> None:
    script.a_month_ago("Starter")

    def do(life: Life) -> None:
        purchase = life.world.purchase(life.customer_id, "Pro")
        life.order = life.world.waffo.subscriptions.change_now(
            life.subscription, purchase, life.world.now, purchase.price.total
        )

    script.act(script.when, do)


def schedules_a_change(script: Script) -> None:
    script.a_month_ago("Pro")

    def do(life: Life) -> None:
        purchase = life.world.purchase(life.customer_id, "Starter")
        life.world.waffo.subscriptions.schedule_change(life.subscription, purchase, life.world.now)

    script.act(script.when, do)


def falls_behind(script: Script) -> None:
    script.a_month_ago(script.random.choice(("Scale", "Agent")), ends=True)
    # Just before the renewal that is due: its charge fails.
    script.on_subscription(script.when - MINUTE, "fail_renewal")


def falls_behind_and_recovers(script: Script) -> None:
    falls_behind(script)
    script.on_subscription(script.when + 15 * MINUTE, "recover")


def tops_up(script: Script) -> None:
    _open(script)
    _pay(script, script.when)


def tops_up_twice(script: Script) -> None:
    # Which of the two pays and which is credit goes by arrival: the outage is not to part them.
    if script.when < OUTAGE[1] <= script.when + 2 * MINUTE:
        script.when += 3 * MINUTE
    _open(script)
    _pay(script, script.when)
    _pay(script, script.when + 2 * MINUTE)


def tops_up_in_a_rebuilt_checkout(script: Script) -> None:
    _open(script)
    _pay(script, script.when, rebuilt=True)


def gets_money_back(script: Script) -> None:
    _open(script, DAY + timedelta(hours=2))
    _pay(script, DAY + timedelta(hours=2))
    script.act(script.when, lambda life: life.world.refund(_bought(life), "1.00"))
    script.act(script.when + 10 * MINUTE, lambda life: life.world.refund(_bought(life)))


def gets_a_period_back(script: Script) -> None:
    script.a_month_ago("Pro")
    script.act(script.when, lambda life: life.world.refund(life.subscription, "14.50"))


def only_uses(script: Script) -> None:
    script.a_month_ago("Pro")


STORIES = (
    *(
        new_subscriber,
        renews,
        tries,
        pays_after_a_trial,
        gives_up_a_trial,
        cancels_at_once,
        cancels,
        hesitates,
        ends,
        changes_plan,
        schedules_a_change,
        falls_behind,
    ),
    *(falls_behind_and_recovers, tops_up, tops_up_twice, tops_up_in_a_rebuilt_checkout, gets_money_back),
    *(gets_a_period_back, only_uses),
)


def story_of(customer_id: str) -> str:
    """The name of a customer's story."""
    return STORIES[int(customer_id.removeprefix("acct_")) % len(STORIES)].__name__


def busy_day(seed: int, *, rounds: int, uses_while_unheard: bool) -> list[Act]:
    """All acts in order, of ``rounds`` customers a story.

    Customers of whom something is lost in the outage use nothing until it is healed, unless asked.
    """
    chance = random.Random(seed)  # noqa: S311
    acts: list[Act] = []
    for number in range(rounds * len(STORIES)):
        story = STORIES[number % len(STORIES)]
        # The first round lies within the outage, the others anywhere in the day.
        window = (OUTAGE[0] + 2 * MINUTE, 26) if number < len(STORIES) else (DAY + timedelta(hours=6), 15 * 60)
        script = Script(f"acct_{number:03d}", window[0] + chance.randrange(window[1]) * MINUTE, chance)
        story(script)
        lost = [act.at for act in script.acts if act.tells and OUTAGE[0] <= act.at < OUTAGE[1]]
        for _ in range(3):
            at = DAY + timedelta(hours=5) + chance.randrange(17 * 60) * MINUTE
            units = chance.randrange(1, 3_000)
            if uses_while_unheard or not lost or not lost[0] <= at < HEALED:
                script.act(at, _using(units), tells=False, uses=True)
        acts += script.acts
    return sorted(acts, key=lambda act: (act.at, act.customer_id))


def live(world: WaffoWorld, acts: Sequence[Act], until: datetime, lives: dict[str, Life]) -> None:
    """Let a world live through these acts, and on until a time; its webhooks are lost in the outage if it has one."""
    for act in acts:
        world.at(act.at)
        act.do(lives.setdefault(act.customer_id, Life(world, act.customer_id)))
    world.at(until)


def _begin_trial(script: Script, at: datetime) -> None:
    def do(life: Life) -> None:
        trial = Trial(days=TRIAL_DAYS, price=taxed(Decimal(0), "USD", life.world.waffo.state.settings.tax))
        life.order = life.world.subscribe(life.customer_id, "Starter", trial=trial)

    script.act(at, do)


def _open(script: Script, at: datetime | None = None) -> None:
    """Open a checkout, some minutes before it is paid."""

    def do(life: Life) -> None:
        life.opened = life.world.top_up(life.customer_id)

    script.act((at or script.when) - 5 * MINUTE, do, tells=False)


def _pay(script: Script, at: datetime, *, rebuilt: bool = False) -> None:
    def do(life: Life) -> None:
        assert life.opened is not None
        life.bought = life.world.pay(life.opened, life.customer_id, rebuilt=rebuilt)

    script.act(at, do)


def _bought(life: Life) -> Order:
    assert life.bought is not None
    return life.bought


def _using(units: int) -> Callable[[Life], None]:
    return lambda life: life.world.use(life.customer_id, units)
