"""The client of DynamoDB: boto3's, without what it does around a request or an answer that our requests do not need."""

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from botocore.config import Config

from pancake_meter.store.aws_session import aws_session
from pancake_meter.store.retrying import CLIENT_CONFIG

if TYPE_CHECKING:
    from botocore.model import OperationModel
    from mypy_boto3_dynamodb import DynamoDBClient

_LEAN: Final = Config(parameter_validation=False, user_agent="pancake-meter")

_OF_ONE_TABLE: Final = ("GetItem", "PutItem", "UpdateItem", "Query", "Scan")
_OF_PARTS: Final = ("BatchGetItem", "BatchWriteItem", "TransactWriteItems")
"""Operations whose requests name a table in each of their parts."""

_REFUSALS_FROM: Final = 300
_FOR_BOTOCORE: Final = (b'"B"', b'"BS"', b"null")
"""A body with one of these may have a value that botocore changes: a binary one, or a member that is not there."""


def dynamodb_client(endpoint_url: str | None = None) -> "DynamoDBClient":
    """Return a client that gives up early: a handler must answer its caller before the caller gives up.

    It does not compare requests with the service's description before it sends them: that takes as long again as the rest
    with a batch of 99 events, and DynamoDB does it too. The clients of the tests do. Nor does it describe itself, its
    machine and its settings anew in each request, which takes a twentieth of a short call; or look through the parts of a
    request for tables that are named by ARN, to send it to the account that has them: ours are named by name. And it takes
    an answer as the JSON that it is: see ``read_as_json``.
    """
    client = aws_session().client("dynamodb", config=CLIENT_CONFIG.merge(_LEAN), endpoint_url=endpoint_url)
    for operation in _OF_PARTS:
        # The model of one client's operation, made when it is first asked for: no other client sees this.
        setattr(client.meta.service_model.operation_model(operation), "operation_context_parameters", {})  # noqa: B010
    events: Any = client.meta.events
    for operation in (*_OF_ONE_TABLE, *_OF_PARTS):
        events.register(f"before-parse.dynamodb.{operation}", read_as_json)
    return client


def read_as_json(
    operation_model: "OperationModel",
    response_dict: dict[str, Any],
    customized_response_dict: dict[str, Any],
    **_: object,
) -> None:
    """Read an answer's body, so that botocore finds an empty one.

    botocore compares each value of an item with the service's description, which is an eighth to a fifth of a short call.
    All that it changes are binary values and ``null``: it reads the bodies that may have some, as it reads refusals, and
    whatever is no JSON object.
    """
    body = response_dict["body"]
    if response_dict["status_code"] >= _REFUSALS_FROM or any(each in body for each in _FOR_BOTOCORE):
        return
    with suppress(ValueError):
        read = json.loads(body.decode())
        if isinstance(read, dict):
            output = operation_model.output_shape
            known = output.members if output is not None else {}
            customized_response_dict.update({name: value for name, value in read.items() if name in known})
            response_dict["body"] = b"{}"
