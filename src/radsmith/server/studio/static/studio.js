// The page put together: composer, viewer, results, details, history, keys.

import { post } from "./api.js";
import * as composer from "./composer.js";
import * as details from "./details.js";
import { $ } from "./dom.js";
import { Compare } from "./compare.js";
import { Editor } from "./editor.js";
import * as history from "./history.js";
import { Results } from "./results.js";
import { Viewer } from "./viewer.js";

const viewer = new Viewer($("canvas"), readouts);
let shown = null;
let side = 0; // of the square that was asked for, 0 as natural

function readouts() {
  $("empty").hidden = Boolean(viewer.image);
  $("corner-window").textContent = viewer.image ? viewer.reading : "";
  $("corner-zoom").textContent = viewer.image ? `${viewer.probe}   zoom ${Math.round(viewer.scale * 100)} %`.trim() : "";
}

const results = new Results(
  viewer,
  (image, job) => {
    shown = image;
    side = job.side;
    details.show(image);
    const { synthetic, seed } = image.record;
    const name = image.record.canonical_prompt || image.record.prompt;
    $("corner-name").textContent = synthetic ? `${name} · seed ${seed}` : `${name} · uploaded`;
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
$("reuse").addEventListener("click", () => composer.reuse(shown.record, side));
$("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(JSON.stringify(shown.record, null, 1));
  $("copy").textContent = "Copied";
});

// Tabs
const tabs = [...document.querySelectorAll('[role="tab"]')];
function select(tab) {
  for (const one of tabs) {
    const on = one === tab;
    one.setAttribute("aria-selected", String(on));
    one.tabIndex = on ? 0 : -1;
    $(one.getAttribute("aria-controls")).hidden = !on;
  }
  editor.show(tab.id === "tab-edit");
}
for (const tab of tabs) {
  tab.addEventListener("click", () => select(tab));
  tab.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const next = tabs[(tabs.indexOf(tab) + by + tabs.length) % tabs.length];
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
  h: () => { select($("tab-history")); $("search").focus(); },
};
addEventListener("keydown", (event) => {
  if (event.target.matches("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  if ($("help").open || !keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});

composer.start(generate);
history.start(open);
refresh().then((batches) => {
  if (batches.length) open(batches[0].id);
});
