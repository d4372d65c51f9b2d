// The questions about a phone system and its policy, for registering one and for
// changing it.
import {h} from './dom.js';
import {field} from './form.js';
import {t} from './say.js';
import {length} from './time.js';

const profiles = ['3cx-v20', '3cx-v18', 'freepbx', 'yeastar', 'custom'];
const minute = 60;
const sensible = [5, 15, 30, 60, 120, 240, 480, 720, 1440].map(n => n * minute);

/** What a phone system is until somebody says otherwise. */
export const usual = {
  name: '', host: '', customer: '', profile: profiles[0], restricted_paths: [],
  policy: {default_seconds: 1800, max_seconds: 14400, max_extensions: 2, binding: 'pass', reason: 'required', decision_cache_seconds: 0},
};

/** What it is: name, host, customer, product. */
export function basicFields(system, moving) {
  return [
    field('name', t('system.name'), {value: system.name, maxlength: 200, autocomplete: 'off', hint: t('system.name_hint')}),
    field('host', t('system.host'), {value: system.host, maxlength: 255, autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false', hint: t(moving ? 'system.host_moving' : 'system.host_hint')}),
    h('div.row2', field('customer', t('system.customer'), {value: system.customer, optional: true, maxlength: 200, autocomplete: 'off', hint: t('system.customer_hint')}),
      field('profile', t('system.profile'), {value: system.profile, choices: profiles.map(p => [p, t('profile.' + p)]), hint: t('system.profile_hint')})),
  ];
}

/** Lengths to choose from, the present one among them. */
export const lengthChoices = present => [...new Set([...sensible, present])].sort((a, b) => a - b).map(s => [String(s), length(s)]);

/** How it may be unlocked. */
export function policyFields({policy, restricted_paths: paths}) {
  return [
    h('div.row2', field('default_seconds', t('policy.default'), {value: String(policy.default_seconds), choices: lengthChoices(policy.default_seconds)}),
      field('max_seconds', t('policy.max'), {value: String(policy.max_seconds), choices: lengthChoices(policy.max_seconds)})),
    h('div.row2', field('max_extensions', t('policy.extensions'), {value: policy.max_extensions, type: 'number', min: 0, max: 100}),
      field('reason', t('policy.reason'), {value: policy.reason, choices: ['required', 'optional'].map(v => [v, t('policy.reason.' + v)])})),
    field('binding', t('policy.binding'), {value: policy.binding, choices: ['pass', 'ip', 'pass+ip'].map(v => [v, t('policy.binding.' + v)]), hint: t('policy.binding_hint')}),
    field('decision_cache_seconds', t('policy.cache'), {value: policy.decision_cache_seconds, type: 'number', min: 0, max: 30, hint: t('policy.cache_hint')}),
    field('restricted_paths', t('system.paths'), {as: 'textarea', value: paths.join('\n'), optional: true, class: 'mono', spellcheck: 'false', hint: t('system.paths_hint')}),
  ];
}

/** What was typed, as the API takes it. */
export function read(typed) {
  const policy = {binding: typed.binding, reason: typed.reason};
  for (const name of ['default_seconds', 'max_seconds', 'max_extensions', 'decision_cache_seconds']) policy[name] = Number(typed[name]);
  return {
    name: typed.name.trim(), host: typed.host.trim(), customer: typed.customer.trim(), profile: typed.profile,
    restricted_paths: typed.restricted_paths.split('\n').map(line => line.trim()).filter(Boolean), policy,
  };
}

/** What of it differs from what stands: only that is changed. */
export function differing(wanted, standing) {
  const found = {};
  for (const [name, value] of Object.entries(wanted)) {
    if (name === 'policy') {
      const policy = differing(value, standing.policy);
      if (Object.keys(policy).length > 0) found.policy = policy;
    } else if (JSON.stringify(value) !== JSON.stringify(standing[name])) {
      found[name] = value;
    }
  }
  return found;
}
