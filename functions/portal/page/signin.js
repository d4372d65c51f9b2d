// Signing in: the form that stands in the page, then the second factor. The same
// form lies over the page when a session has ended.
import {call} from './api.js';
import {fill, h, say, setAll} from './dom.js';
import {enrolment} from './enrol.js';
import {askFactor} from './factor.js';
import {peek, wire} from './form.js';
import {t} from './say.js';
import {now} from './time.js';

const section = document.getElementById('signin');
const first = [...section.childNodes];
let finish = () => {};

wire(section.querySelector('form'), {send: password, own: {}});
peek(section.querySelector('[type=password]'));

/**
 * The way to sign in.
 * @param {function(object)} done gets what the sign-in answered
 * @param {object} [o] email (as it was), note (why), over (it lies over a page,
 *   which a link must not take away)
 */
export function signIn(done, {email, note, over} = {}) {
  finish = done;
  back(note);
  const input = section.querySelector('[name=email]');
  if (email) input.value = email;
  section.querySelector('[name=password]').value = email ? '' : section.querySelector('[name=password]').value;
  section.querySelector('button[type=submit]').disabled = false;
  setAll(section.querySelector('[href="#forgot"]'), {target: over && '_blank'});
  return section;
}

/** What stands in the field for the e-mail. */
export const typedEmail = () => first.find(node => node.nodeName === 'FORM').querySelector('[name=email]').value.trim();

/** Says the form's texts in the language in use: it came with the page's. */
export function retext() {
  const within = mark => first.find(node => node.nodeType === 1 && node.matches(mark)) ?? section.querySelector(mark);
  const inForm = mark => first.find(node => node.nodeName === 'FORM').querySelector(mark);
  say(within('h1'), t('signin.title'));
  say(within('.lead'), t('signin.lead'));
  say(inForm('[for=signin-email]'), t('signin.email'));
  say(inForm('[for=signin-password]'), t('signin.password'));
  say(inForm('button[type=submit]'), t('signin.submit'));
  say(inForm('.peek .away'), t('password.show'));
  say(inForm('[href="#forgot"]'), t('signin.forgot'));
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
  if (pending.next === 'enroll_mfa') {
    fill(place, enrolment(pending, done, restart));
    place.querySelector('h1')?.focus();
    return;
  }
  const login = {login_token: pending.login_token};
  askFactor(place, {
    methods: pending.methods, account: email, text: t('signin.submit'), title: h('h1', {tabindex: '-1'}, t('factor.title')),
    options: () => ['/v1/login/passkey-options', {open: true, body: login}],
    send: async proof => {
      if (now() > Date.parse(pending.expires_at)) return restart(t('signin.late'));
      done(await call('POST', '/v1/login/mfa', {open: true, body: {...login, ...proof}}));
    },
    more: h('button.link', {type: 'button', onclick: () => restart()}, t('factor.back')),
  });
}
