// Dialogs over the page, and words at its edge. The browser's own dialog keeps
// the focus inside and gives it back. Back closes what lies on top, as people do
// on a telephone: while there is a dialog, the history has an entry more, of the
// same address, which goes with it.
import {fill, h, icon} from './dom.js';
import {explain} from './errors.js';
import {button, submit} from './form.js';
import {t} from './say.js';

let count = 0;
let under = '';      // the address of the page under the dialogs
let leaving = false; // whether their entry is being taken back

const top = () => [...document.querySelectorAll('dialog[open]')].at(-1);

/** The dialogs' entry, of the page's address, is the present one from now on. */
function enter(address = location.href) {
  if (leaving || history.state?.over) return;
  under = address;
  history.pushState({over: true}, '', address);
}

/** Takes the dialogs' entry back, if it is the present one. */
function leave() {
  if (leaving || !history.state?.over) return;
  leaving = true;
  history.back();
}

/** Says in the page's address what it is narrowed by; the dialogs' entry is left alone. */
export const readdress = hash => history.state?.over || history.replaceState(history.state, '', hash);

addEventListener('popstate', () => {
  const ours = leaving;
  leaving = false;
  if (history.state?.over) return top() || leave(); // Forward, to where a dialog was
  if (ours && top()) enter(); // one was opened meanwhile
  if (ours || !top()) return;
  dismiss(top());
  if (top()) enter(under);
});
if (history.state?.over) history.back(); // the page was loaded anew while there was one

/** Closes a dialog if it may be, as Escape does. */
function dismiss(node) {
  if (node.dispatchEvent(new Event('cancel', {cancelable: true}))) node.close();
}

/**
 * Opens a dialog.
 * @param {string} title
 * @param {object} o closed (called after it went); firm (it can't be dismissed);
 *   kept (what was typed outlives it, so that nobody need be asked)
 * @returns {object} node; body; close; show (fills it, and moves to what is asked
 *   first); acts (the buttons of its form: one that submits, and Cancel)
 */
export function dialog(title, {closed = () => {}, firm = false, kept = false} = {}) {
  const id = `d${++count}`;
  const body = h('div');
  const node = h('dialog', {'aria-labelledby': id, closedby: firm && 'none'},
    h('h2', {id, tabindex: '-1'}, title),
    !firm && h('button.ghost.shut', {type: 'button', 'aria-label': t('dialog.close'), onclick: () => dismiss(node)}, icon('close')),
    body);
  let typed = null; // a code of six digits is none the poorer for being typed anew
  node.addEventListener('input', ({target}) => { typed = target.autocomplete === 'one-time-code' ? typed : target; });
  // A browser asks only once before it closes a dialog on Escape.
  node.addEventListener('keydown', event => {
    if (event.key !== 'Escape' || event.isComposing) return;
    event.preventDefault();
    dismiss(node);
  });
  node.addEventListener('cancel', event => {
    if (!firm && (kept || !typed?.isConnected)) return;
    event.preventDefault();
    if (!firm) discard(node);
  });
  node.addEventListener('close', () => {
    node.remove();
    closed();
    // What had the focus before may have gone meanwhile.
    if (document.activeElement === document.body) document.querySelector('main h1')?.focus();
    if (!top()) leave();
  });
  enter();
  document.body.append(node);
  node.showModal();
  const close = () => node.open && node.close();
  const show = (...children) => {
    fill(body, children);
    (body.querySelector('input:not([type=hidden], [hidden]), select, textarea') ?? node.querySelector('h2')).focus();
  };
  show();
  return {node, body, close, show, acts: text => h('div.acts', submit(text), button(t('dialog.cancel'), close))};
}

/**
 * Says what will happen and asks whether to do it.
 * @param {string} title
 * @param {Array} told what will happen
 * @param {string} yes the button's text
 * @param {function(): Promise} act what is done; its problem is said in the dialog
 */
export function confirm(title, told, yes, act, no = t('dialog.cancel')) {
  const alert = h('div.alert', {role: 'alert'});
  const go = button(yes, async () => {
    alert.textContent = '';
    try {
      await act();
      d.close();
    } catch (problem) {
      alert.textContent = explain(problem);
    }
  }, '.danger');
  const d = dialog(title);
  d.show(alert, told.map(line => typeof line === 'string' ? h('p', line) : line), h('div.acts', go, button(no, d.close)));
  return d;
}

/** Asks whether what was typed in a dialog may be lost. */
function discard(node) {
  const d = confirm(t('discard.title'), [t('discard.what')], t('discard.do'), () => {
    d.close(); // first, so that the focus finds back below
    node.close();
  }, t('discard.not'));
}

const toasts = h('div.toasts', {role: 'status'});

/** Says a word at the page's edge; it goes by itself, or is sent away. */
export function toast(text) {
  if (!toasts.isConnected) document.body.append(toasts);
  const away = () => node.remove();
  const node = h('div.toast', h('span', text), h('button.ghost', {type: 'button', 'aria-label': t('dialog.close'), onclick: away}, icon('close')));
  toasts.replaceChildren(node);
  setTimeout(away, 12_000);
}

/** What stands under a list that has more: a button that gets it. */
export const more = (text, get) => h('div.acts', button(text, () => get().catch(problem => toast(explain(problem)))));

const spoken = h('p.away', {role: 'status'});

/** Tells a screen reader, and nobody else. */
export function tell(text) {
  if (!spoken.isConnected) document.body.append(spoken);
  spoken.textContent = text;
}
