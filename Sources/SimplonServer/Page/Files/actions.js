import { ask } from './api.js';
import { announce, el } from './dom.js';

/** What a person can tell a run to do, in which status. The one place to add an action. */
const ACTIONS = [
  { name: 'start', label: 'Start', says: 'Queues the run', in: ['pending'], isPrimary: true },
  { name: 'stop', label: 'Stop', says: 'Ends the run; resume goes on behind its last settled step', in: ['pending', 'queued', 'running', 'waiting', 'retrying'] },
  { name: 'resume', label: 'Resume', says: 'Goes on behind the last settled step', in: ['failed', 'cancelled'], isPrimary: true },
  { name: 'retry', label: 'Retry', says: 'Does everything again, as a new attempt', in: ['completed', 'failed', 'cancelled'] },
];

/** The buttons of a run; `done` is called after each action, `failed` with what the server refused. */
export function actionBar(run, done, failed) {
  let status = '';
  let isBusy = false;
  const buttons = ACTIONS.map((action) => el('button', {
    type: 'button', 'data-action': action.name, class: action.isPrimary ? 'primary' : null, title: action.says, click: () => act(action),
  }, action.label));
  const node = el('div', { class: 'actions', role: 'group', 'aria-label': 'Actions' }, buttons);

  async function act(action) {
    if (isBusy) return;
    isBusy = true;
    node.setAttribute('aria-busy', 'true');
    failed(null);
    try {
      const answer = await ask('/agent/execute', { action: action.name, run_id: run });
      announce(`${action.label}: the run is ${answer.status}`);
      await done();
    } catch (error) {
      failed(error);
    } finally {
      isBusy = false;
      node.removeAttribute('aria-busy');
    }
  }

  return {
    node,
    update(now) {
      if (now === status) return;
      status = now;
      const held = node.contains(document.activeElement) ? document.activeElement : null;
      ACTIONS.forEach((action, index) => { buttons[index].hidden = !action.in.includes(status); });
      // The button that was pressed may be gone; the focus goes to what is there instead.
      if (held?.hidden) buttons.find((button) => !button.hidden)?.focus();
    },
  };
}
