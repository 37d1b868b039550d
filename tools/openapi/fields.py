"""Which fields each answer has by docs/openapi.json: the command knows an answer of another program by those it lacks."""

import json
from collections.abc import Mapping
from typing import Any, Final

from tools.cfn_template import ROOT

FIELDS: Final = ROOT / "clients" / "cli" / "src" / "pancake_meter_cli" / "answer_fields.json"


def fields_text(document: Mapping[str, Any]) -> str:
    """Return the file: by operation, the fields that every answer of success has."""
    schemas = document["components"]["schemas"]
    fields: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            required = [
                set(_schema(answer, schemas).get("required", ()))
                for status, answer in operation["responses"].items()
                if status.startswith("2") and "application/json" in answer.get("content", {})
            ]
            if required:
                fields[f"{method.upper()} {path}"] = sorted(set.intersection(*required))
    return json.dumps(fields, indent=2, sort_keys=True) + "\n"


def _schema(answer: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = answer["content"]["application/json"]["schema"]
    found: Mapping[str, Any] = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return found
