// How pages are looked at: each width, light and dark, in each language.
import { chromium } from "playwright-core";

export const TIMEOUT = { timeout: 30_000 };
export const WIDTHS = [360, 1280];
export const SCHEMES = ["light", "dark"];
export const LANGUAGES = ["en", "zh-Hans"];
const HEIGHT = 900;

export const VARIANTS = WIDTHS.flatMap((width) =>
    SCHEMES.flatMap((scheme) => LANGUAGES.map((language) => ({ width, scheme, language }))),
);

export const launch = (executablePath) =>
    chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-quic"] });

// A browser's window that knows nothing of the others.
export async function contextFor(browser, { width, scheme, language }, options = {}) {
    const context = await browser.newContext({
        viewport: { width, height: HEIGHT },
        colorScheme: scheme,
        locale: language,
        reducedMotion: "reduce",
        ...options,
    });
    return { context, page: await context.newPage() };
}

// What opens pages in a window: through their doors, where they have one. A door signs in, and stays open for the next page.
export function opener(page) {
    let entered = null;
    return async ({ url, door }, { language }, options = {}) => {
        if (door && door !== entered) await page.goto(door, TIMEOUT);
        entered = door ?? entered;
        const address = new URL(url);
        address.searchParams.set("lang", language);
        return page.goto(address.href, { ...TIMEOUT, ...options });
    };
}
