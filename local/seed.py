"""What a stack needs before its first request: the artifacts' bucket, the secrets, one API key."""

import os
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from local.deploy import ARTIFACTS_BUCKET
from local.stack import MiniStack
from pancake_meter.domain.access.api_key import Mode, api_key_id, mode_of
from pancake_meter.domain.access.role import ROLES
from pancake_meter.store.access.api_keys import read_api_key
from pancake_meter.store.table import Table
from pancake_meter.usecases.access.manage_keys import create_key

PRIVATE_KEY_SECRET = "pancake-meter/waffo-private-key"  # noqa: S105 - its name
OPENMETER_KEY_SECRET = "pancake-meter/openmeter-key"  # noqa: S105 - its name
LITELLM_KEY_SECRET = "pancake-meter/litellm-key"  # noqa: S105 - its name
KEY_BITS = 2048
PUBLIC_EXPONENT = 65537


def make_bucket(ministack: MiniStack) -> None:
    """Make the bucket that `sam deploy` uploads to."""
    client = ministack.s3()
    if ARTIFACTS_BUCKET not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=ARTIFACTS_BUCKET)


def put_secret(ministack: MiniStack, name: str, value: str) -> str:
    """Keep a secret that the template refers to; return its ARN."""
    client = ministack.secretsmanager()
    known = client.list_secrets(MaxResults=100)["SecretList"]
    arn = next((secret["ARN"] for secret in known if secret["Name"] == name), None)
    if arn is None:
        return client.create_secret(Name=name, SecretString=value)["ARN"]
    client.put_secret_value(SecretId=arn, SecretString=value)
    return arn


def seed_api_key(ministack: MiniStack, table_name: str, mode: Mode, file: Path) -> str:
    """Make sure that the stack knows one API key that may do everything, and return it.

    `file` remembers it for a run that keeps its data.
    """
    table, now = Table(ministack.dynamodb(), table_name), datetime.now(UTC)
    if file.exists():
        key = file.read_text(encoding="ascii").strip()
        known = read_api_key(table, api_key_id(key))
        if mode_of(key) == mode and known is not None and known.status_at(now) == "active":
            return key
    key = create_key(table, mode, "local", frozenset(ROLES), None, now).text
    write_private(file, key)
    return key


def private_key_in(file: Path) -> str:
    """Return the private key (PEM) in `file`, made on first use."""
    if not file.exists():
        key = generate_private_key(PUBLIC_EXPONENT, KEY_BITS)
        write_private(file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii"))
    return file.read_text(encoding="ascii")


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as output:
        output.write(text)
