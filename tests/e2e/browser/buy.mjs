// A customer in a browser: opens a purchase link, presses the button, pays on Waffo's page, waits for the payment to be
// applied, and goes back to the shop.
// stdin: {"chromium": path, "link": url, "shop": url, "email": text, "script": false to browse without JavaScript}
// stdout: {"offer_text": text, "buttons": n, "payment_page": url, "payment_text": text, "landed_at": url, "done_text": text,
//          "back_at": url, "back_text": text, "complaints": [what the browser's log says of the pages]}
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const TIMEOUT = { timeout: 90_000 };
const { chromium: executablePath, link, shop, email, script = true } = JSON.parse(readFileSync(0, "utf8"));

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-quic"] });
try {
    const page = await browser.newPage({ javaScriptEnabled: script, locale: "en-US" });
    const complaints = [];
    page.on("console", (message) => {
        if (/Content Security Policy|Refused to/.test(message.text())) complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    // The shop is the seller's: all that matters here is that the customer is sent there.
    await page.route(`${shop}**`, (route) => route.fulfill({ contentType: "text/plain", body: "Welcome back" }));
    await page.goto(link, TIMEOUT);
    const offer_text = await page.innerText("main");
    const buttons = await page.locator("button").count();
    await page.getByRole("button", { name: /^Continue/ }).click(TIMEOUT);
    await page.waitForURL((url) => url.href.split("/buy/")[0] !== link.split("/buy/")[0], TIMEOUT);
    const payment_page = page.url();
    const payment_text = await page.innerText("body");
    await page.getByLabel("Email").fill(email);
    await page.getByRole("button", { name: /pay/i }).click(TIMEOUT);
    await page.waitForURL(/\/paid/, TIMEOUT);
    const landed_at = page.url();
    await page.getByRole("heading", { name: /added|You are on/ }).waitFor(TIMEOUT);
    const done_text = await page.innerText("main");
    await page.getByRole("link", { name: /^Back to/ }).first().click(TIMEOUT);
    await page.waitForURL(`${shop}**`, TIMEOUT);
    const back_at = page.url();
    const back_text = await page.innerText("body");
    const answer = { offer_text, buttons, payment_page, payment_text, landed_at, done_text, back_at, back_text, complaints };
    process.stdout.write(JSON.stringify(answer));
} finally {
    await browser.close();
}
