"""What a cold start imports: nothing that the function does not use. Names, not seconds: those belong to a benchmark."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "CATALOG_PATH": str(ROOT / "layers" / "catalog" / "catalog.toml"),
    "TABLE_NAME": "not-used",
    "WAFFO_ENVIRONMENT": "test",
    "WAFFO_STORE_ID": "STO_7hQ2mVb9KxT4cLr8WnZ3aE",
    "WAFFO_MERCHANT_ID": "MER_1aB2cD3eF4gH5iJ6kL7mN8",
    "WAFFO_PRIVATE_KEY_SECRET_ID": "not-used",
    "PURCHASE_LINK_SECRET_ID": "not-used",
    "CUSTOMER_TOKEN_SECRET_ID": "not-used",
    "CUSTOMER_TOKEN_STACK": "not-used",
    "PSEUDONYM_SECRET_ID": "not-used",
    "USAGE_QUEUE_URL": "not-used",
    "OPENMETER_BASE_URL": "https://openmeter.example.com",
    "OPENMETER_KEY_SECRET_ID": "not-used",
    "FORWARDING_REFUSED_QUEUE_URL": "not-used",
    "STREAM_FAILED_QUEUE_URL": "not-used",
    "ALERT_QUEUE_URL": "not-used",
    "ALERT_FAILED_QUEUE_URL": "not-used",
    "ALERT_SECRET_ID": "not-used",
    "LITELLM_BASE_URL": "https://litellm.example.com",
    "LITELLM_KEY_SECRET_ID": "not-used",
    "POWERTOOLS_METRICS_NAMESPACE": "PancakeMeter",
    "POWERTOOLS_SERVICE_NAME": "test",
}
HEAVY = {"httpx", "pydantic", "itsdangerous", "jwt", "aws_xray_sdk", "jinja2", "requests", "pancake_meter.waffo.keys"}
"""``waffo.keys`` stands for cryptography, which botocore too imports where PyOpenSSL happens to be installed."""

ALLOWED = {
    "access": {"pydantic"},
    "alert_sender": {"httpx"},
    "alerts": {"pydantic"},
    "api_key_authorizer": set(),
    "customer_controls": {"pydantic"},
    "customer_data": {"pydantic"},
    "customers": {"pydantic"},
    "payments": {"pydantic"},
    "quota_check": {"pydantic"},
    "usage_batch": {"pydantic"},
    "usage_bulk": {"pydantic"},
    "usage_forwarding": {"httpx"},
    "usage_healing": {"pydantic", "httpx"},
    "usage_recording": {"pydantic"},
    "reconciliation": {"pydantic", "pancake_meter.waffo.keys", "httpx"},
    "renewal_reset": {"pydantic"},
    "reports": {"pydantic"},
    "stream_reader": {"pydantic"},
    "waffo_actions": {"pydantic", "pancake_meter.waffo.keys", "httpx"},
    "webhook_deliveries": {"pydantic"},
    "webhook_intake": {"pydantic", "pancake_meter.waffo.keys"},
    "overage_checkout": {"pydantic", "pancake_meter.waffo.keys", "httpx"},
}


ALL_ALIKE = (
    "boto3",
    "aws_lambda_powertools.event_handler",
    "aws_lambda_powertools.logging",
    "aws_lambda_powertools.metrics",
)
"""What the functions have in common and may all import, though not all do."""

EACH_BY_ITSELF = """
import importlib, json, os, sys
for name in filter(None, os.environ["IMPORTED_BEFORE"].split(",")):
    importlib.import_module(name)
before = sorted(sys.modules)
print(json.dumps(["", before, ""]), flush=True)
for function in sys.argv[1:]:
    if os.fork() == 0:
        try:
            importlib.import_module(function)
            said = ""
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
        print(json.dumps([function, sorted(sys.modules), said]), flush=True)
        os._exit(0)
    os.wait()
"""
"""Imports each function as a process of its own would, but for what all of them have in common: that is imported once."""


@dataclass(frozen=True)
class Started:
    """What a function had imported when it had started, or what it said in place of starting."""

    modules: frozenset[str]
    said: str


def start_each(environment: dict[str, str]) -> dict[str, Started]:
    """Start every function; "" is what was imported before."""
    paths = [ROOT / "layers" / "shared", *(ROOT / "functions" / function for function in sorted(ALLOWED))]
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, paths)), **environment}
    given["IMPORTED_BEFORE"] = ",".join(ALL_ALIKE)
    command = [sys.executable, "-c", EACH_BY_ITSELF, *sorted(ALLOWED)]
    printed = subprocess.run(command, env=given, capture_output=True, text=True, check=True).stdout
    rows = [json.loads(line) for line in printed.splitlines()]
    return {function: Started(frozenset(modules), said) for function, modules, said in rows}


@pytest.fixture(scope="module")
def started() -> dict[str, Started]:
    return start_each(ENVIRONMENT)


@pytest.fixture(scope="module")
def started_without_settings() -> dict[str, Started]:
    return start_each({"AWS_DEFAULT_REGION": "us-east-1"})


@pytest.mark.parametrize("function", sorted(ALLOWED))
def test_a_function_imports_only_what_it_uses(started: dict[str, Started], function: str) -> None:
    assert started[""].modules & HEAVY == set(), "what is imported before would hide what a function imports"
    assert started[function].said == ""
    assert started[function].modules & HEAVY == ALLOWED[function]


@pytest.mark.parametrize("function", sorted(ALLOWED))
def test_a_function_without_its_settings_refuses_to_start(
    started_without_settings: dict[str, Started], function: str
) -> None:
    assert started_without_settings[function].said.startswith("ConfigurationError: missing in the environment")
