// SPDX-License-Identifier: MIT
// Training runs: live curves, rate, last good checkpoint, and the samples over time.
import { get, getOnce, showPicture } from "./api.js";
import { Curve, smooth } from "./charts.js";
import { byId, fact, make } from "./dom.js";
import { bind, dateTime, duration, number, t } from "./i18n.js";
import { guarded, notifyError } from "./messages.js";
import { follow } from "./sse.js";
import { read, write } from "./store.js";

const kTableRows = 20;
const kMostEvents = 50;

const stateKey = (active) => (active ? "training.active" : "training.idle");

const checkpointText = (checkpoint) => {
  if (!checkpoint) {
    return t("training.no_checkpoint");
  }
  const { step, age_seconds: age, verified } = checkpoint;
  return t(verified ? "training.checkpoint_good" : "training.checkpoint_unverified",
    { step, age: duration(age) });
};

const lossSeries = ({ train, validation }, share) => {
  const list = [{ key: "chart.train", steps: train.step, values: smooth(train.loss, share),
    style: 0 }];
  if (validation?.step.length) {
    const { step: steps, loss, ema_loss: ema } = validation;
    list.push({ key: "chart.validation", steps, values: loss, style: 1 });
    if (ema?.length) {
      list.push({ key: "chart.ema", steps, values: ema, style: 2 });
    }
  }
  return list;
};

class Training {
  constructor({ capabilities }) {
    this.enabled = capabilities.runs;
    this.model = capabilities.model.name;
    byId("training-off").hidden = this.enabled;
    byId("training-body").hidden = !this.enabled;
    this.curves = { loss: new Curve("chart-loss"), grad_norm: new Curve("chart-grad_norm"),
      rate: new Curve("chart-rate") };
    const saved = read("training", { log: true, smoothing: 0.9 });
    byId("log-axis").checked = saved.log;
    byId("smoothing").value = saved.smoothing;
    this.wanted = saved.run;
    for (const id of ["log-axis", "smoothing"]) {
      byId(id).addEventListener("input", () => this.keep());
    }
    byId("run").addEventListener("change", () => this.open(byId("run").value));
    byId("runs-refresh").addEventListener("click", () => this.loadRuns());
    byId("sample-step").addEventListener("input", () => this.showSample());
    for (const name of ["themechange", "languagechange"]) {
      document.addEventListener(name, () => this.shown && this.draw());
    }
    document.addEventListener("visibilitychange", () => this.shown &&
      (document.hidden ? this.stop() : this.open(this.id)));
  }

  keep() {
    write("training", { log: byId("log-axis").checked, smoothing: Number(byId("smoothing").value),
      run: this.id });
    this.draw();
  }

  show() {
    this.shown = true;
    if (this.enabled) {
      this.loadRuns();
    }
  }

  hide() {
    this.shown = false;
    this.stop();
  }

  stop() {
    this.abort?.abort();
  }

  loadRuns = guarded(async () => {
    const { runs } = await get("/v1/runs");
    const select = byId("run");
    select.replaceChildren(...runs.map(({ id, name, step, active }) => make("option", { value: id,
      t: ["training.name", { name, step, state: () => t(stateKey(active)) }] })));
    byId("training-off").hidden = runs.length > 0;
    byId("training-body").hidden = runs.length === 0;
    if (runs.length > 0) {
      const id = [this.id, this.wanted].find((key) => runs.some((run) => run.id === key)) ??
        (runs.find(({ active }) => active) ?? runs.find(({ name }) => name === this.model) ??
          runs[0]).id;
      select.value = id;
      await this.open(id);
    }
  });

  // The stream is open only while the tab is seen: a browser has six connections to a server.
  async open(id) {
    this.stop();
    if (!id) {
      return;
    }
    if (id !== this.id) {
      this.run = null;
      this.id = id;
    }
    const abort = new AbortController();
    this.abort = abort;
    follow(`/v1/runs/${id}/events`, { signal: abort.signal, finished: () => false,
      before: async () => this.take(id, await getOnce(`/v1/runs/${id}`)),
      onEvent: (name, data) => name === "run" && this.take(id, data) }).catch(notifyError);
  }

  take(id, run) {
    if (id !== this.id || this.abort.signal.aborted) {
      return;
    }
    this.run = run;
    this.keep();
    this.showFacts();
    this.showSamples();
    this.showTable();
    this.showEvents();
  }

  showFacts() {
    const { run } = this;
    const text = (f) => make("dd", { t: ["plain", { text: f }] });
    const plain = (value, digits) => (Number.isFinite(value) ? number(value, digits) : "–");
    byId("run-facts").replaceChildren(
      fact("training.step", text(() => plain(run.step))),
      fact("training.epoch", text(() => plain(run.epoch, 2))),
      fact("training.images", text(() => plain(run.images))),
      fact("training.rate", text(() => t("training.per_second", { rate: plain(run.rate, 1) }))),
      fact("training.eta", text(() => (Number.isFinite(run.eta_seconds) ?
        duration(run.eta_seconds) : "–"))),
      fact("training.learning_rate", text(() => (run.learning_rate ?
        run.learning_rate.toPrecision(3) : plain(run.learning_rate)))),
      fact("training.grad_norm", text(() => plain(run.series.train.grad_norm?.at(-1), 3))),
      fact("training.checkpoint", text(() => checkpointText(run.last_checkpoint))),
      fact("training.updated", text(() => dateTime(run.updated))));
    byId("run-state").dataset.state = run.active ? "ready" : "idle";
    bind(byId("run-state"), stateKey(run.active));
  }

  draw() {
    const share = Number(byId("smoothing").value);
    byId("smoothing-value").textContent = share.toFixed(2);
    if (!this.run || !this.shown) {
      return;
    }
    const { train, validation } = this.run.series;
    const last = (values) => (values?.length ? number(values.at(-1), 4) : "–");
    const logarithmic = byId("log-axis").checked;
    const loss = lossSeries(this.run.series, share);
    const single = (name) => this.curves[name].draw([{ key: `chart.${name}`, steps: train.step,
      values: smooth(train[name] ?? [], share), style: 0 }], { logarithmic: logarithmic &&
      name === "grad_norm", label: "chart.label_one", parameters: { name: () => t(`chart.${name}`),
      last: () => last(train[name]) } });
    Promise.all([this.curves.loss.draw(loss, { logarithmic, label: "chart.label_loss",
      parameters: { train: () => last(train.loss), validation: () => last(validation?.loss),
        ema: () => last(validation?.ema_loss) } }), single("grad_norm"), single("rate")])
      .catch(notifyError);
  }

  showSamples() {
    const { samples } = this.run;
    byId("samples").hidden = samples.length === 0;
    if (samples.length === 0) {
      return;
    }
    const slider = byId("sample-step");
    slider.hidden = samples.length < 2;
    const atEnd = Number(slider.value) >= Number(slider.max) || this.samplesOf !== this.id;
    slider.max = samples.length - 1;
    if (atEnd) {
      slider.value = samples.length - 1;
    }
    this.samplesOf = this.id;
    this.showSample();
  }

  showSample() {
    const sample = this.run?.samples[Number(byId("sample-step").value)];
    if (sample) {
      byId("sample-value").textContent = sample.step;
      byId("sample-step").setAttribute("aria-valuetext", String(sample.step));
      bind(byId("sample"), "training.sample_alt", { step: sample.step }, "alt");
      if (byId("sample").dataset.path !== sample.url) {
        byId("sample").dataset.path = sample.url;
        showPicture(byId("sample"), sample.url);
      }
    }
  }

  showTable() {
    const { validation } = this.run.series;
    const from = Math.max(0, (validation?.step.length ?? 0) - kTableRows);
    const rows = (validation?.step ?? []).slice(from).map((step, i) => make("tr", {},
      make("th", { scope: "row" }, String(step)),
      make("td", {}, number(validation.loss[from + i], 5)),
      make("td", {}, Number.isFinite(validation.ema_loss?.[from + i]) ?
        number(validation.ema_loss[from + i], 5) : "–")));
    byId("run-table").replaceChildren(make("thead", {}, make("tr", {},
      ["chart.step", "chart.validation", "chart.ema"].map((key) =>
        make("th", { scope: "col", t: key })))), make("tbody", {}, rows));
  }

  showEvents() {
    const events = this.run.events ?? [];
    byId("run-events").hidden = events.length === 0;
    const items = events.slice(-kMostEvents).toReversed().map(({ step, text }) =>
      make("li", { t: ["training.event", { step, text }] }));
    byId("run-events").querySelector("ul").replaceChildren(...items);
  }
}

export const startTraining = (context) => new Training(context);
