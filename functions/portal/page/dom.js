// Building what is shown. Text is only ever a text node, and attributes are set
// as attributes: no name that somebody stored can become markup.

/**
 * Makes an element.
 * @param {string} what tag with marks: 'button.act.plain', 'p#status'
 * @param {...any} rest attributes first, if any ({onclick: fn, required: true}),
 *   then children: nodes, texts, lists of these; null and false are left out
 * @returns {HTMLElement}
 */
export function h(what, ...rest) {
  const [tag, ...marks] = what.split(/(?=[.#])/);
  const node = document.createElement(tag);
  for (const mark of marks) {
    if (mark[0] === '#') node.id = mark.slice(1);
    else node.classList.add(mark.slice(1));
  }
  if (isAttributes(rest[0])) setAll(node, rest.shift());
  add(node, rest);
  return node;
}

function isAttributes(value) {
  return value !== null && typeof value === 'object' && !Array.isArray(value) && !(value instanceof Node);
}

/** Sets attributes: on… are listeners, true is an empty attribute, false and null none. */
export function setAll(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'value') node.value = value ?? '';
    else if (value === true) node.setAttribute(name, '');
    else if (value === false || value === null || value === undefined) node.removeAttribute(name);
    else node.setAttribute(name, value);
  }
  return node;
}

/** Appends children. */
export function add(node, children) {
  for (const child of [children].flat(Infinity)) {
    if (child === null || child === undefined || child === false || child === '') continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

/** Replaces all children. */
export function fill(node, ...children) {
  node.replaceChildren();
  return add(node, children);
}

/** Sets an element's text if it is another: what a screen reader follows is left alone. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const shapes = {
  lock: 'M6 11h12a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1H6a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1zM8 11V8a4 4 0 0 1 8 0v3',
  open: 'M6 11h12a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1H6a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1zM8 11V7a4 4 0 0 1 7.6-1.7',
  search: 'M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.3 15.3 20 20',
  close: 'M6 6l12 12M18 6 6 18',
  out: 'M14 5h5v5M19 5l-8 8M10 6H6a1 1 0 0 0-1 1v11a1 1 0 0 0 1 1h11a1 1 0 0 0 1-1v-4',
  phone: 'M5 4h4l1.5 5L8 10.5a12 12 0 0 0 5.5 5.5l1.5-2.5 5 1.5v4a1 1 0 0 1-1 1A16 16 0 0 1 4 5a1 1 0 0 1 1-1z',
  plus: 'M12 5v14M5 12h14',
  copy: 'M9 9h10v11H9zM15 9V4H5v11h4',
  check: 'M5 12.5 10 17.5 19 7',
  clock: 'M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16zM12 8v4.3l2.8 1.7',
  person: 'M12 11.5a3.75 3.75 0 1 0 0-7.5 3.75 3.75 0 0 0 0 7.5zM4.5 20a7.5 7.5 0 0 1 15 0',
  key: 'M15 9.5a4.5 4.5 0 1 1-9 0 4.5 4.5 0 0 1 9 0zM13.7 12.7 20 19M17 16l2-2',
  mail: 'M4 6h16v12H4zM4.5 6.5 12 13l7.5-6.5',
  eye: 'M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zM12 14.75a2.75 2.75 0 1 0 0-5.5 2.75 2.75 0 0 0 0 5.5z',
  warn: 'M12 4 2.8 19.5h18.4zM12 10v4.5M12 17v.01',
};

/** An icon, hidden from screen readers: a word stands beside it. */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', shapes[name]);
  svg.append(path);
  return svg;
}

/** Appends to a list; what a press on “more” has brought gets the cursor, since that button may be gone. */
export function append(list, nodes, pressed) {
  list.append(...nodes);
  if (pressed) nodes[0]?.querySelector('a, button, summary')?.focus();
}

/**
 * Brings a list's elements up to date by their ids: what stays is not made anew,
 * so that nobody loses the place; where what goes has the cursor, the page gets it.
 */
export function keep(list, made, items, make, update) {
  const ids = new Set(items.map(item => item.id));
  const within = list.contains(document.activeElement);
  for (const [id, one] of made) {
    if (ids.has(id)) continue;
    one.node.remove();
    made.delete(id);
  }
  items.forEach((item, i) => {
    if (!made.has(item.id)) made.set(item.id, make(item));
    const one = made.get(item.id);
    update(one, item);
    if (list.children[i] !== one.node) list.insertBefore(one.node, list.children[i] ?? null);
  });
  if (within && !list.contains(document.activeElement)) document.querySelector('main h1')?.focus({preventScroll: true});
}

/** Replaces an element's content if what it is made of has changed; the cursor stays on what says the same. */
export function remake(node, made, content) {
  const text = JSON.stringify(made);
  if (node.dataset.made === text) return;
  node.dataset.made = text;
  const at = node.contains(document.activeElement) && document.activeElement.textContent;
  fill(node, content());
  if (at === false) return;
  const all = [...node.querySelectorAll('a, button')];
  (all.find(one => one.textContent === at) ?? all[0])?.focus();
}

/**
 * A table; on narrow windows its rows become blocks, so it says itself what it
 * is, and the cells that it has by now say what they are.
 */
export function table(names, body) {
  for (const {cells} of body.rows) names.forEach((name, i) => { cells[i].dataset.label = name; });
  const head = h('thead', {role: 'rowgroup'}, h('tr', {role: 'row'}, names.map(name => h('th', {scope: 'col', role: 'columnheader'}, name))));
  return h('table', {role: 'table'}, head, setAll(body, {role: 'rowgroup'}));
}

/** A row of a table. */
export const row = cells => h('tr', {role: 'row'}, cells.map(cell => h('td', {role: 'cell'}, cell)));
