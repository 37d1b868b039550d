// A customer in the portal: comes in, looks, sets a limit, is led to a purchase, cancels, takes it back, and leaves.
// stdin: {"chromium": path, "enter": url, "script": whether pages may run scripts}
// stdout: {"steps": {name: text of the page}, "progress", "charts", "buy", "faults": [text]}
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const TIMEOUT = { timeout: 20_000 };
const { chromium: executablePath, enter, script } = JSON.parse(readFileSync(0, "utf8"));
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-quic"] });
try {
    const context = await browser.newContext({ javaScriptEnabled: script, locale: "en-US" });
    const page = await context.newPage();
    const faults = [];
    page.on("console", (line) => {
        // The browser reports each answer that says no; which of them are right is for the steps.
        if (line.type() === "error" && !/status of (401|404|422)/.test(line.text())) faults.push(line.text());
    });
    page.on("pageerror", (error) => faults.push(String(error)));
    const steps = {};
    const look = async (name) => {
        steps[name] = await page.innerText("main");
        if (!script) return;
        // By the debugger, which the page's policy does not hold.
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => window.axe.run());
        for (const each of violations) {
            if (["serious", "critical"].includes(each.impact)) faults.push(`${name}: ${each.id} ${each.nodes[0].html}`);
        }
    };
    const press = (role, name) => page.getByRole(role, { name }).first().click(TIMEOUT);

    await page.goto(enter, TIMEOUT);
    await look("home");
    const address = page.url();
    const progress = await page.locator("progress").first().evaluate((bar) => [bar.value, bar.max]).catch(() => null);
    const charts = await page.locator("figure[data-chart] canvas").count();
    const rows = await page.locator("figure[data-chart] tbody tr").count();

    await press("link", "earlier periods and details");
    await look("usage");
    await press("link", "Back to the overview");

    await press("link", "Set a limit");
    await page.getByLabel("At most").fill("lots");
    await press("button", "Save limit");
    await look("fault");
    await page.getByLabel("At most").fill("20");
    await page.getByLabel("Counted in").selectOption("USD");
    await press("button", "Save limit");
    await look("limit");

    const buy = await page.getByRole("link", { name: /^Buy 100,000 Tokens/ }).getAttribute("href");

    await press("link", "Cancel subscription");
    await look("confirm");
    await press("button", "Yes, cancel it");
    await look("cancelled");
    for (let tries = 0; tries < 40 && !(await page.innerText("main")).includes("ends on"); tries += 1) {
        await new Promise((done) => setTimeout(done, 250));
        await page.goto(address, TIMEOUT);
    }
    await look("ending");
    await press("link", "Keep my subscription");
    await press("button", "Yes, keep it");
    for (let tries = 0; tries < 40 && (await page.innerText("main")).includes("ends on"); tries += 1) {
        await new Promise((done) => setTimeout(done, 250));
        await page.goto(address, TIMEOUT);
    }
    await look("kept");
    await press("button", "Sign out");
    await look("left");
    const after = (await page.goto(address, TIMEOUT)).status();
    process.stdout.write(JSON.stringify({ steps, address, progress, charts, rows, buy, after, faults }));
} finally {
    await browser.close();
}
