"""Handlers are imported as Lambda imports them: with their environment set. Collaborators come with each call."""

import os
from collections.abc import Iterator
from pathlib import Path
from threading import RLock
from typing import Any

import pytest
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from botocore.client import BaseClient

from tests.support import contract
from tests.support.aws_limits import violations
from tests.support.kept_code import templates_compiled_once
from tests.support.least_privilege import calling_function, is_allowed, touches
from tools.cold import SETTINGS

ROOT = Path(__file__).resolve().parents[2]

os.environ |= {
    **SETTINGS,
    "CATALOG_PATH": str(ROOT / "layers" / "catalog" / "catalog.toml"),
    "BROWSER_ORIGINS": "https://app.example.com,http://localhost:3000",
    "CHECKOUT_SUCCESS_URL": "https://app.example.com/billing",
}


@pytest.fixture(scope="session", autouse=True)
def _templates_are_compiled_once() -> Iterator[None]:
    with templates_compiled_once():
        yield


@pytest.fixture(autouse=True)
def _least_privilege(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no handler ask of DynamoDB what its function's policy does not grant, and nobody what DynamoDB itself refuses."""
    send = vars(BaseClient)["_make_api_call"]

    def judged(client: BaseClient, operation: str, request: dict[str, Any]) -> Any:
        if client.meta.service_model.service_name == "dynamodb":
            assert not (refused := violations(operation, request)), refused
        function = calling_function() if client.meta.service_model.service_name == "dynamodb" else None
        if function is not None:
            for touch in touches(operation, request):
                assert is_allowed(function, touch), f"the policy of {function} does not grant {touch}"
        return send(client, operation, request)

    monkeypatch.setattr(BaseClient, "_make_api_call", judged)


@pytest.fixture(autouse=True)
def _as_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no handler answer what docs/openapi.json does not say; or two threads be answered at once, as on no Lambda."""
    resolve, answers = APIGatewayHttpResolver.resolve, RLock()

    def judged(app: APIGatewayHttpResolver, event: dict[str, Any], context: Any) -> dict[str, Any]:
        assert answers.acquire(blocking=False), "Powertools keeps one request for all threads: let them call use cases"
        try:
            answer = resolve(app, event, context)
        finally:
            answers.release()
        method = event["requestContext"]["http"]["method"] if "rawPath" in event else ""
        route_key = contract.route_of(method, event["rawPath"]) if method else None
        if route_key is not None:
            body = answer.get("body") or ""
            found = contract.violations(route_key, answer["statusCode"], answer.get("headers") or {}, body)
            assert not found, found
        return answer

    monkeypatch.setattr(APIGatewayHttpResolver, "resolve", judged)
