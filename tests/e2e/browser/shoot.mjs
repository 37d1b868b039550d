// Takes pictures of pages, whole and in few colours.
// stdin: {"chromium": path, "folder": path, "shots": [{"file", "url", "door", "width", "scheme", "language"}]}
// stdout: {"files": {file: bytes}}
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inFewColors } from "./palette.mjs";
import { VARIANTS, contextFor, launch, opener } from "./variants.mjs";

const { chromium, folder, shots } = JSON.parse(readFileSync(0, "utf8"));
const files = {};
const browser = await launch(chromium);
try {
    for (const variant of VARIANTS) {
        const own = shots.filter((shot) => Object.keys(variant).every((key) => shot[key] === variant[key]));
        if (!own.length) continue;
        const { context, page } = await contextFor(browser, variant);
        const open = opener(page);
        for (const shot of own) {
            await open(shot, variant);
            // Charts are drawn after the page has loaded.
            await page.waitForTimeout(400);
            const picture = inFewColors(await page.screenshot({ fullPage: true }));
            writeFileSync(join(folder, shot.file), picture);
            files[shot.file] = picture.length;
        }
        await context.close();
    }
} finally {
    await browser.close();
}
process.stdout.write(JSON.stringify({ files }));
