// An operator in a browser: signs in, finds a customer, grants units and sees that in the ledger; replays a parked delivery.
// stdin: {"chromium": path, "api": url, "key": text, "customer": id}
// stdout: {"ledger": text, "delivery": text, "replayed": text, "refused": [text]}
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const TIMEOUT = { timeout: 90_000 };
const { chromium: executablePath, api, key, customer } = JSON.parse(readFileSync(0, "utf8"));

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-quic"] });
try {
    const page = await browser.newPage({ locale: "en" });
    const refused = [];
    page.on("console", (message) => {
        if (message.text().includes("Content Security Policy")) refused.push(message.text());
    });
    await page.goto(`${api}/console/customers`, TIMEOUT);
    await page.getByLabel("API key").fill(key, TIMEOUT);
    await page.getByRole("button", { name: "Sign in" }).click(TIMEOUT);
    await page.getByLabel("Id begins with").fill(customer.slice(0, 6));
    await page.getByRole("button", { name: "Search" }).click(TIMEOUT);
    await page.getByRole("link", { name: customer, exact: true }).click(TIMEOUT);
    await page.locator("#grant > summary").click(TIMEOUT);
    const form = page.locator("#grant form");
    await form.getByLabel("Meter").selectOption("tokens");
    await form.getByLabel("Units").fill("750");
    await form.getByLabel("Reason").fill("sorry for the outage");
    await form.getByRole("button", { name: "Grant units" }).click(TIMEOUT);
    await page.getByText("The units were given.").waitFor(TIMEOUT);
    const ledger = await page.locator("section", { has: page.locator("#ledger") }).innerText();
    await page.goto(`${api}/console/deliveries?verdict=parked`, TIMEOUT);
    await page.locator("tbody a").first().click(TIMEOUT);
    const delivery = await page.innerText("main");
    await page.getByRole("button", { name: "Replay" }).click(TIMEOUT);
    await page.getByRole("status").waitFor(TIMEOUT);
    const replayed = await page.getByRole("status").innerText();
    process.stdout.write(JSON.stringify({ ledger, delivery, replayed, refused }));
} finally {
    await browser.close();
}
