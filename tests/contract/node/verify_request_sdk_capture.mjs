// Lets the official SDK talk to a small HTTP server, and prints what it put on the wire.
// stdin:  {"merchantId", "privateKey": PEM, "calls": [["checkout.authenticated.create", ...arguments], ...]}
// stdout: per call {"requests": [{"method", "path", "headers", "body": base64}], "result": what the SDK returned}
import { createServer } from "node:http";
import { buffer, text } from "node:stream/consumers";
import { WaffoPancake } from "@waffo/pancake-ts";

const { merchantId, privateKey, calls } = JSON.parse(await text(process.stdin));

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

const client = new WaffoPancake({ merchantId, privateKey, baseUrl: `http://127.0.0.1:${server.address().port}` });
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
