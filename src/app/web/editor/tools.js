// SPDX-License-Identifier: MIT
// What each tool does with press, move and release; pointer and keyboard call the same three.
import { ellipse, fill, polygon, rectangle, stroke } from "./raster.js";
import { Selection } from "./selection.js";

const kNear = 12;  // CSS pixels to a handle

const squared = (a, b) => {
  const side = Math.max(Math.abs(b.x - a.x), Math.abs(b.y - a.y));
  return { x: a.x + side * (b.x < a.x ? -1 : 1), y: a.y + side * (b.y < a.y ? -1 : 1) };
};

export class Tools {
  constructor(document, view) {
    this.document = document;
    this.view = view;
    this.selection = new Selection(document);
    this.tool = "brush";
    this.label = 0;
    this.size = 8;
    this.whole = false;
    this.start = null;  // where the gesture under way began
    this.last = null;
    this.points = [];
    this.hover = null;
    document.events.on("replace", () => this.forget());
  }

  get busy() {
    return this.start !== null || this.points.length > 0;
  }

  forget() {
    this.selection.drop();
    this.start = null;
    this.grip = null;
    this.points = [];
    this.mark();
  }

  // Ends whatever is under way and keeps it: a change of tool or tab must not lose a stroke.
  finish() {
    if (this.points.length > 2) {
      this.closePolygon();
    } else if (this.start) {
      this.release(this.last);
    }
    this.points = [];
    this.selection.drop();
    this.mark();
  }

  // Escape: gives up the gesture. Says whether there was one.
  cancel() {
    const had = this.busy || this.selection.active;
    if (this.start) {
      this.document.revert();
    }
    this.forget();
    return had;
  }

  choose(tool) {
    this.finish();
    this.tool = tool;
    this.mark();
  }

  press(p, { erase = false } = {}) {
    this.erasing = erase;
    this.hover = p;
    const act = { brush: () => this.begin(p), eraser: () => this.begin(p),
      rectangle: () => this.begin(p), ellipse: () => this.begin(p),
      polygon: () => this.addPoint(p), fill: () => this.fillAt(p), select: () => this.grab(p) };
    act[this.tool]();
    this.mark();
  }

  begin(p) {
    this.start = p;
    this.last = p;
    this.before = this.document.map.labels.slice();
    this.paint(p, {});
  }

  inkOf() {
    return this.tool === "eraser" || this.erasing ? 0 : this.label;
  }

  paint(p, { shift }) {
    const { map } = this.document;
    if (this.tool === "brush" || this.tool === "eraser") {
      stroke(map, this.last, p, this.size, this.inkOf());
    } else {
      const shape = this.tool === "ellipse" ? ellipse : rectangle;
      map.labels.set(this.before);
      shape(map, this.start, shift ? squared(this.start, p) : p, this.label);
    }
    this.last = p;
    this.document.touch();
  }

  move(p, { shift = false } = {}) {
    this.hover = p;
    if (this.start && this.tool === "select") {
      this.dragSelection(p);
    } else if (this.start) {
      this.paint(p, { shift });
    }
    this.mark();
  }

  release() {
    if (this.start) {
      this.start = null;
      this.grip = null;
      this.document.commit();
    }
    this.mark();
  }

  addPoint(p) {
    const first = this.points[0];
    const last = this.points.at(-1);
    const again = (q) => q && q.x === p.x && q.y === p.y;
    if (this.points.length > 2 && (again(first) || again(last))) {
      this.closePolygon();
    } else if (!again(last)) {
      this.points.push(p);
    }
  }

  closePolygon() {
    if (this.points.length > 2) {
      polygon(this.document.map, this.points, this.label);
      this.points = [];
      this.document.commit();
    }
    this.mark();
  }

  dropPoint() {
    this.points.pop();
    this.mark();
  }

  fillAt(p) {
    const { map } = this.document;
    if (p.x >= 0 && p.y >= 0 && p.x < map.width && p.y < map.height) {
      fill(map, p.x, p.y, this.label);
      this.document.commit();
    }
  }

  handleNear(p, at) {
    if (!this.selection.active || !at) {
      return null;
    }
    const { left, top } = this.view.canvas.getBoundingClientRect();
    const pixel = this.view.scale * this.view.level;
    return this.selection.handles().find(({ x, y }) =>
      Math.hypot(left + x * pixel - at.clientX, top + y * pixel - at.clientY) <= kNear) ?? null;
  }

  grab(p, at = this.at) {
    this.grip = this.handleNear(p, at);
    if (!this.grip && !this.selection.contains(p) && !this.selection.pick(p, this.whole)) {
      return;
    }
    this.start = p;
    this.last = p;
    this.startBox = { ...this.selection.box };
  }

  dragSelection(p) {
    const { startBox, start } = this;
    if (this.grip) {
      this.selection.setBox(this.selection.stretched(startBox, this.grip, p));
    } else {
      this.selection.setBox({ ...startBox, x: startBox.x + p.x - start.x,
        y: startBox.y + p.y - start.y });
    }
    this.last = p;
  }

  nudge(dx, dy) {
    this.selection.moveBy(dx, dy);
    this.document.commit(this.nudging());
    this.mark();
  }

  scaleSelection(pixels) {
    this.selection.scaleBy(pixels);
    this.document.commit(this.nudging());
    this.mark();
  }

  // Quick repeats make one undo step.
  nudging() {
    const now = performance.now();
    const again = now - (this.nudgedAt ?? -Infinity) < 800;
    this.nudgedAt = now;
    return again;
  }

  eraseSelection() {
    this.selection.erase();
    this.document.commit();
    this.mark();
  }

  addEllipse(x, y, rx, ry, draw) {
    this.finish();
    draw(this.document.map, x, y, rx, ry, this.label);
    this.document.commit();
  }

  mark() {
    const { selection, tool } = this;
    const wide = tool === "brush" || tool === "eraser";
    this.view.mark({
      brush: this.hover, size: wide ? this.size : 1,
      points: this.points.length ? [...this.points, this.hover ?? this.points.at(-1)] : null,
      box: selection.box, handles: selection.active ? selection.handles() : null,
    });
    this.onMark?.();
  }
}

