// A page on a phone, from its HTML and its assets alone.
// stdin: {"chromium": path, "html": text, "assets": {path: {"type": text, "body": text}}}
// stdout: {"width": pixels that the page wants, "limits": [for each chart, the share of its width that the limit crosses]}
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const WIDTH = 360;
const { chromium: executablePath, html, assets } = JSON.parse(readFileSync(0, "utf8"));

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-quic"] });
try {
    const page = await browser.newPage({ viewport: { width: WIDTH, height: 800 } });
    await page.route("**/*", (route) => {
        const { type, body } = assets[new URL(route.request().url()).pathname] ?? { type: "text/html", body: html };
        return route.fulfill({ contentType: type, body });
    });
    await page.goto("http://pages.test/", { waitUntil: "load" });
    const seen = await page.evaluate(() => {
        // The limit has a colour of its own: a row of the canvas that has most of it is the line.
        const probe = document.createElement("canvas").getContext("2d");
        probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--bad").trim();
        probe.fillRect(0, 0, 1, 1);
        const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data;
        const limits = [...document.querySelectorAll(".chart canvas")].map((canvas) => {
            const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            const near = (at) => [red, green, blue].every((value, index) => Math.abs(data[at + index] - value) < 40);
            const rows = Array.from({ length: height }, (_, y) => {
                const found = [];
                for (let x = 0; x < width; x += 1) {
                    const at = (y * width + x) * 4;
                    if (data[at + 3] > 200 && near(at)) found.push(x);
                }
                return found.length ? (found.at(-1) - found[0]) / width : 0;
            });
            return Math.max(...rows);
        });
        return { width: document.documentElement.scrollWidth, limits };
    });
    process.stdout.write(JSON.stringify(seen));
} finally {
    await browser.close();
}
