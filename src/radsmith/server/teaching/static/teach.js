// The page put together: who I am, which set, and then learning, looking, drawing or the class.

import { $, make } from "/static/dom.js";
import { post as send } from "/static/requests.js";
import { offer, signIn } from "/static/sign_in.js";
import { get, picture, post } from "./api.js";
import { another } from "./another.js";
import { showClass } from "./class.js";
import { Look } from "./look.js";
import { Questions } from "./question.js";
import { Stage } from "./stage.js";

const PLACES = ["sets", "set", "work", "ask", "class", "message", "sign-in"];
let me = null;
let stage = null;
let questions = null;
let look = null;
let set = null; // id
let mode = "";

function only(id) {
  for (const one of PLACES) $(one).hidden = one !== id;
}

function say(title, text, actions = []) {
  $("message-title").textContent = title;
  $("message-text").textContent = text;
  $("message-actions").replaceChildren(...actions.map(([words, act, primary]) => make("button", {
    type: "button", textContent: words, className: primary ? "primary" : "", onclick: act,
  })));
  only("message");
  $("message-actions").querySelector("button")?.focus();
}

const path = (rest) => `/sets/${encodeURIComponent(set)}${rest}`;
const times = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

async function start() {
  try {
    me = await get("/me");
  } catch (error) {
    if (error.status !== 401) { say("No connection", `${error.message}.`, [["Try again", start, true]]); return; }
    only("sign-in");
    offer();
    return;
  }
  $("who").textContent = me.local ? "on this machine" : `${me.name} · ${me.role}`;
  $("leave").hidden = me.local;
  go();
}

// The address says where we are: #set/mode.
async function go() {
  const [wanted, how = ""] = location.hash.slice(1).split("/").map(decodeURIComponent);
  questions?.stop();
  look?.stop();
  questions = look = null;
  set = me.sets.some((one) => one.id === wanted && !one.error) ? wanted : null;
  mode = set ? how : "";
  $("modes").hidden = !set;
  try {
    if (!set) { await showSets(); return; }
    showModes();
    const shown = { "": intro, quiz: () => learn("coming"), repeat: () => learn("repeat"), look: looking, another: asking, class: results };
    await (shown[mode] ?? intro)();
  } catch (error) {
    if (error.status === 401) { start(); return; }
    say("That did not work", `${error.message}.`, [["Try again", go, true]]);
  }
}

function to(how, of = set) {
  const hash = `#${encodeURIComponent(of)}${how ? `/${how}` : ""}`;
  if (location.hash === hash) go();
  else location.hash = hash;
}

function showModes() {
  const modes = [["", "About"], ["quiz", "Quiz"], ["repeat", "Repeat"], ["look", "Look"]];
  if (me.draws) modes.push(["another", "Another"]);
  if (me.teacher) modes.push(["class", "Class"]);
  $("modes").replaceChildren(...modes.map(([how, words]) => make("button", {
    type: "button", textContent: words, "data-mode": how, "aria-pressed": String(how === mode), onclick: () => to(how),
  })));
}

async function showSets() {
  me = await get("/me");
  $("set-list").replaceChildren(...me.sets.map((one) => {
    if (one.error) return make("p", { className: "problem", textContent: `${one.title}: ${one.error}` });
    const told = [one.answered ? `${one.answered} of ${one.total} answered, ${one.right} right` : times(one.total, "question")];
    if (one.closed) told.push(`${one.closed} wait for experts`);
    const mark = one.unreviewed ? [make("span", { className: "mark", textContent: "not reviewed" })] : [];
    return make("button", { type: "button", "data-set": one.id, onclick: () => to("", one.id) },
      make("strong", { textContent: one.title }), make("span", { className: "quiet", textContent: told.join(" · ") }), ...mark);
  }));
  $("no-trial").textContent = me.sets.length ? "" : "No set yet: make one with radsmith teach new NAME --prompt …";
  only("sets");
}

async function intro() {
  const [about, queue] = await Promise.all([get(path("")), get(path("/queue"))]);
  $("set-title").textContent = about.title;
  const by = about.studies.length ? `; accepted by experts in ${about.studies.join(", ")}` : "";
  $("set-counts").textContent = `${times(about.questions, "question")} on ${about.synthetic} synthetic and ${about.real} real images${by}.`;
  if (about.simulated_readers.length) $("set-counts").textContent += " The readers were SIMULATED, no experts.";
  $("set-unread").hidden = !about.unread && !about.closed;
  $("set-unread").textContent = [
    about.unread ? `${times(about.unread, "image")} of this set ${about.unread === 1 ? "was" : "were"} never looked at by an expert: what they show may be wrong.` : "",
    about.closed ? `${times(about.closed, "question")} wait until experts accept their images.` : "",
  ].filter(Boolean).join(" ");
  $("set-no-trial").textContent = about.no_trial;
  $("set-weak").hidden = !about.weak.length;
  $("set-evidence").textContent = about.evidence;
  $("set-weak-list").replaceChildren(...about.weak.map((one) => make("li", { textContent: one.warning })));
  const count = (one) => `${one.name}: ${one.images == null ? "unknown" : one.images.toLocaleString("en")} training images`;
  const lists = [["Learned from", about.classes.map(count)], ["Not asked", about.notes]].filter(([, list]) => list.length);
  $("set-details").replaceChildren(...lists.flatMap(([title, list]) => [
    make("strong", { textContent: title }), make("ul", {}, ...list.map((text) => make("li", { textContent: text })))]));
  $("set-more").hidden = !lists.length;
  const { progress } = queue;
  const words = progress.answered ? (queue.coming.length ? "Go on" : "Results") : "Begin";
  const actions = [make("button", { type: "button", id: "begin", className: "primary", textContent: words, disabled: !about.questions, onclick: () => to("quiz") })];
  if (queue.due) actions.push(make("button", { type: "button", id: "again", textContent: `Repeat ${queue.due}`, onclick: () => to("repeat") }));
  $("set-actions").replaceChildren(...actions);
  $("set-repeat").textContent = repeatWords(queue);
  only("set");
}

function repeatWords(queue) {
  if (queue.no_repetition) return queue.no_repetition;
  if (!queue.missed) return "";
  const next = queue.due ? `${queue.due} to repeat now` : `next in ${span(queue.next)}`;
  return `${times(queue.missed, "question")} missed so far, ${next}.`;
}

function span(seconds) {
  if (seconds < 90) return "a minute";
  if (seconds < 5400) return `${Math.round(seconds / 60)} minutes`;
  return seconds < 129600 ? `${Math.round(seconds / 3600)} hours` : `${Math.round(seconds / 86400)} days`;
}

function onStage() {
  stage ??= new Stage(() => {});
  $("grader").hidden = true;
  only("work");
}

async function learn(which) {
  let queue = await get(path("/queue"));
  const about = await get(path(""));
  if (!queue[which].length) { done(which, queue); return; }
  onStage();
  $("verdict-evidence").textContent = about.evidence;
  const here = set;
  const tell = () => {
    const { answered, right, total } = queue.progress;
    $("count").textContent = which === "repeat" ? `${queue.due} to repeat`
      : `${answered} of ${total} answered, ${right} right`;
    $("bar").max = which === "repeat" ? Math.max(1, queue.missed) : Math.max(1, total);
    $("bar").value = which === "repeat" ? queue.missed - queue.due : answered;
  };
  const backend = {
    picture: (token) => picture(`/sets/${encodeURIComponent(here)}/pictures/${token}`),
    answer: async (item, answer, seconds, request) => {
      const body = { request, item: item.id, seconds, ...answer };
      const told = await post(`/sets/${encodeURIComponent(here)}/answers`, body);
      queue = told.queue;
      tell();
      return { solution: told.solution, next: queue[which].filter((one) => one.id !== item.id) };
    },
  };
  tell();
  questions = new Questions(stage, backend, () => done(which, queue));
  await questions.begin(queue[which]);
}

function done(which, queue) {
  const { answered, right, total } = queue.progress;
  const actions = [["About the set", () => to("")]];
  if (queue.due) actions.unshift(["Repeat what was missed", () => to("repeat"), true]);
  if (queue.missed) actions.push(["Misses for Anki", () => location.assign(`/teach/api${path("/misses")}`)]);
  if (which === "repeat") {
    say("Nothing to repeat now", queue.missed ? repeatWords(queue) : "What you answer wrongly comes back here.", actions);
  } else if (!total) {
    say("Nothing to ask yet", "Experts have accepted none of this set's images so far.", actions);
  } else {
    const share = answered ? ` (${Math.round((100 * right) / answered)} %)` : "";
    say("All answered", `${right} of ${answered} right${share}. ${repeatWords(queue)}`, actions);
  }
}

async function looking() {
  const found = await get(path("/looks"));
  if (!found.series.length && !found.pairs.length) {
    const pairs = found.unanswered ? `${times(found.unanswered, "matched pair")} can be looked at once answered. ` : "";
    say("Nothing to look at", `${pairs}${found.notes.join(". ") || "This set has no severity slider."}`, [["Quiz", () => to("quiz"), true]]);
    return;
  }
  onStage();
  const here = set;
  look = new Look(stage, found, (token) => picture(`/sets/${encodeURIComponent(here)}/pictures/${token}`));
  await look.start();
}

async function asking() {
  only("ask");
  $("ask-prompt").focus();
}

async function results() {
  await showClass(path(""), me.exports);
  only("class");
}

$("ask-form").addEventListener("submit", (event) => {
  event.preventDefault();
  another($("ask-prompt").value.trim());
});
$("answer").addEventListener("click", () => questions?.send());
$("mask").addEventListener("click", () => stage.toggleMask());
$("home").addEventListener("click", (event) => { event.preventDefault(); location.hash = ""; });
$("theme").addEventListener("click", () => {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("radsmith-theme", root.dataset.theme);
});
$("leave").addEventListener("click", async () => {
  await send("/review/api/logout", {});
  location.hash = "";
  start();
});
signIn(start);
document.addEventListener("keydown", (event) => {
  const typing = ["INPUT", "TEXTAREA"].includes(event.target.tagName) && event.target.type !== "range";
  if ($("work").hidden || typing) return;
  if (event.key === "Enter" && event.target.tagName === "BUTTON" && event.target.id !== "answer" && !event.target.closest("#work")) return;
  if ((questions ?? look)?.key(event)) event.preventDefault();
});
addEventListener("hashchange", go);
document.documentElement.dataset.theme = localStorage.getItem("radsmith-theme") ?? "dark";
start();
