// What was typed outlives a reload, a script's error and the session's end, in
// this tab alone, until it was sent or the person signs out. Never secrets.

const prefix = 'portcullis.draft.';

function guarded(use) {
  try {
    return use();
  } catch {
    return null; // storage is refused or full: the page itself still has it
  }
}

/** What was typed in a form before; an empty object if nothing. */
export function draft(name) {
  return guarded(() => JSON.parse(sessionStorage.getItem(prefix + name))) ?? {};
}

/** Keeps what a form holds. */
export function keep(name, values) {
  guarded(() => sessionStorage.setItem(prefix + name, JSON.stringify(values)));
}

/** Forgets a form, or all of them. */
export function forget(name) {
  guarded(() => {
    if (name) sessionStorage.removeItem(prefix + name);
    else Object.keys(sessionStorage).filter(key => key.startsWith(prefix)).forEach(key => sessionStorage.removeItem(key));
  });
}
