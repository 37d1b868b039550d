"""How fast a DynamoDB is by itself: the transactions of bulk usage, with nothing of ours around them."""

import time
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from pancake_meter.store.balance.spending import RECORD_EVENTS_MAX
from pancake_meter.store.keys import balance_key, usage_event_key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BARE = "bare"
"""The customer of bare transactions: nobody asks for its balance."""


def bare_events_per_second(client: "DynamoDBClient", table: str, like: str, transactions: int) -> float:
    """Return how fast ``client`` alone puts events, 99 with the update of a balance that is a copy of ``like``'s."""
    original = client.get_item(TableName=table, Key=_key(balance_key(like, "tokens")), ConsistentRead=True)["Item"]
    key = _key(balance_key(BARE, "tokens"))
    client.put_item(TableName=table, Item={**deepcopy(original), **key})
    day = next(iter(original["days"]["M"]))
    requests = [_request(table, key, day, number) for number in range(transactions)]
    started = time.perf_counter()
    for request in requests:
        client.transact_write_items(TransactItems=request)
    return transactions * RECORD_EVENTS_MAX / (time.perf_counter() - started)


def _request(table: str, balance: dict[str, Any], day: str, number: int) -> list[Any]:
    puts = [
        {"Put": {"TableName": table, "Item": _event(f"e{number:06}-{n:02}"), "ConditionExpression": _NEW}}
        for n in range(RECORD_EVENTS_MAX)
    ]
    for put in puts:
        put["Put"] |= {"ExpressionAttributeValues": {":now": {"N": "1"}}}
    update = {
        "TableName": table,
        "Key": balance,
        "UpdateExpression": "SET headroom = headroom - :q, used = used + :q, days.#day = days.#day + :q",
        "ConditionExpression": "valid_until > :now",
        "ExpressionAttributeNames": {"#day": day},
        "ExpressionAttributeValues": {":q": {"N": "99"}, ":now": {"N": "1"}},
    }
    return [*puts, {"Update": update}]


_NEW = "attribute_not_exists(PK) OR expires_at <= :now"


def _event(event_id: str) -> dict[str, Any]:
    return {
        **_key(usage_event_key(BARE, "tokens", event_id)),
        "quantity": {"N": "5"},
        "used_at": {"N": "1773156000000"},
        "fingerprint": {"S": "0" * 64},
        "expires_at": {"N": "1780932000"},
    }


def _key(key: dict[str, str]) -> dict[str, Any]:
    return {name: {"S": text} for name, text in key.items()}
