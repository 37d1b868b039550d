"""Peers: what others ask of a processor for the same purpose, measured in the same run, in turn with ours.

LiteLLM reserves a key's budget before a call and reconciles it after: in memory, where a restart forgets it and a second
process does not see it, or in Redis. A DynamoDB counter is one ``ADD``: no limit, no period, and a repeat counts twice.
"""

import json
import os
import shutil
import statistics
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from pancake_meter.store.retrying import CLIENT_CONFIG
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.metering import Metering
from tests.load.bench.figures import Figure
from tests.load.bench.twin import Recorder, Twins, cpu_seconds, retold
from tests.load.bench.warm import UNITS, checked, handled
from tests.support.hot_operations import HotOperations
from tests.support.meters import catalog_of
from tests.support.plain_wire import PlainWire
from tests.support.ports import free_port
from tools.cfn_template import ROOT

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ROUNDS: Final = 60
LITELLM_ROUNDS: Final = 20
_LITELLM: Final = ROOT / ".venv-litellm" / "bin" / "python"
_START_SECONDS: Final = 1.0
TURNS: Final = 5
_LITELLM_NOTE: Final = "theirs without a request around it"


def measure(client: "DynamoDBClient", url: str) -> list[Figure]:
    """Return a figure for each peer that is here. What is not here has a figure that says so."""
    return [*_of_clients(client, url), *_of_litellm(client)]


def _of_clients(client: "DynamoDBClient", url: str) -> list[Figure]:
    """Return our handlers beside boto3 as it comes and a counter's ``ADD``, and what of boto3's time is not the request."""
    twins = Twins.begin(client, "peers")
    operations = HotOperations(Metering(Table(client, twins.ours), catalog_of(UNITS)))
    checked(operations.record()())
    twins.follow(twins.recorder.take())
    plain = boto3.client("dynamodb", config=CLIENT_CONFIG, endpoint_url=url)
    others = {"boto3 as it comes": Twins(plain, "peers", Recorder(plain), twins.ours, twins.bare)}
    times: dict[str, list[float]] = {}
    wire = _Wire(url)
    for _ in range(ROUNDS):
        for name in ("record", "batch of 99"):
            call = operations.of(name)
            twins.recorder.take()
            times.setdefault(f"{name}: handler", []).append(handled(call))
            asked = twins.recorder.take()
            (bare,) = others["boto3 as it comes"].made_ready(asked)
            times.setdefault(f"{name}: boto3", []).append(cpu_seconds(bare))
            sent = wire.made_ready(*asked[0], twins.bare)
            times.setdefault(f"{name}: wire", []).append(cpu_seconds(sent))
        times.setdefault("counter", []).append(cpu_seconds(lambda: _count(client, twins.bare)))
    return [
        Figure.of_times("record, beside a counter's ADD", times["record: handler"], times["counter"]),
        Figure.of_times(
            "99 events, beside 99 of a counter's ADDs",
            times["batch of 99: handler"],
            [99 * each for each in times["counter"]],
        ),
        Figure.of_times(
            "record: boto3, beside a signed request without it", times["record: boto3"], times["record: wire"]
        ),
        Figure.of_times(
            "batch of 99: boto3, beside a signed request without it",
            times["batch of 99: boto3"],
            times["batch of 99: wire"],
        ),
    ]


def _count(client: "DynamoDBClient", table: str) -> None:
    client.update_item(
        TableName=table,
        Key={"PK": {"S": "COUNTER"}, "SK": {"S": "COUNTER"}},
        UpdateExpression="ADD used :quantity",
        ExpressionAttributeValues={":quantity": {"N": "3"}},
    )


class _Wire:
    """The same request without botocore's client: JSON, its signature by botocore's signer, and a plain connection."""

    def __init__(self, url: str) -> None:
        """Begin without a connection."""
        self._url = url
        self._session = PlainWire(10)
        self._signer = SigV4Auth(Credentials("testing", "testing"), "dynamodb", "us-east-1")

    def made_ready(self, method: str, asked: Mapping[str, Any], table: str) -> Callable[[], None]:
        """Return the request as a call."""
        target = "".join(word.capitalize() for word in method.split("_"))
        again = retold(dict(asked), table)

        def send() -> None:
            body = json.dumps({**again, "ClientRequestToken": os.urandom(16).hex()})
            headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"DynamoDB_20120810.{target}"}
            request = AWSRequest(method="POST", url=self._url, data=body, headers=headers)
            self._signer.add_auth(request)
            answer = self._session.send(request.prepare())
            json.loads(answer.content)

        return send


def _of_litellm(client: "DynamoDBClient") -> list[Figure]:
    if not _LITELLM.exists():
        return [
            Figure("hold and settle, beside LiteLLM's budget", 0, None, "ms CPU", note="not measured: `make setup`")
        ]
    theirs: dict[str, list[float]] = defaultdict(list)
    ours: list[float] = []
    with _redis() as redis_url, _litellm(redis_url) as litellm:
        for turn in range(TURNS):
            for kind, seconds in litellm().items():
                theirs[kind].append(seconds)
            ours.append(_held_and_settled(client, turn))
    figures = [
        Figure.of_times(f"hold and settle, beside LiteLLM's budget {kind}", ours, seconds, _LITELLM_NOTE)
        for kind, seconds in theirs.items()
    ]
    if redis_url is None:
        note = "not measured: no `redis-server` here, and no REDIS_URL"
        figures.append(Figure("hold and settle, beside LiteLLM's budget with Redis", 0, None, "ms CPU", note=note))
    return figures


def _held_and_settled(client: "DynamoDBClient", turn: int) -> float:
    twins = Twins.begin(client, f"litellm-{turn}")
    operations = HotOperations(Metering(Table(client, twins.ours), catalog_of(UNITS)))
    checked(operations.record()())
    return statistics.median(handled(operations.hold()) + handled(operations.settle()) for _ in range(LITELLM_ROUNDS))


@contextmanager
def _litellm(redis_url: str | None) -> Iterator[Callable[[], dict[str, float]]]:
    """Yield what has LiteLLM measure some rounds, and returns seconds by where the budget is."""
    command = [str(_LITELLM), str(ROOT / "tests" / "load" / "bench" / "litellm_peer.py"), str(LITELLM_ROUNDS)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    peer = subprocess.Popen(
        [*command, *([redis_url] if redis_url else [])],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )

    def measure() -> dict[str, float]:
        if peer.stdin is None or peer.stdout is None:
            raise RuntimeError("LiteLLM has no pipes")
        peer.stdin.write("\n")
        peer.stdin.flush()
        for line in peer.stdout:
            # LiteLLM prints advice of its own.
            if line.startswith("{"):
                told: dict[str, float] = json.loads(line)
                return told
        raise RuntimeError("LiteLLM ended before it answered")

    try:
        yield measure
    finally:
        peer.kill()
        peer.communicate()


@contextmanager
def _redis() -> Iterator[str | None]:
    """Yield the address of a Redis: of REDIS_URL, or of a server that is installed here; ``None`` without either."""
    if "REDIS_URL" in os.environ:
        yield os.environ["REDIS_URL"]
        return
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        yield None
        return
    port = free_port()
    settings = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
    server = subprocess.Popen([program, *settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(_START_SECONDS)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(timeout=10)
