// Edits of the image that is shown: a brush for masks, a frame for extending, and their settings.

import { pictureOf, post } from "./api.js";
import { $, give } from "./dom.js";
import { Mask } from "./mask.js";

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
    this.mask = new Mask();
    this.used = false; // the mask was sent: it is hidden, and the next stroke begins a new one
    this.said = true; // the strength is sent: that of a change only once somebody said it
    this.grip = null;
    viewer.hands.brush = (phase, event) => this.#brush(phase, event);
    viewer.hands.frame = (phase, event) => this.#frame(phase, event);
    viewer.overlay = (context) => this.#overlay(context);
    for (const button of document.querySelectorAll("[data-kind]")) {
      button.addEventListener("click", () => this.choose(button.dataset.kind));
    }
    $("erase").addEventListener("click", () => this.toggleErase());
    const steps = { undo: "undo", redo: "redo", wipe: "clear", whole: "fill" };
    for (const [name, step] of Object.entries(steps)) $(name).addEventListener("click", () => this.step(step));
    $("mask-save").addEventListener("click", () => this.#save());
    $("mask-load").addEventListener("click", () => $("mask-file").click());
    $("mask-file").addEventListener("change", () => this.#load());
    $("strength").addEventListener("input", () => {
      this.said = true;
      this.#strength(Number($("strength").value));
    });
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
  // Null: none is shown any more.
  source(image) {
    if (!image) {
      this.image = null;
      this.mask.reset(1, 1);
      $("no-edit").hidden = false;
      $("editor").hidden = true;
      return;
    }
    const same = this.image && this.image.width === image.width && this.image.height === image.height;
    this.image = image;
    $("no-edit").hidden = true;
    $("editor").hidden = false;
    $("edit-prompt").value = image.record.canonical_prompt;
    if (!same) {
      this.mask.reset(image.width, image.height);
      this.used = false;
      for (const side of SIDES) $(side).value = 0;
    }
    this.#framed();
    this.#steps();
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
    this.said = kind !== "change"; // a change takes what its finding needs until somebody says
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
    $("strength-value").textContent = this.said ? value.toFixed(2) : "as the finding needs";
  }

  // Brush

  toggleErase() {
    this.erasing = !this.erasing;
    $("erase").setAttribute("aria-pressed", String(this.erasing));
  }

  // undo, redo, clear or fill; what was hidden since it was sent is shown again.
  step(name) {
    if (!this.image) return;
    if (this.used && name === "fill") this.mask.clear();
    this.mask[name]();
    this.used = false;
    this.#steps();
  }

  #steps() {
    $("undo").disabled = !this.mask.undoable;
    $("redo").disabled = !this.mask.redoable;
    $("wipe").disabled = $("mask-save").disabled = !this.mask.painted;
    this.viewer.draw();
  }

  async #save() {
    give(await this.mask.saved(), `mask-${this.image.id.slice(0, 8)}.png`);
  }

  // The server reads masks, here as for the API: white or transparent is drawn.
  async #load() {
    const [file] = $("mask-file").files;
    $("mask-file").value = "";
    if (!file || !this.image) return;
    const form = new FormData();
    form.append("source", this.image.id);
    form.append("mask", file);
    try {
      this.mask.load(await createImageBitmap(await pictureOf("/studio/masks", form)));
      this.used = false;
      this.#say("");
      this.#steps();
    } catch (error) {
      this.#say(error.message);
    }
  }

  #say(problem) {
    $("edit-problem").textContent = problem;
    $("edit-problem").hidden = !problem;
  }

  get #radius() {
    return (Number($("brush").value) / 512) * Math.max(this.mask.canvas.width, this.mask.canvas.height);
  }

  #brush(phase, event) {
    const at = this.viewer.toImage(event.clientX, event.clientY);
    if (phase === "down") {
      if (this.used) this.mask.clear();
      this.used = false;
      this.mask.begin(at, this.#radius, this.erasing || event.altKey);
      this.stroke = true;
    } else if (phase === "drag" && this.stroke) this.mask.extend(at);
    else if (phase === "cancel" && this.stroke) this.mask.cancel();
    if (phase === "up" || phase === "cancel") this.stroke = false;
    this.cursor = at;
    if (phase === "hover") this.viewer.draw();
    else this.#steps();
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
    if (phase === "up" || phase === "cancel") {
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
      context.drawImage(this.mask.canvas, 0, 0);
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
    if ((this.kind === "vary" || this.kind === "change") && this.said) fields.strength = $("strength").value;
    if (this.#toBody) Object.assign(fields, { operation: "extend", target: $("target").value });
    else if (this.kind === "outpaint") fields.margins = SIDES.map((side) => this.margins[side]).join();
    if (this.kind === "change") {
      fields[$("change-how").value] = $("finding").value;
      if ($("severity").value) fields.severity = $("severity").value;
    }
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    this.#say("");
    $("apply").disabled = true;
    try {
      const mask = this.kind === "inpaint" || this.kind === "change" ? await this.mask.asked() : null;
      if (mask) form.append("mask", mask, "mask.png");
      const { batch } = await post("/studio/edits", form);
      this.used = this.mask.painted;
      for (const side of SIDES) $(side).value = 0;
      await this.made(batch);
    } catch (error) {
      this.#say(error.message);
    } finally {
      $("apply").disabled = false;
    }
  }
}
