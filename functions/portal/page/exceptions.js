// Operators: paths that a phone system's users need though its profile restricts
// them, each by name, told to its administrators and shown in their evidence.
import {all, call, keyed} from './api.js';
import {confirm, dialog, toast} from './dialog.js';
import {fill, h, icon} from './dom.js';
import {button, field, form} from './form.js';
import {t} from './say.js';
import {day, when} from './time.js';

/** The view at #exceptions. */
export async function view() {
  const list = h('ul.list');
  const none = h('div.empty', icon('check'), h('h2', t('exceptions.none')), h('p.quiet', t('exceptions.none_how')));
  const load = async () => {
    const items = await all('/v1/exceptions?limit=200', 5);
    fill(list, items.map(one => row(one, load)));
    [list.hidden, none.hidden] = [items.length === 0, items.length > 0];
  };
  const node = h('div', h('div.head', h('div', h('h1', {tabindex: '-1'}, t('exceptions.title')), h('p.quiet', t('exceptions.lead'))),
    button([icon('plus'), t('exceptions.add')], () => add(load), '')), list, none);
  await load();
  return {title: t('exceptions.title'), node};
}

const row = (one, load) => h('li',
  h('div', h('div.title', one.name), h('div.quiet.small', one.host, ' · ', t('profile.' + one.profile)), h('div.small', one.paths.map(path => h('div', h('code', path))))),
  h('div.quiet.small', one.reason, h('div', t('profile.since'), ' ', when(one.created_at, day(one.created_at)))),
  h('div.do', button([t('exceptions.withdraw'), h('span.away', ' ', one.name)], () => confirm(t('exceptions.withdraw_title', {name: one.name}), [t('exceptions.withdraw_what', {host: one.host})], t('exceptions.withdraw'), async () => {
    await call('DELETE', '/v1/exceptions/' + one.id);
    toast(t('exceptions.withdrawn'));
    await load();
  }), '.danger')));

function add(load) {
  const once = keyed();
  const d = dialog(t('exceptions.add'), {kept: true});
  d.show(h('p.quiet', t('exceptions.add_how')), form({
    name: 'exception.new', own: {not_found: t('exceptions.unknown')},
    send: async typed => {
      const body = {phone_system_id: typed.phone_system_id.trim(), host: typed.host.trim(), name: typed.name.trim(), reason: typed.reason.trim(),
        paths: typed.paths.split('\n').map(path => path.trim()).filter(Boolean)};
      await call('POST', '/v1/exceptions', {body, once: once(body)});
      d.close();
      toast(t('exceptions.added'));
      await load();
    },
    children: [field('phone_system_id', t('exceptions.id'), {autocomplete: 'off', maxlength: 64, hint: t('exceptions.id_hint')}), field('host', t('system.host'), {autocomplete: 'off', maxlength: 253}),
      field('name', t('exceptions.name'), {autocomplete: 'off', maxlength: 200}), field('reason', t('exceptions.reason'), {autocomplete: 'off', maxlength: 500}),
      field('paths', t('exceptions.paths'), {as: 'textarea', spellcheck: false, hint: t('exceptions.paths_hint')}),
      d.acts(t('exceptions.create'))],
  }));
}
