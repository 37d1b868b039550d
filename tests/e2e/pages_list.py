"""Every page that people see, in one place: what the checks open, and of what pictures are made.

The demo month (``local/demo``) is what the pages show; its first customers are enough.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal
from uuid import uuid4

import httpx

PARTS: frozenset[str] = frozenset({"buy", "portal", "console"})
"""The kinds of page that this version has."""

CUSTOMERS = 5
"""Customers of the demo month that all the pages need."""

HERO, FREE, OVERDUE = "north-robotics", "birch-studio", "atlas-freight"

Texts = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Page:
    """One page. ``path`` has places for facts of the stack in hand; ``door`` is the address that signs in, if any.

    ``texts`` must be there without JavaScript, by language, or under ``any``. ``is_shot``: the documentation shows it.
    """

    part: Literal["buy", "portal", "console"]
    name: str
    path: str
    door: str | None = None
    status: int = HTTPStatus.OK
    texts: Texts = field(default_factory=dict)
    is_shot: bool = False


def _buy(name: str, path: str, texts: Texts, status: int = HTTPStatus.OK, *, is_shot: bool = False) -> Page:
    return Page("buy", f"buy-{name}", path, None, status, texts, is_shot)


def _portal(name: str, path: str, texts: Texts, customer: str = HERO, *, is_shot: bool = False) -> Page:
    door = f"{{portal_url}}?customer={customer}"
    return Page("portal", f"portal-{name}", path, door, HTTPStatus.OK, texts, is_shot)


def _console(name: str, path: str, *texts: str, status: int = HTTPStatus.OK, is_shot: bool = False) -> Page:
    return Page("console", f"console-{name}", path, "{console_url}", status, {"any": texts}, is_shot)


PAGES = (
    # Those for which nobody is signed in come first.
    _buy("pack", "/buy/{pack_link}", {"en": ["100,000", "$4.00"], "zh-Hans": ["100,000", "US$4.00"]}, is_shot=True),
    _buy("plan", "/buy/{plan_link}", {"any": ["Starter", "$9.00"]}, is_shot=True),
    _buy("waiting", "/buy/{waiting}/paid", {}),
    _buy("paid", "/buy/{paid}/paid", {"any": ["100,000"]}, is_shot=True),
    _buy("invalid", "/buy/nonsense", {}, HTTPStatus.NOT_FOUND),
    Page("portal", "portal-over", "/portal", status=HTTPStatus.UNAUTHORIZED),
    Page("console", "console-sign-in", "/console/sign-in", is_shot=True),
    _portal("home", "/portal", {"any": ["{used}", "{allowance}", "Pro"]}, is_shot=True),
    _portal(
        "usage", "/portal/usage/tokens", {"any": ["{used}"], "en": ["By model"], "zh-Hans": ["按模型"]}, is_shot=True
    ),
    _portal("payments", "/portal/payments", {"any": ["29.00"]}, is_shot=True),
    _portal("limit", "/portal/limits/tokens", {}),
    _portal("cancel", "/portal/subscriptions/{hero_order}/cancel", {}),
    _portal("home-free", "/portal", {"any": ["10,000"]}, FREE),
    _portal("home-overdue", "/portal", {"any": ["Agent"]}, OVERDUE, is_shot=True),
    _console("overview", "/console", is_shot=True),
    _console("customers", "/console/customers", is_shot=True),
    _console("customers-past-due", "/console/customers?status=past_due", OVERDUE),
    _console("customer", f"/console/customers/{HERO}", HERO, "{used}", is_shot=True),
    _console("payments", "/console/payments", is_shot=True),
    _console("payment", "/console/payments/{payment}", "{payment}"),
    _console("deliveries", "/console/deliveries", is_shot=True),
    _console("delivery", "/console/deliveries/{parked_delivery}", "subscription.activated"),
    Page(
        "console",
        "console-parked-usage",
        "/console/parked-usage",
        "{console_url}",
        texts={"en": ["cannot_measure"], "zh-Hans": ["无法从该用量中算出数量"]},
        is_shot=True,
    ),
    _console("alerts", "/console/alerts"),
    _console("alert", "/console/alerts/{alert}", "{alert}"),
    _console("catalog", "/console/catalog", "Starter", "Scale", is_shot=True),
    _console("launch", "/console/launch", is_shot=True),
    _console("keys", "/console/keys", "support desk", is_shot=True),
    _console("not-found", "/console/no/such/page", status=HTTPStatus.NOT_FOUND),
)


def pages_of(ready: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the pages that this version has, filled with the facts of a stack that has lived the demo month."""
    facts = {**ready, **_facts(ready)}

    def filled(text: str) -> str:
        return text.format_map(facts)

    return [
        {
            "name": page.name,
            "url": ready["api_url"] + filled(page.path),
            "door": filled(page.door) if page.door else None,
            "status": int(page.status),
            "texts": {language: [filled(text) for text in texts] for language, texts in page.texts.items()},
            "is_shot": page.is_shot,
        }
        for page in PAGES
        if page.part in PARTS
    ]


def _facts(ready: Mapping[str, Any]) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {ready['api_key']}"}
    with httpx.Client(base_url=ready["api_url"], headers=headers, timeout=60, trust_env=False) as api:

        def get(path: str, **params: str) -> Any:
            return api.get(path, params=params).raise_for_status().json()

        quota, hero = get(f"/v1/customers/{HERO}/quota/tokens"), get(f"/v1/customers/{HERO}")
        (parked, *_) = [
            each
            for each in get("/v1/deliveries", verdict="parked")["deliveries"]
            if each["event_type"] == "subscription.activated"
        ]
        refused = _refused(api, FREE)
        facts = {
            "used": f"{quota['used']:,}",
            "allowance": f"{quota['allowance']:,}",
            "hero_order": hero["orders"][0]["order_id"],
            "parked_delivery": parked["delivery_id"],
            "payment": get("/v1/payments")["payments"][0]["payment_id"],
            "alert": get("/v1/alerts")["alerts"][0]["id"],
            "pack_link": _token(refused["purchase_url"]),
            "plan_link": _token(refused["upgrade_url"]),
        }
        if "buy" not in PARTS:
            return {**facts, "waiting": "", "paid": ""}
        with httpx.Client(base_url=ready["waffo_url"], timeout=60, trust_env=False) as waffo:
            return {**facts, "waiting": _landing(api, waffo), "paid": _landing(api, waffo, is_paid=True)}


def _refused(api: httpx.Client, customer: str) -> dict[str, Any]:
    """Return the refusal of a hold that is more than a free customer has."""
    body = {"meter": "tokens", "quantity": 1_000_000, "id": f"page-{uuid4().hex}"}
    answer = api.post(f"/v1/customers/{customer}/holds", json=body)
    assert answer.status_code == HTTPStatus.PAYMENT_REQUIRED, answer.text
    refusal: dict[str, Any] = answer.json()
    return refusal


def _landing(api: httpx.Client, waffo: httpx.Client, *, is_paid: bool = False) -> str:
    """Press the button of a new customer's link, pay if that is wanted, and return the token of the page after it."""
    customer = f"visitor-{uuid4().hex[:8]}"
    api.get(f"/v1/customers/{customer}/quota")
    link = _refused(api, customer)["purchase_url"]
    gone = api.post(link, data={}, headers={"Origin": str(api.base_url).rstrip("/")})
    assert gone.status_code == HTTPStatus.SEE_OTHER, gone.text
    session = waffo.get("/_sim/state").raise_for_status().json()["sessions"][-1]
    if is_paid:
        waffo.post(f"/_sim/checkout/{session['id']}/pay", json={"buyer_identity": customer}).raise_for_status()
        waffo.post("/_sim/flush", json={}).raise_for_status()
    return _token(session["success_url"].removesuffix("/paid"))


def _token(link: str) -> str:
    return link.rpartition("/buy/")[2]
