// SPDX-License-Identifier: MIT
// What the page tells: a polite live region for screen readers, messages, and errors in words.
import { byId, button, make } from "./dom.js";
import { bind, has, onLanguage, t } from "./i18n.js";

const kOnceIn = 1000;  // ms between two announcements
const kMostMessages = 3;
const kShownFor = 9000;
// Codes whose text says only what kind of fault it is: the server's own words are added.
const kNeedDetail = ["invalid_request", "unknown_field", "data", "checkpoint", "resource",
  "internal", "unsupported_media_type", "not_found"];

let waiting = null;
let timer = null;

const speak = () => {
  timer = null;
  if (waiting) {
    byId("live").textContent = t(...waiting);
    waiting = null;
    timer = setTimeout(speak, kOnceIn);
  }
};

onLanguage(() => { byId("live").textContent = ""; });  // what was said needs no translation

// At most one a second; the newest wins.
export const announce = (key, parameters = {}) => {
  waiting = [key, parameters];
  if (timer === null) {
    speak();
  }
};

export const errorText = (error) => {
  const key = `error.${error.code}`;
  const own = [error.message, error.hint].filter(Boolean).join(" ");
  if (!has(key)) {
    return own || t("error.internal");
  }
  return kNeedDetail.includes(error.code) && own ? `${t(key)} ${own}` : t(key);
};

// `action` is {key, run}. Errors stay until they are closed.
export const notify = (key, parameters = {}, { error = false, action = null } = {}) => {
  const box = byId("messages");
  const text = bind(make("span", {}), key, parameters);
  const message = make("div", { class: error ? "message bad" : "message",
    role: error ? "alert" : null }, text);
  const close = () => message.remove();
  if (action) {
    message.append(button(action.key, () => {
      close();
      action.run();
    }));
  }
  message.append(make("button", { type: "button", class: "close", tLabel: "close",
    onclick: close }, "×"));
  box.append(message);
  if (box.matches(":popover-open")) {
    box.hidePopover();
  }
  box.showPopover();  // above a dialog that was opened meanwhile
  if (!error) {
    announce(key, parameters);
  }
  while (box.children.length > kMostMessages) {
    box.firstChild.remove();
  }
  if (!error && !action) {
    setTimeout(close, kShownFor);
  }
};

export const notifyError = (error) => {
  if (error.name === "AbortError") {
    return;
  }
  if (error.code === undefined) {
    console.error(error);  // a fault of the page itself
  }
  notify("plain", { text: () => errorText(error) }, { error: true });
};

// Runs what a button asks for, and tells when it fails.
export const guarded = (work) => async (...values) => {
  try {
    await work(...values);
  } catch (error) {
    notifyError(error);
  }
};
