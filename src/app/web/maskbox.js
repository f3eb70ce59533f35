// SPDX-License-Identifier: MIT
// Where the mask comes from: none, a file, or the editor. Whatever the way, it ends in the editor's
// label map, so that an uploaded mask can be mended by hand.
import { callAgain, get, picture } from "./api.js";
import { pick } from "./dialogs.js";
import { byId, make } from "./dom.js";
import { bind, number, t, unbind } from "./i18n.js";
import { countClasses, drawOverlay, maskOfJob, readMask } from "./masks.js";
import { announce, guarded, notify } from "./messages.js";
import { encodeGrey, toBase64 } from "./png.js";
import { read, write } from "./store.js";

const kModes = ["none", "upload", "draw"];
const kStarterSize = 128;

// Shapes to begin with: (angle) -> radius, as shares of the image.
const kStarters = {
  round: () => 0.28,
  oval: (a) => 0.2 * 0.34 / Math.hypot(0.2 * Math.cos(a), 0.34 * Math.sin(a)),
  irregular: (a) => 0.27 + 0.035 * Math.sin(3 * a + 0.6) + 0.025 * Math.sin(5 * a + 2) +
    0.018 * Math.cos(8 * a),
  small: () => 0.1,
};

const starter = (radius, label) => {
  const labels = new Uint8Array(kStarterSize ** 2);
  for (let i = 0; i < labels.length; i += 1) {
    const x = (i % kStarterSize + 0.5) / kStarterSize - 0.5;
    const y = (Math.floor(i / kStarterSize) + 0.5) / kStarterSize - 0.5;
    labels[i] = Math.hypot(x, y) <= radius(Math.atan2(y, x)) ? label : 0;
  }
  return { labels, width: kStarterSize, height: kStarterSize };
};

export class MaskBox {
  constructor(editor, classes) {
    this.editor = editor;
    this.classes = classes;
    this.wire();
    this.setMode(read("mask-mode", "none"));
  }

  get mode() {
    return this.current;
  }

  setMode(mode) {
    this.current = kModes.includes(mode) ? mode : "none";
    write("mask-mode", this.current);
    byId(`mask-${this.current}`).checked = true;
    byId("drop").hidden = this.current !== "upload";
    byId("editor").hidden = this.current === "none";
    this.editor.tools.finish();
    this.editor.view.fit();
  }

  wire() {
    for (const mode of kModes) {
      byId(`mask-${mode}`).addEventListener("change", () => this.setMode(mode));
    }
    byId("mask-file").addEventListener("change", (event) => {
      const [file] = event.target.files;
      event.target.value = "";
      if (file) {
        this.takeFile(file);
      }
    });
    byId("mask-load").addEventListener("click", guarded(() => this.choose()));
    byId("mask-save").addEventListener("click", () => this.savePng());
    this.editor.events.on("change", () => this.showCounts());
    this.showCounts();
  }

  showCounts() {
    const { labels } = this.editor.map;
    const parts = () => countClasses(labels, this.classes).map(({ name, pixels }) =>
      t("mask.share", { name, share: number(100 * pixels / labels.length, 1) })).join(" · ");
    bind(byId("mask-counts"), "plain", { text: parts });
  }

  // What is sent: bytes of a PNG in base64, or null.
  payload() {
    if (this.current === "none" || this.classes.length === 0) {
      return null;
    }
    this.editor.tools.finish();
    const { labels, width, height } = this.editor.map;
    return toBase64(encodeGrey(labels, width, height));
  }

  isEmpty() {
    return this.current !== "none" && !this.editor.map.labels.some((label) => label !== 0);
  }

  async takeFile(file) {
    unbind(byId("mask-note"));
    try {
      const mask = await readMask(file, this.classes);
      this.setMode("upload");
      this.take(mask);
      this.tell(mask, file.name);
    } catch {
      bind(byId("mask-note"), "mask.unreadable", { name: file.name });
      announce("mask.unreadable", { name: file.name });
    }
  }

  take({ labels, width, height }) {
    if (this.current === "none") {
      this.setMode("draw");
    }
    this.editor.load(labels, width, height);
  }

  tell({ width, height, rule }, name) {
    const { map } = this.editor;
    const same = width === map.width && height === map.height;
    const stretched = Math.abs(width / height - map.width / map.height) > 0.01;
    const size = same ? "mask.same" : stretched ? "mask.stretched" : "mask.resampled";
    const parameters = { name, rule: () => t(`mask.rule.${rule}`),
      size: () => t(size, { w: width, h: height, tw: map.width, th: map.height }) };
    bind(byId("mask-note"), "mask.taken", parameters);
    announce("mask.taken", parameters);
  }

  // The mask of a job or of a PNG's settings; also one that isn't there.
  async restore(hasMask, load) {
    if (!hasMask) {
      this.setMode("none");
      return;
    }
    unbind(byId("mask-note"));
    this.take(await load());
  }

  thumbnail(mask) {
    const canvas = make("canvas", { class: "thumb mask-thumb" });
    drawOverlay(canvas, mask, this.classes, "fill", 0);
    return canvas;
  }

  async choose() {
    const label = this.editor.tools.label;
    const chosen = await pick("mask.choose", (add, list) => {
      for (const [name, radius] of Object.entries(kStarters)) {
        const mask = starter(radius, label);
        add(mask, `starter.${name}`, this.thumbnail(mask), make("span", { t: `starter.${name}` }));
      }
      this.addJobs(add, list);
    });
    if (chosen) {
      this.take(chosen);
      unbind(byId("mask-note"));
    }
  }

  async addJobs(add, list) {
    let jobs = [];
    try {
      jobs = (await get("/v1/jobs?limit=50")).jobs.filter(({ request }) => request.has_mask);
    } catch {
      // The starter shapes are still there.
    }
    for (const job of jobs.slice(0, 24)) {
      try {
        const mask = await maskOfJob(job.id, this.classes);
        const text = ["mask.of_job", { prompt: job.request.prompt || "–" }];
        add(mask, text, this.thumbnail(mask), make("span", { t: text }));
      } catch {
        list.dataset.partial = "true";  // that job was deleted meanwhile
      }
    }
  }

  savePng() {
    const { labels, width, height } = this.editor.map;
    const url = URL.createObjectURL(new Blob([encodeGrey(labels, width, height)],
      { type: "image/png" }));
    const link = make("a", { href: url, download: "mask.png" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }
}

// A PNG made by medaug gives its settings back; any other picture is offered as a mask.
export const takeSettings = async (file, { form, maskBox, classes }) => {
  let answer;
  try {
    answer = await (await callAgain("POST", "/v1/settings",
      { body: file, headers: { "Content-Type": "image/png" } })).json();
  } catch (error) {
    if (!["no_settings", "unsupported_media_type", "invalid_request"].includes(error.code)) {
      throw error;
    }
    const asMask = { key: "settings.as_mask", run: () => maskBox.takeFile(file) };
    notify("settings.none", { name: file.name }, { action: classes.length ? asMask : null });
    return false;
  }
  form.fill(answer.request);
  const { readMaskBase64 } = await import("./masks.js");
  await maskBox.restore(answer.mask !== null, () => readMaskBase64(answer.mask, classes));
  notify(answer.same_model ? "settings.same" : "settings.other",
    { hash: answer.checkpoint_sha256?.slice(0, 8) ?? "?" }, { error: !answer.same_model });
  return true;
};

export const underlay = guarded(async (editor, path) => editor.setUnder(await picture(path)));
