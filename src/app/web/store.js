// SPDX-License-Identifier: MIT
// What must survive a reload or a closed tab. Written at once (localStorage is synchronous), so
// that nothing is lost when the browser is killed. Each tab keeps its own copy in sessionStorage,
// which wins at a reload: two open tabs don't overwrite each other's work.
const kPrefix = "medaug.";

const attempt = (work) => {
  try {
    return work();
  } catch {
    return null;  // storage can be full or shut off: the page then works without memory
  }
};

export const read = (key, fallback = null) => {
  const text = attempt(() => sessionStorage.getItem(kPrefix + key)) ??
    attempt(() => localStorage.getItem(kPrefix + key));
  if (text === null) {
    return fallback;
  }
  return attempt(() => JSON.parse(text)) ?? fallback;
};

export const write = (key, value) => {
  const text = JSON.stringify(value);
  attempt(() => sessionStorage.setItem(kPrefix + key, text));
  attempt(() => localStorage.setItem(kPrefix + key, text));
};

// Plain strings that all tabs and the evaluation report share.
export const readShared = (key) => attempt(() => localStorage.getItem(kPrefix + key));
export const writeShared = (key, text) => attempt(() => localStorage.setItem(kPrefix + key, text));

export const readSecret = (key) => attempt(() => sessionStorage.getItem(kPrefix + key));
export const writeSecret = (key, text) => {
  attempt(() => sessionStorage.setItem(kPrefix + key, text));
};

// A label map as runs "value*length": short, because masks are flat areas.
export const packLabels = (labels) => {
  const runs = [];
  for (let i = 0; i < labels.length;) {
    let end = i + 1;
    while (end < labels.length && labels[end] === labels[i]) {
      end += 1;
    }
    runs.push(labels[i].toString(36) + "*" + (end - i).toString(36));
    i = end;
  }
  return runs.join(" ");
};

export const unpackLabels = (text, size) => {
  const labels = new Uint8Array(size);
  let at = 0;
  for (const run of text.split(" ")) {
    const [value, length] = run.split("*").map((part) => parseInt(part, 36));
    labels.fill(value, at, at + length);
    at += length;
  }
  return at === size ? labels : null;
};
