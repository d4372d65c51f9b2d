// One's own account: factors, recovery codes, the password, and where one is
// signed in.
import {all, call, keyed} from './api.js';
import {confirm, dialog, toast} from './dialog.js';
import {fill, h, icon} from './dom.js';
import {explain} from './errors.js';
import {authenticator, recoveryCodes} from './enrol.js';
import {button, field, form} from './form.js';
import {able, make} from './passkey.js';
import {me, whoami} from './session.js';
import {t} from './say.js';
import {when} from './time.js';

/** The view at #profile. */
export async function view() {
  const node = h('div.middle');
  await show(node);
  return {title: t('profile.title'), node};
}

async function show(node) {
  const [factors, sessions] = await Promise.all([call('GET', '/v1/mfa'), all('/v1/sessions')]);
  // Which factors there are decides what is asked for where a fresh one is needed.
  const again = () => Promise.all([show(node), whoami()]);
  fill(node, h('h1', {tabindex: '-1'}, t('profile.title')), h('p.quiet.lead', me.user.email),
    h('section.card', h('h2', t('profile.factors')), h('ul.list.two',
      h('li', h('div', h('div.title', t('profile.totp')), h('div.quiet.small', factors.totp ? [t('profile.since'), ' ', when(factors.totp.enrolled_at)] : t('profile.totp_none'))),
        h('div.do', button(t(factors.totp ? 'profile.replace' : 'profile.totp_add'), () => replace(t(factors.totp ? 'profile.replace' : 'profile.totp_add'), again)))),
      factors.passkeys.map(passkey => h('li', h('div', h('div.title', passkey.name), h('div.quiet.small', t('profile.used'), ' ', when(passkey.last_used_at))),
        h('div.do', button([t('system.remove'), h('span.away', ' ', passkey.name)], () => removePasskey(passkey, again))))),
      h('li', h('div', h('div.title', t('profile.codes', {n: factors.recovery_codes_left})), h('div.quiet.small', t(factors.recovery_codes_left < 3 ? 'profile.codes_few' : 'profile.codes_what'))),
        h('div.do', button(t('profile.codes_new'), () => newCodes(again))))),
    able() && h('div.acts', button([icon('key'), t('profile.passkey_add')], () => addPasskey(again)))),
    h('section.card', h('h2', t('password.title')), h('div.acts', button(t('password.change'), () => changePassword(again)))),
    h('section.card', h('h2', t('profile.sessions')), h('ul.list.two', sessions.map(session => h('li', h('div',
      h('div.title', session.current ? t('profile.here') : session.client_network || t('profile.elsewhere')),
      h('div.quiet.small', t('profile.since'), ' ', when(session.created_at), ' · ', t('profile.used'), ' ', when(session.last_seen_at), ' · ', t('factor.name.' + session.method)))))),
    sessions.length > 1 && h('div.acts', button(t('profile.end'), async () => confirm(t('profile.end_title'), [t('profile.end_what')], t('profile.end'), async () => {
      await call('DELETE', '/v1/sessions');
      await again();
    })))));
}

/** A new authenticator in the place of the old one, which counts until the new one is confirmed. */
async function replace(title, again) {
  try {
    const begun = await call('POST', '/v1/mfa/totp');
    const d = dialog(title);
    const send = async ({code}) => {
      await call('POST', '/v1/mfa/totp/confirm', {body: {code: code.replace(/\s/g, '')}, proves: true});
      d.close();
      await again();
      toast(t('profile.replaced'));
    };
    d.show(h('p', t('profile.replace_what')), authenticator(begun, {send, within: d}));
  } catch (problem) {
    if (!problem.cancelled) toast(explain(problem));
  }
}

function addPasskey(again) {
  const once = keyed();
  const d = dialog(t('profile.passkey_add'));
  d.show(h('p.quiet', t('factor.lead.passkey')), form({
    own: {passkey_none: t('factor.passkey_none'), passkey_known: t('profile.passkey_known')},
    send: async ({name}) => {
      const body = {name: name.trim() || undefined, attestation: await make()};
      await call('POST', '/v1/mfa/passkeys', {body, once: once(body)});
      d.close();
      await again();
      toast(t('profile.passkey_added'));
    },
    children: [field('name', t('profile.passkey_name'), {optional: true, maxlength: 100, autocomplete: 'off'}), d.acts(t('profile.passkey_add'))],
  }));
}

function removePasskey(passkey, again) {
  confirm(t('system.remove_title', {name: passkey.name}), [t('profile.passkey_remove')], t('system.remove'), async () => {
    await call('DELETE', '/v1/mfa/passkeys/' + encodeURIComponent(passkey.id));
    await again();
  });
}

function newCodes(again) {
  confirm(t('profile.codes_new'), [t('profile.codes_void')], t('profile.codes_new'), async () => {
    const {recovery_codes: codes} = await call('POST', '/v1/mfa/recovery-codes');
    const d = dialog(t('codes.title'), {firm: true}); // nothing but saying so takes them away
    const done = async () => {
      d.close();
      await again();
    };
    fill(d.body, recoveryCodes(codes, {email: me.user.email, done, within: d}));
  });
}

/** Asks for the present password and a new one; changed is called when it is set. */
function changePassword(changed) {
  const d = dialog(t('password.change'));
  d.show(h('p.quiet', t('password.change_what')), form({
    send: async body => {
      try {
        await call('POST', '/v1/password', {body, proves: true});
      } catch (problem) {
        if (problem.code === 'bad_attempt') problem.errors = [{location: 'body.current_password', message: t('password.wrong')}];
        throw problem;
      }
      d.close();
      await changed();
      toast(t('password.changed'));
    },
    children: [
      h('input', {type: 'text', hidden: true, autocomplete: 'username', value: me.user.email}), // for password managers
      field('current_password', t('password.current'), {type: 'password', autocomplete: 'current-password'}),
      field('new_password', t('password.new'), {type: 'password', autocomplete: 'new-password', minlength: 12, hint: t('password.hint')}),
      d.acts(t('password.change')),
    ],
  }));
}
