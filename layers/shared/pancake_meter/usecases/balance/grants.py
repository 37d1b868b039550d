"""Grants by hand: the operator gives units, looks at all grants of a customer, and takes back what is left of a gift."""

from datetime import datetime

from pancake_meter.domain.balance.adjust import add_grant, void_grant
from pancake_meter.domain.balance.balance import ZERO, Balance, burn
from pancake_meter.domain.balance.gift import GIFT_ID_LENGTH_MAX, Gift, GivenUnits, Voided
from pancake_meter.domain.balance.grant import Grant
from pancake_meter.domain.balance.ledger import GIFT_PREFIX
from pancake_meter.domain.errors import GiftConflict, GrantNotFound, GrantNotVoidable
from pancake_meter.store.balance.balances import read_balances, write_change
from pancake_meter.store.balance.given_units import given_write, read_all_given, read_given, voided_write
from pancake_meter.store.errors import StoreBusy
from pancake_meter.store.selling.overage_lines import read_due_lines
from pancake_meter.usecases.balance.metering import ATTEMPTS_MAX, Metering
from pancake_meter.value import Value, replace


class HeldGrant(Value):
    """A grant of a balance as it is now, and the gift that it came of, if the operator gave it."""

    meter: str
    grant: Grant
    given: GivenUnits | None


def give_units(
    metering: Metering,
    customer_id: str,
    meter: str,
    gift_id: str,
    gift: Gift,
    now: datetime,
    *,
    by: str | None = None,
) -> tuple[GivenUnits, bool]:
    """Give units, once for each ``gift_id``; return what was given, and whether an earlier request gave it.

    ``by`` names the operator's API key, for the ledger.

    Raises:
        UnknownMeter: the catalog has no such meter.
        CustomerErased: the customer was erased.
        InvalidGift: nothing is given, or it would end before it starts or is given.
        GiftConflict: the id was used to give other units.
        TooManyGrants: the balance cannot carry another grant.
        StoreBusy, StoreUnavailable: passing trouble; the same request is safe to repeat.
    """
    metering.check_meter(meter)
    for _ in range(ATTEMPTS_MAX):
        known = read_given(metering.table, customer_id, gift_id)
        if known is not None:
            if (known.gift, known.meter) != (gift, meter):
                raise GiftConflict("the id was used to give other units")
            return known, True
        grant = gift.grant(gift_id, now)
        begun = metering.begin_change(customer_id, meter, now)
        lines = read_due_lines(metering.table, customer_id, meter, begun.due, begun.reopened)
        change = replace(add_grant(begun.change, grant, now, lines), by=by)
        held = next((held for held in change.balance.grants if held.id == grant.id), None)
        given = GivenUnits(gift_id, meter, gift, now, held.remaining if held else ZERO, by)
        demands = [given_write(customer_id, given), *begun.demands]
        if write_change(metering.table, change, "given", gift_id, now, demands=demands) is not None:
            return given, False
        metering.check_not_erased(customer_id)
    raise StoreBusy("the balance kept changing")


def void_units(
    metering: Metering, customer_id: str, gift_id: str, now: datetime, *, by: str | None = None
) -> tuple[GivenUnits, Voided, bool]:
    """Take away what is left of a gift, once: never what was used of it. Voiding it again gives the first answer.

    Return the gift, what was taken away, and whether an earlier request did.

    Raises:
        GrantNotFound: the customer has no such grant.
        GrantNotVoidable: a plan, an add-on or a payment gave it.
        CustomerErased: the customer was erased.
        StoreBusy, StoreUnavailable: passing trouble; the same request is safe to repeat.
    """
    for _ in range(ATTEMPTS_MAX):
        # What is longer is no id of a gift, and may be more than a key holds.
        is_id = len(gift_id) <= GIFT_ID_LENGTH_MAX
        given = read_given(metering.table, customer_id, gift_id) if is_id else None
        if given is None:
            raise _not_given(metering, customer_id, gift_id)
        if given.voided is not None:
            return given, given.voided, True
        begun = metering.begin_change(customer_id, given.meter, now)
        change, quantity = void_grant(begun.change, given.grant_id)
        voided = Voided(now, quantity, by)
        demands = [voided_write(customer_id, given, voided), *begun.demands]
        if write_change(metering.table, replace(change, by=by), "voided", gift_id, now, demands=demands) is not None:
            return given, voided, False
        metering.check_not_erased(customer_id)
    raise StoreBusy("the balance kept changing")


def held_grants(metering: Metering, customer_id: str, meter: str | None, now: datetime) -> list[HeldGrant]:
    """Return the grants on the customer's balances, or on that of one ``meter``, as they are now, in burn order.

    Raises:
        UnknownMeter: the catalog has no such meter.
    """
    if meter is not None:
        metering.check_meter(meter)
        balances = [metering.current_balance(customer_id, meter, now)]
    else:
        balances = metering.current_balances(customer_id, now)
    held = [(balance.meter, grant) for balance in balances for grant in _in_burn_order(burn(balance))]
    ids = (_name(grant) for _, grant in held if grant.is_gift)
    given = read_all_given(metering.table, customer_id, ids)
    return [HeldGrant(name, grant, given.get(_name(grant)) if grant.is_gift else None) for name, grant in held]


def _in_burn_order(balance: Balance) -> list[Grant]:
    """Return the grants that may be used, in burn order, then those that start later."""
    active = balance.active_grants
    later = (grant for grant in balance.grants if grant not in active)
    return [*active, *sorted(later, key=lambda grant: grant.starts_at)]


def _name(grant: Grant) -> str:
    return grant.id.removeprefix(GIFT_PREFIX)


def _not_given(metering: Metering, customer_id: str, grant_id: str) -> GrantNotFound | GrantNotVoidable:
    balances = read_balances(metering.table, customer_id)
    if any(grant.id == grant_id for balance in balances for grant in balance.grants):
        return GrantNotVoidable(
            "a plan, an add-on or a payment gave these units; only what was given by hand is voided"
        )
    return GrantNotFound("the customer has no such grant")
