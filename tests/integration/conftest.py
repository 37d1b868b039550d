"""Handlers are imported as Lambda imports them: with their environment set. Collaborators come with each call."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

os.environ |= {
    "AWS_DEFAULT_REGION": "us-east-1",
    "TABLE_NAME": "not-used",
    "CATALOG_PATH": str(ROOT / "layers" / "catalog" / "catalog.toml"),
    "WAFFO_ENVIRONMENT": "test",
    "WAFFO_STORE_ID": "STO_7hQ2mVb9KxT4cLr8WnZ3aE",
    "WAFFO_MERCHANT_ID": "MER_1aB2cD3eF4gH5iJ6kL7mN8",
    "WAFFO_PRIVATE_KEY_SECRET_ID": "not-used",
    "PURCHASE_LINK_SECRET_ID": "not-used",
    "CHECKOUT_SUCCESS_URL": "https://app.example.com/billing",
    "POWERTOOLS_METRICS_NAMESPACE": "PancakeMeter",
    "POWERTOOLS_SERVICE_NAME": "test",
}
