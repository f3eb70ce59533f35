// SPDX-License-Identifier: MIT
// Starts the page: language, theme, tabs, server state, and the views.
import { ApiError, get, hasToken, startToken } from "./api.js";
import { askToken, wireDialogs } from "./dialogs.js";
import { byId } from "./dom.js";
import { bind, onLanguage, startLanguage, unbind } from "./i18n.js";
import { GenerateView } from "./generate.js";
import { errorText } from "./messages.js";
import { read, readShared, write, writeShared } from "./store.js";

const kTabs = ["generate", "compare", "history", "evaluate", "training"];
const kReadyEvery = 8000;  // ms
const kOfflineEvery = 1500;
const kStartAgain = 1500;

// Views that are not needed for the first look come when their tab is opened.
const kLoaders = {
  compare: async (context) => (await import("./grid.js")).startGrid(context),
  history: async (context) => (await import("./history.js")).startHistory(context),
  evaluate: async (context) => (await import("./evaluate.js")).startEvaluate(context),
  training: async (context) => (await import("./training.js")).startTraining(context),
};

const views = new Map();  // tab -> promise of {show, hide}
let current = null;
let context = null;

const startTheme = () => {
  const select = byId("theme");
  select.value = document.documentElement.dataset.theme;
  select.addEventListener("change", () => {
    document.documentElement.dataset.theme = select.value;
    writeShared("theme", select.value);
    document.dispatchEvent(new Event("themechange"));
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change",
    () => document.dispatchEvent(new Event("themechange")));
};

const viewOf = (name) => {
  if (!views.has(name)) {
    views.set(name, kLoaders[name]?.(context) ?? Promise.resolve({}));
  }
  return views.get(name);
};

const openTab = async (name, focus = false) => {
  const before = current;
  current = name;
  write("tab", name);
  for (const other of kTabs) {
    const tab = byId(`tab-${other}`);
    tab.setAttribute("aria-selected", String(other === name));
    tab.tabIndex = other === name ? 0 : -1;
    byId(`panel-${other}`).hidden = other !== name;
  }
  if (focus) {
    byId(`tab-${name}`).focus();
  }
  byId(`tab-${name}`).scrollIntoView({ block: "nearest", inline: "nearest" });
  if (before && before !== name) {
    (await viewOf(before)).hide?.();
  }
  (await viewOf(name)).show?.();
};

const startTabs = () => {
  kTabs.forEach((name, i) => {
    const tab = byId(`tab-${name}`);
    tab.addEventListener("click", () => openTab(name));
    tab.addEventListener("keydown", (event) => {
      const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: kTabs.length - 1 }[event.key];
      if (to !== undefined) {
        event.preventDefault();
        openTab(kTabs[(to + kTabs.length) % kTabs.length], true);
      }
    });
  });
  const saved = read("tab", "generate");
  return openTab(kTabs.includes(saved) ? saved : "generate");
};

let serverState = "connecting";

const setServer = (state) => {
  if (serverState === "offline" && state !== "offline") {
    window.dispatchEvent(new Event("online"));  // whatever waits to try again does so now
  }
  serverState = state;
  byId("server").dataset.state = state;
  bind(byId("server-text"), `server.${state}`);
};

// Fetched by hand: a 503 is an answer here, not a fault.
const checkServer = async () => {
  try {
    const response = await fetch("/readyz", { cache: "no-store" });
    const { status } = await response.json();
    setServer(["ready", "loading", "draining", "failed"].includes(status) ? status : "ready");
  } catch {
    setServer("offline");
  }
};

const watchServer = () => {
  const watch = async () => {
    if (!document.hidden) {
      await checkServer();
    }
    setTimeout(watch, serverState === "offline" ? kOfflineEvery : kReadyEvery);
  };
  watch();
  document.addEventListener("visibilitychange", () => document.hidden || checkServer());
};

const showModel = ({ model, notice }) => {
  byId("model-name").textContent = model.name;
  byId("model-hash").textContent = model.sha256.slice(0, 8);
  byId("model-hash").title = `SHA-256 ${model.sha256}`;
  byId("notice").title = notice;
};

// Waits for a server that is still loading its model, or is not up yet.
const fetchCapabilities = async () => {
  for (;;) {
    try {
      return await get("/v1/capabilities");
    } catch (error) {
      bind(byId("starting"), "plain", { text: () => errorText(error) });
      if (!(error instanceof ApiError)) {
        throw error;
      }
      if (error.code === "unauthorized") {
        await new Promise(() => {});  // the dialog was closed: only a reload goes on
      }
      await new Promise((resolve) => setTimeout(resolve, kStartAgain));
    }
  }
};

const start = async () => {
  startLanguage([...document.querySelectorAll("[data-language]")]);
  startTheme();
  wireDialogs();
  startToken(askToken);
  watchServer();
  const capabilities = await fetchCapabilities();
  showModel(capabilities);
  byId("starting").hidden = true;
  unbind(byId("starting"));
  const generate = new GenerateView(capabilities, () => openTab("generate"));
  context = { capabilities, generate, openTab, hasToken };
  views.set("generate", Promise.resolve(generate));
  generate.onModel = async () => showModel(await get("/v1/capabilities"));
  await startTabs();
  document.documentElement.dataset.started = "true";  // for the tests
  performance.mark("started");
  await generate.resume();
};

onLanguage(() => document.dispatchEvent(new Event("languagechange")));
start();
