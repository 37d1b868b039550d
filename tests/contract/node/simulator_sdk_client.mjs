// Drives a server with the official SDK, unchanged.
// stdin:  {"baseUrl", "merchantId", "privateKey": PEM, "session": {"token", "environment"}|null,
//          "calls": [["checkout.authenticated.create", ...arguments], ...]}
//         With a session, names are those of the customer session ("cancelSubscription", "graphql.query").
// stdout: per call {"result"} or {"error": {"status", "errors"}} as the SDK threw it
import { text } from "node:stream/consumers";
import { WaffoPancake, WaffoPancakeError } from "@waffo/pancake-ts";

const { baseUrl, merchantId, privateKey, session, calls } = JSON.parse(await text(process.stdin));
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
process.stdout.write(JSON.stringify(answers));
