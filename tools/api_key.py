"""Makes an API key for a deployed stack, or ends one. The key is printed once; the table keeps only its hash.

Usage: ``PYTHONPATH=layers/shared python -m tools.api_key create --table <TableName> --mode test|live --name <who uses it>``,
or ``... revoke --table <TableName>`` with the key on standard input. Region and credentials are the AWS CLI's.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TextIO

from pancake_meter.domain.access.api_key import generate_api_key
from pancake_meter.store.access.api_keys import revoke_api_key, write_api_key
from pancake_meter.store.table import Table, dynamodb_client


def main(arguments: Sequence[str], stdin: TextIO = sys.stdin, endpoint_url: str | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="api_key")
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create")
    create.add_argument("--table", required=True)
    create.add_argument("--mode", choices=("test", "live"), required=True)
    create.add_argument("--name", required=True)
    revoke = commands.add_parser("revoke")
    revoke.add_argument("--table", required=True)
    options = parser.parse_args(arguments)
    table = Table(dynamodb_client(endpoint_url), options.table)
    if options.command == "create":
        key = generate_api_key(options.mode)
        write_api_key(table, key, options.name, datetime.now(UTC))
        print(key)
        return 0
    if revoke_api_key(table, stdin.readline().strip()):
        print("revoked; the authorizer's cache may know it for a minute more")
        return 0
    print("there is no such key", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
