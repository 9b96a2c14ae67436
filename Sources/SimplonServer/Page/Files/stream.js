import { ask, Refusal } from './api.js';

const KINDS = ['log', 'step', 'status', 'message', 'artifact', 'done'];
const PAUSE = 60; // milliseconds in which events are gathered
const PILE = 5000; // events that are gathered at most
const LONGEST = 15000; // milliseconds between two tries

/**
 * Follows a run's events from a number on and hands each on once, in order, whatever breaks in between.
 *
 * An `EventSource` cannot send a token, so each one is opened with a ticket. The browser reopens it by itself while the
 * ticket is good; when it gives up, or the ticket has ended, another is opened behind the last event that came.
 */
export function follow(run, after, { onEvents, onState }) {
  let last = after;
  let lastKind = '';
  let source = null;
  let timer = null;
  let failures = 0;
  let pile = [];
  let isStopped = false;
  let waiting = null;
  let hole = -1; // the number behind which one was missing

  function flush() {
    clearTimeout(timer);
    timer = null;
    if (!pile.length) return;
    const events = pile;
    pile = [];
    onEvents(events);
  }

  function take(message) {
    let event;
    try {
      event = JSON.parse(message.data);
    } catch {
      return;
    }
    if (!Number.isSafeInteger(event.seq) || event.seq <= last) return;
    // Numbers have no gaps; should one be there all the same, it is read again, once.
    if (event.seq !== last + 1 && hole !== last) {
      hole = last;
      reopen(0);
      return;
    }
    last = event.seq;
    lastKind = event.kind;
    pile.push(event);
    if (pile.length >= PILE) flush();
    else timer ??= setTimeout(flush, PAUSE);
  }

  function close() {
    source?.close();
    source = null;
  }

  function end(state, error) {
    close();
    flush();
    onState(state, error);
  }

  function reopen(delay) {
    close();
    clearTimeout(waiting);
    waiting = setTimeout(open, delay);
  }

  function later() {
    failures += 1;
    onState('broken');
    reopen(Math.min(LONGEST, 500 * 2 ** Math.min(failures, 6)) * (0.75 + Math.random() / 2));
  }

  async function open() {
    if (isStopped) return;
    try {
      // An `EventSource` does not say why it was refused, and a finished run's end looks like a refusal; a page of one
      // event tells both.
      if (failures > 0 || lastKind === 'done') {
        const { logs } = await ask('/agent/logs', { run_id: run, after: last, limit: 1 });
        if (isStopped) return;
        if (!logs.length && lastKind === 'done') return end('ended');
      }
      const { ticket } = await ask('/agent/logs/ticket', { run_id: run });
      if (isStopped) return;
      connect(ticket);
    } catch (error) {
      if (isStopped) return;
      if (error instanceof Refusal && !error.isPassing) return end('refused', error);
      later();
    }
  }

  function connect(ticket) {
    close();
    const mine = new EventSource(`/agent/logs?${new URLSearchParams({ run_id: run, mode: 'stream', after: last, ticket })}`);
    source = mine;
    const isMine = () => source === mine && !isStopped;
    for (const kind of KINDS) mine.addEventListener(kind, (message) => isMine() && take(message));
    mine.onopen = () => {
      if (!isMine()) return;
      failures = 0;
      onState('live');
    };
    mine.onerror = () => {
      if (!isMine()) return;
      flush();
      // The stream of a run that is over ends here.
      if (lastKind === 'done') reopen(0);
      else if (mine.readyState === EventSource.CLOSED) later();
      else onState('broken');
    };
    mine.addEventListener('expired', () => isMine() && reopen(0));
    mine.addEventListener('reconnect', (message) => {
      if (!isMine()) return;
      let said = {};
      try {
        said = JSON.parse(message.data);
      } catch { /* the server stops, and says no more */ }
      if (String(said.code).startsWith('run.')) end('refused', new Refusal(410, said));
      else onState('broken');
    });
  }

  open();
  return {
    /** Goes on behind the last event, as after a retry of a run that was over. */
    resume() {
      if (!isStopped && !source) reopen(0);
    },
    stop() {
      isStopped = true;
      close();
      clearTimeout(timer);
      clearTimeout(waiting);
    },
  };
}

/** A number of an event not far before a run's last: found by doubling and halving, as events are numbered without a gap. */
export async function nearEnd(run, signal) {
  const isThere = async (number) => (await ask('/agent/logs', { run_id: run, after: number - 1, limit: 1 }, { signal })).logs.length > 0;
  let low = 0;
  let high = 1000;
  while (await isThere(high)) [low, high] = [high, high * 2];
  while (high - low > 500) {
    const middle = Math.floor((low + high) / 2);
    if (await isThere(middle)) low = middle;
    else high = middle;
  }
  return low;
}
