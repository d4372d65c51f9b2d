// The public API, as any program may use it: same origin, session by cookie.
import {learn} from './time.js';

/** A request that was not answered with success. */
export class Problem extends Error {
  /** @param {object} told the problem document; code "network" where no answer came */
  constructor(told) {
    super(told.detail ?? told.code);
    Object.assign(this, told, {name: 'Problem'});
  }
}

const usual = 20_000; // milliseconds that an answer may take

/** What happens on the way of requests; main.js sets it. */
const hooks = {who: () => null, ended: null, stale: null, answered: () => {}};

/**
 * Says who is signed in, what happens when the session has ended, when a fresh
 * second factor is needed (both answer whether to repeat the request), and after
 * each answer that a living session gave.
 */
export function listen(given) {
  Object.assign(hooks, given);
}

/**
 * Sends a request and answers the body. Whatever else happens is a Problem. A
 * request that the session's end or an old second factor came in the way of is
 * sent again as it was, with the same Idempotency-Key.
 * @param {string} method
 * @param {string} path
 * @param {object} [options] body, once (an Idempotency-Key), open (a call that
 *   takes no session), quiet (a 401 is answered as any other problem), proves (a
 *   401 may also mean what was typed), as (the Content-Type of a body that is
 *   text or bytes already), patience (milliseconds that the answer may take)
 */
export async function call(method, path, options = {}) {
  for (;;) {
    const who = hooks.who();
    try {
      return await send(method, path, options);
    } catch (problem) {
      if (options.open || !(await mended(problem, options, who))) throw problem;
    }
  }
}

/** Whether to repeat a request. A 401 that comes when somebody has signed in or out meanwhile says nothing new. */
async function mended(problem, options, who) {
  if (problem.status === 401 && !options.quiet && hooks.ended) {
    if (who !== hooks.who()) return Boolean(hooks.who());
    return options.proves && await living() ? false : hooks.ended();
  }
  if (problem.code === 'mfa_required' && hooks.stale) return hooks.stale();
  return false;
}

/** Whether there is a session; where nobody answers, nothing speaks against it. */
async function living() {
  try {
    await send('GET', '/v1/session', {});
    return true;
  } catch (problem) {
    return problem.status !== 401;
  }
}

async function send(method, path, options) {
  const asked = Date.now();
  const response = await ask(method, path, options);
  learn(response.headers.get('Date'), asked, Date.now());
  const body = await read(response);
  if (!response.ok) throw problemOf(response, body);
  if (!options.open) hooks.answered();
  return body;
}

async function ask(method, path, {body, once, as, patience = usual}) {
  const headers = {Accept: 'application/json'};
  if (body !== undefined) headers['Content-Type'] = as ?? 'application/json';
  if (once) headers['Idempotency-Key'] = once;
  try {
    return await fetch(path, {
      method, headers, credentials: 'same-origin', cache: 'no-store', redirect: 'error', signal: AbortSignal.timeout(patience),
      body: body === undefined ? undefined : as ? body : JSON.stringify(body),
    });
  } catch (error) {
    throw new Problem({code: 'network', status: 0, detail: error.message});
  }
}

async function read(response) {
  if (response.status === 204) return null;
  try {
    const text = await response.text();
    return (response.headers.get('Content-Type') ?? '').includes('json') ? JSON.parse(text) : text;
  } catch (error) {
    throw new Problem({code: 'network', status: 0, detail: error.message});
  }
}

function problemOf(response, body) {
  const told = body !== null && typeof body === 'object' ? body : {};
  return new Problem({code: 'internal', ...told, status: response.status, retryAfter: Number(response.headers.get('Retry-After') ?? 0)});
}

/**
 * A form's Idempotency-Key: the same for the same body, however often it is
 * sent, so that an answer that was lost does nothing twice.
 */
export function keyed() {
  let sent = '';
  let key = '';
  return body => {
    const text = JSON.stringify(body);
    if (text !== sent || !key) [sent, key] = [text, random()];
    return key;
  };
}

function random() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), b => b.toString(16).padStart(2, '0')).join('');
}

/** All items of a list, page by page, at most so many pages. */
export async function all(path, pages = 10) {
  const items = [];
  let cursor = '';
  for (let i = 0; i < pages; i++) {
    const page = await call('GET', path + (cursor ? `${path.includes('?') ? '&' : '?'}cursor=${encodeURIComponent(cursor)}` : ''));
    items.push(...page.items);
    cursor = page.next;
    if (!cursor) break;
  }
  return items;
}

/** A path with a query; what is empty is left out. */
export function withQuery(path, query) {
  const given = [...query.entries?.() ?? Object.entries(query)].filter(([, value]) => value !== '' && value !== null && value !== undefined);
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}
