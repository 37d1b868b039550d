"""The schemas of alerts, and payloads held against them."""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from pancake_meter.domain.alerts.alert import Alert
from pancake_meter.domain.alerts.payload import payload_of

SCHEMAS = Path(__file__).parents[2] / "docs" / "alert-schemas"


def schema_of(kind: str, version: int) -> dict[str, Any]:
    """Return the schema of a type's payload in a version."""
    schema: dict[str, Any] = json.loads((SCHEMAS / f"{kind}.v{version}.json").read_text())
    return schema


def check_payload(alert: Alert) -> None:
    """Raise ``ValidationError`` unless an alert's payload has what its schema says, and nothing that it does not name."""
    payload = json.loads(json.dumps(payload_of(alert)))
    schema = _strict(schema_of(alert.type, alert.schema_version))
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(payload)


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {"additionalProperties": False} if "properties" in schema else {}
    return {name: _strict(each) for name, each in schema.items()} | closed
