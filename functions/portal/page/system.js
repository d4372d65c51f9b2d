// One phone system: what it is, its policy, its gate, its last windows; and
// registering a new one.
import {call, keyed, withQuery} from './api.js';
import {dialog, toast} from './dialog.js';
import {fill, h, icon, remake, row, table} from './dom.js';
import {forget} from './drafts.js';
import {button, form, submit} from './form.js';
import {guide, light, liveLight, remove, replaceKey} from './gate.js';
import {basicFields, differing, policyFields, read, usual} from './systemform.js';
import {tools} from './probe.js';
import {may, me, whileHere} from './session.js';
import {t} from './say.js';
import {length, when} from './time.js';
import {lockAll, openUnlock} from './unlock.js';

const refreshSeconds = 10;

/** The view at #phone-systems/ID, and at #phone-systems/new. */
export async function view({id}) {
  if (id === 'new') return creation();
  if (id === 'import') return (await import('./importing.js')).importing('systems');
  const page = new System(id);
  await page.load();
  return {title: page.system.name, node: page.node};
}

const back = () => h('p', h('a', {href: '#'}, '← ', t('home.title')));

/** Registering a phone system; then its key, and how to go on. */
function creation() {
  const once = keyed();
  const node = h('div.middle');
  fill(node, back(), h('section.card', h('h1', {tabindex: '-1'}, t('system.add')), h('p.quiet.lead', t('system.new_lead'), ' ', h('a', {href: '#phone-systems/import'}, t('system.many'))), form({
    name: 'system.add',
    send: async typed => {
      const body = read(typed);
      const {gate_key: key, ...system} = await call('POST', '/v1/phone-systems', {body, once: once(body)});
      fill(node, h('section.card', h('h1', {tabindex: '-1'}, t('system.made', {name: system.name})), h('p.quiet.lead', t('system.made_how')),
        guide(system, key, liveLight(system)), h('div.acts', h('a.act', {href: '#phone-systems/' + system.id}, t('system.made_on')))));
      node.querySelector('h1').focus();
      scrollTo(0, 0);
    },
    children: [basicFields(usual), h('details', h('summary', t('system.policy_more')), policyFields(usual)),
      h('div.acts', submit(t('system.create')), h('a.act.plain', {href: '#'}, t('dialog.cancel')))],
  })));
  return {title: t('system.add'), node};
}

class System {
  constructor(id) {
    this.id = id;
    this.path = '/v1/phone-systems/' + encodeURIComponent(id);
    this.title = h('div');
    this.what = h('section.card');
    this.gate = h('section.card');
    this.seen = h('div');
    this.install = h('div');
    fill(this.gate, h('h2', t('gate.title')), this.seen, this.install);
    this.past = h('section');
    this.probe = h('section.card');
    this.node = h('div', back(), this.title, this.what, this.gate, this.probe, this.past);
    whileHere(this.node, refreshSeconds, () => this.load().catch(() => {}));
  }

  async load() {
    const [system, {items}] = await Promise.all([call('GET', this.path), call('GET', withQuery('/v1/unlocks', {phone_system: this.id, limit: 10}))]);
    this.system = system;
    this.show(items);
  }

  show(windows) {
    const {system} = this;
    const again = () => this.load();
    const mine = windows.some(w => w.state === 'open' && w.user_id === me.user.id);
    remake(this.title, [system.name, system.state, mine], () => h('div.head', h('div', h('h1', {tabindex: '-1'}, system.name),
      h('span', {class: system.state === 'locked' ? 'state' : 'state open'}, icon(system.state === 'locked' ? 'lock' : 'open'), t('state.' + system.state))),
    h('div.acts', may('unlock') && !mine && button([icon('open'), t('unlock.submit')], () => openUnlock(this.system, again), ''),
      system.open_unlocks > 0 && may('close_unlocks') && button(t('lock.all'), () => lockAll(this.system, again), '.danger'))));
    remake(this.what, {...system, gate: 0, state: 0, open_unlocks: 0}, () => this.facts());
    remake(this.seen, system.gate, () => [h('p', light(system)), h('p.quiet', t(system.gate.last_seen_at ? 'gate.seen_what' : 'gate.unseen_what'))]);
    // Not with each answer of the gate: somebody may be filling it in.
    remake(this.install, system.host, () => this.installing());
    remake(this.probe, [system.profile, system.restricted_paths], () => [h('h2', t('probe.title')), h('p.quiet', t('probe.lead')), tools(system)]);
    remake(this.past, windows, () => past(windows));
  }

  facts() {
    const {system} = this;
    const p = system.policy;
    const fact = (name, ...value) => [h('dt', t(name)), h('dd', value)];
    return [h('h2', t('system.facts')), h('dl',
      fact('system.host', h('code', system.host)), system.customer && fact('system.customer', system.customer), fact('system.profile', t('profile.' + system.profile)),
      fact('policy.lengths', t('policy.lengths_are', {usual: length(p.default_seconds), max: length(p.max_seconds)})),
      fact('policy.extensions', String(p.max_extensions)), fact('policy.reason', t('policy.reason.' + p.reason)), fact('policy.binding', t('policy.binding.' + p.binding)),
      p.decision_cache_seconds > 0 && fact('policy.cache', length(p.decision_cache_seconds)),
      system.restricted_paths.length > 0 && fact('system.paths', system.restricted_paths.map(path => h('div', h('code', path)))),
      system.exceptions.length > 0 && fact('system.exceptions', system.exceptions.map(e => h('div', e.name, e.applies ? '' : [' · ', t('exceptions.void')], e.paths.map(path => [' ', h('code', path)])))),
      fact('system.since', when(system.created_at))),
    may('manage_phone_systems') && h('div.acts', button(t('system.edit'), () => this.edit()), button(t('system.remove'), () => remove(this.system, () => location.replace('#')), '.danger'))];
  }

  installing() {
    return may('manage_phone_systems') && [
      h('details', {open: !this.system.gate.last_seen_at}, h('summary', t('gate.install')), guide(this.system)),
      h('div.acts', button(t('gate.replace'), () => replaceKey(this.system, () => this.load())))];
  }

  edit() {
    const standing = this.system;
    const d = dialog(t('system.edit_title', {name: standing.name}), {closed: () => forget('system.' + this.id)});
    d.show(form({
      name: 'system.' + this.id,
      send: async typed => {
        const change = differing(read(typed), standing);
        if (Object.keys(change).length > 0) await call('PATCH', this.path, {body: change});
        d.close();
        toast(t('system.saved'));
        await this.load();
      },
      children: [basicFields(standing, true), h('h3', t('system.policy')), policyFields(standing), h('p.quiet', t('policy.told')),
        d.acts(t('system.save'))],
    }));
  }
}

/** The last windows. */
function past(windows) {
  if (windows.length === 0) return [h('h2', t('system.past')), h('p.quiet', t('system.past_none'))];
  const names = ['who', 'from', 'until', 'how', 'why'].map(name => t('past.' + name));
  return [h('h2', t('system.past')), h('div.scroll', {tabindex: '0', role: 'region', 'aria-label': t('system.past')}, table(names, h('tbody', windows.map(w => row([
    w.user_id === me.user.id ? t('home.you') : w.user_email || t('home.somebody'), when(w.opened_at), when(w.ended_at ?? w.expires_at),
    t(w.state === 'open' ? 'past.open' : 'past.' + w.end), [w.reason, w.ticket && h('div.quiet.small', w.ticket)]])))))];
}
