// Asks the official SDK's verifyWebhook for its verdict on signed deliveries, at a given time.
// stdin:  {"nowMs", "publicKey": PEM, "deliveries": [{"header": text|null, "body": base64}]}
// stdout: [true|false, ...]
import { text } from "node:stream/consumers";
import { verifyWebhook } from "@waffo/pancake-ts";

const { nowMs, publicKey, deliveries } = JSON.parse(await text(process.stdin));
Date.now = () => nowMs;

const verdicts = deliveries.map(({ header, body }) => {
  try {
    verifyWebhook(Buffer.from(body, "base64").toString("utf-8"), header, { publicKey });
    return true;
  } catch {
    return false;
  }
});
process.stdout.write(JSON.stringify(verdicts));
