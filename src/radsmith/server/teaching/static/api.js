// What the page asks of its server.

import { get as fetched, post as posted, reach } from "/static/requests.js";
import { asShown } from "./stage.js";

const BASE = "/teach/api";
export const get = (path) => fetched(BASE + path);
export const post = (path, body) => posted(BASE + path, body);

const kept = new Map();

// A picture, fetched once.
export function picture(path) {
  if (!kept.has(path)) {
    const coming = reach(BASE + path).then(async (response) => asShown(new Uint8Array(await response.arrayBuffer())));
    coming.catch(() => kept.delete(path));
    kept.set(path, coming);
    if (kept.size > 40) kept.delete(kept.keys().next().value);
  }
  return kept.get(path);
}
