// The page put together: who I am, which study, and then either reading, settling or watching.

import { $, make } from "/static/dom.js";
import { offer, signIn } from "/static/sign_in.js";
import { get, post } from "./api.js";
import { Reading } from "./reading.js";

let me = null;
let reading = null;

function only(id) {
  for (const one of ["reading", "message", "sign-in", "figures"]) $(one).hidden = one !== id;
}

function say(title, text, undo = null) {
  $("message-title").textContent = title;
  $("message-text").textContent = text;
  $("message-undo").hidden = !undo;
  $("message-undo").onclick = undo;
  only("message");
}

const modes = [
  ["reads", "read", (study) => `${study.name}`],
  ["settles", "settle", (study) => `${study.name}: settle`],
  ["watches", "watch", (study) => `${study.name}: figures`],
];

async function start() {
  try {
    me = await get("/me");
  } catch (error) {
    if (error.status !== 401) {
      say("No connection", "The server does not answer. What you answered is kept in this browser.");
      setTimeout(start, 3000);
      return;
    }
    only("sign-in");
    offer();
    return;
  }
  $("who").textContent = me.local ? "on this machine" : `${me.name} · ${me.role}`;
  $("leave").hidden = me.local;
  const places = me.studies.flatMap((study) =>
    modes.filter(([right]) => study[right]).map(([, mode, words]) => ({ study, mode, words: words(study) })));
  $("studies").replaceChildren(...places.map(({ study, mode, words }) => make("button", {
    type: "button", textContent: words, "data-place": `${mode} ${study.id}`, onclick: () => open(study.id, mode),
  })));
  const wanted = location.hash.slice(1);
  const first = places.find(({ study, mode }) => `${mode}/${encodeURIComponent(study.id)}` === wanted) ?? places[0];
  if (!first) { say("Nothing to review", "No study on this server names you. Ask whoever organises it."); return; }
  open(first.study.id, first.mode);
}

async function open(study, mode) {
  history.replaceState(null, "", `#${mode}/${encodeURIComponent(study)}`);
  for (const node of $("studies").children) {
    node.setAttribute("aria-pressed", String(node.dataset.place === `${mode} ${study}`));
  }
  reading?.stop();
  reading = null;
  if (mode === "watch") { watch(study); return; }
  reading = new Reading(me, study, mode === "settle", { only, say, signIn: start });
  await reading.start();
}

function watch(study) {
  const base = `/review/api/studies/${encodeURIComponent(study)}`;
  const links = [make("a", { className: "button", href: `${base}/report`, target: "_blank", textContent: "Open the report" })];
  if (me.role === "organiser") links.push(make("a", { className: "button", href: `${base}/ratings.csv`, textContent: "All answers (CSV)" }));
  $("figures").replaceChildren(make("h2", { textContent: "Figures so far" }), make("p", { className: "actions" }, ...links), make("div", { id: "tables" }));
  only("figures");
  get(`/studies/${encodeURIComponent(study)}/figures`).then(show, (error) => say("No figures", error.message));
}

const number = (figure) => (figure?.value == null ? "undefined" : figure.interval
  ? `${figure.value.toFixed(2)} (${figure.interval.map((v) => v.toFixed(2)).join(" to ")})` : figure.value.toFixed(2));
const share = (f) => (f?.value == null ? "–" : `${f.count} of ${f.of}: ${Math.round(100 * f.value)} %`);

function table(title, head, rows) {
  const line = (cells, tag) => make("tr", {}, ...cells.map((cell) => make(tag, { textContent: cell })));
  return [make("h2", { textContent: title }), make("table", {},
    make("thead", {}, line(head, "th")), make("tbody", {}, ...rows.map((row) => line(row, "td"))))];
}

function show(found) {
  const simulated = found.simulated_readers.length ? [make("p", { className: "mark", textContent: "Simulated readers, no experts" })] : [];
  const agreed = Object.entries(found.agreement).flatMap(([name, parts]) => (parts.all
    ? [[name, parts.all.cases, number(parts.all.krippendorff_alpha), number(parts.all.cohen_kappa), number(parts.all.gwet_ac1)]] : []));
  $("tables").replaceChildren(...simulated,
    ...table("Progress", ["reader", "phase", "read", "of"], found.progress.map((p) => [p.reader, p.phase, p.done, p.of])),
    ...table("Outcome by rule", ["rule", "accepted", "rejected", "undecided"],
      ["all", "majority", "adjudicated"].map((rule) => [rule, ...["accept", "reject", "undecided"].map((k) => found.outcomes[rule][k])])),
    ...table("Agreement (95 % interval)", ["question", "cases", "Krippendorff's alpha", "Cohen's or Conger's κ", "Gwet AC1"], agreed),
    make("p", { className: "quiet", textContent: "κ near 0 is good news for realism if readers agree with themselves; for verdicts and diagnoses it is bad news." }),
    ...table("Real or made? Right answers", ["", "right"], [["all", share(found.realism.accuracy)],
      ["real called real", share(found.realism.real_called_real)], ["made called made", share(found.realism.synthetic_called_synthetic)]]));
}

signIn(start);
$("leave").addEventListener("click", async () => {
  await post("/logout", {}).catch(() => null);
  location.reload();
});

const root = document.documentElement;
root.dataset.theme = localStorage.getItem("review-theme") ?? "dark";
$("theme").addEventListener("click", () => {
  root.dataset.theme = root.dataset.theme === "light" ? "dark" : "light";
  localStorage.setItem("review-theme", root.dataset.theme);
});

const KEYS = [
  ["A", "accept, as it should be; then Enter sends: two keys"], ["R  U", "reject, unsure; say why"],
  ["1–5", "score the question at hand from -2 to +2"], ["↑  ↓", "question before, after"],
  ["X  Y", "artefacts, reasons: arrows move, Space ticks, Esc leaves"], ["N  G", "note, diagnosis; Esc leaves"],
  ["Enter", "send; the next image is there"], ["Backspace", "undo the last answer"], ["Space", "pause and go on"],
  ["W P Z", "drag to window, pan, zoom"], ["[  ]", "window presets"], ["I F 0 V", "invert, fit, reset, reference beside it"],
  ["B E D", "mark a box, an ellipse, freehand by pointer"], ["M", "a mark in the middle: Alt and arrows move it, Alt Shift and arrows size it"],
  ["Del", "remove the last mark"],
];
$("key-list").replaceChildren(...KEYS.flatMap(([key, words]) => [make("dt", {}, make("kbd", { textContent: key })), make("dd", { textContent: words })]));
$("help-open").addEventListener("click", () => $("help").showModal());
addEventListener("keydown", (event) => {
  if (event.target.matches("input, textarea, select") || event.ctrlKey || event.metaKey || $("help").open) return;
  if (event.key === "?") { event.preventDefault(); $("help").showModal(); } else reading?.key(event);
});

addEventListener("hashchange", start); // an address of another study or part was opened
start();
