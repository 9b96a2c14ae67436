import { actionBar } from './actions.js';
import { ask, Refusal, rest } from './api.js';
import { announce, el, fill, isMadeOf, refusal, setText } from './dom.js';
import { fileList } from './files.js';
import { forkForm } from './fork.js';
import { cost, moment, took } from './format.js';
import { planGraph } from './graph.js';
import { logView } from './log.js';
import { messageList } from './messages.js';
import { questionList } from './questions.js';
import { nameOf } from './runs.js';
import { badge, isOver } from './status.js';
import { stepList } from './steps.js';
import { fault, longText, value } from './value.js';

const LEAST = 300; // milliseconds between two looks at a run that changes
const WHY = 3000; // milliseconds between two looks at why it waits

/** One run: what it is, what it waits for, its plan, steps, log, messages and files, live. */
export function runView(id) {
  const stop = new AbortController();
  const { signal } = stop;
  let run = null;
  let timer = null;
  let asker = null;
  let asking = Promise.resolve();
  let pause = LEAST;
  let wasShown = '';
  let isFaulty = false;
  const title = el('h1', { id: 'title', tabindex: -1 }, 'Run');
  const state = el('span', { class: 'state' });
  const facts = el('dl', { class: 'facts' });
  const age = el('span');
  const notice = el('div');
  const why = el('div', { class: 'why-not' });
  const ends = el('div', { class: 'ends-with' });
  const about = el('div');
  const actions = actionBar(id, refresh, (error) => fill(notice, error ? refusal(error) : null));
  const questions = questionList(id, refresh);
  const latest = new Map(); // the ids that steps of the plan have in the run
  const graph = planGraph((step) => steps.reveal(latest.get(step) ?? step));
  const steps = stepList(() => {});
  const messages = messageList();
  const files = fileList(signal);
  const fork = forkForm(id);
  const log = logView(id, { signal, onEvents });
  const source = el('details', { class: 'source', toggle: drawPlan }, el('summary', {}, 'The plan as JSON'), el('div'));
  const parts = {
    plan: part('Plan', graph.node, source), steps: part('Steps', steps.node),
    messages: part('Messages', messages.node), files: part('Files', files.node), metadata: part('Metadata', about), fork: el('section', { class: 'card part' }, el('div', { class: 'inside' }, fork.node)),
  };
  const content = el('div', { class: 'content', hidden: true }, parts.plan, el('div', { class: 'columns' },
    el('div', { class: 'column' }, ends, parts.steps, parts.messages, parts.files, parts.metadata, parts.fork), el('div', { class: 'column' }, log.node)));
  const node = el('section', { class: 'page wide', 'aria-labelledby': 'title' },
    el('div', { class: 'head' }, el('div', { class: 'named' }, state, title), actions.node), facts, notice, why, questions.node, content);
  const view = { node, title: 'Run', view: 'runs', stop: leave, onTitle: () => {} };
  const clock = setInterval(() => {
    if (document.hidden || !run || isOver(run.status)) return;
    setText(age, took(run.started_at));
    steps.tick();
  }, 1000);

  function leave() {
    stop.abort();
    clearTimeout(timer);
    clearTimeout(asker);
    clearInterval(clock);
  }

  /** Looks at the run again, after a look that goes on already. */
  async function refresh() {
    clearTimeout(timer);
    timer = null;
    asking = asking.catch(() => {}).then(load);
    try {
      await asking;
      if (isFaulty) fill(notice);
      isFaulty = false;
    } catch (error) {
      if (signal.aborted) return;
      isFaulty = true;
      fill(notice, refusal(error));
      if (!(error instanceof Refusal) || error.isPassing) soon(WHY);
    }
  }

  /** Looks again in a moment; a run of a thousand steps is not read for each of its events. */
  function soon(pause = LEAST) {
    timer ??= setTimeout(refresh, pause);
  }

  async function load() {
    const began = performance.now();
    const found = await ask('/agent/status', { run_id: id, include_steps: true, include_messages: true, include_artifacts: true, limit: 1000 }, { signal });
    for (const list of ['steps', 'messages', 'artifacts']) found[list] = await rest(id, list, found[list], signal);
    pause = Math.max(LEAST, 4 * (performance.now() - began));
    const ended = run?.completed_at;
    run = found;
    show();
    // It was over and went on, and may be over again by now.
    if (ended && ended !== run.completed_at) log.resume();
    if (isOver(run.status)) fill(why);
    else await explain();
  }

  /** Says why the run is not finished, and looks again as long as it is not. */
  async function explain() {
    clearTimeout(asker);
    const reason = await ask('/agent/why', { run_id: id }, { signal });
    if (reason.code === 'finished') {
      soon(0);
      return;
    }
    if (!isMadeOf(why, reason) || !why.firstChild) {
      const { message, code, hint, details } = reason;
      fill(why, el('div', { class: 'notice' }, el('p', {}, el('strong', {}, 'Not finished: '), message), hint ? el('p', {}, hint) : null,
        el('p', { class: 'muted' }, el('code', {}, code), details ? [' ', JSON.stringify(details)] : null)));
    }
    asker = setTimeout(() => {
      if (document.hidden || isOver(run.status)) return;
      explain().catch(() => soon(WHY));
    }, WHY);
  }

  function onEvents(events) {
    for (const { kind, payload } of events) {
      if (kind !== 'step') continue;
      graph.mark(planned(payload.step_id), payload.status);
      steps.mark(payload.step_id, payload.status);
    }
    if (events.some(({ kind }) => kind !== 'log')) soon(pause);
  }

  function show() {
    const name = nameOf(run);
    content.hidden = false;
    setText(title, name);
    if (wasShown && wasShown !== run.status) announce(`The run is ${run.status}`);
    if (wasShown !== run.status) fill(state, badge(run.status, true));
    wasShown = run.status;
    view.onTitle(`${run.status} · ${name}`);
    setText(age, took(run.started_at, run.completed_at));
    showFacts();
    actions.update(run.status);
    questions.update(isOver(run.status) ? [] : run.steps, run.attempt);
    fork.update(run.steps.filter((step) => step.status !== 'pending').map((step) => step.step_id), run.messages.length > 0);
    showEnds();
    showPlan();
    parts.messages.hidden = !messages.update(run.messages, run.attempt);
    parts.files.hidden = !files.update(run.artifacts);
  }

  /** When it was, what it cost and where it comes from. */
  function showFacts() {
    const today = new Date().toDateString(); // what was not today is shown with its day
    if (isMadeOf(facts, today, run.created_at, run.started_at, run.cost, run.attempt, run.agent, run.model, run.forked_from, run.parent_id)) return;
    fill(facts, [
      ['Created', moment(run.created_at)], ['Started', run.started_at && moment(run.started_at)], ['Took', run.started_at && age],
      ['Cost', cost(run.cost)], ['Attempt', String(run.attempt)], ['Agent', run.agent], ['Model', run.model],
      ['Forked from', other(run.forked_from)], ['Made by', other(run.parent_id)], ['Id', el('code', {}, run.run_id)],
    ].filter(([, what]) => what).map(([label, what]) => el('div', {}, el('dt', {}, label), el('dd', {}, what))));
  }

  /** What went in and what came out: prompt, error, result. */
  function showEnds() {
    parts.metadata.hidden = !run.metadata || Object.keys(run.metadata).length === 0;
    if (isMadeOf(ends, run.prompt, run.error, run.result, run.metadata)) return;
    const isNamed = run.prompt && run.prompt.trim() === nameOf(run);
    fill(ends,
      run.error ? part('Error', fault(run.error)) : null,
      run.result === null ? null : part('Result', typeof run.result?.answer === 'string' && Object.keys(run.result).length === 1
        ? el('p', { class: 'said' }, longText(run.result.answer)) : value(run.result)),
      run.prompt && !isNamed ? part('Prompt', el('pre', {}, longText(run.prompt))) : null);
    fill(about, value(run.metadata));
  }

  function showPlan() {
    const plan = Array.isArray(run.plan?.steps) ? run.plan.steps.map((step) => ({ id: String(step.id), tool: String(step.tool), needs: step.needs ?? [], when: step.when })) : [];
    parts.plan.hidden = plan.length === 0;
    parts.steps.hidden = run.steps.length === 0;
    const byID = new Map(plan.map((step) => [step.id, step]));
    steps.update(run.steps.map((step) => ({ ...step, needs: byID.get(planned(step.step_id))?.needs ?? [], when: byID.get(planned(step.step_id))?.when })));
    if (!plan.length) return;
    graph.update(plan);
    // Of a model's plans the last one is drawn; its steps come last.
    for (const step of run.steps) {
      latest.set(planned(step.step_id), step.step_id);
      graph.mark(planned(step.step_id), step.status);
    }
    drawPlan();
  }

  function drawPlan() {
    if (!source.open || !run?.plan || isMadeOf(source, run.plan)) return;
    fill(source.lastChild, el('pre', {}, longText(JSON.stringify(run.plan, null, 2))));
  }

  document.addEventListener('visibilitychange', () => (document.hidden ? null : soon(0)), { signal });
  refresh();
  return view;
}

/** A link to another run. */
function other(run) {
  return run ? el('a', { href: `#/runs/${encodeURIComponent(run)}` }, el('code', {}, run)) : null;
}

/** The id in its plan of a step, which a later plan's has with a number behind it. */
function planned(id) {
  return id.split('@')[0];
}

/** A part of the page under a heading of its own. */
function part(name, ...children) {
  const key = `part-${name.toLowerCase()}`;
  return el('section', { class: 'card part', 'aria-labelledby': key }, el('h2', { id: key }, name), el('div', { class: 'inside' }, children));
}
