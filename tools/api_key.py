"""Makes, lists and revokes API keys of a deployed stack with AWS credentials: the first key of a stack is made so.

A key is printed once; the table keeps only its hash, which is its id. Region and credentials are the AWS CLI's.

Usage, with ``PYTHONPATH=layers/shared``::

    python -m tools.api_key create --stack <stack> --name <who uses it> [--roles meter,sell] [--expires-in-days 90]
    python -m tools.api_key list --stack <stack>
    python -m tools.api_key revoke --stack <stack> --id <key_id>     (without --id: the key itself on standard input)

The stack tells its table and the mode of its keys. Where it cannot be asked, ``--table`` names the table, and ``create``
needs ``--mode test|live``, which must be that of the keys in the table. Without ``--roles`` a key has all of them.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TextIO, cast

import boto3

from pancake_meter.domain.access.api_key import LIFE_MAX, ApiKey, Mode, api_key_id, mode_of_environment
from pancake_meter.domain.access.role import ROLES, Role
from pancake_meter.domain.errors import DomainError
from pancake_meter.store.access.api_keys import list_api_keys, mode_of_listed
from pancake_meter.store.dynamodb_client import dynamodb_client
from pancake_meter.store.table import Table
from pancake_meter.usecases.access.manage_keys import create_key, revoke_key

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

_PAGE = 100
_ROLES_HELP = f"comma-separated, of {', '.join(ROLES)}; without it the key has EVERY role, admin among them"


class Refused(Exception):
    """The command cannot be carried out; the message says why."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A table of keys and the mode of its keys, where it is known."""

    table: Table
    mode: Mode | None


def main(
    arguments: Sequence[str],
    stdin: TextIO = sys.stdin,
    endpoint_url: str | None = None,
    cloudformation: "Callable[[], CloudFormationClient]" = lambda: boto3.client("cloudformation"),
) -> int:
    """Run the command; return the exit status."""
    options = _parser().parse_args(arguments)
    now = datetime.now(UTC)
    try:
        place = _place(options, endpoint_url, cloudformation)
        match options.command:
            case "create":
                return _create(place, options, now)
            case "list":
                return _list(place, now)
            case _:
                return _revoke(place, options.id or api_key_id(stdin.readline().strip()), now)
    except (DomainError, Refused) as error:
        print(error, file=sys.stderr)
        return 1


def _create(place: _Place, options: argparse.Namespace, now: datetime) -> int:
    life = options.expires_in_days
    if life is not None and not 1 <= life <= LIFE_MAX.days:
        raise Refused(f"--expires-in-days is 1 to {LIFE_MAX.days}")
    mode = _agreed_mode(place, options.mode)
    expires_at = now + timedelta(days=life) if life is not None else None
    new = create_key(place.table, mode, options.name, options.roles, expires_at, now)
    print(new.text)
    print(f"id {new.known.id}; roles {_roles_text(new.known)}", file=sys.stderr)
    return 0


def _list(place: _Place, now: datetime) -> int:
    for key in _each(place.table):
        used = key.last_used_on.isoformat() if key.last_used_on else "never used"
        print("\t".join((key.id, key.plain_name, _roles_text(key), key.status_at(now), f"{key.created_at:%F}", used)))
    return 0


def _revoke(place: _Place, key_id: str, now: datetime) -> int:
    revoke_key(place.table, key_id, now)
    print("revoked; the authorizer's cache may know it for a minute more")
    return 0


def _agreed_mode(place: _Place, asked: Mode | None) -> Mode:
    """Return the mode of the stack's keys. Raises `Refused`: where it is not known, no key is made."""
    known = place.mode or mode_of_listed(place.table)
    if known is not None and asked is not None and asked != known:
        raise Refused(f"the stack takes keys of mode {known} only")
    mode = known or asked
    if mode is None:
        raise Refused("give --stack, or --mode test or --mode live")
    return mode


def _place(
    options: argparse.Namespace, endpoint_url: str | None, cloudformation: "Callable[[], CloudFormationClient]"
) -> _Place:
    client = dynamodb_client(endpoint_url)
    if options.stack is None:
        return _Place(Table(client, options.table), None)
    (stack,) = cloudformation().describe_stacks(StackName=options.stack)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}
    parameters = {each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", ())}
    environment = parameters.get("WaffoEnvironment")
    if environment not in ("test", "prod"):
        raise Refused(f"{options.stack} does not say its WaffoEnvironment")
    return _Place(Table(client, outputs["TableName"]), mode_of_environment("test" if environment == "test" else "prod"))


def _each(table: Table) -> Iterator[ApiKey]:
    place = None
    while True:
        page = list_api_keys(table, limit=_PAGE, after=place)
        yield from page.keys
        place = page.following
        if place is None:
            return


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="api_key")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("create", "list", "revoke"):
        command = commands.add_parser(name)
        where = command.add_mutually_exclusive_group(required=True)
        where.add_argument("--stack")
        where.add_argument("--table")
        if name == "create":
            command.add_argument("--mode", choices=("test", "live"))
            command.add_argument("--name", required=True)
            command.add_argument("--roles", type=_roles, default=frozenset(ROLES), help=_ROLES_HELP)
            command.add_argument(
                "--expires-in-days", type=int, help=f"1 to {LIFE_MAX.days}; without it the key never ends"
            )
        if name == "revoke":
            command.add_argument("--id")
    return parser


def _roles(text: str) -> frozenset[Role]:
    named = {each.strip() for each in text.split(",")}
    if not named <= set(ROLES):
        raise argparse.ArgumentTypeError(f"roles are {', '.join(ROLES)}")
    return frozenset(cast("set[Role]", named))


def _roles_text(key: ApiKey) -> str:
    return ",".join(role for role in ROLES if role in key.roles)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
