// Looking freely: severities of one anatomy by a slider, and matched pairs with their mask.

import { $, make } from "/static/dom.js";

export class Look {
  constructor(stage, found, picture) {
    this.stage = stage;
    this.found = found;
    this.picture = picture;
    this.alive = true;
    this.shown = null;
    $("grade").oninput = () => this.#grade(Number($("grade").value));
  }

  stop() {
    this.alive = false;
    $("grader").hidden = true;
    $("grade").oninput = null;
    $("answer").hidden = false;
  }

  async start() {
    const entries = [
      ...this.found.series.map((one) => [`Severity: ${one.title}`, () => this.#series(one)]),
      ...this.found.pairs.map((one, at) => [`Pair ${at + 1}: ${one.told}`, () => this.#pair(one)]),
    ];
    $("count").textContent = `${entries.length} to look at`;
    $("bar").max = $("bar").value = 1;
    for (const name of ["verdict", "mask"]) $(name).hidden = true;
    $("answer").hidden = true;
    $("problem").textContent = "";
    this.notes = this.found.notes.map((note) => `${note[0].toUpperCase()}${note.slice(1)}.`).join(" ");
    $("choices").replaceChildren(...entries.map(([words, show], at) => make("button", {
      type: "button", "aria-pressed": "false", onclick: () => this.#choose(at, show),
    }, make("kbd", { textContent: String(at + 1) }), ` ${words}`)));
    this.entries = entries;
    await this.#choose(0, entries[0][1]);
  }

  async #choose(at, show) {
    [...$("choices").children].forEach((button, i) => button.setAttribute("aria-pressed", String(i === at)));
    try {
      await show();
    } catch (error) {
      $("problem").textContent = error.message;
    }
  }

  async #series(one) {
    this.shown = one;
    this.pictures = await Promise.all(one.pictures.map((token) => this.picture(token)));
    if (!this.alive || this.shown !== one) return;
    $("question").textContent = one.title;
    $("hint").textContent = `Drag the slider, or press ← and →. One seed at every severity that the model learned. ${this.notes}`;
    $("grade").max = one.pictures.length - 1;
    $("grade").value = 0;
    $("grader").hidden = false;
    $("mask").hidden = true;
    this.stage.one(this.pictures[0]);
    this.#grade(0);
  }

  #grade(at) {
    $("grade-words").textContent = this.shown.grades[at];
    const { image, pixels } = this.pictures[at];
    this.stage.viewer.show(image, pixels);
  }

  async #pair(one) {
    this.shown = one;
    const pictures = await Promise.all(one.revealed.map((token) => this.picture(token)));
    if (!this.alive || this.shown !== one) return;
    $("grader").hidden = true;
    $("question").textContent = one.told;
    $("hint").textContent = `Drag the slider between A and B; M shows and hides where it was drawn. ${this.notes}`;
    this.stage.two(...pictures);
    this.stage.reveal(one.region);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    const number = Number(event.key) - 1;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (number >= 0 && number < this.entries.length) this.#choose(number, this.entries[number][1]);
    else if (event.key === "m" || event.key === "M") this.stage.toggleMask();
    else if (step && event.target.type !== "range" && !$("grader").hidden) {
      const at = Math.min(this.pictures.length - 1, Math.max(0, Number($("grade").value) + step));
      $("grade").value = at;
      this.#grade(at);
    } else if (step && event.target.type !== "range" && !$("splitter").hidden) {
      this.stage.slide(Math.min(1, Math.max(0, this.stage.viewer.split + step * 0.05)));
    } else return false;
    return true;
  }
}
