// API keys: for programs that read, or register phone systems.
import {all, call, keyed} from './api.js';
import {confirm, dialog, toast} from './dialog.js';
import {fill, h, icon} from './dom.js';
import {forget} from './drafts.js';
import {copying} from './enrol.js';
import {button, field, form, tick} from './form.js';
import {download} from './gate.js';
import {titled} from './rolewords.js';
import {t} from './say.js';
import {day, now, when} from './time.js';

const grantable = ['view_unlocks', 'manage_phone_systems', 'view_audit'];
const days = 24 * 3600 * 1000;

/** The view at #api-keys. */
export async function view() {
  const page = new Keys();
  await page.load();
  return {title: t('keys.title'), node: page.node};
}

class Keys {
  constructor() {
    this.node = h('div');
  }

  async load() {
    const keys = await all('/v1/api-keys?limit=200');
    fill(this.node, h('div.head', h('div', h('h1', {tabindex: '-1'}, t('keys.title')), h('p.quiet', t('keys.lead'))), button([icon('plus'), t('keys.new')], () => this.create(), '')),
      keys.length > 0 ? h('ul.list', keys.map(key => this.row(key))) : h('div.empty', icon('key'), h('h2', t('keys.none')), h('p.quiet', t('keys.none_how'))));
  }

  row(key) {
    const over = key.expires_at && Date.parse(key.expires_at) <= now();
    return h('li', h('div', h('div.title', key.name), h('div.quiet.small', ['read', ...key.permissions].map(p => t(p === 'read' ? 'keys.reads' : 'permission.' + p)).join(', '))),
      h('div', over ? h('span.state.bad', icon('warn'), t('keys.over')) : key.expires_at ? [t('keys.until'), ' ', when(key.expires_at, day(key.expires_at))] : t('keys.endless'),
        h('div.quiet.small', t('profile.used'), ' ', when(key.last_used_at), ' · ', t('keys.made'), ' ', when(key.created_at, day(key.created_at)))),
      h('div.do', button([t('system.remove'), h('span.away', ' ', key.name)], () => this.remove(key), '.danger')));
  }

  create() {
    const once = keyed();
    const begun = now(); // the same end, however often it is sent
    const d = dialog(t('keys.new'), {closed: () => forget('key.new')});
    d.show(h('p.quiet', t('keys.new_what')), form({
      name: 'key.new',
      send: async typed => {
        const ends = Number(typed.days) && new Date(begun + Number(typed.days) * days).toISOString().replace(/\.\d+Z/, 'Z');
        const body = {name: typed.name.trim(), permissions: grantable.filter(p => typed['may:' + p]), ...(ends && {expires_at: ends})};
        const made = await call('POST', '/v1/api-keys', {body, once: once(body)});
        d.close();
        await this.load();
        this.show(made);
      },
      children: [
        field('name', t('system.name'), {maxlength: 100, autocomplete: 'off', hint: t('keys.name_hint')}),
        h('fieldset.field', {'data-name': 'permissions'}, h('legend', t('keys.more')), grantable.map(p => tick('may:' + p, [h('strong', titled(p)), h('span.quiet.small.under', t('keys.may.' + p))]))),
        field('days', t('keys.ends'), {value: '365', choices: [['30', t('keys.days', {n: 30})], ['90', t('keys.days', {n: 90})], ['365', t('keys.days', {n: 365})], ['', t('time.never')]], hint: t('keys.ends_hint')}),
        d.acts(t('keys.create'))],
    }));
  }

  /** The key, shown once. */
  show(made) {
    const d = dialog(t('keys.made_title', {name: made.name}), {firm: true});
    const example = `curl -H "Authorization: Bearer $(cat api-key)" ${location.origin}/v1/phone-systems`;
    d.show(h('p.box.wait', t('keys.once')), h('code.secret', made.api_key),
      h('div.acts', copying(t('gate.copy'), () => made.api_key), button(t('gate.save'), () => download('api-key', made.api_key + '\n'))),
      h('p'), h('p', t('keys.try')), h('pre.secret', h('code', example)),
      h('p', h('a', {href: '/openapi.json', target: '_blank'}, t('keys.openapi'))), h('div.acts', button(t('gate.kept'), d.close, '')));
  }

  remove(key) {
    confirm(t('keys.remove_title', {name: key.name}), [t('keys.remove_what')], t('system.remove'), async () => {
      await call('DELETE', '/v1/api-keys/' + key.id);
      await this.load();
      toast(t('keys.removed', {name: key.name}));
    });
  }
}
