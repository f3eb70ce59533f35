// SPDX-License-Identifier: MIT
// The label map with its undo steps. It is stored after every step, so that neither a reload nor a
// closed tab can lose a stroke.
import { makeEvents } from "../dom.js";
import { packLabels, read, unpackLabels, write } from "../store.js";
import { resample } from "../masks.js";

const kMostSteps = 200;
const kKey = "mask";

const copy = ({ labels, width, height }) => ({ labels: labels.slice(), width, height });

const remembered = (width, height) => {
  const saved = read(kKey);
  const labels = saved && unpackLabels(saved.runs, saved.width * saved.height);
  if (!labels) {
    return { labels: new Uint8Array(width * height), width, height };
  }
  return { labels, width: saved.width, height: saved.height };
};

export class MaskDocument {
  constructor(width, height) {
    this.events = makeEvents();
    this.map = remembered(width, height);
    this.steps = [copy(this.map)];
    this.at = 0;
    this.resize(width, height);
  }

  // Shows changes that are still being made (a stroke under way).
  touch() {
    this.events.emit("draw");
  }

  // Ends a change: one undo step. `merge` joins it to the step before (nudging with arrow keys).
  commit(merge = false) {
    const last = this.steps[this.at];
    const same = last.width === this.map.width && last.labels.length === this.map.labels.length &&
      last.labels.every((label, i) => label === this.map.labels[i]);
    if (!same) {
      this.steps.length = this.at + 1;
      if (merge && this.at > 0) {
        this.steps.pop();
      }
      this.steps.push(copy(this.map));
      if (this.steps.length > kMostSteps + 1) {
        this.steps.shift();
      }
      this.at = this.steps.length - 1;
      this.keep();
    }
    this.events.emit("draw");
    this.events.emit("change");
  }

  // Takes back a change that was not committed.
  revert() {
    this.map = copy(this.steps[this.at]);
    this.events.emit("draw");
  }

  keep() {
    const { labels, width, height } = this.map;
    write(kKey, { runs: packLabels(labels), width, height });
  }

  go(by) {
    const next = this.at + by;
    if (next < 0 || next >= this.steps.length) {
      return false;
    }
    this.at = next;
    this.map = copy(this.steps[next]);
    this.keep();
    this.events.emit("replace");
    this.events.emit("draw");
    this.events.emit("change");
    return true;
  }

  canUndo() {
    return this.at > 0;
  }

  canRedo() {
    return this.at + 1 < this.steps.length;
  }

  // Another mask, at the present size.
  load(labels, width, height) {
    const { width: w, height: h } = this.map;
    this.map = { labels: width === w && height === h ? labels.slice() :
      resample(labels, width, height, w, h), width: w, height: h };
    this.events.emit("replace");
    this.commit();
  }

  clear() {
    this.map.labels.fill(0);
    this.events.emit("replace");
    this.commit();
  }

  resize(width, height) {
    const { map } = this;
    if (map.width === width && map.height === height) {
      return;
    }
    this.map = { width, height,
      labels: resample(map.labels, map.width, map.height, width, height) };
    this.events.emit("replace");
    this.commit();
  }
}
