// What mailed links lead to, and asking for one. Nothing happens when a page is
// merely opened, as the scanners of mail do.
import {call} from './api.js';
import {fill, h, icon} from './dom.js';
import {steps} from './enrol.js';
import {button, field, form, submit} from './form.js';
import {t} from './say.js';
import {goOn, typedEmail} from './signin.js';

const next = () => h('div.acts', h('a.act.wide', {href: '#'}, t('signin.to')));
const toSignIn = () => h('p.mid', h('a.link', {href: '#'}, t('signin.to')));

/** The view at #accept; done gets the signed-in answer. */
export function accept({secret, done}) {
  if (!secret) return {title: t('accept.title'), node: h('section.card.narrow', h('h1', {tabindex: '-1'}, t('accept.title')), h('p', t('accept.lost')), toSignIn())};
  const node = h('section.card.narrow');
  fill(node, accepting(node, secret, done));
  return {title: t('accept.title'), node};
}

function accepting(place, secret, done) {
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

/** Asks for the address; the answer is the same whether somebody signs in with it or not. */
export function ask() {
  const node = h('section.card.narrow');
  const start = email => fill(node, h('h1', {tabindex: '-1'}, t('signin.forgot')), h('p.quiet.lead', t('forgot.lead')), form({
    send: async typed => {
      const address = typed.email.trim();
      await call('POST', '/v1/password/forgot', {open: true, body: {email: address}});
      fill(node, h('h1', {tabindex: '-1'}, icon('mail'), ' ', t('forgot.sent')), h('p', {role: 'status'}, t('forgot.sent_how', {email: address})), h('p.quiet', t('forgot.none')),
        h('div.acts', button(t('forgot.again'), () => start(address))), toSignIn());
      node.querySelector('h1').focus();
    },
    children: [
      field('email', t('signin.email'), {type: 'email', autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false', value: email, 'data-first': true}),
      h('div.acts', submit(t('forgot.submit'), '.wide')),
    ],
  }), toSignIn());
  start(typedEmail());
  return {title: t('signin.forgot'), node};
}

/** Sets a new password with the mailed link's secret. */
export function choose({secret}) {
  const node = h('section.card.narrow');
  const anew = h('p.mid', h('a.link', {href: '#forgot'}, t('reset.anew')));
  fill(node, h('h1', {tabindex: '-1'}, t('reset.title')));
  if (!secret) fill(node, node.firstChild, h('p', t('reset.lost')), anew, toSignIn());
  else fill(node, node.firstChild, h('p.quiet.lead', t('reset.lead')), form({
    own: {gone: t('reset.gone')},
    send: async ({new_password}) => {
      await call('POST', '/v1/password/reset', {open: true, body: {token: secret, new_password}});
      fill(node, h('h1', {tabindex: '-1'}, t('reset.done')), h('p', {role: 'status'}, t('reset.done_how')), next());
      node.querySelector('h1').focus();
    },
    children: [
      field('new_password', t('password.new'), {type: 'password', autocomplete: 'new-password', minlength: 12, hint: t('password.hint')}),
      h('div.acts', submit(t('reset.submit'), '.wide')),
    ],
  }), anew);
  return {title: t('reset.title'), node};
}

/** Ends a suspension after many failures. */
export const unsuspend = ({secret}) => once('unsuspend.', secret, '/v1/login/unsuspend');

/** Cancels a recovery of the partner's access that nobody asked for. */
export const cancelRecovery = ({secret}) => once('cancel_recovery.', secret, '/v1/recovery/cancel');

function once(name, secret, path) {
  const node = h('section.card.narrow');
  const title = t(name + 'title');
  const head = h('h1', {tabindex: '-1'}, title);
  if (!secret) fill(node, head, h('p', t('link.lost')), toSignIn());
  else fill(node, head, h('p', t(name + 'what')), form({
    own: {gone: t(name + 'gone')},
    send: async () => {
      await call('POST', path, {open: true, body: {token: secret}});
      fill(node, h('h1', {tabindex: '-1'}, t(name + 'done')), h('p', {role: 'status'}, t(name + 'next')), next());
      node.querySelector('h1').focus();
    },
    children: [h('div.acts', submit(t(name + 'do'), '.wide'))],
  }), toSignIn());
  return {title, node};
}
