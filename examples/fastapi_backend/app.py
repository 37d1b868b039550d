"""A backend that sells model calls: it holds units, calls the model, settles, and passes a refusal on with its link."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from pancake_meter_client import AsyncClient, QuotaRefused

Customer = Annotated[str, Header(alias="X-Customer-Id")]  # in your backend: whoever is signed in


class Question(BaseModel):
    prompt: str = Field(max_length=20_000)
    max_tokens: int = Field(default=1_000, ge=1, le=4_000)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncClient() as app.state.meter:  # PANCAKE_METER_URL and PANCAKE_METER_API_KEY
        yield


app = FastAPI(lifespan=lifespan)


async def call_model(question: Question) -> tuple[str, int]:
    """Stand in for a model: an answer, and the tokens that it used."""
    return f"You asked: {question.prompt}", len(question.prompt.split()) + question.max_tokens // 2


@app.get("/quota")
async def quota(request: Request, customer: Customer) -> dict[str, Any]:
    left = await request.app.state.meter.quota(customer, "tokens")
    return {"plan": left.plan, "used": left.used, "available": left.available}


@app.post("/answers")
async def answer(request: Request, customer: Customer, question: Question) -> dict[str, Any]:
    at_most = len(question.prompt.encode()) + question.max_tokens  # a token has at least a byte
    async with request.app.state.meter.hold(customer, "tokens", at_most) as hold:  # released if the model fails
        text, tokens = await call_model(question)
        await hold.settle(tokens)
    return {"answer": text, "tokens": tokens}


@app.exception_handler(QuotaRefused)
async def refuse(_: Request, refused: QuotaRefused) -> JSONResponse:
    return JSONResponse(dict(refused.problem), status_code=402, media_type="application/problem+json")
