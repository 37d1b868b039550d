// Drives a server with the official SDK, unchanged.
// stdin:  a line {"baseUrl", "merchantId", "privateKey": PEM, "session": {"token", "environment"}|null,
//                 "calls": [["checkout.authenticated.create", ...arguments], ...]}
//         With a session, names are those of the customer session ("cancelSubscription", "graphql.query").
// stdout: a line; per call {"result"} or {"error": {"status", "errors"}} as the SDK threw it
// So on until stdin ends: Node and the SDK take longer to start than to ask.
import { createInterface } from "node:readline";
import { WaffoPancake, WaffoPancakeError } from "@waffo/pancake-ts";

async function answersTo({ baseUrl, merchantId, privateKey, session, calls }) {
  const merchant = new WaffoPancake({ merchantId, privateKey, baseUrl });
  const client = session ? merchant.customer(session.token, { environment: session.environment }) : merchant;
  const answers = [];
  for (const [name, ...args] of calls) {
    const path = name.split(".");
    const method = path.pop();
    const resource = path.reduce((object, part) => object[part], client);
    try {
      answers.push({ result: await resource[method](...args) });
    } catch (error) {
      if (!(error instanceof WaffoPancakeError)) throw error;
      answers.push({ error: { status: error.status, errors: error.errors } });
    }
  }
  return answers;
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answersTo(JSON.parse(line)))}\n`);
}
