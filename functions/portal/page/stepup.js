// The second factor once more, in place: what was asked for is then done as it
// was typed.
import {call} from './api.js';
import {dialog} from './dialog.js';
import {h} from './dom.js';
import {askFactor} from './factor.js';
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
