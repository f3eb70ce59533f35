// SPDX-License-Identifier: MIT
// One card for each unfinished job: state, progress, previews, cancel.
import { byId, button, make, reducedMotion } from "./dom.js";
import { bind, duration, number, t } from "./i18n.js";
import { announce } from "./messages.js";
import { isFinal } from "./jobs.js";

const kCalm = 2000;  // ms between previews for who asked for less motion
const kMostSlots = 16;

export const stateText = (job) => {
  const { step, steps, images_done: done, images } = job.progress ?? {};
  if (job.state === "queued") {
    return job.position > 0 ? t("job.queued", { n: job.position }) : t("job.next");
  }
  if (job.state === "running") {
    return images > 1 ? t("job.step_images", { step, steps, done, images }) :
      t("job.step", { step, steps });
  }
  return t(`job.${job.state}`);
};

const etaText = (job) => (Number.isFinite(job.eta_seconds) ?
  t("job.eta", { time: duration(job.eta_seconds) }) : "");

class Card {
  constructor(job, onCancel) {
    this.state = make("span", { class: "job-state" });
    this.eta = make("span", { class: "quiet" });
    this.bar = make("progress", { max: "1", tLabel: "job.progress" });
    this.link = make("p", { class: "link-lost", t: "job.link_lost", hidden: true });
    this.cancel = button("cancel", onCancel, { class: "danger", "aria-keyshortcuts": "Escape" });
    const n = Math.min(kMostSlots, job.request.count);
    const { width, height } = job.request;
    this.slots = Array.from({ length: n }, (_, i) => make("img",
      { class: "pixels slot", width, height, tAlt: ["job.preview", { n: i + 1 }] }));
    this.slots.forEach((slot) => { slot.src = kBlank; });
    this.shown = new Map();
    this.element = make("article", { class: "card job" },
      make("p", { class: "job-caption" }, job.request.prompt || "–"),
      make("div", { class: "job-row" }, this.state, this.eta, this.cancel), this.bar, this.link,
      make("div", { class: "slots" }, this.slots));
  }

  show({ job, linked, cancelling }) {
    bind(this.state, "plain", { text: () => (cancelling ? t("job.cancelling") : stateText(job)) });
    bind(this.eta, "plain", { text: () => etaText(job) });
    if (job.state === "queued" && !reducedMotion()) {
      this.bar.removeAttribute("value");  // no share yet: the bar swings
    } else {
      this.bar.value = job.progress?.share ?? 0;
    }
    this.link.hidden = linked;
    this.cancel.setAttribute("aria-disabled", String(cancelling));
  }

  preview({ index, png }) {
    const now = performance.now();
    const slot = this.slots[index];
    const calm = reducedMotion() && now - (this.shown.get(index) ?? -Infinity) < kCalm;
    if (slot && !calm) {
      slot.src = `data:image/png;base64,${png}`;
      this.shown.set(index, now);
    }
  }
}

// A transparent pixel: an image without a source would show its text in a frame.
const kBlank = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";

export class Progress {
  constructor(jobs) {
    this.jobs = jobs;
    this.cards = new Map();
    jobs.events.on("change", (entry) => this.change(entry));
    jobs.events.on("gone", ({ job }) => this.remove(job.id));
    jobs.events.on("preview", ({ job }, data) => this.cards.get(job.id)?.preview(data));
    byId("cancel").addEventListener("click", () => this.cancelFirst());
  }

  cancelFirst() {
    const entry = this.jobs.first();
    if (entry) {
      this.jobs.cancel(entry.job.id);
    }
    return entry !== undefined;
  }

  change(entry) {
    const { job } = entry;
    if (isFinal(job)) {
      this.remove(job.id);
      announce("plain", { text: () => stateText(job) });
      return;
    }
    let card = this.cards.get(job.id);
    if (!card) {
      card = new Card(job, () => this.jobs.cancel(job.id));
      this.cards.set(job.id, card);
      byId("active").append(card.element);
    }
    card.show(entry);
    this.tell(job);
    this.showBar();
  }

  // Progress is spoken by quarters, everything else when it changes.
  tell(job) {
    const quarter = Math.floor(4 * (job.progress?.share ?? 0));
    const mark = `${job.id} ${job.state} ${job.position} ${quarter}`;
    if (mark !== this.told) {
      this.told = mark;
      announce("plain", { text: () => [stateText(job), etaText(job)].filter(Boolean).join(", ") });
    }
  }

  remove(id) {
    const card = this.cards.get(id);
    const focused = card?.element.contains(document.activeElement);
    card?.element.remove();
    this.cards.delete(id);
    if (focused) {
      byId("generate").focus();
    }
    this.showBar();
  }

  showBar() {
    const entry = this.jobs.first();
    if (!entry && document.activeElement === byId("cancel")) {
      byId("generate").focus();
    }
    byId("cancel").hidden = !entry;
    byId("bar-state").hidden = !entry;
    byId("nothing").hidden = this.cards.size > 0 || byId("results").childElementCount > 0;
    if (entry) {
      bind(byId("bar-state"), "plain", { text: () => stateText(entry.job) });
    }
    const share = entry?.job.progress?.share;
    document.title = share > 0 ? `${number(100 * share)} % – medaug` : "medaug";
  }
}
