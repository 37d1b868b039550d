"""Whom usage names that cannot be counted: in the places where its format has identities, and nowhere else.

An id may stand anywhere in what a source sends, as a number of pages or a name of a model. Only where the format says who
somebody is does it mean a person.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pancake_meter.domain.customer import is_customer_id
from pancake_meter.litellm import payload as litellm
from pancake_meter.store.usage.parked_usage import ParkedUsage, UsageSource, content_of
from pancake_meter.value import replace

_CUSTOMER = 0
"""The place of the customer in a packed event of the bulk queue."""


def identities(source: UsageSource, item: object) -> tuple[str, ...]:
    """Return what an item says of whose it is, and of who made the call, as far as it can name a customer; each once."""
    if source == "litellm":
        return tuple(filter(is_customer_id, dict.fromkeys(litellm.identities_of(item).values())))
    stated = stated_customer(source, item)
    return (stated,) if stated is not None else ()


def stated_customer(source: UsageSource, item: object) -> str | None:
    """Return the customer whom the format itself names; ``None`` of LiteLLM's, where the catalog says whom to believe."""
    match source, item:
        case "openmeter", Mapping():
            stated = item.get("subject")
        case "bulk", [*fields] if fields:
            stated = fields[_CUSTOMER]
        case _:
            return None
    return stated if isinstance(stated, str) and is_customer_id(stated) else None


def owner_of(parked: ParkedUsage) -> str | None:
    """Return whose parked usage is; ``None`` where nobody is named in a way that is trusted."""
    return parked.customer_id or stated_customer(parked.source, json.loads(parked.content))


def is_about(parked: ParkedUsage, customer_id: str) -> bool:
    """Return whether parked usage is a customer's, or nobody's and names the customer."""
    owner = owner_of(parked)
    named = identities(parked.source, json.loads(parked.content)) if owner is None else (owner,)
    return customer_id in named


def renamed(parked: ParkedUsage, identity: str, name: str) -> ParkedUsage | None:
    """Return parked usage that names ``name`` in the place of somebody; ``None`` where it does not name them.

    It stays known by the id that it has: the same usage, sent again, is the same parked usage.
    """
    content = json.loads(parked.content, parse_float=Decimal)
    if identity not in identities(parked.source, content):
        return None
    return replace(parked, content=content_of(_renamed(parked.source, content, identity, name)), kept_as=parked.digest)


def _renamed(source: UsageSource, item: Any, identity: str, name: str) -> Any:
    match source, item:
        case "litellm", _:
            return litellm.renamed(item, identity, name)
        case "openmeter", Mapping():
            return {**item, "subject": name}
        case _:
            return [name, *item[_CUSTOMER + 1 :]]
