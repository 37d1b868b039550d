"""Waffo as the stack sees it: the one that WAFFO_API_URL names, or else our simulator."""

import base64
import sys
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from local.errors import LocalStackError
from local.ports import HOST, is_open
from local.processes import Child, Children, minimal_environment, wait_until
from local.seed import private_key_in
from local.settings import Settings, WaffoSettings
from pancake_meter.waffo.errors import InvalidKey
from pancake_meter.waffo.keys import load_private_key

START_SECONDS_MAX = 30.0
PRIVATE_KEY_FILE = "waffo-merchant-key.pem"


@dataclass(frozen=True, slots=True)
class Simulator:
    """How to start the simulator: it knows the merchant by its public key, and signs webhooks with a key of its own."""

    port: int
    merchant_public_key: Path
    platform_private_key: Path


@dataclass(frozen=True, slots=True)
class WaffoConnection:
    """Where Waffo is, with which key we sign, and with which keys (one line, comma-separated) webhooks are verified."""

    api_url: str
    private_key: str
    webhook_test_public_key: str
    webhook_prod_public_key: str
    simulator: Simulator | None


def connect_waffo(settings: WaffoSettings, folder: Path, port: int) -> WaffoConnection:
    """Decide which Waffo there is. Keys that are not given are made, and kept in `folder`. Raises `LocalStackError`."""
    private_key = settings.private_key or private_key_in(folder / PRIVATE_KEY_FILE)
    if settings.api_url is not None:
        return WaffoConnection(
            settings.api_url, private_key, settings.webhook_test_public_key, settings.webhook_prod_public_key, None
        )
    merchant_public_key = folder / "waffo-merchant-public-key.pem"
    merchant_public_key.write_bytes(_public_key(private_key, "WAFFO_PRIVATE_KEY", Encoding.PEM))
    platform_private_key = folder / "waffo-platform-key.pem"
    platform_key = _public_key(private_key_in(platform_private_key), str(platform_private_key), Encoding.DER)
    # Beside a key that was given, so that the simulator's webhooks and somebody else's can both be tried.
    test_key, prod_key = settings.webhook_test_public_key, settings.webhook_prod_public_key
    if settings.environment == "test":
        test_key = _both(test_key or settings.webhook_public_key, platform_key)
    else:
        prod_key = _both(prod_key or settings.webhook_public_key, platform_key)
    simulator = Simulator(port, merchant_public_key, platform_private_key)
    return WaffoConnection(f"http://{HOST}:{port}", private_key, test_key, prod_key, simulator)


def start_simulator(
    children: Children, connection: WaffoConnection, settings: Settings, webhook_url: str, clock_file: Path
) -> Child | None:
    """Start the simulator, if Waffo is one; it is not ready yet. It tells its clock in `clock_file`."""
    simulator = connection.simulator
    if simulator is None:
        return None
    waffo = settings.waffo
    command = (
        *(sys.executable, "-m", "local.waffo_simulator", "--host", HOST, "--port", str(simulator.port)),
        *("--environment", waffo.environment),
        *("--store-id", waffo.store_id, "--merchant-id", waffo.merchant_id),
        *("--merchant-public-key", str(simulator.merchant_public_key)),
        *("--platform-private-key", str(simulator.platform_private_key)),
        *("--webhook-url", webhook_url, "--catalog", str(settings.catalog_path)),
        *("--base-url", f"http://{HOST}:{simulator.port}", "--clock-file", str(clock_file)),
    )
    return children.start("waffo-simulator", command, minimal_environment())


def wait_for_simulator(child: Child, port: int) -> None:
    """Wait until the simulator answers. Raises `LocalStackError`."""
    wait_until(lambda: is_open(port), child, START_SECONDS_MAX)


def _public_key(private_key: str, name: str, encoding: Encoding) -> bytes:
    try:
        key = load_private_key(private_key, name)
    except InvalidKey as error:
        raise LocalStackError(str(error)) from error
    return key.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)


def _both(given: str, platform_key: bytes) -> str:
    ours = base64.b64encode(platform_key).decode("ascii")
    return f"{given},{ours}" if given else ours
