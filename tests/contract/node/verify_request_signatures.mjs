// Checks signed API requests with Node's crypto alone: neither our code nor the SDK has a hand in it.
// stdin:  {"publicKey": PEM, "requests": [{"method", "path", "headers": {lower case: value}, "body": base64}]}
// stdout: [true|false, ...]
import { createHash, createPublicKey, verify } from "node:crypto";
import { text } from "node:stream/consumers";

const { publicKey, requests } = JSON.parse(await text(process.stdin));
const key = createPublicKey(publicKey);

const verdicts = requests.map(({ method, path, headers, body }) => {
  const bodyHash = createHash("sha256").update(Buffer.from(body, "base64")).digest("base64");
  const canonical = [method, path, headers["x-timestamp"], bodyHash].join("\n");
  return verify("sha256", Buffer.from(canonical), key, Buffer.from(headers["x-signature"], "base64"));
});
process.stdout.write(JSON.stringify(verdicts));
