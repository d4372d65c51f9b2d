// What is done with windows: open, enter the console, extend, close.
import {call, keyed} from './api.js';
import {confirm, dialog, toast} from './dialog.js';
import {fill, h, icon} from './dom.js';
import {explain} from './errors.js';
import {button, chips, field, form, submit, wrong} from './form.js';
import {t} from './say.js';
import {clock, length, now, when} from './time.js';

const minute = 60;
const sensible = [15, 30, 60, 120, 240, 480, 720, 1440].map(n => n * minute);

/** Lengths worth offering up to a limit, with the usual one and the limit itself. */
function lengths(limit, usual) {
  const all = new Set([...sensible.filter(s => s <= limit), Math.min(usual, limit), limit]);
  return [...all].sort((a, b) => a - b).map(s => [s, length(s)]);
}

/** A length's end, as said beside the choice. */
function ending(of, from) {
  const at = h('p.hint', {'aria-live': 'polite'});
  const tell = () => {
    const chosen = of.querySelector('input:checked');
    if (chosen) at.textContent = t('unlock.ends', {at: clock(from() + Number(chosen.value) * 1000)});
  };
  of.addEventListener('change', tell);
  of.append(at);
  tell();
  return of;
}

/**
 * Asks how long and why, opens a window, and offers the console.
 * @param {object} system as the API has it
 * @param {function()} changed called when there is a window
 */
export function openUnlock(system, changed) {
  const {policy} = system;
  const once = keyed();
  const d = dialog(t('unlock.title', {name: system.name}), {kept: true});
  const choose = (limit, chosen, hint) => ending(chips('duration_seconds', [t('unlock.length'), ' ', h('span.quiet', hint)], lengths(limit, policy.default_seconds), chosen), now);
  const send = async (typed, node) => {
    const body = {duration_seconds: Number(typed.duration_seconds), reason: typed.reason.trim(), ticket: typed.ticket.trim()};
    try {
      const opened = await call('POST', `/v1/phone-systems/${system.id}/unlocks`, {body, once: once(body)});
      changed();
      unlocked(d, system, opened, t('unlock.done', {name: system.name}));
    } catch (problem) {
      if (problem.code === 'already_unlocked') changed();
      if (problem.code !== 'out_of_range') throw problem;
      // A role may allow less than the policy does: offer what it does.
      const less = choose(problem.max, problem.max, t('unlock.limit', {max: length(problem.max)}));
      node.querySelector('[data-name=duration_seconds]').replaceWith(less);
      wrong(less, t('unlock.role', {max: length(problem.max)}));
      less.querySelector('input:checked').focus();
    }
  };
  fill(d.body, h('p.quiet', system.host), form({
    send, name: 'unlock.' + system.id, own: {already_unlocked: t('unlock.already'), forbidden: t('unlock.forbidden')},
    children: [
      choose(policy.max_seconds, Math.min(policy.default_seconds, policy.max_seconds), t('unlock.limit', {max: length(policy.max_seconds)})),
      field('reason', t('unlock.reason'), {optional: policy.reason === 'optional', maxlength: 500, autocomplete: 'off', hint: t('unlock.reason_hint')}),
      field('ticket', t('unlock.ticket'), {optional: true, maxlength: 200, autocomplete: 'off'}),
      d.acts(t('unlock.submit')),
    ],
  }));
  d.body.querySelector('[name=reason]').focus();
}

/** The dialog's last page: it is open, here is the console. */
function unlocked(d, system, opened, title, more) {
  d.node.querySelector('h2').textContent = title;
  fill(d.body,
    h('p', h('span.state.open', icon('open'), h('span', t('state.until', {at: ''}), when(opened.expires_at)))),
    more && h('p', more), opened.binding.includes('ip') && h('p.quiet', t('unlock.bound', {ip: opened.client_ip})),
    h('div.acts', consoleForm(opened, d.close), button(t('dialog.later'), d.close)));
  d.body.querySelector('button').focus();
}

const ticketKept = 50_000; // of the minute that it works, in milliseconds

/** A real form to the phone system's own host: the browser says that it comes from here. */
function passForm(pass, children) {
  const target = new URL(pass.url);
  if (!['https:', 'http:'].includes(target.protocol)) throw new Error('no address of a phone system: ' + pass.url);
  return h('form', {method: 'post', action: target.href, target: '_blank', rel: 'noopener'}, h('input', {type: 'hidden', name: 'ticket', value: pass.ticket}), children);
}

/** The button that enters the console with a window's ticket, or with a new one when that is spent. */
function consoleForm(opened, then) {
  const until = Date.now() + (opened.pass.ticket ? ticketKept : 0);
  let spent = false;
  const node = passForm(opened.pass, h('button.act', {type: 'submit'}, icon('out'), t('console.open')));
  node.addEventListener('submit', event => {
    if (spent || Date.now() > until) {
      event.preventDefault();
      openConsole(opened);
    }
    spent = true;
    setTimeout(then, 500); // after the browser has sent it: a form that is gone sends nothing
  });
  return node;
}

const patient = 800; // milliseconds after which a browser may hold a new tab to be unasked for

/** Enters the console of an open window: a new ticket, posted to the phone system. */
export async function openConsole(window) {
  const asked = performance.now();
  try {
    const {pass} = await call('POST', `/v1/unlocks/${window.id}/pass`);
    if (performance.now() - asked > patient) {
      const d = dialog(t('console.ready'));
      fill(d.body, h('div.acts', consoleForm({...window, pass}, d.close)));
      d.body.querySelector('button').focus();
      return;
    }
    const node = passForm(pass);
    document.body.append(node);
    node.submit();
    node.remove();
  } catch (problem) {
    toast(explain(problem));
  }
}

/** Asks how much longer; system may be unknown, then the API says the limit. */
export function openExtend(window, system, changed) {
  const whole = system ? system.policy.max_seconds : 24 * 3600;
  const room = Math.floor(whole - (Date.parse(window.expires_at) - Date.parse(window.opened_at)) / 1000);
  const d = dialog(t('extend.title', {name: system?.name ?? ''}), {kept: true});
  if (room < minute) {
    fill(d.body, h('p', t('extend.none', {max: length(whole)})), h('div.acts', button(t('dialog.ok'), d.close, '')));
    d.body.querySelector('button').focus();
    return;
  }
  const choose = (limit, hint) => ending(chips('seconds', [t('extend.by'), ' ', h('span.quiet', hint)], lengths(limit, 30 * minute).slice(0, 6), Math.min(limit, 30 * minute)), () => Date.parse(window.expires_at));
  const send = async ({seconds}, node) => {
    try {
      const extended = await call('POST', `/v1/unlocks/${window.id}/extend`, {body: {seconds: Number(seconds)}});
      changed();
      unlocked(d, system, extended, t('extend.done'), t('extend.renew', {at: clock(window.expires_at)}));
    } catch (problem) {
      if (problem.code !== 'out_of_range' || problem.max < minute) throw problem;
      const less = choose(problem.max, t('extend.most', {max: length(problem.max)}));
      node.querySelector('[data-name=seconds]').replaceWith(less);
      wrong(less, t('extend.less', {max: length(problem.max)}));
      less.querySelector('input:checked').focus();
    }
  };
  fill(d.body, h('p.quiet', t('extend.left', {n: window.extensions_left})), form({
    send, own: {out_of_range: t('extend.full')},
    children: [choose(room, t('extend.most', {max: length(room)})), d.acts(t('extend.submit'))],
  }));
  d.body.querySelector('input:checked').focus();
}

/** Closes a window. Closing never asks: what is locked too early is opened again. */
export async function lockAgain(window, name, changed) {
  try {
    await call('DELETE', `/v1/unlocks/${window.id}`);
    toast(t('lock.done', {name}));
  } catch (problem) {
    toast(explain(problem));
  }
  changed();
}

/** Closes everybody's windows on a phone system, once it is clear what that does. */
export function lockAll(system, changed) {
  confirm(t('lock.all_title', {name: system.name}), [t('lock.all_what', {n: system.open_unlocks}), t('lock.all_after')], t('lock.all'), async () => {
    const {closed} = await call('POST', `/v1/phone-systems/${system.id}/lock`);
    toast(t('lock.all_done', {name: system.name, n: closed}));
    changed();
  });
}
