// What went wrong, in words that say what to do next.
import {keys, t} from './say.js';
import {length} from './time.js';

/**
 * Says a problem to a person. Some are told better where they happen: those
 * texts are given by code.
 * @param {Error} problem
 * @param {Object<string, string>} [own]
 */
export function explain(problem, own = {}) {
  const code = problem.code ?? 'script';
  if (own[code]) return own[code];
  switch (code) {
    case 'too_many_attempts':
      return t('error.too_many_attempts', {wait: length(problem.retryAfter)});
    case 'internal':
      return t('error.internal', {instance: (problem.instance ?? '').split(':').pop()});
    case 'network': case 'unavailable': case 'script': case 'mfa_required': case 'not_found':
      return t('error.' + code);
    default:
      return (problem.errors ?? [{message: problem.detail}]).map(({message}) => translated(message)).join(' ') || t('error.other');
  }
}

const said = keys('said: ').map(key => [key, new RegExp('^' + key.slice(6).replace(/[.*+?^$()|[\]]/g, '\\$&').replace(/\{\d\}/g, '(.+)') + '$')]);

/** What the server said, in the reader's language where there is a text for it; {0} and {1} in that are what it filled in. */
export function translated(detail = '') {
  for (const [key, words] of said) {
    const found = words.exec(detail);
    if (found) return t(key, found.slice(1));
  }
  return detail && detail[0].toUpperCase() + detail.slice(1);
}
