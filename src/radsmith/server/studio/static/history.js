// What was asked for before, newest first, with search.

import { get, previewOf } from "./api.js";
import { $, clock, make } from "./dom.js";

let until = null;
let asked = null;
let timer = 0;

function entry(batch, open) {
  const images = batch.jobs.filter((job) => job.image).map((job) => job.image);
  const counts = [`${images.length} of ${batch.jobs.length}`];
  for (const state of ["failed", "cancelled"]) {
    const number = batch.jobs.filter((job) => job.state === state).length;
    if (number) counts.push(`${number} ${state}`);
  }
  if (batch.open) counts.push("drawing");
  const thumbs = images.slice(0, 5).map((image) => make("img", { src: previewOf(image), alt: "", loading: "lazy" }));
  const button = make(
    "button",
    { type: "button" },
    make("span", {}, batch.prompt || batch.operation),
    make("span", { className: "thumbs" }, ...thumbs),
    make("small", {}, `${clock(batch.created)} · ${batch.operation} · ${counts.join(", ")}`),
  );
  button.dataset.batch = batch.id;
  button.addEventListener("click", () => open(batch.id));
  return make("li", {}, button);
}

async function load(open, more) {
  asked?.abort();
  asked = new AbortController();
  const query = { search: $("search").value };
  if (more && until !== null) query.before = until;
  try {
    const page = await get("/studio/history", query, asked.signal);
    const entries = page.batches.map((batch) => entry(batch, open));
    if (more) $("batches").append(...entries);
    else $("batches").replaceChildren(...(entries.length ? entries : [make("li", { className: "quiet" }, "Nothing found.")]));
    until = page.batches.at(-1)?.created ?? until;
    $("older").hidden = !page.more;
    return page.batches;
  } catch (error) {
    if (error.name === "AbortError") return [];
    throw error;
  }
}

export const refresh = (open) => load(open, false);

export function start(open) {
  $("search").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => load(open, false), 200);
  });
  $("older").addEventListener("click", () => load(open, true));
}
