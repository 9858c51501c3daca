// The page's requests: same origin, JSON; a header on every change that other sites cannot send.

import { asShown } from "./stage.js";

export class Refused extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

async function reach(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, signal: AbortSignal.timeout(15000) });
  } catch {
    throw new Refused("the server does not answer");
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw new Refused(body.error?.message ?? `the server answered ${response.status}`, response.status);
}

export const get = async (path) => (await reach(`/teach/api${path}`)).json();

export async function send(path, body) {
  const headers = { "X-Radsmith-Request": "teach", "Content-Type": "application/json" };
  return (await reach(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

export const post = (path, body) => send(`/teach/api${path}`, body);

const kept = new Map();

// A picture, fetched once.
export function picture(path) {
  if (!kept.has(path)) {
    const coming = reach(`/teach/api${path}`).then(async (response) => asShown(new Uint8Array(await response.arrayBuffer())));
    coming.catch(() => kept.delete(path));
    kept.set(path, coming);
    if (kept.size > 40) kept.delete(kept.keys().next().value);
  }
  return kept.get(path);
}
