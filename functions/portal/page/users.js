// The people of an organisation: who may sign in, and inviting more.
import {call, keyed, withQuery} from './api.js';
import {dialog, more, readdress, toast} from './dialog.js';
import {append, fill, h, icon} from './dom.js';
import {forget} from './drafts.js';
import {explain} from './errors.js';
import {button, field, form, values} from './form.js';
import {allRoles, nameOf} from './rolewords.js';
import {t} from './say.js';
import {day, when} from './time.js';
import {atInvitation, foretold, readRights, rightsFields} from './userform.js';

const pageSize = 50;
const emptyPages = 5; // that are passed over at once where a filter matches little

/** The view at #users, and at #users/ID. */
export async function view({id, query}) {
  if (id === 'import') return (await import('./importing.js')).importing('users');
  if (id) return (await import('./user.js')).person(id);
  const page = new Users(query, await allRoles());
  await page.load();
  return {title: t('users.title'), node: page.node};
}

/** Whether somebody can sign in, as a mark. */
export function stateOf(user) {
  if (!user.active) return h('span.state.bad', icon('warn'), t('users.inactive'));
  if (!user.joined_at) return h('span.state', icon('mail'), t('users.invited'));
  if (!user.mfa.enrolled) return h('span.state.open', icon('key'), t('users.unenrolled'));
  return h('span.state.good', icon('check'), t('users.active'));
}

/** What somebody may do, in a few words. */
function rightsOf(user, roles) {
  if (user.administrator) return t('users.admin');
  const names = user.roles.map(id => roles.find(role => role.id === id)).filter(Boolean).map(nameOf);
  return names.join(', ') || t('users.nothing');
}

class Users {
  constructor(query, roles) {
    this.query = query;
    this.roles = roles;
    this.list = h('ul.list');
    this.rest = h('div', {'aria-live': 'polite'});
    this.search = h('input', {type: 'search', name: 'q', value: query.get('q') ?? '', 'aria-label': t('users.search'), placeholder: t('users.search'), oninput: () => this.typing()});
    const chosen = (name, label, choices) => field(name, label, {value: query.get(name) ?? '', choices});
    this.filter = h('form.filter', {method: 'post', role: 'search', onsubmit: event => event.preventDefault(), onchange: () => this.narrow()},
      h('div.search', icon('search'), this.search),
      chosen('role', t('users.role'), [['', t('users.any')], ...roles.map(role => [role.id, nameOf(role)])]),
      chosen('active', t('users.state'), [['', t('users.any')], ['true', t('users.only_active')], ['false', t('users.only_inactive')]]));
    this.node = h('div', h('div.head', h('div', h('h1', {tabindex: '-1'}, t('users.title')), h('p.quiet', t('users.lead'))),
      h('div.acts', h('a.act.plain', {href: '#users/import'}, t('import.users')), button([icon('plus'), t('users.invite')], () => this.invite(), ''))), this.filter, this.list, this.rest);
  }

  typing() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.narrow(), 250);
  }

  narrow() {
    clearTimeout(this.timer);
    const chosen = new URLSearchParams([...new FormData(this.filter)].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value));
    if (String(chosen) === String(this.query)) return;
    readdress(withQuery('#users', chosen));
    this.query = chosen;
    this.load().catch(problem => fill(this.rest, h('p.box.bad', {role: 'alert'}, explain(problem))));
  }

  async load(cursor = '') {
    const asked = this.query;
    let page = {items: [], next: cursor};
    for (let i = 0; i < emptyPages && page.items.length === 0 && (i === 0 || page.next); i++) {
      page = await call('GET', withQuery('/v1/users', {...Object.fromEntries(asked), limit: pageSize, cursor: page.next}));
      if (asked !== this.query) return;
    }
    if (!cursor) fill(this.list);
    append(this.list, page.items.map(user => this.row(user)), cursor);
    this.list.hidden = this.list.children.length === 0;
    this.below(page.next);
  }

  below(next) {
    const nobody = (title, text) => h('div.empty', icon('person'), h('h2', title), h('p.quiet', text));
    const alone = this.list.children.length < 2 && this.query.size === 0;
    if (next) fill(this.rest, more(t('home.more'), () => this.load(next)));
    else if (this.list.hidden) fill(this.rest, nobody(t('users.none_found'), t('users.none_found_how')));
    else fill(this.rest, alone && nobody(t('users.alone'), t('users.alone_how')));
  }

  row(user) {
    return h('li', h('div', h('a.title', {href: '#users/' + user.id}, user.name || user.email), h('div.quiet.small', user.name ? user.email : '')),
      h('div', rightsOf(user, this.roles), h('div.quiet.small', user.joined_at ? [t('users.last'), ' ', when(user.last_login_at)] : [t('users.invited_at'), ' ', when(user.invited_at, day(user.invited_at))])),
      h('div.do', stateOf(user)));
  }

  invite() {
    const once = keyed();
    const nobody = {name: '', administrator: false, roles: []};
    const d = dialog(t('users.invite'), {closed: () => forget('user.new')});
    const asked = form({
      name: 'user.new',
      send: async typed => {
        const {name, ...rights} = readRights(typed);
        const body = {email: typed.email.trim(), name: name || undefined, ...rights};
        const made = await call('POST', '/v1/users', {body, once: once(body)});
        d.close();
        await this.load();
        toast(t('users.invited_done', {email: made.email}));
      },
      children: [
        field('email', t('signin.email'), {type: 'email', autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false'}),
        rightsFields(nobody, this.roles), d.acts(t('users.invite_do'))],
    });
    foretold(asked, () => atInvitation(readRights(values(asked))));
    d.show(h('p.quiet', t('users.invite_what')), asked);
  }
}
