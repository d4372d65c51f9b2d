// One person: what they may do, and what an administrator can do about it. What
// it will do is said before it is done.
import {call, withQuery} from './api.js';
import {confirm, dialog, toast} from './dialog.js';
import {fill, h, icon} from './dom.js';
import {forget} from './drafts.js';
import {copying} from './enrol.js';
import {button, form, values} from './form.js';
import {allRoles, does, nameOf, where} from './rolewords.js';
import {may, me} from './session.js';
import {t} from './say.js';
import {when} from './time.js';
import {effects, foretold, readRights, rightsFields} from './userform.js';
import {stateOf} from './users.js';

/** The view at #users/ID. */
export async function person(id) {
  const page = new Person(id);
  await page.load();
  return {title: page.user.name || page.user.email, node: page.node};
}

class Person {
  constructor(id) {
    this.path = '/v1/users/' + encodeURIComponent(id);
    this.id = id;
    this.node = h('div.middle');
  }

  async load() {
    [this.user, this.roles, this.windows] = await Promise.all([call('GET', this.path), allRoles(), this.opened()]);
    // A role that was removed may go on standing there, and stands for nothing.
    this.user.roles = this.user.roles.filter(id => this.roles.some(role => role.id === id));
    this.show();
  }

  /** Their open windows, as far as the reader may see any. */
  async opened() {
    if (!may('view_unlocks') && this.id !== me.user.id) return [];
    const {items} = await call('GET', withQuery('/v1/unlocks', {user: this.id, state: 'open', limit: 20}));
    const named = async window => {
      try {
        return {...window, name: (await call('GET', '/v1/phone-systems/' + window.phone_system_id)).name};
      } catch (problem) {
        if (problem.status !== 403 && problem.status !== 404) throw problem;
        return {...window, name: t('home.a_system')};
      }
    };
    return Promise.all(items.map(named));
  }

  show() {
    const {user} = this;
    const within = this.node.contains(document.activeElement);
    const fact = (name, ...value) => [h('dt', t(name)), h('dd', value)];
    fill(this.node, h('p', h('a', {href: '#users'}, '← ', t('users.title'))),
      h('div.head', h('div', h('h1', {tabindex: '-1'}, user.name || user.email), user.name && h('p.quiet', user.email)), stateOf(user)),
      h('section.card', h('h2', t('users.may')), this.rights(), h('div.acts', button(t('system.edit'), () => this.edit()))),
      this.windows.length > 0 && h('section.card', h('h2', t('home.open')), h('ul.list.two', this.windows.map(w => h('li', h('div.title', w.name), h('span.state.open', icon('open'), t('home.until'), ' ', when(w.expires_at)))))),
      h('section.card', h('h2', t('users.signing_in')), h('dl',
        fact('profile.factors', user.mfa.methods.filter(method => method !== 'recovery_code').map(method => t('factor.name.' + method)).join(', ') || t('users.no_factor')),
        fact('users.invited_at', when(user.invited_at)), fact('users.joined', when(user.joined_at)), fact('users.last', when(user.last_login_at))),
      h('div.acts', this.acts())),
      may('view_audit') && h('p', h('a', {href: '#audit?actor=' + user.id}, t('users.audit'))));
    if (within) this.node.querySelector('h1').focus();
  }

  rights() {
    if (this.user.administrator) return h('p', h('strong', t('users.admin')), h('span.quiet.small.under', t('users.admin_what')));
    const held = this.user.roles.map(id => this.roles.find(role => role.id === id)).filter(Boolean);
    if (held.length === 0) return h('p', t('users.may_nothing'));
    return h('ul.bare', held.map(role => h('li', h('strong', nameOf(role)), h('span.quiet.small.under', `${does(role)} · ${where(role)}`))));
  }

  acts() {
    const {user} = this;
    const oneself = user.id === me.user.id;
    return [
      !user.joined_at && user.active && button(t('sure.reinvite.do'), () => this.reinvite()),
      user.joined_at && user.active && !oneself && me.user.administrator && button(t('users.reset'), () => this.reset()),
      user.active ? button(t('sure.deactivate.do'), () => this.deactivate(), '.danger') : button(t('sure.activate.do'), () => this.activate()),
      button(t('sure.delete.do'), () => this.remove(), '.danger'),
    ];
  }

  get called() {
    return {name: this.user.name || this.user.email};
  }

  /** What ending somebody's access does at once: their sessions, and these windows. */
  ends() {
    const names = this.windows.map(window => window.name).join(', ');
    return [t('users.ends_sessions'), this.windows.length > 0 ? t('users.ends_windows', {n: this.windows.length, names}) : t('users.ends_none')];
  }

  edit() {
    const {user, roles} = this;
    const d = dialog(t('system.edit_title', this.called), {closed: () => forget('user.' + this.id)});
    const asked = form({
      name: 'user.' + this.id,
      send: async typed => {
        const wanted = readRights(typed);
        const change = {};
        if (wanted.name !== user.name) change.name = wanted.name;
        if (wanted.administrator !== user.administrator) change.administrator = wanted.administrator;
        if (String(wanted.roles.toSorted()) !== String(user.roles.toSorted())) change.roles = wanted.roles;
        if (Object.keys(change).length > 0) await call('PATCH', this.path, {body: change});
        d.close();
        await this.load();
        toast(t('system.saved'));
      },
      children: [rightsFields(user, roles), d.acts(t('system.save'))],
    });
    foretold(asked, () => effects(user, readRights(values(asked)), roles, this.windows));
    d.show(asked);
  }

  /** Asks, does, and shows what came of it. */
  sure(key, told, act) {
    confirm(t('sure.' + key + '.title', this.called), told, t('sure.' + key + '.do'), async () => {
      await act();
      toast(t('sure.' + key + '.done', this.called));
    });
  }

  deactivate() {
    this.sure('deactivate', [...this.ends(), t('users.deactivate_later')], () => this.change({active: false}));
  }

  activate() {
    this.sure('activate', [t('users.activate_what')], () => this.change({active: true}));
  }

  reinvite() {
    this.sure('reinvite', [t('users.reinvite_what', {email: this.user.email})], async () => {
      await call('POST', this.path + '/invitation');
      await this.load();
    });
  }

  remove() {
    this.sure('delete', [...this.ends(), t('users.delete_what')], async () => {
      await call('DELETE', this.path);
      location.replace('#users'); // in the place of the dialog's entry
    });
  }

  async change(body) {
    await call('PATCH', this.path, {body});
    await this.load();
  }

  reset() {
    confirm(t('users.reset_title', this.called), [t('users.reset_what'), ...this.ends(), t('users.reset_then')], t('users.reset'), async () => {
      const {enrollment_code: code} = await call('POST', this.path + '/mfa-reset');
      this.handOver(code);
      await this.load();
    });
  }

  /** The code that enrols anew, shown once. */
  handOver(code) {
    const d = dialog(t('users.code'), {firm: true});
    d.show(h('p.box.wait', t('users.code_once')), h('code.secret', code), h('p'), h('p', t('users.code_how', {email: this.user.email})),
      h('div.acts', copying(t('users.code_copy'), () => code), button(t('users.code_kept'), d.close, '')));
  }
}
