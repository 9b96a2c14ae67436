import { ask } from './api.js';
import { el, fill, refusal, setText } from './dom.js';

const HERE = 'where it stands';

/** A form that makes a run which begins where this one is, or was at a step. */
export function forkForm(run) {
  let shown = '';
  const step = el('select', { id: 'fork-step' }, el('option', { value: '' }, HERE));
  const message = el('textarea', { id: 'fork-message', rows: 3 });
  const model = el('input', { id: 'fork-model', autocomplete: 'off', spellcheck: 'false' });
  const output = el('textarea', { id: 'fork-output', rows: 3, spellcheck: 'false', class: 'code', 'aria-describedby': 'fork-output-says fork-wrong' });
  const wrong = el('p', { id: 'fork-wrong', class: 'wrong', role: 'alert' });
  const notice = el('div');
  const send = el('button', { type: 'submit', 'data-action': 'fork' }, 'Fork');
  const ofModel = el('div', {}, field(message, 'What the model is told there'), field(model, 'Another model'));
  const form = el('form', { submit: fork, novalidate: true }, field(step, 'Begin at'), ofModel,
    field(output, 'Output of the step', el('p', { id: 'fork-output-says', class: 'muted' }, 'In JSON. Without one the step is done again.')), wrong, notice, el('p', {}, send));
  const node = el('details', { class: 'fork' }, el('summary', {}, 'Fork: a new run that begins where this one is'), form);

  async function fork(event) {
    event.preventDefault();
    setText(wrong, '');
    fill(notice);
    const fields = { action: 'fork', run_id: run };
    if (step.value) fields.step_id = step.value;
    if (!ofModel.hidden && message.value) fields.message = message.value;
    if (!ofModel.hidden && model.value.trim()) fields.model = model.value.trim();
    if (output.value.trim()) {
      try {
        fields.output = JSON.parse(output.value);
      } catch (error) {
        setText(wrong, `This is no JSON: ${error.message}`);
        output.focus();
        return;
      }
    }
    send.disabled = true;
    try {
      const made = await ask('/agent/execute', fields);
      location.hash = `#/runs/${encodeURIComponent(made.run_id)}`;
    } catch (error) {
      fill(notice, refusal(error));
    } finally {
      send.disabled = false;
    }
  }

  return {
    node,
    /** The steps at which it can begin, and whether a model leads the run. */
    update(steps, isLed) {
      ofModel.hidden = !isLed;
      const now = JSON.stringify(steps);
      if (now === shown) return;
      shown = now;
      const chosen = step.value;
      fill(step, el('option', { value: '' }, HERE), steps.map((id) => el('option', { value: id }, id)));
      step.value = steps.includes(chosen) ? chosen : '';
    },
  };
}

/** A control under its label. */
function field(control, label, ...more) {
  return el('div', { class: 'field' }, el('label', { for: control.id }, label), more, control);
}
