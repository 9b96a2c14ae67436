import { ask, session, whoIs } from './api.js';
import { createView } from './create.js';
import { cut, el, fill, refusal, setText } from './dom.js';
import { runView } from './run.js';
import { runsView } from './runs.js';

// The page at `/`: which view is shown is said by the part of the address behind the `#`, which no server sees.

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const ROUTES = [
  [/^#?\/?$/, () => runsView()],
  [/^#\/new$/, () => createView()],
  [new RegExp(`^#/runs/(${UUID})$`, 'i'), (id) => runView(id.toLowerCase())],
];
const part = (id) => document.getElementById(id);
let view = null;

/** Shows the view that the address names, or the door. */
function show(why = null) {
  view?.stop();
  const isIn = Boolean(session.token);
  part('nav').hidden = part('account').hidden = !isIn;
  setText(part('who'), isIn ? cut(whoIs(session.token), 40) : '');
  view = isIn ? chosen() : doorView(why);
  view.onTitle = name;
  name(view.title);
  for (const link of part('nav').querySelectorAll('[data-view]')) {
    if (link.dataset.view === view.view) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  fill(part('main'), view.node);
  scrollTo(0, 0);
  (view.node.querySelector('[data-first]') ?? view.node.querySelector('h1'))?.focus({ preventScroll: true });
}

const name = (title) => { document.title = `${cut(title, 80)} – Simplon`; };

function chosen() {
  for (const [pattern, make] of ROUTES) {
    const found = pattern.exec(location.hash);
    if (found) return make(...found.slice(1));
  }
  const node = el('section', { class: 'page narrow' }, el('h1', { tabindex: -1 }, 'There is nothing here'), el('p', {}, el('a', { href: '#/' }, 'All runs')));
  return { node, title: 'Nothing here', view: '', stop: () => {} };
}

/** Asks for a token and tries it before it is kept. */
function doorView(why) {
  const input = el('input', {
    id: 'token', type: 'password', autocomplete: 'off', spellcheck: 'false', required: true, 'data-first': true, 'aria-describedby': 'token-says',
  });
  const notice = el('div', {}, why ? refusal(why) : null);
  const button = el('button', { type: 'submit', class: 'primary' }, 'Sign in');
  const form = el('form', { novalidate: true, submit: enter }, el('label', { for: 'token' }, 'Token or key'), input,
    el('p', { id: 'token-says', class: 'muted' }, 'It stays in this tab and goes when you close it. ', 'On your own machine ', el('code', {}, 'simplon token --sub UUID'), ' prints one.'),
    notice, el('p', {}, button));

  async function enter(event) {
    event.preventDefault();
    const token = input.value.trim();
    fill(notice);
    // What no header can carry is no token either.
    if (!/^[\x21-\x7e]+$/.test(token)) {
      fill(notice, refusal({ message: token ? 'A token has no spaces and none but ASCII characters' : 'Paste a token or a key' }));
      input.focus();
      return;
    }
    button.disabled = true;
    try {
      await ask('/agent/status', { limit: 1 }, { token });
      session.token = token;
      show();
    } catch (error) {
      fill(notice, refusal(error));
      input.select();
      input.focus();
    } finally {
      button.disabled = false;
    }
  }

  const node = el('section', { class: 'page door', 'aria-labelledby': 'title' }, el('div', { class: 'card padded' }, el('h1', { id: 'title', tabindex: -1 }, 'Sign in'), form));
  return { node, title: 'Sign in', view: '', stop: () => {} };
}

session.onEnd((why) => {
  session.leave();
  show(why);
});
part('leave').addEventListener('click', () => {
  session.leave();
  show();
});
// The address is the router's, so the link must not change it.
part('skip').addEventListener('click', (event) => {
  event.preventDefault();
  part('main').focus();
});
addEventListener('hashchange', () => show());
show();
