// Enrolling an authenticator, and the recovery codes that go with it.
import {call} from './api.js';
import {toast} from './dialog.js';
import {fill, h, icon} from './dom.js';
import {explain} from './errors.js';
import {button, codeField, field, form, submit, tick} from './form.js';
import {t} from './say.js';
import {now} from './time.js';

/**
 * The steps of enrolling within a sign-in.
 * @param {object} pending as the API answered the password
 * @param {function(object)} done gets the signed-in answer once the codes are kept
 * @param {function(string)} restart gets why it must begin anew
 */
export function enrolment(pending, done, restart) {
  const place = h('div', h('p.quiet', {role: 'status'}, t('load.wait')));
  const begin = async code => {
    try {
      const begun = await call('POST', '/v1/login/enroll', {open: true, body: {login_token: pending.login_token, enrollment_code: code}});
      fill(place, authenticator(begun, {step: 2, send: confirm}));
      place.querySelector('input').focus();
    } catch (problem) {
      if (code) throw problem;
      if (problem.errors?.some(error => error.location === 'body.enrollment_code')) fill(place, afterReset(begin));
      else if (problem.status === 401 || problem.status === 409) restart(t('signin.late'));
      else fill(place, h('p.box.bad', {role: 'alert'}, explain(problem)), h('div.acts', button(t('form.again'), () => begin())));
    }
  };
  const confirm = async ({code}) => {
    if (now() > Date.parse(pending.expires_at)) return restart(t('signin.late'));
    const answer = await call('POST', '/v1/login/enroll/confirm', {open: true, body: {login_token: pending.login_token, code: code.replace(/\s/g, '')}});
    fill(place, recoveryCodes(answer.recovery_codes, {step: 3, email: answer.user.email, done: () => done(answer)}));
    place.querySelector('h1').focus();
  };
  begin();
  return [place];
}

/** After a reset of the factors, an administrator hands over a code, outside mail. */
function afterReset(begin) {
  return [h('h1', {tabindex: '-1'}, t('enrol.title')), h('p.quiet', t('enrol.reset')), form({
    send: ({enrollment_code: code}) => begin(code.trim()), own: {bad_attempt: t('factor.wrong.recovery_code')},
    children: [field('enrollment_code', t('enrol.reset_code'), {autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false', class: 'mono', secret: true}), h('div.acts', submit(t('form.go_on'), '.wide'))],
  })];
}

/** Where somebody is in a few steps. */
export function steps(at, of = 3) {
  return h('div.steps', {'aria-label': t('steps', {at, of}), role: 'img'}, Array.from({length: of}, (_, i) => h(i < at ? 'span.done' : 'span')));
}

/**
 * The authenticator's secret as QR code and as text, and the code that proves it.
 * @param {object} begun secret, otpauth_uri, qr_png
 * @param {object} o step, send (gets the code), within (a dialog, which has a title)
 */
export function authenticator(begun, {step, send, within}) {
  const grouped = begun.secret.replace(/=+$/, '').match(/.{1,4}/g).join(' ');
  return [
    step && steps(step), !within && h('h1', {tabindex: '-1'}, t('enrol.title')), h('p.quiet', t('enrol.lead')),
    h('img.qr', {src: begun.qr_png, alt: t('enrol.qr'), width: 208, height: 208}),
    h('details', {open: matchMedia('(pointer: coarse)').matches}, h('summary', t('enrol.manual')), // a telephone can't scan itself
      h('p', t('enrol.manual_how')), h('code.secret', grouped),
      h('div.acts', copying(t('gate.copy'), () => begun.secret), begun.otpauth_uri.startsWith('otpauth://') && h('a.act.plain', {href: begun.otpauth_uri}, t('enrol.app')))),
    form({send, own: {bad_attempt: t('enrol.wrong')}, children: [codeField(t('enrol.code')), h('div.acts', submit(t('form.go_on'), '.wide'))]}),
  ];
}

/** A button that copies a text, and says so. */
export function copying(label, text) {
  return h('button.act.plain', {type: 'button', onclick: async () => {
    try {
      await navigator.clipboard.writeText(text());
      toast(t('copy.done'));
    } catch {
      toast(t('copy.failed'));
    }
  }}, icon('copy'), label);
}

/**
 * The recovery codes, shown once, to be kept before anything goes on.
 * @param {string[]} codes
 * @param {object} o step, email, done, within (a dialog, which has a title)
 */
export function recoveryCodes(codes, {step, email, done, within}) {
  const stay = event => event.preventDefault(); // the browser asks before it leaves
  addEventListener('beforeunload', stay);
  const text = () => [t('codes.file', {email}), '', ...codes, ''].join('\n');
  const file = () => {
    const url = URL.createObjectURL(new Blob([text()], {type: 'text/plain'}));
    h('a', {href: url, download: 'portcullis-recovery-codes.txt'}).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  };
  return [
    step && steps(step), !within && h('h1', {tabindex: '-1'}, t('codes.title')), h('p.quiet', t('codes.lead')),
    h('ol.codes.mono', codes.map(code => h('li', code))),
    h('div.acts', copying(t('codes.copy'), text), button(t('codes.print'), () => print()), button(t('codes.download'), file)),
    form({send: async () => {
      removeEventListener('beforeunload', stay);
      done();
    }, children: [h('p'), tick('kept', t('codes.kept'), {required: true}), h('div.acts', submit(t('form.go_on'), '.wide'))]}),
  ];
}
