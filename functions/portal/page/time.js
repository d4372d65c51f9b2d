// Times: the server's clock decides, the reader's zone shows, UTC on hover.
import {h, say} from './dom.js';
import {locale, t} from './say.js';

let ahead = 0; // milliseconds that the server's clock is ahead of this one
let known = false;

/** Learns the server's clock from an answer's Date header, exact to a second. */
export function learn(header, asked, answered) {
  const told = Date.parse(header ?? '');
  if (Number.isNaN(told)) return;
  const offset = told + 500 - (asked + answered) / 2;
  if (known && Math.abs(offset - ahead) < 1500) return;
  ahead = offset;
  known = true;
}

/** Now, by the server's clock, in milliseconds. */
export const now = () => Date.now() + ahead;

const formats = new Map();

function format(name, options) {
  const key = name + locale();
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(locale(), options));
  return formats.get(key);
}

const sameDay = (a, b) => new Date(a).toDateString() === new Date(b).toDateString();

/** A time as text: the clock alone today, with the date on other days. */
export function clock(at) {
  const date = new Date(at);
  if (sameDay(date, now())) return format('clock', {hour: '2-digit', minute: '2-digit'}).format(date);
  return format('both', {day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit'}).format(date);
}

/** A day as text. */
export const day = at => format('day', {day: 'numeric', month: 'short', year: 'numeric'}).format(new Date(at));

const utc = at => new Date(at).toISOString().replace('T', ' ').replace(/\.\d+Z$/, ' UTC');

/** A time as an element, with UTC on hover. */
export function when(at, text = clock(at)) {
  if (!at) return h('span', t('time.never'));
  return h('time', {datetime: at, title: utc(at)}, text);
}

/** A length in words, as exact as is useful: "45 s", "12 min", "1 h 30 min". */
export function length(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return t('time.s', {n: s});
  if (s < 3600) return s % 60 === 0 || s > 600 ? t('time.min', {n: Math.round(s / 60)}) : t('time.min_s', {n: Math.floor(s / 60), s: s % 60});
  const h = Math.floor(s / 3600);
  const m = Math.round((s % 3600) / 60);
  if (m === 0) return t('time.h', {n: h});
  return m === 60 ? t('time.h', {n: h + 1}) : t('time.h_min', {n: h, m});
}

/** What is left until a time, for a countdown: whole minutes, then seconds. */
export function left(until) {
  const s = Math.max(0, Math.ceil((Date.parse(until) - now()) / 1000));
  if (s >= 7200) return length(Math.ceil(s / 60) * 60);
  if (s > 120) return t('time.min', {n: Math.ceil(s / 60)});
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, '0')}`;
}

const tickers = new Set();
setInterval(() => {
  for (const tick of [...tickers]) tick();
}, 1000);

/** Calls a function now and each second while its node is on the page; it is kept for as long. */
export function ticking(node, tick) {
  let placed = false;
  const run = () => {
    placed ||= node.isConnected;
    if (placed && !node.isConnected) tickers.delete(run);
    else tick();
  };
  tickers.add(run);
  tick();
  return node;
}

/** Text that is made anew each second. */
export function counting(node, text) {
  return ticking(node, () => say(node, text()));
}
