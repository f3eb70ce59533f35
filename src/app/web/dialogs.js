// SPDX-License-Identifier: MIT
// Dialogs as <dialog>: the browser keeps the focus inside and gives it back.
import { byId, button, make } from "./dom.js";
import { bind } from "./i18n.js";

const open = (dialog) => new Promise((resolve) => {
  dialog.returnValue = "";
  dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
  dialog.showModal();
});

export const wireDialogs = () => {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog || event.target.closest("[data-close]")) {
        dialog.close("");
      }
    });
  }
};

export const confirmBox = async (key, parameters, yesKey) => {
  bind(byId("confirm-text"), key, parameters);
  bind(byId("confirm-yes"), yesKey);
  return await open(byId("confirm")) === "yes";
};

export const askToken = async (wrong) => {
  const input = byId("token-input");
  byId("token-wrong").hidden = !wrong;
  input.value = "";
  const answer = await open(byId("token"));
  return answer === "send" ? input.value.trim() || null : null;
};

// `choices`: [{content: [elements], label: [key, parameters], value}]; gives the value, or null.
export const pick = (titleKey, fill) => new Promise((resolve) => {
  const dialog = byId("picker");
  const list = byId("picker-list");
  let chosen = null;
  bind(byId("picker-title"), titleKey);
  list.replaceChildren();
  const add = (value, label, ...content) => list.append(make("button", { type: "button",
    class: "choice", tLabel: label, onclick: () => {
      chosen = value;
      dialog.close();
    } }, ...content));
  fill(add, list);
  dialog.addEventListener("close", () => resolve(chosen), { once: true });
  dialog.showModal();
});

export const closeButton = () => button("close", () => {}, { "data-close": true });
