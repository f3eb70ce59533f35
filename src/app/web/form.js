// SPDX-License-Identifier: MIT
// Caption, presets and knobs. Every change is kept at once.
import { byId, make, makeEvents } from "./dom.js";
import { bind, has } from "./i18n.js";
import { errorText } from "./messages.js";
import { read, write } from "./store.js";

const kSliderSteps = 100;  // the number box goes on to the server's limit
const kSliderGuidance = 20;
const kPresetFields = ["steps", "solver", "guidance", "mask_guidance"];
const kTexts = ["prompt", "negative_prompt"];

const knobsOf = ({ limits, defaults, model }) => [
  { name: "count", ...limits.count, step: 1, start: Math.min(4, limits.count.max) },
  { name: "steps", ...limits.steps, step: 1, slider: kSliderSteps, start: defaults.steps },
  { name: "guidance", ...limits.guidance, step: 0.1, slider: kSliderGuidance,
    start: defaults.guidance },
  { name: "mask_guidance", ...limits.guidance, step: 0.1, slider: kSliderGuidance,
    start: defaults.mask_guidance },
  { name: "width", ...limits.size, step: limits.size.multiple, start: model.width },
  { name: "height", ...limits.size, step: limits.size.multiple, start: model.height },
];

const nearest = (value, { min, max, step }) => {
  const steps = Math.round((Math.min(max, Math.max(min, value)) - min) / step);
  return Number(Math.min(max, min + steps * step).toFixed(4));
};

export class Form {
  constructor(capabilities) {
    this.capabilities = capabilities;
    this.events = makeEvents();
    this.knobs = knobsOf(capabilities);
    this.lastSeed = null;
    this.knobs.forEach((knob) => this.buildKnob(knob));
    this.buildSolvers();
    this.buildPresets();
    this.buildExamples();
    this.wire();
    this.fill(this.starting());
    if (capabilities.model.classes.length === 0) {
      byId("knob-mask_guidance").hidden = true;
    }
  }

  starting() {
    const values = { prompt: "", negative_prompt: "", seed: null,
      solver: this.capabilities.defaults.solver };
    this.knobs.forEach(({ name, start }) => { values[name] = start; });
    return { ...values, ...read("form", {}) };
  }

  buildKnob(knob) {
    const { name, min, max, step } = knob;
    const range = make("input", { type: "range", id: `range-${name}`, min, step,
      max: Math.min(max, knob.slider ?? max), tLabel: `field.${name}` });
    const box = make("input", { type: "number", id: `f-${name}`, min, max, inputmode: "decimal",
      step: step < 1 ? "any" : step, "aria-describedby": `e-${name}` });
    range.addEventListener("input", () => {
      box.value = range.value;
      this.changed(name);
    });
    box.addEventListener("input", () => {
      range.value = box.value;
      this.changed(name);
    });
    box.addEventListener("change", () => {  // an empty or impossible number mends itself
      box.value = nearest(box.value === "" ? knob.start : Number(box.value), knob);
      range.value = box.value;
      this.changed(name);
    });
    byId("knobs").append(make("div", { class: "field knob", id: `knob-${name}` },
      make("label", { for: `f-${name}`, t: `field.${name}` }), range, box,
      make("p", { class: "error", id: `e-${name}` })));
  }

  buildSolvers() {
    byId("f-solver").replaceChildren(...this.capabilities.solvers.map((name) =>
      make("option", { value: name }, name)));
  }

  buildPresets() {
    this.presetButtons = this.capabilities.presets.map((preset) => {
      const key = `preset.${preset.name}`;
      const title = make("strong", {}, preset.name);
      if (has(key)) {
        bind(title, key);
      }
      const element = make("button", { type: "button", class: "preset", "aria-pressed": "false",
        onclick: () => this.fill(preset) }, title,
      make("span", { t: ["preset.detail", { steps: preset.steps, solver: preset.solver }] }));
      byId("presets").append(element);
      return { element, preset };
    });
  }

  buildExamples() {
    const { examples } = this.capabilities;
    const select = byId("examples");
    select.hidden = examples.length === 0;
    examples.forEach((text, i) => select.append(make("option", { value: String(i) }, text)));
    select.addEventListener("change", () => {
      if (select.value !== "") {
        this.fill({ prompt: examples[Number(select.value)] });
        select.value = "";
        byId("f-prompt").focus();
      }
    });
  }

  wire() {
    for (const name of [...kTexts, "seed", "solver"]) {
      byId(`f-${name}`).addEventListener("input", () => this.changed(name));
    }
    byId("seed-random").addEventListener("click", () => this.fill({ seed: null }));
    byId("seed-reuse").addEventListener("click", () => this.fill({ seed: this.lastSeed }));
    byId("size-model").addEventListener("click", () => this.fill(
      { width: this.capabilities.model.width, height: this.capabilities.model.height }));
    for (const id of ["negative-fold", "knobs-fold"]) {
      const fold = byId(id);
      fold.open = read(id, false);
      fold.addEventListener("toggle", () => write(id, fold.open));
    }
  }

  setLastSeed(seed) {
    this.lastSeed = seed;
    byId("seed-reuse").hidden = seed === null;
    bind(byId("seed-reuse"), "seed.reuse", { seed: seed ?? "" });
  }

  knob(name) {
    const knob = this.knobs.find((entry) => entry.name === name);
    const text = byId(`f-${name}`).value;
    return nearest(text === "" ? knob.start : Number(text), knob);
  }

  seed() {
    const text = byId("f-seed").value.trim();
    return text === "" ? null : Number(text);
  }

  values() {
    const values = { prompt: byId("f-prompt").value, seed: this.seed(),
      negative_prompt: byId("f-negative_prompt").value, solver: byId("f-solver").value };
    this.knobs.forEach(({ name }) => { values[name] = this.knob(name); });
    return values;
  }

  // Sets what `values` holds and leaves the rest; unknown solvers are passed over.
  fill(values) {
    for (const name of kTexts.filter((key) => typeof values[key] === "string")) {
      byId(`f-${name}`).value = values[name];
    }
    for (const knob of this.knobs.filter(({ name }) => Number.isFinite(values[name]))) {
      byId(`f-${knob.name}`).value = nearest(values[knob.name], knob);
      byId(`range-${knob.name}`).value = byId(`f-${knob.name}`).value;
    }
    if (values.seed !== undefined) {
      byId("f-seed").value = values.seed ?? "";
    }
    if (this.capabilities.solvers.includes(values.solver)) {
      byId("f-solver").value = values.solver;
    }
    if (values.negative_prompt) {
      byId("negative-fold").open = true;
    }
    this.changed();
  }

  changed(name) {
    if (name) {
      this.clearError(name);
    }
    const values = this.values();
    write("form", values);
    for (const { element, preset } of this.presetButtons) {
      element.setAttribute("aria-pressed",
        String(kPresetFields.every((key) => preset[key] === values[key])));
    }
    byId("seed-note").hidden = values.seed !== null;
    this.events.emit("change", values);
  }

  // Says whether everything can be sent; faults stand next to their fields.
  check() {
    this.clearErrors();
    const { limits } = this.capabilities;
    const seed = this.seed();
    if (seed !== null && !(Number.isInteger(seed) && seed >= 0 && seed <= limits.seed_max)) {
      this.setError("seed", "fault.seed", { max: limits.seed_max });
      return false;
    }
    for (const name of kTexts) {
      const bytes = new TextEncoder().encode(byId(`f-${name}`).value).length;
      if (bytes > limits.prompt_bytes) {
        this.setError(name, "fault.long", { bytes, most: limits.prompt_bytes });
        return false;
      }
    }
    return true;
  }

  clearError(name) {
    const place = byId(`e-${name}`);
    if (place) {
      place.replaceChildren();
      place.removeAttribute("data-t");
      byId(`f-${name}`)?.removeAttribute("aria-invalid");
    }
  }

  clearErrors() {
    [...kTexts, "seed", "solver", "mask", "general", ...this.knobs.map(({ name }) => name)]
      .forEach((name) => this.clearError(name));
  }

  setError(name, key, parameters) {
    const place = byId(`e-${name}`) ?? byId("e-general");
    bind(place, key, parameters);
    place.closest("details")?.setAttribute("open", "");
    const input = byId(`f-${name}`);
    input?.setAttribute("aria-invalid", "true");
    input?.focus();
  }

  showError(error) {
    const name = error.param?.split(/[.[]/)[0] ?? "general";
    this.setError(name === "size" ? "width" : name, "plain", { text: () => errorText(error) });
  }
}
