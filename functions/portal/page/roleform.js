// Making and changing a role; what a change does is said as it is chosen.
import {call, keyed} from './api.js';
import {dialog, toast} from './dialog.js';
import {h} from './dom.js';
import {forget} from './drafts.js';
import {chips, field, form, refuse, tick, values} from './form.js';
import {permissions, titled} from './rolewords.js';
import {t} from './say.js';
import {lengthChoices} from './systemform.js';
import {length} from './time.js';
import {foretold} from './userform.js';

const many = 10; // phone systems from which on a search helps

/**
 * Opens the form.
 * @param {object} role as the API has it; without an id it is a new one
 * @param {object} o systems (names by id), people (how many have it), saved
 */
export function openRole(role, {systems, people, saved}) {
  const name = 'role.' + role.id;
  const once = keyed();
  const d = dialog(role.id ? t('system.edit_title', {name: role.name}) : t('roles.new'), {closed: () => forget(name)});
  const asked = form({
    name,
    send: async typed => {
      const wanted = read(typed);
      if (wanted.permissions.length === 0) refuse('permissions', t('roles.permissions_none'));
      if (wanted.phone_systems.length === 0) refuse('phone_systems', t('roles.systems_none'));
      if (role.id) await call('PATCH', '/v1/roles/' + role.id, {body: wanted});
      else await call('POST', '/v1/roles', {body: wanted, once: once(wanted)});
      d.close();
      await saved();
      toast(t('system.saved'));
    },
    children: [fields(role, systems), d.acts(t(role.id ? 'system.save' : 'roles.create'))],
  });
  const sync = () => {
    const typed = values(asked);
    asked.querySelector('[data-name=phone_systems]').hidden = typed.scope === 'every';
    asked.querySelector('[data-name=max_unlock_seconds]').hidden = !typed['may:unlock'];
  };
  asked.addEventListener('input', sync);
  sync();
  foretold(asked, () => role.id ? effects(role, read(values(asked)), systems, people) : []);
  d.show(asked);
}

function fields(role, systems) {
  const offered = permissions.filter(p => p !== 'break_glass' || role.permissions.includes(p));
  const some = role.phone_systems.includes('*') ? [] : role.phone_systems;
  return [
    field('name', t('system.name'), {value: role.name, maxlength: 100, autocomplete: 'off', hint: t('roles.name_hint')}),
    h('fieldset.field', {'data-name': 'permissions'}, h('legend', t('roles.permissions')), offered.map(p =>
      tick('may:' + p, [h('strong', titled(p)), h('span.quiet.small.under', t('permitted.' + p))], {checked: role.permissions.includes(p)}))),
    chips('scope', t('roles.where'), [['every', t('roles.scope_every')], ['some', t('roles.scope_some')]], role.phone_systems.includes('*') ? 'every' : 'some'),
    h('fieldset.field', {'data-name': 'phone_systems'}, h('legend', t('roles.which')),
      systems.size > many && h('input', {type: 'search', 'aria-label': t('home.search'), placeholder: t('home.search'), oninput: event => narrow(event.target)}),
      h('div.picks', [...systems].map(([id, name]) => tick('on:' + id, name, {checked: some.includes(id)})), systems.size === 0 && h('p.quiet', t('roles.no_systems')))),
    field('max_unlock_seconds', t('roles.longest'), {value: String(role.max_unlock_seconds || 3600), choices: lengthChoices(role.max_unlock_seconds || 3600), hint: t('roles.longest_hint')}),
  ];
}

/** Shows the phone systems that a text is part of; what is ticked stays to be seen. */
function narrow(input) {
  const text = input.value.trim().toLowerCase();
  for (const one of input.parentNode.querySelectorAll('.picks > .field')) {
    one.hidden = !one.textContent.toLowerCase().includes(text) && !one.querySelector('input').checked;
  }
}

/** What was chosen, as the API takes it. */
function read(typed) {
  const picked = mark => Object.keys(typed).filter(name => name.startsWith(mark) && typed[name]).map(name => name.slice(mark.length));
  const may = picked('may:');
  return {
    name: typed.name.trim(), permissions: permissions.filter(p => may.includes(p)), phone_systems: typed.scope === 'every' ? ['*'] : picked('on:'),
    max_unlock_seconds: may.includes('unlock') || may.includes('break_glass') ? Number(typed.max_unlock_seconds) : 0,
  };
}

/** What a change will do to those who have the role. */
function effects(before, after, systems, people) {
  const less = (some, others) => some.filter(one => !others.includes(one));
  const said = list => list.map(p => t('permission.' + p)).join(', ');
  const names = list => list.map(id => id === '*' ? t('roles.everywhere') : systems.get(id) ?? t('audit.gone')).join(', ');
  const [lost, gained] = [less(before.permissions, after.permissions), less(after.permissions, before.permissions)];
  const [left, added] = after.phone_systems.includes('*') || before.phone_systems.includes('*')
    ? [before.phone_systems.includes('*') && !after.phone_systems.includes('*'), after.phone_systems.includes('*') && !before.phone_systems.includes('*')].map(on => on ? ['*'] : [])
    : [less(before.phone_systems, after.phone_systems), less(after.phone_systems, before.phone_systems)];
  const unlocks = before.permissions.includes('unlock') && after.permissions.includes('unlock');
  const shorter = unlocks && after.max_unlock_seconds < before.max_unlock_seconds;
  const longer = unlocks && after.max_unlock_seconds > before.max_unlock_seconds;
  const told = [
    lost.length > 0 && t('roles.loses', {what: said(lost)}),
    left.length > 0 && t('roles.leaves', {names: left[0] === '*' ? t('roles.others') : names(left)}),
    shorter && t('roles.shorter', {max: length(after.max_unlock_seconds)}),
    (lost.length > 0 || left.length > 0 || shorter) && t('roles.windows'),
    gained.length > 0 && t('roles.gains', {what: said(gained)}),
    added.length > 0 && t('roles.reaches', {names: names(added)}),
    longer && t('roles.longer', {max: length(after.max_unlock_seconds)}),
    (gained.length > 0 || added.length > 0 || longer) && t('roles.told'),
  ].filter(Boolean);
  return told.length > 0 ? [t('roles.people', {n: people}), ...told] : told;
}
