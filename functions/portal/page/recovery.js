// A partner's recovery: operators begin it, everybody is told, any administrator
// can cancel it within its day.
import {call, keyed} from './api.js';
import {confirm, dialog, toast} from './dialog.js';
import {h} from './dom.js';
import {explain} from './errors.js';
import {button, field, form} from './form.js';
import {t} from './say.js';
import {when} from './time.js';

/** What is under way at a path; null if nothing is. */
async function running(path) {
  try {
    return await call('GET', path);
  } catch (problem) {
    if (problem.status === 404) return null;
    throw problem;
  }
}

const told = r => [h('p', t('recovery.of', {email: r.administrator_email})), h('p.quiet', t('recovery.ends'), ' ', when(r.ends_at))];

/** Asks an operator whose access is to be recovered, or shows what is under way. */
export async function openRecovery(partner) {
  const path = `/v1/partners/${partner.id}/recovery`;
  try {
    const r = await running(path);
    if (r) return stop(t('recovery.running', {name: partner.name}), told(r), path, () => {});
  } catch (problem) {
    return toast(explain(problem));
  }
  const once = keyed();
  const d = dialog(t('recovery.title', {name: partner.name}), {kept: true});
  d.show(h('p', t('recovery.what')), h('p', t('recovery.check')), form({
    name: 'recovery.' + partner.id,
    send: async typed => {
      const body = {administrator_email: typed.administrator_email.trim()};
      await call('POST', path, {body, once: once(body)});
      d.close();
      toast(t('recovery.begun'));
    },
    children: [field('administrator_email', t('recovery.email'), {type: 'email', autocomplete: 'off', hint: t('recovery.email_hint')}),
      d.acts(t('recovery.begin'))],
  }));
}

/** A word to administrators while a recovery of their own partner is under way. */
export async function warning() {
  const path = '/v1/partner/recovery';
  const r = await running(path).catch(() => null);
  if (!r) return null;
  const node = h('div.box.bad', {role: 'alert'}, told(r), h('p', t('recovery.unasked')),
    button(t('recovery.cancel'), () => stop(t('recovery.cancel_title'), told(r), path, () => node.remove()), '.danger'));
  return node;
}

const stop = (title, lines, path, done) => confirm(title, [...lines, t('recovery.cancel_what')], t('recovery.cancel'), async () => {
  await call('DELETE', path);
  toast(t('recovery.cancelled'));
  done();
});
