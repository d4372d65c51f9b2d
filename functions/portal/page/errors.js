// What went wrong, in words that say what to do next.
import {has, t} from './say.js';
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
    case 'network': case 'unavailable': case 'script': case 'mfa_required':
      return t('error.' + code);
    default:
      return translated(problem.detail) || t('error.other');
  }
}

/** What the server said, in the reader's language where there is a text for it; {0} and {1} in that are its numbers. */
export function translated(detail = '') {
  const numbers = [];
  for (const words of [detail, detail.replace(/\b\d[\d-]*\b/g, number => `{${numbers.push(number) - 1}}`)]) {
    if (has('said: ' + words)) return t('said: ' + words, numbers);
  }
  return detail && detail[0].toUpperCase() + detail.slice(1);
}
