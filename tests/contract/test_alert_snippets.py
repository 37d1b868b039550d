"""Issue 14, point 12: the receivers of docs/alert-endpoints.md take what the stack signs, and refuse everything else."""

import asyncio
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from pancake_meter.standard_webhooks.client import signed_headers
from tests.support.node import run_node

PAGE = (Path(__file__).parents[2] / "docs" / "alert-endpoints.md").read_text(encoding="utf-8")
SECRET, OLDER, STRANGE = (f"whsec_{letter * 43}=" for letter in "AEI")
ID = "alrt_" + "0" * 40
BODY = json.dumps({"type": "quota.refused", "timestamp": "2026-03-10T15:20:00.000Z", "data": {"customer_id": "Zoë"}})

# What stands for two packages of npm: Express as far as the page uses it, and verifying by the specification of Standard
# Webhooks, with nothing but what Node has.
EXPRESS = """
const routes = {};
const express = () => ({ post: (path, ...handlers) => { routes[path] = handlers; }, routes });
express.raw = () => (request, response, next) => next();
export default express;
"""
STANDARD_WEBHOOKS = """
import { createHmac, timingSafeEqual } from "node:crypto";
export class Webhook {
  constructor(secret) { this.key = Buffer.from(secret.replace(/^whsec_/, ""), "base64"); }
  verify(payload, headers) {
    const at = Number(headers["webhook-timestamp"]);
    if (Math.abs(Date.now() / 1000 - at) > 300) throw new Error("too old or too new");
    const signed = `${headers["webhook-id"]}.${at}.${payload}`;
    const expected = createHmac("sha256", this.key).update(signed).digest();
    const given = headers["webhook-signature"].split(" ").filter((each) => each.startsWith("v1,"));
    const fits = given.map((each) => Buffer.from(each.slice(3), "base64"))
      .some((each) => each.length === expected.length && timingSafeEqual(each, expected));
    if (!fits) throw new Error("no signature fits");
    return JSON.parse(payload);
  }
}
"""
DRIVER = """
const known = new Set();
const queued = [];
function isNew(id) { const fresh = !known.has(id); known.add(id); return fresh; }
function enqueue(alert) { queued.push(alert); }
const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const statuses = [];
for (const { headers, body } of JSON.parse(Buffer.concat(chunks).toString())) {
  const request = { headers, body: Buffer.from(body) };
  const response = { sendStatus: (status) => statuses.push(status) };
  const [first, handler] = app.routes["/pancake"];
  first(request, response, () => handler(request, response));
}
console.log(JSON.stringify({ statuses, queued }));
"""


def snippet(language: str) -> str:
    """Return the page's receiver in a language, with a secret in its place."""
    (code,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert "whsec_..." in code
    return str(code).replace("whsec_...", SECRET)


def signed(*secrets: str) -> dict[str, str]:
    return {"content-type": "application/json", **signed_headers(ID, BODY, secrets, datetime.now(UTC))}


def requests() -> list[tuple[Mapping[str, str], str, bool]]:
    """Return headers and body of requests, and whether a receiver is to take them."""
    stale = signed_headers(ID, BODY, [SECRET], datetime(2026, 3, 10, tzinfo=UTC))
    return [
        (signed(SECRET), BODY, True),
        # A repeat, while the secret is being rotated
        (signed(OLDER, SECRET), BODY, True),
        (signed(STRANGE), BODY, False),
        (signed(SECRET), BODY + " ", False),
        (signed(SECRET) | {"webhook-id": "alrt_other"}, BODY, False),
        ({"content-type": "application/json", **stale}, BODY, False),
    ]


def test_the_receiver_in_python() -> None:
    known: set[str] = set()
    queued: list[Any] = []

    def is_new(webhook_id: str) -> bool:
        is_unknown = webhook_id not in known
        known.add(webhook_id)
        return is_unknown

    names: dict[str, Any] = {"is_new": is_new, "enqueue": queued.append}
    exec(compile(snippet("python"), "docs/alert-endpoints.md", "exec"), names)  # noqa: S102 - the page's own code

    async def post() -> list[int]:
        transport = httpx.ASGITransport(names["app"])
        async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
            sent = [(headers, body.encode()) for headers, body, _ in requests()]
            answers = [await client.post("/pancake", content=body, headers=headers) for headers, body in sent]
        return [answer.status_code for answer in answers]

    assert asyncio.run(post()) == [200 if is_taken else 401 for _, _, is_taken in requests()]
    assert queued == [json.loads(BODY)]


@pytest.mark.timeout(60)
def test_the_receiver_in_node(tmp_path: Path) -> None:
    for name, code in (("express", EXPRESS), ("standardwebhooks", STANDARD_WEBHOOKS)):
        package = tmp_path / "node_modules" / name
        package.mkdir(parents=True)
        (package / "package.json").write_text(json.dumps({"name": name, "type": "module", "exports": "./index.js"}))
        (package / "index.js").write_text(code)
    program = tmp_path / "receiver.mjs"
    program.write_text(snippet("js") + DRIVER)
    told = run_node(program, [{"headers": headers, "body": body} for headers, body, _ in requests()])
    assert told["statuses"] == [204 if is_taken else 401 for _, _, is_taken in requests()]
    assert told["queued"] == [json.loads(BODY)]
