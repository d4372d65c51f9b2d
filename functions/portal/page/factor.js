// Proving a second factor, whichever the person has at hand: when signing in, and
// once more in place, where what was asked for is then done as it was typed.
import {call} from './api.js';
import {dialog} from './dialog.js';
import {fill, h, icon} from './dom.js';
import {codeField, field, form, submit} from './form.js';
import {able, prove} from './passkey.js';
import {me} from './session.js';
import {t} from './say.js';

/** The factors worth asking for, the strongest first. */
const usable = methods => ['passkey', 'totp', 'recovery_code'].filter(method => methods.includes(method) && (method !== 'passkey' || able()));

/**
 * Asks for a factor in a place, and for another where that is not at hand.
 * @param {HTMLElement} place
 * @param {object} o methods (those of the person); options (path and call options
 *   for a passkey's); send (gets {method, code or assertion}); title (of the whole);
 *   account (the e-mail, for password managers); text (of the button); more (nodes below)
 */
export function askFactor(place, o) {
  const methods = usable(o.methods);
  const show = method => {
    const others = methods.filter(other => other !== method);
    fill(place, o.title, h('p.quiet', t('factor.lead.' + method)), method === 'passkey' ? byPasskey(o) : byCode(method, o),
      (others.length > 0 || o.more) && h('p.mid', others.map(other => h('button.link', {type: 'button', onclick: () => show(other)}, t('factor.use.' + other))), o.more));
    (place.querySelector('input:not([type=hidden])') ?? place.querySelector('button[type=submit]')).focus();
  };
  show(methods[0] ?? 'totp');
}

function byPasskey({options, send, text}) {
  return form({
    send: async () => send({method: 'passkey', assertion: await prove(...options())}),
    own: {bad_attempt: t('factor.wrong.passkey'), passkey_none: t('factor.passkey_none')},
    children: h('div.acts', h('button.act.wide', {type: 'submit'}, icon('key'), text)),
  });
}

function byCode(method, {send, text, account}) {
  const plain = method === 'totp' ? code => code.replace(/\s/g, '') : code => code.trim();
  return form({
    send: ({code}) => send({method, code: plain(code)}), own: {bad_attempt: t('factor.wrong.' + method)},
    // The hidden one tells password managers whose code it is.
    children: [account && h('input', {type: 'hidden', name: 'username', autocomplete: 'username', value: account}), codeOf(method), h('div.acts', submit(text, '.wide'))],
  });
}

/** The field for a factor that is typed: people type spaces where they are shown. */
function codeOf(method) {
  if (method === 'totp') return codeField(t('factor.totp'));
  return field('code', t('factor.recovery_code'), {autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false', class: 'mono', secret: true, hint: t('factor.recovery_hint')});
}

let waiting = null;

/** Asks for a second factor; answers whether one was given. Asked twice at once, it asks once. */
export function stepUp() {
  waiting ??= new Promise(resolve => ask(resolve)).finally(() => { waiting = null; });
  return waiting;
}

function ask(resolve) {
  let proved = false;
  const d = dialog(t('stepup.title'), {closed: () => resolve(proved)});
  askFactor(d.body, {
    methods: [...me.user.mfa.methods, 'recovery_code'], text: t('stepup.submit'), title: h('p', t('stepup.why')),
    options: () => ['/v1/session/step-up/options', {quiet: true}],
    send: async proof => {
      Object.assign(me.session, await call('POST', '/v1/session/step-up', {body: proof, quiet: true}));
      proved = true;
      d.close();
    },
  });
}
