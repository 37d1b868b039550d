"""Usage as its sources tell it: one reading for each of them, from an item on the wire to units by meter."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from pancake_meter.catalog import Catalog
from pancake_meter.domain.access.pseudonym import check_live_customer_id
from pancake_meter.domain.balance.hold import CustomerHold
from pancake_meter.domain.customer import is_customer_id
from pancake_meter.domain.errors import UnknownEventType, UnknownUsageCustomer, UnreadableUsage
from pancake_meter.domain.quantity import parse_quantity
from pancake_meter.domain.usage.llm_call import LlmCall
from pancake_meter.domain.usage.measuring import EventMapping, Happening, WeighedTokens, measure
from pancake_meter.domain.usage.usage_event import UsageEvent, dated_usage_event
from pancake_meter.litellm import payload as litellm_payload
from pancake_meter.litellm.payload import is_nobody, llm_call
from pancake_meter.litellm.usage_object import token_pools
from pancake_meter.openmeter.cloud_event import LITELLM_SOURCE, CloudEvent, cloud_event, event_id
from pancake_meter.openmeter.cloud_event import kept_of as cloud_event_kept
from pancake_meter.store.usage.parked_usage import UsageSource
from pancake_meter.usecases.balance.record_usage import UsageLine
from pancake_meter.usecases.usage.identities import stated_customer
from pancake_meter.value import Value, field, replace


class Measured(Value):
    """What an item comes to: a line for every meter that it feeds, none where its settings say that it does not count.

    ``hold`` reserved units for it, and is over once the item is counted, or found not to count.
    """

    lines: tuple[UsageLine, ...] = field(default=())
    hold: CustomerHold | None = None

    @property
    def held_line(self) -> UsageLine | None:
        """The line that settles the hold: that of its meter."""
        return next((line for line in self.lines if self.hold and line.meter == self.hold.handle.meter), None)

    @property
    def recorded_lines(self) -> list[UsageLine]:
        """The lines that settle no hold."""
        return [line for line in self.lines if line is not self.held_line]


Read = Callable[[Catalog, object, datetime], Measured]
"""Raises ``DomainError`` for an item that cannot be counted."""


class Source(Value):
    """Where usage comes from: how an item is read, and of one that cannot be counted, what is kept and whose it is.

    ``customer`` is ``None`` where nobody is named in a way that the catalog trusts. A source that ``repeats_itself`` sends a
    batch again after every trouble, and some calls more than once without any.
    """

    name: UsageSource
    read: Read
    keep: Callable[[Catalog, object], Any]
    customer: Callable[[Catalog, object], str | None]
    repeats_itself: bool = False


def read_llm_call(catalog: Catalog, item: object, now: datetime) -> Measured:
    """Read a payload of LiteLLM. The same call is the same event, whatever time a second telling gives it."""
    settings = catalog.llm_calls
    if settings is None:
        raise UnreadableUsage("the catalog has no [litellm] section")
    call = llm_call(item)
    stated = settings.customer_of(call.identities)
    hold = _own_hold(catalog, call, stated)
    if not settings.counts(call):
        return Measured(hold=hold)
    if stated is None:
        raise UnknownUsageCustomer("the call has none of the identities that the catalog trusts")
    customer_id = _customer(stated)
    units = {meter: measure(catalog.meters[meter].measure, call.happening) for meter in settings.meters}
    events = {
        meter: dated_usage_event(call.id, q, call.ended_at, now).made_of(call.model, LITELLM.name)
        for meter, q in units.items()
    }
    return replace(_lines(customer_id, events), hold=hold)


def read_cloud_event(catalog: Catalog, item: object, now: datetime) -> Measured:
    """Read a CloudEvent as OpenMeter takes them. The same (source, id) is the same event, whatever time a sender stamps."""
    event = item if isinstance(item, CloudEvent) else cloud_event(item)
    mappings = [mapping for mapping in catalog.event_mappings if mapping.type == event.type]
    if not mappings:
        raise UnknownEventType(f"no meter is fed by events of type {event.type!r}", type=event.type)
    customer_id = _subject(event)
    identity = event_id(event)
    events: dict[str, UsageEvent] = {}
    for mapping in mappings:
        counted = dated_usage_event(identity, _units(catalog, mapping, event), event.time or now, now)
        events[mapping.meter] = counted.made_of(event.at(mapping.model) if mapping.model else None, event.source)
    return _lines(customer_id, events)


def _keep_call(catalog: Catalog, item: object) -> Any:
    return litellm_payload.kept_of(item, catalog.llm_calls.customer if catalog.llm_calls is not None else ())


def _caller(catalog: Catalog, item: object) -> str | None:
    settings = catalog.llm_calls
    stated = settings.customer_of(litellm_payload.identities_of(item)) if settings is not None else None
    return stated if stated is not None and is_customer_id(stated) else None


def _keep_event(catalog: Catalog, item: object) -> Any:
    wire = item.wire if isinstance(item, CloudEvent) else item
    models = {mapping.model.rpartition(".")[2] for mapping in catalog.event_mappings if mapping.model}
    return cloud_event_kept(wire, frozenset({"model", *models})) if isinstance(wire, Mapping) else str(wire)


def _event_subject(_: Catalog, item: object) -> str | None:
    return stated_customer("openmeter", item.wire if isinstance(item, CloudEvent) else item)


LITELLM = Source("litellm", read_llm_call, _keep_call, _caller, repeats_itself=True)
OPENMETER = Source("openmeter", read_cloud_event, _keep_event, _event_subject, repeats_itself=True)


def _subject(event: CloudEvent) -> str:
    """Return the customer of an event; LiteLLM's callback also names the admin, and nobody."""
    if event.source == LITELLM_SOURCE and is_nobody(event.subject):
        raise UnknownUsageCustomer("the event is LiteLLM's of a caller whom it does not know")
    return _customer(event.subject)


def _customer(stated: str) -> str:
    """Return an identity as a customer's id, exactly; to trim it would be to guess whose it is."""
    if stated != stated.strip():
        raise UnknownUsageCustomer("the customer's id begins or ends with whitespace")
    return check_live_customer_id(stated)


def _own_hold(catalog: Catalog, call: LlmCall, customer_id: str | None) -> CustomerHold | None:
    """Return the call's hold, unless it is another customer's than the call: nobody pays for, or frees, another's units."""
    if call.hold is None or call.hold.customer_id != customer_id or call.hold.handle.meter not in catalog.meters:
        return None
    return call.hold


def _lines(customer_id: str, events: Mapping[str, UsageEvent]) -> Measured:
    return Measured(tuple(UsageLine(customer_id, meter, event) for meter, event in events.items()))


def _units(catalog: Catalog, mapping: EventMapping, event: CloudEvent) -> Decimal:
    how = catalog.meters[mapping.meter].measure
    if mapping.value is not None:
        return parse_quantity(event.at(mapping.value))
    if not isinstance(how, WeighedTokens):
        return measure(how, Happening())
    usage, model = event.at(mapping.usage), event.at(mapping.model) if mapping.model else None
    tokens = token_pools(usage) if isinstance(usage, Mapping) else None
    models = (model, model.partition("/")[2]) if isinstance(model, str) else ()
    return measure(how, Happening(tokens=tokens, models=tuple(filter(None, models))))
