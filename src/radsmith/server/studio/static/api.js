// The studio's requests: same origin, JSON, the page's token on every change.

const token = document.querySelector('meta[name="token"]').content;

export class Refused extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

async function answerOf(response) {
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  if (response.status === 401) location.reload();
  const told = body.error?.message ?? `the server answered ${response.status}`;
  const later = response.headers.get("Retry-After");
  const words = later && response.status !== 400 ? `${told} (again in ${later} s)` : told;
  throw new Refused(words, response.status);
}

async function reach(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("the server does not answer; is `radsmith serve` still running?");
  }
}

export async function get(path, query = {}, signal = undefined) {
  const words = new URLSearchParams(query).toString();
  return answerOf(await reach(words ? `${path}?${words}` : path, { signal }));
}

export async function post(path, body) {
  const form = body instanceof FormData;
  const headers = { "X-Radsmith-Request": token };
  if (!form) headers["Content-Type"] = "application/json";
  const options = { method: "POST", headers, body: form ? body : JSON.stringify(body) };
  return answerOf(await reach(path, options));
}

export async function remove(path) {
  return answerOf(await reach(path, { method: "DELETE", headers: { "X-Radsmith-Request": token } }));
}

// A picture that the server answers a form with.
export async function pictureOf(path, form) {
  const options = { method: "POST", headers: { "X-Radsmith-Request": token }, body: form };
  const response = await reach(path, options);
  if (!response.ok) await answerOf(response);
  return response.blob();
}

// { levels, black, white, unit }: levels are 0-65535, which stand for black to white in the unit.
export async function pixels(image) {
  const response = await reach(`/studio/images/${image.id}/pixels`);
  if (!response.ok) await answerOf(response);
  const [black, white, unit = ""] = response.headers.get("X-Radsmith-Range").split(" ");
  const levels = new Uint16Array(await response.arrayBuffer());
  return { levels, black: Number(black), white: Number(white), unit };
}

export const previewOf = (image) => `/studio/images/${image.id}/preview`;

export const fileOf = (image, form, save = false) =>
  `/studio/images/${image.id}/file/${form}${save ? "?save=true" : ""}`;

export const zipOf = (batch) => `/studio/batches/${batch}/zip`;

// Calls `seen` with the batch at each change until it is closed; returns a function that stops.
export function follow(batch, seen) {
  const events = new EventSource(`/studio/batches/${batch}/events`);
  events.onmessage = (event) => {
    const view = JSON.parse(event.data);
    if (!view.open) events.close();
    seen(view);
  };
  return () => events.close();
}
