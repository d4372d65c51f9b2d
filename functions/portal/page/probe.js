// Trying a phone system's profile out, without ever opening the lock: what
// becomes of single addresses, and of what stands in an access log.
import {call} from './api.js';
import {fill, h, icon, row, table} from './dom.js';
import {field, form, refuse, submit} from './form.js';
import {translated} from './errors.js';
import {may} from './session.js';
import {has, t} from './say.js';
import {when} from './time.js';

const most = 500; // addresses in one question
const largest = 1 << 20; // bytes of a log
const shown = 25; // lines of each table

/** The tools for a phone system, as they stand on its page. */
export function tools(system) {
  const threecx = system.profile.startsWith('3cx') && may('manage_phone_systems');
  return [asking(system), rehearsing(system), threecx && affecting(system)];
}

function asking(system) {
  const place = h('div', {role: 'status'});
  return h('details', h('summary', t('probe.paths')), h('p.quiet', t('probe.paths_how')), form({
    send: async ({paths}) => {
      const requests = paths.split('\n').map(line => line.trim()).filter(Boolean).map(request);
      if (requests.length > most) refuse('paths', t('probe.too_many', {n: most}));
      const {items} = await call('POST', `/v1/phone-systems/${system.id}/classify`, {body: {requests}});
      fill(place, results(items.map(item => [[item.method === 'GET' ? '' : item.method + ' ', h('code', item.path)], classOf(item.class), ruleOf(item.rule)]), ['path', 'class', 'rule']));
    },
    children: [field('paths', t('probe.paths_label'), {as: 'textarea', class: 'mono', spellcheck: 'false', autocapitalize: 'none', placeholder: '/xapi/v1/Users\n/webclient/', hint: t('probe.paths_hint')}),
      h('div.acts', submit(t('probe.ask'), '.plain'))],
  }), place);
}

/** What the gate would have refused of a phone system's own access log. */
function rehearsing(system) {
  const place = h('div', {role: 'status'});
  return h('details', h('summary', t('probe.log')), h('p.quiet', t('probe.log_how')), form({
    send: async (_, node) => {
      const [file] = node.querySelector('[type=file]').files;
      const {body, cut} = await end(file);
      fill(place, report(await call('POST', `/v1/phone-systems/${system.id}/rehearse`, {body, as: 'text/plain'}), cut));
    },
    children: [field('log', t('probe.log_file'), {type: 'file', hint: t('probe.log_hint')}), h('div.acts', submit(t('probe.rehearse'), '.plain'))],
  }), place);
}

/** Who of a phone system's own extensions meets the lock. */
function affecting(system) {
  const place = h('div', {role: 'status'});
  return h('details', h('summary', t('probe.who')), h('p.quiet', t('probe.who_how')), form({
    send: async (_, node) => {
      const [file] = node.querySelector('[type=file]').files;
      const told = await call('POST', `/v1/phone-systems/${system.id}/affected`, {body: await file.arrayBuffer(), as: 'text/csv'});
      const {affected, not_affected: others, without_user: without, unreadable} = told.counts;
      const met = told.items.filter(item => item.affected);
      fill(place, h('p.box', t('probe.affected', {n: affected, others})), without > 0 && h('p', t('probe.without', {n: without}), ' ', h('a', {href: '#users'}, t('probe.invite'))),
        results(met.map(item => [item.number, [item.name, h('div.quiet.small', item.email)], item.access, told.users_matched && t('probe.user.' + item.user)]), ['number', 'person', 'access', 'user']),
        unreadable > 0 && [h('p', t('probe.unreadable', {n: unreadable})), h('ul', told.items.filter(item => item.message).slice(0, shown).map(item => h('li', `${item.line}: `, translated(item.message))))]);
    },
    children: [field('extensions', t('probe.who_file'), {type: 'file', accept: '.csv,text/csv'}), h('div.acts', submit(t('probe.ask'), '.plain'))],
  }), place);
}

/** A file's end, from the beginning of a line on, if it is too large. */
async function end(file) {
  if (file.size <= largest) return {body: await file.arrayBuffer(), cut: false};
  const bytes = new Uint8Array(await file.slice(file.size - largest).arrayBuffer());
  return {body: bytes.slice(bytes.indexOf(10) + 1), cut: true};
}

function report(told, cut) {
  const counted = (title, items, others, cells, names) => items.length > 0 && [h('h3', t('probe.' + title)),
    results(items.slice(0, shown).map(item => [...cells(item), String(item.requests), String(item.served), when(item.last_at)]), [...names, 'requests', 'served', 'last']),
    others + Math.max(0, items.length - shown) > 0 && h('p.quiet', t('probe.others', {n: others + items.slice(shown).reduce((sum, item) => sum + item.requests, 0)}))];
  return [
    cut && h('p.quiet', t('probe.cut')),
    h(told.served > 0 ? 'p.box.wait' : 'p.box.good', t('probe.sum', told), ' ', t(told.served > 0 ? 'probe.missed' : 'probe.none_missed', {n: told.served})),
    told.unreadable > 0 && [h('p', t('probe.unreadable', {n: told.unreadable})), h('pre.secret', told.unreadable_lines.map(line => `${line.line}: ${line.text}\n`))],
    counted('denied', told.paths, told.other_paths, item => [[item.method === 'GET' ? '' : item.method + ' ', h('code', item.path)], ruleOf(item.rule)], ['path', 'rule']),
    counted('addresses', told.addresses, told.other_addresses, item => [h('code', item.address)], ['address']),
    counted('agents', told.user_agents, told.other_user_agents, item => [item.user_agent], ['agent']),
  ];
}

/** A line as a request: with or without a method, and without the host. */
function request(line) {
  const [, method, rest] = line.match(/^(?:([A-Z]+)\s+)?(.*)$/);
  const path = rest.replace(/^https?:\/\/[^/]*/i, '').replace(/#.*$/, '') || '/';
  return {method: method ?? 'GET', path};
}

/** A table of results. */
const results = (rows, names) => rows.length > 0 && h('div.scroll', table(names.map(name => t('probe.' + name)), h('tbody', rows.map(row))));

/** How a request is treated. */
function classOf(name) {
  const marks = {restricted: ['state', 'lock'], unrestricted: ['state good', 'check'], ambiguous: ['state bad', 'warn']};
  return h('span', {class: marks[name][0]}, icon(marks[name][1]), t('class.' + name));
}

/** Which rule decided, in words. */
function ruleOf(rule) {
  const [kind] = rule.split(/[ :]/);
  const key = has('rule.' + rule) ? 'rule.' + rule : 'rule.' + kind;
  return has(key) ? t(key, {what: rule.slice(kind.length).replace(/^[: ]+/, '')}) : rule;
}
