"""``trigger``: an event of Waffo's, on purpose. As a story in the simulator, or signed for a test stack."""

import hashlib
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from pancake_meter.waffo.errors import InvalidKey
from pancake_meter.waffo.keys import load_private_key
from pancake_meter_cli import samples
from pancake_meter_cli.api import Json, path
from pancake_meter_cli.cli import Cli
from pancake_meter_cli.command import command
from pancake_meter_cli.commands.operate import is_test
from pancake_meter_cli.failures import Failure, refused, unreachable, usage
from pancake_meter_cli.profiles import require
from pancake_meter_cli.scenarios import SCENARIOS, Scene
from pancake_meter_cli.waffo import EVENT_TYPES

COPIES_MAX: Final = 20
DELAY_SECONDS_MAX: Final = 600.0
TIMEOUT_SECONDS: Final = 35.0
LOOK_SECONDS: Final = 0.5
COLUMNS: Final = [
    ("event", "event_type"),
    ("arrived", "status"),
    ("attempts", "attempts"),
    ("http", "http_status"),
    ("verdict", "verdict"),
    ("reason", "reason"),
    ("delivery id", "delivery_id"),
]


def _types(incomplete: str) -> list[str]:
    return [each for each in EVENT_TYPES if each.startswith(incomplete)]


def register(root: typer.Typer) -> None:
    """Add it."""

    @command(
        root,
        "trigger",
        "trigger subscription.activated --customer acct_1001",
        "trigger subscription.renewed --order ORD_4kPz8sYvN1qJ6tGwB2dXfR",
        "trigger subscription.renewed --duplicate 2 --shuffle",
        "trigger order.completed --set data.chargedAmount=1.00",
        "trigger subscription.activated --signing-key platform-test-key.pem",
    )
    def trigger(
        cli: Cli,
        event: Annotated[str, typer.Argument(help=f"One of: {', '.join(EVENT_TYPES)}.", autocompletion=_types)],
        *,
        customer_id: Annotated[str, typer.Option("--customer", help="Whom it is about.")] = "ada",
        product: Annotated[str | None, typer.Option(help="The product's name or id; without: the first one.")] = None,
        plan: Annotated[
            str | None, typer.Option(help="Of a sample: the plan that the product's metadata names.")
        ] = None,
        order: Annotated[str | None, typer.Option(help="Let it happen to this order of the simulator.")] = None,
        assignments: Annotated[
            list[str] | None, typer.Option("--set", help="path=value in the event; sends a sample. May be repeated.")
        ] = None,
        duplicate: Annotated[int, typer.Option(min=0, max=COPIES_MAX, help="Send each so many times more.")] = 0,
        shuffle: Annotated[bool, typer.Option("--shuffle", help="Send what belongs to it in another order.")] = False,
        delay: Annotated[float, typer.Option(min=0, max=DELAY_SECONDS_MAX, help="Seconds before they are sent.")] = 0.0,
        signing_key: Annotated[
            Path | None, typer.Option(help="The private key that signs webhooks of this test stack; sends a sample.")
        ] = None,
    ) -> None:
        """Let an event of Waffo's happen, with all that belongs to it, and show what the stack made of it.

        Beside the local stack it happens in the simulator, to a real order there. With --set or --signing-key a sample
        is sent as it is. A production stack takes none.
        """
        if event not in SCENARIOS:
            raise usage(f"{event!r} is no event of Waffo's", f"one of: {', '.join(EVENT_TYPES)}", "unknown_event")
        if not is_test(cli):
            raise usage("this is a production stack: events are triggered on a test stack only", code="production")
        sent: list[Json]
        if signing_key is not None:
            made = _sample(cli, event, customer_id, product, plan, order, assignments or [])
            sent = _send(cli, made, _key(signing_key), duplicate=duplicate, shuffle=shuffle, delay=delay)
        else:
            before = {each["id"] for each in cli.simulator.get("deliveries")["deliveries"]}
            with _Faults(cli, duplicate=duplicate, shuffle=shuffle, delay=delay):
                if assignments:
                    for each in _sample(cli, event, customer_id, product, plan, order, assignments):
                        cli.simulator.post("events", {"event": each})
                else:
                    SCENARIOS[event](Scene(cli.simulator, lambda: cli.api, customer_id, product, order))
            sent = _arrived(cli, before)
        rows = [{**each, **_judged(cli, each["delivery_id"])} for each in sent]
        cli.show_list({"event": event, "deliveries": rows}, "deliveries", COLUMNS, "the event had no webhook")


class _Faults:
    """The simulator's deliveries with faults of ours; afterwards with those that were there before."""

    def __init__(self, cli: Cli, *, duplicate: int, shuffle: bool, delay: float) -> None:
        self._cli = cli
        wanted: dict[str, Any] = {"duplicate": duplicate, "shuffle": shuffle, "delay_seconds": delay}
        self._wanted = {name: value for name, value in wanted.items() if value}
        self._delay = delay
        self._before: Json = {}

    def __enter__(self) -> None:
        if self._wanted:
            self._before = self._cli.simulator.get("state")["faults"]
            self._cli.simulator.post("faults", self._wanted)

    def __exit__(self, *_: object) -> None:
        # A flush skips every delay, so whoever wants one waits.
        if self._delay:
            with self._cli.progress(f"waiting {self._delay:g} s"):
                self._cli.sleep(self._delay)
        self._cli.simulator.post("flush")
        if self._wanted:
            held = self._before.get("shuffle")
            self._cli.simulator.post("faults", {**self._before, "shuffle": True if held == -1 else held or None})


def _arrived(cli: Cli, before: set[str]) -> list[Json]:
    return [
        {
            "event_type": each["event_type"],
            "status": each["status"],
            "attempts": each["attempt_count"],
            "http_status": each["http_status"],
            "delivery_id": hashlib.sha256(each["body"].encode()).hexdigest(),
        }
        for each in cli.simulator.get("deliveries")["deliveries"]
        if each["id"] not in before
    ]


def _judged(cli: Cli, delivery_id: str) -> Json:
    """Return what the stack made of a delivery, if it has it."""
    try:
        delivery = cli.api.get(path("deliveries", delivery_id))
    except Failure as failure:
        return {"verdict": None, "reason": failure.code}
    return {"verdict": delivery["verdict"], "reason": delivery["reason"]}


def _sample(
    cli: Cli,
    event: str,
    customer_id: str,
    product: str | None,
    plan: str | None,
    order: str | None,
    assignments: Sequence[str],
) -> list[Json]:
    about = samples.Subject(
        store_id=require(cli.profile, "waffo_store_id"),
        mode="test",
        customer_id=customer_id,
        product=product or "Pro",
        plan=plan,
        currency="USD",
        amount="29.00",
        now=cli.now(),
        order_id=order or samples.short_id("ORD"),
    )
    *before, last = samples.envelopes(event, about)
    return [*before, samples.with_values(last, assignments)]


def _key(file: Path) -> RSAPrivateKey:
    try:
        return load_private_key(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise usage(f"{file} cannot be read ({type(error).__name__})") from None
    except InvalidKey as error:
        raise usage(str(error)) from None


def _send(
    cli: Cli, envelopes: list[Json], key: RSAPrivateKey, *, duplicate: int, shuffle: bool, delay: float
) -> list[Json]:
    """Sign the envelopes and send them to the stack's webhook."""
    url = require(cli.profile, "webhook_url")
    contents = [json.dumps(each, ensure_ascii=False, separators=(",", ":")).encode() for each in envelopes]
    if shuffle:
        random.shuffle(contents)
    with cli.progress("sending"):
        cli.sleep(delay)
        return [_posted(cli, url, content, key, attempts=1 + duplicate) for content in contents]


def _posted(cli: Cli, url: str, content: bytes, key: RSAPrivateKey, *, attempts: int) -> Json:
    event_type = json.loads(content)["eventType"]
    headers = {
        "Content-Type": "application/json",
        "X-Waffo-Signature": samples.signed(content, key),
        "X-Waffo-Event": event_type,
    }
    status = 0
    with httpx.Client(timeout=TIMEOUT_SECONDS, transport=cli.transport) as http:
        for _ in range(attempts):
            try:
                response = http.post(url, content=content, headers=headers)
            except httpx.HTTPError as error:
                raise unreachable("no_answer", f"no answer from {url} ({type(error).__name__})") from error
            if response.is_client_error:
                problem = response.json() if "json" in response.headers.get("Content-Type", "") else {}
                code = str(problem.get("code", "webhook_refused"))
                raise refused(
                    code, str(problem.get("detail", f"the webhook answered {response.status_code}")), _helps(code)
                )
            status = response.status_code
    return {
        "event_type": event_type,
        "status": "success" if status < httpx.codes.MULTIPLE_CHOICES else "failed",
        "attempts": attempts,
        "http_status": status,
        "delivery_id": hashlib.sha256(content).hexdigest(),
    }


def _helps(code: str) -> str:
    if code == "signature_mismatch":
        return "deploy the test stack with WaffoWebhookTestPublicKey set to the public half of the signing key"
    return "see docs/errors.md"
