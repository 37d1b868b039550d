"""Customers on the wire: lines of the directory, and one customer with all that an operator may ask about."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Self

from pydantic import Field, StringConstraints, model_validator
from typing_extensions import TypedDict

from pancake_meter.domain.balance.balance import Balance, burn
from pancake_meter.domain.balance.grant import GrantKind
from pancake_meter.domain.customer import CUSTOMER_ID_LENGTH_MAX, is_customer_id, key_part
from pancake_meter.domain.instant import parse_instant, timestamp
from pancake_meter.domain.standing.directory import CustomerStatus, DirectoryLine
from pancake_meter.http.balance.quota import PeriodBody, QuotaBody, quota_body
from pancake_meter.http.cursors import PageQuery, Pages
from pancake_meter.http.fields import COUNT, Amount, Currency, Timestamp, Units
from pancake_meter.http.selling.asked_actions import AskedActionBody, asked_action_body
from pancake_meter.http.selling.checkouts import CheckoutBody, checkout_body
from pancake_meter.usecases.reports.show_customer import CustomerFlag, OrderState, ShownCustomer, ShownOrder

CUSTOMERS_PAGE_MAX: Final = 100

LINE_COLUMNS: Final = (
    "customer_id", "plans", "past_due", "trialing", "canceling", "bought_twice", "blocked", "blocked_otherwise",
    "overage_due", "active_at",
)  # fmt: skip


class CustomerListQuery(PageQuery):
    """Query of ``GET /v1/customers``: those whose ids begin with ``prefix``, of a plan or a status.

    The list of status ``active`` is by the hour of the latest use, the latest first, and takes no prefix. All others are by
    id.
    """

    prefix: Annotated[str, StringConstraints(min_length=1, max_length=CUSTOMER_ID_LENGTH_MAX)] | None = None
    plan: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")] | None = None
    status: CustomerStatus | None = None
    limit: Annotated[int, Field(ge=1, le=CUSTOMERS_PAGE_MAX), COUNT] = CUSTOMERS_PAGE_MAX

    @model_validator(mode="after")
    def _names_one_list(self) -> Self:
        if self.plan is not None and self.status is not None:
            raise ValueError("give a plan or a status, not both")
        if self.status == "active" and self.prefix is not None:
            raise ValueError("the list of active customers is by time and takes no prefix")
        return self

    def read_place(self, customer_id: str, listed_at: str) -> tuple[str, str]:
        """Return where a page starts: (customer id, place in this list). Raises ``ValueError`` for what is no such place."""
        if not is_customer_id(customer_id):
            raise ValueError("not a customer")
        name = key_part(customer_id)
        if self.status == "active":
            return customer_id, f"{timestamp(parse_instant(listed_at.partition('#')[0]))}#{name}"
        if not name.startswith(key_part(self.prefix or "")):
            raise ValueError("not a place among these customers")
        return customer_id, name


class CustomerLine(TypedDict):
    """One customer as lists show it, as of moments ago.

    ``plans`` govern a meter or are of an order that stands; without either, it is the default plan. ``blocked`` says by
    meter why access is off, ``blocked_otherwise`` why it is off for every meter that was not used yet. ``overage_due`` says
    by meter how many units are due and not paid; who has such units is ``owing``. Overage of the open period is due when the
    period closes. ``active_at`` is the hour of the latest use.
    """

    customer_id: str
    plans: list[str]
    past_due: bool
    trialing: bool
    canceling: bool
    bought_twice: bool
    blocked: dict[str, str]
    blocked_otherwise: str | None
    overage_due: dict[str, Units]
    active_at: Timestamp | None


class CustomerList(TypedDict):
    """A page of customers; ``next_cursor`` goes on from it, and is null at the end."""

    customers: list[CustomerLine]
    next_cursor: str | None


class ScheduledChange(TypedDict):
    """A change of plan that waits for the end of the period: to which plan, as far as known, and when that was said."""

    plan: str | None
    told_at: Timestamp


class OrderBody(TypedDict):
    """One order. ``governs`` are the meters whose plan it is: an add-on governs none, it grants on top.

    ``actions`` are what operators, and the customer in the portal, had Waffo do with it: the latest ten, the latest first.
    ``period`` is the latest that is paid for, or on trial. ``past_due_since`` is when Waffo last said so, ``access_until``
    when access ends by itself. ``canceling_on`` is when it ends, where it was cancelled.
    """

    order_id: str
    plan: str
    add_on: bool
    state: OrderState
    governs: list[str]
    began_at: Timestamp
    ended_at: Timestamp | None
    period: PeriodBody
    trial_ends_at: Timestamp | None
    past_due_since: Timestamp | None
    access_until: Timestamp | None
    canceling_on: Timestamp | None
    scheduled_change: ScheduledChange | None
    actions: list[AskedActionBody]


class LotBody(TypedDict):
    """One lot of units: what was given, and what is left of it. A grant without ``expires_at`` never expires."""

    grant_id: str
    kind: GrantKind
    quantity: Units
    remaining: Units
    priority: int
    starts_at: Timestamp
    expires_at: Timestamp | None


class HeldBody(TypedDict):
    """Units that a hold reserves. Of an id of more than 16 characters, ``hold_id`` is a short name."""

    hold_id: str
    quantity: Units
    expires_at: Timestamp


class BalanceBody(TypedDict):
    """One meter: the quota as the customer is told it, the grants behind it in the order in which they burn, and holds."""

    quota: QuotaBody
    order_id: str | None
    grants: list[LotBody]
    holds: list[HeldBody]


class MoneyBody(TypedDict):
    """An amount before tax."""

    currency: Currency
    amount: Amount


class OwedBody(TypedDict):
    """Overage that is not paid, of open periods too, and what a checkout would ask for it in each currency."""

    meter: str
    units: Units
    amounts: list[MoneyBody]


class CustomerBody(TypedDict):
    """One customer, as of the latest write.

    ``flags`` are what a person may want to look at. ``bought_twice`` are pairs of orders for one meter, the newer one first.
    ``checkouts`` are those that are open, and the latest of each kind that is flagged.
    """

    customer_id: str
    flags: list[CustomerFlag]
    orders: list[OrderBody]
    bought_twice: list[list[str]]
    balances: list[BalanceBody]
    owed: list[OwedBody]
    checkouts: list[CheckoutBody]


def customer_list(lines: Sequence[DirectoryLine], place: tuple[str, str] | None, pages: Pages) -> CustomerList:
    """Return a page of customers; ``place`` is where the next one starts."""
    return {"customers": [_line(line) for line in lines], "next_cursor": pages.cursor(place)}


def list_rows(page: CustomerList) -> list[dict[str, object]]:
    """Return a page of customers as rows: what is a list there is one text here."""
    return [
        {
            **line,
            "plans": " ".join(line["plans"]),
            "blocked": " ".join(line["blocked"]),
            "overage_due": " ".join(f"{meter}:{units:f}" for meter, units in line["overage_due"].items()),
        }
        for line in page["customers"]
    ]


def customer_body(shown: ShownCustomer, now: datetime) -> CustomerBody:
    """Return one customer."""
    return {
        "customer_id": shown.customer_id,
        "flags": shown.flags,
        "orders": [_order(each) for each in shown.orders],
        "bought_twice": [list(pair) for pair in shown.bought_twice],
        "balances": [_balance(balance) for balance in shown.balances],
        "owed": [
            {
                "meter": owed.meter,
                "units": owed.units,
                "amounts": [{"currency": each.currency, "amount": each.display} for each in owed.amounts],
            }
            for owed in shown.owed
        ],
        "checkouts": [checkout_body(checkout, now) for checkout in shown.checkouts],
    }


def _line(line: DirectoryLine) -> CustomerLine:
    orders = line.orders
    return {
        "customer_id": line.customer_id,
        "plans": sorted(line.plans),
        "past_due": orders.is_past_due,
        "trialing": orders.is_trialing,
        "canceling": orders.is_canceling,
        "bought_twice": orders.is_bought_twice,
        "blocked": dict(line.blocked),
        "blocked_otherwise": orders.blocked,
        "overage_due": dict(line.overage_due),
        "active_at": _text(line.active_at),
    }


def _order(shown: ShownOrder) -> OrderBody:
    order, paid = shown.order, shown.order.paid
    if paid is None:
        raise ValueError("an order is shown with its paid period")
    term, status = order.term(paid), order.status
    return {
        "order_id": order.order_id,
        "plan": paid.plan.key,
        "add_on": order.is_add_on,
        "state": shown.state,
        "governs": list(shown.governs),
        "began_at": timestamp(order.began[0]),
        "ended_at": _text(order.ended_at),
        "period": {"start": timestamp(term.start), "end": timestamp(paid.period.ends_at)},
        "trial_ends_at": timestamp(paid.period.ends_at) if paid.is_trial else None,
        "past_due_since": timestamp(status.at) if status is not None and order.is_past_due else None,
        "access_until": _text(term.lapses_at) if order.ended_at is None else None,
        "canceling_on": timestamp(paid.period.ends_at) if order.is_canceling and order.ended_at is None else None,
        "scheduled_change": _scheduled_change(shown),
        "actions": [asked_action_body(each) for each in shown.actions],
    }


def _scheduled_change(shown: ShownOrder) -> ScheduledChange | None:
    change, paid = shown.change, shown.order.paid
    if change is None:
        return None
    # Waffo may name the plan that the order has, which says nothing of the one to come.
    is_told = paid is None or change.plan_key != paid.plan.key
    return {"plan": change.plan_key if is_told else None, "told_at": timestamp(change.at)}


def _balance(balance: Balance) -> BalanceBody:
    burned = burn(balance)
    later = [grant for grant in burned.grants if grant not in burned.active_grants]
    return {
        "quota": quota_body(balance, {}),
        "order_id": balance.term.order_id,
        "grants": [
            {
                "grant_id": grant.id,
                "kind": grant.kind,
                "quantity": grant.quantity,
                "remaining": grant.remaining,
                "priority": grant.priority,
                "starts_at": timestamp(grant.starts_at),
                "expires_at": timestamp(balance.period.end) if grant.is_periodic else _text(grant.expires_at),
            }
            for grant in (*burned.active_grants, *later)
        ],
        "holds": [
            {"hold_id": hold_id, "quantity": hold.quantity, "expires_at": timestamp(hold.expires_at)}
            for hold_id, hold in sorted(balance.holds.items())
        ],
    }


def _text(instant: datetime | None) -> str | None:
    return timestamp(instant) if instant is not None else None
