// A grayscale viewer: 16-bit levels, window by drag, zoom and pan, invert.
//
// Levels are 0-65535, which stand for `black` to `white` in the unit of the image's values.
// `center` and `width` are fractions of that range; the readouts are in the unit.

const TOP = 65535;
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

export class Viewer {
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.changed = changed;
    this.context = canvas.getContext("2d");
    this.sheet = document.createElement("canvas");
    this.image = null;
    this.pixels = null; // as `api.pixels` has them
    this.tool = "window";
    this.invert = false;
    this.pointers = new Map();
    this.pinching = false;
    this.hover = null;
    this.overlay = null; // (context, viewer) => void, drawn over the image
    this.hands = {}; // further tools by name: (phase, event) => void; phase: down, drag, up, cancel, hover
    this.before = null; // { image, pixels, x, y }: another image, shown left of the split
    this.split = 0.5;
    this.room = { left: 0, right: 0, top: 0, bottom: 0 }; // pixels around the image that `fit` shows
    this.under = document.createElement("canvas");
    this.#forget();
    new ResizeObserver(() => this.#resize()).observe(canvas);
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (e) => this.#up(e));
    canvas.addEventListener("pointerleave", () => { this.hover = null; this.changed(); });
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("keydown", (event) => this.#key(event));
  }

  // Show an image; zoom and window are kept where size and unit are the same.
  show(image, pixels) {
    const same = this.image && this.image.width === image.width && this.image.height === image.height
      && this.pixels.unit === pixels.unit;
    const kept = same ? [this.#value(this.center), this.#value(this.width) - this.#value(0)] : null;
    this.image = image;
    this.pixels = pixels;
    this.before = null;
    this.sheet.width = image.width;
    this.sheet.height = image.height;
    if (same) this.#take(...kept);
    else { this.#forget(); this.fit(); }
    this.paint();
  }

  // Nothing is shown.
  clear() {
    this.image = this.pixels = this.before = null;
    this.draw();
  }

  // Show another image left of the split; x, y: where its corner lies in this one.
  compare(before) {
    this.before = before;
    this.paint();
  }

  #forget() {
    [this.center, this.width] = [0.5, 1];
    if (this.image?.window) this.#take(...this.image.window);
    this.scale = 1;
    this.x = this.y = 0; // the image's middle, from the canvas's, in CSS pixels
    this.fitted = true;
  }

  // A window in the unit of the image's values.
  #take(center, width) {
    const { black, white } = this.pixels;
    this.center = (center - black) / (white - black);
    this.width = clamp(Math.abs(width / (white - black)), 0.005, 4);
  }

  reset() { this.#forget(); this.fit(); this.paint(); }

  fit() {
    if (!this.image) return;
    const { clientWidth, clientHeight } = this.canvas;
    const { left, right, top, bottom } = this.room;
    const wide = clientWidth / (this.image.width + left + right);
    const high = clientHeight / (this.image.height + top + bottom);
    this.scale = Math.max(0.05, 0.94 * Math.min(wide, high));
    this.x = ((left - right) / 2) * this.scale;
    this.y = ((top - bottom) / 2) * this.scale;
    this.fitted = true;
    this.draw();
  }

  actual() { this.#zoom(1 / this.scale, 0, 0); }

  setInvert(on) { this.invert = on; this.paint(); }

  #value(fraction) {
    const { black, white } = this.pixels;
    return black + fraction * (white - black);
  }

  // Window centre and width for people.
  get reading() {
    const width = Math.abs(this.#value(this.width) - this.#value(0));
    return `C ${Math.round(this.#value(this.center))}  W ${Math.round(width)} ${this.pixels.unit}`;
  }

  // What lies under the pointer: "x, y: value".
  get probe() {
    if (!this.image || !this.hover) return "";
    const [x, y] = this.toImage(this.hover[0], this.hover[1]).map(Math.floor);
    if (x < 0 || y < 0 || x >= this.image.width || y >= this.image.height) return "";
    const value = this.#value(this.pixels.levels[y * this.image.width + x] / TOP);
    return `x ${x}  y ${y}:  ${Math.round(value)} ${this.pixels.unit}`;
  }

  toImage(clientX, clientY) {
    const box = this.canvas.getBoundingClientRect();
    return [
      (clientX - box.left - box.width / 2 - this.x) / this.scale + this.image.width / 2,
      (clientY - box.top - box.height / 2 - this.y) / this.scale + this.image.height / 2,
    ];
  }

  #resize() {
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.max(1, Math.round(this.canvas.clientWidth * ratio));
    this.canvas.height = Math.max(1, Math.round(this.canvas.clientHeight * ratio));
    if (this.fitted) this.fit();
    this.draw();
  }

  // Levels through the window onto the hidden sheets.
  paint() {
    if (!this.image) return;
    render(this.sheet, this.image, this.pixels.levels, this.#table(this.pixels));
    if (this.before) {
      const { image, pixels } = this.before;
      render(this.under, image, pixels.levels, this.#table(pixels));
    }
    this.draw();
  }

  // Grays for the levels of these pixels, by the window of the image that is shown.
  #table({ black, white }) {
    const table = new Uint32Array(TOP + 1);
    const low = ((this.#value(this.center - this.width / 2) - black) / (white - black)) * TOP;
    const span = this.width * TOP * ((this.pixels.white - this.pixels.black) / (white - black));
    for (let level = 0; level <= TOP; level++) {
      let gray = Math.round(clamp((level - low) / span, 0, 1) * 255);
      if (this.invert) gray = 255 - gray;
      table[level] = 0xff000000 | (gray << 16) | (gray << 8) | gray;
    }
    return table;
  }

  draw() {
    const { context, canvas } = this;
    const ratio = window.devicePixelRatio || 1;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (this.image) {
      const s = this.scale * ratio;
      context.setTransform(
        s, 0, 0, s,
        canvas.width / 2 + this.x * ratio - (s * this.image.width) / 2,
        canvas.height / 2 + this.y * ratio - (s * this.image.height) / 2,
      );
      context.imageSmoothingEnabled = this.scale < 6;
      context.imageSmoothingQuality = "high";
      context.drawImage(this.sheet, 0, 0);
      if (this.before) this.#drawBefore(context);
      this.overlay?.(context, this);
    }
    this.changed();
  }

  #drawBefore(context) {
    const at = this.split * this.image.width;
    context.save();
    context.beginPath();
    context.rect(0, 0, at, this.image.height);
    context.clip();
    context.fillStyle = "#000";
    context.fillRect(0, 0, at, this.image.height);
    const { x, y, image } = this.before;
    context.drawImage(this.under, x, y);
    context.restore();
    context.strokeStyle = "#f2b64a";
    context.lineWidth = 1 / this.scale;
    if (image.width < this.image.width || image.height < this.image.height) {
      context.strokeRect(x, y, image.width, image.height);
    }
    context.fillStyle = "#f2b64a";
    context.fillRect(at - 1 / this.scale, 0, 2 / this.scale, this.image.height);
  }

  #zoom(factor, x, y) {
    const next = clamp(this.scale * factor, 0.05, 40);
    const real = next / this.scale;
    this.x = x + (this.x - x) * real;
    this.y = y + (this.y - y) * real;
    this.scale = next;
    this.fitted = false;
    this.draw();
  }

  #window(dx, dy) {
    this.width = clamp(this.width * Math.exp(dx / 250), 0.005, 4);
    this.center = clamp(this.center + (dy / 500) * Math.min(1, this.width), -0.5, 1.5);
    this.paint();
  }

  #pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.fitted = false;
    this.draw();
  }

  #middle(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2];
  }

  #down(event) {
    if (!this.image) return;
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    this.button = event.button;
    if (this.pointers.size > 1) {
      if (!this.pinching) this.hands[this.tool]?.("cancel", event); // two fingers zoom, whatever one began
      this.pinching = true;
    } else if (event.button === 0) this.hands[this.tool]?.("down", event);
    event.preventDefault();
  }

  #move(event) {
    this.hover = [event.clientX, event.clientY];
    const before = this.pointers.get(event.pointerId);
    if (!before || !this.image) {
      if (this.image) this.hands[this.tool]?.("hover", event);
      this.changed();
      return;
    }
    const [dx, dy] = [event.clientX - before[0], event.clientY - before[1]];
    if (this.pointers.size === 2) {
      const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1];
      const far = ([x, y]) => Math.hypot(x - other[0], y - other[1]) || 1;
      const factor = far([event.clientX, event.clientY]) / far(before);
      this.#pan(dx / 2, dy / 2);
      this.#zoom(factor, ...this.#middle(event));
    } else if (this.pinching) {
      // the finger that is left of two does nothing
    } else if (this.button !== 0 || this.tool === "pan") this.#pan(dx, dy);
    else if (this.tool === "zoom") this.#zoom(Math.exp(-dy / 150), 0, 0);
    else if (this.hands[this.tool]) this.hands[this.tool]("drag", event);
    else this.#window(dx, dy);
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
  }

  #up(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    if (!this.pinching && event.button <= 0) this.hands[this.tool]?.("up", event);
    if (!this.pointers.size) this.pinching = false;
  }

  #wheel(event) {
    if (!this.image) return;
    event.preventDefault();
    this.#zoom(Math.exp(-event.deltaY / 500), ...this.#middle(event));
  }

  #key(event) {
    const step = { ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, -10], ArrowDown: [0, 10] }[event.key];
    if (!step || !this.image) return;
    event.preventDefault();
    if (this.tool === "pan") this.#pan(...step);
    else if (this.tool === "zoom") this.#zoom(Math.exp(-step[1] / 60), 0, 0);
    else if (this.tool === "window") this.#window(...step);
  }
}

function render(sheet, image, levels, table) {
  sheet.width = image.width;
  sheet.height = image.height;
  const context = sheet.getContext("2d");
  const data = context.createImageData(image.width, image.height);
  const out = new Uint32Array(data.data.buffer);
  for (let i = 0; i < out.length; i++) out[i] = table[levels[i]];
  context.putImageData(data, 0, 0);
}
