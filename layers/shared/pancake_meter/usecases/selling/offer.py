"""Offers: what a customer who is out of units, or nearly so, can buy, as signed links that cost nothing until clicked."""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime

from typing_extensions import TypedDict

from pancake_meter.catalog import Catalog
from pancake_meter.domain.balance.adjust import can_carry
from pancake_meter.domain.balance.balance import ZERO, Balance
from pancake_meter.domain.balance.credit import bought_lot
from pancake_meter.domain.balance.quota import alert_threshold
from pancake_meter.domain.selling.checkout import UsageKind
from pancake_meter.domain.selling.money import Money, round_half_up
from pancake_meter.domain.selling.overage import OverageLine
from pancake_meter.domain.selling.plan import Environment, Plan
from pancake_meter.domain.selling.pricing import Price
from pancake_meter.domain.standing.held_order import has_place, held_by
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.usecases.selling.owed_overage import Owed
from pancake_meter.usecases.selling.purchase_link import LinkKind, PurchaseLink, make_link
from pancake_meter.value import Value, replace


class Links(TypedDict, total=False):
    """Where the customer can buy."""

    purchase_url: str
    upgrade_url: str


def _nobody_listens(_: Exception) -> None:
    """Make nothing of a failure."""


class Offers(Value):
    """Makes links. ``secret`` is asked only when there is something to sign; ``public_base_url`` replaces the host asked.

    ``due_lines`` reads the lines of what a balance owes of closed periods, whose prices they have. It is asked for refusals
    alone, where what is known without it does not decide. Without it they are taken to be of some plan of the catalog.

    ``orders_of`` reads a customer's orders. It is asked for refusals and alerts, where the balance is under no plan that was
    bought: a plan is not sold beside too many add-ons. Without it there are taken to be few.

    Trouble in the shop never breaks the gate: whatever fails here is reported to ``on_trouble``, and there are no links.
    """

    catalog: Catalog
    environment: Environment
    secret: Callable[[], str]
    public_base_url: str | None = None
    on_trouble: Callable[[Exception], None] = _nobody_listens
    due_lines: Callable[[Balance], Iterable[OverageLine]] | None = None
    orders_of: Callable[[str], Subscription | None] | None = None

    def nudge(self, balance: Balance, base_url: str | None, now: datetime) -> Links:
        """Return links once usage has reached an alert threshold, none before. It reads nothing: each answer has them."""
        if alert_threshold(balance) is None:
            return {}
        return replace(self, due_lines=None, orders_of=None).links(balance, base_url, now)

    def links(self, balance: Balance, base_url: str | None, now: datetime) -> Links:
        """Return what is for sale: units first, else a plan that has some; and the next plan up. Nothing on any trouble.

        Without a ``base_url`` the caller may not buy, and there is nothing either: a link buys for whoever has it. To whom
        the operator has cut off, nothing is offered.
        """
        if base_url is None or balance.blocked is not None:
            return {}
        try:
            return self._links(balance, base_url, now)
        except Exception as error:  # noqa: BLE001 - the answer about units stands, whatever fails in the shop
            self.on_trouble(error)
            return {}

    def plans(self, customer_id: str, meter: str, base_url: str | None, now: datetime) -> Links:
        """Return where a customer without a subscription buys a plan that grants a meter. Nothing on any trouble."""
        if base_url is None or self.catalog.upgrade_of(self.catalog.default_plan_key, meter, self.environment) is None:
            return {}
        try:
            if not self._is_plan_sold(customer_id, self.catalog.default_plan_key, meter, now):
                return {}
            return {"purchase_url": self._plan_link(customer_id, meter, base_url, now)}
        except Exception as error:  # noqa: BLE001 - see links
            self.on_trouble(error)
            return {}

    def is_payable(self, meter: str, owed: Money) -> bool:
        """Return whether a link sells what is owed of a meter, all of which comes to so much."""
        return owed.amount >= self.catalog.minimum_charge(owed.currency).amount and self._has_product(meter, "overage")

    def can_carry_pack(self, balance: Balance, now: datetime) -> bool:
        """Return whether a pack is sold of the meter, and the balance can carry it."""
        pack = self.catalog.meters[balance.meter].top_up
        if pack is None:
            return False
        lot = bought_lot("top_up", pack.quantity, pack.priority, now, pack.expires_after)
        return can_carry(balance, lot, now)

    def link(self, customer_id: str, kind: LinkKind, meter: str, base_url: str, now: datetime) -> str:
        """Return a link. Raises ``StoreError`` where its secret cannot be read, ``UnusableLinkSecret`` where it is none."""
        return make_link(self.secret(), self.public_base_url or base_url, PurchaseLink(customer_id, kind, meter), now)

    def link_if_possible(
        self, customer_id: str, kind: LinkKind, meter: str, base_url: str | None, now: datetime
    ) -> str | None:
        """Return a link; ``None`` on any trouble, and without a ``base_url``: then whoever asks may not buy."""
        if base_url is None:
            return None
        try:
            return self.link(customer_id, kind, meter, base_url, now)
        except Exception as error:  # noqa: BLE001 - see links
            self.on_trouble(error)
            return None

    def _links(self, balance: Balance, base_url: str, now: datetime) -> Links:
        links: Links = {}
        units = self._units(balance, now)
        upgrade = self.catalog.upgrade_of(balance.policy.plan, balance.meter, self.environment)
        if units is not None:
            links["purchase_url"] = self.link(balance.customer_id, units, balance.meter, base_url, now)
        if upgrade is not None and self._is_plan_sold(balance.customer_id, balance.policy.plan, balance.meter, now):
            links["upgrade_url"] = self._plan_link(balance.customer_id, balance.meter, base_url, now)
            links.setdefault("purchase_url", links["upgrade_url"])
        return links

    def _is_plan_sold(self, customer_id: str, current: str | None, meter: str, now: datetime) -> bool:
        """Return whether the order of a plan has a place beside those of the customer, who is under the plan ``current``.

        A plan that was bought gives its own place to the next one. Who has none may have many orders of add-ons alone.
        """
        is_bought = current not in (None, self.catalog.default_plan_key)
        if is_bought or self.orders_of is None or not any(plan.add_on for plan in self.catalog.plans.values()):
            return True
        orders = self.orders_of(customer_id)
        return has_place(orders, held_by(orders, None, {meter}, now))

    def _units(self, balance: Balance, now: datetime) -> LinkKind | None:
        """Return how units are sold: overage that is owed where the plan caps it or sells no pack, else a pack ahead."""
        has_pack = self._sells_pack(balance, now)
        if self._sells_overage(balance):
            return "overage" if balance.overage_limit or not has_pack else "top_up"
        return "top_up" if has_pack else None

    def _sells_overage(self, balance: Balance) -> bool:
        """Return whether what is owed comes to the least that is charged, at the prices of the periods it is owed of."""
        open_line = self._open_line(balance)
        if open_line is not None and self._are_payable(balance.meter, [open_line]):
            return True
        if balance.overage_due <= ZERO:
            return False
        begun = [open_line] if open_line is not None else []
        if self.due_lines is not None:
            return self._are_payable(balance.meter, [*begun, *self.due_lines(balance)])
        due = OverageLine(balance.line, balance.period.end, balance.overage_due)
        plans = self.catalog.plans.values()
        return any(
            self._are_payable(balance.meter, [*begun, replace(due, prices=self._prices(plan.key, balance.meter))])
            for plan in plans
        )

    def _open_line(self, balance: Balance) -> OverageLine | None:
        """Return the open period's overage as it would become due now."""
        if balance.current_overage <= ZERO:
            return None
        prices = balance.policy.prices or self._prices(balance.policy.plan, balance.meter)
        end = balance.spent + balance.current_overage
        return OverageLine(balance.line, balance.period.end, end, balance.spent, prices=prices)

    def _are_payable(self, meter: str, lines: Collection[OverageLine]) -> bool:
        """Return whether a checkout in some currency would sell the lines. A line of earlier code has its plan's prices."""
        priced = tuple(replace(each, prices=each.prices or self._prices(each.key.plan, meter)) for each in lines)
        totals = (Owed(priced, currency, ZERO) for currency in {each for line in priced for each in line.prices or {}})
        return any(self.is_payable(meter, round_half_up(owed.total, owed.currency)) for owed in totals)

    def _prices(self, plan: str | None, meter: str) -> Mapping[str, Price]:
        known = self.catalog.plans.get(plan) if plan is not None else None
        allowance = known.allowances.get(meter) if known is not None else None
        return allowance.prices if allowance is not None else {}

    def _sells_pack(self, balance: Balance, now: datetime) -> bool:
        price = self.catalog.top_up_price(balance.meter, self._plan(balance), self.catalog.checkout.currency)
        return price is not None and self._has_product(balance.meter, "top_up") and self.can_carry_pack(balance, now)

    def _plan(self, balance: Balance) -> Plan | None:
        return self.catalog.plans.get(balance.policy.plan) if balance.policy.plan else None

    def _has_product(self, meter: str, kind: UsageKind) -> bool:
        return self.catalog.usage_product_of(meter, kind, self.environment) is not None

    def _plan_link(self, customer_id: str, meter: str, base_url: str, now: datetime) -> str:
        return self.link(customer_id, "plan", meter, base_url, now)
