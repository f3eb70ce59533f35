// SPDX-License-Identifier: MIT
// Writes 8-bit grey PNG files by hand: a canvas would give RGBA pixels that have been through
// colour management, and a mask's pixels are class labels that must arrive unchanged.
const kStored = 65535;  // the most bytes in a stored deflate block

const table = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k += 1) {
    c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  }
  return c;
});

const crc32 = (bytes) => {
  let c = 0xffffffff;
  for (const byte of bytes) {
    c = table[(c ^ byte) & 255] ^ (c >>> 8);
  }
  return (c ^ 0xffffffff) >>> 0;
};

const adler32 = (bytes) => {
  let a = 1;
  let b = 0;
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return ((b << 16) | a) >>> 0;
};

const bigEndian = (value) => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];

// Stored blocks: masks are small, and the same labels always give the same bytes.
const zlib = (raw) => {
  const out = [0x78, 0x01];
  for (let at = 0; at < raw.length || at === 0; at += kStored) {
    const part = raw.subarray(at, at + kStored);
    const last = at + kStored >= raw.length ? 1 : 0;
    const n = part.length;
    out.push(last, n & 255, n >>> 8, ~n & 255, (~n >>> 8) & 255);
    for (const byte of part) {
      out.push(byte);
    }
  }
  out.push(...bigEndian(adler32(raw)));
  return Uint8Array.from(out);
};

const chunk = (type, data) => {
  const body = Uint8Array.from([...type].map((c) => c.charCodeAt(0)).concat(Array.from(data)));
  return [...bigEndian(data.length), ...body, ...bigEndian(crc32(body))];
};

export const encodeGrey = (labels, width, height) => {
  const raw = new Uint8Array((width + 1) * height);  // each row begins with filter type 0
  for (let y = 0; y < height; y += 1) {
    raw.set(labels.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  }
  const header = [...bigEndian(width), ...bigEndian(height), 8, 0, 0, 0, 0];
  return Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, ...chunk("IHDR", header),
    ...chunk("IDAT", zlib(raw)), ...chunk("IEND", [])]);
};

export const toBase64 = (bytes) => {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) {
    text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  }
  return btoa(text);
};

export const fromBase64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
