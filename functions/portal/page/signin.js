// Signing in: the form that stands in the page, then the second factor. The same
// form lies over the page when a session has ended.
import {call} from './api.js';
import {fill, h, say} from './dom.js';
import {enrolment} from './enrol.js';
import {form, submit, wire} from './form.js';
import {t} from './say.js';
import {factorField, tidy} from './stepup.js';
import {now} from './time.js';

const section = document.getElementById('signin');
const first = [...section.childNodes];
let finish = () => {};

wire(section.querySelector('form'), {send: password, own: {}});

/**
 * The way to sign in.
 * @param {function(object)} done gets what the sign-in answered
 * @param {object} [o] email (as it was), note (why)
 */
export function signIn(done, {email, note} = {}) {
  finish = done;
  back(note);
  const input = section.querySelector('[name=email]');
  if (email) input.value = email;
  section.querySelector('[name=password]').value = email ? '' : section.querySelector('[name=password]').value;
  section.querySelector('button[type=submit]').disabled = false;
  return section;
}

/** Says the form's texts in the language in use: it came with the page's. */
export function retext() {
  const within = mark => first.find(node => node.nodeType === 1 && node.matches(mark)) ?? section.querySelector(mark);
  const inForm = mark => first.find(node => node.nodeName === 'FORM').querySelector(mark);
  say(within('h1'), t('signin.title'));
  say(within('.lead'), t('signin.lead'));
  say(inForm('[for=signin-email]'), t('signin.email'));
  say(inForm('[for=signin-password]'), t('signin.password'));
  say(inForm('button[type=submit]'), t('signin.submit'));
}

/** Gives the section's first step back, with a word why. */
function back(note = '') {
  if (first[0].parentNode !== section) fill(section, first);
  retext();
  fill(section.querySelector('.alert'), note);
}

async function password({email, password}) {
  const pending = await call('POST', '/v1/login', {open: true, body: {email: email.trim(), password, delivery: 'cookie'}});
  section.querySelector('[name=password]').value = '';
  goOn(section, pending, {email, done: finish, restart: note => {
    back(note);
    section.querySelector('[name=password]').focus();
  }});
}

/**
 * The steps after a password, in a place: the second factor, or its enrolment.
 * @param {HTMLElement} place
 * @param {object} pending as the API answered
 * @param {object} o email; done (gets the signed-in answer); restart (gets why)
 */
export function goOn(place, pending, {email, done, restart}) {
  const steps = pending.next === 'enroll_mfa' ? enrolment(pending, done, restart) : secondFactor('totp', place, pending, {email, done, restart});
  fill(place, steps);
  (place.querySelector('input:not([type=hidden])') ?? place.querySelector('h1'))?.focus();
}

function secondFactor(method, place, pending, way) {
  const send = async ({code}) => {
    if (late(pending)) return way.restart(t('signin.late'));
    const answer = await call('POST', '/v1/login/mfa', {open: true, body: {login_token: pending.login_token, method, code: tidy(method, code)}});
    way.done(answer);
  };
  const show = other => {
    fill(place, secondFactor(other, place, pending, way));
    place.querySelector('input').focus();
  };
  const other = method === 'totp' ? 'recovery_code' : 'totp';
  return [
    h('h1', {tabindex: '-1'}, t('factor.title')), h('p.quiet.lead', t('factor.lead.' + method)),
    form({send, own: {bad_attempt: t('factor.wrong.' + method)}, children: [
      // For password managers: whose code it is.
      h('input', {type: 'hidden', name: 'username', autocomplete: 'username', value: way.email}),
      factorField(method), h('div.acts', submit(t('signin.submit'), '.wide')),
    ]}),
    h('p.mid', h('button.link', {type: 'button', onclick: () => show(other)}, t('factor.use.' + other)), ' ',
      h('button.link', {type: 'button', onclick: () => way.restart()}, t('factor.back'))),
  ];
}

/** Whether a pending sign-in has ended: it lives five minutes. */
export const late = pending => now() > Date.parse(pending.expires_at);
