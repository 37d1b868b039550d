"""The simulator as an ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from local.waffo_simulator.actions import ACTIONS
from local.waffo_simulator.checkout_page import checkout_endpoint
from local.waffo_simulator.config import SimulatorConfig
from local.waffo_simulator.control import control_routes
from local.waffo_simulator.gateway import Gateway
from local.waffo_simulator.product_actions import PRODUCT_ACTIONS
from local.waffo_simulator.simulator import Simulator
from local.waffo_simulator.webhook_actions import WEBHOOK_ACTIONS


def create_app(config: SimulatorConfig) -> Starlette:
    """A simulator; `app.state.simulator` is its `Simulator`. Raises `ValueError`: a key cannot be used."""
    simulator = Simulator(config)
    gateway = Gateway(simulator, {**ACTIONS, **PRODUCT_ACTIONS, **WEBHOOK_ACTIONS})

    async def reset(_request: Request) -> JSONResponse:
        await simulator.reset()
        gateway.forget()
        return JSONResponse({"reset": True})

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await simulator.close()

    pages = checkout_endpoint(simulator)
    app = Starlette(
        routes=[
            Route("/v1/{path:path}", gateway.answer, methods=["POST"]),
            Route("/store/{slug}/checkout/{session_id}", pages, methods=["GET", "POST"]),
            Route("/store/{slug}/change/{session_id}", pages, methods=["GET", "POST"]),
            Mount("/_sim", routes=[*control_routes(simulator), Route("/reset", reset, methods=["POST"])]),
        ],
        lifespan=lifespan,
    )
    app.state.simulator = simulator
    return app
