// SPDX-License-Identifier: MIT
// Compares two settings: one job for each pair of values, laid out as a table. The plan and its
// jobs are kept, so that a reload goes on where it was.
import { get, postAgain, randomKey, showPicture } from "./api.js";
import { byId, make } from "./dom.js";
import { bind, t, unbind } from "./i18n.js";
import { isFinal } from "./jobs.js";
import { announce, guarded, notifyError } from "./messages.js";
import { stateText } from "./progress.js";
import { agreementOf, altOf } from "./results.js";
import { read, write } from "./store.js";

const kFields = ["seed", "steps", "guidance", "mask_guidance", "solver"];
const kMostValues = 8;
const kAhead = 4;  // jobs in the server's queue at once
const kPoll = 700;  // ms
const kBusy = ["queue_full", "rate_limited", "loading", "draining"];
const kWaitBusy = 2000;

// "1, 2, 3" or "10..50/10".
export const parseValues = (field, text, { solvers, limits }) => {
  const parts = text.split(/[,，;；\s]+/).filter(Boolean);
  const values = parts.flatMap((part) => {
    const range = part.match(/^(-?[\d.]+)\.\.(-?[\d.]+)(?:\/([\d.]+))?$/);
    if (!range || field === "solver") {
      return [field === "solver" ? part : Number(part)];
    }
    const [from, to, step] = [Number(range[1]), Number(range[2]), Number(range[3] ?? 1)];
    const n = Math.min(kMostValues + 1, Math.floor((to - from) / step + 1e-9) + 1);
    return Array.from({ length: Math.max(0, n) }, (_, i) => Number((from + i * step).toFixed(6)));
  });
  const whole = field === "seed" || field === "steps";
  const { min, max } = { seed: { min: 0, max: limits.seed_max }, steps: limits.steps }[field] ??
    limits.guidance;
  const good = (value) => (field === "solver" ? solvers.includes(value) :
    value >= min && value <= max && (!whole || Number.isInteger(value)));
  if (values.length === 0) {
    return { fault: ["grid.empty", {}] };
  }
  const bad = values.findIndex((value) => !good(value));
  if (bad >= 0) {
    return { fault: field === "solver" ? ["grid.bad_solver", { list: solvers.join(", ") }] :
      ["grid.bad", { min, max }] };
  }
  return values.length > kMostValues ? { fault: ["grid.many", { n: kMostValues }] } :
    { values: [...new Set(values)] };
};

class Grid {
  constructor({ capabilities, generate }) {
    Object.assign(this, { capabilities, generate, plan: null, running: false });
    const saved = read("grid-form", { x: "guidance", y: "seed", xv: "1, 2, 4", yv: "1, 2, 3" });
    for (const axis of ["x", "y"]) {
      const select = byId(`${axis}-field`);
      select.replaceChildren(...kFields.map((name) =>
        make("option", { value: name, t: `field.${name}` })));
      select.value = saved[axis];
      byId(`${axis}-values`).value = saved[`${axis}v`];
      select.addEventListener("change", () => this.suggest(axis));
      byId(`${axis}-values`).addEventListener("input", () => this.keepForm());
    }
    byId("grid-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.start();
    });
    byId("grid-stop").addEventListener("click", guarded(() => this.stop()));
    this.recall();
  }

  suggest(axis) {
    const { capabilities } = this;
    byId(`${axis}-values`).value = { seed: "1, 2, 3", steps: "5, 10, 20", guidance: "1, 2, 4",
      mask_guidance: "1, 2, 4", solver: capabilities.solvers.slice(0, 3).join(", ") }[
      byId(`${axis}-field`).value];
    this.keepForm();
  }

  keepForm() {
    write("grid-form", { x: byId("x-field").value, y: byId("y-field").value,
      xv: byId("x-values").value, yv: byId("y-values").value });
  }

  axis(axis) {
    const field = byId(`${axis}-field`).value;
    const { values, fault } = parseValues(field, byId(`${axis}-values`).value, this.capabilities);
    const place = byId(`${axis}-error`);
    unbind(place);
    byId(`${axis}-values`).toggleAttribute("aria-invalid", Boolean(fault));
    if (fault) {
      bind(place, ...fault);
      byId(`${axis}-values`).focus();
      return null;
    }
    return { field, values };
  }

  start() {
    const x = this.axis("x");
    const y = x && this.axis("y");
    if (y && x.field === y.field) {
      bind(byId("y-error"), "grid.same", {});
    } else if (y && this.generate.form.check()) {
      const base = { ...this.generate.form.values(), count: 1 };
      base.seed ??= Math.floor(Math.random() * 1e6);  // only two things may differ
      this.plan = { x, y, base, mask: this.generate.maskBox.payload(), key: randomKey(),
        cells: y.values.map(() => x.values.map(() => null)) };
      this.keep();
      this.build();
      this.work();
    }
  }

  keep() {
    write("grid", this.plan);
  }

  recall() {
    const plan = read("grid");
    if (plan) {
      this.plan = plan;
      this.build();
      this.work();
    }
  }

  build() {
    const { x, y, base } = this.plan;
    const head = (field, value) => make("th", { scope: field === x.field ? "col" : "row",
      t: ["grid.head", { field: () => t(`field.${field}`), value: String(value) }] });
    this.places = y.values.map(() => x.values.map(() => make("td", { class: "cell" })));
    byId("grid-table").replaceChildren(make("table", { class: "compare" },
      make("caption", {}, base.prompt || "–"),
      make("thead", {}, make("tr", {}, make("td", {}), x.values.map((v) => head(x.field, v)))),
      make("tbody", {}, y.values.map((value, r) =>
        make("tr", {}, head(y.field, value), this.places[r])))));
    byId("grid-table").hidden = false;
  }

  all() {
    return this.plan.cells.flatMap((row, r) => row.map((id, c) => ({ id, r, c })));
  }

  // Sends jobs, a few ahead of the finished ones, and polls those under way.
  async work() {
    const { plan } = this;
    const open = new Map();
    this.running = true;
    byId("grid-stop").hidden = false;
    const todo = this.all().filter(({ id }) => id || !plan.stopped);
    let done = 0;
    while (this.plan === plan && this.running && (todo.length > 0 || open.size > 0)) {
      while (todo.length > 0 && open.size < kAhead) {
        const cell = todo.shift();
        const id = cell.id ?? await this.send(plan, cell);
        if (!id) {
          break;
        }
        open.set(id, cell);
      }
      done += await this.poll(open);
      bind(byId("grid-state"), "grid.state", { done, all: this.all().length });
      await new Promise((resolve) => setTimeout(resolve, open.size > 0 ? kPoll : 0));
    }
    if (this.plan === plan) {
      this.running = false;
      byId("grid-stop").hidden = true;
      announce(plan.stopped ? "grid.stopped" : "grid.done");
    }
  }

  async send(plan, { r, c }) {
    const request = { ...plan.base, mask: plan.mask, [plan.x.field]: plan.x.values[c],
      [plan.y.field]: plan.y.values[r] };
    while (this.running) {
      try {
        // The same key after a reload: a job that was sent and not answered yet is found again.
        const key = `${plan.key ?? randomKey()}-${r}-${c}`;
        const { id } = await postAgain("/v1/jobs", request, { "Idempotency-Key": key });
        plan.cells[r][c] = id;
        this.keep();
        return id;
      } catch (error) {
        if (!kBusy.includes(error.code)) {
          notifyError(error);
          this.running = false;
        }
        await new Promise((resolve) => setTimeout(resolve, kWaitBusy));
      }
    }
    return null;
  }

  async poll(open) {
    let finished = 0;
    for (const [id, cell] of [...open]) {
      try {
        const job = await get(`/v1/jobs/${id}`);
        this.showCell(cell, job);
        if (!isFinal(job)) {
          continue;
        }
      } catch (error) {
        if (error.status !== 404) {
          continue;
        }
        bind(this.places[cell.r][cell.c], "grid.gone");
      }
      open.delete(id);
      finished += 1;
    }
    return finished;
  }

  showCell({ r, c }, job) {
    const place = this.places[r][c];
    const [image] = job.images;
    if (!isFinal(job) || !image) {
      bind(place, "plain", { text: () => stateText(job) });
      return;
    }
    unbind(place);
    const picture = make("img", { class: "pixels", width: job.request.width,
      height: job.request.height, tAlt: altOf(job, image) });
    showPicture(picture, image.url);
    place.replaceChildren(make("button", { type: "button", class: "bare frame",
      tLabel: ["image.open", { seed: image.seed }],
      onclick: () => this.generate.viewer.open(job, image.index) }, picture),
    ...[agreementOf(image)].filter(Boolean));
  }

  async stop() {
    this.running = false;
    this.plan.stopped = true;
    this.keep();
    const ids = this.all().map(({ id }) => id).filter(Boolean);
    for (const id of ids) {
      const job = await get(`/v1/jobs/${id}`).catch(() => null);
      if (job && !isFinal(job)) {
        await postAgain(`/v1/jobs/${id}/cancel`, {});
      }
    }
    byId("grid-stop").hidden = true;
    bind(byId("grid-state"), "grid.stopped");
  }
}

export const startGrid = (context) => new Grid(context);
