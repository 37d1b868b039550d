"""The store against the model: the same commands through DynamoDB and through the pure functions end in the same balance."""

import random
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from pancake_meter.domain.balance.adjust import add_grant, drop_expired_holds
from pancake_meter.domain.balance.advance import advance, open_balance
from pancake_meter.domain.balance.balance import Balance, Policy, Term, burn
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.grant import Grant
from pancake_meter.domain.balance.hold import Hold, HoldHandle
from pancake_meter.domain.balance.ledger import EventCause
from pancake_meter.domain.balance.spend import Refusal, place_hold, record_usage, release_hold, settle_hold
from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.store.balance.balances import read_balance, write_change
from pancake_meter.usecases.balance import hold_quota as stored
from pancake_meter.usecases.balance.record_usage import record_events
from tests.support.meters import CUSTOMER, NOW, catalog_of, metering

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

COMMANDS = 150
METER = "tokens"


class Model:
    """The pure balance, driven as the use cases drive the stored one."""

    def __init__(self, policy: Policy) -> None:
        """Open the balance at NOW."""
        self.policy = policy
        self.balance = open_balance(CUSTOMER, METER, policy, Term(None, NOW), NOW).after

    def bring_up(self, change: Change) -> Balance:
        """Keep a change unless it is empty."""
        return self.balance if change.is_empty else change.after


PRICE = 'prices = { USD = { model = "per_unit", unit_price = "0.01" } }'
OVERAGES = [
    'overage = "blocked"',
    f'overage = "allowed"\n{PRICE}',
    f'overage = "capped"\noverage_limit = 300\n{PRICE}',
]


@pytest.mark.parametrize("overage", OVERAGES, ids=["blocked", "allowed", "capped"])
@pytest.mark.parametrize("seed", range(4))
def test_the_stored_balance_is_the_pure_one_after_any_commands(
    dynamodb: "DynamoDBClient", table: str, seed: int, overage: str
) -> None:
    dice = random.Random(seed)  # noqa: S311 - replayable
    catalog = catalog_of(1000, cadence="day", overage=overage)
    stack = metering(dynamodb, table, catalog)
    model = Model(Policy.of(catalog.default_plan, METER))
    now = NOW
    stack.open(CUSTOMER, METER, now)

    for number in range(COMMANDS):
        quantity = Decimal(dice.randint(1, 400_000_000)).scaleb(-6)
        handle = HoldHandle(METER, Decimal(1), f"h{dice.randint(0, number)}")
        match dice.choice(["use", "hold", "hold", "settle", "release", "wait", "give"]):
            case "use":
                event = usage_event(f"e{number}", quantity, None, now)
                model.balance = model.bring_up(advance(model.balance, now, model.policy))
                # The store drops expired holds only where it has to change the structure anyway
                record_events(stack, CUSTOMER, METER, [event], now)
                model.balance = record_usage(model.balance, quantity, now)
            case "hold":
                hold = Hold(quantity, now + timedelta(hours=dice.randint(1, 30)))
                answer = stored.hold_quota(stack, CUSTOMER, METER, f"h{number}", quantity, hold.expires_at - now, now)
                current = drop_expired_holds(advance(model.balance, now, model.policy), now).balance
                placed = place_hold(current, f"h{number}", hold)
                assert isinstance(answer, stored.HoldRefused) == isinstance(placed, Refusal)
                model.balance = current if isinstance(placed, Refusal) else placed
            case "settle":
                event = usage_event(handle.id, quantity, None, now)
                current = model.balance
                settled = (
                    stored.settle_hold(stack, CUSTOMER, handle, event, now) if handle.id in current.holds else None
                )
                if settled is not None:
                    current = advance(current, now, model.policy).balance
                    model.balance = settle_hold(current, handle.id, quantity, now)
            case "release":
                stored.release_hold(stack, CUSTOMER, handle)
                model.balance = release_hold(model.balance, handle.id)
            case "wait":
                now += timedelta(hours=dice.randint(1, 20))
            case "give":
                balance = read_balance(stack.table, CUSTOMER, METER)
                assert balance is not None
                grant = Grant(f"g{number}", "top_up", quantity, quantity, 90, now, now + timedelta(days=1))
                change = add_grant(advance(balance, now, model.policy), grant, now)
                assert write_change(stack.table, change, EventCause("payment"), grant.id, now)
                model.balance = add_grant(advance(model.balance, now, model.policy), grant, now).balance
        _same(stack.current_balance(CUSTOMER, METER, now), _current(model, now))


def _current(model: Model, now: datetime) -> Balance:
    return drop_expired_holds(advance(model.balance, now, model.policy), now).balance


def _same(stored_balance: Balance, pure: Balance) -> None:
    """Compare what matters to anybody; the two count segments differently."""

    def figures(balance: Balance) -> tuple[object, ...]:
        # Grants burn when the structure changes, and that is at other times here and there
        grants = sorted((grant.id, grant.remaining) for grant in burn(balance).grants if grant.remaining)
        return (
            balance.used,
            balance.headroom,
            balance.net,
            balance.overage_due,
            balance.period,
            sorted(balance.holds.items(), key=lambda item: item[0]),
            {day: count for day, count in balance.days.items() if count},
            grants,
        )

    assert figures(stored_balance) == figures(pure)
