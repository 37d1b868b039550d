"""A random walk of one customer who uses, closes periods, asks for checkouts and pays, against the Waffo simulator.

Everything that happens is drawn from one seed, so a walk that fails can be played again. After every step the books are
held to promise 8: each unit of overage is sold, owed or forgiven; and all money that came in is accounted for.
"""

import hashlib
import itertools
import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, Self

from pancake_meter.catalog import Catalog, parse_catalog
from pancake_meter.domain.balance.balance import Balance
from pancake_meter.domain.errors import BelowMinimum, NotForSale, NothingOwed
from pancake_meter.domain.selling.checkout import Checkout
from pancake_meter.domain.selling.money import Money, parse_display, round_half_up
from pancake_meter.domain.selling.overage import LineKey, OverageLine, exact_sum
from pancake_meter.domain.selling.payment import Payment
from pancake_meter.domain.selling.pricing import price_of
from pancake_meter.domain.usage.usage_event import UsageEvent
from pancake_meter.store.balance.balances import read_balance, read_ledger
from pancake_meter.store.keys import customer_partition
from pancake_meter.store.selling.checkouts import read_checkout
from pancake_meter.store.selling.overage_lines import line_key, read_remainder
from pancake_meter.store.selling.payments import read_payment
from pancake_meter.store.table import Table
from pancake_meter.store.webhooks.deliveries import read_delivery
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.usecases.selling.forgive_overage import forgive
from pancake_meter.usecases.selling.open_checkout import Selling, open_checkout
from pancake_meter.usecases.selling.quote_sale import SaleRequest
from pancake_meter.usecases.webhooks.judge import Outcome
from pancake_meter.usecases.webhooks.take import Intake, take_webhook
from pancake_meter.waffo.client import WaffoClient
from pancake_meter.waffo.signing import RequestSigner
from tests.support.waffo_simulator import MERCHANT_ID, PRO, SCALE, STORE_ID, USAGE, RunningSimulator
from tests.support.waffo_webhooks import encode, platform_key, sign_webhook
from tests.support.webhook_world import utc

BEGIN: Final = utc("2026-03-10T15:20:00")
CUSTOMER: Final = "acct_1001"
METER: Final = "tokens"
ZERO: Final = Decimal(0)
LEDGER_MAX: Final = 2000

PRICES: Final = {
    "per_unit": 'model = "per_unit", unit_price = "{}", flat = "{}", free_units = 30',
    "package": 'model = "package", size = 70, price = "{}", free_units = 10',
    "graduated": """model = "graduated", free_units = 20, tiers = [
        {{ up_to = 100, unit_price = "{}", flat = "{}" }},
        {{ up_to = 400, unit_price = "0.011" }},
        {{ unit_price = "0.007" }},
    ]""",
    "volume": """model = "volume", tiers = [
        {{ up_to = 200, unit_price = "{}", flat = "{}" }}, {{ unit_price = "0.9", flat = "1" }}]""",
}


def walk_catalog(model: str) -> Catalog:
    """Three plans whose overage is never refused; ``model`` prices the default one (daily periods) and ``pro``."""
    usd, jpy = PRICES[model].format("0.0137", "0.25"), PRICES[model].format("3.3", "20")
    other = PRICES["graduated"].format("0.0211", "0.10")
    return parse_catalog(f"""
        default_plan = "free"
        [minimum_charge]
        USD = "0.50"
        JPY = "50"
        [checkout]
        success_urls = ["https://app.example.com/"]
        [meters.tokens]
        name = "Tokens"
        unit = "token"
        top_up = {{ quantity = 200, expires_after_days = 30, price = {{ USD = "2.00", JPY = "300" }} }}
        [plans.free]
        name = "Free"
        rank = 0
        [plans.free.allowances.tokens]
        quantity = 100
        cadence = "day"
        overage = "allowed"
        [plans.free.allowances.tokens.prices]
        USD = {{ {usd} }}
        JPY = {{ {jpy} }}
        [plans.pro]
        name = "Pro"
        rank = 10
        [plans.pro.allowances.tokens]
        quantity = 300
        cadence = "week"
        rollover_maximum = 50
        overage = "allowed"
        [plans.pro.allowances.tokens.prices]
        USD = {{ {usd} }}
        [plans.scale]
        name = "Scale"
        rank = 20
        past_due = {{ policy = "reduce", fraction = "0.5" }}
        [plans.scale.allowances.tokens]
        quantity = 600
        overage = "allowed"
        [plans.scale.allowances.tokens.prices]
        USD = {{ {other} }}
        [[products]]
        plan = "pro"
        name = "Pro monthly"
        billing_period = "monthly"
        price = {{ USD = "29.00" }}
        product_id = {{ test = "{PRO}" }}
        [[products]]
        plan = "scale"
        name = "Scale monthly"
        billing_period = "monthly"
        price = {{ USD = "99.00" }}
        product_id = {{ test = "{SCALE}" }}
        [usage_product]
        name = "Usage"
        product_id = {{ test = "{USAGE}" }}
    """)


@dataclass
class Walk:
    """The walk: our stack on a table, the simulator, the clock, and what is under way between the two."""

    table: Table
    sim: RunningSimulator
    model: str
    seed: int
    subscribes: bool = False
    now: datetime = BEGIN
    told: list[str] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)
    checkouts: list[Checkout] = field(default_factory=list)
    payments: dict[str, Money] = field(default_factory=dict)
    paid_by: dict[str, str] = field(default_factory=dict)
    waiting: list[bytes] = field(default_factory=list)
    delivered: list[bytes] = field(default_factory=list)
    used: int = 0
    names: int = 0

    def __post_init__(self) -> None:
        """Begin with nothing used and nothing sold."""
        self.dice = random.Random(f"{self.model} {self.seed}")  # noqa: S311 - replayable
        self.metering = Metering(self.table, walk_catalog(self.model))
        signer = RequestSigner(MERCHANT_ID, platform_key())
        self.waffo = WaffoClient(signer, api_url=self.sim.url)
        self.selling = Selling(
            self.metering, self.waffo, "test", None, STORE_ID, new_id=lambda: f"chk_{self._name():032d}"
        )
        self.sim.begin_again()
        self._move_clock()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        self.waffo.close()

    def play(self, steps: int) -> None:
        """Take so many steps, then let every webhook arrive, twice; the books must be right all the way."""
        moves: list[Callable[[], str]] = [
            self._use, self._use, self._use, self._wait, self._wait_for_tomorrow, self._ask, self._ask, self._ask,
            self._ask_for_top_up, self._pay, self._pay, self._pay, self._refund, self._deliver, self._deliver,
            self._deliver, self._repeat, self._forgive,
        ]  # fmt: skip
        if self.subscribes:
            moves += [
                self._subscribe,
                self._change_plan,
                self._fail_and_recover,
                self._cancel,
                self._wait_for_next_week,
            ]
        for _ in range(steps):
            self.told.append(self.dice.choice(moves)())
            self._check_units()
        self.delivered += self.waiting
        self.waiting.clear()
        for body in self.dice.sample(self.delivered * 2, 2 * len(self.delivered)):
            self._take(body)
        self._check_arrivals()
        self._check_units()
        self._check_money()

    def _use(self) -> str:
        quantity = self.dice.randint(1, 250)
        late = timedelta(hours=self.dice.choice([0, 0, 0, 30]))
        event = UsageEvent(f"e{self._name()}", Decimal(quantity), self.now - late, self.now - late if late else None)
        result = record_events(self.metering, CUSTOMER, METER, [event], self.now)[event.id]
        # Where orders begin ahead of time, a period may have closed so long ago that what belongs to it is refused.
        assert result == "counted" or (result == "period_closed" and self.subscribes), self.story()
        self.used += quantity if result == "counted" else 0
        return f"use {quantity}, {late} ago: {result}"

    def _wait(self) -> str:
        return self._pass(timedelta(minutes=self.dice.randint(1, 90)))

    def _wait_for_tomorrow(self) -> str:
        return self._pass(timedelta(hours=self.dice.randint(10, 60)))

    def _wait_for_next_week(self) -> str:
        return self._pass(timedelta(days=self.dice.randint(5, 16)))

    def _subscribe(self) -> str:
        """Buy a plan: the first, or a second one beside it."""
        product = self.dice.choice([PRO, SCALE])
        order: str = self.sim.sim("subscriptions", product=product, buyer_identity=CUSTOMER)["id"]
        self.orders.append(order)
        self._collect()
        return f"subscribe to {product}: {order}"

    def _change_plan(self) -> str:
        return self._act("plan-change", order_id=self._order(), product=self.dice.choice([PRO, SCALE]))

    def _fail_and_recover(self) -> str:
        order = self._order()
        return self._act(f"orders/{order}/past-due", grace_days=3) + self._act(f"orders/{order}/recover")

    def _cancel(self) -> str:
        return self._act(f"orders/{self._order()}/cancel", immediately=True)

    def _order(self) -> str:
        return self.dice.choice(self.orders) if self.orders else "ORD_none"

    def _act(self, path: str, **body: object) -> str:
        """Have the simulator do what it may refuse, as of an order that has ended."""
        answer = self.sim.http.post(f"/_sim/{path}", json=body)
        if answer.is_success:
            self._collect()
        return f"{path} {body}: {answer.status_code} "

    def _pass(self, span: timedelta) -> str:
        self.now += span
        self._move_clock()
        self._collect()
        return f"wait {span}"

    def _ask(self) -> str:
        return self._open(SaleRequest("overage", METER, currency=self.dice.choice(["USD", "USD", "USD", "JPY"])))

    def _ask_for_top_up(self) -> str:
        return self._open(SaleRequest("top_up", METER, currency=self.dice.choice(["USD", "JPY"])))

    def _open(self, sale: SaleRequest) -> str:
        try:
            opened = open_checkout(self.selling, CUSTOMER, sale, None, self.now)
        except (NothingOwed, BelowMinimum, NotForSale) as error:
            return f"ask for {sale.kind}: {error.code}"
        if opened.is_new:
            self.checkouts.append(opened.checkout)
        sold = opened.checkout
        parts = [f"{part.key.period_start:%d}: {part.start}..{part.end}" for part in sold.lines]
        return f"ask for {sale.kind}: {sold.id}, {sold.quantity} for {sold.amount.display}, {', '.join(parts)}"

    def _pay(self) -> str:
        """Pay any checkout ever made: the latest, one of long ago, one that was paid already (Back)."""
        if not self.checkouts:
            return "pay nothing"
        checkout = self.dice.choice([self.checkouts[-1], self.dice.choice(self.checkouts)])
        assert checkout.session_id
        rebuilt = self.dice.random() < 0.1
        path = f"/_sim/checkout/{checkout.session_id}/pay"
        answer = self.sim.http.post(path, json={"buyer_identity": CUSTOMER, "again": True, "rebuilt": rebuilt})
        if answer.is_success:
            self._collect()
        return f"pay {checkout.id}{' rebuilt' * rebuilt}: {answer.status_code}"

    def _refund(self) -> str:
        if not self.payments:
            return "refund nothing"
        payment_id, charged = self.dice.choice(list(self.payments.items()))
        share = Decimal(self.dice.choice(["0.25", "0.5", "1"]))
        amount = round_half_up(charged.amount * share, charged.currency).display
        fail = self.dice.random() < 0.1
        answer = self.sim.http.post(f"/_sim/payments/{payment_id}/refund", json={"amount": amount, "fail": fail})
        if answer.is_success:
            self._collect()
        return f"refund {amount} of {payment_id}: {answer.status_code}"

    def _deliver(self) -> str:
        if not self.waiting:
            return "deliver nothing"
        body = self.waiting.pop(self.dice.randrange(len(self.waiting)))
        self.delivered.append(body)
        return f"deliver {_told(self._take(body))}"

    def _repeat(self) -> str:
        return f"repeat {_told(self._take(self.dice.choice(self.delivered)))}" if self.delivered else "repeat nothing"

    def _forgive(self) -> str:
        if self.dice.random() < 0.7:
            return "forgive nothing"
        try:
            forgiven = forgive(self.metering, CUSTOMER, METER, f"f{self._name()}", Decimal(40), self.now)
        except NothingOwed as error:
            return f"forgive: {error.code}"
        return f"forgive {forgiven}"

    def _name(self) -> int:
        self.names += 1
        return self.names

    def _move_clock(self) -> None:
        self.sim.sim("clock", now=self.now.isoformat().replace("+00:00", "Z"), stopped=True)

    def _collect(self) -> None:
        """Take what the simulator has sent off its hands; now and then another amount was charged than we asked for."""
        self.sim.sim("flush")
        for received in self.sim.sink.received:
            event = json.loads(received.body)
            data = event["data"]
            if event["eventType"] == "order.completed":
                if self.dice.random() < 0.1:
                    data["listPrice"] = {**data["listPrice"], "subtotal": "0.50" if data["currency"] == "USD" else "50"}
                self.paid_by[data["orderId"]] = data["paymentId"]
                self.payments[data["paymentId"]] = parse_display(data["chargedAmount"], data["currency"])
            self.waiting.append(encode(event))
        self.sim.sink.received.clear()

    def _take(self, body: bytes) -> Outcome:
        intake = Intake(self.metering, "test", STORE_ID, (platform_key().public_key(),), pause=lambda _: None)
        headers = {"x-waffo-signature": sign_webhook(body, at=self.now), "content-type": "application/json"}
        outcome = take_webhook(intake, body, headers, self.now)
        # A rebuilt checkout names nothing: where the money fits two, a person has to say which.
        assert outcome.verdict in ("applied", "ignored", "duplicate", "parked"), outcome
        return outcome

    # --- the books -----------------------------------------------------------------------------------------------------

    def lines(self) -> dict[LineKey, OverageLine]:
        """Every overage line, as the table has it."""
        items, following = self.table.query(
            "PK = :partition AND begins_with(SK, :prefix)",
            {":partition": customer_partition(CUSTOMER), ":prefix": f"OVERAGE#{METER}#"},
            limit=1000,
        )
        assert following is None
        return {
            line_key(item): OverageLine(
                line_key(item),
                self.now,
                item["closed"],
                item["settled"],
                forgiven=item["forgiven"],
                reopened=item.get("reopened", ZERO),
            )
            for item in items
        }

    def known_payments(self) -> list[Payment]:
        """Every payment that we were told of."""
        found = (read_payment(self.table, payment_id) for payment_id in self.payments)
        return [payment for payment in found if payment is not None]

    def _check_units(self) -> None:
        """Units sold + owed + forgiven = overage, and each line's settled units belong to payments."""
        balance = self.metering.current_balance(CUSTOMER, METER, self.now)
        if balance.segment == 0:
            return
        written = {line.key: line for line in self.lines().values()}
        totals: dict[str, Decimal] = defaultdict(Decimal)
        for entry in read_ledger(self.table, CUSTOMER, METER, limit=LEDGER_MAX):
            for movement in entry.movements:
                totals[movement.kind] += movement.quantity
        sold = totals["overage_paid"] - totals["overage_reopened"]
        due = sum((line.due for line in written.values()), ZERO)
        closed = totals["overage_closed"] - totals["overage_covered"] - totals["overage_resumed"]
        forgiven = sum((line.forgiven for line in written.values()), ZERO)
        assert all(ZERO <= line.settled <= line.closed for line in written.values()), self.story()
        assert sold + due + totals["overage_forgiven"] == closed, self.story()
        assert forgiven == totals["overage_forgiven"], self.story()
        # What is not in the grants is overage: all usage is accounted for.
        granted = totals["granted"] + totals["restored"] - totals["expired"] - totals["clawed_back"]
        unwritten = self.used - totals["used"]
        left = sum((grant.remaining for grant in self._written().grants), ZERO)
        assert granted - left + closed + self._written().overage == totals["used"], self.story()
        assert unwritten == self._written().used - self._written().burned, self.story()
        assert self._written().overage_due == due, self.story()
        assert self._written().reopened == sum((line.reopened for line in written.values()), ZERO), self.story()
        bought: dict[LineKey, Decimal] = defaultdict(Decimal)
        for payment in self.known_payments():
            for credit in payment.credits:
                if credit.line is not None:
                    bought[credit.line] += credit.quantity - credit.taken_back
        assert bought == {key: line.settled for key, line in written.items() if key in bought}, self.story()
        assert all(line.settled == ZERO for key, line in written.items() if key not in bought), self.story()

    def _written(self) -> Balance:
        balance = read_balance(self.table, CUSTOMER, METER)
        assert balance is not None
        return balance

    def _check_money(self) -> None:
        """Money in = settled + credit + flagged + waiting for a person; money back = refunded: per currency, to the cent."""
        stored = self._stored_checkouts()
        owners = [(payment_id, checkout) for checkout in stored for payment_id in checkout.payment_ids]
        assert len(dict(owners)) == len(owners), self.story()
        kept = Counter[str]()
        waiting, refunded = self._waiting_for_a_person()
        for payment in self.known_payments():
            currency = self.payments[payment.payment_id].currency
            refunded[currency] += _minor(sum((refund.amount or ZERO for refund in payment.standing_refunds), ZERO))
            if payment.charge is None:
                assert payment.payment_id in waiting, self.story()
                continue
            assert payment.charge.collected is not None
            assert payment.charge.currency == currency
            kept[currency] += _minor(payment.charge.collected)
            self._check_payment(payment, dict(owners)[payment.payment_id])
        for payment_id in waiting:
            kept[self.payments[payment_id].currency] += _minor(self.payments[payment_id].amount)
        came_in = Counter[str]()
        for charged in self.payments.values():
            came_in[charged.currency] += _minor(charged.amount)
        assert kept == came_in, self.story()
        assert refunded == self._went_back(), self.story()
        self._check_prices(stored)

    def _check_arrivals(self) -> None:
        """Whatever the simulator sent has arrived: on a machine that stands still for long it gives up, and no sum holds."""
        sent = self.sim.http.get("/_sim/deliveries").json()["deliveries"]
        assert {each["status"] for each in sent} <= {"success"}, "the simulator gave up a delivery"

    def _check_payment(self, payment: Payment, checkout: Checkout) -> None:
        """Every unit that was paid for was settled or granted; without any, a person is told why."""
        units = sum((credit.quantity for credit in payment.credits), ZERO)
        taken = sum((credit.taken_back for credit in payment.credits), ZERO)
        if payment.credits:
            assert units == checkout.quantity, self.story()
        else:
            assert checkout.status == "flagged", self.story()
        share = payment.refunded_share
        exact = Fraction(units) * share
        # Whole units go back where whole ones were sold, so each of them may keep nearly one.
        assert exact - max(1, len(payment.credits)) < taken <= exact, self.story()

    def _went_back(self) -> "Counter[str]":
        """What the simulator has given back, in hundredths, by currency."""
        amounts = Counter[str]()
        for refund in self.sim.http.get("/_sim/state").json()["refunds"]:
            if refund["status"] == "succeeded":
                amounts[self.payments[refund["payment_id"]].currency] += _minor(Decimal(refund["amount"]))
        return amounts

    def _check_prices(self, checkouts: Iterable[Checkout]) -> None:
        """What was paid for a line in parts is what it costs at once, and what rounding left of all sales is carried."""
        parts: dict[LineKey, list[Any]] = defaultdict(list)
        for checkout in checkouts:
            for part in checkout.lines if checkout.status == "paid" else ():
                parts[part.key].append(part)
        by_line = self.lines()
        for key, sold in parts.items():
            line = by_line[key]
            whole = sum((part.quantity for part in sold), ZERO) == line.settled and line.forgiven == ZERO
            currencies = {part.amount.currency for part in sold}
            ordered = sorted(sold, key=lambda part: part.start)
            follows = all(a.end == b.start for a, b in itertools.pairwise(ordered)) and ordered[0].start == 0
            if whole and follows and len(currencies) == 1 and key.plan is not None:
                price = self.metering.catalog.plans[key.plan].allowances[METER].prices[currencies.pop()]
                assert exact_sum(*(part.price for part in sold)) == price_of(price, line.settled), self.story()
        overage = [checkout for checkout in checkouts if checkout.kind == "overage" and checkout.payment_ids]
        for currency in ("USD", "JPY"):
            sales = [checkout for checkout in overage if checkout.amount.currency == currency]
            if all(checkout.status == "paid" for checkout in sales):
                remainder = read_remainder(self.table, CUSTOMER, METER, currency)
                paid = (read_payment(self.table, payment_id) for sale in sales for payment_id in sale.payment_ids)
                # A refund takes its share of what rounding left with it.
                assert remainder == exact_sum(*(payment.carried for payment in paid if payment)), self.story()

    def _stored_checkouts(self) -> list[Checkout]:
        found = (read_checkout(self.table, checkout.id) for checkout in self.checkouts)
        return [checkout for checkout in found if checkout is not None]

    def _waiting_for_a_person(self) -> tuple[set[str], "Counter[str]"]:
        """Payments of rebuilt checkouts that fit more than one, or none, and what went back of them: all parked.

        A refund that names no payment waits as long as the payment of its order does.
        """
        taken = {payment.payment_id for payment in self.known_payments() if payment.charge is not None}
        kept = (read_delivery(self.table, hashlib.sha256(body).hexdigest()) for body in set(self.delivered))
        parked = [json.loads(each.body) for each in kept if each and each.verdict == "parked"]
        payments = {event["data"]["paymentId"] for event in parked if event["eventType"] == "order.completed"}
        assert payments == self.payments.keys() - taken, self.story()
        refunded = Counter[str]()
        for event in parked:
            if event["eventType"] == "refund.succeeded":
                assert self.paid_by[event["data"]["orderId"]] in payments, self.story()
                refunded[event["data"]["currency"]] += _minor(Decimal(event["data"]["refundedAmount"]))
        return payments, refunded

    def story(self) -> str:
        """What happened, for whoever has to find out."""
        return "\n".join([f"model {self.model}, seed {self.seed}", *self.told])


def _minor(amount: Decimal) -> int:
    """Hundredths, exactly: whatever is finer is an error of ours."""
    assert amount * 100 == int(amount * 100)
    return int(amount * 100)


def _told(outcome: Outcome) -> str:
    return f"{outcome.event_type} of {outcome.order_id}: {outcome.verdict}, {outcome.reason}"
