// “Show me another”: ask, wait for the queue, show what came with its mark.

import { $, make } from "/static/dom.js";
import { get, picture, post } from "./api.js";

const WAIT_MS = 400;
let latest = 0;

export async function another(prompt) {
  const own = ++latest;
  $("ask-state").textContent = "Drawing…";
  $("ask-warnings").hidden = true;
  $("ask-picture").hidden = true;
  try {
    const { batch } = await post("/another", { prompt });
    let found = await get(`/another/${batch}`);
    while (found.open && own === latest) {
      await new Promise((done) => setTimeout(done, WAIT_MS));
      found = await get(`/another/${batch}`);
    }
    if (own !== latest) return;
    if (!found.image) { $("ask-state").textContent = found.error ?? "It was not drawn."; return; }
    const told = [...found.warnings, found.evidence].filter(Boolean);
    $("ask-warnings").hidden = !told.length;
    $("ask-warnings").replaceChildren(...told.map((text) => make("li", { textContent: text })));
    show(await picture(`/another/${found.image}/picture`));
    $("ask-state").textContent = found.canonical;
  } catch (error) {
    if (own === latest) $("ask-state").textContent = error.message;
  }
}

function show({ image, pixels }) {
  const sheet = $("ask-picture");
  [sheet.width, sheet.height] = [image.width, image.height];
  const context = sheet.getContext("2d");
  const data = context.createImageData(image.width, image.height);
  pixels.levels.forEach((level, i) => data.data.set([level / 257, level / 257, level / 257, 255], 4 * i));
  context.putImageData(data, 0, 0);
  sheet.hidden = false;
}
