// SPDX-License-Identifier: MIT
// A lesion that was picked up: moved and scaled always from its original pixels, so that it does
// not wear off, however often it is dragged. What lay beneath comes back.
import { boundsOf, component } from "./raster.js";

const kHandles = [[0, 0], [0.5, 0], [1, 0], [1, 0.5], [1, 1], [0.5, 1], [0, 1], [0, 0.5]];

export class Selection {
  constructor(document) {
    this.document = document;
    this.box = null;
  }

  get active() {
    return this.box !== null;
  }

  drop() {
    this.box = null;
  }

  // `whole`: all pixels of the class instead of the connected piece.
  pick({ x, y }, whole) {
    this.drop();
    const { map } = this.document;
    if (x < 0 || y < 0 || x >= map.width || y >= map.height) {
      return false;
    }
    const label = map.labels[y * map.width + x];
    if (label === 0) {
      return false;
    }
    const ofClass = () => map.labels.map((value) => (value === label ? 1 : 0));
    this.lift(whole ? ofClass() : component(map, x, y), label);
    return true;
  }

  lift(inside, label) {
    const { map } = this.document;
    this.label = label;
    this.from = boundsOf(inside, map.width);
    this.box = { ...this.from };
    this.inside = inside;
    this.beneath = map.labels.map((value, i) => (inside[i] ? 0 : value));
  }

  contains({ x, y }) {
    const { box } = this;
    return box !== null && x >= box.x && y >= box.y && x < box.x + box.w && y < box.y + box.h;
  }

  compose() {
    const { map } = this.document;
    const { box, from } = this;
    map.labels.set(this.beneath);
    for (let y = Math.max(0, box.y); y < Math.min(map.height, box.y + box.h); y += 1) {
      const sy = from.y + Math.floor((y - box.y + 0.5) * from.h / box.h);
      for (let x = Math.max(0, box.x); x < Math.min(map.width, box.x + box.w); x += 1) {
        const sx = from.x + Math.floor((x - box.x + 0.5) * from.w / box.w);
        if (this.inside[sy * map.width + sx]) {
          map.labels[y * map.width + x] = this.label;
        }
      }
    }
    this.document.touch();
  }

  setBox(box) {
    const { map } = this.document;
    const w = Math.min(4 * map.width, Math.max(1, box.w));
    const h = Math.min(4 * map.height, Math.max(1, box.h));
    this.box = { x: Math.min(map.width - 1, Math.max(1 - w, box.x)),
      y: Math.min(map.height - 1, Math.max(1 - h, box.y)), w, h };
    this.compose();
  }

  moveBy(dx, dy) {
    this.setBox({ ...this.box, x: this.box.x + dx, y: this.box.y + dy });
  }

  scaleBy(pixels) {
    const { x, y, w, h } = this.box;
    const nextW = Math.max(1, w + 2 * pixels);
    const nextH = Math.max(1, Math.round(h * nextW / w));
    this.setBox({ x: x - Math.round((nextW - w) / 2), y: y - Math.round((nextH - h) / 2),
      w: nextW, h: nextH });
  }

  erase() {
    this.document.map.labels.set(this.beneath);
    this.drop();
  }

  handles() {
    const { x, y, w, h } = this.box;
    return kHandles.map(([u, v]) => ({ u, v, x: x + u * w, y: y + v * h }));
  }

  // The box after the handle (u, v) was dragged to a pixel.
  stretched(start, { u, v }, { x, y }) {
    const box = { ...start };
    if (u === 0) {
      box.x = Math.min(x, start.x + start.w - 1);
      box.w = start.x + start.w - box.x;
    } else if (u === 1) {
      box.w = Math.max(1, x + 1 - start.x);
    }
    if (v === 0) {
      box.y = Math.min(y, start.y + start.h - 1);
      box.h = start.y + start.h - box.y;
    } else if (v === 1) {
      box.h = Math.max(1, y + 1 - start.y);
    }
    return box;
  }
}
