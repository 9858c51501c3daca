// What the page asks of its server.

import { get as fetched, post as posted, reach } from "/static/requests.js";

const BASE = "/review/api";
export const get = (path) => fetched(BASE + path);
export const post = (path, body) => posted(BASE + path, body);

// Pixels of a picture as the viewer takes them. All pictures are square.
export async function picture(path) {
  const bytes = new Uint8Array(await (await reach(BASE + path)).arrayBuffer());
  const side = Math.round(Math.sqrt(bytes.length));
  const levels = Uint16Array.from(bytes, (level) => level * 257);
  return { image: { width: side, height: side, window: null }, pixels: { levels, black: 0, white: 100, unit: "%" } };
}
