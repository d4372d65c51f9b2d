// What a role grants, in words.
import {all} from './api.js';
import {t} from './say.js';
import {length} from './time.js';

/** What a role can grant, in the order of the API. */
export const permissions = ['unlock', 'view_unlocks', 'close_unlocks', 'manage_phone_systems', 'manage_users', 'view_audit', 'break_glass'];

/** A permission where it stands alone. */
export const titled = permission => t('permission.' + permission).replace(/^./, first => first.toUpperCase());

/** Whether it grants a permission. */
export const grants = (role, permission) => role.permissions.includes(permission);

/** Whether it can open windows, and so has a longest one. */
export const opens = role => grants(role, 'unlock') || grants(role, 'break_glass');

/** A role's name: the built-in ones have one in each language. */
export const nameOf = role => role.built_in ? t('role.' + role.id) : role.name;

/** All roles, the built-in ones first. */
export const allRoles = () => all('/v1/roles?limit=200');

/** What it may do, such as "Unlock up to 1 h, see windows". */
export function does(role) {
  const said = permissions.filter(p => grants(role, p)).map(p => p === 'unlock' ? t('roles.unlock_up_to', {max: length(role.max_unlock_seconds)}) : t('permission.' + p));
  return said.join(', ');
}

/** On which phone systems: names where they are known. */
export function where(role, names = new Map()) {
  if (role.phone_systems.includes('*')) return t('roles.everywhere');
  const known = role.phone_systems.map(id => names.get(id)).filter(Boolean);
  const rest = role.phone_systems.length - Math.min(3, known.length);
  if (role.phone_systems.length === 0) return t('roles.nowhere');
  if (known.length === 0) return t('roles.some', {n: rest});
  return known.slice(0, 3).join(', ') + (rest > 0 ? ' ' + t('roles.and_more', {n: rest}) : '');
}
