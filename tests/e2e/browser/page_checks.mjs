// Opens pages as people see them, and says what is wrong with each: what axe-core finds serious or critical, what the browser
// logs, what its policy refuses, what is wider than the screen, what is too much to load, and what needs JavaScript to be read.
// stdin: {"chromium": path, "bytes_max": n, "pages": [{"name", "url", "door", "status", "texts": {language: [text]}}]}
// stdout: {"faults": [{"page", "variant", "fault"}], "bytes": {page: n}}
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { LANGUAGES, SCHEMES, WIDTHS, contextFor, launch, opener } from "./variants.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const GRAVE = ["serious", "critical"];
// Light and dark differ in nothing but colors: the other rules find in one what they find in the other.
const OF_COLORS = {
    runOnly: { type: "tag", values: ["cat.color"] },
    // A tag runs what axe leaves out by itself too: this one asks for AAA.
    rules: { "color-contrast-enhanced": { enabled: false } },
};

const { chromium, bytes_max: bytesMax, pages } = JSON.parse(readFileSync(0, "utf8"));
const faults = [];
const bytes = {};

const browser = await launch(chromium);
try {
    for (const [row, width] of WIDTHS.entries()) {
        for (const [column, language] of LANGUAGES.entries()) {
            // Each scheme is the one that pages open in, at each width and in each language. They turn to the other one then.
            const schemes = (row + column) % 2 ? SCHEMES.toReversed() : SCHEMES;
            const { context, page } = await contextFor(browser, { width, scheme: schemes[0], language });
            await lookAtAll(context, page, { width, language }, schemes);
            await context.close();
        }
    }
    for (const language of LANGUAGES) {
        const variant = { width: 1280, scheme: "light", language };
        const { context, page } = await contextFor(browser, variant, { javaScriptEnabled: false });
        const open = opener(page);
        for (const each of pages) await readWithoutScripts(page, open, each, variant);
        await context.close();
    }
} finally {
    await browser.close();
}
process.stdout.write(JSON.stringify({ faults, bytes }));

async function lookAtAll(context, page, { width, language }, [scheme, other]) {
    let noticed = [];
    page.on("console", (message) => message.type() === "error" && noticed.push(`console: ${message.text()}`));
    page.on("pageerror", (error) => noticed.push(`script: ${error.message}`));
    await page.exposeFunction("policyRefused", (what) => noticed.push(`policy refused ${what}`));
    await page.addInitScript(() =>
        document.addEventListener("securitypolicyviolation", (refusal) =>
            window.policyRefused(`${refusal.effectiveDirective} ${refusal.blockedURI}`),
        ),
    );
    const network = await context.newCDPSession(page);
    await network.send("Network.enable");
    // A page loads the same at every width: one is enough to load all of it anew for each page, and count.
    await network.send("Network.setCacheDisabled", { cacheDisabled: width === WIDTHS[0] });
    let transferred = 0;
    network.on("Network.loadingFinished", (loaded) => (transferred += loaded.encodedDataLength));

    // What a door logs or loads is not the page's.
    const afresh = () => ([noticed, transferred] = [[], 0]);
    page.on("request", (request) => request.isNavigationRequest() && !request.redirectedFrom() && afresh());
    const open = opener(page);
    for (const each of pages) {
        const variant = { width, scheme, language };
        const tell = (fault) => faults.push({ page: each.name, variant: nameOf(variant), fault });
        await page.emulateMedia({ colorScheme: scheme });
        const answer = await open(each, variant);
        // Charts are drawn after that.
        await page.waitForTimeout(150);
        if (answer.status() !== each.status) tell(`status ${answer.status()}, not ${each.status}`);
        if (transferred > bytesMax) tell(`${transferred} bytes are transferred`);
        bytes[each.name] = Math.max(bytes[each.name] ?? 0, transferred);
        const shown = await page.evaluate(() => document.documentElement.lang);
        if (shown !== language) tell(`its language is ${shown}`);
        await page.evaluate(axe);
        await look({});

        variant.scheme = other;
        await page.emulateMedia({ colorScheme: other });
        // Charts are drawn anew in the colors of the other scheme.
        await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
        await look(OF_COLORS);

        async function look(rules) {
            // A browser logs every status that is no success: where it is the one that is due, that says nothing.
            const due = `the server responded with a status of ${each.status}`;
            for (const what of noticed) if (each.status < 400 || !what.includes(due)) tell(what);
            noticed = [];
            const wide = await page.evaluate(
                () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
            );
            if (wide > 0) tell(`it is ${wide} pixels wider than the screen`);
            for (const found of await accessibility(page, rules)) tell(found);
        }
    }
}

// Evaluated by the driver, which no policy of the page holds: the policy itself stays as it is.
async function accessibility(page, rules) {
    const asked = { resultTypes: ["violations"], ...rules };
    const { violations } = await page.evaluate((options) => window.axe.run(document, options), asked);
    return violations
        .filter(({ impact }) => GRAVE.includes(impact))
        .map(({ id, impact, nodes }) => `axe: ${impact} ${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
}

async function readWithoutScripts(page, open, each, variant) {
    const { name, status, texts } = each;
    const answer = await open(each, variant);
    const text = (await page.locator("body").innerText()).replaceAll(/\s+/g, " ");
    const tell = (fault) => faults.push({ page: name, variant: `${variant.language}, without JavaScript`, fault });
    if (answer.status() !== status) tell(`status ${answer.status()}, not ${status}`);
    for (const wanted of texts[variant.language] ?? texts.any ?? []) if (!text.includes(wanted)) tell(`it lacks "${wanted}"`);
}

function nameOf({ width, scheme, language }) {
    return `${width} ${scheme} ${language}`;
}
