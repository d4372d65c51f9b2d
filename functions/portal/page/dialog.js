// Dialogs over the page, and words at its edge. The browser's own dialog keeps
// the focus inside and gives it back.
import {h, icon} from './dom.js';
import {explain} from './errors.js';
import {button} from './form.js';
import {t} from './say.js';

let count = 0;

/**
 * Opens a dialog.
 * @param {string} title
 * @param {object} o children; closed (called after it went); firm (it can't be dismissed)
 * @returns {{node: HTMLDialogElement, body: HTMLElement, close: function()}}
 */
export function dialog(title, {children = [], closed = () => {}, firm = false} = {}) {
  const id = `d${++count}`;
  const body = h('div', children);
  const node = h('dialog', {'aria-labelledby': id},
    h('h2', {id, tabindex: '-1'}, title),
    !firm && h('button.ghost.shut', {type: 'button', 'aria-label': t('dialog.close'), onclick: () => node.close()}, icon('close')),
    body);
  node.addEventListener('cancel', event => firm && event.preventDefault());
  node.addEventListener('close', () => {
    node.remove();
    closed();
    // What had the focus before may have gone meanwhile.
    if (document.activeElement === document.body) document.querySelector('main h1')?.focus();
  });
  document.body.append(node);
  node.showModal();
  (body.querySelector('[data-first]') ?? body.querySelector('input:not([type=hidden]), select, textarea') ?? node.querySelector('h2')).focus();
  return {node, body, close: () => node.open && node.close()};
}

/**
 * Says what will happen and asks whether to do it.
 * @param {string} title
 * @param {Array} told what will happen
 * @param {string} yes the button's text
 * @param {function(): Promise} act what is done; its problem is said in the dialog
 */
export function confirm(title, told, yes, act, mark = '.danger') {
  const alert = h('div.alert', {role: 'alert'});
  const go = button(yes, async () => {
    if (go.getAttribute('aria-busy')) return;
    go.setAttribute('aria-busy', 'true');
    alert.textContent = '';
    try {
      await act();
      d.close();
    } catch (problem) {
      alert.textContent = explain(problem);
    }
    go.removeAttribute('aria-busy');
  }, mark);
  const d = dialog(title, {children: [alert, told.map(line => typeof line === 'string' ? h('p', line) : line), h('div.acts', go, button(t('dialog.cancel'), () => d.close()))]});
  return d;
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

const spoken = h('p.away', {role: 'status'});

/** Tells a screen reader, and nobody else. */
export function tell(text) {
  if (!spoken.isConnected) document.body.append(spoken);
  spoken.textContent = text;
}
