"""Import cost: the webhook intake must not pay for the API client."""

import subprocess
import sys
from pathlib import Path

import pytest

LAYER = Path(__file__).parents[3] / "layers" / "shared"
PACKAGE = "pancake_meter.waffo"


@pytest.mark.parametrize(
    "module", ["keys", "webhook_signature", "events", "pinning", "signing", "checkout", "envelope"]
)
def test_nothing_but_the_client_imports_httpx_and_nothing_imports_pydantic(module: str) -> None:
    # When: in a process of its own, where nothing is imported yet
    program = f"import sys, {PACKAGE}.{module}; print(sorted({{'httpx', 'pydantic', 'boto3'}} & set(sys.modules)))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, env={"PYTHONPATH": str(LAYER)}
    )
    # Then
    assert loaded.stdout.strip() == "[]"
