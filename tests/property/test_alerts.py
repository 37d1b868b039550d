"""Issue 14, point 10, over any life of a balance: each threshold rings once a period, in order, when it is first reached."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.domain.alerts.quota import quota_alerts, used_share
from pancake_meter.domain.balance.adjust import add_grant
from pancake_meter.domain.balance.advance import advance, open_balance
from pancake_meter.domain.balance.balance import Balance, Policy, Term
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.gift import Gift
from pancake_meter.domain.balance.spend import record_usage
from pancake_meter.domain.selling.plan import OverageAllowed

START = datetime(2026, 1, 31, tzinfo=UTC)
THRESHOLDS = (Decimal("0.5"), Decimal("0.8"), Decimal(1))
POLICY = Policy("pro", Decimal(100), "month", OverageAllowed(), alert_thresholds=THRESHOLDS)

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("use"), st.integers(1, 120)),
        st.tuples(st.just("give"), st.integers(1, 80)),
        st.tuples(st.just("wait"), st.integers(1, 40)),
    ),
    max_size=25,
)


@given(STEPS)
def test_each_threshold_rings_once_a_period_when_usage_first_reaches_it(steps: list[tuple[str, int]]) -> None:
    now = START
    balance = open_balance("ada", "tokens", POLICY, Term(None, START), START).after
    rung: list[str] = []
    reached: dict[datetime, set[Decimal]] = {}
    for number, (step, size) in enumerate(steps):
        before = balance
        balance, now = _after(balance, step, size, number, now)
        rung += [each.meaning for each in quota_alerts(before, balance, now) if "threshold" in each.data]
        if balance.used > 0:
            known = reached.setdefault(balance.period.start, set())
            known |= {each for each in THRESHOLDS if used_share(balance) >= each}
    # What has rung is put once: so the distinct ones are what receivers get.
    assert len(set(rung)) == sum(map(len, reached.values()))


def _after(balance: Balance, step: str, size: int, number: int, now: datetime) -> tuple[Balance, datetime]:
    if step == "use":
        return record_usage(balance, Decimal(size), now), now
    if step == "give":
        grant = Gift("promotion", Decimal(size)).grant(f"g{number}", now)
        return add_grant(Change.begin(balance), grant, now).after, now
    later = now + timedelta(days=size)
    return advance(balance, later, POLICY).after, later
