// The images of one batch: progress, the strip of thumbnails, the chosen image.

import { follow, get, pixels, post, previewOf, zipOf } from "./api.js";
import { $, make } from "./dom.js";

const WORDS = { queued: "waiting", running: "drawing", failed: "failed", cancelled: "cancelled" };

export class Results {
  constructor(viewer, chosen, failed, changed) {
    this.viewer = viewer;
    this.changed = changed; // called with the batch at each change
    this.chosen = chosen; // called with the image that is shown
    this.failed = failed; // called with words for people
    this.batch = null;
    this.at = -1;
    this.stop = () => {};
    $("cancel").addEventListener("click", () => this.cancel());
    $("strip").addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) this.choose([...$("strip").children].indexOf(button.parentElement));
    });
  }

  // Show a batch, and follow it while it is open.
  async open(id) {
    this.stop();
    this.batch = null;
    this.at = -1;
    const view = await get(`/studio/batches/${id}`);
    this.#seen(view);
    if (!view.open) return;
    this.stop = follow(id, (news) => {
      this.#seen(news);
      this.changed(news);
    });
  }

  async cancel() {
    if (this.batch) this.#seen(await post(`/studio/batches/${this.batch.id}/cancel`, {}));
  }

  #seen(view) {
    const first = this.batch?.id !== view.id;
    this.batch = view;
    const made = view.jobs.filter((job) => job.image).length;
    $("progress").hidden = !view.open;
    $("cancel").hidden = !view.open;
    $("bar").max = view.jobs.length;
    $("bar").value = made;
    $("progress-text").textContent = `${made} of ${view.jobs.length}`;
    $("save-zip").href = zipOf(view.id);
    const ready = view.jobs.some((job) => job.image?.record.synthetic);
    if (ready) $("save-zip").removeAttribute("aria-disabled");
    else {
      $("save-zip").removeAttribute("href");
      $("save-zip").setAttribute("aria-disabled", "true");
    }
    this.#strip(view, first);
    if (this.at < 0 || first) {
      const ready = view.jobs.findIndex((job) => job.image);
      if (ready >= 0) this.choose(ready);
    }
    if (!view.open) {
      const error = view.jobs.find((job) => job.state === "failed")?.error;
      if (error) this.failed(error);
    }
  }

  #strip(view, first) {
    if (first) $("strip").replaceChildren(...view.jobs.map(() => make("li")));
    view.jobs.forEach((job, index) => {
      const item = $("strip").children[index];
      const state = job.image ? "done" : job.state;
      if (item.dataset.state === state) return;
      item.dataset.state = state;
      item.className = state;
      const label = job.image ? `Image ${index + 1}, seed ${job.seed}` : `Image ${index + 1}: ${WORDS[state]}`;
      const inside = job.image
        ? make("img", { src: previewOf(job.image), alt: "" })
        : make("span", { className: `pending ${state}` }, WORDS[state]);
      const button = make("button", { type: "button", "aria-label": label, disabled: !job.image }, inside);
      item.replaceChildren(button);
    });
  }

  async choose(index) {
    const job = this.batch?.jobs[index];
    if (!job?.image) return;
    this.at = index;
    [...$("strip").children].forEach((item, number) => {
      item.firstElementChild?.setAttribute("aria-current", String(number === index));
    });
    try {
      const shown = await pixels(job.image);
      if (this.batch.jobs[this.at]?.image?.id !== job.image.id) return; // another was chosen since
      this.viewer.show(job.image, shown);
      this.chosen(job.image, job);
    } catch (error) {
      this.failed(error.message);
    }
  }

  // Nothing is shown any more.
  close() {
    this.stop();
    this.batch = null;
    this.at = -1;
    $("strip").replaceChildren();
    $("progress").hidden = $("cancel").hidden = true;
    $("save-zip").removeAttribute("href");
    $("save-zip").setAttribute("aria-disabled", "true");
  }

  step(by) {
    const { jobs } = this.batch ?? { jobs: [] };
    for (let k = 1; k <= jobs.length; k++) {
      const next = (this.at + by * k + jobs.length * k) % jobs.length;
      if (jobs[next].image) { this.choose(next); return; }
    }
  }
}
