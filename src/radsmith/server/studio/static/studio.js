// The page put together: composer, viewer, results, details, history, keys.

import { post, remove } from "./api.js";
import * as composer from "./composer.js";
import * as details from "./details.js";
import { $, small, sure } from "./dom.js";
import { Compare } from "./compare.js";
import { Editor } from "./editor.js";
import * as history from "./history.js";
import { Results } from "./results.js";
import { Viewer } from "./viewer.js";

const viewer = new Viewer($("canvas"), readouts);
let shown = null;
let size = null; // [width, height] that was asked for, null as natural

function readouts() {
  $("empty").hidden = Boolean(viewer.image);
  $("corner-window").textContent = viewer.image ? viewer.reading : "";
  $("corner-zoom").textContent = viewer.image ? `${viewer.probe}   zoom ${Math.round(viewer.scale * 100)} %`.trim() : "";
}

const results = new Results(
  viewer,
  (image, job) => {
    shown = image;
    size = job.size;
    details.show(image);
    const { synthetic, seed } = image.record;
    const name = image.record.canonical_prompt || image.record.prompt;
    $("corner-name").textContent = synthetic ? `${name} · seed ${seed}` : `${name} · uploaded`;
    document.body.classList.toggle("uploaded", !synthetic);
    $("corner-mark").textContent = `${synthetic ? "Synthetic" : "Uploaded"} · not for diagnosis`;
    $("canvas").setAttribute("aria-label", `${synthetic ? "Synthetic" : "Uploaded"} image: ${name}`);
    editor.source(image);
    compare.source(results.batch, job);
  },
  composer.say,
  (batch) => {
    compare.update(batch);
    if (!batch.open) refresh();
  },
);

const editor = new Editor(viewer, use, async (batch) => {
  await open(batch);
  await refresh();
});
const compare = new Compare(viewer, results, composer.say);

async function refresh() {
  try {
    const batches = await history.refresh(open);
    mark(results.batch?.id);
    return batches;
  } catch (error) {
    composer.say(error.message);
    return [];
  }
}

function mark(batch) {
  for (const button of $("batches").querySelectorAll("button")) {
    button.setAttribute("aria-current", String(button.dataset.batch === batch));
  }
}

async function open(batch) {
  try {
    await results.open(batch);
    mark(batch);
  } catch (error) {
    composer.say(error.message);
  }
}

async function generate(body) {
  composer.say("");
  if (small.matches) document.activeElement?.blur(); // the keyboard goes, the image is seen
  $("generate").disabled = true;
  try {
    const { batch } = await post("/studio/generate", body);
    await open(batch);
    await refresh();
  } catch (error) {
    composer.say(error.message);
  } finally {
    $("generate").disabled = false;
  }
}

// A person's own image
$("bring").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", async () => {
  const [file] = $("file").files;
  $("file").value = "";
  if (!file) return;
  const form = new FormData();
  form.append("image", file);
  composer.say("");
  try {
    const { batch } = await post("/studio/uploads", form);
    await open(batch);
    await refresh();
    select($("tab-edit"));
  } catch (error) {
    composer.say(error.message);
  }
});

// Tools
function use(tool) {
  viewer.tool = tool;
  viewer.draw();
  for (const button of $("tools").querySelectorAll("[data-tool]")) {
    button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
  }
}
$("tools").addEventListener("click", (event) => {
  const tool = event.target.closest("[data-tool]")?.dataset.tool;
  if (tool) use(tool);
});
function invert() {
  viewer.setInvert(!viewer.invert);
  $("invert").setAttribute("aria-pressed", String(viewer.invert));
}
$("invert").addEventListener("click", invert);
$("fit").addEventListener("click", () => viewer.fit());
$("actual").addEventListener("click", () => viewer.actual());
$("reset").addEventListener("click", () => viewer.reset());
$("reuse").addEventListener("click", () => {
  composer.reuse(shown.record, size);
  if (small.matches) select($("tab-prompt"));
});
$("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(JSON.stringify(shown.record, null, 1));
  $("copy").textContent = "Copied";
});

// What is theirs, a person can take away
function nothing() {
  shown = null;
  results.close();
  viewer.clear();
  details.clear();
  editor.source(null);
  compare.close();
  for (const name of ["corner-name", "corner-window", "corner-zoom"]) $(name).textContent = "";
}

async function take(path, question, words) {
  if (!(await sure(question, words))) return;
  composer.say("");
  try {
    const { id } = await remove(path);
    const left = id === "everything" ? null : results.batch?.id;
    nothing();
    const batches = await refresh();
    if (left && batches.some((batch) => batch.id === left)) await open(left);
  } catch (error) {
    composer.say(error.message);
    if (small.matches) select($("tab-prompt"));
  }
}
$("delete").addEventListener("click", () => {
  const what = shown.record.synthetic ? "this image" : "this uploaded image";
  take(`/studio/images/${shown.id}`, `Delete ${what}, here and on the disk? Images made from it stay.`, "Delete");
});
$("delete-batch").addEventListener("click", () => {
  const number = results.batch.jobs.length;
  take(`/studio/batches/${results.batch.id}`, `Delete the prompt and its ${number} image${number === 1 ? "" : "s"}, here and on the disk?`, "Delete all of it");
});
$("delete-everything").addEventListener("click", () => {
  take("/studio/everything", "Delete all your images, uploads and prompts, here and on the disk? What is being drawn stops.", "Delete everything");
});

// Tabs
const tabs = [...document.querySelectorAll('[role="tab"]')];
function select(tab) {
  for (const one of tabs) {
    const on = one === tab;
    one.setAttribute("aria-selected", String(on));
    one.tabIndex = on ? 0 : -1;
    const panel = $(one.getAttribute("aria-controls"));
    if (panel !== $("compose")) panel.hidden = !on;
  }
  document.body.dataset.panel = tab.getAttribute("aria-controls");
  editor.show(tab.id === "tab-edit");
}
// On a phone the prompt is a panel like the others; on a desk it is always there.
function arrange() {
  if (small.matches) select($("tab-prompt"));
  else if (document.body.dataset.panel === "compose") select($("tab-details"));
}
small.addEventListener("change", arrange);
for (const tab of tabs) {
  tab.addEventListener("click", () => select(tab));
  tab.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const there = tabs.filter((one) => one.checkVisibility());
    const next = there[(there.indexOf(tab) + by + there.length) % there.length];
    select(next);
    next.focus();
  });
}

// Light and dark
const root = document.documentElement;
const dark = matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
root.dataset.theme = localStorage.getItem("theme") ?? dark;
$("theme").addEventListener("click", () => {
  root.dataset.theme = root.dataset.theme === "light" ? "dark" : "light";
  localStorage.setItem("theme", root.dataset.theme);
});

// Keys
const help = () => $("help").showModal();
$("help-open").addEventListener("click", help);
const keys = {
  "/": () => $("prompt").focus(),
  "?": help,
  "[": () => results.step(-1),
  "]": () => results.step(1),
  w: () => use("window"),
  p: () => use("pan"),
  z: () => use("zoom"),
  i: invert,
  f: () => viewer.fit(),
  1: () => viewer.actual(),
  r: () => viewer.reset(),
  b: () => { select($("tab-edit")); if (!$("brush-tool").hidden) use("brush"); },
  e: () => editor.toggleErase(),
  c: () => compare.toggle(),
  a: () => compare.toggleAll(),
  s: () => shown && $("save-png").click(),
  u: () => editor.open && editor.step("undo"),
  h: () => { select($("tab-history")); $("search").focus(); },
};
addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && editor.open) {
    if (event.target.matches("textarea, input:not([type=range])")) return; // of the words
    event.preventDefault();
    editor.step(event.shiftKey ? "redo" : "undo");
    return;
  }
  if (event.target.matches("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  if ($("help").open || !keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});

arrange();
composer.start(generate);
history.start(open);
refresh().then((batches) => {
  if (batches.length) open(batches[0].id);
});
