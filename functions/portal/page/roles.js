// Roles as a matrix: who may do what, on which phone systems, for how long.
import {all, call} from './api.js';
import {confirm, toast} from './dialog.js';
import {fill, h, icon} from './dom.js';
import {button} from './form.js';
import {openRole} from './roleform.js';
import {allRoles, grants, nameOf, opens, permissions, titled, where} from './rolewords.js';
import {t} from './say.js';
import {length} from './time.js';

/** The view at #roles. */
export async function view() {
  const page = new Roles();
  await page.load();
  return {title: t('roles.title'), node: page.node};
}

/** The names of phone systems by their ids. */
const systemNames = async () => new Map((await all('/v1/phone-systems?limit=200')).map(system => [system.id, system.name]));

class Roles {
  constructor() {
    this.node = h('div');
  }

  async load() {
    [this.roles, this.systems] = await Promise.all([allRoles(), systemNames()]);
    const columns = permissions.filter(p => p !== 'break_glass' || this.roles.some(role => grants(role, p)));
    const head = [t('users.role'), ...columns.map(titled), t('roles.where'), t('roles.longest'), h('span.away', t('roles.acts'))];
    fill(this.node,
      h('div.head', h('div', h('h1', {tabindex: '-1'}, t('roles.title')), h('p.quiet', t('roles.lead'))),
        button([icon('plus'), t('roles.new')], () => this.edit({name: '', permissions: [], phone_systems: ['*'], max_unlock_seconds: 3600}), '')),
      h('div.scroll', {tabindex: '0', role: 'region', 'aria-label': t('roles.title')},
        h('table.matrix', {role: 'table'}, h('thead', {role: 'rowgroup'}, h('tr', {role: 'row'}, head.map(name => h('th', {scope: 'col', role: 'columnheader'}, name)))),
          h('tbody', {role: 'rowgroup'}, this.roles.map(role => this.row(role, columns))))),
      h('p.quiet', t('roles.sum')), this.roles.every(role => role.built_in) && h('p.quiet', t('roles.none_own')));
  }

  row(role, columns) {
    const cell = (label, text) => h('td', {role: 'cell', 'data-label': label}, text);
    const may = p => h(grants(role, p) ? 'td.mid' : 'td.mid.not', {role: 'cell', 'data-label': titled(p)},
      grants(role, p) ? [icon('check'), h('span.away', t('roles.yes'))] : h('span.quiet', h('span', {'aria-hidden': 'true'}, '–'), h('span.away', t('roles.no'))));
    return h('tr', {role: 'row'}, h('th', {scope: 'row', role: 'rowheader'}, nameOf(role), role.built_in && h('div.quiet.small', t(role.id === 'LIMITED' ? 'roles.template' : 'roles.built_in'))),
      columns.map(may), cell(t('roles.where'), where(role, this.systems)), cell(t('roles.longest'), opens(role) ? length(role.max_unlock_seconds) : '–'),
      h('td', {role: 'cell'}, h('div.do', this.acts(role))));
  }

  acts(role) {
    const of = h('span.away', ' ', nameOf(role));
    if (role.built_in) return button([t('roles.copy'), of], () => this.edit({...role, id: '', name: '', phone_systems: role.phone_systems}));
    return [button([t('system.edit'), of], () => this.edit(role)), button([t('system.remove'), of.cloneNode(true)], () => this.remove(role), '.danger')];
  }

  async edit(role) {
    openRole(role, {systems: this.systems, people: role.id ? await this.people(role) : 0, saved: () => this.load()});
  }

  /** How many have it. */
  people = async role => (await all('/v1/users?limit=200&role=' + encodeURIComponent(role.id), 5)).length;

  async remove(role) {
    const n = await this.people(role);
    confirm(t('roles.remove_title', {name: role.name}), n > 0 ? [t('roles.remove_what', {n}), t('roles.windows')] : [t('roles.remove_nobody')], t('system.remove'), async () => {
      await call('DELETE', '/v1/roles/' + role.id);
      await this.load();
      toast(t('roles.removed', {name: role.name}));
    });
  }
}
