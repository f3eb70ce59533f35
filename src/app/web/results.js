// SPDX-License-Identifier: MIT
// The images of a finished job: mask over them, agreement, nearest training image, downloads.
import { download, showPicture } from "./api.js";
import { byId, button, fact, make, setVar } from "./dom.js";
import { dateTime, number, t } from "./i18n.js";
import { drawOverlay, maskOfJob } from "./masks.js";
import { guarded } from "./messages.js";
import { read, write } from "./store.js";

export const kOverlays = ["none", "outline", "hatch", "fill"];

// The bands of the evaluation report.
const bandOf = (dice) =>
  (dice > 0.9 ? "excellent" : dice >= 0.7 ? "good" : dice >= 0.5 ? "acceptable" : "poor");

export const altOf = (job, image) => ["image.alt", { prompt: job.request.prompt || "–",
  seed: image.seed, mask: () => t(job.request.has_mask ? "image.with_mask" : "image.no_mask") }];

export const settingsText = ({ request }) => t("job.settings", { steps: request.steps,
  solver: request.solver, guidance: number(request.guidance, 2),
  mask_guidance: number(request.mask_guidance, 2), w: request.width, h: request.height });

export const fileName = (job, image) => `medaug-${job.id.slice(0, 8)}-seed${image.seed}.png`;

export const saveImage = guarded((job, image) => download(image.url, fileName(job, image)));
export const saveZip = guarded((job) =>
  download(`/v1/jobs/${job.id}/archive.zip`, `medaug-${job.id.slice(0, 8)}.zip`));

const score = (value) => (Number.isFinite(value) ? number(value, 2) : "–");

export const agreementOf = ({ agreement }) => {
  if (!agreement) {
    return null;
  }
  const band = bandOf(agreement.dice);
  const box = make("div", { class: "agreement" },
    make("span", { class: `band ${band}`, t: ["agreement.dice",
      { dice: () => score(agreement.dice), band: () => t(`band.${band}`) }] }),
    make("span", { class: "quiet", t: ["agreement.iou", { iou: () => score(agreement.iou) }] }));
  if (agreement.classes?.length > 1) {
    const item = ({ name, dice, iou }) => make("li", { t: ["agreement.class",
      { name, dice: () => score(dice), iou: () => score(iou) }] });
    box.append(make("ul", { class: "by-class" }, agreement.classes.map(item)));
  }
  return box;
};

const nearestOf = ({ nearest }, open) => {
  if (!nearest) {
    return null;
  }
  const image = make("img", { class: "pixels nearest-image", tAlt: "nearest.alt" });
  showPicture(image, nearest.url);
  const text = make("span", { t: ["nearest.score", { score: () => score(nearest.score) }] });
  const warning = nearest.copy ? make("strong", { class: "band poor", t: "nearest.copy" }) : null;
  return make("div", { class: "nearest" },
    make("button", { type: "button", class: "bare", tLabel: "nearest.open", onclick: open }, image),
    make("div", {}, text, warning));
};

export class Results {
  constructor({ classes, viewer, onUse, onSeed, onUnder }) {
    Object.assign(this, { classes, viewer, onUse, onSeed, onUnder });
    this.job = null;
    const saved = read("overlay", {});
    this.mode = kOverlays.includes(saved.mode) ? saved.mode : "outline";
    this.opacity = saved.opacity ?? 80;
  }

  show(job) {
    this.job = job;
    write("shown", job.id);
    this.overlays = [];
    this.mask = null;
    const root = byId("results");
    byId("nothing").hidden = true;
    root.replaceChildren(...this.header(job), this.toolbar(job),
      make("div", { class: "grid" }, job.images.map((image) => this.card(job, image))));
    if (job.request.has_mask) {
      this.loadMask(job);
    }
  }

  clear() {
    this.job = null;
    write("shown", null);
    byId("results").replaceChildren();
    byId("nothing").hidden = byId("active").childElementCount > 0;
  }

  header(job) {
    const parts = [make("h2", { tabindex: "-1", id: "results-title", t: "results.title" }),
      make("p", { class: "result-caption" }, job.request.prompt || "–")];
    if (job.state === "failed") {
      const { message, hint } = job.error ?? {};
      parts.push(make("p", { class: "warning bad" }, [message, hint].filter(Boolean).join(" ")));
    } else if (job.state === "cancelled") {
      parts.push(make("p", { class: "warning", t: "job.cancelled_note" }));
    }
    const seconds = job.finished && job.started ? job.finished - job.started : null;
    const time = () => (seconds === null ? dateTime(job.created) :
      t("job.took", { when: dateTime(job.created), seconds: number(seconds, 1) }));
    parts.push(make("p", { class: "quiet small", t: ["plain",
      { text: () => `${settingsText(job)} · ${time()}` }] }));
    return parts;
  }

  toolbar(job) {
    const bar = make("div", { class: "bar" });
    if (job.images.length > 0) {
      bar.append(button("zip", () => saveZip(job)));
    }
    bar.append(button("use", () => this.onUse(job)));
    if (job.request.has_mask && job.images.length > 0) {
      bar.append(this.overlayControls());
    }
    return bar;
  }

  overlayControls() {
    const select = make("select", { id: "overlay-mode" }, kOverlays.map((mode) =>
      make("option", { value: mode, t: `overlay.${mode}` })));
    select.value = this.mode;
    const range = make("input", { type: "range", id: "overlay-opacity", min: "10", max: "100" });
    range.value = this.opacity;
    const change = () => {
      this.mode = select.value;
      this.opacity = Number(range.value);
      write("overlay", { mode: this.mode, opacity: this.opacity });
      this.drawOverlays();
    };
    select.addEventListener("change", change);
    range.addEventListener("input", change);
    return make("div", { class: "bar overlay-controls" },
      make("label", { class: "inline" }, make("span", { t: "overlay" }), select),
      make("label", { class: "inline" }, make("span", { t: "opacity" }), range));
  }

  card(job, image) {
    const { width, height } = job.request;
    const picture = make("img", { class: "pixels", width, height, tAlt: altOf(job, image) });
    showPicture(picture, image.url);
    const overlay = make("canvas", { class: "overlay", "aria-hidden": "true" });
    this.overlays.push(overlay);
    const open = (compare) => this.viewer.open(job, image.index, { compare });
    return make("figure", { class: "result" },
      make("button", { type: "button", class: "bare frame", onclick: () => open(null),
        tLabel: ["image.open", { seed: image.seed }] }, picture, overlay),
      make("figcaption", {},
        make("dl", { class: "facts-row" }, fact("seed", String(image.seed))),
        agreementOf(image), nearestOf(image, () => open("nearest")),
        make("div", { class: "bar tight" },
          button("save_png", () => saveImage(job, image)),
          button("seed.use", () => this.onSeed(image.seed)),
          this.classes.length ? button("under", () => this.onUnder(image)) : null,
          button("pin", (event) => this.viewer.pin(job, image, event.target)))));
  }

  loadMask = guarded(async (job) => {
    const mask = await maskOfJob(job.id, this.classes);
    if (this.job === job) {
      this.mask = mask;
      this.drawOverlays();
    }
  });

  // All images of a job have one mask: drawn once, then copied.
  drawOverlays() {
    const shown = this.mode !== "none" && Boolean(this.mask);
    const drawn = document.createElement("canvas");
    if (shown) {
      drawOverlay(drawn, this.mask, this.classes, this.mode);
    }
    for (const overlay of this.overlays) {
      overlay.hidden = !shown;
      if (shown) {
        overlay.width = drawn.width;
        overlay.height = drawn.height;
        overlay.getContext("2d").drawImage(drawn, 0, 0);
        setVar(overlay, "opacity", String(this.opacity / 100));
      }
    }
  }
}
