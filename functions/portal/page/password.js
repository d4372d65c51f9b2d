// Changing one's own password.
import {call} from './api.js';
import {dialog, toast} from './dialog.js';
import {h} from './dom.js';
import {field, form} from './form.js';
import {me} from './session.js';
import {t} from './say.js';

/** Asks for the present password and a new one; changed is called when it is set. */
export function changePassword(changed) {
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
