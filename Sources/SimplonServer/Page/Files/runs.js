import { ask, Refusal } from './api.js';
import { cut, el, fill, refusal, setText } from './dom.js';
import { cost, moment, short, took } from './format.js';
import { badge, isOver } from './status.js';

const SIZE = 25; // runs a page
const PAUSE = 4000; // milliseconds between two looks at the newest page

/** What a run is called: its prompt's first line, else what its metadata or its plan calls it. */
export function nameOf(run) {
  const title = [run.prompt, run.metadata?.title, run.metadata?.name, run.plan?.name].find((name) => typeof name === 'string' && name.trim());
  const line = title?.trim().split('\n')[0];
  return line ? cut(line, 120) : `Run ${short(run.run_id)}`;
}

/** The caller's runs, newest first, a page at a time. */
export function runsView() {
  const body = el('tbody');
  const notice = el('div');
  const older = el('button', { type: 'button', click: () => turn(1) }, 'Older');
  const newer = el('button', { type: 'button', click: () => turn(-1) }, 'Newer');
  const place = el('span', { class: 'muted', role: 'status' });
  const heads = ['Status', 'Run', 'Created', 'Took', 'Cost', 'Attempt'];
  const table = el('table', { class: 'runs' },
    el('caption', { class: 'unseen' }, 'Your runs, newest first'),
    el('thead', {}, el('tr', {}, heads.map((head) => el('th', { scope: 'col' }, head)))), body);
  const node = el('section', { class: 'page', 'aria-labelledby': 'title' },
    el('div', { class: 'head' }, el('h1', { id: 'title', tabindex: -1 }, 'Runs'), el('a', { class: 'button primary', href: '#/new' }, 'New run')),
    notice, el('div', { class: 'card' }, table),
    el('nav', { class: 'pager', 'aria-label': 'Pages of runs' }, newer, place, older));
  const rows = new Map();
  const stop = new AbortController();
  let cursors = [undefined]; // of each page up to the one that is shown
  let next = null;
  let timer;
  let asked = 0;

  async function load() {
    clearTimeout(timer);
    asked += 1;
    const mine = asked;
    try {
      const page = await ask('/agent/status', { limit: SIZE, cursor: cursors.at(-1) }, { signal: stop.signal });
      if (mine !== asked) return;
      next = page.next_cursor;
      show(page.runs);
      fill(notice);
    } catch (error) {
      if (stop.signal.aborted || mine !== asked) return;
      fill(notice, refusal(error));
      if (error instanceof Refusal && !error.isPassing) return;
    }
    // An older page does not move; the newest one is looked at again.
    if (cursors.length === 1) timer = setTimeout(() => (document.hidden ? null : load()), PAUSE);
  }

  function show(runs) {
    const shown = new Set(runs.map((run) => run.run_id));
    for (const [id, row] of rows) if (!shown.has(id)) { row.node.remove(); rows.delete(id); }
    runs.forEach((run, index) => {
      let row = rows.get(run.run_id);
      if (!row) rows.set(run.run_id, row = makeRow(run));
      row.update(run);
      if (body.children[index] !== row.node) body.insertBefore(row.node, body.children[index] ?? null);
    });
    if (!runs.length && cursors.length === 1) {
      fill(body, el('tr', { class: 'empty' }, el('td', { colspan: heads.length }, 'No runs yet. ', el('a', { href: '#/new' }, 'Make the first one.'))));
    } else {
      body.querySelector('.empty')?.remove();
    }
    newer.disabled = cursors.length === 1;
    older.disabled = !next;
    setText(place, `Page ${cursors.length}`);
  }

  function turn(by) {
    if (by > 0 && next) cursors.push(next);
    else if (by < 0 && cursors.length > 1) cursors.pop();
    else return;
    next = null;
    load();
  }

  const wake = () => (document.hidden || cursors.length > 1 ? null : load());
  document.addEventListener('visibilitychange', wake, { signal: stop.signal });
  load();
  return { node, title: 'Runs', view: 'runs', stop: () => { stop.abort(); clearTimeout(timer); } };
}

/** A row that changes in place, so that the focus stays where it is. */
function makeRow(run) {
  const cells = Array.from({ length: 6 }, () => el('td'));
  const why = el('span', { class: 'why muted' });
  cells[1].append(el('a', { href: `#/runs/${encodeURIComponent(run.run_id)}`, class: 'name' }, el('bdi', {}, nameOf(run))), why);
  let before = '';
  return {
    node: el('tr', { 'data-run': run.run_id }, cells),
    update(run) {
      setText(why, run.reason?.message || [run.agent, nameOf(run).endsWith(short(run.run_id)) ? '' : short(run.run_id)].filter(Boolean).join(' · '));
      if (!isOver(run.status)) setText(cells[3], took(run.started_at));
      const now = JSON.stringify([run.status, run.started_at, run.completed_at, run.cost, run.attempt]);
      if (now === before) return;
      before = now;
      fill(cells[0], badge(run.status));
      fill(cells[2], moment(run.created_at));
      setText(cells[3], took(run.started_at, run.completed_at));
      setText(cells[4], cost(run.cost));
      setText(cells[5], String(run.attempt));
    },
  };
}
