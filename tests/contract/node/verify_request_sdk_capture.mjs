// Lets the official SDK talk to a small HTTP server, and prints what it put on the wire.
// With a session, names are those of the customer session ("reactivateSubscription").
// stdin:  {"merchantId", "privateKey": PEM, "session": {"token", "environment"}|null, "calls": [["checkout.authenticated.create", ...arguments], ...]}
// stdout: per call {"requests": [{"method", "path", "headers", "body": base64}], "result": what the SDK returned}
import { createServer } from "node:http";
import { buffer, text } from "node:stream/consumers";
import { WaffoPancake } from "@waffo/pancake-ts";

const { merchantId, privateKey, session, calls } = JSON.parse(await text(process.stdin));

const answers = {
  "/v1/actions/auth/issue-session-token": { token: "eyJ.token", expiresAt: "2026-04-02T09:20:00.000Z" },
  "/v1/actions/checkout/create-session": {
    sessionId: "cs_1",
    checkoutUrl: "https://pancake.waffo.ai/store/s/checkout/cs_1",
    expiresAt: "2026-04-03T09:15:00.000Z",
  },
};

let captured = [];
const server = createServer(async (request, response) => {
  const body = await buffer(request);
  captured.push({ method: request.method, path: request.url, headers: request.headers, body: body.toString("base64") });
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ data: answers[request.url] ?? {} }));
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

const merchant = new WaffoPancake({ merchantId, privateKey, baseUrl: `http://127.0.0.1:${server.address().port}` });
const client = session ? merchant.customer(session.token, { environment: session.environment }) : merchant;
const results = [];
for (const [name, ...args] of calls) {
  captured = [];
  const path = name.split(".");
  const method = path.pop();
  const resource = path.reduce((object, part) => object[part], client);
  const result = await resource[method](...args);
  results.push({ requests: captured.sort((a, b) => a.path.localeCompare(b.path)), result });
}
server.closeAllConnections();
server.close();
process.stdout.write(JSON.stringify(results));
