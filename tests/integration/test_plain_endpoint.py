"""The tests' client does without most of botocore, and asks and answers what botocore's own client does."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from tests.support.aws import dynamodb_client, plain_dynamodb_client

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Ask = Callable[[Any, str], Any]

KEY = {"PK": {"S": "P"}, "SK": {"S": "S"}}
VALUES: dict[str, Any] = {
    "text": {"S": 'ü "quoted" \\ \u2028'},
    "number": {"N": "-0.000001"},
    "bytes": {"B": b"\x00\xff"},
    "flag": {"BOOL": False},
    "nothing": {"NULL": True},
    "map": {"M": {"list": {"L": [{"N": "1"}, {"M": {}}, {"B": b"B"}]}}},
    "texts": {"SS": ["b"]},
    "numbers": {"NS": ["2"]},
    "blobs": {"BS": [b"1"]},
}
CONDITION = "attribute_not_exists(PK)"

ASKED: Mapping[str, Ask] = {
    "put": lambda client, table: client.put_item(TableName=table, Item=KEY | VALUES, ReturnValues="ALL_OLD"),
    "put without bytes": lambda client, table: client.put_item(
        TableName=table,
        Item=KEY | {"v": {"M": {"l": {"L": [{"S": '"B": is a word'}]}}}},
        ReturnConsumedCapacity="TOTAL",
    ),
    "get": lambda client, table: client.get_item(TableName=table, Key=KEY, ConsistentRead=True),
    "get nothing": lambda client, table: client.get_item(TableName=table, Key=KEY | {"SK": {"S": "none"}}),
    "update": lambda client, table: client.update_item(
        TableName=table,
        Key=KEY,
        UpdateExpression="SET a = :a ADD n :n",
        ExpressionAttributeValues={":a": {"B": b"bytes"}, ":n": {"N": "1"}},
        ReturnValues="ALL_NEW",
    ),
    "query": lambda client, table: client.query(
        TableName=table, KeyConditionExpression="PK = :p", ExpressionAttributeValues={":p": {"S": "P"}}
    ),
    "scan": lambda client, table: client.scan(TableName=table),
    "batch": lambda client, table: client.batch_get_item(RequestItems={table: {"Keys": [KEY]}}),
    "describe": lambda client, table: client.describe_table(TableName=table)["Table"]["KeySchema"],
    "pages": lambda client, table: [
        page["Count"]
        for page in client.get_paginator("scan").paginate(TableName=table, PaginationConfig={"PageSize": 1})
    ],
    "refused": lambda client, table: client.put_item(
        TableName=table, Item=KEY, ConditionExpression=CONDITION, ReturnValuesOnConditionCheckFailure="ALL_OLD"
    ),
    "cancelled": lambda client, table: client.transact_write_items(
        TransactItems=[
            {"Put": {"TableName": table, "Item": KEY | {"SK": {"S": "other"}}}},
            {"Put": {"TableName": table, "Item": KEY, "ConditionExpression": CONDITION}},
        ]
    ),
    "no table": lambda client, table: client.get_item(TableName=f"{table}-none", Key=KEY),
    "no expression": lambda client, table: client.scan(TableName=table, FilterExpression="is not one"),
}


def told(client: "DynamoDBClient", ask: Ask, table: str) -> Any:
    """Return an answer or an error, without what differs between two requests anyway."""
    try:
        answer = ask(client, table)
    except ClientError as error:
        kind, answer = type(error).__name__, dict(error.response)
        # botocore counts tries in the text, where one is all there is.
        text = str(error).replace(" (reached max retries: 0)", "")
        return kind, error.operation_name, text, _without_request(answer)
    return _without_request(answer)


def _without_request(answer: Any) -> Any:
    if not isinstance(answer, dict):
        return answer
    kept = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
    return kept, answer["ResponseMetadata"]["HTTPStatusCode"], answer["ResponseMetadata"]["RetryAttempts"]


def test_both_clients_are_answered_alike(dynamodb_endpoint: str, table: str) -> None:
    clients = [dynamodb_client(dynamodb_endpoint), plain_dynamodb_client(dynamodb_endpoint)]
    for name, ask in ASKED.items():
        for before in (None, VALUES, {"plain": {"S": "text"}}):
            answers = []
            for client in clients:
                clients[0].delete_item(TableName=table, Key=KEY)
                if before is not None:
                    clients[0].put_item(TableName=table, Item=KEY | before)
                answers.append(told(client, ask, table))
            assert answers[0] == answers[1], (name, before)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"S": 1}, "Invalid type for parameter Item.v.S, value: 1"),
        ({"N": 1}, "Invalid type for parameter Item.v.N, value: 1"),
        ({"BOOL": "true"}, "Invalid type for parameter Item.v.BOOL"),
        ({"L": [{"S": "a"}, {"S": None}]}, r"Invalid type for parameter Item.v.L\[1\].S"),
        ({"M": {"a": "b"}}, "Invalid type for parameter Item.v.M.a"),
        ({"M": {1: {"S": "b"}}}, "Invalid type for parameter Item.v.M"),
        ({"S": "a", "N": 1}, "Invalid type for parameter Item.v.N"),
        ({"X": "a"}, "Unknown parameter in Item.v"),
        ("a", "Invalid type for parameter Item.v"),
    ],
    ids=str,
)
def test_what_is_no_value_is_refused_with_botocores_own_words(
    dynamodb: "DynamoDBClient", value: Any, said: str
) -> None:
    with pytest.raises(ParamValidationError, match=said):
        dynamodb.put_item(TableName="table", Item=KEY | {"v": value})


def test_what_is_no_parameter_is_refused(dynamodb: "DynamoDBClient") -> None:
    asked: Any = {"TableName": "table", "Item": KEY, "Itm": KEY}
    with pytest.raises(ParamValidationError, match='Unknown parameter in input: "Itm"'):
        dynamodb.put_item(**asked)
    with pytest.raises(ParamValidationError, match=r"Invalid type for parameter TransactItems\[0\].Put.Item.v.S"):
        dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": "table", "Item": KEY | {"v": {"S": 1}}}}])
