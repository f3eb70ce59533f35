// SPDX-License-Identifier: MIT
// Label maps from image files, and label maps drawn over images.
import { fromBase64 } from "./png.js";
import { callAgain } from "./api.js";

const kMostSide = 8192;
const kOverlaySide = 768;  // overlays are drawn finer than the labels

// Colour management and premultiplied alpha would change the values of a mask's pixels.
export const decodeImage = async (blob) => {
  const bitmap = await createImageBitmap(blob,
    { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const { width, height } = bitmap;
  if (width > kMostSide || height > kMostSide) {
    throw new RangeError("image too large");
  }
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return { width, height, data: context.getImageData(0, 0, width, height).data };
};

const rgbOf = (color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));

const isGrey = ({ data }) => {
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] > 0 && (data[i] !== data[i + 1] || data[i] !== data[i + 2])) {
      return false;
    }
  }
  return true;
};

const valuesOf = ({ data }) => {
  const seen = new Set();
  for (let i = 0; i < data.length; i += 4) {
    seen.add(data[i + 3] > 127 ? data[i] : 0);
  }
  return seen;
};

const within = (values, allowed) => [...values].every((value) => allowed.includes(value));

const nearestColor = (classes) => {
  const palette = [[0, 0, 0, 0], ...classes.map(({ color, label }) => [...rgbOf(color), label])];
  return (r, g, b) => {
    let best = 0;
    let least = Infinity;
    for (const [pr, pg, pb, label] of palette) {
      const distance = (r - pr) ** 2 + (g - pg) ** 2 + (b - pb) ** 2;
      if (distance < least) {
        least = distance;
        best = label;
      }
    }
    return best;
  };
};

// How pixels become labels, from the most certain reading to the least.
const chooseRule = (image, classes) => {
  if (!isGrey(image)) {
    return { rule: "color", of: nearestColor(classes) };
  }
  const values = valuesOf(image);
  const labels = classes.map(({ label }) => label);
  if (within(values, [0, ...labels])) {
    return { rule: "labels", of: (r) => r };
  }
  const table = [0, ...labels];
  if (within(values, [...table.keys()])) {
    return { rule: "numbers", of: (r) => table[r] };
  }
  return { rule: "threshold", of: (r) => (r > 127 ? labels[0] : 0) };
};

export const resample = (labels, width, height, toWidth, toHeight) => {
  const out = new Uint8Array(toWidth * toHeight);
  for (let y = 0; y < toHeight; y += 1) {
    const row = Math.floor((y + 0.5) * height / toHeight) * width;
    for (let x = 0; x < toWidth; x += 1) {
      out[y * toWidth + x] = labels[row + Math.floor((x + 0.5) * width / toWidth)];
    }
  }
  return out;
};

// Gives the labels, and says which rule made them.
export const readMask = async (blob, classes) => {
  const image = await decodeImage(blob);
  const { rule, of } = chooseRule(image, classes);
  const labels = new Uint8Array(image.width * image.height);
  for (let i = 0; i < labels.length; i += 1) {
    const [r, g, b, a] = image.data.subarray(4 * i, 4 * i + 4);
    labels[i] = a > 127 ? of(r, g, b) : 0;
  }
  return { labels, width: image.width, height: image.height, rule };
};

export const readMaskBase64 = (text, classes) =>
  readMask(new Blob([fromBase64(text)], { type: "image/png" }), classes);

const kMostMasks = 100;
const masks = new Map();

// The mask of a job, kept because results, viewer and history all ask for it.
export const maskOfJob = (id, classes) => {
  if (!masks.has(id)) {
    const load = async () => readMask(
      await (await callAgain("GET", `/v1/jobs/${id}/mask.png`)).blob(), classes);
    const promise = load();
    promise.catch(() => masks.delete(id));
    masks.set(id, promise);
    if (masks.size > kMostMasks) {
      masks.delete(masks.keys().next().value);
    }
  }
  return masks.get(id);
};

const kHatch = [  // one pattern for each class: colour is never the only sign
  (x, y) => (x + y) % 8 < 2, (x, y) => (x - y + 8000) % 8 < 2, (x) => x % 8 < 2,
  (x, y) => y % 8 < 2, (x, y) => x % 6 < 2 && y % 6 < 2,
];

const kShade = [0, 0, 0, 190];  // beside an outline, so that it shows on any ground

// Calls `other(label)` for the labels of pixels `reach` away, until one answers true.
const anyAround = ({ labels, width, height }, scale, px, py, reach, other) => {
  for (const [dx, dy] of [[reach, 0], [-reach, 0], [0, reach], [0, -reach]]) {
    const x = Math.floor((px + dx) / scale);
    const y = Math.floor((py + dy) / scale);
    const inside = x >= 0 && y >= 0 && x < width && y < height;
    if (other(inside ? labels[y * width + x] : -1)) {
      return true;
    }
  }
  return false;
};

const colorAt = (mask, scale, x, y, paints, mode) => {
  const here = mask.labels[Math.floor(y / scale) * mask.width + Math.floor(x / scale)];
  const paint = paints.get(here);
  if (!paint) {
    const reach = Math.max(1, Math.round(scale / 4));
    const shaded = mode !== "fill" &&
      anyAround(mask, scale, x, y, reach, (label) => paints.has(label));
    return shaded ? kShade : null;
  }
  const covered = mode === "fill" || (mode === "hatch" && paint.hatch(x, y)) ||
    anyAround(mask, scale, x, y, Math.max(1, Math.round(scale / 2.5)), (label) => label !== here);
  return covered ? paint.rgba : null;
};

// Draws the labels as "fill", "outline" or "hatch" into a canvas that lies over an image.
export const drawOverlay = (canvas, mask, classes, mode, side = kOverlaySide) => {
  const scale = Math.max(1, Math.floor(side / Math.max(mask.width, mask.height)));
  canvas.width = mask.width * scale;
  canvas.height = mask.height * scale;
  const context = canvas.getContext("2d");
  const out = context.createImageData(canvas.width, canvas.height);
  const paints = new Map(classes.map(({ color, label }, i) =>
    [label, { rgba: [...rgbOf(color), 255], hatch: kHatch[i % kHatch.length] }]));
  for (let y = 0; y < canvas.height; y += 1) {
    for (let x = 0; x < canvas.width; x += 1) {
      const rgba = colorAt(mask, scale, x, y, paints, mode);
      if (rgba) {
        out.data.set(rgba, 4 * (y * canvas.width + x));
      }
    }
  }
  context.putImageData(out, 0, 0);
};

export const countClasses = (labels, classes) => classes.map((entry) =>
  ({ ...entry, pixels: labels.reduce((n, label) => n + (label === entry.label ? 1 : 0), 0) }));
