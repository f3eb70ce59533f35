// SPDX-License-Identifier: MIT
// Reads server-sent events through fetch, because EventSource can't send the token. Reconnects for
// as long as it takes; a silent connection counts as lost, so that the page is never stuck.
import { call, pause } from "./api.js";

const kFirstWait = 300;  // ms
const kLongestWait = 8000;
const kSilence = 30000;
const kGone = [401, 403, 404, 410];

// Splits a stream of text into events; what isn't complete stays for the next piece.
export const makeParser = (onEvent) => {
  let rest = "";
  let name = "";
  let data = [];
  const line = (text) => {
    if (text === "") {
      if (data.length > 0) {
        onEvent(name || "message", data.join("\n"));
      }
      name = "";
      data = [];
    } else if (!text.startsWith(":")) {
      const at = text.indexOf(":");
      const field = at < 0 ? text : text.slice(0, at);
      const value = at < 0 ? "" : text.slice(at + 1).replace(/^ /, "");
      if (field === "event") {
        name = value;
      } else if (field === "data") {
        data.push(value);
      }
    }
  };
  return (piece) => {
    const lines = (rest + piece).split(/\r?\n/);
    rest = lines.pop();
    lines.forEach(line);
  };
};

const readOnce = async (path, signal, onEvent) => {
  const stop = new AbortController();
  const abort = () => stop.abort();
  signal?.addEventListener("abort", abort);
  let watchdog = setTimeout(abort, kSilence);
  try {
    const response = await call("GET", path, { signal: stop.signal,
      headers: { Accept: "text/event-stream" } });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const parse = makeParser((name, text) => onEvent(name, JSON.parse(text)));
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      clearTimeout(watchdog);
      watchdog = setTimeout(abort, kSilence);
      parse(value);
    }
  } finally {
    clearTimeout(watchdog);
    stop.abort();
    signal?.removeEventListener("abort", abort);
  }
};

// `before` fetches the present state ahead of each connection, in one attempt: an event that was
// missed does no harm. `onLink(false)` says that the connection is lost, `onLink(true)` that it is
// back.
export const follow = async (path, { signal, before, onEvent, finished, onLink = () => {} }) => {
  let wait = kFirstWait;
  while (!signal?.aborted) {
    try {
      await before?.();
      onLink(true);
      if (finished()) {
        return;
      }
      await readOnce(path, signal, (name, data) => {
        wait = kFirstWait;
        onEvent(name, data);
      });
    } catch (error) {
      if (signal?.aborted) {
        return;
      }
      if (kGone.includes(error.status)) {
        throw error;
      }
      onLink(false);
    }
    if (finished()) {
      return;
    }
    await pause(wait);
    wait = Math.min(wait * 2, kLongestWait);
  }
};
