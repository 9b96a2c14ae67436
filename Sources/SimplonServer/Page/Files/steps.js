import { el, fill, setText } from './dom.js';
import { cost, moment, took } from './format.js';
import { badge } from './status.js';
import { fault, value } from './value.js';

/** A run's steps as a list; each opens to show what went in and what came out. */
export function stepList(onOpen) {
  const node = el('ul', { class: 'steps' });
  const rows = new Map();
  return {
    node,
    /** Shows these steps, in the plan's order; each as the API gives it, with `needs`. */
    update(steps) {
      const now = new Set(steps.map((step) => step.step_id));
      for (const [id, row] of rows) if (!now.has(id)) { row.node.remove(); rows.delete(id); }
      steps.forEach((step, index) => {
        let row = rows.get(step.step_id);
        if (!row) rows.set(step.step_id, row = makeStep(step, onOpen));
        row.update(step);
        if (node.children[index] !== row.node) node.insertBefore(row.node, node.children[index] ?? null);
      });
    },
    /** Shows a step's status at once, before the rest of what is new about it is there. */
    mark(id, status) { rows.get(id)?.mark(status); },
    /** Lets the times of what is at work go on. */
    tick() { for (const row of rows.values()) row.tick(); },
    /** Opens a step and goes to it. */
    reveal(id) {
      const row = rows.get(id);
      if (!row) return;
      row.details.open = true;
      row.summary.focus();
      row.node.scrollIntoView({ block: 'nearest' });
    },
  };
}

function makeStep(first, onOpen) {
  let step = first;
  let before = '';
  let shown = '';
  const state = el('span', { class: 'state' });
  const time = el('span', { class: 'took muted' });
  const again = el('span', { class: 'again' });
  const summary = el('summary', {}, state, el('span', { class: 'id' }, step.step_id), el('span', { class: 'tool muted' }, step.tool), again, time);
  const body = el('div', { class: 'body' });
  const details = el('details', { toggle: () => { draw(); if (details.open) onOpen(step.step_id); } }, summary, body);
  const node = el('li', { 'data-step': step.step_id }, details);

  /** What is closed is not drawn: outputs can be large. */
  function draw() {
    const now = JSON.stringify(step);
    if (!details.open || now === shown) return;
    shown = now;
    const parts = [['Error', step.error, fault], ['Input', step.input, value], ['Output', step.output, value], ['Response', step.response, value]];
    fill(body,
      el('dl', { class: 'facts' }, [
        ['Needs', step.needs.length ? step.needs.join(', ') : null], ['When', step.when], ['Began', step.started_at && moment(step.started_at)],
        ['Effect', ['none', 'settled'].includes(step.effect) ? null : step.effect],
        ['Cost', Number(step.cost) > 0 ? cost(step.cost) : null],
      ].filter(([, what]) => what).map(([name, what]) => el('div', {}, el('dt', {}, name), el('dd', {}, what)))),
      parts.filter(([, what]) => what !== null && what !== undefined).map(([name, what, show]) => [el('h4', {}, name), show(what)]));
    if (!body.textContent) fill(body, el('p', { class: 'muted' }, 'It has not begun.'));
  }

  return {
    node, details, summary,
    update(now) {
      step = now;
      this.mark(step.status);
      const looks = JSON.stringify([step.status, step.failures, step.started_at, step.completed_at]);
      if (looks !== before) {
        before = looks;
        setText(again, step.failures > 0 ? `failed ${step.failures}×` : '');
        this.tick(true);
      }
      draw();
    },
    mark(status) { if (state.firstChild?.dataset.status !== status) fill(state, badge(status)); },
    tick(always = false) {
      if (always || (step.status === 'running' && step.started_at)) setText(time, step.started_at ? took(step.started_at, step.completed_at) : '');
    },
  };
}
