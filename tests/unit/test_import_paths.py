"""What a cold start imports: nothing that the function does not use. Names, not seconds: those belong to a benchmark."""

import os
import subprocess
import sys
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


@pytest.mark.parametrize("function", sorted(ALLOWED))
def test_a_function_imports_only_what_it_uses(function: str) -> None:
    code = f"import sys, {function}; print(*sys.modules)"
    paths = [str(ROOT / "layers" / "shared"), str(ROOT / "functions" / function)]
    environment = {"PATH": os.environ["PATH"], **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(paths)}
    imported = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert set(imported.stdout.split()) & HEAVY == ALLOWED[function]


@pytest.mark.parametrize("function", sorted(ALLOWED))
def test_a_function_without_its_settings_refuses_to_start(function: str) -> None:
    paths = [str(ROOT / "layers" / "shared"), str(ROOT / "functions" / function)]
    environment = {"PATH": os.environ["PATH"], "AWS_DEFAULT_REGION": "us-east-1"}
    started = subprocess.run(
        [sys.executable, "-c", f"import {function}"],
        env={**environment, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.returncode == 1
    assert "ConfigurationError: missing in the environment" in started.stderr, started.stderr
