// What a person may do, as it is chosen, and what the choice will do.
import {fill, h} from './dom.js';
import {field, tick} from './form.js';
import {does, nameOf, where} from './rolewords.js';
import {me} from './session.js';
import {t} from './say.js';

const mark = 'role:';

/** The name, and whether the person is an administrator or which roles they have. */
export function rightsFields(person, roles) {
  // A template names no phone system and grants nothing, so it is no choice.
  const offered = roles.filter(role => role.phone_systems.length > 0 || person.roles.includes(role.id));
  return [
    field('name', t('system.name'), {value: person.name, optional: true, maxlength: 200, autocomplete: 'off'}),
    h('fieldset.field', {'data-name': 'roles'}, h('legend', t('users.may')),
      (me.user.administrator || person.administrator) && choice('administrator', t('users.admin'), t('users.admin_what'), person.administrator),
      offered.map(role => choice(mark + role.id, nameOf(role), `${does(role)} · ${where(role)}`, person.roles.includes(role.id)))),
  ];
}

function choice(name, title, what, checked) {
  return tick(name, [h('strong', title), h('span.quiet.small.under', what)], {checked});
}

/** What was chosen, as the API takes it. */
export function readRights(typed) {
  const roles = Object.keys(typed).filter(name => name.startsWith(mark) && typed[name]).map(name => name.slice(mark.length));
  return {name: typed.name.trim(), administrator: typed.administrator === true, roles};
}

/** What inviting somebody with these rights brings with it. */
export function atInvitation(rights) {
  return [rights.administrator && t('users.becomes_admin'), !rights.administrator && rights.roles.length === 0 && t('users.may_nothing')].filter(Boolean);
}

/**
 * What a change of rights will do, line by line.
 * @param {object} before, after administrator and roles
 * @param {object[]} roles all of them
 * @param {object[]} windows the person's open ones, by name
 */
export function effects(before, after, roles, windows) {
  const names = (some, others) => some.roles.filter(id => !others.roles.includes(id)).map(id => roles.find(role => role.id === id)).filter(Boolean).map(nameOf).join(', ');
  const [gained, lost] = [names(after, before), names(before, after)];
  const demoted = before.administrator && !after.administrator;
  const changed = gained || lost || demoted;
  return [
    after.administrator && !before.administrator && t('users.becomes_admin'),
    demoted && t('users.no_more_admin'),
    gained && t('users.gains', {roles: gained}),
    lost && t('users.loses', {roles: lost}),
    (lost || demoted) && windows.length > 0 && t('users.rest_on_it', {names: windows.map(window => window.name).join(', ')}),
    changed && !after.administrator && after.roles.length === 0 && t('users.may_nothing'),
  ].filter(Boolean);
}

/** A place that says what the form above would do, as it is filled in. */
export function foretold(form, tell) {
  const list = h('ul');
  const box = h('div.box.wait', {'aria-live': 'polite'}, h('p', h('strong', t('effects.title'))), list);
  const again = () => {
    const lines = tell();
    box.hidden = lines.length === 0;
    fill(list, lines.map(line => h('li', line)));
  };
  form.addEventListener('input', again);
  form.querySelector('.acts').before(box);
  again();
}
