// Before and after with a slider; all candidates side by side.

import { get, pixels, previewOf } from "./api.js";
import { $, make } from "./dom.js";

export class Compare {
  constructor(viewer, results, failed) {
    this.viewer = viewer;
    this.results = results;
    this.failed = failed;
    this.parent = null; // { image, pixels, x, y }
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

  // The chosen image of a batch; what it was made from is fetched once. An image that continues
  // its parent says where that lies; another is compared where both have one size.
  async source(batch, job) {
    this.batch = batch;
    $("side-by-side").disabled = batch.jobs.length < 2 && !job.parent;
    const found = job.parent ? await this.#fetched(job.parent) : null;
    if (this.batch.id !== batch.id) return;
    const { width, height, place } = job.image;
    const [x, y] = place ?? [0, 0];
    const fits = found && (place || (found.image.width === width && found.image.height === height));
    this.parent = fits ? { ...found, x, y } : null;
    $("compare").disabled = !fits;
    $("compare").title = job.parent && !found ? "What it was made from is no longer kept" : "Before and after (C)";
    this.#set(this.on);
  }

  async #fetched(id) {
    if (this.parent?.image.id === id) return this.parent;
    try {
      const image = await get(`/studio/images/${id}`);
      return { image, pixels: await pixels(image) };
    } catch (error) {
      if (error.status !== 404) this.failed(error.message);
      return null;
    }
  }

  // Nothing is shown any more.
  close() {
    this.parent = null;
    $("compare").disabled = $("side-by-side").disabled = true;
    if (!$("grid").hidden) this.#all(false);
    this.#set(false);
  }

  // The split begins in the middle of what there was before.
  toggle() {
    if ($("compare").disabled) return;
    this.viewer.split = (this.parent.x + this.parent.image.width / 2) / this.viewer.image.width;
    $("split").value = this.viewer.split;
    this.#set(!this.on);
  }

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
    this.#set(false);
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
