// OpenMeter's own SDK, unchanged, with nothing but another base URL and key.
// stdin: {"baseUrl", "apiKey", "calls": [event | [event, ...], ...]}; stdout: how many calls went through.
import { readFileSync } from "node:fs";
import { OpenMeter } from "@openmeter/sdk";

const { baseUrl, apiKey, calls } = JSON.parse(readFileSync(0, "utf8"));
const openmeter = new OpenMeter({ baseUrl, apiKey });
for (const events of calls) await openmeter.events.ingest(events);
process.stdout.write(JSON.stringify(calls.length));
