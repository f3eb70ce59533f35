// SPDX-License-Identifier: MIT
// The large view: one image, its mask, and a wipe against another one.
import { showPicture } from "./api.js";
import { byId, make, setVar } from "./dom.js";
import { bind, t, unbind } from "./i18n.js";
import { drawOverlay, maskOfJob } from "./masks.js";
import { guarded, notify } from "./messages.js";
import { agreementOf, altOf, saveImage, settingsText } from "./results.js";
import { read, write } from "./store.js";

export class Viewer {
  constructor(classes) {
    this.classes = classes;
    this.pinned = null;
    this.dialog = byId("viewer");
    byId("viewer-previous").addEventListener("click", () => this.step(-1));
    byId("viewer-next").addEventListener("click", () => this.step(1));
    byId("viewer-save").addEventListener("click", () => saveImage(this.job, this.image));
    byId("viewer-compare").addEventListener("change", () => this.showOther());
    byId("viewer-wipe").addEventListener("input", () => this.wipe());
    byId("viewer-overlay").addEventListener("change", () => this.showOverlay());
    const smooth = byId("viewer-smooth");
    smooth.checked = read("smooth", true);
    smooth.addEventListener("change", () => {
      write("smooth", smooth.checked);
      this.smooth();
    });
    this.smooth();
    this.dialog.addEventListener("keydown", (event) => this.key(event));
  }

  // As viewers in a clinic do, or the bare pixels.
  smooth() {
    document.documentElement.classList.toggle("smooth", byId("viewer-smooth").checked);
  }

  get image() {
    return this.job.images[this.at];
  }

  open(job, index, { compare = null } = {}) {
    this.job = job;
    this.at = Math.max(0, job.images.findIndex((image) => image.index === index));
    this.wanted = compare;
    byId("viewer-overlay").disabled = !job.request.has_mask;
    byId("viewer-overlay").value = compare ? "none" : read("overlay", {}).mode ?? "outline";
    this.dialog.showModal();
    this.show();
  }

  pin(job, image, from) {
    this.pinned = { url: image.url, text: `seed ${image.seed}` };
    document.querySelectorAll(".pinned").forEach((element) => element.classList.remove("pinned"));
    from.closest("figure").classList.add("pinned");
    notify("pin.done", { seed: image.seed });
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step && !event.target.matches("input, select")) {
      event.preventDefault();
      this.step(step);
    }
  }

  step(by) {
    const n = this.job.images.length;
    this.at = (this.at + by + n) % n;
    this.wanted = byId("viewer-compare").value;
    this.show();
  }

  show() {
    const { job, image } = this;
    const main = byId("viewer-main");
    setVar(byId("viewer-frame"), "aspect-ratio", `${job.request.width} / ${job.request.height}`);
    setVar(byId("viewer-frame"), "--shape", String(job.request.width / job.request.height));
    bind(main, ...altOf(job, image), "alt");
    showPicture(main, image.url);
    bind(byId("viewer-title"), "viewer.title", { n: this.at + 1, of: job.images.length,
      seed: image.seed });
    unbind(byId("viewer-caption"), job.request.prompt || "–");
    bind(byId("viewer-settings"), "plain", { text: () => settingsText(job) });
    byId("viewer-agreement").replaceChildren(...[agreementOf(image)].filter(Boolean));
    const single = job.images.length < 2;
    byId("viewer-previous").hidden = single;
    byId("viewer-next").hidden = single;
    this.fillChoices();
    this.showOther();
    this.showOverlay();
  }

  fillChoices() {
    const { job, image, pinned } = this;
    this.others = new Map();
    if (image.nearest) {
      this.others.set("nearest", { url: image.nearest.url, text: () => t("nearest") });
    }
    if (pinned && pinned.url !== image.url) {
      this.others.set("pinned", { url: pinned.url,
        text: () => t("pin.name", { name: pinned.text }) });
    }
    for (const other of job.images.filter((entry) => entry !== image)) {
      this.others.set(`image-${other.index}`, { url: other.url,
        text: () => t("image.name", { n: other.index + 1, seed: other.seed }) });
    }
    const select = byId("viewer-compare");
    select.replaceChildren(make("option", { value: "", t: "compare.none" }),
      ...[...this.others].map(([key, { text }]) =>
        make("option", { value: key, t: ["plain", { text }] })));
    select.value = this.others.has(this.wanted) ? this.wanted : "";
  }

  showOther() {
    const other = this.others.get(byId("viewer-compare").value);
    const image = byId("viewer-other");
    image.hidden = !other;
    byId("viewer-wipe-row").hidden = !other;
    byId("viewer-frame").classList.toggle("wiping", Boolean(other));
    if (other) {
      bind(image, "compare.alt", { name: other.text }, "alt");
      bind(byId("viewer-names"), "compare.names", { left: other.text,
        right: () => t("image.name", { n: this.image.index + 1, seed: this.image.seed }) });
      showPicture(image, other.url);
    }
    this.wipe();
  }

  wipe() {
    setVar(byId("viewer-frame"), "--wipe", `${byId("viewer-wipe").value}%`);
  }

  showOverlay = guarded(async () => {
    const { job } = this;
    const mode = byId("viewer-overlay").value;
    const canvas = byId("viewer-mask");
    canvas.hidden = mode === "none" || !job.request.has_mask;
    if (!canvas.hidden) {
      drawOverlay(canvas, await maskOfJob(job.id, this.classes), this.classes, mode);
    }
  });
}

