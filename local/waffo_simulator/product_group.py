"""A group of subscription products."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True, kw_only=True)
class ProductGroup:
    """Subscription products between which a buyer may change."""

    id: str
    name: str
    description: str | None
    rules: dict[str, bool]
    product_ids: list[str]
    created_at: datetime
    is_published: bool = False
