// The record of what was done, searched and read.
import {all, call, withQuery} from './api.js';
import {more, readdress} from './dialog.js';
import {append, fill, h, icon, row, table} from './dom.js';
import {explain} from './errors.js';
import {button, field} from './form.js';
import {may} from './session.js';
import {has, t} from './say.js';
import {when} from './time.js';

const pageSize = 50;

/** The actions to choose from, in groups. */
const actions = {
  windows: ['unlock.opened', 'unlock.extended', 'unlock.closed', 'unlock.revoked', 'unlock.expired', 'pass.issued', 'pass.used', 'gate.bad_attempt', 'gate.silent', 'gate.back', 'gate.config_stale', 'gate.config_current'],
  signing_in: ['login.succeeded', 'login.failed', 'login.suspended', 'login.unsuspended', 'step_up.succeeded', 'step_up.failed', 'session.ended', 'sessions.ended', 'password.changed', 'password.failed',
    'password.reset_requested', 'password.reset', 'mfa.enrolled', 'mfa.replaced', 'mfa.removed', 'mfa.failed', 'mfa.recovery_codes_renewed', 'mfa.counter_went_back'],
  systems: ['phone_system.created', 'phone_system.changed', 'phone_system.deleted', 'phone_system.locked', 'phone_systems.imported', 'gate_key.rotated', 'exception.created', 'exception.withdrawn'],
  people: ['user.invited', 'users.imported', 'invitation.accepted', 'user.changed', 'user.activated', 'user.deactivated', 'user.deleted', 'mfa.reset', 'role.created', 'role.changed',
    'role.deleted', 'api_key.created', 'api_key.deleted', 'partner.created', 'partner.changed', 'operator.invited', 'operator.recovered', 'recovery.started', 'recovery.cancelled', 'recovery.ended'],
};

const said = action => has('audit.' + action) ? t('audit.' + action) : action;

/** The view at #audit; what it is narrowed by stands in the address. */
export async function view({query}) {
  const page = new Audit(query);
  await page.begin();
  return {title: t('audit.title'), node: page.node};
}

class Audit {
  constructor(query) {
    this.query = query;
    this.names = new Map();
    this.people = new Map(); // e-mails by id, as entries tell them
    this.rows = h('tbody');
    this.below = h('div');
    this.table = h('div.scroll', {tabindex: '0', role: 'region', 'aria-label': t('audit.title')}, 
      table(['when', 'what', 'who', 'system', 'from'].map(name => t('audit.' + name)), this.rows));
    this.node = h('div');
  }

  /** Reads the names of what entries are about, then the entries. */
  async begin() {
    const systems = may('manage_partners') ? [] : await all('/v1/phone-systems?limit=200', 5);
    this.names = new Map(systems.map(s => [s.id, s.name]));
    this.filter = h('form.row3', {method: 'post', onsubmit: event => event.preventDefault(), onchange: () => this.narrow()},
      field('from', t('audit.since'), {type: 'date', optional: true, value: this.query.get('from') ?? ''}),
      field('to', t('audit.until'), {type: 'date', optional: true, value: this.query.get('to') ?? ''}),
      field('action', t('audit.what'), {optional: true, value: this.query.get('action') ?? '', choices: [['', t('audit.everything')], ...Object.entries(actions).map(([group, of]) => [t('group.' + group), of.map(a => [a, said(a)])])]}),
      systems.length > 0 && field('phone_system', t('audit.system'), {optional: true, value: this.query.get('phone_system') ?? '', choices: [['', t('audit.every_system')], ...systems.map(s => [s.id, s.name])]}));
    for (const mark of this.filter.querySelectorAll('label .quiet')) mark.remove();
    this.only = h('p', {'aria-live': 'polite'});
    fill(this.node, h('div.head', h('div', h('h1', {tabindex: '-1'}, t('audit.title')), h('p.quiet', t('audit.lead')))), this.filter, this.only, this.table, this.below);
    await this.load();
  }

  narrow() {
    const chosen = new URLSearchParams([...new FormData(this.filter), ['actor', this.query.get('actor') ?? '']].filter(([, value]) => value !== ''));
    this.go(chosen);
  }

  /** Shows what is asked for, which stands in the address. */
  go(chosen) {
    readdress(withQuery('#audit', chosen));
    this.query = chosen;
    this.load().catch(problem => fill(this.below, h('p.box.bad', {role: 'alert'}, explain(problem))));
  }

  /** What the API is asked: days are the reader's, and the last one is meant whole. */
  asked(cursor) {
    const midnight = (name, days) => {
      const [y, m, d] = (this.query.get(name) ?? '').split('-').map(Number);
      return d ? new Date(y, m - 1, d + days).toISOString().replace(/\.\d+Z/, 'Z') : '';
    };
    return withQuery('/v1/audit', {
      from: midnight('from', 0), to: midnight('to', 1), action: this.query.get('action'), phone_system: this.query.get('phone_system'),
      actor: this.query.get('actor'), limit: pageSize, cursor,
    });
  }

  async load(cursor = '') {
    const asked = this.query;
    const {items, next} = await call('GET', this.asked(cursor));
    if (asked !== this.query) return;
    if (!cursor) fill(this.rows);
    for (const {actor, details} of items) if (details.actor_email) this.people.set(actor, details.actor_email);
    this.about();
    append(this.rows, items.map(entry => this.row(entry)), cursor);
    this.table.hidden = this.rows.children.length === 0;
    fill(this.below, this.table.hidden && !next ? h('div.empty', icon('search'), h('h2', t('audit.none')), h('p.quiet', t('audit.none_how')))
      : next && more(t('audit.more'), () => this.load(next)));
  }

  /** Says whose entries are shown, if only somebody's are. */
  about() {
    const actor = this.query.get('actor');
    fill(this.only, actor && [t('audit.only', {who: this.people.get(actor) ?? t('audit.one')}), ' ', button(t('audit.all'), () => {
      const chosen = new URLSearchParams(this.query);
      chosen.delete('actor');
      this.go(chosen);
    }, '.link')]);
  }

  /** Who did it; a press shows only what they did. */
  who(entry) {
    const name = this.people.get(entry.actor) ?? nameOf(entry);
    if (has('actor.' + entry.actor) || this.query.get('actor') === entry.actor) return name;
    const chosen = new URLSearchParams(this.query);
    chosen.set('actor', entry.actor);
    return h('a', {href: '#audit?' + chosen}, name);
  }

  /** Whom or what it was done to, where no other column says so; a link where there is a page. */
  whom({action, actor, subject, phone_system_id: system, details}) {
    const name = details.email ?? this.people.get(details.user_id) ?? details.administrator_email ?? (this.names.has(system) ? '' : details.name);
    if (name === this.people.get(actor) || actor === 'unknown') return '';
    return details.email && may('manage_users') && action !== 'user.deleted' ? h('a', {href: '#users/' + subject}, name) : name;
  }

  row(entry) {
    const failed = entry.outcome === 'failure';
    const details = Object.entries(entry.details).filter(([name, value]) => name !== 'actor_email' && value !== '');
    const name = this.names.get(entry.phone_system_id);
    return row([
      when(entry.at),
      [h('div', failed ? h('span.state.bad', icon('warn'), said(entry.action)) : said(entry.action)), h('div.quiet', this.whom(entry)),
        details.length > 0 && h('details.small', h('summary', t('audit.details')), h('dl', details.map(([name, value]) => [h('dt', detailName(name)), h('dd', shown(name, value))])))],
      this.who(entry),
      entry.phone_system_id && (name ? h('a', {href: '#phone-systems/' + entry.phone_system_id}, name) : t('audit.gone')),
      entry.client_ip && h('code', entry.client_ip)]);
  }
}

function detailName(name) {
  if (name.startsWith('old_')) return t('detail.before', {what: detailName(name.slice(4))});
  return has('detail.' + name) ? t('detail.' + name) : name;
}

/** Times are shown as times, what has a name by it; everything else as it was recorded. */
function shown(name, value) {
  if (/^\d{4}-\d\d-\d\dT[\d:]+Z$/.test(value)) return when(value);
  const key = {cause: 'audit.', method: 'factor.name.', profile: 'profile.'}[name.replace('old_', '')] + value;
  return has(key) ? t(key) : value;
}

function nameOf({actor, details}) {
  if (has('actor.' + actor)) return t('actor.' + actor);
  return details.actor_key ?? details.email ?? actor;
}
