// Forms: labels, hints, what was wrong and where, and one submission at a time.
import {draft, forget, keep} from './drafts.js';
import {explain, translated} from './errors.js';
import {h, fill, icon, setAll} from './dom.js';
import {t} from './say.js';

let count = 0;

/**
 * One question.
 * @param {string} name as in the request's body
 * @param {string} label
 * @param {object} [options] hint; optional; and attributes of the input, of which
 *   as: 'textarea' and choices: [[value, text] or [group, choices]…] make others
 */
export function field(name, label, {hint, optional, as = 'input', choices, secret, ...attributes} = {}) {
  const id = `f${++count}-${name}`;
  const input = h(choices ? 'select' : as, {id, name, required: !optional, ...attributes});
  const option = ([value, text]) => Array.isArray(text) ? h('optgroup', {label: value}, text.map(option)) : h('option', {value, selected: value === attributes.value}, text);
  input.append(...(choices ?? []).map(option));
  if (hint) input.setAttribute('aria-describedby', id + '-hint');
  if (attributes.type === 'password') peek(input);
  return h('div.field', {'data-name': name, 'data-secret': secret || attributes.type === 'password'},
    h('label', {for: id}, label, optional && h('span.quiet', ' ', t('form.optional'))), input.parentNode ?? input, hint && h('p.hint', {id: id + '-hint'}, hint));
}

/** Gives a password's field a button that shows what was typed. */
export function peek(input) {
  const around = h('div.peek');
  input.replaceWith(around);
  const eye = h('button.ghost', {type: 'button', 'aria-pressed': 'false', onclick: () => {
    const shown = input.type === 'password';
    input.type = shown ? 'text' : 'password';
    setAll(eye, {'aria-pressed': String(shown)});
  }}, icon('eye'), h('span.away', t('password.show')));
  around.append(input, eye);
}

/** A box to tick. */
export function tick(name, label, attributes = {}) {
  const id = `f${++count}-${name}`;
  return h('div.field', {'data-name': name}, h('label.tick', {for: id}, h('input', {type: 'checkbox', id, name, ...attributes}), h('span', label)));
}

/** One of a few, side by side. */
export function chips(name, legend, choices, chosen) {
  return h('fieldset.field', {'data-name': name}, h('legend', legend), h('div.chips', choices.map(([value, text]) =>
    h('label.chip', h('input', {type: 'radio', name, value, checked: String(value) === String(chosen)}), h('span', text)))));
}

/** A six-digit code that the browser or a password manager may fill in. */
export const codeField = label => field('code', label, {autocomplete: 'one-time-code', inputmode: 'numeric', pattern: '[0-9 ]*', maxlength: 10, class: 'code', secret: true});

/** A button that submits its form. */
export const submit = (text, mark = '') => h('button.act' + mark, {type: 'submit'}, text);

/** Another button. While what a press began goes on, it shows so and takes no other. */
export function button(text, press, mark = '.plain') {
  const node = h('button.act' + mark, {type: 'button', onclick: async event => {
    if (node.getAttribute('aria-busy')) return;
    node.setAttribute('aria-busy', 'true');
    try {
      await press(event);
    } finally {
      node.removeAttribute('aria-busy');
    }
  }}, text);
  return node;
}

/**
 * A form. What it holds is handed to send, as an object by the fields' names;
 * what send throws is said at the field it is about, or above all.
 * @param {object} o children; send; name (under which what was typed is kept);
 *   own (texts of problems by their code)
 */
export function form({children, send, name, own}) {
  const alert = h('div.alert', {role: 'alert'});
  return wire(h('form', {method: 'post', novalidate: true}, alert, children), {send, name, own});
}

/** Gives a form that stands on the page already its ways. */
export function wire(node, {send, name, own}) {
  if (name) restore(node, name);
  node.addEventListener('input', event => {
    if (name) keep(name, values(node, true));
    for (let of = event.target.closest('.field'); of; of = of.parentNode.closest('.field')) clear(of);
  });
  node.addEventListener('submit', async event => {
    event.preventDefault();
    if (node.dataset.busy) return;
    clearAll(node);
    if (!complete(node)) return;
    busy(node, true);
    try {
      await send(values(node), node);
      if (name) forget(name);
    } catch (problem) {
      if (!problem.cancelled) show(node, problem, own);
    } finally {
      busy(node, false);
    }
  });
  return node;
}

/** What a form holds; without secrets if it is to be kept. */
export function values(node, keeping = false) {
  const found = {};
  for (const input of node.elements) {
    const of = input.closest('.field');
    if (!input.name || keeping && (!of || of.dataset.secret !== undefined)) continue;
    if (input.type === 'checkbox') found[input.name] = input.checked;
    else if (input.type !== 'radio') found[input.name] = input.value;
    else if (input.checked) found[input.name] = input.value;
  }
  return found;
}

function restore(node, name) {
  for (const [key, value] of Object.entries(draft(name))) {
    for (const input of node.elements) {
      if (input.name !== key || input.closest('.field')?.dataset.secret !== undefined) continue;
      if (input.type === 'checkbox') input.checked = value === true;
      else if (input.type === 'radio') input.checked = input.value === value;
      else input.value = value;
    }
  }
}

function busy(node, on) {
  if (on) node.dataset.busy = 'yes';
  else delete node.dataset.busy;
  for (const button of node.querySelectorAll('button[type=submit]')) setAll(button, {'aria-busy': on && 'true', 'aria-disabled': on && 'true'});
}

function complete(node) {
  const empty = [...node.elements].filter(input => input.required && (input.type === 'checkbox' ? !input.checked : !input.value.trim()));
  for (const input of empty) wrong(input.closest('.field'), t(input.type === 'checkbox' ? 'form.tick' : 'form.missing'));
  empty[0]?.focus();
  return empty.length === 0;
}

/** Refuses what was typed in a field, as the API does. */
export function refuse(name, message) {
  throw Object.assign(new Error(message), {code: 'invalid', errors: [{location: name, message}]});
}

/** Says what is wrong with one field. */
export function wrong(of, text) {
  clear(of);
  const id = `f${++count}-wrong`;
  of.append(h('p.wrong', {id}, text));
  for (const input of of.querySelectorAll('input, select, textarea')) {
    input.setAttribute('aria-invalid', 'true');
    input.setAttribute('aria-describedby', [input.getAttribute('aria-describedby'), id].filter(Boolean).join(' '));
  }
}

function clear(of) {
  of.querySelector('.wrong')?.remove();
  for (const input of of.querySelectorAll('[aria-invalid]')) {
    input.removeAttribute('aria-invalid');
    const hint = of.querySelector('.hint');
    if (hint) input.setAttribute('aria-describedby', hint.id);
    else input.removeAttribute('aria-describedby');
  }
}

function clearAll(node) {
  fill(node.querySelector('.alert'));
  node.querySelectorAll('.field').forEach(clear);
}

/** Says a problem where it belongs, and moves there. */
export function show(node, problem, own) {
  if (!problem.code) console.error(problem);
  let first = null;
  for (const error of problem.errors ?? []) {
    const name = error.location.replace(/^body\./, '');
    const of = [...node.querySelectorAll('.field')].find(one => one.dataset.name === name || one.dataset.name === name.split('.').pop());
    if (!of) continue;
    wrong(of, own?.[problem.code + ' ' + name] ?? own?.[problem.code] ?? translated(error.message));
    first ??= of.querySelector('input, select, textarea');
  }
  if (first) {
    first.focus();
    return;
  }
  fill(node.querySelector('.alert'), explain(problem, own));
  node.querySelector('.alert').scrollIntoView({block: 'nearest'});
}
