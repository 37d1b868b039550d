"""The items that followers of the stream are told of, as they are kept: a walk through the whole table."""

from collections.abc import Mapping
from typing import Any, Final

from pancake_meter.store.keys import Key
from pancake_meter.store.table import Table

PAYMENT: Final = "PAYMENT"

_CONDITION: Final = (
    "(begins_with(PK, :customer) AND (begins_with(SK, :balance) OR begins_with(SK, :chart) OR SK = :subscription))"
    " OR (begins_with(PK, :payments) AND SK = :payment)"
)
_VALUES: Final = {
    ":customer": "CUSTOMER#",
    ":balance": "BALANCE#",
    ":chart": "CHART#",
    ":subscription": "SUBSCRIPTION",
    ":payments": "PAYMENT#",
    ":payment": PAYMENT,
}


def keys_kept(table: Table, start: Mapping[str, Any] | None) -> tuple[list[Key], Mapping[str, Any] | None]:
    """Return the keys of balances, charts, subscriptions and payments among the table's next items, and the key to go on."""
    keys, following = table.scan_keys(_CONDITION, _VALUES, start=start)
    return [{"PK": key["PK"], "SK": key["SK"]} for key in keys], following
