"""`python -m local.waffo_simulator`, started as the local stack starts it."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from local import ROOT
from local.waffo_simulator.catalog_products import catalog_products
from tests.support.ports import free_port
from tests.support.waffo_simulator import MERCHANT_ID, MERCHANT_PRIVATE_PEM, STORE_ID
from tests.support.waffo_webhooks import platform_key, public_pem

CATALOG = ROOT / "layers" / "catalog" / "catalog.toml"
START_SECONDS_MAX = 30


def test_the_program_sells_the_catalog_and_ends_when_told_to(tmp_path: Path) -> None:
    # Given
    (tmp_path / "merchant.pem").write_text(public_pem(platform_key()))
    (tmp_path / "platform.pem").write_text(MERCHANT_PRIVATE_PEM)
    port = free_port()
    command = (
        *(sys.executable, "-m", "local.waffo_simulator", "--host", "127.0.0.1", "--port", str(port)),
        *("--environment", "test", "--store-id", STORE_ID, "--merchant-id", MERCHANT_ID),
        *("--merchant-public-key", str(tmp_path / "merchant.pem")),
        *("--platform-private-key", str(tmp_path / "platform.pem")),
        *("--webhook-url", "http://127.0.0.1:9/webhooks/waffo"),
    )
    # When
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            state = _state(port, process)
        finally:
            process.send_signal(signal.SIGTERM)
        ended = process.wait(10)
    # Then
    assert (state["store_id"], state["mode"]) == (STORE_ID, "test")
    assert [webhook["url"] for webhook in state["webhooks"]] == ["http://127.0.0.1:9/webhooks/waffo"]
    assert [product["id"] for product in state["products"]] == [
        product.id for product in catalog_products(CATALOG, "test")
    ]
    assert ended in (0, -signal.SIGTERM)


def test_the_catalogs_products_are_those_of_its_mode() -> None:
    # When
    test, prod = catalog_products(CATALOG, "test"), catalog_products(CATALOG, "prod")
    # Then: each plan names itself; the usage product is priced at each checkout
    assert {product.id for product in test}.isdisjoint(product.id for product in prod)
    assert [product.name for product in test] == [product.name for product in prod]
    assert {product.metadata["plan"] for product in test if product.kind == "subscription"} >= {
        "starter",
        "pro",
        "scale",
    }
    [usage] = [product for product in test if product.kind == "onetime"]
    assert (usage.prices, usage.metadata) == ({}, {"kind": "usage"})


def _state(port: int, process: subprocess.Popen[bytes]) -> Any:
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        assert process.poll() is None, "the program ended"
        try:
            return httpx.get(f"http://127.0.0.1:{port}/_sim/state", trust_env=False).raise_for_status().json()
        except httpx.ConnectError:
            time.sleep(0.1)
    raise AssertionError("the program did not start")
