"""The wrapper that holds requests to DynamoDB's own limits sees each of them."""

from typing import Any

import pytest

from tests.support.aws_limits import violations

KEY = {"PK": {"S": "p"}, "SK": {"S": "s"}}


def nested(levels: int) -> dict[str, Any]:
    return {"L": [nested(levels - 1)]} if levels else {"S": "a"}


@pytest.mark.parametrize(
    ("operation", "request_", "found"),
    [
        ("UpdateItem", {"Key": KEY, "UpdateExpression": "SET a = :a"}, []),
        ("UpdateItem", {"Key": KEY, "UpdateExpression": "SET a = :" + "a" * 4_086}, []),
        ("UpdateItem", {"Key": KEY, "UpdateExpression": "SET a = :" + "a" * 4_088}, ["UpdateExpression of 4097 bytes"]),
        (
            "UpdateItem",
            {"Key": KEY, "UpdateExpression": "SET " + ", ".join(["a = :a + :b"] * 150)},
            ["301 operators in the expressions of one write"],
        ),
        ("PutItem", {"Item": {"PK": {"S": "é" * 1_025}, "SK": {"S": "s" * 1_025}}}, ["PK of 2050", "SK of 1025"]),
        ("PutItem", {"Item": {**KEY, "a": {"S": "a" * 400_000}}}, ["an item of"]),
        (
            "TransactWriteItems",
            {"TransactItems": [{"Put": {"Item": {"PK": {"S": f"{n}"}}}} for n in range(101)]},
            ["101 it"],
        ),
        (
            "TransactWriteItems",
            {"TransactItems": [{"Put": {"Item": KEY}}, {"Update": {"Key": KEY}}]},
            ["one item twice in a transaction"],
        ),
        ("BatchGetItem", {"RequestItems": {"t": {"Keys": [KEY] * 101}}}, ["101 keys in a request"]),
        ("PutItem", {"Item": {**KEY, "a": {"M": {"b": {"L": [{"N": "-0." + "1" * 39}]}}}}}, ["a number of 39 digits"]),
        ("PutItem", {"Item": {**KEY, "a": {"N": "1" + "0" * 40}}}, []),
        ("PutItem", {"Item": {**KEY, "a": nested(31)}}, []),
        ("PutItem", {"Item": {**KEY, "a": nested(40)}}, ["more than 32 levels"]),
        ("PutItem", {"Item": {**KEY, "a": {"L": [nested(20), nested(20)]}}}, []),
        ("PutItem", {"Item": {**KEY, "a": {"B": b"a" * 399_000}}}, []),
        ("PutItem", {"Item": {**KEY, "a": {"S": "é" * 200_000}}}, ["an item of"]),
        (
            "TransactWriteItems",
            {"TransactItems": [{"Put": {"Item": {"PK": {"S": f"{n}"}, "a": {"S": "a" * 390_000}}}} for n in range(11)]},
            ["42"],
        ),
        (
            "UpdateItem",
            {"Key": KEY, "ExpressionAttributeValues": {":a": {"S": "a" * 2_000_000}}},
            ["2000003 bytes of names and values"],
        ),
        (
            "UpdateItem",
            {"Key": KEY, "ExpressionAttributeValues": {":" + "v" * 255: {"N": "1"}}},
            ["a placeholder of 256 bytes"],
        ),
        ("TransactWriteItems", {"TransactItems": [{"Put": {"Item": {"PK": {"S": "p" * 2_049}}}}]}, ["PK of 2049"]),
    ],
)
def test_what_dynamodb_would_refuse_is_found(operation: str, request_: dict[str, Any], found: list[str]) -> None:
    said = violations(operation, request_)
    assert len(said) == len(found)
    assert all(text.startswith(start) for text, start in zip(said, found, strict=True)), said
