// The page's requests: same origin, JSON; a header on every change that other sites cannot send.

export class Refused extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

async function reach(path, options = {}) {
  let response;
  try {
    response = await fetch(`/review/api${path}`, { ...options, signal: AbortSignal.timeout(15000) });
  } catch {
    throw new Refused("the server does not answer");
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw new Refused(body.error?.message ?? `the server answered ${response.status}`, response.status);
}

export const get = async (path) => (await reach(path)).json();

export async function post(path, body) {
  const headers = { "X-Radsmith-Request": "review", "Content-Type": "application/json" };
  return (await reach(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

// Pixels of a picture as the viewer takes them. All pictures are square.
export async function picture(path) {
  const bytes = new Uint8Array(await (await reach(path)).arrayBuffer());
  const side = Math.round(Math.sqrt(bytes.length));
  const levels = Uint16Array.from(bytes, (level) => level * 257);
  return { image: { width: side, height: side, window: null }, pixels: { levels, black: 0, white: 100, unit: "%" } };
}
