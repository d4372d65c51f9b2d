// Trying a phone system's profile out, without ever opening the lock: what
// becomes of single addresses, and of what stands in an access log.
import {call} from './api.js';
import {fill, h, icon, row, table} from './dom.js';
import {field, form, refuse, submit} from './form.js';
import {has, t} from './say.js';

const most = 500; // addresses in one question

/** The tools for a phone system, as they stand on its page. */
export function tools(system) {
  return [asking(system)];
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

/** A line as a request: with or without a method, and without the host. */
function request(line) {
  const [, method, rest] = line.match(/^(?:([A-Z]+)\s+)?(.*)$/);
  const path = rest.replace(/^https?:\/\/[^/]*/i, '').replace(/#.*$/, '') || '/';
  return {method: method ?? 'GET', path};
}

/** A table of results. */
export const results = (rows, names) => rows.length > 0 && h('div.scroll', table(names.map(name => t('probe.' + name)), h('tbody', rows.map(row))));

/** How a request is treated. */
export function classOf(name) {
  const marks = {restricted: ['state', 'lock'], unrestricted: ['state good', 'check'], ambiguous: ['state bad', 'warn']};
  return h('span', {class: marks[name][0]}, icon(marks[name][1]), t('class.' + name));
}

/** Which rule decided, in words. */
export function ruleOf(rule) {
  const [kind] = rule.split(/[ :]/);
  const key = has('rule.' + rule) ? 'rule.' + rule : 'rule.' + kind;
  return has(key) ? t(key, {what: rule.slice(kind.length).replace(/^[: ]+/, '')}) : rule;
}
