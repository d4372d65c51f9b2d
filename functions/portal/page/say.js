// What is said, in the reader's language. All texts stand in texts.js.
import {texts} from './texts.js';

/** The languages, in the order of each text's list. */
export const languages = ['en', 'de'];

const chosenKey = 'portcullis.language';
let at = 0;

/** Chooses the language: as chosen here before, else as the browser prefers. */
export function begin() {
  let wanted = null;
  try {
    wanted = localStorage.getItem(chosenKey);
  } catch { /* storage is refused: the browser's preference */ }
  const preferred = (navigator.languages ?? [navigator.language]).map(tag => tag.slice(0, 2).toLowerCase());
  use(languages.includes(wanted) ? wanted : preferred.find(tag => languages.includes(tag)) ?? 'en');
}

/** Switches to a language and keeps it for the next time. */
export function choose(language) {
  use(language);
  try {
    localStorage.setItem(chosenKey, language);
  } catch { /* for this time only, then */ }
}

function use(language) {
  at = languages.indexOf(language);
  document.documentElement.lang = language;
}

/** The language in use. */
export const language = () => languages[at];

/** The language in use as the reader's country writes times and numbers. */
export const locale = () => (navigator.languages ?? []).find(tag => tag.toLowerCase().startsWith(language())) ?? language();

/**
 * A text by its key. {name} is replaced by what is given under the name; and
 * {name|one|several} by the one or the other, by number; # in it is the number.
 * @param {string} key
 * @param {Object<string, string|number>} [values]
 */
export function t(key, values = {}) {
  const text = texts[key]?.[at] ?? key;
  return text.replace(/\{(\w+)(?:\|([^|}]*)\|([^}]*))?\}/g, (_, name, one, several) =>
    one === undefined ? String(values[name] ?? '') : (Number(values[name]) === 1 ? one : several).replace('#', values[name]));
}

/** The keys that begin so. */
export const keys = beginning => Object.keys(texts).filter(key => key.startsWith(beginning));

/** Whether there is such a text. */
export const has = key => key in texts;
