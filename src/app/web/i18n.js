// SPDX-License-Identifier: MIT
// Two languages, switched at once: every text on the page is bound to a key, and a switch writes
// all of them again. `?strict=1` makes a missing text or a missing parameter an error (for the
// tests).
import { readShared, writeShared } from "./store.js";
import { texts } from "./texts.js";
import { moreTexts } from "./texts_more.js";

const all = { ...texts, ...moreTexts };
const strict = new URLSearchParams(location.search).get("strict") === "1";
const listeners = new Set();
const bound = new WeakMap();  // element -> {attribute: [key, parameters]}
const kAttributes = ["aria-label", "title", "placeholder", "alt", "label"];
const kSelector = ["[data-t]", ...kAttributes.map((name) => `[data-t-${name}]`)].join(",");

let language = document.documentElement.lang === "zh-CN" ? "zh" : "en";

export const locale = () => (language === "zh" ? "zh-CN" : "en");
export const has = (key) => key in all;

const fill = (text, parameters, key) => text.replace(/\{(\w+)\}/g, (whole, name) => {
  const value = parameters[name];
  if (value === undefined) {
    if (strict) {
      throw new Error(`text ${key} lacks parameter ${name}`);
    }
    return whole;
  }
  return typeof value === "function" ? value() : value;
});

// A parameter that is a function is asked again at each switch (dates, numbers, other texts).
export const t = (key, parameters = {}) => {
  const pair = all[key];
  if (!pair) {
    if (strict) {
      throw new Error(`missing text: ${key}`);
    }
    return key;
  }
  return fill(pair[language === "zh" ? 0 : 1], parameters, key);
};

const put = (element, attribute, key) => {
  const value = t(key, bound.get(element)?.[attribute] ?? {});
  if (attribute === "text") {
    element.textContent = value;
  } else {
    element.setAttribute(attribute, value);
  }
};

export const bind = (element, key, parameters = {}, attribute = "text") => {
  const entry = bound.get(element) ?? {};
  entry[attribute] = parameters;
  bound.set(element, entry);
  element.setAttribute(attribute === "text" ? "data-t" : `data-t-${attribute}`, key);
  put(element, attribute, key);
  return element;
};

// Plain text in an element that was bound before.
export const unbind = (element, text = "") => {
  element.removeAttribute("data-t");
  element.textContent = text;
};

export const translate = (root = document) => {
  for (const element of root.querySelectorAll(kSelector)) {
    if (element.hasAttribute("data-t")) {
      put(element, "text", element.getAttribute("data-t"));
    }
    for (const name of kAttributes) {
      const key = element.getAttribute(`data-t-${name}`);
      if (key) {
        put(element, name, key);
      }
    }
  }
};

export const onLanguage = (listener) => listeners.add(listener);

export const setLanguage = (chosen) => {
  language = chosen === "zh" ? "zh" : "en";
  document.documentElement.lang = locale();
  translate();
  listeners.forEach((listener) => listener());
};

export const startLanguage = (buttons) => {
  const show = () => buttons.forEach((button) =>
    button.setAttribute("aria-pressed", String(button.dataset.language === language)));
  for (const button of buttons) {
    button.addEventListener("click", () => {
      writeShared("language", button.dataset.language);
      setLanguage(button.dataset.language);
    });
  }
  onLanguage(show);
  setLanguage(readShared("language") ?? language);
};

export const number = (value, digits = 0) => new Intl.NumberFormat(locale(),
  { maximumFractionDigits: digits, useGrouping: false }).format(value);

export const dateTime = (seconds) => new Intl.DateTimeFormat(locale(),
  { dateStyle: "medium", timeStyle: "short" }).format(new Date(seconds * 1000));

export const duration = (seconds) => {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) {
    return t("time.seconds", { n: whole });
  }
  if (whole < 3600) {
    return t("time.minutes", { m: Math.floor(whole / 60), s: whole % 60 });
  }
  return t("time.hours", { h: Math.floor(whole / 3600), m: Math.round((whole % 3600) / 60) });
};
