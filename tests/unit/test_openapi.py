"""docs/openapi.json: complete, bounded, and with examples that hold."""

import importlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from pancake_meter.http.access.routes import ROUTES
from tests.support.contract import document, validator_of_schema, violations
from tools.openapi.described import Body
from tools.openapi.document import text
from tools.openapi.examples import ANSWERS, requests_of
from tools.openapi.rooms import DESCRIBED

ROOT = Path(__file__).resolve().parents[2]


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_the_committed_document_is_the_one_that_is_made() -> None:
    assert (ROOT / "docs" / "openapi.json").read_text(encoding="utf-8") == text()


def test_each_operation_has_a_name_of_its_own_a_tag_and_a_description() -> None:
    names = [operation["operationId"] for _, operation in operations()]
    assert len(set(names)) == len(names) == len([route for route in ROUTES if route.is_of_the_api])
    assert all(operation["tags"] and operation["summary"] and operation["description"] for _, operation in operations())


def unbounded(schema: Any, where: str) -> Iterator[str]:
    if isinstance(schema, list):
        for each in schema:
            yield from unbounded(each, where)
    if not isinstance(schema, dict):
        return
    kind = schema.get("type")
    is_fixed = "enum" in schema or "const" in schema
    bounded = {
        "string": "maxLength" in schema or "pattern" in schema,
        "integer": {"minimum", "maximum"} <= schema.keys(),
        "number": {"minimum", "maximum"} <= schema.keys(),
        "array": "maxItems" in schema,
    }
    if kind in bounded and not is_fixed and not bounded[kind]:
        yield f"{where}: {schema}"
    for name, value in schema.get("properties", {}).items():
        yield from unbounded(value, f"{where}.{name}")
    for name in ("anyOf", "allOf", "items"):
        yield from unbounded(schema.get(name), where)


def test_every_string_number_and_list_of_a_request_has_its_bounds() -> None:
    found: list[str] = []
    for key, operation in operations():
        for parameter in operation["parameters"]:
            found += unbounded(parameter["schema"], f"{key} {parameter['name']}")
    for name, schema in document()["components"]["schemas"].items():
        if schema.get("additionalProperties") is False:
            found += unbounded(schema, name)
    assert found == []


def test_our_bodies_refuse_unknown_fields_and_those_of_other_systems_take_them() -> None:
    schemas = document()["components"]["schemas"]
    requests = {name for name in schemas if name.endswith("Request") or name == "UsageItem"}
    assert requests >= {
        "HoldRequest",
        "SettleRequest",
        "TokenRequest",
        "CheckoutRequest",
        "CreateKeyRequest",
        "UsageItem",
    }
    assert all(schemas[name]["additionalProperties"] is False for name in requests)
    assert schemas["CloudEventBody"]["additionalProperties"] is True


@pytest.mark.parametrize("key", sorted(DESCRIBED))
def test_examples_of_requests_are_taken_by_the_wire_model_and_the_schema(key: str) -> None:
    described = DESCRIBED[key]
    for sent in requests_of(key):
        query = described.query
        if query is not None:
            query.model_validate(dict(sent.query))
        body = described.body
        if isinstance(body, Body) and isinstance(body.model, type) and issubclass(body.model, BaseModel):
            body.model.model_validate(sent.body or {})
            if sent.body is not None:
                assert list(validator_of_schema(body.model.__name__).iter_errors(sent.body)) == []


def test_each_route_reads_the_query_that_the_document_describes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TABLE_NAME", "CATALOG_PATH"):
        monkeypatch.setenv(name, os.environ.get(name, "not-used"))
    resolver = importlib.import_module("pancake_meter.http.resolver")
    read: dict[str, Any] = {}
    for path in sorted((ROOT / "functions").glob("*/*_routes.py")):
        module = importlib.import_module(path.stem)
        for (rule, method, *_), functions in module.router._routes.items():
            key = f"{method[0]} {rule.replace('<', '{').replace('>', '}')}"
            function = functions[0] if isinstance(functions, list) else functions
            read[key] = resolver.query_model(function)
    assert len(read) > 30
    of_the_api = {route.key for route in ROUTES if route.is_of_the_api}
    read = {key: query for key, query in read.items() if key in of_the_api}
    assert {key: DESCRIBED[key].query for key in read} == read


def test_examples_of_answers_hold_what_the_document_says() -> None:
    keys = {operation["operationId"]: key for key, operation in operations()}
    answers = json.loads(ANSWERS.read_text(encoding="utf-8"))
    assert len(answers) > 20
    for answer in answers:
        headers = {"content-type": answer["content_type"]}
        assert violations(keys[answer["operation"]], answer["status"], headers, json.dumps(answer["body"])) == []
