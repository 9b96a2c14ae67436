// What a run says is somebody else's text. It reaches the page through these functions alone, and always as text: no
// markup is ever parsed, and no address out of a run becomes a link.

// Colours and the like of a terminal mean nothing here.
const STYLES = /\u001b\[[0-9;]*m/g;
// Characters that act instead of being seen: controls, and those that turn the direction of what stands around them.
const ACTING = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** The text with every character that acts made visible. */
export function visible(text) {
  return String(text).replace(STYLES, '').replaceAll('\r\n', '\n').replace(ACTING, (character) => {
    const code = character.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return `\u27e8U+${code.toString(16).toUpperCase().padStart(4, '0')}\u27e9`;
  });
}

function furnish(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') node.addEventListener(name, value);
    else node.setAttribute(name, value === true ? '' : visible(value));
  }
  node.append(...nodes(children));
  return node;
}

function nodes(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : document.createTextNode(visible(child))));
}

/** An element; a function among the attributes listens to the event of that name. */
export function el(tag, attributes = {}, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

/** An element of a drawing. */
export function svg(tag, attributes = {}, ...children) {
  return furnish(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
}

/** Replaces what an element holds. */
export function fill(node, ...children) {
  node.replaceChildren(...nodes(children));
  return node;
}

/** Whether an element was made of just that the last time; what is the same is not made again, so a selection and the focus stay. */
export function isMadeOf(node, ...from) {
  const now = JSON.stringify(from);
  const isSame = node.dataset.madeOf === now;
  node.dataset.madeOf = now;
  return isSame;
}

/** Sets an element's text, only where it is another: a screen reader and a selection keep their place. */
export function setText(node, text) {
  const shown = visible(text);
  if (node.textContent !== shown) node.textContent = shown;
}

/** Tells whoever listens to the page instead of seeing it. */
export function announce(text) {
  setText(document.getElementById('announcer'), text);
}

/** A text cut to so many characters. */
export function cut(text, length) {
  const characters = Array.from(String(text).slice(0, length * 2 + 2));
  return characters.length > length ? `${characters.slice(0, length - 1).join('')}…` : characters.join('');
}

/** What an error says to a person: what is wrong, what to do next, and its code. */
export function refusal(error) {
  return el('div', { class: 'notice bad', role: 'alert' },
    el('p', {}, error.message || 'Something went wrong'),
    error.hint ? el('p', {}, error.hint) : null,
    error.code ? el('p', {}, el('code', {}, error.code)) : null);
}
