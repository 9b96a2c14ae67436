import { el, visible } from './dom.js';

const SHOWN = 4000; // characters of one text at first
const MOST = 200000; // and at most

/** A text of any length: its beginning, and a button that shows more. */
export function longText(text, attributes = {}) {
  const whole = String(text);
  const node = el('span', attributes, whole.slice(0, SHOWN));
  if (whole.length <= SHOWN) return node;
  const left = whole.length - SHOWN;
  const more = el('button', {
    type: 'button', class: 'more', click: () => {
      more.replaceWith(visible(whole.slice(SHOWN, MOST)), whole.length > MOST ? el('em', {}, ` … ${(whole.length - MOST).toLocaleString('en')} more characters; the API has them all`) : '');
      // The button is gone, and with it the focus; the text takes it.
      node.setAttribute('tabindex', '-1');
      node.focus();
    },
  }, `Show ${left.toLocaleString('en')} more characters`);
  node.append(more);
  return node;
}

const isShort = (text) => text.trim() !== '' && text.length <= 200 && !text.trimEnd().includes('\n');

/** Any JSON value for a person: texts as they are, small objects member by member, the rest as JSON. */
export function value(json, depth = 0) {
  if (json === '') return el('em', { class: 'muted' }, 'empty');
  if (typeof json === 'string') return depth > 0 && isShort(json) ? el('code', {}, json.trimEnd()) : el('pre', {}, longText(json));
  const members = json && typeof json === 'object' && !Array.isArray(json) ? Object.entries(json) : [];
  if (depth > 1 || members.length === 0 || members.length > 40) {
    return el('pre', {}, longText(JSON.stringify(json, null, 2) ?? 'null'));
  }
  return el('dl', { class: 'members' }, members.map(([name, member]) => el('div', {},
    el('dt', {}, name),
    el('dd', {}, member === null || ['number', 'boolean'].includes(typeof member) ? el('code', {}, JSON.stringify(member)) : value(member, depth + 1)))));
}

/** What an error of a run or a step says. */
export function fault(error) {
  if (!error || typeof error !== 'object') return value(error);
  const { message, code, hint, ...rest } = error;
  return el('div', { class: 'fault' },
    message === undefined ? null : el('p', {}, longText(message)),
    hint ? el('p', {}, longText(hint)) : null,
    code ? el('p', {}, el('code', {}, code)) : null,
    Object.values(rest).some((member) => member !== null) ? value(rest, 1) : null);
}
