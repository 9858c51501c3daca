// The questions beside the picture: those of the first phase, or "real or made?" of the second.

import { make } from "/static/dom.js";

const SCORES = [-2, -1, 0, 1, 2];
const signed = (score) => (score > 0 ? `+${score}` : `${score}`);

export class Questions {
  constructor(form, changed) {
    this.form = form;
    this.changed = changed;
    this.rubric = null;
    this.second = null; // what the second phase asks, once it has begun
    this.diagnoses = [];
    this.phase = 1;
    this.marks = () => [];
  }

  start(rubric, diagnoses) {
    this.rubric = rubric;
    this.diagnoses = diagnoses;
  }

  // Nothing said yet, or what was said before.
  show(phase, answer = {}) {
    this.phase = phase;
    this.answer = {
      verdict: null, scores: {}, artefacts: [], why: [], diagnosis: "", note: "", guess: null, confidence: null,
      ...structuredClone(answer),
    };
    this.at = 0;
    this.form.replaceChildren(...(phase === 2 ? this.#second() : this.#first()));
    this.#paint();
  }

  // What is sent: the questions of this phase alone.
  get told() {
    const { verdict, scores, artefacts, why, diagnosis, note, guess, confidence } = this.answer;
    if (this.phase === 2) return { guess, confidence, note };
    return { verdict, scores, artefacts, why, diagnosis, note, marks: this.marks() };
  }

  // What is missing, in words; "" when it can be sent.
  get missing() {
    const { verdict, artefacts, why, note, guess } = this.answer;
    if (this.phase === 2) return guess ? "" : "Say real or made by a model.";
    if (!verdict) return "Choose a verdict.";
    const said = artefacts.length || why.length || note.trim() || this.marks().length;
    return verdict === "accept" || said ? "" : `Say why it is “${verdict}”: a reason, an artefact, a mark or a note.`;
  }

  verdict(verdict) {
    this.answer.verdict = verdict;
    if (verdict === "accept") this.answer.scores = { ...this.rubric.accept, ...this.answer.scores };
    this.#paint();
  }

  score(score) {
    const item = this.rubric.scores[this.at];
    if (!item) return;
    this.answer.scores[item.id] = score;
    this.at = Math.min(this.at + 1, this.rubric.scores.length - 1);
    this.#paint();
  }

  step(by) {
    this.at = Math.min(Math.max(0, this.at + by), this.rubric.scores.length - 1);
    this.#paint();
  }

  guess(guess) { this.answer.guess = guess; this.#paint(); }

  confidence(level) { this.answer.confidence = level; this.#paint(); }

  toggle(name, id) {
    const list = this.answer[name];
    this.answer[name] = list.includes(id) ? list.filter((one) => one !== id) : [...list, id];
    this.#paint();
  }

  focus(part) { this.form.querySelector(`[data-part="${part}"] button, textarea[data-part="${part}"], input[data-part="${part}"]`)?.focus(); }

  #first() {
    const verdicts = this.#verdicts([["accept", "Accept", "A"], ["unsure", "Unsure", "U"], ["reject", "Reject", "R"]],
      "Verdict", "data-verdict", (name) => this.verdict(name));
    const scales = this.rubric.scores.map((item, i) => {
      const buttons = SCORES.map((score) => make("button", {
        type: "button", textContent: signed(score), "data-score": score, ariaLabel: `${item.label}: ${signed(score)}`,
        onclick: () => { this.at = i; this.score(score); },
      }));
      return make("fieldset", { "data-scale": item.id },
        make("legend", {}, item.label, make("small", { textContent: `  ${item.question}` })),
        make("div", { className: "scale" }, ...buttons),
        make("div", { className: "ends" }, make("span", { textContent: item.low }), make("span", { textContent: item.high })));
    });
    const parts = [verdicts, ...scales,
      this.#ticks("artefacts", "Artefacts", "X", this.rubric.artefacts),
      this.#ticks("why", "Why not", "Y", this.rubric.reasons)];
    if (this.diagnoses.length) parts.push(this.#diagnosis());
    return [...parts, this.#note()];
  }

  #second() {
    const guesses = this.#verdicts([["real", "Real", "A"], ["synthetic", "Made by a model", "R"]],
      this.second.guess, "data-guess", (name) => this.guess(name), "two");
    const buttons = this.second.confidence.map((words, i) => make("button", {
      type: "button", textContent: `${words} `, "data-confidence": i + 1, onclick: () => this.confidence(i + 1),
    }, make("kbd", { textContent: `${i + 1}` })));
    const sure = make("fieldset", {}, make("legend", { textContent: "How sure?" }), make("div", { className: "ticks" }, ...buttons));
    return [guesses, sure, this.#note()];
  }

  #verdicts(items, legend, data, chosen, more = "") {
    const buttons = items.map(([name, words, key]) => make("button", {
      type: "button", [data]: name, onclick: () => chosen(name),
    }, `${words} `, make("kbd", { textContent: key })));
    return make("fieldset", {}, make("legend", { textContent: legend }), make("div", { className: `verdicts ${more}` }, ...buttons));
  }

  #ticks(name, words, key, items) {
    const buttons = items.map((item) => make("button", {
      type: "button", textContent: item.label, "data-tick": item.id, onclick: () => this.toggle(name, item.id),
    }));
    const box = make("div", { className: "ticks", "data-part": name }, ...buttons);
    box.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const here = buttons.indexOf(document.activeElement);
      if (!by || here < 0) return;
      event.preventDefault();
      event.stopPropagation();
      buttons[(here + by + buttons.length) % buttons.length].focus();
    });
    return make("fieldset", {}, make("legend", {}, `${words} `, make("kbd", { textContent: key })), box);
  }

  #diagnosis() {
    const input = make("input", {
      id: "diagnosis", maxLength: 200, value: this.answer.diagnosis, "data-part": "diagnosis",
      oninput: () => { this.answer.diagnosis = input.value; },
    });
    input.setAttribute("list", "diagnoses");
    const list = make("datalist", { id: "diagnoses" }, ...this.diagnoses.map((value) => make("option", { value })));
    return make("div", {}, make("label", { htmlFor: "diagnosis" }, "Diagnosis ", make("kbd", { textContent: "G" })), input, list);
  }

  #note() {
    const note = make("textarea", {
      id: "note", rows: 2, maxLength: 2000, value: this.answer.note, "data-part": "note",
      oninput: () => { this.answer.note = note.value; this.changed(); },
    });
    return make("div", {}, make("label", { htmlFor: "note" }, "Note ", make("kbd", { textContent: "N" })), note);
  }

  #paint() {
    const { verdict, scores, artefacts, why, guess, confidence } = this.answer;
    const press = (selector, on) => {
      for (const node of this.form.querySelectorAll(selector)) node.setAttribute("aria-pressed", String(on(node)));
    };
    press("[data-verdict]", (node) => node.dataset.verdict === verdict);
    press("[data-guess]", (node) => node.dataset.guess === guess);
    press("[data-confidence]", (node) => Number(node.dataset.confidence) === confidence);
    press('[data-part="artefacts"] button', (node) => artefacts.includes(node.dataset.tick));
    press('[data-part="why"] button', (node) => why.includes(node.dataset.tick));
    this.form.querySelectorAll("[data-scale]").forEach((scale, i) => {
      scale.classList.toggle("at", i === this.at);
      for (const node of scale.querySelectorAll("button")) {
        node.setAttribute("aria-pressed", String(scores[scale.dataset.scale] === Number(node.dataset.score)));
      }
    });
    this.changed();
  }
}
