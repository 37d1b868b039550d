"""How a customer stands, on the portal: notices and subscriptions."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal

from pancake_meter.catalog import Catalog
from pancake_meter.domain.balance.balance import ZERO
from pancake_meter.domain.selling.money import Money, round_half_up
from pancake_meter.store.selling.order_actions import Action
from pancake_meter.usecases.reports.customer_home import CustomerHome
from pancake_meter.usecases.reports.show_customer import OrderState, ShownOrder
from pancake_meter.value import Value
from pancake_pages.language import Language

STANDING: Final[frozenset[OrderState]] = frozenset({"active", "trialing", "past_due", "canceling"})
_CANCELABLE: Final[frozenset[OrderState]] = frozenset({"active", "trialing", "past_due"})
_STATUSES: Final[Mapping[OrderState, frozenset[str]]] = {
    # What is active or on trial ends with its period, what is past due at once.
    "active": frozenset({"active", "trialing"}),
    "trialing": frozenset({"active", "trialing"}),
    "past_due": frozenset({"past_due"}),
    "canceling": frozenset({"canceling"}),
}
Tone = Literal["good", "warn", "bad"]


class Notice(Value):
    """What a customer should know before all else."""

    tone: Tone
    title: str
    text: str


class PlanEnd(Value):
    """An end of a plan: ``portal.plan.<key>`` says which. An overdue one counts by the minute."""

    key: Literal["access_until", "access_ended", "renewal_due", "stays_until", "ends", "trial_ends", "paid_until"]
    at: datetime
    is_instant: bool = False


class SubscriptionCard(Value):
    """An order that stands. ``action`` is what the customer may have done about it.

    ``lapses_at`` is when access ends if nothing more is heard. ``has_change``: another plan follows, ``next_plan_name``
    where it is known which.
    """

    shown: ShownOrder
    plan_name: str
    price: Money | None
    ends_at: datetime
    lapses_at: datetime | None
    is_trial: bool
    has_change: bool
    next_plan_name: str | None

    def end(self, now: datetime) -> "PlanEnd":
        """Return which end of the plan there is to say, and when it is: never a day that is over as one to come."""
        state = self.shown.state
        if state == "past_due":
            at = self.lapses_at or self.ends_at
            return PlanEnd("access_until" if at > now else "access_ended", at, is_instant=True)
        if state != "canceling" and self.ends_at <= now:
            return PlanEnd("renewal_due", self.ends_at)
        if state == "canceling":
            return PlanEnd("ends", self.ends_at)
        if self.has_change:
            return PlanEnd("stays_until", self.ends_at)
        return PlanEnd("trial_ends" if self.is_trial else "paid_until", self.ends_at)

    @property
    def order_id(self) -> str:
        """Waffo's id of it."""
        return self.shown.order.order_id

    @property
    def seen(self) -> str:
        """What a page has said of the order before it asks whether to go on: the state, and the end that it named."""
        return f"{self.shown.state} {self.ends_at.date().isoformat()}"

    @property
    def statuses(self) -> frozenset[str]:
        """Waffo's statuses of which a page has said the truth."""
        return _STATUSES.get(self.shown.state, frozenset())

    @property
    def action(self) -> Action | None:
        """What may be asked for, as the order stands here."""
        if self.shown.state in _CANCELABLE:
            return "cancel"
        return "reactivate" if self.shown.state == "canceling" else None


def subscriptions(home: CustomerHome, catalog: Catalog) -> list[SubscriptionCard]:
    """Return the orders that stand, newest first."""
    cards: list[SubscriptionCard] = []
    for shown in home.orders:
        paid = shown.order.paid
        if paid is None or shown.state not in STANDING:
            continue
        price = paid.list_price
        currency = shown.order.currency
        change = shown.change
        next_plan = catalog.plans.get(change.plan_key or "") if change is not None else None
        cards.append(
            SubscriptionCard(
                shown,
                paid.plan.name,
                round_half_up(price, currency) if price is not None and currency is not None else None,
                paid.period.ends_at,
                shown.order.term(paid).lapses_at,
                paid.is_trial,
                change is not None,
                next_plan.name if next_plan is not None and next_plan.key != paid.plan.key else None,
            )
        )
    return cards


def notices(
    home: CustomerHome, cards: Sequence[SubscriptionCard], catalog: Catalog, language: Language, now: datetime
) -> list[Notice]:
    """Return what a customer should know: cut off, overdue, ending, on trial, about to change."""
    words = language.words
    found = [*_blocked(home, catalog, language)]
    for card in cards:
        found += _of_order(card, home, language, now)
    if any(balance.refund_debt > ZERO for balance in home.balances):
        found.append(Notice("warn", words("portal.refund_debt.title"), words("portal.refund_debt.text")))
    return found


def _blocked(home: CustomerHome, catalog: Catalog, language: Language) -> list[Notice]:
    """Return the notice of what is cut off: of all that the catalog has, or by name. Operators' reasons are theirs."""
    words = language.words
    shown = [balance for balance in home.balances if balance.meter in catalog.meters]
    blocked = [catalog.meters[balance.meter].name for balance in shown if balance.blocked is not None]
    if not blocked:
        return []
    if len(blocked) == len(shown):
        return [Notice("bad", words("portal.blocked.title"), words("portal.blocked.text"))]
    meters = language.listed(blocked)
    return [
        Notice("bad", words("portal.blocked.some_title", meters=meters), words("portal.blocked.some", meters=meters))
    ]


def _of_order(card: SubscriptionCard, home: CustomerHome, language: Language, now: datetime) -> list[Notice]:
    words, order, paid = language.words, card.shown.order, card.shown.order.paid
    plan, day = card.plan_name, language.day(card.ends_at.date())
    found: list[Notice] = []
    if card.shown.state == "past_due" and paid is not None:
        lapses_at = order.term(paid).lapses_at
        is_stopped = any(balance.policy.is_unpaid and balance.policy.plan == paid.plan.key for balance in home.balances)
        has_ended = lapses_at is not None and lapses_at <= now
        key = "stopped" if is_stopped else "ended" if has_ended else "until" if lapses_at is not None else "text"
        until = language.instant(lapses_at) if lapses_at is not None else ""
        found.append(
            Notice("bad", words("portal.past_due.title"), words(f"portal.past_due.{key}", plan=plan, until=until))
        )
    elif card.shown.state == "canceling":
        found.append(
            Notice(
                "warn",
                words("portal.ending.title", plan=plan, day=day),
                words("portal.ending.text", plan=plan, day=day),
            )
        )
    elif card.is_trial:
        found.append(
            Notice("good", words("portal.trial.title", day=day), words("portal.trial.text", plan=plan, day=day))
        )
    if card.next_plan_name is not None:
        next_plan = card.next_plan_name
        title = words("portal.change.title", plan=next_plan)
        found.append(Notice("good", title, words("portal.change.text", now=plan, plan=next_plan, day=day)))
    elif card.has_change:
        text = words("portal.change.unnamed", now=plan, day=day)
        found.append(Notice("good", words("portal.change.unnamed_title"), text))
    return found
