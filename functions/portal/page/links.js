// What a mailed link does with one press: nothing happens when a page is merely
// opened, as the scanners of mail do.
import {call} from './api.js';
import {fill, h} from './dom.js';
import {form, submit} from './form.js';
import {t} from './say.js';

const toSignIn = mark => h('a' + mark, {href: '#'}, t('signin.to'));

/** Ends a suspension after many failures. */
export const unsuspend = ({secret}) => once('unsuspend.', secret, '/v1/login/unsuspend');

/** Cancels a recovery of the partner's access that nobody asked for. */
export const cancelRecovery = ({secret}) => once('cancel_recovery.', secret, '/v1/recovery/cancel');

function once(name, secret, path) {
  const node = h('section.card.narrow');
  const title = t(name + 'title');
  const head = h('h1', {tabindex: '-1'}, title);
  if (!secret) fill(node, head, h('p', t('link.lost')), h('p.mid', toSignIn('.link')));
  else fill(node, head, h('p', t(name + 'what')), form({
    own: {gone: t(name + 'gone')},
    send: async () => {
      await call('POST', path, {open: true, body: {token: secret}});
      fill(node, h('h1', {tabindex: '-1'}, t(name + 'done')), h('p', {role: 'status'}, t(name + 'next')), h('div.acts', toSignIn('.act.wide')));
      node.querySelector('h1').focus();
    },
    children: [h('div.acts', submit(t(name + 'do'), '.wide'))],
  }), h('p.mid', toSignIn('.link')));
  return {title, node};
}
