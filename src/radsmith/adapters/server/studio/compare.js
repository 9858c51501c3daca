// Before and after with a slider; all candidates side by side.

import { get, pixels, previewOf } from "./api.js";
import { $, make } from "./dom.js";

export class Compare {
  constructor(viewer, results, failed) {
    this.viewer = viewer;
    this.results = results;
    this.failed = failed;
    this.parent = null; // { image, levels, x, y }
    this.on = false;
    $("compare").addEventListener("click", () => this.toggle());
    $("side-by-side").addEventListener("click", () => this.toggleAll());
    $("split").addEventListener("input", () => {
      viewer.split = Number($("split").value);
      viewer.draw();
    });
    $("grid").addEventListener("click", (event) => {
      const at = event.target.closest("button")?.dataset.at;
      if (at === undefined) return;
      this.#all(false);
      results.choose(Number(at));
    });
  }

  // The chosen image of a batch; what it was made from is fetched once.
  async source(batch, job) {
    this.batch = batch;
    $("side-by-side").disabled = batch.jobs.length < 2 && !job.parent;
    const comparable = job.parent && batch.operation !== "extend"; // where it lies is not told
    $("compare").disabled = !comparable;
    if (!comparable) { this.parent = null; this.#set(false); return; }
    try {
      if (this.parent?.image.id !== job.parent) {
        const image = await get(`/studio/images/${job.parent}`);
        const [left, , top] = job.margins ?? [0, 0, 0, 0];
        this.parent = { image, levels: await pixels(image), x: left, y: top };
      }
      this.#set(this.on);
    } catch (error) {
      this.failed(error.message);
    }
  }

  toggle() { if (!$("compare").disabled) this.#set(!this.on); }

  #set(on) {
    this.on = on && Boolean(this.parent);
    $("compare").setAttribute("aria-pressed", String(this.on));
    $("splitter").hidden = !this.on;
    this.viewer.compare(this.on ? this.parent : null);
  }

  toggleAll() { if (!$("side-by-side").disabled) this.#all($("grid").hidden); }

  #all(on) {
    $("side-by-side").setAttribute("aria-pressed", String(on));
    $("grid").hidden = !on;
    if (!on) return;
    this.#tiles();
  }

  // The batch has news.
  update(batch) {
    this.batch = batch;
    if (!$("grid").hidden) this.#tiles();
  }

  #tiles() {
    const inside = (image, words) => [make("img", { src: previewOf(image), alt: "" }), words];
    const tiles = this.parent
      ? [make("li", {}, make("div", { className: "tile" }, ...inside(this.parent.image, "before")))]
      : [];
    this.batch.jobs.forEach((job, at) => {
      if (!job.image) return;
      const button = make("button", { type: "button", "data-at": String(at) }, ...inside(job.image, `seed ${job.seed}`));
      tiles.push(make("li", {}, button));
    });
    $("grid").replaceChildren(...tiles);
  }
}
