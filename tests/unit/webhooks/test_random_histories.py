"""Longer histories from a small model of Waffo, shuffled and doubled: they end as the true order does (promise 4)."""

import random
from datetime import datetime, timedelta

import pytest

from pancake_meter.domain.period import add_months
from tests.support.pure_subscription import CATALOG, PureCustomer, Step, deliver, refunded, step
from tests.support.webhook_world import utc

BEGAN = utc("2026-03-01")
METERS = tuple(CATALOG.meters)
PLANS = ("starter", "pro", "agent")
HISTORIES = 200


class Waffo:
    """One customer's orders, lived through in the true order."""

    def __init__(self, seed: int) -> None:
        """Everything that happens follows from ``seed``."""
        self.random = random.Random(seed)  # noqa: S311
        self.now = utc("2026-03-10T15:14:33")
        self.steps: list[Step] = []
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
        happening = self.random.choice(("nothing", "hesitates", "changes", "moves", "quits", "refunded"))
        self.now = self.start + timedelta(days=10, hours=15)
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
        elif happening == "refunded":
            paid_at = f"{self.start + timedelta(hours=15):%Y-%m-%dT%H:%M:%S}"
            self.steps.append(
                refunded(self.order_id, f"PAY_{len(self.steps)}", f"{self.now:%Y-%m-%dT%H:%M:%S}", paid_at, "0.5")
            )
        elif happening == "quits":
            self.emit("canceled")
            return False
        return self.renew()

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


def history(seed: int) -> tuple[list[Step], datetime]:
    """The steps of a life in their true order, and an instant soon after the last."""
    waffo = Waffo(seed)
    for _ in range(waffo.random.randint(1, 4)):
        if not waffo.month():
            break
    return waffo.steps, waffo.now + timedelta(hours=waffo.random.choice((1, 30, 24 * 40)))


def check_life(seed: int) -> None:
    """Compare a life, shuffled and doubled, with the true order; a failure names the seed, which repeats it."""
    steps, until = history(seed)
    used = (0, 4_000)[seed % 2]
    shuffler = random.Random(seed)  # noqa: S311

    def live(order: list[Step], *, at_once: bool) -> PureCustomer:
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
