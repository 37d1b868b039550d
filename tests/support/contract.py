"""The contract of docs/openapi.json, held against answers: status, content type, body and headers."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tools.cfn_template import ROOT

_URI: Final = "urn:pancake-meter:openapi"


@cache
def document() -> dict[str, Any]:
    """The committed document."""
    found: dict[str, Any] = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    return found


def route_of(method: str, path: str) -> str | None:
    """Return the route that answers a path, ``None`` where there is none."""
    for template in sorted(document()["paths"], key=lambda each: each.count("{")):
        pattern = re.sub(r"\{\w+\}", "[^/]+", template)
        if method.lower() in document()["paths"][template] and re.fullmatch(pattern, path):
            return f"{method} {template}"
    return None


def violations(route_key: str, status: int, headers: Mapping[str, str], body: str) -> list[str]:
    """Return in what an answer of a route breaks the contract."""
    method, _, path = route_key.partition(" ")
    operation = document()["paths"].get(path, {}).get(method.lower())
    if operation is None:
        return [f"{route_key} is not in the document"]
    response = operation["responses"].get(str(status))
    if response is None:
        return [f"{route_key} does not document {status}: {body[:300]}"]
    named = {name.lower(): value for name, value in headers.items()}
    found = [f"{route_key} {status}: header {name}: {why}" for name, why in _header_faults(response, named)]
    if "content" not in response:
        return found + ([f"{route_key} {status} has no body in the document: {body[:300]}"] if body else [])
    kind = named.get("content-type", "").partition(";")[0]
    if kind not in response["content"]:
        return [*found, f"{route_key} {status} does not document {kind!r}"]
    pointer = "/".join(
        part.replace("~", "~0").replace("/", "~1")
        for part in ("paths", path, method.lower(), "responses", str(status), "content", kind, "schema")
    )
    content = json.loads(body) if kind.endswith("json") else body
    faults = _validator(f"{_URI}#/{pointer}").iter_errors(content)
    return found + [f"{route_key} {status}: {fault.json_path}: {fault.message[:300]}" for fault in faults]


def validator_of_schema(name: str) -> Draft202012Validator:
    """Return the validator of one of the document's schemas."""
    return _validator(f"{_URI}#/components/schemas/{name}")


def _header_faults(response: Mapping[str, Any], headers: Mapping[str, str]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name in response.get("headers", {}):
        value = headers.get(name.lower())
        if value is not None:
            faults = _validator(f"{_URI}#/components/headers/{name}/schema").iter_errors(value)
            found += [(name, fault.message) for fault in faults]
    return found


@cache
def _validator(reference: str) -> Draft202012Validator:
    registry: Registry[Any] = Registry().with_resource(_URI, Resource.from_contents(document(), DRAFT202012))
    return Draft202012Validator(
        {"$ref": reference}, registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
