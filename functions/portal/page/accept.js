// Accepting an invitation: name and password, then the second factor.
import {call} from './api.js';
import {fill, h} from './dom.js';
import {steps} from './enrol.js';
import {field, form, submit} from './form.js';
import {t} from './say.js';
import {goOn} from './signin.js';

/** The view at #accept; done gets the signed-in answer. */
export function view({secret, done}) {
  if (!secret) return {title: t('accept.title'), node: h('section.card.narrow', h('h1', {tabindex: '-1'}, t('accept.title')), h('p', t('accept.lost')), h('p', h('a', {href: '#'}, t('signin.to'))))};
  const node = h('section.card.narrow');
  fill(node, asked(node, secret, done));
  return {title: t('accept.title'), node};
}

function asked(place, secret, done) {
  const send = async ({name, password}) => {
    const pending = await call('POST', '/v1/invitations/accept', {open: true, body: {token: secret, name: name.trim(), password, delivery: 'cookie'}});
    goOn(place, pending, {email: '', done, restart: () => { location.hash = '#late'; }});
  };
  return [
    steps(1), h('h1', {tabindex: '-1'}, t('accept.title')), h('p.quiet.lead', t('accept.lead')),
    form({send, name: 'accept', own: {gone: t('accept.gone'), conflict: t('accept.conflict')}, children: [
      field('name', t('accept.name'), {optional: true, autocomplete: 'name', maxlength: 200}),
      field('password', t('accept.password'), {type: 'password', autocomplete: 'new-password', minlength: 12, hint: t('password.hint')}),
      h('div.acts', submit(t('form.go_on'), '.wide')),
    ]}),
  ];
}
