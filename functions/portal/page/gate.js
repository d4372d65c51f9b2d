// The gate in front of a phone system: its key, shown once, and how to install
// it in three steps.
import {call, withQuery} from './api.js';
import {confirm, dialog, toast} from './dialog.js';
import {fill, h, icon, remake} from './dom.js';
import {copying} from './enrol.js';
import {button, field, form, submit, tick} from './form.js';
import {whileHere} from './session.js';
import {t} from './say.js';
import {when} from './time.js';

/** Hands a text to the person as a file. */
export function download(name, text, kind = 'text/plain') {
  const url = URL.createObjectURL(new Blob([text], {type: kind}));
  h('a', {href: url, download: name}).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A gate key as it is shown, once. */
function keyBox(key) {
  return [
    h('p.box.wait', t('gate.once')), h('code.secret', key),
    h('div.acts', copying(t('gate.copy'), () => key), button(t('gate.save'), () => download('gate-key', key + '\n'))),
  ];
}

/** Whether the gate has asked, and when. */
export function light(system) {
  const seen = system.gate.last_seen_at;
  if (!seen) return h('span.state', icon('clock'), t('gate.unseen'));
  if (system.gate.silent_since) return h('span.state.bad', icon('warn'), h('span', t('gate.silent'), ' ', when(system.gate.silent_since)));
  if (system.gate.config_stale) return h('span.state.bad', icon('warn'), t('gate.stale'));
  return h('span.state.good', icon('check'), h('span', t('gate.seen'), ' ', when(seen)));
}

/** The light as it changes, for where the phone system is not asked for anyway. */
export function liveLight(system) {
  const node = h('p', {role: 'status'}, light(system));
  whileHere(node, 5, async () => {
    try {
      const now = await call('GET', '/v1/phone-systems/' + system.id);
      remake(node, now.gate, () => light(now));
    } catch { /* the next time, then */ }
  });
  return node;
}

/**
 * The three steps of installing the gate.
 * @param {object} system
 * @param {string} [key] if it is known: it was just made
 * @param {Node} [lamp] that stands with the last step
 */
export function guide(system, key, lamp) {
  return h('ol.guided',
    h('li', h('h3', t('gate.step1')), key ? keyBox(key) : h('p', t('gate.step1_had'))),
    h('li', h('h3', t('gate.step2')), h('p', t('gate.step2_how')), configuration(system)),
    h('li', h('h3', t('gate.step3')), h('p', t('gate.step3_how', {host: system.host})), lamp));
}

function configuration(system) {
  const path = `/v1/phone-systems/${system.id}/gate-config`;
  return form({
    children: [
      h('div.row2', field('proxy', t('gate.proxy'), {choices: [['nginx', 'nginx'], ['caddy', 'Caddy']]}),
        field('upstream', t('gate.upstream'), {optional: true, placeholder: 'https://127.0.0.1:5001', autocapitalize: 'none', spellcheck: 'false', hint: t('gate.upstream_hint')})),
      h('div.acts', submit(t('gate.download'), '.plain')),
    ],
    send: async ({proxy, upstream}) => {
      const text = await call('GET', withQuery(path, {proxy, upstream: upstream.trim()}));
      download(proxy === 'nginx' ? `portcullis-${system.host.replace(':', '-')}.conf` : 'Caddyfile', text);
      toast(t('gate.downloaded'));
    },
  });
}

/** Replaces the key: the old one works an hour more, unless it is known to somebody. */
export function replaceKey(system, changed) {
  const d = dialog(t('gate.replace_title'));
  fill(d.body, h('p', t('gate.replace_what')), form({
    children: [tick('revoke_previous', t('gate.replace_now')), d.acts(t('gate.replace'))],
    send: async typed => {
      const made = await call('POST', `/v1/phone-systems/${system.id}/gate-key`, {body: {revoke_previous: typed.revoke_previous}});
      const shown = dialog(t('gate.step1'), {firm: true});
      d.close();
      shown.show(keyBox(made.gate_key), h('p', made.previous_valid_until ? [t('gate.old_until'), ' ', when(made.previous_valid_until), '.'] : t('gate.old_void')),
        h('div.acts', button(t('gate.kept'), shown.close, '')));
      changed();
    },
  }));
}

/** Says how the windows of a removed phone system end, and removes it. */
export function remove(system, done) {
  confirm(t('system.remove_title', {name: system.name}), [t('system.remove_what'), t('system.remove_gate')], t('system.remove'), async () => {
    await call('DELETE', '/v1/phone-systems/' + system.id);
    toast(t('system.removed', {name: system.name}));
    done();
  });
}
