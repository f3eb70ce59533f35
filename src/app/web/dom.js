// SPDX-License-Identifier: MIT
// Small helpers to build elements. Data goes in as text or attribute, never as markup.
import { bind } from "./i18n.js";

export const byId = (id) => document.getElementById(id);

const kBound = { t: "text", tLabel: "aria-label", tTitle: "title", tAlt: "alt" };

// make("button", {type: "button", t: "key", onclick: f}); `t` may be "key" or ["key", parameters].
export const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) {
      continue;
    }
    if (kBound[name]) {
      const [key, parameters] = [value].flat();
      bind(element, key, parameters, kBound[name]);
    } else if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), value);
    } else {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
};

export const makeSvg = (tag, attributes = {}, ...children) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
};

export const icon = (name) => makeSvg("svg", { class: "icon", "aria-hidden": "true" },
  makeSvg("use", { href: `#i-${name}` }));

export const button = (key, onclick, more = {}) =>
  make("button", { type: "button", t: key, onclick, ...more });

export const fact = (key, value) =>
  make("div", {}, make("dt", { t: key }),
    typeof value === "string" ? make("dd", {}, value) : value);

export const isShown = (element) => element.getClientRects().length > 0;

const kTextFields = "textarea, select, input:not([type=radio], [type=checkbox], [type=range])";
export const inText = (target) => target instanceof Element && target.closest(kTextFields) !== null;

// A list of listeners with a name for each event.
export const makeEvents = () => {
  const lists = {};
  return {
    on: (name, listener) => (lists[name] ??= []).push(listener),
    emit: (name, ...values) => (lists[name] ?? []).forEach((listener) => listener(...values)),
  };
};

export const setVar = (element, name, value) => element.style.setProperty(name, value);

export const reducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

export const save = (url, name) => {
  const link = make("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
};

// Not the `disabled` attribute: that would throw the keyboard's focus away.
export const setOff = (element, off) => element.setAttribute("aria-disabled", String(off));
