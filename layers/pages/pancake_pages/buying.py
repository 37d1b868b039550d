"""Pages about buying: what is offered, why nothing is sold, and what a payment has brought."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Final

from aws_lambda_powertools.event_handler import Response

from pancake_meter.catalog import Catalog, Meter, Product
from pancake_meter.domain.access.masking import masked_id
from pancake_meter.domain.balance.balance import ZERO
from pancake_meter.domain.errors import DomainError, HighestPlan, PlanNotChangeable
from pancake_meter.domain.instant import from_ms, to_ms
from pancake_meter.domain.selling.money import Money
from pancake_meter.domain.selling.plan import MeterAllowance, OverageBlocked, OverageCapped, Plan
from pancake_meter.usecases.selling.follow_link import LinkOffer
from pancake_meter.usecases.selling.open_checkout import Quoted
from pancake_meter.usecases.selling.see_payment import SeenPayment
from pancake_meter.value import Value, replace
from pancake_pages.headers import PageHeaders
from pancake_pages.price_words import PriceWords
from pancake_pages.site import View

RETRY_AFTER: Final = {"Retry-After": "5"}

LOOKS_MAX: Final = 20
"""Times that the page after a payment looks by itself; it waits for somewhat less than two minutes."""

_DELAYS: Final = ((8, 2), (14, 5), (LOOKS_MAX, 10))
"""Up to which look how many seconds lie between two of them."""


_LOOK_DIGITS_MAX: Final = 3

_STEM: Final = 3
"""Letters by which two forms of a word are known: ``query`` and ``queries``."""

_NEVER: Final = "0"
_MARK: Final = re.compile(r"[0-9]{1,14}")
"""An instant in a form, in milliseconds."""


_NOTHING_TO_PAY: Final = "nothing_to_pay"
_REFUSALS: Final[Mapping[str, str]] = {
    "too_many_grants": "no_room",
    "too_many_orders": "no_room_for_order",
    "nothing_owed": "nothing_owed",
    "customer_blocked": "blocked",
}
"""Pages that say why nothing is sold, by the error's code."""


class Line(Value):
    """A line of overage as it is shown."""

    period: str
    quantity: Decimal
    amount: Money


class Term(Value):
    """What a plan includes of a meter, what holds beyond that, and what the customer has of it now."""

    then: str
    beyond: str | None = None
    now: str | None = None


class Buying(Value):
    """The pages of one request. ``back_url`` leads back to the seller."""

    view: View
    catalog: Catalog
    back_url: str | None

    @classmethod
    def of(cls, view: View, catalog: Catalog, back_url: str | None) -> "Buying":
        """Return the pages of a request, with the headers of pages whose form ends at Waffo."""
        return cls(replace(view, headers=PageHeaders(leads_to_payment=True)), catalog, back_url)

    def offer(self, customer_id: str, offer: LinkOffer, now: datetime, *, is_changed: bool = False) -> Response[str]:
        """Return the page that says what is sold, to whom and for how much. ``is_changed``: it was another one before."""
        quote = offer.quoted.quote
        facts = self._plan(offer.quoted) if quote.plan is not None else self._units(offer, now)
        return self.view.page(
            "buy/offer.html",
            HTTPStatus.CONFLICT if is_changed else HTTPStatus.OK,
            quote=quote,
            account=masked_id(customer_id),
            is_open=offer.is_open,
            is_changed=is_changed,
            notes=self._notes(offer, now),
            paid_until=_marked(offer.paid.created_at) if offer.paid else _NEVER,
            back_url=self._back_url,
            **{**_NOTHING_MORE, **facts},
        )

    def refusal(self, error: Exception) -> Response[str]:
        """Return the page that says why nothing is sold."""
        key, values = self._reason(error)
        return self.view.message(f"buy.{key}", HTTPStatus.CONFLICT, self.back_url, None, **values)

    def message(self, key: str, status: HTTPStatus, headers: Mapping[str, str] | None = None) -> Response[str]:
        """Return a page with a title and a text, and a way back."""
        return self.view.message(f"buy.{key}", status, self.back_url, headers)

    def payment(self, seen: SeenPayment, path: str, look: int, again_url: str | None) -> Response[str]:
        """Return the page after a payment. ``path`` is its own, ``look`` counts how often the browser has looked by itself.

        ``again_url`` leads back to the offer, for those who have not paid.
        """
        t = self.view.language.words
        facts: dict[str, Any] = {
            "title": "",
            "text": t("buy.done.thanks"),
            "is_good": False,
            "left": None,
            "terms": (),
            "terms_title": "",
            "next_url": None,
            "delay_seconds": 0,
            "look_again_url": None,
            "again_url": None,
        }
        match seen.state:
            case "waiting" if look < LOOKS_MAX:
                delay = next(seconds for looks, seconds in _DELAYS if look < looks)
                facts |= {"title": t("buy.waiting.title"), "text": t("buy.waiting.text")}
                facts |= {"next_url": f"{path}?look={look + 1}", "delay_seconds": delay}
            case "waiting":
                facts |= {"title": t("buy.waiting.long_title"), "text": t("buy.waiting.long_text")}
                facts |= {"look_again_url": path, "again_url": again_url}
            case "arriving":
                facts |= {"title": t("buy.arriving.title"), "text": t("buy.arriving.text"), "look_again_url": path}
            case "lapsed":
                facts |= {"title": t("buy.lapsed.title"), "text": t("buy.lapsed.text"), "again_url": again_url}
            case "unheard":
                facts |= {"title": t("buy.unheard.title"), "text": t("buy.unheard.text"), "look_again_url": path}
            case _:
                facts |= self._paid(seen)
        account = masked_id(seen.checkout.customer_id)
        return self.view.page("buy/payment.html", account=account, back_url=self._back_url, **facts)

    @property
    def _back_url(self) -> str | None:
        return self.back_url or self.view.site.brand.home_url

    def _paid(self, seen: SeenPayment) -> dict[str, Any]:
        """Return what the page says of a payment that has arrived."""
        t, checkout = self.view.language.words, seen.checkout
        if checkout.plan is not None:
            return self._paid_plan(seen, checkout.plan)
        meter = checkout.meter or ""
        units = self._amount_of(checkout.quantity, meter)
        left = {"left": self._amount_of(seen.balance.available, meter)} if seen.balance else {}
        match seen.state:
            case "brought":
                return {"title": t(f"buy.done.{checkout.kind}", units=units), "is_good": True, **left}
            case "looked_at" | "decided":
                return {"title": t(f"buy.{seen.state}.title"), "text": t(f"buy.{seen.state}.text")}
            case _:
                return {"title": t(f"buy.{seen.state}.title"), "text": t(f"buy.{seen.state}.text", what=units), **left}

    def _paid_plan(self, seen: SeenPayment, key: str) -> dict[str, Any]:
        t, plan = self.view.language.words, self.catalog.plans.get(key)
        name = plan.name if plan else key
        if seen.state != "brought":
            return {"title": t(f"buy.{seen.state}.title"), "text": t(f"buy.{seen.state}.text", what=name)}
        return {
            "title": t("buy.done.plan", plan=name),
            "is_good": True,
            "terms": [Term(self._allowance(each)) for each in plan.allowances.values()] if plan else (),
            "terms_title": t("buy.done.plan_includes", plan=name),
        }

    def _notes(self, offer: LinkOffer, now: datetime) -> Sequence[str]:
        t, language = self.view.language.words, self.view.language
        notes = [t(f"buy.{offer.instead}")] if offer.instead else []
        if offer.is_open:
            notes.append(t("buy.open"))
        if (paid := offer.just_paid(now)) is not None:
            what, price = self._amount_of(paid.quantity, paid.meter or ""), language.money(paid.amount)
            notes.append(t("buy.just_paid", what=what, price=price, when=language.instant(paid.created_at)))
        return notes

    def _units(self, offer: LinkOffer, now: datetime) -> dict[str, Any]:
        """Return what the page says of units that are bought ahead, or of overage that is owed."""
        t, language, quote = self.view.language.words, self.view.language, offer.quoted.quote
        meter = quote.meter or ""
        title = t(f"buy.{quote.kind}.title", units=self._amount_of(quote.quantity, meter))
        if quote.kind == "overage":
            return {
                "title": title,
                "lead": t("buy.overage.lead"),
                "meter_name": self._name(meter),
                "lines": self._lines(offer.quoted),
            }
        valid = t("buy.top_up.valid_forever")
        if quote.expires_after is not None:
            days, until = quote.expires_after.days, language.day((now + quote.expires_after).date())
            valid = t("buy.top_up.valid_days", count=days, shown=language.number(days), until=until)
        facts = [
            (t("buy.top_up.added"), t("buy.top_up.added_at_once")),
            (t("buy.top_up.valid"), valid),
        ]
        balance = offer.quoted.balance
        owed = min(quote.quantity, balance.overage_due + balance.current_overage) if balance else ZERO
        note = t("buy.top_up.pays_owed", units=self._amount_of(owed, meter)) if owed > ZERO else None
        return {"title": title, "facts": facts, "note": note}

    def _lines(self, quoted: Quoted) -> Sequence[Line]:
        return [
            Line(self._period(line.key.period_start, quoted.period_ends.get(line.key)), line.quantity, line.amount)
            for line in quoted.quote.lines
        ]

    def _period(self, start: datetime, end: datetime | None) -> str:
        t, day = self.view.language.words, self.view.language.day
        begins = day(start.astimezone(UTC).date())
        if end is None:
            return t("buy.overage.from_day", start=begins)
        return t("buy.overage.span", start=begins, end=day(end.astimezone(UTC).date()))

    def _plan(self, quoted: Quoted) -> dict[str, Any]:
        """Return what the page says of a plan: what it includes, beside what the customer has, and from when."""
        t, quote = self.view.language.words, quoted.quote
        plan = self.catalog.plans[quote.plan or ""]
        product = _product_of(self.catalog, quote.product_id)
        held = quoted.held.plan if quoted.held else None
        before = held or (None if plan.add_on else self.catalog.default_plan)
        notes = [t("buy.plan.prorated", old=held.name)] if held else []
        if held is None and product is not None and product.trial_days:
            days = product.trial_days
            shown, price = self.view.language.number(days), self.view.language.money(quote.amount)
            notes.append(t("buy.plan.trial", count=days, shown=shown, price=price))
        title = t("buy.plan.change", old=held.name, new=plan.name) if held else t("buy.plan.subscribe", plan=plan.name)
        return {
            "title": title,
            "per": t(f"buy.plan.per.{product.billing_period}") if product and product.billing_period else None,
            "facts": [
                (t("buy.plan.starts"), self._start(quoted, plan)),
                (t("buy.plan.renews"), t("buy.plan.renews_by_itself")),
            ],
            "terms": self._terms(plan, before, quote.amount.currency),
            "terms_title": t("buy.plan.compared") if before else t("buy.plan.includes", plan=plan.name),
            "now_title": t("buy.plan.now", plan=before.name) if before else "",
            "note": " ".join(notes) or None,
        }

    def _start(self, quoted: Quoted, plan: Plan) -> str:
        t, held = self.view.language.words, quoted.held
        is_later = quoted.quote.timing == "next_period" or (
            quoted.quote.timing is None and held is not None and plan.rank <= held.plan.rank
        )
        if not is_later or held is None:
            return t("buy.plan.starts_at_once")
        if held.ends_at is None:
            return t("buy.plan.starts_next_unknown")
        return t("buy.plan.starts_next", when=self.view.language.instant(held.ends_at))

    def _terms(self, plan: Plan, before: Plan | None, currency: str) -> Sequence[Term]:
        """Return what the plan includes, and after that what the customer has now and loses."""
        t, had = self.view.language.words, before.allowances if before else {}
        kept = [
            Term(
                self._allowance(allowance),
                self._beyond(allowance, had.get(meter), currency),
                self._allowance(had[meter]) if meter in had else None,
            )
            for meter, allowance in plan.allowances.items()
        ]
        lost = [
            Term(t("buy.plan.no_more", meter=self._name(meter)), now=self._allowance(allowance))
            for meter, allowance in had.items()
            if meter not in plan.allowances
        ]
        return [*kept, *lost]

    def _allowance(self, allowance: MeterAllowance) -> str:
        units = self._amount_of(allowance.quantity, allowance.meter)
        return self.view.language.words(f"buy.plan.each.{allowance.cadence}", units=units)

    def _beyond(self, allowance: MeterAllowance, had: MeterAllowance | None, currency: str) -> str | None:
        """Return what use beyond an allowance costs, and whether it was not possible before; ``None``: it costs nothing."""
        t, meter = self.view.language.words, allowance.meter
        if isinstance(allowance.overage, OverageBlocked):
            return t("buy.beyond.stops")
        price = allowance.prices.get(currency)
        if price is None:
            return None
        words = PriceWords(
            self.view.language, currency, lambda units: self._amount_of(units, meter), self._noun(Decimal(1), meter)
        )
        if isinstance(allowance.overage, OverageCapped):
            limit = self._amount_of(allowance.overage.limit, meter)
            text = t("buy.beyond.capped", limit=limit, price=words.of(price))
        else:
            text = t("buy.beyond.charged", price=words.of(price))
        is_new = had is not None and isinstance(had.overage, OverageBlocked)
        return t("buy.beyond.new", beyond=text) if is_new else text

    def _amount_of(self, quantity: Decimal, meter: str) -> str:
        noun, shown = self._noun(quantity, meter), self.view.language.number(quantity)
        return self.view.language.words("buy.units", quantity=shown, meter=noun)

    def _noun(self, quantity: Decimal, meter: str) -> str:
        """Return what so many units of a meter are called inside of a text."""
        known = self.catalog.meters.get(meter)
        if known is None:
            return meter
        return known.unit if self.view.language.is_one(quantity) else in_text(known)

    def _name(self, meter: str) -> str:
        known = self.catalog.meters.get(meter)
        return known.name if known else meter

    def _reason(self, error: Exception) -> tuple[str, Mapping[str, str]]:
        match error:
            case HighestPlan():
                return self._by_standing(error, "highest_plan", "highest_plan_overdue", "highest_plan_cancelled")
            case PlanNotChangeable():
                return self._by_standing(error, "plan_cancelled", "payment_overdue", "plan_cancelled")
            case DomainError(code=code):
                return _REFUSALS.get(code, _NOTHING_TO_PAY), {}
            case _:
                return _NOTHING_TO_PAY, {}

    def _by_standing(
        self, error: DomainError, active: str, overdue: str, cancelled: str
    ) -> tuple[str, Mapping[str, str]]:
        """Return the page for the status of the customer's order. A page of a cancelled one says when it ends."""
        t, ends_at = self.view.language.words, error.details.get("ends_at")
        key = {"past_due": overdue, "canceling": cancelled}.get(str(error.details.get("order_status")), active)
        if not isinstance(ends_at, str):
            return key, {"when": t("buy.when.period")}
        return key, {"when": t("buy.when.at", instant=self.view.language.instant(datetime.fromisoformat(ends_at)))}


_NOTHING_MORE: Final[Mapping[str, Any]] = {
    "lead": None,
    "per": None,
    "facts": (),
    "lines": (),
    "meter_name": "",
    "terms": (),
    "terms_title": "",
    "now_title": "",
    "note": None,
}


def looks_of(view: View) -> int:
    """Return how often the browser has looked by itself, as the address says; 0 for what is no such number."""
    text = (view.event.get("queryStringParameters") or {}).get("look", "")
    return min(int(text), LOOKS_MAX) if text.isascii() and text.isdigit() and len(text) <= _LOOK_DIGITS_MAX else 0


def paid_until_of(form: Mapping[str, str]) -> datetime | None:
    """Return until when a page knew of payments for what it offers, as its form says; ``None``: it does not say."""
    text = form.get("paid_until", "")
    return from_ms(int(text)) if _MARK.fullmatch(text) else None


def _marked(at: datetime) -> str:
    return str(to_ms(at))


def in_text(meter: Meter) -> str:
    """Return the name of a meter as it is written inside of a text: ``tokens`` of ``Tokens``, but ``Claude tokens``.

    Its first letter is a small one where the name of one unit begins with the same word and a small letter, and so says that
    it is a common one.
    """
    first, unit = meter.name.partition(" ")[0], meter.unit
    is_word = first[1:].islower() and meter.name.replace(" ", "").isalpha()
    is_common = is_word and first[:_STEM].lower() == unit[:_STEM]
    return meter.name[:1].lower() + meter.name[1:] if is_common else meter.name


def _product_of(catalog: Catalog, product_id: str) -> Product | None:
    return next((each for each in catalog.products if product_id in each.product_ids.values()), None)
