// A forgotten password: asking for the link, and what the mailed link opens.
import {call} from './api.js';
import {fill, h, icon} from './dom.js';
import {button, field, form, submit} from './form.js';
import {t} from './say.js';
import {typedEmail} from './signin.js';

const toSignIn = () => h('p.mid', h('a.link', {href: '#'}, t('signin.to')));

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
      fill(node, h('h1', {tabindex: '-1'}, t('reset.done')), h('p', {role: 'status'}, t('reset.done_how')), h('div.acts', h('a.act.wide', {href: '#'}, t('signin.to'))));
      node.querySelector('h1').focus();
    },
    children: [
      field('new_password', t('password.new'), {type: 'password', autocomplete: 'new-password', minlength: 12, hint: t('password.hint')}),
      h('div.acts', submit(t('reset.submit'), '.wide')),
    ],
  }), anew);
  return {title: t('reset.title'), node};
}
