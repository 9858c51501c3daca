// Questions one after the other: asked, answered by keys, pointer or finger, told what is right.
//
// The backend says where they come from and who marks them: { picture(token) => picture,
// answer(item, answer, seconds) => { solution, next } }. It may be a server or the page itself.

import { $, make } from "/static/dom.js";

const STEP = 0.02;

export class Questions {
  constructor(stage, backend, finished) {
    this.stage = stage;
    this.backend = backend;
    this.finished = finished; // told when nothing is left
    this.item = null;
    stage.moved = () => this.#ready();
  }

  // Ask the first of these; later ones are fetched ahead.
  async begin(coming) {
    this.coming = coming;
    await this.#next();
  }

  stop() {
    this.item = this.coming = null;
  }

  async #next() {
    const item = this.coming?.[0];
    this.solution = this.pending = null;
    this.choice = null;
    this.order = [];
    if (!item) { this.item = null; this.finished(); return; }
    this.item = item;
    $("verdict").hidden = true;
    $("problem").textContent = "";
    $("question").textContent = item.question;
    this.#choices();
    this.#ready();
    this.#hint();
    try {
      const pictures = await Promise.all(item.pictures.map((token) => this.backend.picture(token)));
      if (this.item !== item) return;
      if (item.kind === "order") { this.stage.several(pictures, (at) => this.#pick(at)); this.#placed(); }
      else if (item.kind === "pair") this.stage.two(...pictures);
      else this.stage.one(pictures[0], item.kind === "where");
      this.began = performance.now();
      $("answering").dataset.ready = item.id;
    } catch (error) {
      $("problem").textContent = error.message;
      $("answer").disabled = false;
      $("answer").textContent = "Try again";
      this.broken = true;
      return;
    }
    for (const later of this.coming.slice(1)) later.pictures.map((token) => this.backend.picture(token).catch(() => {}));
  }

  #choices() {
    $("choices").replaceChildren(...this.item.choices.map((choice, at) => make("button", {
      type: "button", className: "choice", "data-choice": choice, "aria-pressed": "false",
      onclick: () => this.#choose(at),
    }, make("kbd", { textContent: String(at + 1) }), ` ${choice}`)));
    $("answer").textContent = "Answer";
    $("answer").append(" ", make("kbd", { textContent: "Enter" }));
  }

  #hint() {
    const hints = {
      where: "Click or tap the picture; arrow keys move the mark, + and − zoom.",
      order: "Tap the most severe first, then the next; tap again to take it back. Keys 1–4.",
      pair: "The slider shows A on its left and B on its right; keys A and B show one alone.",
    };
    $("hint").textContent = hints[this.item.kind] ?? "";
  }

  #choose(at) {
    if (this.solution || !this.item || at >= this.item.choices.length) return;
    this.choice = this.item.choices[at];
    for (const button of $("choices").children) button.setAttribute("aria-pressed", String(button.dataset.choice === this.choice));
    this.#ready();
  }

  #pick(at) {
    if (this.solution) return;
    const placed = this.order.indexOf(at);
    if (placed >= 0) this.order.splice(placed, 1);
    else this.order.push(at);
    this.#placed();
    this.#ready();
  }

  #placed() {
    const words = this.item.pictures.map((_, at) => {
      const place = this.order.indexOf(at);
      return place < 0 ? "" : String(place + 1);
    });
    this.stage.places(words);
  }

  // What would be sent now; null where the answer is not whole.
  get answer() {
    if (!this.item) return null;
    if (this.item.kind === "where") return this.stage.point ? { point: this.stage.point } : null;
    if (this.item.kind === "order") {
      return this.order.length === this.item.pictures.length
        ? { order: this.order.map((at) => this.item.pictures[at]) } : null;
    }
    return this.choice ? { choice: this.choice } : null;
  }

  #ready() {
    $("answer").disabled = !this.solution && !this.answer;
  }

  // The button below: answer, or go on.
  async send() {
    if (this.sending || !this.item) return;
    if (this.broken) { this.broken = false; await this.#next(); return; }
    if (this.solution) { await this.#next(); return; }
    if (!this.answer) return;
    this.sending = true;
    $("answer").disabled = true;
    const item = this.item;
    // what was sent once is sent again as it was: it may have arrived
    this.pending ??= {
      answer: this.answer, seconds: (performance.now() - this.began) / 1000,
      request: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`,
    };
    const { answer, seconds, request } = this.pending;
    try {
      const told = await this.backend.answer(item, answer, seconds, request);
      this.pending = null;
      if (this.item !== item) return;
      this.coming = told.next;
      this.sending = false; // whoever knows the answer goes on at once
      await this.#reveal(told.solution, answer);
    } catch (error) {
      $("problem").textContent = `${error.message}: your answer is not lost, send it again`;
    } finally {
      this.sending = false;
      this.#ready();
    }
  }

  async #reveal(solution, answer) {
    this.solution = solution;
    $("problem").textContent = "";
    $("hint").textContent = "";
    const { item } = this;
    for (const button of $("choices").children) {
      button.disabled = true;
      button.classList.toggle("right", solution.answer.includes(button.dataset.choice));
      button.classList.toggle("wrong", button.dataset.choice === answer.choice && !solution.correct);
    }
    const verdict = solution.correct ? "Right" : item.kind === "order" && solution.score > 0
      ? `Not quite: ${Math.round(100 * solution.score)} % of pairs in order` : "Wrong";
    $("verdict").hidden = false;
    $("verdict").className = solution.correct ? "good" : "bad";
    $("verdict-word").textContent = verdict;
    $("verdict-told").textContent = solution.told;
    $("verdict-weak").replaceChildren(...solution.weak.map((text) => make("li", { textContent: text })));
    $("verdict-evidence").hidden = !solution.weak.length;
    $("mask").hidden = !solution.region.length;
    $("answer").textContent = "Next";
    $("answer").append(" ", make("kbd", { textContent: "Enter" }));
    $("answer").disabled = false;
    $("verdict").scrollIntoView({ block: "nearest" });
    const point = this.stage.point;
    const fetched = Promise.all(solution.revealed.map((token) => this.backend.picture(token)));
    const revealed = await fetched.catch((error) => { $("problem").textContent = error.message; });
    if (this.item !== item || !revealed) return;
    if (item.kind === "order") {
      const right = item.pictures.map((token) => `${solution.answer.indexOf(token) + 1}`);
      this.stage.places(right.map((place, at) => {
        const given = String(this.order.indexOf(at) + 1);
        return place === given ? place : `${given} → ${place}`;
      }));
    } else if (item.kind === "pair") this.stage.two(...revealed);
    else this.stage.one(revealed[0]);
    if (point) this.stage.point = point;
    this.stage.reveal(solution.region);
  }

  // A key was pressed; whether it meant something.
  key(event) {
    if (!this.item || event.ctrlKey || event.metaKey || event.altKey) return false;
    const number = Number(event.key) - 1;
    if (event.key === "Enter") this.send();
    else if (number >= 0 && number < 9) {
      if (this.item.kind === "order") { if (number < this.item.pictures.length) this.#pick(number); }
      else this.#choose(number);
    } else if (event.key === "m" || event.key === "M") this.stage.toggleMask();
    else if (this.item.kind === "pair" && ["a", "b", "A", "B"].includes(event.key)) {
      this.stage.slide(event.key.toLowerCase() === "a" ? 1 : 0);
    } else if (this.item.kind === "where" && !this.solution && event.key.startsWith("Arrow")) {
      const moves = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
      this.stage.move(...moves[event.key]);
    } else return false;
    return true;
  }
}
