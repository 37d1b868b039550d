"""The portal's home: each meter, the plan, what is to be known, and the latest payments."""

from datetime import datetime
from typing import Final

from aws_lambda_powertools.event_handler import Response

from pancake_meter.catalog import Catalog
from pancake_meter.usecases.reports.customer_home import CustomerHome
from pancake_meter.usecases.selling.offer import Offers
from pancake_pages.portal.meters import EXTRAS_SHOWN, meter_cards
from pancake_pages.portal.payments import payments
from pancake_pages.portal.standing import notices, subscriptions
from pancake_pages.portal.visit import Visit

DONE: Final = frozenset({"limit_set", "limit_removed", "cancel", "ended", "reactivate"})
"""What an action may say was done."""

_ROWS: Final = 5


def home_page(
    visit: Visit,
    home: CustomerHome,
    catalog: Catalog,
    offers: Offers,
    base_url: str | None,
    now: datetime,
) -> Response[str]:
    """Return the page. Without a ``base_url`` the session may not buy."""
    language, done = visit.view.language, visit.what_was_done
    cards, plans = meter_cards(home, catalog, offers, language, base_url, now), subscriptions(home, catalog)
    rows = payments(home, catalog, offers, language, base_url, now)
    return visit.view.page(
        "portal/home.html",
        cookies=visit.said,
        **visit.facts,
        customer_id=home.customer_id,
        done=done if done in DONE else None,
        notices=notices(home, plans, catalog, language, now),
        cards=[card for card in cards if card.is_covered],
        others=[card for card in cards if not card.is_covered and not card.shop.is_empty],
        extras_shown=EXTRAS_SHOWN,
        plans=plans,
        now=now,
        default_plan=catalog.default_plan,
        rows=rows[:_ROWS],
        has_more=len(rows) > _ROWS,
    )
