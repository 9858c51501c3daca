// The page of a SCORM 1.2 package: it marks answers itself and tells the learning management system.
//
// ADL, SCORM 1.2 Run-Time Environment, section 3.3 (finding the API) and 3.4 (the data model).

import { $, make } from "/static/dom.js";
import { Stage, asShown, cellsOf } from "./stage.js";
import { Questions } from "./question.js";

const GRID = 128;
const NEAR = 3;
const set = window.RADSMITH_SET;
const began = Date.now();

// The API lies in a window above this one, or in the one that opened it.
function found() {
  const above = (from) => {
    let at = from;
    for (let level = 0; at && level < 500; level++) {
      try {
        if (at.API) return at.API;
      } catch { return null; }
      if (at.parent === at) return null;
      at = at.parent;
    }
    return null;
  };
  return above(window) ?? above(window.opener);
}

class Lms {
  constructor() {
    this.api = found();
    this.open = Boolean(this.api) && String(this.api.LMSInitialize("")) === "true";
    $("lms").textContent = this.open ? "" : "Without a learning management system: nothing is kept";
    this.count = 0;
  }

  get(name) { return this.open ? this.api.LMSGetValue(name) : ""; }

  set(name, value) {
    if (this.open && String(this.api.LMSSetValue(name, String(value))) !== "true") {
      console.warn(`the LMS refused ${name}: error ${this.api.LMSGetLastError()}`);
    }
  }

  commit() { if (this.open) this.api.LMSCommit(""); }

  // cmi.interactions are written in order, from what the LMS counts already.
  interaction(item, answer, solution, seconds) {
    const number = Number(this.get("cmi.interactions._count") || this.count);
    this.count = number + 1;
    const at = `cmi.interactions.${number}`;
    const short = (list, of) => list.map((one) => String(of.indexOf(one)));
    const said = answer.order ? short(answer.order, item.pictures).join(",")
      : answer.point ? answer.point.map((v) => v.toFixed(3)).join(",") : short([answer.choice], item.choices).join(",");
    const right = item.kind === "order" ? short(solution.answer, item.pictures).join(",") : short(solution.answer, item.choices).join(",");
    this.set(`${at}.id`, item.id);
    this.set(`${at}.type`, item.kind === "order" ? "sequencing" : item.kind === "where" ? "performance" : "choice");
    this.set(`${at}.time`, new Date().toTimeString().slice(0, 8));
    if (item.kind !== "where") this.set(`${at}.correct_responses.0.pattern`, right);
    this.set(`${at}.student_response`, said);
    this.set(`${at}.result`, solution.correct ? "correct" : "wrong");
    this.set(`${at}.latency`, timespan(seconds));
  }

  finish() {
    if (!this.open) return;
    this.set("cmi.core.session_time", timespan((Date.now() - began) / 1000));
    this.commit();
    this.api.LMSFinish("");
    this.open = false;
  }
}

// CMITimespan: HHHH:MM:SS.SS
function timespan(seconds) {
  const two = (value) => String(Math.floor(value)).padStart(2, "0");
  return `${String(Math.floor(seconds / 3600)).padStart(4, "0")}:${two((seconds / 60) % 60)}:${two(seconds % 60)}`;
}

export function marked(item, answer) {
  if (item.kind === "order") {
    const right = item.solution.answer;
    const place = (token) => answer.order.indexOf(token);
    const pairs = right.flatMap((first, i) => right.slice(i + 1).map((later) => place(first) < place(later)));
    return { correct: pairs.every(Boolean), score: pairs.filter(Boolean).length / pairs.length };
  }
  if (item.kind === "where") {
    const [x, y] = answer.point.map((value) => Math.min(GRID - 1, Math.floor(value * GRID)));
    const cells = cellsOf(item.solution.region);
    let hit = false;
    for (let row = Math.max(0, y - NEAR); row <= Math.min(GRID - 1, y + NEAR); row++) {
      for (let column = Math.max(0, x - NEAR); column <= Math.min(GRID - 1, x + NEAR); column++) hit ||= Boolean(cells[row * GRID + column]);
    }
    return { correct: hit, score: Number(hit) };
  }
  const correct = item.solution.answer.includes(answer.choice);
  return { correct, score: Number(correct) };
}

const decoded = new Map();

// A picture out of the package: its gray levels by way of a canvas.
function picture(token) {
  if (!decoded.has(token)) {
    decoded.set(token, new Promise((done, failed) => {
      const image = new Image();
      image.onerror = () => failed(new Error("a picture of this package cannot be read"));
      image.onload = () => {
        const sheet = make("canvas", { width: image.width, height: image.height });
        const context = sheet.getContext("2d");
        context.drawImage(image, 0, 0);
        const data = context.getImageData(0, 0, image.width, image.height).data;
        done(asShown(Uint8Array.from({ length: data.length / 4 }, (_, i) => data[4 * i])));
      };
      image.src = set.pictures[token];
    }));
  }
  return decoded.get(token);
}

const lms = new Lms();
// suspend_data: a digit an item in the order of the set: 1 right, 0 wrong, - not yet.
const kept = lms.get("cmi.suspend_data");
const state = kept?.length === set.items.length ? [...kept] : set.items.map(() => "-");

function tell() {
  const answered = state.filter((one) => one !== "-").length;
  const right = state.filter((one) => one === "1").length;
  $("count").textContent = `${answered} of ${state.length} answered, ${right} right`;
  $("bar").max = state.length;
  $("bar").value = answered;
  return { answered, right };
}

const left = () => set.items.filter((_, at) => state[at] === "-");

const backend = {
  picture,
  answer: async (item, answer, seconds) => {
    const found = marked(item, answer);
    state[set.items.indexOf(item)] = found.correct ? "1" : "0";
    const { answered, right } = tell();
    const solution = { ...item.solution, ...found };
    lms.interaction(item, answer, solution, seconds);
    lms.set("cmi.core.score.min", 0);
    lms.set("cmi.core.score.max", 100);
    const score = Math.round((100 * right) / state.length);
    lms.set("cmi.core.score.raw", score);
    lms.set("cmi.suspend_data", state.join(""));
    const over = answered === state.length;
    lms.set("cmi.core.lesson_status", over ? (score >= set.mastery ? "passed" : "failed") : "incomplete");
    lms.set("cmi.core.exit", over ? "" : "suspend");
    lms.commit();
    return { solution, next: left() };
  },
};

function only(id) {
  for (const one of ["set", "work", "message"]) $(one).hidden = one !== id;
}

function finished() {
  const { answered, right } = tell();
  $("message-title").textContent = "All answered";
  $("message-text").textContent = `${right} of ${answered} right. ${set.about.no_trial}`;
  only("message");
  lms.finish();
}

const { about } = set;
$("set-counts").textContent = `${set.items.length} questions on ${about.synthetic} synthetic and ${about.real} real images.`;
$("set-unread").hidden = !about.unread;
$("set-unread").textContent = `${about.unread} images were never looked at by an expert: what they show may be wrong.`;
$("set-no-trial").textContent = about.no_trial;
$("set-weak").hidden = !about.weak.length;
$("set-evidence").textContent = $("verdict-evidence").textContent = about.evidence;
$("set-weak-list").replaceChildren(...about.weak.map((one) => make("li", { textContent: one.warning })));
const stage = new Stage(() => {});
const questions = new Questions(stage, backend, finished);
$("begin").addEventListener("click", () => { only("work"); tell(); questions.begin(left()); });
$("answer").addEventListener("click", () => questions.send());
$("mask").addEventListener("click", () => stage.toggleMask());
document.addEventListener("keydown", (event) => {
  if (!$("work").hidden && questions.key(event)) event.preventDefault();
});
addEventListener("pagehide", () => lms.finish());
if (lms.open && !kept) lms.set("cmi.core.lesson_status", "incomplete");
only("set");
