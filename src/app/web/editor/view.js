// SPDX-License-Identifier: MIT
// Shows the label map: one canvas pixel for each label, scaled by the browser with hard edges, and
// over it a drawing (in label units, so sharp at every zoom) of brush, shape under way and
// selection.
import { make, makeSvg, setVar } from "../dom.js";
import { brushOrigin, brushRuns } from "./raster.js";

const kLevels = [1, 1.5, 2, 3, 4, 6, 8, 12, 16];
const kMostSide = 576;  // CSS pixels
const kLeastSide = 224;
const kRoomAround = 240;

const rgbOf = (color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));

export class View {
  constructor(stage, document, classes) {
    this.stage = stage;
    this.document = document;
    this.palette = new Map(classes.map(({ color, label }) => [label, rgbOf(color)]));
    this.level = 1;
    this.scale = 1;
    this.canvas = make("canvas", { class: "labels", tabindex: "0", role: "application",
      tLabel: "editor.canvas", "aria-describedby": "editor-help editor-where" });
    this.under = make("img", { class: "under", alt: "", hidden: true });
    this.marks = makeSvg("svg", { class: "marks", "aria-hidden": "true",
      preserveAspectRatio: "none" });
    this.sheet = make("div", { class: "sheet" }, this.under, this.canvas);
    this.sheet.append(this.marks);
    stage.replaceChildren(this.sheet);
    this.pending = false;
    new ResizeObserver(() => this.fit()).observe(stage.parentElement);
    document.events.on("draw", () => this.draw());
    this.draw();
  }

  // The pixel under a pointer. The rectangle is measured each time: zoom, scrolling and the
  // screen's resolution are all in it.
  pixelAt({ clientX, clientY }) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    const { map } = this.document;
    return { x: Math.floor((clientX - left) / width * map.width),
      y: Math.floor((clientY - top) / height * map.height) };
  }

  fit() {
    const room = this.stage.parentElement.clientWidth;
    if (room === 0) {
      return;  // hidden
    }
    const { width, height } = this.document.map;
    const tall = Math.max(kLeastSide, Math.min(kMostSide, window.innerHeight - kRoomAround));
    const scale = Math.min(Math.min(room - 2, kMostSide) / width, tall / height);
    this.scale = scale > 1 ? Math.floor(scale) : scale;  // whole pixels look even
    this.layOut();
  }

  layOut() {
    const { width, height } = this.document.map;
    setVar(this.stage, "width", `${width * this.scale + 2}px`);  // 2: the border
    setVar(this.stage, "height", `${height * this.scale + 2}px`);
    setVar(this.sheet, "width", `${width * this.scale * this.level}px`);
    setVar(this.sheet, "height", `${height * this.scale * this.level}px`);
    this.sheet.classList.toggle("ruled", this.scale * this.level >= 10);
    setVar(this.sheet, "--pixel", `${this.scale * this.level}px`);
    this.onLayOut?.();
  }

  zoomTo(level, at = null) {
    const box = this.stage.getBoundingClientRect();
    const anchor = at ?? { clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 };
    const old = this.canvas.getBoundingClientRect();
    const u = (anchor.clientX - old.left) / old.width;
    const v = (anchor.clientY - old.top) / old.height;
    this.level = Math.min(kLevels.at(-1), Math.max(1, level));
    this.layOut();
    const now = this.canvas.getBoundingClientRect();
    this.stage.scrollLeft += now.left + u * now.width - anchor.clientX;
    this.stage.scrollTop += now.top + v * now.height - anchor.clientY;
  }

  zoomBy(steps, at) {
    const i = kLevels.findLastIndex((level) => level <= this.level + 1e-6);
    this.zoomTo(kLevels[Math.min(kLevels.length - 1, Math.max(0, i + steps))], at);
  }

  // Keeps the keyboard's cursor in sight when zoomed.
  reveal({ x, y }) {
    const pixel = this.scale * this.level;
    const { stage } = this;
    const show = (at, size, from) =>
      Math.min(at * pixel - 8, Math.max(from, (at + 1) * pixel + 8 - size));
    stage.scrollLeft = show(x, stage.clientWidth, stage.scrollLeft);
    stage.scrollTop = show(y, stage.clientHeight, stage.scrollTop);
  }

  draw() {
    if (!this.pending) {
      this.pending = true;
      requestAnimationFrame(() => {
        this.pending = false;
        this.drawNow();
      });
    }
  }

  drawNow() {
    const { labels, width, height } = this.document.map;
    if (this.canvas.width !== width || this.canvas.height !== height || !this.drawn) {
      this.canvas.width = width;
      this.canvas.height = height;
      this.marks.setAttribute("viewBox", `0 0 ${width} ${height}`);
      this.drawn = true;
      this.fit();
    }
    const context = this.canvas.getContext("2d");
    const out = context.createImageData(width, height);
    labels.forEach((label, i) => {
      const color = this.palette.get(label);
      if (color) {
        out.data.set([...color, 255], 4 * i);
      }
    });
    context.putImageData(out, 0, 0);
  }

  setOpacity(share) {
    setVar(this.canvas, "--cover", String(share));
  }

  setUnder(url) {
    this.under.hidden = !url;
    if (url) {
      this.under.src = url;
    }
  }

  brushPath({ x, y }, size) {
    const origin = brushOrigin(size);
    const runs = brushRuns(size).map(([from, to], row) =>
      [x - origin + from, x - origin + to + 1, y - origin + row]);
    const right = runs.map(([, to, top]) => `L${to} ${top}L${to} ${top + 1}`).join("");
    const left = runs.toReversed()
      .map(([from, , top]) => `L${from} ${top + 1}L${from} ${top}`).join("");
    return `M${runs[0][0]} ${runs[0][2]}${right}${left}Z`;
  }

  mark({ brush, size, points, box, handles }) {
    const parts = [];
    const add = (tag, attributes) => parts.push(
      makeSvg(tag, { class: "halo", ...attributes }),
      makeSvg(tag, { class: "line", ...attributes }));
    if (points?.length) {
      add("polyline", { points: points.map(({ x, y }) => `${x + 0.5},${y + 0.5}`).join(" ") });
    }
    if (box) {
      add("rect", { x: box.x, y: box.y, width: box.w, height: box.h });
    }
    const half = 5 / (this.scale * this.level);
    for (const { x, y } of handles ?? []) {
      parts.push(makeSvg("rect", { class: "handle", x: x - half, y: y - half,
        width: 2 * half, height: 2 * half }));
    }
    if (brush) {
      add("path", { d: this.brushPath(brush, size) });
    }
    this.marks.replaceChildren(...parts);
  }
}
