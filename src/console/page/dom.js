// Elements. Whatever comes from outside becomes text, never markup.

/**
 * Makes an element.
 *
 * @param {string} tag
 * @param {Record<string, string>} attributes
 * @param {(Node | string)[]} children - a string is text
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export const byId = (id) => document.getElementById(id);

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** A link into Temporal's UI, in a tab of its own. */
export function link(url, text, label) {
  return element(
    'a',
    { href: url, target: '_blank', rel: 'noopener noreferrer', 'aria-label': label },
    text,
  );
}

/** A time for people; the exact one for whoever asks. */
export function time(iso, text) {
  return element('time', { datetime: iso, title: iso }, text);
}

const known = new WeakMap();

/**
 * Brings the children of an element in line with a list. Those that stay are left where they are, and the focus with them.
 *
 * @param {Element} parent
 * @param {readonly T[]} items
 * @param {(item: T) => string} nameOf - the same name is the same child
 * @param {(item: T) => Element} make - called again where the item is not what it was
 * @template T
 */
export function keep(parent, items, nameOf, make) {
  const before = known.get(parent) ?? new Map();
  const after = new Map();
  for (const item of items) {
    const json = JSON.stringify(item);
    const old = before.get(nameOf(item));
    after.set(nameOf(item), old?.json === json ? old : { json, child: make(item), old });
  }
  for (const [name, { child }] of before) if (!after.has(name)) child.remove();
  let place = 0;
  for (const entry of after.values()) {
    if (entry.old) entry.old.child.replaceWith(entry.child);
    delete entry.old;
    if (parent.children[place] !== entry.child) {
      parent.insertBefore(entry.child, parent.children[place] ?? null);
    }
    place += 1;
  }
  known.set(parent, after);
}

/**
 * A row of a table.
 *
 * @param {(Node | string | { number: string } | { head: Node | string })[]} cells
 */
export function row(cells, attributes = {}) {
  return element('tr', attributes, ...cells.map(cellOf));
}

function cellOf(cell) {
  if (typeof cell === 'string' || cell instanceof Node) return element('td', {}, cell);
  if ('head' in cell) return element('th', { scope: 'row' }, cell.head);
  return element('td', { class: 'number' }, cell.number);
}
