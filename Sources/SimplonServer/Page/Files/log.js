import { ask, Refusal } from './api.js';
import { el, fill, refusal, setText } from './dom.js';
import { bytes, moment } from './format.js';
import { follow, nearEnd } from './stream.js';
import { longText } from './value.js';

const ROWS = 1000; // lines in the page at most, however long the log is
const PAGE = 500; // lines that are read at once

/**
 * A run's log, live. The page holds a window on it, and the server has the rest: a line that falls out at one end is
 * read again when somebody goes back there.
 */
export function logView(run, { onEvents, signal }) {
  const lines = el('ol', { class: 'lines' });
  const earlier = el('button', { type: 'button', class: 'more', hidden: true, click: () => page(-1) }, 'Show earlier lines');
  const later = el('button', { type: 'button', class: 'more', hidden: true, click: () => page(1) }, 'Show later lines');
  const end = el('button', { type: 'button', class: 'more', hidden: true, click: toEnd }, 'Go to the end');
  const box = el('div', { class: 'scroll', role: 'region', tabindex: 0, 'aria-label': 'Lines of the log' }, earlier, lines, el('div', { class: 'ends' }, later, end));
  const state = el('span', { class: 'stream muted' });
  const notice = el('div');
  const node = el('section', { class: 'card log', 'aria-labelledby': 'log-title' }, el('div', { class: 'title' }, el('h2', { id: 'log-title' }, 'Log'), state), notice, box);
  const says = { opening: 'Opening…', live: 'Live', broken: 'Connection lost, trying again…', ended: 'Complete', refused: 'Closed' };
  let stream = null;
  let first = 0; // the numbers of the lines that are shown, both within
  let last = 0;
  let newest = 0; // the last that came
  let isPinned = true; // whether the end stays in view
  let isReading = false;

  const isAtEnd = () => box.scrollHeight - box.scrollTop - box.clientHeight < 48;
  box.addEventListener('scroll', () => { isPinned = isAtEnd(); }, { passive: true });
  // The end stays in view when the box changes its size, as it does when it is shown for the first time.
  const sizes = new ResizeObserver(() => { if (isPinned) box.scrollTop = box.scrollHeight; });
  sizes.observe(box);

  function tell(what, error) {
    state.dataset.stream = what;
    setText(state, says[what]);
    fill(notice, error ? refusal(error) : null);
  }

  function add(events) {
    newest = events.at(-1).seq;
    onEvents(events);
    // Somebody reads further up, in a window that is full, or that ends before these: they are there when asked for.
    const isNext = last === 0 || events[0].seq <= last + 1;
    if (isNext && (isPinned || lines.childElementCount + events.length <= ROWS)) {
      append(events.filter((event) => event.seq > last).slice(-ROWS));
      if (isPinned) box.scrollTop = box.scrollHeight;
    }
    bounds();
  }

  function append(events) {
    if (!events.length) return;
    lines.append(...events.map(line));
    if (first === 0 || events[0].seq !== last + 1) first = events[0].seq;
    last = events.at(-1).seq;
    while (lines.childElementCount > ROWS) lines.firstChild.remove();
    first = Number(lines.firstChild.dataset.seq);
  }

  function bounds() {
    earlier.hidden = first <= 1;
    later.hidden = end.hidden = last >= newest;
    if (!later.hidden) setText(later, `Show later lines (${(newest - last).toLocaleString('en')} more)`);
  }

  /** Reads the page before or behind what is shown; what was in view stays where it is. */
  async function page(way) {
    if (isReading) return;
    isReading = true;
    isPinned = false;
    try {
      const after = way < 0 ? Math.max(0, first - 1 - PAGE) : last;
      const limit = way < 0 ? first - 1 - after : PAGE;
      const { logs } = await ask('/agent/logs', { run_id: run, after, limit }, { signal });
      const anchor = way < 0 ? lines.firstChild : lines.lastChild;
      const place = anchor?.offsetTop - box.scrollTop;
      // A page has a limit in bytes too: then there is less of it than was asked for.
      if (way < 0 && logs.at(-1)?.seq === first - 1) {
        lines.prepend(...logs.map(line));
        while (lines.childElementCount > ROWS) lines.lastChild.remove();
        first = Number(lines.firstChild.dataset.seq);
        last = Number(lines.lastChild.dataset.seq);
      } else if (way < 0) {
        fill(lines, logs.map(line));
        [first, last] = [logs[0]?.seq ?? first, logs.at(-1)?.seq ?? last];
      } else {
        // The stream may have brought some of them meanwhile.
        append(logs.filter((event) => event.seq > last));
      }
      if (anchor?.isConnected) box.scrollTop = anchor.offsetTop - place;
      bounds();
    } catch (error) {
      if (!signal.aborted) fill(notice, refusal(error));
    } finally {
      isReading = false;
    }
    if (document.activeElement === document.body) box.focus({ preventScroll: true });
  }

  async function toEnd() {
    const after = Math.max(0, newest - PAGE);
    // With what came since: so the stream goes on right behind the last of them.
    const { logs } = await ask('/agent/logs', { run_id: run, after, limit: ROWS }, { signal }).catch((error) => {
      if (!signal.aborted) fill(notice, refusal(error));
      return { logs: [] };
    });
    if (!logs.length) return;
    fill(lines);
    first = 0;
    append(logs);
    isPinned = true;
    box.scrollTop = box.scrollHeight;
    bounds();
    box.focus({ preventScroll: true });
  }

  async function open() {
    tell('opening');
    try {
      let after = 0;
      try {
        after = Math.max(0, await nearEnd(run, signal) - PAGE);
      } catch (error) {
        // The oldest events may be gone; what is left begins there.
        const oldest = error instanceof Refusal && error.status === 410 ? error.details?.oldest_seq : null;
        if (!Number.isSafeInteger(oldest) || oldest < 1) throw error;
        after = oldest - 1;
      }
      if (signal.aborted) return;
      stream = follow(run, after, { onEvents: add, onState: tell });
    } catch (error) {
      if (signal.aborted) return;
      tell('refused', error);
      if (error instanceof Refusal && error.isPassing) setTimeout(() => (signal.aborted ? null : open()), 3000);
    }
  }

  signal.addEventListener('abort', () => {
    stream?.stop();
    sizes.disconnect();
  });
  open();
  return { node, resume: () => stream?.resume() };
}

/** What an event says, in a line. */
function line(event) {
  const payload = event.payload ?? {};
  const row = el('li', { 'data-seq': event.seq, class: `${event.kind === 'log' ? 'output' : 'event'} ${event.level}` },
    el('span', { class: 'at' }, moment(event.at, false)), el('span', { class: 'from' }, payload.step_id ?? ''));
  if (event.kind === 'log') {
    if (payload.stream === 'stderr') row.append(el('span', { class: 'mark' }, 'stderr'));
    row.append(longText(payload.text ?? JSON.stringify(payload), { class: 'text' }));
    return row;
  }
  row.append(el('span', { class: 'mark' }, event.kind), longText(summary(event.kind, payload), { class: 'text' }));
  return row;
}

function summary(kind, payload) {
  const says = payload.error?.message ?? payload.reason?.message ?? payload.reason ?? payload.cause;
  const more = typeof says === 'string' ? `: ${says}` : '';
  if (kind === 'artifact') return `${payload.path ?? ''} (${bytes(payload.size)})`;
  if (kind === 'message') return `${payload.position}, by ${payload.role}`;
  if (payload.status) return `${payload.status}${more}`;
  return JSON.stringify(payload);
}
