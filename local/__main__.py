"""`python -m local`: start everything, print `ready {json}`, serve until interrupted, leave nothing behind."""

import asyncio
import fcntl
import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from local import STATE
from local.deploy import STACK_NAME, built, deploy, read_stack
from local.errors import LocalStackError
from local.front import WEBHOOK_PATH, Behind, Opened, create_front
from local.moved_clock import clock_file
from local.ports import HOST, free_port, listen
from local.processes import Children
from local.routes import import_routes
from local.seed import (
    LITELLM_KEY_SECRET,
    OPENMETER_KEY_SECRET,
    PRIVATE_KEY_SECRET,
    make_bucket,
    put_secret,
    seed_api_key,
    write_private,
)
from local.settings import READY_FILE, Settings, read_settings
from local.signed_in import CONSOLE_PATH, PORTAL_PATH
from local.stack import MiniStack, start_ministack, wait_for_ministack
from local.tools_needed import check_tools
from local.waffo import PRIVATE_KEY_FILE, WaffoConnection, connect_waffo, start_simulator, wait_for_simulator
from local.warm import warm
from pancake_meter.domain.access.api_key import mode_of_environment

STEPS = 4
WATCH_SECONDS = 1.0
STOP_SECONDS_MAX = 5
BACKLOG = 128
INTERRUPTED = 130


def main() -> int:
    """Run the stack; return the exit status: 0 after serving, 1 when it could not, 130 when interrupted before."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        check_tools()
        settings = read_settings(os.environ)
        with _alone(settings.state_folder), listen(settings.port) as listener:
            run(settings, listener)
    except LocalStackError as error:
        print(f"local stack: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def run(settings: Settings, listener: socket.socket) -> None:
    """Start, deploy, seed, and serve until interrupted. Raises `LocalStackError`; ends every child on the way out."""
    state, data, temporary = settings.state_folder, settings.state_folder / "data", settings.state_folder / "tmp"
    if not settings.keep_data:
        shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True, exist_ok=True)
    api_url = f"http://{HOST}:{settings.port}"
    webhook_url = api_url + WEBHOOK_PATH
    waffo_port, stack_port = free_port(settings.port + 1), free_port(settings.port + 2)
    # Cleared last: the functions' unpacked layers are large, and of no use to the next run.
    with _cleared(temporary), Children(state / "logs") as children:
        ministack, process = start_ministack(
            children, stack_port, data / "ministack", temporary, enforce_iam=settings.enforce_iam
        )
        # They come up while keys are made and the sources are built: one build for all stacks of this checkout.
        waffo = connect_waffo(settings.waffo, data, waffo_port)
        simulator = start_simulator(children, waffo, settings, webhook_url, clock_file(temporary))
        with ExitStack() as building:
            with _told(1, "build what has changed"):
                folder = building.enter_context(built(children, STATE / "sam"))
            with _told(2, "wait for MiniStack"):
                wait_for_ministack(process, stack_port)
            with _told(3, "deploy"):
                make_bucket(ministack)
                deploy(children, ministack, folder, _parameters(ministack, settings, waffo, api_url))
        with _told(4, "make the routes and a key"):
            stack = read_stack(ministack)
            import_routes(ministack, stack)
            table = stack.outputs["TableName"]
            mode = mode_of_environment("prod" if settings.waffo.environment == "prod" else "test")
            api_key = seed_api_key(ministack, table, mode, data / "api-key")
            if simulator is not None:
                wait_for_simulator(simulator, waffo_port)
        answer = {
            "api_url": api_url,
            "webhook_url": webhook_url,
            "waffo_url": waffo.api_url,
            "dynamodb_url": ministack.endpoint_url,
            "table": table,
            "api_key": api_key,
            "aws_endpoint_url": ministack.endpoint_url,
            "waffo_environment": settings.waffo.environment,
            "waffo_store_id": settings.waffo.store_id,
            "waffo_merchant_id": settings.waffo.merchant_id,
            # Who was given a key knows it; one that was made here is in a file.
            "waffo_private_key_file": None if settings.waffo.private_key else str(data / PRIVATE_KEY_FILE),
            "catalog_path": str(settings.catalog_path),
            "stack_name": STACK_NAME,
            "litellm_url": settings.litellm.base_url if settings.litellm is not None else None,
            "logs": str(state / "logs"),
            "portal_url": api_url + PORTAL_PATH,
            "console_url": api_url + CONSOLE_PATH,
        }

        def announce() -> None:
            listener.listen(BACKLOG)
            write_private(state / READY_FILE, json.dumps(answer))
            print(f"ready {json.dumps(answer)}", flush=True)

        behind = Behind(ministack.endpoint_url, stack.outputs["HttpApiId"], stack.outputs["WebhookUrl"])
        opened = Opened(api_key, api_url)
        front = create_front(behind, announce, in_flight_max=settings.in_flight_max, opened=opened)
        try:
            asyncio.run(_serve(front, listener, children, lambda is_wanted: warm(ministack, stack, is_wanted)))
        finally:
            (state / READY_FILE).unlink(missing_ok=True)
        _tell("stopping")


def _parameters(ministack: MiniStack, settings: Settings, waffo: WaffoConnection, api_url: str) -> Mapping[str, str]:
    """Return the parameters of the template; the secrets that they name are put in their place."""
    parameters = {
        "WaffoEnvironment": settings.waffo.environment,
        "WaffoStoreId": settings.waffo.store_id,
        "WaffoMerchantId": settings.waffo.merchant_id,
        "WaffoPrivateKeySecretArn": put_secret(ministack, PRIVATE_KEY_SECRET, waffo.private_key),
        "WaffoApiUrl": waffo.api_url,
        "WaffoWebhookTestPublicKey": waffo.webhook_test_public_key,
        "WaffoWebhookProdPublicKey": waffo.webhook_prod_public_key,
        "WaffoWebhookPublicKey": settings.waffo.webhook_public_key,
        "CheckoutSuccessUrl": settings.checkout_success_url,
        "BrowserOrigins": settings.browser_origins,
        "PublicBaseUrl": api_url,
        "CatalogPath": str(settings.catalog_path),
        "LogLevel": settings.log_level,
        "Observability": "none",
    }
    if settings.openmeter is not None:
        put_secret(ministack, OPENMETER_KEY_SECRET, settings.openmeter.api_key)
        parameters |= {"OpenMeterBaseUrl": settings.openmeter.base_url, "OpenMeterKeySecret": OPENMETER_KEY_SECRET}
    if settings.litellm is not None:
        put_secret(ministack, LITELLM_KEY_SECRET, settings.litellm.api_key)
        parameters |= {"LiteLLMBaseUrl": settings.litellm.base_url, "LiteLLMKeySecret": LITELLM_KEY_SECRET}
    return parameters


class _Server(uvicorn.Server):
    """A server that leaves the signals to us: uvicorn would raise them once more when it has ended."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def _serve(
    front: Starlette, listener: socket.socket, children: Children, warm_up: Callable[[Callable[[], bool]], None]
) -> None:
    """Serve until a signal comes, and warm up meanwhile.

    Raises `LocalStackError` when a child ends on its own, or a function cannot start.
    """
    server = _Server(uvicorn.Config(front, log_level="warning", timeout_graceful_shutdown=STOP_SECONDS_MAX))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, setattr, server, "should_exit", True)  # noqa: FBT003
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    warming = asyncio.create_task(asyncio.to_thread(warm_up, lambda: not server.should_exit))
    while not serving.done():
        ended = children.first_ended()
        if ended is not None:
            server.should_exit = True
            await serving
            raise LocalStackError(f"{ended.name} ended with status {ended.process.returncode}; its log: {ended.log}")
        if warming.done() and warming.exception() is not None:
            server.should_exit = True
            break
        await asyncio.wait({serving}, timeout=WATCH_SECONDS)
    await serving
    await warming


@contextmanager
def _alone(state_folder: Path) -> Iterator[None]:
    """Hold the state folder for this run. Raises `LocalStackError` when another run has it."""
    state_folder.mkdir(parents=True, exist_ok=True)
    with (state_folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalStackError(
                f"another local stack uses {state_folder}: stop it, or set LOCAL_STATE_DIR to another folder"
            ) from None
        yield


@contextmanager
def _cleared(folder: Path) -> Iterator[None]:
    """Give an empty folder, and remove it afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _told(number: int, step: str) -> Iterator[None]:
    """Say on stderr that a step begins, and how long it took; stdout has the `ready` line alone."""
    started = time.monotonic()
    _tell(f"{number} of {STEPS}, {step} ...")
    yield
    _tell(f"{number} of {STEPS}, {step}: {time.monotonic() - started:.1f} s")


def _tell(text: str) -> None:
    print(f"local stack: {text}", file=sys.stderr, flush=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
