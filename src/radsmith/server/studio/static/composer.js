// The prompt box: what is understood while it is typed, and the settings.

import { get } from "./api.js";
import { $, make } from "./dom.js";

const PAUSE_MS = 180;
let timer = 0;
let asked = null;

export const settings = () => ({
  prompt: $("prompt").value,
  n: Number($("count").value),
  size: $("size").value,
  steps: Number($("steps").value),
  guidance: Number($("guidance").value),
  strict: $("strict").checked,
  ...($("seed").value === "" ? {} : { seed: Number($("seed").value) }),
});

export function setPrompt(text) {
  $("prompt").value = text;
  read();
}

// size: [width, height] that was asked for, or null.
export function reuse(record, size) {
  const words = size ? size.join("x") : "auto";
  if (![...$("size").options].some((option) => option.value === words)) $("size").append(make("option", {}, words));
  $("size").value = words;
  setPrompt(record.prompt);
  $("seed").value = record.seed;
  $("steps").value = record.num_steps;
  $("guidance").value = record.guidance_scale;
}

export function say(problem) {
  $("problem").textContent = problem;
  $("problem").hidden = !problem;
}

function chip(entry) {
  const notes = {
    learned: `${entry.images} training images`,
    noted: "",
    weak: `only ${entry.images} training images`,
    never: "never learned",
    absent: "left out of the picture",
  };
  const title = [`“${entry.words}”`, entry.kind, entry.code, notes[entry.standing]].filter(Boolean).join(" · ");
  const short = { weak: `weak: ${entry.images}`, never: "never learned" }[entry.standing] ?? entry.kind;
  return make("li", { className: entry.standing, title }, entry.name, make("small", {}, short));
}

function unknown(entry) {
  const node = make("li", { className: "unknown" }, entry.word, make("small", {}, "not understood"));
  for (const form of entry.suggestions) {
    const take = make("button", { type: "button", title: `replace by ${form}` }, form);
    take.addEventListener("click", () => {
      setPrompt($("prompt").value.replace(entry.word, form));
      $("prompt").focus();
    });
    node.append(take);
  }
  return node;
}

function show(reading) {
  $("chips").replaceChildren(...reading.chips.map(chip), ...reading.unknown.map(unknown));
  $("canonical").textContent = reading.canonical ? `Draws: ${reading.canonical}` : "";
  const lines = reading.warnings.map((text) => make("li", {}, text));
  if (reading.error) lines.unshift(make("li", { className: "error" }, reading.error));
  $("warnings").replaceChildren(...lines);
}

async function read() {
  clearTimeout(timer);
  asked?.abort();
  const prompt = $("prompt").value;
  if (!prompt.trim()) {
    show({ chips: [], unknown: [], canonical: "", warnings: [], error: "" });
    return;
  }
  asked = new AbortController();
  try {
    show(await get("/studio/read", { prompt, size: $("size").value }, asked.signal));
  } catch (error) {
    if (error.name !== "AbortError") say(error.message);
  }
}

export function start(generate) {
  $("prompt").addEventListener("input", () => {
    say("");
    clearTimeout(timer);
    timer = setTimeout(read, PAUSE_MS);
  });
  $("size").addEventListener("change", read);
  $("prompt").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("composer").requestSubmit();
  });
  $("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    generate(settings());
  });
  $("examples").addEventListener("click", (event) => {
    const text = event.target.closest("button")?.dataset.prompt;
    if (text) setPrompt(text);
  });
  read();
}
