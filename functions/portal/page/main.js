// The portal begins here: who is signed in, which view is shown, and what lies
// over it when a session ends.
import {call, listen} from './api.js';
import {dialog, toast} from './dialog.js';
import {fill, h, icon, say} from './dom.js';
import {explain} from './errors.js';
import {stepUp} from './factor.js';
import {button} from './form.js';
import {begin, choose, language, languages, t} from './say.js';
import {elsewhere, idleEnd, may, me, nobody, over, touch, whoami} from './session.js';
import {retext, signIn} from './signin.js';
import {clock, left, now, ticking} from './time.js';
import * as home from './home.js';

/** The views of the signed in, by the first part of the address's fragment. */
const views = {
  '': () => may('manage_partners') ? import('./partners.js') : home,
  'phone-systems': () => import('./system.js'),
  users: () => import('./users.js'),
  roles: () => import('./roles.js'),
  'api-keys': () => import('./apikeys.js'),
  exceptions: () => import('./exceptions.js'),
  audit: () => import('./audit.js'),
  profile: () => import('./profile.js'),
};

/** The views for everybody, signed in or not: most are opened by a mailed link. */
const open = {
  accept: async () => (await import('./links.js')).accept,
  forgot: async () => (await import('./links.js')).ask,
  reset: async () => (await import('./links.js')).choose,
  unsuspend: async () => (await import('./links.js')).unsuspend,
  'cancel-recovery': async () => (await import('./links.js')).cancelRecovery,
};

/** The parts of the portal that a person may use, in the order of the menu. */
const menu = () => [
  ['', t(may('manage_partners') ? 'partners.title' : 'home.title'), true],
  ['users', t('users.title'), may('manage_users')],
  ['roles', t('roles.title'), may('manage_users')],
  ['api-keys', t('keys.title'), me.user.administrator && !may('manage_partners')],
  ['exceptions', t('exceptions.title'), may('manage_partners')],
  ['audit', t('audit.title'), may('view_audit') || may('manage_partners')],
].filter(([, , shown]) => shown);

/** Where in the menu a view without an entry of its own belongs. */
const belongs = {'phone-systems': ''};

const main = document.getElementById('main');
const carried = new Map(); // secrets of mailed links, by view; gone with the page
const places = new Map(); // by the history's entries, where their readers were
let place = {}; // of the entry that is shown: how far down (y), and the link that was followed
let turn = 0;
let overlay = null;
let goOn = null; // takes the overlay away, once somebody has signed in
let asked = false; // whether it is known who is signed in
let leaving = false; // whether somebody is signing out

/** Who is signed in and stays so; null where nobody is to be asked to sign in again. */
const present = () => leaving ? null : me.user;

/** The fragment as name, id and query: #phone-systems/ID?x=y. */
function address() {
  const [path, query = ''] = location.hash.slice(1).split('?');
  const [name, id = ''] = path.split('/');
  return {name, id: decodeURIComponent(id), query: new URLSearchParams(query)};
}

/** Takes a secret out of the address before anything else can see it. */
function takeSecret() {
  const {name, query} = address();
  if (!query.has('token')) return;
  carried.set(name, query.get('token'));
  history.replaceState(null, '', location.pathname + '#' + name);
}

/** Shows what the address says. */
async function go() {
  takeSecret();
  place.link = document.activeElement?.closest('main a')?.hash;
  if (location.hash) place.y = scrollY; // the last scrolling may not have been told yet; to # the browser scrolls up itself
  const mine = ++turn;
  const {name, id, query} = address();
  if (!open[name] && !me.user) return asked ? showSignIn() : arrive();
  const waiting = setTimeout(() => mine === turn && fill(main, h('p.quiet', {role: 'status'}, t('load.wait'))), 250);
  try {
    const view = open[name] ? await open[name]() : (await (views[name] ?? views[''])()).view;
    const shown = await view({id, query, secret: carried.get(name), done: entered});
    if (mine === turn) show(shown.title, shown.node);
  } catch (problem) {
    if (mine === turn && !(problem.status === 401 && !me.user)) show(t('error.title'), failed(problem));
  } finally {
    clearTimeout(waiting);
  }
}

function show(title, node) {
  if (node.parentNode === main) [...main.children].forEach(other => other === node || other.remove()); // keeps the cursor
  else fill(main, node);
  document.title = `${title} · Portcullis`;
  for (const a of document.querySelectorAll('nav a')) {
    const {name} = address();
    if (a.hash.slice(1) === (belongs[name] ?? name)) a.setAttribute('aria-current', 'page');
    else a.removeAttribute('aria-current');
  }
  const at = history.state?.at ?? Math.random();
  place = places.get(at) ?? {at, y: 0};
  places.set(at, place);
  if (!history.state) history.replaceState({at}, '');
  const followed = place.link && [...node.querySelectorAll('a')].find(a => a.hash === place.link);
  if (!node.contains(document.activeElement)) (followed || node.querySelector('[data-first], h1') || main).focus({preventScroll: true});
  scrollTo(0, place.y);
}

/** Notes how far down the reader is; what is shown comes later than the browser thinks that it does. */
function note() {
  if (history.state?.at === place.at) place.y = scrollY;
}

function failed(problem) {
  if (!problem.code) console.error(problem);
  return h('section.card.middle', h('h1', {tabindex: '-1'}, t('error.title')), h('p', explain(problem)), h('div.acts', button(t('form.again'), go, ''), h('a.act.plain', {href: '#'}, t('error.home'))));
}

function showSignIn(note) {
  frame();
  show(t('signin.title'), signIn(entered, {note}));
}

/** Somebody has signed in: with a second factor, as everybody here has. */
async function entered() {
  carried.clear();
  await whoami();
  frame();
  if (open[address().name] || address().name === 'late') history.replaceState(null, '', location.pathname);
  await go();
}

/** The frame around every view. */
function frame() {
  const bar = document.querySelector('#top .bar');
  for (const old of document.querySelectorAll('#top nav, .who, #staying')) old.remove();
  if (me.user) {
    bar.append(
      h('nav', {'aria-label': t('nav.label')}, menu().map(([name, text]) => h('a', {href: '#' + name}, text))),
      h('div.who', h('a.ghost', {href: '#profile'}, icon('person'), h('span.name', me.user.name || me.user.email), h('span.away', ' ', t('profile.title'))), h('button.ghost', {type: 'button', onclick: leave}, t('nav.out'))));
  }
  const foot = document.querySelector('#foot .bar');
  fill(foot, h('a', {href: '/help?lang=' + language()}, t('foot.help')),
    languages.filter(one => one !== language()).map(one => h('button.link', {type: 'button', lang: one, onclick: () => speak(one)}, t('foot.' + one))),
    me.user && endsAt());
}

function speak(one) {
  choose(one);
  retext();
  frame();
  if (me.user || open[address().name]) go();
}

/** When the session ends if nothing is done, and a word in time to stay. */
function endsAt() {
  const node = h('span');
  let warned = null;
  return ticking(node, () => {
    say(node, t('foot.until', {at: clock(idleEnd())}));
    const near = me.user && !overlay && idleEnd() - now() < 120_000 && now() < idleEnd();
    if (near && !warned) main.before(warned = staying());
    if (!near && warned) {
      warned.remove();
      warned = null;
    }
    if (over() && !overlay) check();
  });
}

const check = () => whoami().catch(problem => problem.status === 401 && ended());

/** Another tab has signed in or out: this one follows. */
function follow(who) {
  if (overlay) return who && goOn({user: {id: who}}).catch(() => {});
  if (!me.user) return who && !open[address().name] && entered().catch(() => {});
  if (who && who !== me.user.id) location.reload();
  else if (!who) check();
}

function staying() {
  const word = h('span.num', {'aria-hidden': 'true'});
  ticking(word, () => say(word, left(new Date(idleEnd()).toISOString())));
  return h('div.bar#staying', h('p.box.wait', {role: 'status'}, t('end.soon'), ' ', word, ' ', h('button.link', {type: 'button', onclick: () => whoami().catch(() => {})}, t('end.stay'))));
}

/** The session has ended: the form over the page, which keeps all that was typed. Answers whether to go on. */
function ended() {
  if (!present()) return false;
  overlay ??= new Promise(resolve => {
    const before = me.user;
    let back = false;
    const d = dialog(t('end.title'), {firm: true, closed: () => resolve(back)});
    goOn = async answer => {
      if (answer.user.id !== before.id) return location.reload();
      await whoami();
      back = true;
      d.close();
      frame();
    };
    const other = h('button.link', {type: 'button', onclick: () => {
      d.close();
      nobody(true);
      showSignIn();
    }}, t('end.leave'));
    fill(d.body, h('p.quiet', t('end.why')), signIn(goOn, {email: before.email, over: true}), h('p.mid', other));
    d.body.querySelector('[name=password]').focus();
  }).finally(() => { overlay = null; });
  return overlay;
}

async function leave() {
  leaving = true;
  try {
    await call('DELETE', '/v1/session', {quiet: true});
  } catch (problem) {
    if (problem.status !== 401) return toast(explain(problem));
  } finally {
    leaving = false;
  }
  nobody(true);
  history.replaceState(null, '', location.pathname);
  showSignIn(t('nav.out_done'));
}

/** A script that fails leaves a word, and all that was typed. */
function unexpected(event) {
  if (event.reason?.name === 'Problem' || event.reason?.cancelled) return;
  toast(t('error.script'));
}

async function start() {
  begin();
  takeSecret();
  retext();
  frame();
  listen({who: present, ended, stale: stepUp, answered: touch});
  elsewhere(follow);
  addEventListener('hashchange', ({newURL}) => newURL === location.href && go()); // else a dialog has kept the page
  history.scrollRestoration = 'manual';
  addEventListener('scroll', note, {passive: true});
  addEventListener('error', unexpected);
  addEventListener('unhandledrejection', unexpected);
  document.documentElement.classList.add('ready');
  await go();
}

/** Finds out who is signed in, and shows what they came for. */
async function arrive() {
  asked = true;
  signIn(entered);
  try {
    await whoami();
    frame();
    await go();
  } catch (problem) {
    nobody();
    if (problem.status !== 401) show(t('error.title'), failedStart(problem));
    else showSignIn();
  }
}

const failedStart = problem => h('section.card.middle', h('h1', {tabindex: '-1'}, t('error.title')), h('p', explain(problem)), h('div.acts', button(t('form.again'), () => location.reload(), '')));

start();
