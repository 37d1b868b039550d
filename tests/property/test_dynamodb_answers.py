"""Answers of DynamoDB, whatever values they hold: our client gives what boto3 makes of them."""

import base64
import json
from typing import Any

from boto3.dynamodb.types import TypeSerializer
from botocore.parsers import create_parser
from botocore.session import get_session
from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.store.dynamodb_client import read_as_json
from tests.property.test_attribute_values import VALUES

GET_ITEM = get_session().get_service_model("dynamodb").operation_model("GetItem")
SHAPE: Any = GET_ITEM.output_shape


def on_the_wire(value: Any) -> Any:
    match value:
        case bytes():
            return base64.b64encode(value).decode()
        case dict():
            return {name: on_the_wire(inner) for name, inner in value.items()}
        case list():
            return [on_the_wire(inner) for inner in value]
        case _:
            return value


def made_by_boto3(body: bytes) -> dict[str, Any]:
    answer = {"status_code": 200, "headers": {}, "body": body}
    parsed: dict[str, Any] = create_parser("json").parse(answer, SHAPE)
    return parsed


def made_by_ours(body: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = {"status_code": 200, "headers": {}, "body": body}
    found: dict[str, Any] = {}
    read_as_json(GET_ITEM, response_dict=answer, customized_response_dict=found)
    return {**made_by_boto3(answer["body"]), **found}


@given(st.dictionaries(st.text(), VALUES, max_size=4), st.booleans())
def test_an_answer_is_read_as_boto3_reads_it(item: dict[str, Any], ensure_ascii: bool) -> None:
    wire = {name: TypeSerializer().serialize(value) for name, value in item.items()}
    body = json.dumps({"Item": on_the_wire(wire)}, ensure_ascii=ensure_ascii).encode()
    assert made_by_ours(body) == made_by_boto3(body)
