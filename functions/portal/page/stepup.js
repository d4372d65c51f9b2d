// The second factor once more, in place: what was asked for is then done as it
// was typed.
import {call} from './api.js';
import {dialog} from './dialog.js';
import {h} from './dom.js';
import {codeField, field, form, submit} from './form.js';
import {me} from './session.js';
import {t} from './say.js';

let waiting = null;

/** Asks for a second factor; answers whether one was given. Asked twice at once, it asks once. */
export function stepUp() {
  waiting ??= new Promise(resolve => ask(resolve)).finally(() => { waiting = null; });
  return waiting;
}

function ask(resolve) {
  let proved = false;
  const d = dialog(t('stepup.title'), {closed: () => resolve(proved)});
  const show = method => d.body.replaceChildren(...asked(method, show, () => {
    proved = true;
    d.close();
  }));
  show('totp');
  d.body.querySelector('input')?.focus();
}

function asked(method, show, done) {
  const send = async ({code}) => {
    const answer = await call('POST', '/v1/session/step-up', {body: {method, code: tidy(method, code)}, quiet: true});
    Object.assign(me.session, answer);
    done();
  };
  const other = method === 'totp' ? 'recovery_code' : 'totp';
  const choose = h('button.link', {type: 'button', onclick: () => {
    show(other);
    document.querySelector('dialog[open]:last-of-type input')?.focus();
  }}, t('factor.use.' + other));
  return [h('p.quiet', t('stepup.why')), form({
    send, own: {bad_attempt: t('factor.wrong.' + method)},
    children: [factorField(method), h('div.acts', submit(t('stepup.submit')), choose)],
  })];
}

/** The field for a factor that is typed. */
export function factorField(method) {
  if (method === 'totp') return codeField(t('factor.totp'));
  return field('code', t('factor.recovery_code'), {autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false', class: 'mono', secret: true, hint: t('factor.recovery_hint')});
}

/** A code as it is meant: people type spaces where they are shown. */
export const tidy = (method, code) => method === 'totp' ? code.replace(/\s/g, '') : code.trim();
