// One case a screen: the picture, the questions, sending, undo, pause; the next pictures fetched ahead.

import { $, make } from "/static/dom.js";
import { Viewer } from "/static/viewer.js";
import { get, picture, post } from "./api.js";
import { Marks } from "./marks.js";
import { Outbox } from "./outbox.js";
import { Questions } from "./questions.js";

const PRESETS = [[50, 100], [50, 50], [35, 60], [65, 60], [50, 25]]; // centre and width, %
const viewer = new Viewer($("canvas"), readouts);
const beside = new Viewer($("canvas-beside"), () => {});
let current = null; // the reading at work

function readouts() {
  $("corner-window").textContent = viewer.image ? viewer.reading : "";
  $("corner-zoom").textContent = viewer.image ? `zoom ${Math.round(viewer.scale * 100)} %` : "";
}

const marks = new Marks(viewer, () => current?.changed());
const questions = new Questions($("form"), () => current?.changed());
questions.marks = () => marks.list;
marks.artefact = () => questions.answer?.artefacts.at(-1) ?? "";

export class Reading {
  constructor(me, study, settles, page) {
    this.page = page;
    this.settles = settles;
    this.base = `/studies/${encodeURIComponent(study)}`;
    this.pictures = new Map();
    this.coming = [];
    this.case = null;
    this.preset = 0;
    this.stopped = false;
    this.clock = { spent: 0, since: null };
    const kind = settles ? "settle" : "read";
    this.outbox = new Outbox(`radsmith-review ${kind} ${me.name} ${study}`, (entry) => this.#send(entry), (reply) => this.#acknowledged(reply));
    this.outbox.refused = (entry, error) => this.#refused(entry, error);
    this.away = () => (document.hidden ? this.#stopClock() : this.#startClock());
  }

  async start() {
    current = this;
    document.addEventListener("visibilitychange", this.away);
    try {
      const about = await get(this.base);
      questions.start(about.rubric, about.diagnoses);
      this.#take(await get(this.settles ? `${this.base}/disputed` : `${this.base}/queue`));
    } catch (error) {
      if (error.status === 401) this.page.signIn();
      else this.page.say("No connection", `${error.message}. What you answered is kept in this browser.`);
      return;
    }
    this.outbox.flush();
    await this.#next();
  }

  stop() {
    this.stopped = true;
    this.#stopClock();
    document.removeEventListener("visibilitychange", this.away);
    if (current === this) current = null;
  }

  // What the server tells of the queue; cases whose answers wait here are done already.
  #take(reply) {
    if (this.settles) {
      this.left = reply.left;
      this.coming = reply.cases.map((one) => ({ ...one, read: one.case })).filter((one) => !this.outbox.has(one.read));
    } else {
      this.progress = reply.progress;
      questions.second = reply.second;
      this.coming = reply.coming.filter((one) => !this.outbox.has(one.read));
    }
    for (const one of this.coming) this.#picture(one.read);
    this.#told();
  }

  // A picture, fetched once; a failed try may be made again.
  #picture(read) {
    if (!this.pictures.has(read)) {
      const path = this.settles ? `${this.base}/disputed/${read}/picture` : `${this.base}/pictures/${read}`;
      const found = picture(path);
      found.catch(() => this.pictures.delete(read));
      this.pictures.set(read, found);
      if (this.pictures.size > 24) this.pictures.delete(this.pictures.keys().next().value);
    }
    return this.pictures.get(read);
  }

  async #next(answer = {}) {
    this.case = null;
    const [one] = this.coming;
    if (!one) {
      if (this.outbox.entries.length) { this.#wait("Waiting for the connection; your answers are kept here."); return; }
      this.#over();
      return;
    }
    let found;
    try {
      found = await this.#picture(one.read);
    } catch (error) {
      if (error.status === 401) { this.page.signIn(); return; }
      this.#wait("The next picture is not here yet: waiting for the connection.");
      setTimeout(() => { if (!this.stopped && !this.case) this.#refresh(); }, 1500);
      return;
    }
    if (this.stopped || this.case) return;
    this.page.only("reading");
    $("waiting").hidden = true;
    this.case = one;
    viewer.show(found.image, found.pixels);
    viewer.reset();
    this.preset = 0;
    this.#use("window");
    $("prompt").hidden = !one.prompt;
    $("prompt-words").textContent = one.prompt;
    $("beside").disabled = !one.reference;
    this.#showBeside(false);
    $("problem").textContent = "";
    this.clock = { spent: 0, since: null };
    this.#startClock();
    questions.show(this.settles ? 1 : this.progress.phase, answer);
    marks.set(answer.marks ?? []);
    if (this.settles) this.#showAnswers(one);
    $("canvas").setAttribute("aria-label", `The image to be read${one.prompt ? `; asked for: ${one.prompt}` : ""}`);
    if (!document.activeElement?.matches("input, textarea")) $("questions").focus({ preventScroll: true });
    this.#told();
  }

  async #refresh() {
    try {
      this.#take(await get(this.settles ? `${this.base}/disputed` : `${this.base}/queue`));
    } catch { /* asked again below */ }
    if (!this.case) await this.#next();
  }

  #wait(words) {
    this.page.only("reading");
    $("waiting").textContent = words;
    $("waiting").hidden = false;
    $("send").disabled = true;
  }

  #over() {
    const undo = !this.settles && this.progress.undo ? () => this.undo() : null;
    if (this.settles) this.page.say("Nothing to settle", "The readers agree so far, or have not read the same cases yet.");
    else if (this.progress.finished) this.page.say("All read", "Thank you. Every case of this study has your answer.", undo);
    else this.page.say("Nothing to read", "There is no case for you in this study.");
  }

  #showAnswers(one) {
    const told = one.answers.map((answer, i) => make("article", {},
      make("h3", { textContent: `Reader ${i + 1}: ${answer.verdict}` }),
      make("p", { textContent: Object.entries(answer.scores).map(([k, v]) => `${k} ${v > 0 ? "+" : ""}${v}`).join(", ") }),
      make("p", { className: "quiet", textContent: [...answer.artefacts, ...answer.why, answer.note].filter(Boolean).join("; ") })));
    const title = make("p", { textContent: `They differ in: ${one.differences.join(", ")}` });
    questions.form.prepend(make("div", { className: "answers" }, title, ...told));
    marks.set(one.answers.flatMap((answer) => answer.marks));
  }

  changed() {
    $("send").disabled = !this.case || Boolean(questions.missing);
    $("unmark").disabled = !marks.list.length;
  }

  async send() {
    if (!this.case) return;
    if (questions.missing) { $("problem").textContent = questions.missing; return; }
    this.#stopClock();
    const seconds = Math.round(this.clock.spent) / 1000;
    const answer = questions.told;
    const { read, prompt, reference } = this.case;
    this.coming = this.coming.filter((one) => one.read !== read);
    this.outbox.put({ read, answer, seconds, prompt, reference });
    if (!this.settles) {
      this.progress.done += 1;
      this.progress.undo = true;
      if (this.progress.done === this.progress.total) {
        this.case = null;
        this.#wait("Sending the last answers of this part …");
        return; // what follows is for the server to say
      }
    }
    await this.#next();
  }

  async #send(entry) {
    const { request, read, answer, seconds } = entry;
    if (this.settles) return post(`${this.base}/adjudications`, { request, case: read, answer });
    return post(`${this.base}/answers`, { request, read, answer, seconds });
  }

  #acknowledged(reply) {
    if (this.stopped) return;
    if (reply) this.#take({ ...reply, progress: reply.progress && this.#ahead(reply.progress) });
    this.#told();
    if (!this.case) this.#next();
  }

  // Progress with what still waits here counted as done.
  #ahead(progress) {
    const waiting = this.outbox.entries.length;
    return { ...progress, done: Math.min(progress.total, progress.done + waiting), undo: progress.undo || waiting > 0 };
  }

  #refused(entry, error) {
    $("problem").textContent = `An answer was refused: ${error.message}. Its case comes again.`;
    this.#refresh();
  }

  async undo() {
    if (this.settles) return;
    const waiting = this.outbox.take();
    try {
      if (waiting) {
        this.coming = [{ read: waiting.read, prompt: waiting.prompt, reference: waiting.reference }, ...this.coming];
        this.progress.done -= 1;
        await this.#next(waiting.answer);
        return;
      }
      await this.outbox.sending;
      if (!this.progress.undo) { $("problem").textContent = "There is nothing to undo in this part."; return; }
      const reply = await post(`${this.base}/undo`, { request: crypto.randomUUID() });
      this.#take(reply);
      await this.#next(reply.answer);
    } catch (error) {
      $("problem").textContent = `Undo: ${error.message}`;
    }
  }

  #told() {
    const waits = this.outbox.entries.length;
    if (this.settles) $("count").textContent = `${this.left} ${this.left === 1 ? "case" : "cases"} to settle`;
    else {
      const { phase, phases, done, total, pace, hint } = this.progress;
      $("count").textContent = `${phases > 1 ? `Part ${phase} of ${phases}: ` : ""}${done} of ${total} read`;
      $("bar").max = total || 1;
      $("bar").value = done;
      $("pace").textContent = pace == null ? "" : `your pace: ${pace.toFixed(1)} s an image`;
      $("hint").textContent = hint;
      $("undo").disabled = !this.progress.undo;
    }
    $("line").textContent = waits && this.outbox.lost
      ? `No connection: ${waits} ${waits === 1 ? "answer is" : "answers are"} kept in this browser and sent later.`
      : waits ? "Sending …" : "All answers are stored.";
    $("line").classList.toggle("waits", Boolean(waits && this.outbox.lost));
    $("line").dataset.waiting = String(waits);
  }

  pause(on = $("paused").hidden) {
    $("paused").hidden = !on;
    if (on) { this.#stopClock(); $("go-on").focus(); } else { this.#startClock(); $("questions").focus({ preventScroll: true }); }
  }

  #startClock() { if (this.clock.since === null && $("paused").hidden) this.clock.since = performance.now(); }

  #stopClock() {
    if (this.clock.since !== null) this.clock.spent += performance.now() - this.clock.since;
    this.clock.since = null;
  }

  #use(tool) { use(tool); }

  cycle(by) {
    this.preset = (this.preset + by + PRESETS.length) % PRESETS.length;
    const [center, width] = PRESETS[this.preset];
    viewer.center = center / 100;
    viewer.width = width / 100;
    viewer.paint();
  }

  async showReference() {
    const on = $("stage-beside").hidden;
    if (on && !this.case?.reference) return;
    this.#showBeside(on);
    if (!on) return;
    const { read } = this.case;
    const path = this.settles ? `${this.base}/disputed/${read}/reference` : `${this.base}/references/${read}`;
    try {
      const found = await picture(path);
      beside.show(found.image, found.pixels);
      beside.reset();
    } catch (error) {
      $("problem").textContent = error.message;
      this.#showBeside(false);
    }
  }

  #showBeside(on) {
    $("stage-beside").hidden = !on;
    $("beside").setAttribute("aria-pressed", String(on));
  }

  key(event) {
    if ($("reading").hidden) return;
    if (!$("paused").hidden) {
      if (event.key === " " || event.key === "Enter") { event.preventDefault(); this.pause(false); }
      return;
    }
    const onButton = event.target.matches("button, a");
    if (onButton && event.key === " ") return; // ticks it
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step && event.altKey) {
      if (marks.move(step[0] / 50, step[1] / 50, event.shiftKey)) event.preventDefault();
      return;
    }
    if (event.altKey) return;
    if (step && event.target !== $("canvas") && step[1] && questions.phase === 1) { event.preventDefault(); questions.step(step[1]); return; }
    const act = this.#keys()[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  #keys() {
    const second = questions.phase === 2;
    const numbers = Object.fromEntries([1, 2, 3, 4, 5].map((n) => [n, () => {
      if (second) { if (n <= questions.second.confidence.length) questions.confidence(n); } else questions.score(n - 3);
    }]));
    return {
      ...numbers,
      a: () => (second ? questions.guess("real") : questions.verdict("accept")),
      r: () => (second ? questions.guess("synthetic") : questions.verdict("reject")),
      u: () => second || questions.verdict("unsure"),
      x: () => questions.focus("artefacts"),
      y: () => questions.focus("why"),
      n: () => questions.focus("note"),
      g: () => questions.focus("diagnosis"),
      Escape: () => $("questions").focus({ preventScroll: true }),
      Enter: () => this.send(),
      Backspace: () => this.undo(),
      " ": () => this.pause(),
      w: () => use("window"), p: () => use("pan"), z: () => use("zoom"),
      b: () => second || use("box"), e: () => second || use("ellipse"), d: () => second || use("freehand"),
      m: () => second || marks.place("box"),
      Delete: () => marks.remove(),
      i: invert, f: () => viewer.fit(), 0: () => viewer.reset(), v: () => this.showReference(),
      "[": () => this.cycle(-1), "]": () => this.cycle(1),
    };
  }
}

function use(tool) {
  viewer.tool = tool;
  viewer.draw();
  for (const button of $("tools").querySelectorAll("[data-tool]")) {
    button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
  }
}

function invert() {
  viewer.setInvert(!viewer.invert);
  $("invert").setAttribute("aria-pressed", String(viewer.invert));
}

$("tools").addEventListener("click", (event) => {
  const tool = event.target.closest("[data-tool]")?.dataset.tool;
  if (tool) use(tool);
});
$("invert").addEventListener("click", invert);
$("fit").addEventListener("click", () => viewer.fit());
$("reset").addEventListener("click", () => viewer.reset());
$("preset").addEventListener("click", () => current?.cycle(1));
$("beside").addEventListener("click", () => current?.showReference());
$("unmark").addEventListener("click", () => marks.remove());
$("send").addEventListener("click", () => current?.send());
$("undo").addEventListener("click", () => current?.undo());
$("pause").addEventListener("click", () => current?.pause());
$("go-on").addEventListener("click", () => current?.pause(false));
$("form").addEventListener("submit", (event) => event.preventDefault());
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target.matches("input, textarea")) $("questions").focus({ preventScroll: true });
});
