"""A balance as the version before stored it: ``holds`` by their whole ids, days as ``MMDD``, long names in grants."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeSerializer

from pancake_meter.domain.balance.hold import Hold
from pancake_meter.domain.instant import to_ms
from pancake_meter.store.balance.balance_item import balance_from_item
from pancake_meter.store.keys import balance_key
from pancake_meter.store.table import Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def store_as_before(
    client: "DynamoDBClient", table: str, customer_id: str, meter: str, holds: Mapping[str, Hold]
) -> None:
    """Put a balance that has no holds into the form of the version before, with ``holds`` by id that reserve their units."""
    item = dict(Table(client, table).get(balance_key(customer_id, meter)) or {})
    balance = balance_from_item(item)
    assert not balance.holds
    del item["held"]
    term = {"start": to_ms(balance.term.start)} | ({"end": to_ms(balance.term.end)} if balance.term.end else {})
    item |= {
        "headroom": balance.headroom - sum(hold.quantity for hold in holds.values()),
        "holds": {hold_id: {"q": hold.quantity, "until": to_ms(hold.expires_at)} for hold_id, hold in holds.items()},
        "days": dict(balance.days),
        "term": item["term"] | term,
        "grants": [
            {
                "kind": grant.kind,
                "given": grant.quantity,
                "left": grant.remaining,
                "from": to_ms(grant.starts_at),
                "id": grant.id,
                "priority": grant.priority,
                **({"until": to_ms(grant.expires_at)} if grant.expires_at else {}),
            }
            for grant in balance.grants
        ],
        "fv": 1,
    }
    client.put_item(TableName=table, Item={name: TypeSerializer().serialize(value) for name, value in item.items()})


def is_as_before(client: "DynamoDBClient", table: str, customer_id: str, meter: str) -> bool:
    """Whether a balance is in the form of the version before, and nothing of it in the form of now, or the reverse."""
    key: dict[str, Any] = {name: {"S": text} for name, text in balance_key(customer_id, meter).items()}
    item = client.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
    forms = (item["fv"]["N"], "holds" in item, "held" in item, {len(day) for day in item["days"]["M"]} <= {4})
    assert forms in {("1", True, False, True), ("3", False, True, False), ("3", False, True, not item["days"]["M"])}
    return forms[1]
