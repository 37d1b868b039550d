"""What a simulator is started with."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Literal

Mode = Literal["test", "prod"]
Kind = Literal["onetime", "subscription"]
BillingPeriod = Literal["weekly", "monthly", "quarterly", "yearly"]


@dataclass(frozen=True, slots=True)
class Product:
    """A product of the store. `prices` are amounts before tax by currency; one without a price needs a priceSnapshot.

    `trial_days` is how long a subscription's trial lasts (`None`: it has none), `trial_prices` what the trial costs by
    currency, nothing where none is given.
    """

    id: str
    name: str
    kind: Kind
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    billing_period: BillingPeriod | None = None
    description: str | None = None
    tax_category: str = "saas"
    trial_days: int | None = None
    trial_prices: Mapping[str, Decimal] = field(default_factory=dict)
    status: str = "active"
    has_prod_version: bool = False


@dataclass(frozen=True, slots=True)
class SimulatorConfig:
    """Who the merchant is, what the store sells, how it behaves.

    `merchant_public_key_pem`: whose requests are let in. `webhook_private_key_pem`: signs webhooks; `None` makes one.
    `base_url`: where the checkout pages are; `None` takes it from each request. `webhook_url`: a first webhook for every
    event; more by /_sim/webhooks. `seed`: fixes every id and every shuffle; `None` makes each run its own. `clock_file`:
    where the clock is told to others.
    """

    merchant_id: str
    merchant_public_key_pem: str
    store_id: str
    mode: Mode = "test"
    products: Sequence[Product] = ()
    store_name: str = "Local Store"
    webhook_private_key_pem: str | None = None
    webhook_url: str | None = None
    base_url: str | None = None
    seed: int | None = None
    retry_base_seconds: float = 1.0
    delivery_timeout_seconds: float = 10.0
    clock_file: Path | None = None

    @property
    def store_slug(self) -> str:
        """The store's name as it stands in checkout URLs."""
        return re.sub(r"[^a-z0-9]+", "-", self.store_name.lower()).strip("-") or "store"
