"""Who lives through the demo month: each customer's plan, when it began, and how much they use."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Customer:
    """One customer. `days_before` is how long before the month the subscription began.

    `daily` is what they use on an ordinary day, by meter; after the day `stops` they use nothing any more.
    """

    id: str
    product: str | None
    days_before: int
    daily: Mapping[str, int]
    stops: int = 30

    @property
    def order_name(self) -> str:
        """The external id of their subscription."""
        return f"demo-{self.id}"


def _tokens(name: str, product: str | None, days_before: int, daily: int, stops: int = 30) -> Customer:
    return Customer(name, product, days_before, {"tokens": daily}, stops)


def _runs(name: str, days_before: int, runs: int, requests: int) -> Customer:
    return Customer(name, "Agent", days_before, {"agent_runs": runs, "requests": requests})


# Those with the most to show come first: a small demo has only them.
CAST = (
    _tokens("north-robotics", "Pro", 18, 54_000),
    _runs("atlas-freight", 6, 14, 900),
    _tokens("birch-studio", None, 0, 320),
    _tokens("harbor-legal", "Starter", 11, 3_200),
    _tokens("vista-health", "Scale", 9, 430_000),
    _tokens("acorn-notes", None, 0, 120),
    _tokens("dune-reader", None, 0, 260),
    _tokens("elm-tutors", None, 0, 410),
    _tokens("fern-press", None, 0, 190, 17),
    _tokens("moss-archive", None, 0, 40),
    _tokens("gale-travel", "Starter", 25, 3_900),
    _tokens("iris-design", "Starter", 20, 2_100),
    _tokens("juniper-news", "Starter", 16, 1_700, 18),
    _tokens("kelp-kitchen", "Starter", 5, 2_650),
    _tokens("lumen-school", "Starter", 27, 2_400),
    _tokens("maple-clinic", "Starter", 2, 1_200),
    _tokens("coral-events", "Starter", 14, 2_400),
    _tokens("opal-games", "Pro", -24, 22_000),
    _tokens("pine-insurance", "Pro", 7, 36_500),
    _tokens("quartz-media", "Pro", 10, 21_000),
    _tokens("river-bank", "Starter", 13, 3_300),
    _tokens("slate-search", "Pro yearly", 75, 26_000),
    _tokens("tidal-energy", "Pro yearly", 40, 12_000),
    _tokens("delta-foods", "Pro", 21, 9_000, 12),
    _tokens("umber-motors", "Scale", 26, 210_000),
    _tokens("willow-retail", "Scale", 8, 180_000),
    _tokens("xenon-cloud", "Scale", 17, 95_000),
    _runs("yarrow-ops", 22, 9, 2_100),
    _runs("zephyr-desk", 8, 23, 2_900),
    _runs("beacon-hr", 12, 6, 600),
)

PRIMARY_METER = {"Agent": "agent_runs"}
"""The meter that a product's customers buy more of, where it is not tokens."""
