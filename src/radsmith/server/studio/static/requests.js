// Requests of the pages that people sign in to: same origin, JSON; a header on every change that
// other sites cannot send.

export class Refused extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

export async function reach(path, options = {}) {
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

export const get = async (path) => (await reach(path)).json();

export async function post(path, body) {
  const headers = { "X-Radsmith-Request": "page", "Content-Type": "application/json" };
  return (await reach(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
}
