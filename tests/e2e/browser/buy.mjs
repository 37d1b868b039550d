// A customer in a browser: clicks a purchase link, fills the payment page in, pays, and comes back to the shop.
// stdin: {"chromium": path, "link": url, "shop": url, "email": text}
// stdout: {"payment_page": url, "payment_text": text, "back_at": url, "back_text": text}
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const TIMEOUT = { timeout: 20_000 };
const { chromium: executablePath, link, shop, email } = JSON.parse(readFileSync(0, "utf8"));

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-quic"] });
try {
    const page = await browser.newPage();
    // The shop is the seller's: all that matters here is that the customer is sent there.
    await page.route(`${shop}**`, (route) => route.fulfill({ contentType: "text/plain", body: "Welcome back" }));
    await page.goto(link, TIMEOUT);
    const payment_page = page.url();
    const payment_text = await page.innerText("body");
    await page.getByLabel("Email").fill(email);
    await page.getByRole("button", { name: /pay/i }).click(TIMEOUT);
    await page.waitForURL(`${shop}**`, TIMEOUT);
    const answer = { payment_page, payment_text, back_at: page.url(), back_text: await page.innerText("body") };
    process.stdout.write(JSON.stringify(answer));
} finally {
    await browser.close();
}
