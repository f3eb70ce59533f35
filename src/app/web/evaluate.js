// SPDX-License-Identifier: MIT
// Runs `medaug evaluate` over two sources of the server and shows where its report is.
import { call, download, get, post } from "./api.js";
import { byId, button, make } from "./dom.js";
import { bind, dateTime, t, unbind } from "./i18n.js";
import { isFinal } from "./jobs.js";
import { announce, errorText, guarded } from "./messages.js";

const kPoll = 1000;  // ms
const kSelects = ["generated", "reference", "training"];
const kChecks = ["paired", "segmenter", "distribution", "copies"];

class Evaluate {
  constructor({ capabilities, hasToken }) {
    this.enabled = capabilities.evaluation;
    this.hasToken = hasToken;
    this.cards = new Map();
    byId("evaluate-off").hidden = this.enabled;
    byId("evaluate-form").hidden = !this.enabled;
    byId("v-segmenter").checked = capabilities.segmenter;
    byId("evaluate-refresh").addEventListener("click", () => this.loadSources());
    byId("evaluate-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.run();
    });
  }

  show() {
    this.visible = true;
    if (this.enabled) {
      this.loadSources();
      this.poll();
    }
  }

  hide() {
    this.visible = false;
  }

  loadSources = guarded(async () => {
    const { sources } = await get("/v1/evaluation/sources");
    for (const name of kSelects) {
      const select = byId(`v-${name}`);
      const before = select.value;
      const none = make("option", { value: "",
        t: name === "generated" ? "evaluate.choose" : "evaluate.none" });
      select.replaceChildren(none, ...sources.map((source) => make("option", { value: source.id,
        t: ["evaluate.source", { name: source.name, n: source.images,
          kind: () => t(`evaluate.kind.${source.kind}`) }] })));
      select.value = sources.some(({ id }) => id === before) ? before : "";
    }
  });

  clearErrors() {
    kSelects.forEach((name) => {
      unbind(byId(`e-${name}`));
      byId(`v-${name}`).removeAttribute("aria-invalid");
    });
    unbind(byId("evaluate-error"));
  }

  fault(name, key, parameters) {
    bind(byId(`e-${name}`), key, parameters);
    byId(`v-${name}`).setAttribute("aria-invalid", "true");
    byId(`v-${name}`).focus();
  }

  async run() {
    this.clearErrors();
    const request = Object.fromEntries([
      ...kSelects.map((name) => [name, byId(`v-${name}`).value || null]),
      ...kChecks.map((name) => [name, byId(`v-${name}`).checked])]);
    if (!request.generated) {
      this.fault("generated", "evaluate.need_generated");
      return;
    }
    if (request.copies && !request.training) {
      this.fault("training", "evaluate.need_training");
      return;
    }
    try {
      this.take(await post("/v1/evaluations", request));
      announce("evaluate.started");
      this.poll();
    } catch (error) {
      const text = { text: () => errorText(error) };
      if (kSelects.includes(error.param)) {
        this.fault(error.param, "plain", text);
      } else {
        bind(byId("evaluate-error"), "plain", text);
      }
    }
  }

  // Polls while something runs and the tab is open.
  async poll() {
    this.busy = true;
    if (this.polling) {
      return;
    }
    this.polling = true;
    while (this.busy && this.visible) {
      this.busy = false;  // a new evaluation sets it again while we wait
      try {
        const { evaluations } = await get("/v1/evaluations");
        evaluations.toReversed().forEach((evaluation) => this.take(evaluation));
        this.busy ||= evaluations.some((evaluation) => !isFinal(evaluation));
      } catch (error) {
        bind(byId("evaluate-error"), "plain", { text: () => errorText(error) });
        this.busy = true;
      }
      await new Promise((resolve) => setTimeout(resolve, kPoll));
    }
    this.polling = false;
  }

  take(evaluation) {
    const mark = JSON.stringify(evaluation);
    const old = this.cards.get(evaluation.id);
    if (old?.mark === mark) {
      return;
    }
    const element = this.card(evaluation);
    if (old) {
      old.element.replaceWith(element);
      if (isFinal(evaluation)) {
        announce(`evaluate.${evaluation.state}`);
      }
    } else {
      byId("evaluations").prepend(element);
    }
    this.cards.set(evaluation.id, { mark, element });
  }

  card(evaluation) {
    const { state, created, sources, part, done, total, error } = evaluation;
    const { generated, reference, training } = sources;
    const details = () => [dateTime(created),
      training ? t("evaluate.with_training", { name: training }) : ""].filter(Boolean).join(" · ");
    const children = [make("h3", {}, [generated, reference].filter(Boolean).join(" – ")),
      make("p", { class: "job-row" }, make("span", { class: `band ${state}`,
        t: `evaluate.${state}` }), make("span", { class: "quiet small",
        t: ["plain", { text: details }] }))];
    if (state === "queued") {
      return make("article", { class: "card" }, children);
    }
    if (state === "running") {
      const text = ["evaluate.part", { part: part ?? "", done, total }];
      children.push(make("p", { class: "quiet", t: text }),
        make("progress", { max: Math.max(1, total), value: done, tLabel: "evaluate.running" }));
    } else if (state === "failed") {
      const fault = error?.message ? error : { message: String(error) };
      children.push(make("p", { class: "error", t: ["plain", { text: () => errorText(fault) }] }));
    } else {
      children.push(this.links(evaluation));
    }
    return make("article", { class: "card" }, children);
  }

  // A token can't travel with a link: then the report opens by a ticket that is good for once.
  links({ id, report_url: report, result_url: result }) {
    const save = (path, name) => guarded(() => download(path, name));
    const openByTicket = guarded(async () => {
      const { url } = await (await call("POST", `/v1/evaluations/${id}/ticket`)).json();
      window.open(url, "_blank", "noopener");
    });
    const open = this.hasToken() ? button("evaluate.open", openByTicket, { class: "primary" })
      : make("a", { class: "button primary", href: report, target: "_blank", rel: "noopener",
        t: "evaluate.open" });
    const name = `medaug-evaluation-${id.slice(0, 8)}`;
    return make("div", { class: "bar tight" }, open,
      button("evaluate.save", save(report, `${name}.html`)),
      button("evaluate.json", save(result, `${name}.json`)));
  }
}

export const startEvaluate = (context) => new Evaluate(context);
