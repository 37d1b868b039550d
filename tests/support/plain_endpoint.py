"""A client at a local engine without what botocore does around a request: events, retries, walks through its service model.

That is most of the time of a test on DynamoDB, and none of it is what such a test looks at. botocore still checks each
request's parameters, makes the errors, and reads every answer that is not plain JSON. The tests of a whole stack, and those
of functions in trouble, send their requests through all of botocore.
"""

import json
from typing import TYPE_CHECKING, Any, Final

from botocore.awsrequest import AWSResponse, HeadersDict

from tests.support.plain_wire import PlainWire

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.model import OperationModel, StructureShape
    from mypy_boto3_dynamodb import DynamoDBClient

_ANSWERED_WITH_ITEMS: Final = frozenset(
    {
        "BatchGetItem",
        "BatchWriteItem",
        "DeleteItem",
        "GetItem",
        "PutItem",
        "Query",
        "Scan",
        "TransactGetItems",
        "TransactWriteItems",
        "UpdateItem",
    }
)
"""Their answers have no times. But for bytes, what botocore makes of such an answer is the very JSON."""
_ITEMS: Final = frozenset({"ExpressionAttributeValues", "Item", "Key"})
"""The parameters that are attributes and their values."""
_BYTES: Final = (b'"B":', b'"BS":', b'"B" :', b'"BS" :')


def send_plainly(client: "DynamoDBClient", wire: PlainWire) -> None:
    """Let a client that tries once send its requests over ``wire``, and nothing be done to them on the way."""
    parts = vars(client)
    parts["_endpoint"] = _PlainEndpoint(parts["_endpoint"], wire)
    # It would find the address of each request by rules, and always the one that the client was given.
    parts["_ruleset_resolver"] = None
    checked = parts["_serializer"]
    checked._serializer = _PlainSerializer(checked._serializer)
    checked._param_validator = _QuickValidator(checked._param_validator)


class _QuickValidator:
    """Sees at a glance that an item is what botocore takes; all else of a request, and any other item, botocore checks."""

    def __init__(self, whole: Any) -> None:
        """``whole``: botocore's own."""
        self._whole = whole

    def validate(self, parameters: dict[str, Any], shape: "StructureShape") -> Any:
        """Return botocore's report."""
        report = self._whole.validate(_without_plain_items(parameters), shape)
        return self._whole.validate(parameters, shape) if report.has_errors() else report


def _without_plain_items(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        if name in _ITEMS and all(isinstance(key, str) and _is_plain(each) for key, each in value.items()):
            return {}
        return {key: _without_plain_items(each, key) for key, each in value.items()}
    return [_without_plain_items(each) for each in value] if isinstance(value, list) else value


def _is_plain(value: Any) -> bool:
    """Whether it is an attribute's value, and no bytes."""
    if not isinstance(value, dict) or len(value) != 1:
        return False
    ((kind, inner),) = value.items()
    match kind:
        case "S" | "N":
            return isinstance(inner, str)
        case "M":
            return isinstance(inner, dict) and all(
                isinstance(key, str) and _is_plain(each) for key, each in inner.items()
            )
        case "L":
            return isinstance(inner, list) and all(map(_is_plain, inner))
        case "BOOL" | "NULL":
            return isinstance(inner, bool)
    return False


class _PlainSerializer:
    """Writes a request as the JSON that it is, and leaves to botocore what is no JSON yet, such as bytes."""

    def __init__(self, whole: Any) -> None:
        """``whole``: botocore's own."""
        self._whole = whole
        self._empty: dict[str, dict[str, Any]] = {}

    def serialize_to_request(self, parameters: dict[str, Any], operation_model: "OperationModel") -> dict[str, Any]:
        """Return what botocore would."""
        try:
            body = json.dumps(parameters)
        except TypeError:
            whole: dict[str, Any] = self._whole.serialize_to_request(parameters, operation_model)
            return whole
        name = operation_model.name
        if name not in self._empty:
            self._empty[name] = self._whole.serialize_to_request({}, operation_model)
        empty = self._empty[name]
        return {**empty, "headers": dict(empty["headers"]), "body": body.encode()}


class _PlainEndpoint:
    """Stands in for botocore's ``Endpoint`` of a client that tries once."""

    def __init__(self, whole: Any, wire: PlainWire) -> None:
        """``whole``: botocore's own."""
        self._whole = whole
        self._wire = wire
        self._parser = whole._response_parser_factory.create_parser("json")
        self.host: str = whole.host

    def make_request(
        self, operation_model: "OperationModel", request: dict[str, Any]
    ) -> tuple[AWSResponse, dict[str, Any]]:
        """Send a request; return the answer, and what it says. Raises as `PlainWire.post`."""
        status, headers, body = self._wire.post(request["url"], request["headers"], request["body"])
        kept: Any = HeadersDict(headers)
        answer = AWSResponse(request["url"], status, kept, None)
        vars(answer)["_content"] = body
        if operation_model.name in _ANSWERED_WITH_ITEMS and status == 200 and not any(each in body for each in _BYTES):
            parsed = json.loads(body)
            # As botocore's parser has it.
            named = {"RequestId": headers["x-amzn-requestid"]} if "x-amzn-requestid" in headers else {}
            parsed["ResponseMetadata"] = {**named, "HTTPStatusCode": status, "HTTPHeaders": headers}
        else:
            parsed = self._read(operation_model, {"status_code": status, "headers": headers, "body": body})
        parsed["ResponseMetadata"]["RetryAttempts"] = 0
        return answer, parsed

    def close(self) -> None:
        """Close the connections that no request is using."""
        self._wire.close()

    def _read(self, operation_model: "OperationModel", answer: dict[str, Any]) -> dict[str, Any]:
        parsed: dict[str, Any] = self._parser.parse(answer, operation_model.output_shape)
        if answer["status_code"] >= 300:
            add: Callable[..., None] = self._whole._add_modeled_error_fields
            add(answer, parsed, operation_model, self._parser)
        return parsed
