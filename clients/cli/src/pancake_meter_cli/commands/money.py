"""``checkouts``, ``payments``, ``subscriptions``, ``plans``: what is sold, paid, refunded and ended."""

from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from pancake_meter_cli import output
from pancake_meter_cli.api import Json, customer, path
from pancake_meter_cli.cli import Cli
from pancake_meter_cli.command import command, group
from pancake_meter_cli.commands.options import (
    ActionId,
    CustomerId,
    Limit,
    OptionalReason,
    Reason,
    Yes,
    action_id,
    without_none,
)

checkouts = group("checkouts", "Payment pages that were opened for customers.")
payments = group("payments", "Payments, and those that fit nothing.")
subscriptions = group("subscriptions", "End a customer's subscription, or let it go on.")

CHECKOUT_COLUMNS = [
    ("checkout id", "checkout_id"),
    ("kind", "kind"),
    ("what", "meter"),
    ("plan", "plan"),
    ("quantity", "quantity"),
    ("amount", "amount"),
    ("currency", "currency"),
    ("status", "status"),
    ("flag", "flag"),
    ("created", "created_at"),
]
PAYMENT_COLUMNS = [
    ("payment id", "payment_id"),
    ("paid", "paid_at"),
    ("customer", "customer_id"),
    ("amount", "amount"),
    ("currency", "currency"),
    ("status", "status"),
    ("flag", "flag"),
    ("sold", "sold"),
    ("refunded", "refunded"),
    ("order", "order_id"),
    ("checkout", "checkout_id"),
]
PaymentId = Annotated[str, typer.Argument(help="The payment's id: pancake-meter payments list.")]
OrderId = Annotated[str, typer.Argument(help="The subscription's order: ORD_...")]


@command(checkouts, "list", "checkouts list acct_1001")
def list_checkouts(cli: Cli, customer_id: CustomerId, *, limit: Limit = 50) -> None:
    """List the checkouts of a customer, newest first."""
    answer = cli.api.listed(customer(customer_id, "checkouts"), "checkouts", limit)
    cli.show_list(answer, "checkouts", CHECKOUT_COLUMNS)


@command(checkouts, "show", "checkouts show acct_1001 co_8f2a")
def show_checkout(
    cli: Cli, customer_id: CustomerId, checkout_id: Annotated[str, typer.Argument(help="The checkout's id.")]
) -> None:
    """Show one checkout, with what it sells."""
    cli.show(cli.api.get(customer(customer_id, "checkouts", checkout_id)))


@command(
    checkouts,
    "create",
    "checkouts create acct_1001 --plan pro",
    "checkouts create acct_1001 --meter tokens --kind top_up",
    "checkouts create acct_1001 --meter tokens",
)
def create_checkout(
    cli: Cli,
    customer_id: CustomerId,
    *,
    kind: Annotated[str | None, typer.Option(help="overage, top_up, subscription or plan_change.")] = None,
    plan: Annotated[str | None, typer.Option(help="The plan to sell.")] = None,
    meter: Annotated[str | None, typer.Option(help="The meter whose units are sold.")] = None,
    quantity: Annotated[str | None, typer.Option(help="How many units.")] = None,
    currency: Annotated[str | None, typer.Option(help="In which currency.")] = None,
) -> None:
    """Open a checkout and show its payment link, or find the one that is open."""
    body = without_none(kind=kind, plan=plan, meter=meter, quantity=quantity, currency=currency)
    cli.show(cli.api.post(customer(customer_id, "checkouts"), body))


@command(payments, "list", "payments list", "payments list --status flagged --json")
def list_payments(
    cli: Cli,
    *,
    status: Annotated[
        str | None, typer.Option(help="applied, flagged, resolved, not_ours, refunded or uncharged.")
    ] = None,
    limit: Limit = 50,
) -> None:
    """List payments, the newest first."""
    answer = cli.api.listed("/v1/payments", "payments", limit, status=status)
    cli.show_list(answer, "payments", PAYMENT_COLUMNS)


@command(payments, "show", "payments show PAY_6mN1vB4xC7zL0kJ3hG5fD8")
def show_payment(cli: Cli, payment_id: PaymentId) -> None:
    """Show one payment, and why it fits nothing."""
    cli.show(cli.api.get(path("payments", payment_id)))


@command(
    payments,
    "resolve",
    "payments resolve PAY_6mN1... --as checkout --checkout co_8f2a --reason 'tax inside the price'",
    "payments resolve PAY_6mN1... --as units --meter tokens --quantity 100000 --reason 'paid by invoice'",
    "payments resolve PAY_6mN1... --as not_ours --reason 'a T-shirt'",
)
def resolve(
    cli: Cli,
    payment_id: PaymentId,
    *,
    what: Annotated[str, typer.Option("--as", help="units, checkout or not_ours.")],
    reason: Reason,
    meter: Annotated[str | None, typer.Option(help="With units: of this meter.")] = None,
    quantity: Annotated[str | None, typer.Option(help="With units: how many.")] = None,
    priority: Annotated[int | None, typer.Option(help="With units: burn order, lower first.")] = None,
    expires_at: Annotated[str | None, typer.Option(help="With units: when they end (ISO 8601).")] = None,
    checkout: Annotated[str | None, typer.Option(help="With checkout: the one it pays.")] = None,
    id: ActionId = None,  # noqa: A002 - the API's name
) -> None:
    """Say what a payment that fits nothing was for. The money then counts where it belongs."""
    body = without_none(
        **{"as": what},
        id=action_id(id),
        meter=meter,
        quantity=quantity,
        priority=priority,
        expires_at=expires_at,
        checkout_id=checkout,
        reason=reason,
    )
    cli.show(cli.api.post(path("payments", payment_id, "resolve"), body))


@command(
    payments,
    "refund",
    "payments refund PAY_6mN1... --reason 'not satisfied'",
    "payments refund PAY_6mN1... --amount 9.90 --reason 'half a month' --yes",
)
def refund(
    cli: Cli,
    payment_id: PaymentId,
    *,
    reason: Reason,
    amount: Annotated[str | None, typer.Option(help="A part, as a display amount; without: all.")] = None,
    id: ActionId = None,  # noqa: A002 - the API's name
    yes: Yes = False,
) -> None:
    """Give money back. Units are taken back when Waffo says that the refund succeeded."""
    cli.confirm(f"Refund {amount or 'all'} of {payment_id}?", yes=yes)
    body = without_none(id=action_id(id), amount=amount, reason=reason)
    cli.show(cli.api.post(path("payments", payment_id, "refund"), body))


@command(subscriptions, "cancel", "subscriptions cancel acct_1001 ORD_4kPz8sYvN1qJ6tGwB2dXfR --yes")
def cancel(
    cli: Cli,
    customer_id: CustomerId,
    order_id: OrderId,
    *,
    reason: OptionalReason = None,
    id: ActionId = None,  # noqa: A002 - the API's name
    yes: Yes = False,
) -> None:
    """Cancel a subscription with the end of its period."""
    cli.confirm(f"Cancel the subscription {order_id} of {customer_id}?", yes=yes)
    body = without_none(id=action_id(id), reason=reason)
    cli.show(cli.api.post(customer(customer_id, "subscriptions", order_id, "cancel"), body))


@command(subscriptions, "reactivate", "subscriptions reactivate acct_1001 ORD_4kPz8sYvN1qJ6tGwB2dXfR")
def reactivate(
    cli: Cli,
    customer_id: CustomerId,
    order_id: OrderId,
    *,
    reason: OptionalReason = None,
    id: ActionId = None,  # noqa: A002 - the API's name
) -> None:
    """Withdraw a cancellation whose period has not ended."""
    body = without_none(id=action_id(id), reason=reason)
    cli.show(cli.api.post(customer(customer_id, "subscriptions", order_id, "reactivate"), body))


def register(root: typer.Typer) -> None:
    """Add the groups, and ``plans``."""
    for each in (checkouts, payments, subscriptions):
        root.add_typer(each)

    @command(root, "plans", "plans", "plans --customer acct_1001 --currency JPY")
    def plans(
        cli: Cli,
        *,
        customer_id: Annotated[str | None, typer.Option("--customer", help="At this customer's prices.")] = None,
        currency: Annotated[str | None, typer.Option(help="In this currency.")] = None,
    ) -> None:
        """Show what is for sale: plans, and packs of units."""
        answer = cli.api.get("/v1/plans", customer_id=customer_id, currency=currency)
        cli.show(answer, lambda: price_page(answer))


def price_page(answer: Json) -> RenderableType:
    """Return the page of prices that customers see."""
    plan_rows = [
        {
            **plan,
            "grants": "; ".join(
                f"{output.plain(each['quantity'])} {each['name']} a {_cadence(each['cadence'])}"
                for each in plan["allowances"]
            ),
        }
        for plan in answer["plans"]
    ]
    plan_columns = [
        ("plan", "name"),
        ("price", "price"),
        ("every", "billing_period"),
        ("grants", "grants"),
        ("add-on", "add_on"),
        ("trial", "trial"),
    ]
    pack_columns = [
        ("pack of", "name"),
        ("units", "quantity"),
        ("price", "price"),
        ("expires after days", "expires_after_days"),
    ]
    return Group(
        Text(f"Prices in {answer['currency']}", style="bold"),
        output.table(plan_rows, plan_columns, "no plan is for sale"),
        Text(),
        output.table(answer["top_ups"], pack_columns, "no pack is for sale"),
    )


def _cadence(cadence: str) -> str:
    return "paid period" if cadence == "billing" else cadence
