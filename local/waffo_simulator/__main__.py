"""`python -m local.waffo_simulator`: serve until interrupted. Defaults come from the environment, as for the stack."""

import argparse
import os
from pathlib import Path

import uvicorn

from local import ROOT
from local.ports import HOST
from local.waffo_simulator.app import create_app
from local.waffo_simulator.catalog_products import catalog_products
from local.waffo_simulator.config import SimulatorConfig

SHUTDOWN_SECONDS_MAX = 2  # an answer that is held back must not hold us up
DEFAULT_CATALOG = ROOT / "layers" / "catalog" / "catalog.toml"


def main() -> None:
    """Read the arguments and serve."""
    given = _arguments().parse_args()
    config = SimulatorConfig(
        merchant_id=given.merchant_id,
        merchant_public_key_pem=given.merchant_public_key.read_text("ascii"),
        store_id=given.store_id,
        store_name=given.store_name,
        mode=given.environment,
        products=() if given.empty else catalog_products(given.catalog, given.environment),
        webhook_private_key_pem=given.platform_private_key.read_text("ascii") if given.platform_private_key else None,
        webhook_url=given.webhook_url,
        base_url=given.base_url,
        seed=given.seed,
        retry_base_seconds=given.retry_base_seconds,
        clock_file=given.clock_file,
    )
    uvicorn.run(
        create_app(config),
        host=given.host,
        port=given.port,
        log_level="warning",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS_MAX,
    )


def _arguments() -> argparse.ArgumentParser:
    environ = os.environ
    parser = argparse.ArgumentParser(prog="python -m local.waffo_simulator", description=__doc__)
    parser.add_argument("--host", choices=(HOST, "localhost"), default=HOST, help="this machine only")
    parser.add_argument("--port", type=int, default=int(environ.get("PORT") or "8001"))
    parser.add_argument("--environment", choices=("test", "prod"), default=environ.get("WAFFO_ENVIRONMENT") or "test")
    parser.add_argument("--store-id", default=environ.get("WAFFO_STORE_ID") or "STO_LocalLocalLocalLocal00")
    parser.add_argument("--merchant-id", default=environ.get("WAFFO_MERCHANT_ID") or "MER_LocalLocalLocalLocal00")
    parser.add_argument("--store-name", default="Local Store")
    parser.add_argument("--merchant-public-key", type=Path, required=True, help="PEM file: whose requests are let in")
    parser.add_argument("--platform-private-key", type=Path, help="PEM file: signs webhooks; left out: a new key")
    parser.add_argument("--webhook-url", help="where every event goes; left out: none yet")
    parser.add_argument("--base-url", help="where browsers find the checkout pages; left out: as the API was called")
    parser.add_argument("--catalog", type=Path, default=Path(environ.get("CATALOG_PATH") or DEFAULT_CATALOG))
    parser.add_argument("--empty", action="store_true", help="a new store, without products")
    parser.add_argument("--seed", type=int, help="fixes every id; left out: each run has its own")
    parser.add_argument("--clock-file", type=Path, help="where to tell how the clock stands; left out: nowhere")
    parser.add_argument("--retry-base-seconds", type=float, default=1.0, help="before the first retry; then doubled")
    return parser


if __name__ == "__main__":
    main()
