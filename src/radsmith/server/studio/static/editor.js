// Edits of the image that is shown: a brush for masks, a frame for extending, and their settings.

import { post } from "./api.js";
import { $ } from "./dom.js";

const INK = "#ff7a59";
const SIDES = ["left", "right", "top", "bottom"];
const GRIP = 14; // CSS pixels around an edge of the frame that take it

export class Editor {
  constructor(viewer, use, made) {
    this.viewer = viewer;
    this.use = use;
    this.made = made; // called with the batch of an edit
    this.image = null;
    this.kind = "inpaint";
    this.open = false;
    this.erasing = false;
    this.ink = document.createElement("canvas");
    this.painted = false;
    this.used = false; // the mask was sent: it is hidden, and the next stroke begins a new one
    this.last = null;
    this.grip = null;
    viewer.hands.brush = (phase, event) => this.#brush(phase, event);
    viewer.hands.frame = (phase, event) => this.#frame(phase, event);
    viewer.overlay = (context) => this.#overlay(context);
    for (const button of document.querySelectorAll("[data-kind]")) {
      button.addEventListener("click", () => this.choose(button.dataset.kind));
    }
    $("erase").addEventListener("click", () => this.toggleErase());
    $("wipe").addEventListener("click", () => this.wipe());
    $("whole").addEventListener("click", () => this.#fill());
    $("strength").addEventListener("input", () => this.#strength(Number($("strength").value)));
    for (const side of SIDES) $(side).addEventListener("input", () => this.#framed());
    $("target").addEventListener("change", () => {
      $("by-frame").hidden = this.#toBody;
      $("by-body").hidden = !this.#toBody;
      this.#tools();
    });
    $("editor").addEventListener("submit", (event) => { event.preventDefault(); this.#apply(); });
    this.choose("inpaint");
  }

  // Another image is shown: masks and margins begin anew where it is of another size.
  source(image) {
    const same = this.image && this.image.width === image.width && this.image.height === image.height;
    this.image = image;
    $("no-edit").hidden = true;
    $("editor").hidden = false;
    $("edit-prompt").value = image.record.canonical_prompt;
    if (!same) {
      this.ink.width = image.width;
      this.ink.height = image.height;
      this.painted = this.used = false;
      for (const side of SIDES) $(side).value = 0;
    }
    this.#framed();
  }

  show(open) {
    this.open = open;
    this.#tools();
  }

  choose(kind) {
    this.kind = kind;
    for (const button of document.querySelectorAll("[data-kind]")) {
      button.setAttribute("aria-pressed", String(button.dataset.kind === kind));
    }
    for (const part of document.querySelectorAll("[data-for]")) {
      part.hidden = !part.dataset.for.split(" ").includes(kind);
    }
    this.#strength(kind === "change" ? 0.85 : 0.5);
    this.#tools();
  }

  get #toBody() { return this.kind === "outpaint" && $("target").value !== ""; }

  #tools() {
    const brush = this.open && (this.kind === "inpaint" || this.kind === "change");
    const frame = this.open && this.kind === "outpaint" && !this.#toBody;
    $("brush-tool").hidden = !brush;
    $("frame-tool").hidden = !frame;
    if (this.open) this.use(brush ? "brush" : frame ? "frame" : "window");
    else if (["brush", "frame"].includes(this.viewer.tool)) this.use("window");
    this.#room();
    this.viewer.draw();
  }

  #strength(value) {
    $("strength").value = value;
    $("strength-value").textContent = value.toFixed(2);
  }

  // Brush

  toggleErase() {
    this.erasing = !this.erasing;
    $("erase").setAttribute("aria-pressed", String(this.erasing));
  }

  wipe() {
    this.ink.getContext("2d").clearRect(0, 0, this.ink.width, this.ink.height);
    this.painted = this.used = false;
    this.viewer.draw();
  }

  #fill() {
    const context = this.ink.getContext("2d");
    context.globalCompositeOperation = "source-over";
    context.fillStyle = INK;
    context.fillRect(0, 0, this.ink.width, this.ink.height);
    this.painted = true;
    this.used = false;
    this.viewer.draw();
  }

  get #radius() {
    return (Number($("brush").value) / 512) * Math.max(this.ink.width, this.ink.height);
  }

  #brush(phase, event) {
    const at = this.viewer.toImage(event.clientX, event.clientY);
    if (phase === "down") {
      this.last = at;
      if (this.used) this.wipe();
    }
    if (phase === "down" || phase === "drag") {
      const context = this.ink.getContext("2d");
      context.globalCompositeOperation = this.erasing || event.altKey ? "destination-out" : "source-over";
      context.strokeStyle = INK;
      context.lineWidth = 2 * this.#radius;
      context.lineCap = context.lineJoin = "round";
      context.beginPath();
      context.moveTo(...this.last);
      context.lineTo(at[0] + 0.01, at[1]);
      context.stroke();
      this.last = at;
      this.painted = true;
    }
    this.cursor = at;
    this.viewer.draw();
  }

  // The mask as OpenAI has it: transparent where it is to be drawn. Null where nothing is painted.
  #mask() {
    if (!this.painted) return Promise.resolve(null);
    const sheet = document.createElement("canvas");
    sheet.width = this.ink.width;
    sheet.height = this.ink.height;
    const context = sheet.getContext("2d");
    context.fillRect(0, 0, sheet.width, sheet.height);
    context.globalCompositeOperation = "destination-out";
    context.drawImage(this.ink, 0, 0);
    return new Promise((done) => sheet.toBlob(done, "image/png"));
  }

  // Frame

  get margins() {
    return Object.fromEntries(SIDES.map((side) => [side, Math.max(0, Math.round(Number($(side).value) || 0))]));
  }

  #framed() {
    if (!this.image) return;
    const { left, right, top, bottom } = this.margins;
    const [width, height] = [this.image.width + left + right, this.image.height + top + bottom];
    const mm = this.image.spacing
      ? `, ${Math.round(width * this.image.spacing[1])} × ${Math.round(height * this.image.spacing[0])} mm`
      : "";
    $("canvas-size").textContent = `New image: ${width} × ${height} pixels${mm}`;
    this.#room();
    this.viewer.draw();
  }

  // `fit` shows the frame too; while it is dragged the picture stays.
  #room() {
    this.viewer.room = this.open && this.kind === "outpaint" && !this.#toBody ? this.margins : { left: 0, right: 0, top: 0, bottom: 0 };
    if (!this.grip && this.viewer.fitted) this.viewer.fit();
  }

  #frame(phase, event) {
    const [x, y] = this.viewer.toImage(event.clientX, event.clientY);
    const m = this.margins;
    const near = GRIP / this.viewer.scale;
    if (phase === "down") {
      this.grip = { x, y, m, sides: {
        left: Math.abs(x + m.left) < near, right: Math.abs(x - this.image.width - m.right) < near,
        top: Math.abs(y + m.top) < near, bottom: Math.abs(y - this.image.height - m.bottom) < near,
      } };
    }
    if (phase === "up") {
      this.grip = null;
      this.viewer.fit();
    }
    if (phase !== "drag" || !this.grip) return;
    const [dx, dy] = [x - this.grip.x, y - this.grip.y];
    const { m: from, sides } = this.grip;
    const whole = !Object.values(sides).some(Boolean); // inside: the whole frame moves
    const next = {
      left: from.left - (whole || sides.left ? dx : 0),
      right: from.right + (whole || sides.right ? dx : 0),
      top: from.top - (whole || sides.top ? dy : 0),
      bottom: from.bottom + (whole || sides.bottom ? dy : 0),
    };
    for (const side of SIDES) $(side).value = Math.min(4096, Math.max(0, Math.round(next[side])));
    this.#framed();
  }

  #overlay(context) {
    if (!this.open || !this.image) return;
    const line = 1.5 / this.viewer.scale;
    if (this.kind === "inpaint" || this.kind === "change") {
      context.globalAlpha = this.used ? 0 : 0.45;
      context.drawImage(this.ink, 0, 0);
      context.globalAlpha = 1;
      if (this.cursor && this.viewer.hover && this.viewer.tool === "brush") {
        context.strokeStyle = "#fff";
        context.lineWidth = line;
        context.beginPath();
        context.arc(...this.cursor, this.#radius, 0, 7);
        context.stroke();
      }
    }
    if (this.kind === "outpaint" && !this.#toBody) {
      const { left, right, top, bottom } = this.margins;
      context.strokeStyle = "#6db7f2";
      context.lineWidth = line * 1.4;
      context.setLineDash([6 * line, 4 * line]);
      context.strokeRect(-left, -top, this.image.width + left + right, this.image.height + top + bottom);
      context.setLineDash([]);
      context.strokeStyle = "#77828f";
      context.lineWidth = line;
      context.strokeRect(0, 0, this.image.width, this.image.height);
    }
  }

  // Asking

  async #apply() {
    const form = new FormData();
    const fields = { source: this.image.id, operation: this.kind, n: $("candidates").value };
    if ($("edit-prompt").value.trim()) fields.prompt = $("edit-prompt").value;
    if ($("edit-seed").value !== "") fields.seed = $("edit-seed").value;
    if (this.kind === "vary" || this.kind === "change") fields.strength = $("strength").value;
    if (this.#toBody) Object.assign(fields, { operation: "extend", target: $("target").value });
    else if (this.kind === "outpaint") fields.margins = SIDES.map((side) => this.margins[side]).join();
    if (this.kind === "change") {
      fields[$("change-how").value] = $("finding").value;
      if ($("severity").value) fields.severity = $("severity").value;
    }
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    $("edit-problem").hidden = true;
    $("apply").disabled = true;
    try {
      const mask = this.kind === "inpaint" || this.kind === "change" ? await this.#mask() : null;
      if (mask) form.append("mask", mask, "mask.png");
      const { batch } = await post("/studio/edits", form);
      this.used = this.painted;
      for (const side of SIDES) $(side).value = 0;
      await this.made(batch);
    } catch (error) {
      $("edit-problem").textContent = error.message;
      $("edit-problem").hidden = false;
    } finally {
      $("apply").disabled = false;
    }
  }
}
