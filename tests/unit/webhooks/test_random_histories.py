"""Longer histories from a small model of Waffo, shuffled and doubled: they end as the true order does (promise 4)."""

import random
from datetime import datetime, timedelta

import pytest

from pancake_meter.domain.balance.period import add_months
from tests.support.pure_subscription import CATALOG, Happening, MoneyBack, PureCustomer, TopUp, deliver, refunded, step
from tests.support.webhook_world import utc

pytestmark = pytest.mark.exhaustive

BEGAN = utc("2026-03-01")
METERS = tuple(CATALOG.meters)
PLANS = ("starter", "pro", "agent", "hoarder")
HISTORIES = 200
USED = (0, 4_000, 14_000)
"""Before the first event: nothing, a part of the free plan, more than all of it."""

TOP_UPS = 0.4
"""Share of the months with one. Where units were used beyond the plan there is none: a top-up pays for overage of the period
that is open as far as we know, and what it paid for stays paid (decision 5)."""


class Waffo:
    """One customer's orders, lived through in the true order."""

    def __init__(self, seed: int) -> None:
        """Everything that happens follows from ``seed``."""
        self.random = random.Random(seed)  # noqa: S311
        self.used = USED[seed % len(USED)]
        self.now = utc("2026-03-10T15:14:33")
        self.steps: list[Happening] = []
        self.order_id = "ORD_A"
        self.plan = self.random.choice(PLANS)
        self.start = datetime.fromisoformat("2026-03-10T00:00:00+00:00")
        self.number = 1
        self.emit("activated")

    @property
    def end(self) -> datetime:
        """End of the paid period."""
        return add_months(self.start, 1)

    def emit(self, kind: str, start: datetime | None = None, end: datetime | None = None) -> None:
        """Say what has happened."""
        self.now += timedelta(seconds=self.random.randint(1, 90))
        bounds = [f"{bound:%Y-%m-%d}" for bound in (start or self.start, end or self.end)]
        at = f"{self.now:%Y-%m-%dT%H:%M:%S}"
        self.steps.append(step(kind, self.order_id, at, bounds[0], bounds[1], plan=self.plan))  # type: ignore[arg-type]

    def month(self) -> bool:
        """Live through a period; return whether the subscription goes on."""
        happening = self.random.choice(("nothing", "hesitates", "changes", "moves", "twice", "quits", "refunded"))
        self.now = self.start + timedelta(days=10, hours=15)
        if self.used < USED[-1] and self.random.random() < TOP_UPS:
            self.top_up()
        if happening == "hesitates":
            self.emit("canceling")
            self.emit("uncanceled")
        elif happening == "changes":
            self.plan = self.random.choice(PLANS)
            self.emit("plan_changed")
        elif happening == "moves":
            old_id, old_plan, old_start = self.order_id, self.plan, self.start
            self.order_id, self.plan = f"ORD_{len(self.steps)}", self.random.choice(PLANS)
            self.start = self.now.replace(hour=0, minute=0, second=0)
            self.emit("plan_changed")
            new = self.order_id, self.plan, self.start
            self.order_id, self.plan, self.start = old_id, old_plan, old_start
            self.emit("canceled")
            self.order_id, self.plan, self.start = new
        elif happening == "twice":
            live = self.order_id, self.start
            self.order_id, self.start = f"ORD_{len(self.steps)}", self.now.replace(hour=0, minute=0, second=0)
            self.emit("activated")
            self.now += timedelta(days=2)
            self.emit("canceled")
            self.order_id, self.start = live
        elif happening == "refunded":
            paid_at = f"{self.start + timedelta(hours=15):%Y-%m-%dT%H:%M:%S}"
            self.steps.append(
                refunded(self.order_id, f"PAY_{len(self.steps)}", f"{self.now:%Y-%m-%dT%H:%M:%S}", paid_at, "0.5")
            )
        elif happening == "quits":
            self.emit("canceled")
            return False
        return self.renew()

    def top_up(self) -> None:
        """Buy units, and perhaps give some or all of them back, at once or months later."""
        bought = TopUp(self.now + timedelta(seconds=self.random.randint(1, 90)), f"PAY_{len(self.steps)}", 100_000)
        self.steps.append(bought)
        for share in ("0.25", "0.75")[: self.random.randint(0, 2)]:
            at = bought.at + timedelta(days=self.random.choice((0, 1, 45)), seconds=1)
            self.steps.append(MoneyBack(at, bought.payment_id, f"{bought.payment_id}@{share}", share))

    def renew(self) -> bool:
        """Reach the end of the period."""
        self.start, self.now = self.end, self.end + timedelta(hours=15)
        if self.random.random() < 0.3:
            self.emit("past_due", end=self.start + timedelta(days=7))
            self.now += timedelta(hours=5)
            self.emit("recovered")
            return True
        self.emit("renewed")
        return True


def history(seed: int) -> tuple[list[Happening], datetime, int]:
    """The steps of a life in their true order, an instant soon after the last, and what was used before the first."""
    waffo = Waffo(seed)
    for _ in range(waffo.random.randint(1, 4)):
        if not waffo.month():
            break
    waffo.steps.sort(key=lambda happening: happening.at)
    until = max(waffo.now, waffo.steps[-1].at) + timedelta(hours=waffo.random.choice((1, 30, 24 * 40)))
    return waffo.steps, until, waffo.used


def check_life(seed: int) -> None:
    """Compare a life, shuffled and doubled, with the true order; a failure names the seed, which repeats it."""
    steps, until, used = history(seed)
    shuffler = random.Random(seed)  # noqa: S311

    def live(order: list[Happening], *, at_once: bool) -> PureCustomer:
        return deliver(order, began=BEGAN, until=until, at_once=at_once, meters=METERS, used=used)

    truth = live(steps, at_once=True).picture()
    for _ in range(3):
        shuffled = [*steps, *shuffler.choices(steps, k=len(steps) // 2)]
        shuffler.shuffle(shuffled)
        assert live(shuffled, at_once=False).picture() == truth, f"seed {seed}"
        assert live(shuffled, at_once=True).picture() == truth, f"seed {seed}"


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_a_shuffled_and_doubled_life_ends_as_the_true_one(seed: int) -> None:
    check_life(seed)
