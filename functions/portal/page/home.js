// The first page: which phone systems are locked, whose windows are open, and
// one button to unlock. It keeps itself up to date.
import {all, call, withQuery} from './api.js';
import {more, readdress, tell} from './dialog.js';
import {fill, h, icon, keep, remake, say} from './dom.js';
import {button} from './form.js';
import {may, me, here, whileHere} from './session.js';
import {t} from './say.js';
import {clock, counting, left, now, ticking, when} from './time.js';
import {lockAgain, lockAll, openConsole, openExtend, openUnlock} from './unlock.js';

const refreshSeconds = 10;
const pageSize = 50;
const longest = 24 * 3600 * 1000; // that a window can last, in milliseconds

/** The view at #. */
export async function view({query}) {
  const page = new Home(query.get('q') ?? '');
  await page.load();
  if (me.user.administrator) import('./recovery.js').then(m => m.warning()).then(box => box && page.node.prepend(box));
  return {title: t('home.title'), node: page.node};
}

class Home {
  wanted = pageSize;
  more = false;
  systems = [];
  windows = [];
  rows = new Map();
  cards = new Map();

  constructor(query) {
    this.query = query;
    this.list = h('ul.list');
    this.open = h('ul.windows');
    this.opens = h('section', {'aria-labelledby': 'open-now'}, h('h2#open-now', t('home.open')), this.open);
    this.rest = h('div');
    this.input = h('input', {type: 'search', value: query, 'aria-label': t('home.search'), placeholder: t('home.search'), oninput: () => this.search()});
    this.node = h('div',
      h('div.head', h('div', h('h1', {tabindex: '-1'}, t('home.title')), this.pulse()),
        this.bar = h('div.search', icon('search'), this.input),
        may('manage_phone_systems') && h('a.act.plain', {href: '#phone-systems/new'}, icon('plus'), t('system.add'))),
      this.opens, this.list, this.rest);
    whileHere(this.node, refreshSeconds, () => this.load().catch(() => {}));
  }

  /** Says whether what is shown keeps itself up to date. */
  pulse() {
    const word = h('span');
    const node = h('p.live', word);
    return ticking(node, () => {
      const current = here() && now() - (this.loaded ?? now()) < 4 * refreshSeconds * 1000;
      node.classList.toggle('paused', !current);
      say(word, current ? t('home.live') : t('home.paused', {at: clock(this.loaded)}));
    });
  }

  search() {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => {
      this.query = this.input.value.trim();
      this.wanted = pageSize;
      readdress(withQuery('#', {q: this.query}));
      this.load().catch(() => {});
    }, 200);
  }

  /**
   * Asks for everything shown, or for so many; what comes late, after another
   * search or when more is shown, is dropped.
   */
  async load(wanted = this.wanted) {
    const query = this.query;
    const [systems, windows] = await Promise.all([this.page(query, wanted), this.opened()]);
    if (query !== this.query || wanted < this.wanted) return;
    Object.assign(this, systems, {wanted, windows, loaded: now()});
    this.show();
  }

  async page(q, wanted) {
    const systems = [];
    let cursor = '';
    do {
      const answer = await call('GET', withQuery('/v1/phone-systems', {q, cursor, limit: Math.min(200, wanted - systems.length)}));
      systems.push(...answer.items);
      cursor = answer.next;
    } while (cursor && systems.length < wanted);
    return {systems, more: Boolean(cursor)};
  }

  opened() {
    return all(withQuery('/v1/unlocks', {state: 'open', limit: 200, from: new Date(now() - longest).toISOString().replace(/\.\d+Z/, 'Z')}), 5);
  }

  show() {
    const living = this.windows.filter(w => Date.parse(w.expires_at) > now());
    const mine = living.filter(w => w.user_id === me.user.id);
    const others = living.filter(w => w.user_id !== me.user.id);
    const byId = new Map(this.systems.map(s => [s.id, s]));
    keep(this.open, this.cards, [...mine, ...others], w => new Card(this, w), (card, w) => card.update(w, byId.get(w.phone_system_id)));
    this.opens.hidden = living.length === 0;
    keep(this.list, this.rows, this.systems, s => new Row(this, s), (row, s) => row.update(s, living.filter(w => w.phone_system_id === s.id)));
    this.list.hidden = this.systems.length === 0;
    this.bar.hidden = this.systems.length === 0 && !this.query;
    this.below();
  }

  /** A window's time is over: what it kept open is locked now; the next answer confirms it. */
  ended() {
    const living = id => this.windows.some(w => w.phone_system_id === id && Date.parse(w.expires_at) > now());
    for (const s of this.systems) {
      if (s.state === 'unlocked' && s.open_unlocks <= this.windows.filter(w => w.phone_system_id === s.id).length && !living(s.id)) {
        Object.assign(s, {state: 'locked', open_unlocks: 0});
      }
    }
    this.show();
  }

  /** What stands under the list: more of it, or why there is nothing. */
  below() {
    const shape = `${this.systems.length > 0} ${this.more} ${this.query}`;
    if (shape === this.shape) return;
    this.shape = shape;
    const nothing = (text, how) => h('div.empty', icon('phone'), h('h2', text), how);
    if (this.systems.length > 0) {
      fill(this.rest, this.more && more(t('home.more'), async () => {
        const next = this.systems.length;
        await this.load(this.wanted + pageSize);
        this.list.children[next]?.querySelector('a').focus();
      }));
    } else if (this.query) {
      fill(this.rest, nothing(t('home.none_found', {q: this.query}), h('p.quiet', t('home.none_found_how'))));
    } else {
      const admin = may('manage_phone_systems');
      fill(this.rest, nothing(t('home.none'), [h('p.quiet', t(admin ? 'home.none_admin' : 'home.none_user')), admin && h('a.act', {href: '#phone-systems/new'}, icon('plus'), t('system.add'))]));
    }
  }
}

/** Who has a window. */
const whose = w => w.user_id === me.user.id ? t('home.you') : w.user_email || t('home.somebody');

/** One phone system. */
class Row {
  constructor(home, system) {
    this.home = home;
    this.named = h('div');
    this.status = h('div');
    this.acts = h('div.do');
    this.node = h('li', {'data-id': system.id}, this.named, this.status, this.acts);
  }

  update(system, windows) {
    const mine = windows.find(w => w.user_id === me.user.id);
    this.system = system;
    this.mine = mine;
    remake(this.named, [system.name, system.host, system.customer], () => [
      h('a.title', {href: '#phone-systems/' + system.id}, system.name), h('div.quiet.small', [system.customer, system.host].filter(Boolean).join(' · '))]);
    remake(this.status, [system.state, windows.map(w => [w.id, w.expires_at])], () => statusOf(system, mine, windows));
    const lockable = !mine && system.open_unlocks > 0 && may('close_unlocks');
    remake(this.acts, [Boolean(mine), lockable, system.name], () => [
      mine ? h('button.act', {type: 'button', onclick: () => openConsole(this.mine)}, icon('out'), t('console.open'), of(system))
        : may('unlock') && h('button.act.plain', {type: 'button', onclick: () => openUnlock(this.system, () => this.home.load())}, icon('open'), t('unlock.submit'), of(system)),
      lockable && button([t('lock.all'), of(system)], () => lockAll(this.system, () => this.home.load()), '.danger')]);
  }
}

/** Which phone system a button is about, for those who do not see where it stands. */
const of = system => h('span.away', ' ', system.name);

function statusOf(system, mine, windows) {
  if (system.state === 'locked' && windows.length === 0) return h('span.state', icon('lock'), t('state.locked'));
  const last = mine ?? windows.toSorted((a, b) => a.expires_at.localeCompare(b.expires_at)).at(-1);
  if (!last) return [h('span.state.open', icon('open'), t('state.unlocked'))];
  return [
    h('span.state.open', icon('open'), h('span', t('state.until', {at: ''}), when(last.expires_at), ' ', h('span.noprint', '(', counting(h('span'), () => t('state.left', {left: left(last.expires_at)})), ')'))),
    h('div.quiet.small', windows.map(whose).join(', '))];
}

/** One open window. */
class Card {
  constructor(home, window) {
    this.home = home;
    this.told = 0; // seconds left as last seen
    this.node = h('li', {'data-id': window.id});
    ticking(this.node, () => this.tick());
  }

  update(window, system) {
    this.window = window;
    this.system = system ?? this.system;
    const name = this.system?.name ?? t('home.a_system');
    this.name = name;
    const mine = window.user_id === me.user.id;
    remake(this.node, [name, window.expires_at, window.extensions_left], () => [
      h('h3', name), h('p.big', counting(h('span'), () => t('state.left', {left: left(window.expires_at)}))),
      h('p.quiet.small', t('home.until'), ' ', when(window.expires_at), ' · ', whose(window), window.reason && ` · ${window.reason}`),
      h('div.acts', mine ? [
        h('button.act', {type: 'button', onclick: () => openConsole(this.window)}, icon('out'), t('console.open'), of({name})),
        window.extensions_left > 0 && button([t('extend.submit'), of({name})], () => openExtend(this.window, this.system, () => this.home.load())),
        button([t('lock.submit'), of({name})], () => lockAgain(this.window, name, () => this.home.load()))]
        : may('close_unlocks') && button([t('lock.other'), of({name})], () => lockAgain(this.window, name, () => this.home.load())))]);
  }

  /** Tells a screen reader at five minutes, at one, and at the end; then the window is gone. */
  tick() {
    if (!this.window || !me.user) return;
    const seconds = Math.ceil((Date.parse(this.window.expires_at) - now()) / 1000);
    const mine = this.window.user_id === me.user.id;
    if (mine && [300, 60].some(mark => seconds <= mark && this.told > mark)) {
      tell(t('home.soon', {name: this.name, left: left(this.window.expires_at)}));
    }
    this.told = seconds;
    if (seconds > 0) return;
    if (mine) tell(t('home.ended', {name: this.name}));
    this.window = null;
    this.home.ended();
  }
}
