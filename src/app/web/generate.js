// SPDX-License-Identifier: MIT
// The view that generates: joins form, mask, running jobs and results, with its keys and its drops.
import { get } from "./api.js";
import { byId, isShown } from "./dom.js";
import { Editor } from "./editor/editor.js";
import { Form } from "./form.js";
import { Jobs } from "./jobs.js";
import { MaskBox, takeSettings, underlay } from "./maskbox.js";
import { maskOfJob } from "./masks.js";
import { announce, guarded, notify, notifyError } from "./messages.js";
import { Progress } from "./progress.js";
import { Results } from "./results.js";
import { read, write } from "./store.js";
import { Viewer } from "./viewer.js";

const kNarrow = 900;  // px: results lie below the form

export class GenerateView {
  constructor(capabilities, open) {
    this.capabilities = capabilities;
    this.open = open;
    this.classes = capabilities.model.classes;
    this.form = new Form(capabilities);
    const { width, height } = this.form.values();
    this.editor = new Editor(this.classes, width, height);
    this.maskBox = new MaskBox(this.editor, this.classes);
    byId("mask-card").hidden = this.classes.length === 0;
    this.viewer = new Viewer(this.classes);
    this.results = new Results({ classes: this.classes, viewer: this.viewer,
      onUse: guarded((job) => this.useJob(job)), onSeed: (seed) => this.useSeed(seed),
      onUnder: (image) => this.drawOn(image) });
    this.jobs = new Jobs();
    this.progress = new Progress(this.jobs);
    this.joinSize();
    this.wire();
    this.wireFiles();
  }

  // The editor's map always has the size of the image that will be made.
  joinSize() {
    this.form.events.on("change", ({ width, height }) => this.editor.resize(width, height));
    this.editor.document.events.on("replace", () => {
      const { width, height } = this.editor.map;
      const now = this.form.values();
      if (now.width !== width || now.height !== height) {
        this.form.fill({ width, height });  // an undo went back to another size
      }
    });
  }

  wire() {
    byId("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.generate();
    });
    byId("form").addEventListener("keydown", (event) => {
      const plain = event.key === "Enter" && !event.ctrlKey && !event.metaKey;
      if (plain && event.target.matches("input")) {
        event.preventDefault();  // Enter in a number box must not start a job
        if (event.target.closest(".numbers")) {
          byId("add-ellipse").click();
        }
      }
    });
    document.addEventListener("keydown", (event) => this.key(event));
    this.jobs.events.on("final", (job) => this.finished(job));
  }

  key(event) {
    if (event.defaultPrevented || document.querySelector("dialog[open]")) {
      return;
    }
    const control = event.ctrlKey || event.metaKey;
    if (event.key === "Escape" || (event.key === "Enter" && control && event.altKey)) {
      if (this.progress.cancelFirst()) {
        event.preventDefault();
      }
    } else if (event.key === "Enter" && control && isShown(byId("panel-generate"))) {
      event.preventDefault();
      this.generate();
    }
  }

  async generate() {
    if (this.sending || !this.form.check()) {
      return;
    }
    this.sending = true;
    byId("generate").setAttribute("aria-busy", "true");
    try {
      if (this.maskBox.isEmpty()) {
        notify("mask.empty");
      }
      const job = await this.jobs.start({ ...this.form.values(), mask: this.maskBox.payload() });
      announce("job.sent");
      this.form.setLastSeed(job.request.seed);
      if (window.innerWidth < kNarrow) {
        byId("active").scrollIntoView({ block: "start" });
      }
    } catch (error) {
      this.form.showError(error);
    }
    this.sending = false;
    byId("generate").removeAttribute("aria-busy");
  }

  finished(job) {
    if (job.state === "done" || job.state === "failed" || job.images.length > 0) {
      this.results.show(job);
    }
    if (Number.isFinite(job.request.seed)) {
      this.form.setLastSeed(job.request.seed);
    }
    if (job.model_sha256 !== this.capabilities.model.sha256) {
      this.onModel?.();
    }
  }

  // After a reload: what was shown, and what still runs.
  async resume() {
    try {
      const shown = read("shown");
      if (shown) {
        const job = await get(`/v1/jobs/${shown}`).catch(() => null);
        if (job) {
          this.results.show(job);
          this.form.setLastSeed(job.request.seed);
        } else {
          write("shown", null);
        }
      }
      await this.jobs.resume();
    } catch (error) {
      notifyError(error);
    }
  }

  show() {
    this.editor.view.fit();
  }

  hide() {
    this.editor.tools.finish();
  }

  async useJob(job) {
    this.form.fill(job.request);
    await this.maskBox.restore(job.request.has_mask, () => maskOfJob(job.id, this.classes));
    this.open();
    notify(job.request.has_init ? "use.done_init" : "use.done");
  }

  useSeed(seed) {
    this.form.fill({ seed });
    notify("seed.done", { seed });
  }

  async drawOn(image) {
    if (this.maskBox.mode === "none") {
      this.maskBox.setMode("draw");
    }
    await underlay(this.editor, image.url);
    byId("stage").scrollIntoView({ block: "nearest" });
  }

  openJob(job) {
    this.results.show(job);
    this.open();
    byId("results-title").focus();
  }

  // A file dropped on the mask's card is a mask, anywhere else a PNG with settings.
  wireFiles() {
    let depth = 0;
    const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    const hint = (shown) => { byId("drop-hint").hidden = !shown; };
    document.addEventListener("dragenter", (event) => hasFiles(event) && hint((depth += 1) > 0));
    document.addEventListener("dragleave", (event) => hasFiles(event) && hint((depth -= 1) > 0));
    document.addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
    document.addEventListener("drop", (event) => {
      depth = 0;
      hint(false);
      const [file] = event.dataTransfer?.files ?? [];
      if (file) {
        event.preventDefault();
        this.dropped(file, event.target);
      }
    });
    document.addEventListener("paste", (event) => {
      const [file] = event.clipboardData?.files ?? [];
      if (file?.type.startsWith("image/") && isShown(byId("mask-card"))) {
        event.preventDefault();
        this.maskBox.takeFile(file);
      }
    });
    byId("from-png").addEventListener("click", () => byId("png-file").click());
    byId("png-file").addEventListener("change", (event) => {
      const [file] = event.target.files;
      event.target.value = "";
      if (file) {
        this.takePng(file);
      }
    });
  }

  dropped(file, target) {
    if (byId("mask-card").contains(target)) {
      this.maskBox.takeFile(file);
    } else {
      this.takePng(file);
    }
  }

  takePng = guarded(async (file) => {
    if (await takeSettings(file, this)) {
      this.open();
    }
  });
}
