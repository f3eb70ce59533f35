// SPDX-License-Identifier: MIT
// Pointer and keyboard on the canvas. A stroke belongs to the pointer that began it, whatever it
// leaves; two fingers scroll and zoom.
import { inText, isShown } from "../dom.js";

const kArrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const kToolKeys = { b: "brush", e: "eraser", r: "rectangle", o: "ellipse", p: "polygon", f: "fill",
  v: "select" };
const kFar = 8;  // pixels an arrow with Shift goes
const kEraserButton = 32;

export class Input {
  constructor(editor, panel) {
    this.editor = editor;
    this.fingers = new Map();
    this.cursor = null;  // the keyboard's place; null while the mouse is in use
    this.space = false;
    const { canvas } = editor.view;
    const on = (name, f) => canvas.addEventListener(name, (event) => f.call(this, event));
    on("pointerdown", this.down);
    on("pointermove", this.move);
    on("pointerup", this.up);
    on("pointercancel", this.up);
    on("lostpointercapture", this.up);
    on("pointerleave", this.leave);
    on("focus", this.focus);
    on("blur", this.blur);
    on("keyup", this.keyUp);
    on("contextmenu", (event) => event.preventDefault());
    editor.view.stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    document.addEventListener("keydown", (event) => this.key(event, panel));
    window.addEventListener("pagehide", () => editor.tools.finish());
  }

  down(event) {
    const { tools, view } = this.editor;
    if (event.pointerType === "touch") {
      this.fingers.set(event.pointerId, event);
    }
    view.canvas.setPointerCapture(event.pointerId);
    if (this.fingers.size > 1) {
      this.pinchBegin();
    } else if (event.button === 1 || this.space) {
      event.preventDefault();
      this.pan = { x: event.clientX, y: event.clientY };
      this.space = this.space && "used";
    } else if (event.button === 0 || event.buttons & kEraserButton) {
      this.pointer = event.pointerId;
      this.cursor = null;
      tools.at = event;
      tools.press(view.pixelAt(event), { erase: (event.buttons & kEraserButton) > 0 });
    }
  }

  move(event) {
    const { tools, view } = this.editor;
    if (this.fingers.has(event.pointerId)) {
      this.fingers.set(event.pointerId, event);
    }
    if (this.pinch) {
      this.pinchMove();
    } else if (this.pan) {
      view.stage.scrollLeft += this.pan.x - event.clientX;
      view.stage.scrollTop += this.pan.y - event.clientY;
      this.pan = { x: event.clientX, y: event.clientY };
    } else if (this.pointer === undefined || this.pointer === event.pointerId) {
      this.cursor = null;
      const events = event.getCoalescedEvents?.() ?? [];
      for (const part of events.length ? events : [event]) {
        tools.move(view.pixelAt(part), { shift: event.shiftKey });
      }
    }
  }

  up(event) {
    this.fingers.delete(event.pointerId);
    this.pan = null;
    if (this.pinch && this.fingers.size < 2) {
      this.pinch = null;
    }
    if (this.pointer === event.pointerId) {
      this.pointer = undefined;
      this.editor.tools.release();
    }
    if (event.pointerType === "touch" && this.fingers.size === 0) {
      this.leave();
    }
  }

  leave() {
    const { tools } = this.editor;
    if (this.pointer === undefined && !this.cursor) {
      tools.hover = null;
      tools.mark();
    }
  }

  spread() {
    const [a, b] = [...this.fingers.values()];
    return { clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2,
      distance: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) };
  }

  pinchBegin() {
    const { tools, view } = this.editor;
    if (this.pointer !== undefined) {  // the first finger did not mean to paint
      this.pointer = undefined;
      tools.cancel();
    }
    this.pinch = { ...this.spread(), level: view.level };
  }

  pinchMove() {
    const { view } = this.editor;
    const now = this.spread();
    view.zoomTo(this.pinch.level * now.distance / this.pinch.distance, now);
    view.stage.scrollLeft += this.pinch.clientX - now.clientX;
    view.stage.scrollTop += this.pinch.clientY - now.clientY;
    if (view.level === 1) {
      window.scrollBy(0, this.pinch.clientY - now.clientY);
    }
    Object.assign(this.pinch, { clientX: now.clientX, clientY: now.clientY });
  }

  wheel(event) {
    if (event.ctrlKey) {
      event.preventDefault();
      this.editor.view.zoomBy(event.deltaY < 0 ? 1 : -1, event);
    }
  }

  focus() {
    if (this.pointer === undefined && this.editor.view.canvas.matches(":focus-visible")) {
      this.showCursor();
    }
  }

  blur() {
    this.space = false;
    if (this.editor.tools.start && this.pointer === undefined) {
      this.editor.tools.release();
    }
    this.cursor = null;
    this.leave();
  }

  showCursor() {
    const { tools, document } = this.editor;
    this.cursor = tools.hover ?? this.lastCursor ??
      { x: document.map.width >> 1, y: document.map.height >> 1 };
    tools.hover = this.cursor;
    tools.mark();
  }

  // Keys work anywhere in the editor, and undo anywhere on the view but in text fields.
  key(event, panel) {
    if (!isShown(panel) || event.defaultPrevented || document.querySelector("dialog[open]")) {
      return;
    }
    const inside = (panel.contains(event.target) || event.target === document.body) &&
      !inText(event.target);
    const handled = (!inText(event.target) && this.undoKey(event)) ||
      (inside && !event.ctrlKey && !event.metaKey && !event.altKey && this.editorKey(event)) ||
      (event.target === this.editor.view.canvas && !event.ctrlKey && !event.metaKey &&
        !event.altKey && this.canvasKey(event));
    if (handled) {
      event.preventDefault();
    }
  }

  undoKey(event) {
    const key = event.key.toLowerCase();
    if (!(event.ctrlKey || event.metaKey) || event.altKey || !["z", "y"].includes(key)) {
      return false;
    }
    this.editor.undo(key === "z" && !event.shiftKey ? -1 : 1);
    return true;
  }

  editorKey({ key }) {
    const { editor } = this;
    const lower = key.toLowerCase();
    if (kToolKeys[lower]) {
      editor.choose(kToolKeys[lower]);
    } else if (key === "[" || key === "]") {
      editor.sizeBy(key === "]" ? 1 : -1);
    } else if (["+", "=", "-"].includes(key)) {
      editor.view.zoomBy(key === "-" ? -1 : 1);
    } else if (key === "0") {
      editor.view.zoomTo(1);
    } else if (/^[1-9]$/.test(key)) {
      editor.chooseClass(Number(key) - 1);
    } else if (key === "Escape") {
      return editor.tools.cancel();
    } else {
      return false;
    }
    return true;
  }

  canvasKey(event) {
    const { tools } = this.editor;
    const arrow = kArrows[event.key];
    if (arrow) {
      const far = event.shiftKey ? kFar : 1;
      this.arrow(arrow[0] * far, arrow[1] * far);
    } else if (event.key === " ") {
      this.spaceDown(event);
    } else if (event.key === "Enter") {
      this.enter();
    } else if (event.key === "Delete" || event.key === "Backspace") {
      return this.remove();
    } else {
      return false;
    }
    tools.mark();
    return true;
  }

  arrow(dx, dy) {
    const { tools, document, view } = this.editor;
    if (tools.selection.active && !tools.start) {
      tools.nudge(dx, dy);
      return;
    }
    if (!this.cursor) {
      this.showCursor();
    }
    const clamp = (value, size) => Math.min(size - 1, Math.max(0, value));
    this.cursor = { x: clamp(this.cursor.x + dx, document.map.width),
      y: clamp(this.cursor.y + dy, document.map.height) };
    this.lastCursor = this.cursor;
    tools.move(this.cursor);
    view.reveal(this.cursor);
    this.editor.sayWhere();
  }

  // With the mouse in use Space drags the sheet; with the keyboard's cursor it paints.
  spaceDown(event) {
    if (event.repeat) {
      return;
    }
    if (this.cursor) {
      this.pressCursor();
    } else {
      this.space = true;
    }
  }

  pressCursor() {
    const { tools } = this.editor;
    const shape = tools.tool === "rectangle" || tools.tool === "ellipse";
    tools.at = null;
    if (shape && tools.start) {
      tools.release();
    } else {
      tools.press(this.cursor);
      if (tools.tool === "select") {
        tools.release();
      }
    }
  }

  keyUp(event) {
    const { tools } = this.editor;
    if (event.key !== " ") {
      return;
    }
    event.preventDefault();
    if (this.space === true && !this.pan) {
      this.showCursor();  // nothing was dragged: the key was meant for painting
      this.pressCursor();
    }
    this.space = false;
    if (this.pointer === undefined && (tools.tool === "brush" || tools.tool === "eraser")) {
      tools.release();
    }
  }

  enter() {
    const { tools } = this.editor;
    if (tools.tool === "polygon") {
      tools.closePolygon();
    } else if (tools.selection.active) {
      tools.finish();
    } else {
      if (!this.cursor) {
        this.showCursor();
      }
      this.pressCursor();
      if (tools.tool === "brush" || tools.tool === "eraser") {
        tools.release();
      }
    }
  }

  remove() {
    const { tools } = this.editor;
    if (tools.selection.active) {
      tools.eraseSelection();
    } else if (tools.points.length > 0) {
      tools.dropPoint();
    } else {
      return false;
    }
    return true;
  }
}
