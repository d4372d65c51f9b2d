// Who is signed in, until when, and whether anybody is there. What the page asks
// by itself keeps a session alive as much as a person does, so it asks only while
// somebody is there.
import {call} from './api.js';
import {forget} from './drafts.js';
import {now} from './time.js';

/** Who is signed in; user is null while nobody is. */
export const me = {user: null, session: null, permissions: []};

const hint = 'portcullis.in'; // keeps the id of who is signed in, for the next page and for other tabs
const present = 120_000; // milliseconds after the last sign of somebody
const minute = 60_000;

let idle = 0;      // how long a session lasts without a request
let touched = 0;   // the last request, by the server's clock
let seen = Date.now();

/** Whether the person holds a permission on some phone system. */
export const may = permission => me.permissions.includes(permission);

/** Asks who is signed in; a Problem 401 if nobody is. */
export async function whoami() {
  const told = await call('GET', '/v1/session', {quiet: true});
  Object.assign(me, told);
  // The server keeps idleness to the minute, so what is left may be up to one
  // too little: a check that came too early would itself keep the session alive.
  idle = Math.max(idle, Math.ceil((Date.parse(told.session.idle_expires_at) - now()) / minute) * minute);
  touched = now();
  remember(true);
  return me;
}

/** Notes that a request was answered in the session. */
export function touch() {
  touched = now();
}

/** When the session ends if nothing is done, in milliseconds by the server's clock. */
export const idleEnd = () => Math.min(touched + idle, Date.parse(me.session?.expires_at ?? 0));

/** Whether the session must be over, as far as this page can know. */
export const over = () => me.user !== null && now() > idleEnd() + minute + 2000;

/** Forgets who was signed in; what was typed stays unless they signed out. */
export function nobody(out = false) {
  Object.assign(me, {user: null, session: null, permissions: []});
  idle = 0;
  remember(false);
  if (out) forget();
}

function remember(on) {
  try {
    if (on) localStorage.setItem(hint, me.user.id);
    else localStorage.removeItem(hint);
  } catch { /* the form is shown for a moment, then */ }
  document.documentElement.classList.toggle('in', on);
}

/** Does something when another tab of this browser signs in or out: gets the id of who is signed in, or null. */
export const elsewhere = run => addEventListener('storage', ({key, newValue}) => key === hint && run(newValue));

const comings = new Set();

function come() {
  const away = Date.now() - seen > present;
  seen = Date.now();
  if (away) comings.forEach(run => run());
}

for (const sign of ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart', 'focus']) {
  addEventListener(sign, come, {passive: true, capture: true});
}
document.addEventListener('visibilitychange', () => document.hidden || come());

/** Whether somebody is there: the page is seen, and was used within two minutes. */
export const here = () => !document.hidden && Date.now() - seen < present;

/**
 * Does something every so many seconds while somebody is there and a node is on
 * the page, and at once when they come back.
 */
export function whileHere(node, seconds, run) {
  let placed = false;
  let busy = false;
  let last = Date.now();
  const once = async () => {
    placed ||= node.isConnected;
    if (placed && !node.isConnected) {
      clearInterval(timer);
      comings.delete(once);
      return;
    }
    if (busy || !here() || Date.now() - last < seconds * 1000 - 500) return;
    busy = true;
    await run();
    busy = false;
    last = Date.now();
  };
  const timer = setInterval(once, 1000);
  comings.add(once);
}
