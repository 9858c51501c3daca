// A mask as it is painted: strokes that can be taken back and made again.
//
// What is kept are the strokes, not pictures of each step: an image may have 40 million pixels. The
// oldest are drawn for good where there are too many to be drawn again.

const INK = "#ff7a59";
const MOST = 60;

export class Mask {
  constructor() {
    this.canvas = document.createElement("canvas");
    this.ground = document.createElement("canvas"); // what can no longer be taken back
    this.reset(1, 1);
  }

  get #context() { return this.canvas.getContext("2d"); }
  get painted() { return this.done.length ? this.done.at(-1).kind !== "clear" : this.grounded; }
  get undoable() { return this.done.length > 0; }
  get redoable() { return this.undone.length > 0; }

  reset(width, height) {
    for (const canvas of [this.canvas, this.ground]) [canvas.width, canvas.height] = [width, height];
    this.done = [];
    this.undone = [];
    this.grounded = false;
  }

  // Strokes: begin, extend, and cancel where it was a second finger that came.
  begin(at, radius, erasing) {
    this.#add({ kind: erasing ? "erase" : "paint", radius, points: [at] });
  }

  extend(at) {
    const stroke = this.done.at(-1);
    const from = stroke.points.at(-1);
    stroke.points.push(at);
    operate(this.#context, stroke);
    segment(this.#context, stroke, from, at);
  }

  cancel() {
    this.done.pop();
    this.#again();
  }

  fill() { this.#add({ kind: "fill" }); }
  clear() { if (this.painted || this.done.length) this.#add({ kind: "clear" }); }
  load(picture) { this.#add({ kind: "load", picture }); }

  undo() {
    if (!this.undoable) return;
    this.undone.push(this.done.pop());
    this.#again();
  }

  redo() {
    if (!this.redoable) return;
    this.done.push(this.undone.pop());
    this.#again();
  }

  #add(step) {
    this.undone = [];
    this.done.push(step);
    if (this.done.length > MOST) {
      const oldest = this.done.shift();
      draw(this.ground.getContext("2d"), oldest);
      this.grounded = oldest.kind !== "clear";
    }
    draw(this.#context, step);
  }

  #again() {
    const context = this.#context;
    context.globalCompositeOperation = "source-over";
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.drawImage(this.ground, 0, 0);
    for (const step of this.done) draw(context, step);
  }

  // As OpenAI has it: transparent where it is to be drawn. Null where nothing is painted.
  asked() { return this.painted ? this.#sheet(false) : Promise.resolve(null); }

  // As `--mask` takes it: white where it is to be drawn, on black.
  saved() { return this.#sheet(true); }

  #sheet(white) {
    const sheet = document.createElement("canvas");
    [sheet.width, sheet.height] = [this.canvas.width, this.canvas.height];
    const context = sheet.getContext("2d");
    context.drawImage(this.canvas, 0, 0);
    const ink = context.getImageData(0, 0, sheet.width, sheet.height);
    for (let i = 0; i < ink.data.length; i += 4) {
      const on = ink.data[i + 3] > 127;
      ink.data.fill(white && on ? 255 : 0, i, i + 3);
      ink.data[i + 3] = on && !white ? 0 : 255;
    }
    context.putImageData(ink, 0, 0);
    return new Promise((done) => sheet.toBlob(done, "image/png"));
  }
}

function operate(context, step) {
  context.globalCompositeOperation = step.kind === "erase" ? "destination-out" : "source-over";
}

// One piece of a stroke: drawn again piece by piece, a stroke has the very same edge.
function segment(context, { radius }, from, to) {
  context.strokeStyle = INK;
  context.lineWidth = 2 * radius;
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(to[0] + 0.01, to[1]);
  context.stroke();
}

function draw(context, step) {
  const { width, height } = context.canvas;
  operate(context, step);
  if (step.kind === "clear") context.clearRect(0, 0, width, height);
  else if (step.kind === "fill") {
    context.fillStyle = INK;
    context.fillRect(0, 0, width, height);
  } else if (step.kind === "load") {
    context.clearRect(0, 0, width, height);
    context.fillStyle = INK;
    context.fillRect(0, 0, width, height);
    context.globalCompositeOperation = "destination-out";
    context.drawImage(step.picture, 0, 0); // opaque where nothing is to be drawn
  } else {
    step.points.forEach((at, number) => segment(context, step, step.points[Math.max(0, number - 1)], at));
  }
}
