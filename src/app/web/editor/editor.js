// SPDX-License-Identifier: MIT
// The mask editor: label map, view, tools and the controls around them.
import { byId, icon, make, makeEvents, setOff, setVar } from "../dom.js";
import { bind, t } from "../i18n.js";
import { announce } from "../messages.js";
import { read, write } from "../store.js";
import { MaskDocument } from "./document.js";
import { Input } from "./input.js";
import { ellipseAt } from "./raster.js";
import { Tools } from "./tools.js";
import { View } from "./view.js";

const kTools = [["brush", "B"], ["eraser", "E"], ["rectangle", "R"], ["ellipse", "O"],
  ["polygon", "P"], ["fill", "F"], ["select", "V"]];
const kMostSize = 64;

export class Editor {
  constructor(classes, width, height) {
    this.classes = classes;
    this.events = makeEvents();
    this.document = new MaskDocument(width, height);
    this.view = new View(byId("stage"), this.document, classes);
    this.tools = new Tools(this.document, this.view);
    this.tools.onMark = () => this.showWhere();
    this.view.onLayOut = () => this.showZoom();
    this.buildTools();
    this.buildPalette();
    this.wire();
    this.recall();
    this.document.events.on("change", () => {
      this.showSteps();
      this.events.emit("change");
    });
    this.input = new Input(this, byId("editor"));
    this.showSteps();
    window.medaugEditor = makeProbe(this.document);
  }

  get map() {
    return this.document.map;
  }

  buildTools() {
    this.toolButtons = new Map(kTools.map(([name, key]) => [name, make("button",
      { type: "button", class: "tool", "aria-pressed": "false", "aria-keyshortcuts": key,
        onclick: () => this.choose(name) },
      icon(name), make("span", { t: `tool.${name}` }),
      make("kbd", { "aria-hidden": "true" }, key))]));
    byId("tools").replaceChildren(...this.toolButtons.values());
  }

  buildPalette() {
    this.classInputs = this.classes.map(({ name, label, color }, i) => {
      const input = make("input", { type: "radio", name: "mask-class", value: String(label),
        onchange: () => this.chooseClass(i) });
      const swatch = make("span", { class: "swatch", "aria-hidden": "true" });
      setVar(swatch, "background-color", color);
      byId("palette").append(make("label", { class: "class" }, input, swatch,
        make("span", {}, `${i + 1} ${name}`), make("span", { class: "quiet" }, `= ${label}`)));
      return input;
    });
  }

  wire() {
    const click = (id, f) => byId(id).addEventListener("click", f);
    click("undo", () => this.undo(-1));
    click("redo", () => this.undo(1));
    click("clear", () => this.clear());
    click("zoom-in", () => this.view.zoomBy(1));
    click("zoom-out", () => this.view.zoomBy(-1));
    click("zoom-reset", () => this.view.zoomTo(1));
    click("smaller", () => this.scaleSelection(-1));
    click("larger", () => this.scaleSelection(1));
    click("remove-piece", () => this.tools.selection.active && this.tools.eraseSelection());
    click("close-polygon", () => this.tools.closePolygon());
    click("add-ellipse", () => this.addEllipse());
    for (const id of ["brush-size", "brush-number"]) {
      byId(id).addEventListener("input", (event) => this.setSize(Number(event.target.value)));
    }
    byId("brush-number").addEventListener("change", () => this.setSize(this.tools.size));
    byId("opacity").addEventListener("input", () => this.setOpacity(Number(byId("opacity").value)));
    byId("whole-class").addEventListener("change", (event) => {
      this.tools.whole = event.target.checked;
      this.keep();
    });
    byId("no-under").addEventListener("click", () => this.setUnder(null));
  }

  keep() {
    const { tool, size, label, whole } = this.tools;
    write("editor", { tool, size, label, whole, opacity: Number(byId("opacity").value) });
  }

  recall() {
    const saved = read("editor", {});
    this.setSize(saved.size ?? Math.max(1, Math.round(this.map.width / 12)));
    this.chooseClass(Math.max(0, this.classes.findIndex(({ label }) => label === saved.label)));
    this.tools.whole = saved.whole === true;
    byId("whole-class").checked = this.tools.whole;
    byId("opacity").value = saved.opacity ?? 100;
    this.setOpacity(saved.opacity ?? 100);
    this.choose(this.toolButtons.has(saved.tool) ? saved.tool : "brush");
  }

  choose(tool) {
    this.tools.choose(tool);
    this.toolButtons.forEach((button, name) =>
      button.setAttribute("aria-pressed", String(name === tool)));
    byId("brush-options").hidden = tool !== "brush" && tool !== "eraser";
    byId("select-options").hidden = tool !== "select";
    byId("polygon-options").hidden = tool !== "polygon";
    bind(byId("tool-hint"), `hint.${tool}`);
    this.keep();
  }

  chooseClass(i) {
    if (i < this.classes.length) {
      this.tools.label = this.classes[i].label;
      this.classInputs[i].checked = true;
      this.keep();
    }
  }

  setSize(size) {
    if (Number.isFinite(size) && size >= 1) {
      this.tools.size = Math.min(kMostSize, Math.round(size));
    }
    byId("brush-size").value = this.tools.size;
    if (document.activeElement !== byId("brush-number") || size >= 1) {
      byId("brush-number").value = this.tools.size;
    }
    this.tools.mark();
    this.keep();
  }

  // [ and ]: the brush, or the piece that is picked up.
  sizeBy(step) {
    if (this.tools.tool === "select") {
      this.scaleSelection(step);
    } else {
      this.setSize(Math.max(1, this.tools.size + step));
    }
  }

  scaleSelection(step) {
    if (this.tools.selection.active) {
      this.tools.scaleSelection(step);
    }
  }

  setOpacity(percent) {
    this.view.setOpacity(percent / 100);
    byId("opacity-value").textContent = `${percent} %`;
    this.keep();
  }

  setUnder(url) {
    this.view.setUnder(url);
    byId("no-under").hidden = !url;
    if (url && Number(byId("opacity").value) > 80) {
      byId("opacity").value = 55;
      this.setOpacity(55);
    }
  }

  undo(by) {
    this.tools.finish();
    if (this.document.go(by)) {
      announce(by < 0 ? "editor.undone" : "editor.redone");
    }
  }

  clear() {
    this.document.clear();
    announce("editor.cleared");
  }

  load(labels, width, height) {
    this.tools.finish();
    this.document.load(labels, width, height);
  }

  resize(width, height) {
    this.tools.finish();
    this.document.resize(width, height);
  }

  addEllipse() {
    const [x, y, rx, ry] = ["x", "y", "rx", "ry"].map((name) => Number(byId(`by-${name}`).value));
    const error = byId("by-error");
    if (![x, y, rx, ry].every(Number.isFinite) || rx <= 0 || ry <= 0) {
      bind(error, "numbers.error");
      return;
    }
    error.textContent = "";
    error.removeAttribute("data-t");
    this.tools.addEllipse(x, y, rx, ry, ellipseAt);
    announce("numbers.added");
  }

  showSteps() {
    setOff(byId("undo"), !this.document.canUndo());
    setOff(byId("redo"), !this.document.canRedo());
    setOff(byId("clear"), !this.map.labels.some((label) => label !== 0));
  }

  showZoom() {
    byId("zoom-reset").textContent = `${Math.round(this.view.level * 100)} %`;
    setOff(byId("zoom-out"), this.view.level <= 1);
  }

  showWhere() {
    const { hover, selection, points } = this.tools;
    const off = !selection.active;
    ["smaller", "larger", "remove-piece"].forEach((id) => setOff(byId(id), off));
    setOff(byId("close-polygon"), points.length < 3);
    const { width, height } = this.map;
    if (hover && hover.x >= 0 && hover.y >= 0 && hover.x < width && hover.y < height) {
      bind(byId("editor-where"), "editor.where", this.where(hover));
    } else {
      bind(byId("editor-where"), "editor.size", { w: width, h: height });
    }
  }

  where({ x, y }) {
    const label = this.map.labels[y * this.map.width + x];
    const name = this.classes.find((entry) => entry.label === label)?.name;
    return { x, y, name: () => name ?? t("editor.background") };
  }

  // For those who don't see where the keyboard's cursor is.
  sayWhere() {
    announce("editor.where", this.where(this.tools.hover));
  }
}

// For tests: what would be sent.
const makeProbe = (document) => ({
  labels: () => document.map.labels.slice(),
  get width() {
    return document.map.width;
  },
  get height() {
    return document.map.height;
  },
});
