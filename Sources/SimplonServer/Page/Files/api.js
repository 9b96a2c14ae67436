// Asks the agent API. The token lies in this tab's session storage and travels in a header, never in an address.

const KEY = 'simplon.token';
let signedOut = () => {};

/** Who is signed in. */
export const session = {
  get token() { return sessionStorage.getItem(KEY); },
  set token(token) { sessionStorage.setItem(KEY, token); },
  leave() { sessionStorage.removeItem(KEY); },
  /** Calls back when the server no longer takes the token. */
  onEnd(callback) { signedOut = callback; },
};

/** What the server refused, or that it did not answer. */
export class Refusal extends Error {
  constructor(status, body = {}) {
    super(typeof body.message === 'string' ? body.message : `The server answered ${status}`);
    this.status = status;
    this.code = typeof body.code === 'string' ? body.code : '';
    this.hint = typeof body.hint === 'string' ? body.hint : '';
    this.details = body.details ?? null;
  }

  /** Whether the same may go well a little later. */
  get isPassing() { return this.status === 0 || this.status === 429 || this.status >= 500; }
}

async function send(path, options, token = session.token) {
  let answer;
  try {
    answer = await fetch(path, {
      ...options, headers: { ...options.headers, Authorization: `Bearer ${token}` },
      cache: 'no-store', credentials: 'omit', redirect: 'error',
    });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Refusal(0, { message: 'The server cannot be reached', hint: 'Look whether it runs; this page tries again.' });
  }
  if (answer.ok) return answer;
  const body = await answer.json().catch(() => ({}));
  const refusal = new Refusal(answer.status, body);
  if (answer.status === 401 && token === session.token) signedOut(refusal);
  throw refusal;
}

/** Sends a call's fields; gives the answer. */
export async function ask(path, fields, { headers = {}, signal, token } = {}) {
  const options = { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(fields), signal };
  return (await send(path, options, token)).json();
}

/** A file's bytes, whose type is what the caller says and nothing that the file says. */
export async function file(id, type, signal) {
  const answer = await send(`/agent/artifacts/${encodeURIComponent(id)}`, { method: 'GET', signal });
  return new Blob([await answer.blob()], { type });
}

/** Every item of one of a run's lists, from a first page on. */
export async function rest(run, list, page, signal) {
  const items = [...page.items];
  let cursor = page.next_cursor;
  while (cursor) {
    const more = (await ask('/agent/status', { run_id: run, cursor, limit: 1000 }, { signal }))[list];
    items.push(...more.items);
    cursor = more.next_cursor;
  }
  return items;
}

/** What a token says of its owner, for a person to read; it proves nothing. */
export function whoIs(token) {
  try {
    const part = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    const claims = JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(part), (character) => character.charCodeAt(0))));
    return String(claims.email || claims.sub || claims.role || 'a token').slice(0, 64);
  } catch {
    return 'a key';
  }
}
