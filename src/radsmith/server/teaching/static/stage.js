// What a question is asked about: one picture, two behind a slider, or several to be put in order.

import { $, make } from "/static/dom.js";
import { Viewer } from "/static/viewer.js";

const GRID = 128;

// Pixels of a square picture (bytes, row by row) as the viewer takes them.
export function asShown(bytes) {
  const side = Math.round(Math.sqrt(bytes.length));
  const levels = Uint16Array.from(bytes, (level) => level * 257);
  return { image: { width: side, height: side, window: null }, pixels: { levels, black: 0, white: 100, unit: "%" } };
}

export class Stage {
  constructor(moved) {
    this.moved = moved; // told of a point that was set
    this.viewer = new Viewer($("canvas"), () => {});
    this.point = null; // x, y in fractions of the side
    this.region = null; // runs of the answer's mask
    this.masked = true;
    this.viewer.overlay = (context) => this.#over(context);
    this.viewer.hands.point = (phase, event) => {
      if (phase === "cancel") { this.slipped = true; return; }
      if (phase === "down") this.slipped = false;
      if (phase === "up" && !this.slipped) this.set(this.#at(event));
    };
    $("split").addEventListener("input", () => {
      this.viewer.split = Number($("split").value);
      this.viewer.draw();
    });
  }

  // One picture. pointing: a click sets a point.
  one(picture, pointing = false) {
    this.#plain();
    this.viewer.tool = pointing ? "point" : "window";
    this.viewer.show(picture.image, picture.pixels);
  }

  // Two of one size: the first left of the slider, the second right.
  two(first, second) {
    this.#plain();
    this.viewer.tool = "window";
    this.viewer.show(second.image, second.pixels);
    this.viewer.compare({ ...first, x: 0, y: 0 });
    $("splitter").hidden = false;
    this.slide(0.5);
  }

  slide(share) {
    this.viewer.split = share;
    $("split").value = share;
    this.viewer.draw();
  }

  // Several; picked(number) is called for each that is tapped.
  several(pictures, picked) {
    this.#plain();
    $("canvas").hidden = true;
    $("several").hidden = false;
    $("several").replaceChildren(...pictures.map((picture, number) => {
      const sheet = make("canvas", { width: picture.image.width, height: picture.image.height, role: "img", "aria-label": `Picture ${number + 1}` });
      const context = sheet.getContext("2d");
      const data = context.createImageData(sheet.width, sheet.height);
      const out = new Uint32Array(data.data.buffer);
      picture.pixels.levels.forEach((level, i) => {
        const gray = level / 257;
        out[i] = 0xff000000 | (gray << 16) | (gray << 8) | gray;
      });
      context.putImageData(data, 0, 0);
      return make("button", { type: "button", "data-at": String(number), "aria-label": `Picture ${number + 1}`, onclick: () => picked(number) }, sheet, make("span", { className: "place" }));
    }));
  }

  // What the places of `several` are called.
  places(words) {
    words.forEach((word, at) => {
      const button = $("several").children[at];
      button.querySelector(".place").textContent = word;
      button.setAttribute("aria-label", `Picture ${at + 1}${word ? `: ${word}` : ""}`);
      button.classList.toggle("placed", Boolean(word));
    });
  }

  set(point) {
    this.point = point.map((value) => Math.min(1, Math.max(0, value)));
    this.viewer.draw();
    this.moved(this.point);
  }

  move(dx, dy) {
    const [x, y] = this.point ?? [0.5, 0.5];
    this.set(this.point ? [x + dx, y + dy] : [x, y]);
  }

  // The answer's mask over the picture.
  reveal(region) {
    this.region = region.length ? sheetOf(region) : null;
    this.viewer.draw();
  }

  toggleMask() {
    this.masked = !this.masked;
    this.viewer.draw();
  }

  #plain() {
    this.point = null;
    this.region = null;
    this.masked = true;
    this.viewer.compare(null);
    $("canvas").hidden = false;
    $("several").hidden = true;
    $("several").replaceChildren();
    $("splitter").hidden = true;
  }

  #at(event) {
    const [x, y] = this.viewer.toImage(event.clientX, event.clientY);
    return [x / this.viewer.image.width, y / this.viewer.image.height];
  }

  #over(context) {
    const { width, height } = this.viewer.image;
    if (this.region && this.masked) {
      context.imageSmoothingEnabled = false;
      context.drawImage(this.region, 0, 0, width, height);
    }
    if (!this.point) return;
    const [x, y] = [this.point[0] * width, this.point[1] * height];
    const reach = 14 / this.viewer.scale;
    for (const [wide, colour] of [[5, "#08090b"], [2.5, "#f2b64a"]]) {
      context.lineWidth = wide / this.viewer.scale;
      context.strokeStyle = colour;
      context.beginPath();
      context.arc(x, y, reach * 0.6, 0, 2 * Math.PI);
      context.moveTo(x - reach, y);
      context.lineTo(x + reach, y);
      context.moveTo(x, y - reach);
      context.lineTo(x, y + reach);
      context.stroke();
    }
  }
}

// Runs (first out, then in, in turn) as a sheet of the grid's size.
function sheetOf(runs) {
  const sheet = document.createElement("canvas");
  [sheet.width, sheet.height] = [GRID, GRID];
  const context = sheet.getContext("2d");
  const data = context.createImageData(GRID, GRID);
  const inside = cellsOf(runs);
  for (let i = 0; i < inside.length; i++) {
    if (!inside[i]) continue;
    const beside = [i % GRID ? i - 1 : -1, (i + 1) % GRID ? i + 1 : -1, i - GRID, i + GRID];
    const edge = beside.some((j) => j < 0 || !inside[j]);
    data.data.set([127, 214, 164, edge ? 255 : 60], 4 * i);
  }
  context.putImageData(data, 0, 0);
  return sheet;
}

export function cellsOf(runs) {
  const inside = new Uint8Array(GRID * GRID);
  let at = 0;
  runs.forEach((run, number) => {
    if (number % 2) inside.fill(1, at, at + run);
    at += run;
  });
  return inside;
}
