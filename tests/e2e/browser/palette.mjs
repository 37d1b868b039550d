// A PNG in at most 256 colours: a page has few, and its picture becomes a third as large.
import { deflateSync, inflateSync, crc32 } from "node:zlib";

const SIGNATURE = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
const COLORS_MAX = 256;
const TRUE_COLOR = { 2: 3, 6: 4 };

// Takes 8-bit true colour without interlacing, as Chromium makes it.
export function inFewColors(png) {
    const { width, height, pixels, channels } = read(png);
    const count = new Map();
    const colors = new Uint32Array(width * height);
    for (let at = 0, from = 0; at < colors.length; at++, from += channels) {
        const color = (pixels[from] << 16) | (pixels[from + 1] << 8) | pixels[from + 2];
        colors[at] = color;
        count.set(color, (count.get(color) ?? 0) + 1);
    }
    const palette = [...count].sort((one, other) => other[1] - one[1]).slice(0, COLORS_MAX).map(([color]) => color);
    const index = new Map(palette.map((color, place) => [color, place]));
    const rows = Buffer.alloc((width + 1) * height);
    for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
            const color = colors[y * width + x];
            let place = index.get(color);
            if (place === undefined) index.set(color, (place = nearest(palette, color)));
            rows[y * (width + 1) + x + 1] = place;
        }
    }
    const header = Buffer.alloc(13);
    header.writeUInt32BE(width, 0);
    header.writeUInt32BE(height, 4);
    header.set([8, 3, 0, 0, 0], 8);
    const table = Buffer.from(palette.flatMap((color) => [color >> 16, (color >> 8) & 255, color & 255]));
    const parts = [["IHDR", header], ["PLTE", table], ["IDAT", deflateSync(rows, { level: 9 })], ["IEND", Buffer.alloc(0)]];
    return Buffer.concat([SIGNATURE, ...parts.map(([kind, content]) => chunk(kind, content))]);
}

function nearest(palette, color) {
    let best = 0;
    let least = Infinity;
    palette.forEach((each, place) => {
        const parts = [16, 8, 0].map((shift) => ((each >> shift) & 255) - ((color >> shift) & 255));
        const distance = parts.reduce((sum, part) => sum + part * part, 0);
        if (distance < least) [best, least] = [place, distance];
    });
    return best;
}

function read(png) {
    let at = SIGNATURE.length;
    let header;
    const data = [];
    while (at < png.length) {
        const size = png.readUInt32BE(at);
        const kind = png.toString("latin1", at + 4, at + 8);
        const content = png.subarray(at + 8, at + 8 + size);
        if (kind === "IHDR") header = content;
        if (kind === "IDAT") data.push(content);
        at += size + 12;
    }
    const [width, height, channels] = [header.readUInt32BE(0), header.readUInt32BE(4), TRUE_COLOR[header[9]]];
    if (header[8] !== 8 || channels === undefined || header[12] !== 0) throw new Error("no plain true-colour PNG");
    return { width, height, channels, pixels: unfiltered(inflateSync(Buffer.concat(data)), width * channels, height, channels) };
}

// Each row says by which of five rules it was made smaller (PNG specification, section 9).
function unfiltered(raw, stride, height, channels) {
    const out = Buffer.alloc(stride * height);
    for (let y = 0; y < height; y++) {
        const rule = raw[y * (stride + 1)];
        for (let x = 0; x < stride; x++) {
            const left = x >= channels ? out[y * stride + x - channels] : 0;
            const up = y ? out[(y - 1) * stride + x] : 0;
            const corner = x >= channels && y ? out[(y - 1) * stride + x - channels] : 0;
            const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][rule];
            out[y * stride + x] = raw[y * (stride + 1) + x + 1] + guess;
        }
    }
    return out;
}

function paeth(left, up, corner) {
    const [toLeft, toUp, toCorner] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
    if (toLeft <= toUp && toLeft <= toCorner) return left;
    return toUp <= toCorner ? up : corner;
}

function chunk(kind, content) {
    const body = Buffer.concat([Buffer.from(kind, "latin1"), content]);
    const size = Buffer.alloc(4);
    size.writeUInt32BE(content.length);
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([size, body, sum]);
}
