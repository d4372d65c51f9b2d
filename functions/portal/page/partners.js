// Operators: the partners, and inviting the first administrator of a new one.
import {call, keyed, withQuery} from './api.js';
import {dialog, more, toast} from './dialog.js';
import {append, fill, h, icon} from './dom.js';
import {button, field, form} from './form.js';
import {openRecovery} from './recovery.js';
import {t} from './say.js';
import {day, when} from './time.js';

/** The view at # of an operator. */
export async function view() {
  const page = new Partners();
  await page.load();
  return {title: t('partners.title'), node: page.node};
}

class Partners {
  constructor() {
    this.list = h('ul.list');
    this.rest = h('div');
    this.node = h('div', h('div.head', h('div', h('h1', {tabindex: '-1'}, t('partners.title')), h('p.quiet', t('partners.lead'))),
      button([icon('plus'), t('partners.add')], () => this.add(), '')), this.list, this.rest);
  }

  async load(cursor = '') {
    const {items, next} = await call('GET', withQuery('/v1/partners', {limit: 50, cursor}));
    if (!cursor) fill(this.list);
    append(this.list, items.map(partner => this.row(partner)), cursor);
    this.list.hidden = this.list.children.length === 0;
    fill(this.rest, this.list.hidden ? h('div.empty', icon('person'), h('h2', t('partners.none')), h('p.quiet', t('partners.none_how')))
      : next && more(t('home.more'), () => this.load(next)));
  }

  row(partner) {
    return h('li', h('div', h('div.title', partner.name), h('div.quiet.small', partner.support_contact)),
      h('div.quiet', t('profile.since'), ' ', when(partner.created_at, day(partner.created_at))),
      h('div.do', button([t('system.edit'), h('span.away', ' ', partner.name)], () => this.edit(partner)),
        button([t('recovery.open'), h('span.away', ' ', partner.name)], () => openRecovery(partner))));
  }

  add() {
    const once = keyed();
    const d = dialog(t('partners.add'), {kept: true});
    d.show(h('p.quiet', t('partners.add_how')), form({
      name: 'partner.new',
      send: async typed => {
        const body = {name: typed.name.trim(), administrator_email: typed.administrator_email.trim(), support_contact: typed.support_contact.trim()};
        await call('POST', '/v1/partners', {body, once: once(body)});
        d.close();
        toast(t('partners.added', {email: body.administrator_email}));
        await this.load();
      },
      children: [field('name', t('partners.name'), {maxlength: 200, autocomplete: 'off'}),
        field('administrator_email', t('partners.admin'), {type: 'email', autocomplete: 'off', hint: t('partners.admin_hint')}),
        contact(''), d.acts(t('partners.create'))],
    }));
  }

  edit(partner) {
    const d = dialog(t('system.edit_title', {name: partner.name}));
    d.show(form({
      send: async ({name, support_contact}) => {
        await call('PATCH', '/v1/partners/' + partner.id, {body: {name: name.trim(), support_contact: support_contact.trim()}});
        d.close();
        toast(t('system.saved'));
        await this.load();
      },
      children: [field('name', t('partners.name'), {value: partner.name, maxlength: 200, autocomplete: 'off'}), contact(partner.support_contact),
        d.acts(t('system.save'))],
    }));
  }
}

const contact = value => field('support_contact', t('partners.contact'), {value, optional: true, maxlength: 200, autocomplete: 'off', hint: t('partners.contact_hint')});
