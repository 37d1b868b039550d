"""`PYTHONPATH=... python -m tests.support.invoke_in_trouble AT_ONCE < cases.json`: functions in trouble.

A case is a function, how everything that it calls behaves, and events. The function is started as Lambda starts it, with its
own collaborators, in a process of its own: a forked one, since what all of them import takes most of their time. Prints
`result` and JSON for each event.
"""

import importlib
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import boto3  # noqa: F401 - of all functions
import httpx  # noqa: F401 - of all functions
from aws_lambda_powertools import Metrics  # noqa: F401 - of all functions
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver  # noqa: F401 - of all functions

from pancake_meter import catalog, domain, store, usecases
from pancake_meter.domain.access.api_key import generate_api_key
from tests.support.api import api_event
from tests.support.trouble_server import BEHAVIOURS, server
from tests.support.waffo_webhooks import platform_key, public_pem, signed_request
from tools.cfn_template import ROOT, load_template

RESULT = "result "
"""Before each line of ours: the function's log goes the same way."""


@dataclass
class Context:
    """Lambda's context, whose time runs."""

    seconds: float
    began: float
    function_name: str = "function"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:123456789012:function:function"
    aws_request_id: str = "0e4a1bf5-9c1e-4c8c-a6f9-0b8e3f1f6c11"

    def get_remaining_time_in_millis(self) -> int:
        return int((self.seconds - (time.monotonic() - self.began)) * 1000)


def timeout_of(function: str) -> float:
    """Return the Timeout of the function in ``functions/<function>``, in seconds."""
    template = load_template()
    properties = next(
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource.get("Properties", {}).get("CodeUri") == f"functions/{function}"
    )
    return float(properties.get("Timeout", template["Globals"]["Function"]["Timeout"]))


def environment(url: str, function: str) -> dict[str, str]:
    """Return the settings of a stack all of whose dependencies are at ``url``."""
    return {
        "ALERT_FAILED_QUEUE_URL": f"{url}/alerts-failed.fifo",
        "ALERT_QUEUE_URL": f"{url}/alerts.fifo",
        "ALERT_SECRET_ID": "alerts",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": url,
        "AWS_SECRET_ACCESS_KEY": "test",
        "CATALOG_PATH": str(ROOT / "layers" / "catalog" / "catalog.toml"),
        "FORWARDING_REFUSED_QUEUE_URL": f"{url}/refused",
        "CUSTOMER_TOKEN_SECRET_ID": "tokens",
        "CUSTOMER_TOKEN_STACK": "stack",
        "LITELLM_BASE_URL": url,
        "LITELLM_KEY_SECRET_ID": "litellm",
        "OPENMETER_BASE_URL": url,
        "OPENMETER_KEY_SECRET_ID": "openmeter",
        "POWERTOOLS_METRICS_NAMESPACE": "PancakeMeter",
        "POWERTOOLS_SERVICE_NAME": function,
        "PSEUDONYM_SECRET_ID": "pseudonyms",
        "PURCHASE_LINK_SECRET_ID": "links",
        "STREAM_FAILED_QUEUE_URL": f"{url}/failed",
        "TABLE_NAME": "table",
        "USAGE_QUEUE_URL": f"{url}/usage",
        "WAFFO_API_URL": url,
        "WAFFO_ENVIRONMENT": "test",
        "WAFFO_MERCHANT_ID": "MER_1aB2cD3eF4gH5iJ6kL7mN8",
        "WAFFO_PRIVATE_KEY_SECRET_ID": "waffo",
        "WAFFO_STORE_ID": "STO_7hQ2mVb9KxT4cLr8WnZ3aE",
        "WAFFO_WEBHOOK_TEST_PUBLIC_KEY": public_pem(platform_key()),
    }


def event_of(name: str) -> dict[str, Any]:
    """Return an event: a file of ``events``, a webhook of them signed now, a request of the authorizer, or a schedule's."""
    if name.startswith("webhook_"):
        return signed_request(api_event(name), at=datetime.now(UTC))
    if name == "usage_heal_schedule":
        return api_event("reconciliation_schedule")
    if name != "authorize":
        return api_event(name)
    return {"headers": {"authorization": f"Bearer {generate_api_key('test')}"}, "routeKey": "POST /v1/usage"}


def invoke(function: str, behaviour: str, events: Sequence[str]) -> None:
    """Invoke the function with each event; print what came of it, in how many seconds, after how many requests."""
    sys.path.insert(0, str(ROOT / "functions" / function))
    timeout = timeout_of(function)
    with server(BEHAVIOURS[behaviour]) as (url, requests):
        os.environ.update(environment(url, function))
        handler = importlib.import_module(function).handler
        for name in events:
            requests.clear()
            event, began = event_of(name), time.monotonic()
            try:
                outcome = handler(event, Context(timeout, began))
            except Exception as error:  # noqa: BLE001 - what it raises is the result
                outcome = {"raised": [each.__name__ for each in type(error).__mro__]}
            seconds = time.monotonic() - began
            result = {
                "function": function,
                "behaviour": behaviour,
                "event": name,
                "outcome": outcome,
                "seconds": seconds,
                "requests": len(requests),
                "timeout": timeout,
            }
            print(RESULT + json.dumps(result), flush=True)  # noqa: T201 - the result


def forked(case: tuple[str, str, Sequence[str]], output: Path) -> int:
    """Run a case in a process of its own, which writes to a file; return its process id."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT, 0o600), 1)
            invoke(*case)
            status = 0
        except Exception:  # noqa: BLE001 - as the interpreter does it
            traceback.print_exc()
        finally:
            # Threads that still wait for the server must not keep the process.
            os._exit(status)
    return child


def import_what_reads_no_settings() -> None:
    """Import what many functions do, so that their processes need not: nothing below the use cases sees the environment."""
    for name in ("jinja2", "jwt", "pydantic", "cryptography.hazmat.primitives.asymmetric.rsa"):
        importlib.import_module(name)
    for package in (catalog, domain, store, usecases):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)


def main(at_once: int) -> None:
    """Run the cases, so many at once, and print what each of them printed."""
    running: dict[int, Path] = {}
    # All of it is read or made once: each process has it from here.
    import_what_reads_no_settings()
    load_template()
    platform_key()
    with tempfile.TemporaryDirectory() as folder:

        def wait_for_one() -> None:
            child, _ = os.wait()
            print(running.pop(child).read_text(), flush=True)  # noqa: T201 - the result

        for number, case in enumerate(json.load(sys.stdin)):
            if len(running) == at_once:
                wait_for_one()
            output = Path(folder) / str(number)
            output.touch()
            running[forked(case, output)] = output
        while running:
            wait_for_one()


if __name__ == "__main__":
    main(int(sys.argv[1]))
