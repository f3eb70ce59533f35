// SPDX-License-Identifier: MIT
// A classic script in the head, so that the first paint already has the chosen colours and
// language.
"use strict";
(() => {
  const remembered = (key) => {
    try {
      return localStorage.getItem("medaug." + key);
    } catch {
      return null;  // storage can be shut off by the browser
    }
  };
  const root = document.documentElement;
  const theme = remembered("theme");
  root.dataset.theme = ["light", "dark"].includes(theme) ? theme : "auto";
  const language = remembered("language") ?? navigator.language;
  root.lang = language.startsWith("zh") ? "zh-CN" : "en";
})();
