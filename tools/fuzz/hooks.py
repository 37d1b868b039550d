"""What schemathesis is told beyond the document: real ids, and which refusals of well-formed requests are founded."""

import json
import os
from hashlib import sha256
from typing import Any, Final

import schemathesis

IDS: Final[dict[str, list[str]]] = json.loads(os.environ.get("FUZZ_IDS", "{}"))
"""Ids that exist on the stack, by the name of their parameter."""

_ANSWERED: Final = {400, 413, 415, 422}
_NEVER_FOUNDED: Final = {"invalid_request", "malformed_json", "body_too_large", "unsupported_content_type"}
_ENDS_A_KEY: Final = {"rotate_key", "revoke_key"}
_KEY_ID_LENGTH: Final = 64
_SAYS_MORE: Final = {"list_deliveries", "list_customers", "report_revenue", "report_usage"}
"""Operations whose description has a rule between parameters, which OpenAPI cannot state."""


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Let three of four generated ids be ones that exist, the same for the same generated value.

    An erasure keeps its generated ids: those that exist are for the other operations. And no key is ended but the one that
    was made for this: schemathesis learns ids from answers, that of the key that it calls with among them.
    """
    operation = context.operation.definition.raw["operationId"]
    if not path_parameters or operation == "erase_customer":
        return path_parameters
    if operation in _ENDS_A_KEY and len(str(path_parameters["key_id"])) == _KEY_ID_LENGTH:
        return {"key_id": IDS["key_id"][0]}
    return {name: _real(name, value) for name, value in path_parameters.items()}


def _real(name: str, value: Any) -> Any:
    known = IDS.get(name)
    if not known or not isinstance(value, str):
        return value
    number = int(sha256(value.encode("utf-8", "surrogatepass")).hexdigest(), 16)
    return known[number % len(known)] if number % 4 else value


@schemathesis.serializer("application/x-ndjson")
def serialize_lines(_context: Any, value: Any) -> bytes:
    """Return a body of lines as it is."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "replace")


@schemathesis.check
def refusal_is_founded(_context: Any, response: Any, case: Any) -> None:
    """Fail where a request that fits the document is refused as malformed."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code not in _ANSWERED:
        return
    try:
        problem = json.loads(response.content)
    except ValueError:
        return
    operation = case.operation.definition.raw["operationId"]
    code = problem.get("code")
    fields = {error["field"] for error in problem.get("errors", ())}
    if fields == {"cursor"}:
        return  # a cursor that nobody was given
    if fields == {"customer_id"} and str((case.query or {}).get("customer_id", "")).startswith("~b64."):
        return  # base64url of what is no UTF-8, or of no id
    if code in _NEVER_FOUNDED and not (operation in _SAYS_MORE and code == "invalid_request"):
        raise AssertionError(f"a request that fits the document is refused: {response.content[:1000]!r}")
