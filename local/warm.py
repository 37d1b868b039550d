"""Starts every function while the stack is already serving: a function that cannot start is told of now, and most first
requests meet a warm worker.
"""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from local.deploy import DeployedStack
from local.errors import LocalStackError
from local.stack import MiniStack

ALIAS_TYPE = "AWS::Lambda::Alias"
AT_ONCE = 2
"""Each takes a second of processor time; those who ask already come first."""

ANSWER_BYTES_MAX = 100_000
# A request for a page that no function has, and a message that carries nothing: read, and nothing touched. Who wants neither
# ignores both.
HARMLESS_REQUEST: Mapping[str, Any] = {
    "version": "2.0",
    "routeKey": "$default",
    "rawPath": "/",
    "rawQueryString": "",
    "headers": {},
    "requestContext": {
        "http": {"method": "GET", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "warm-up"},
        "requestId": "warm-up",
        "stage": "$default",
        "timeEpoch": 0,
    },
    "isBase64Encoded": False,
    "Records": [
        {"messageId": "warm-up", "receiptHandle": "warm-up", "body": "[]", "eventSource": "aws:sqs", "attributes": {}}
    ],
}


def warm(ministack: MiniStack, stack: DeployedStack, is_wanted: Callable[[], bool]) -> None:
    """Start a worker of each function while that `is_wanted`. Raises `LocalStackError` when one fails, with the reason."""
    names = [
        stack.physical_ids[logical_id]
        for logical_id, resource in stack.processed_template["Resources"].items()
        # What the parameters have switched off is in the template and not in the stack.
        if resource["Type"] == ALIAS_TYPE and logical_id in stack.physical_ids
    ]
    client = ministack.lambda_()
    payload = json.dumps(HARMLESS_REQUEST).encode()

    def start(name: str) -> str | None:
        if not is_wanted():
            return None
        answer = client.invoke(FunctionName=name, Payload=payload)
        if not answer.get("FunctionError"):
            return None
        error = json.loads(answer["Payload"].read(ANSWER_BYTES_MAX))
        return f"{name} does not start: {error.get('errorType')}: {error.get('errorMessage')}"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        errors = {error for error in pool.map(start, names) if error is not None}
    if errors:
        raise LocalStackError("\n".join(sorted(errors)))
