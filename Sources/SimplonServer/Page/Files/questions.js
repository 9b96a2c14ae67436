import { ask } from './api.js';
import { announce, el, fill, refusal, setText } from './dom.js';
import { moment } from './format.js';
import { longText, value } from './value.js';

let count = 0; // forms so far, so that no two fields have one id

/** Whether a step waits for a person: it asks, or nobody knows whether its call happened. */
const isOpen = (step) => step.status === 'waiting' && (step.effect === 'unknown' || (step.effect === 'intent' && !step.response));

/** The questions of a run, each with a form. A form stays as it is while it is filled in; `done` is called after each response. */
export function questionList(run, done) {
  const node = el('div', { class: 'questions' });
  const forms = new Map();
  return {
    node,
    /** Shows the open ones among the steps of that attempt. */
    update(steps, attempt) {
      const open = new Map(steps.filter(isOpen).map((step) => [`${attempt} ${step.step_id} ${step.expires_at}`, { ...step, attempt }]));
      for (const [key, form] of forms) {
        if (open.has(key)) continue;
        const held = form.contains(document.activeElement);
        form.remove();
        forms.delete(key);
        // The form is gone, and with it the focus; the run's name takes it.
        if (held) document.getElementById('title')?.focus();
      }
      for (const [key, step] of open) {
        if (forms.has(key)) continue;
        const form = formOf(run, step, done);
        forms.set(key, form);
        node.append(form);
        announce(`Step ${step.step_id} asks`);
      }
    },
  };
}

function formOf(run, step, done) {
  if (step.effect === 'unknown') return findingForm(run, step, done);
  return step.tool === 'ask' ? answerForm(run, step, done) : approvalForm(run, step, done);
}

/** The card of a question: its heading, what it shows, its fields, its buttons. */
function card(run, step, heading, shown, fields, buttons, done) {
  count += 1;
  const title = `question-${count}`;
  const notice = el('div');
  const form = el('form', { class: 'card padded question', 'aria-labelledby': title, 'data-question': step.step_id, novalidate: true, submit: (event) => event.preventDefault() },
    el('h2', { id: title }, heading), shown, fields,
    step.expires_at ? el('p', { class: 'muted' }, 'There is time until ', moment(step.expires_at), '.') : null,
    notice, el('p', { class: 'actions' }, buttons));

  async function respond(said) {
    buttons.forEach((button) => { button.disabled = true; });
    fill(notice);
    try {
      await ask('/agent/execute', { action: 'respond', run_id: run, step_id: step.step_id, attempt: step.attempt, ...said });
      announce(`Step ${step.step_id} has its response`);
      await done();
    } catch (error) {
      fill(notice, refusal(error));
    } finally {
      buttons.forEach((button) => { button.disabled = false; });
    }
  }

  return { form, respond };
}

function approvalForm(run, step, done) {
  const id = `message-${count + 1}`;
  const message = el('input', { id, type: 'text', maxlength: 1000, autocomplete: 'off' });
  const send = (decision) => shown.respond({ decision, ...(message.value.trim() ? { message: message.value.trim() } : {}) });
  const buttons = [
    el('button', { type: 'button', class: 'primary', click: () => send('approve') }, 'Approve'),
    el('button', { type: 'button', click: () => send('deny') }, 'Deny'),
  ];
  const shown = card(run, step, ['Approve the call of ', step.tool, ' by step ', step.step_id, '?'], value(step.input),
    el('div', { class: 'field' }, el('label', { for: id }, 'Message'), el('p', { class: 'muted' }, 'May be left out; a model is told it when you deny.'), message), buttons, done);
  return shown.form;
}

function findingForm(run, step, done) {
  const buttons = [
    el('button', { type: 'button', class: 'primary', click: () => shown.respond({ decision: 'happened' }) }, 'It happened'),
    el('button', { type: 'button', click: () => shown.respond({ decision: 'again' }) }, 'Do it again'),
  ];
  const shown = card(run, step, ['Did the call of ', step.tool, ' by step ', step.step_id, ' happen?'], value(step.input),
    el('p', { class: 'muted' }, 'It was begun, and nobody saw its end. Look where it has its effect.'), buttons, done);
  return shown.form;
}

function answerForm(run, step, done) {
  const { question, choices, schema } = step.input ?? {};
  const options = Array.isArray(choices) ? choices.map(String) : [];
  const id = `answer-${count + 1}`;
  const wrong = el('p', { id: `${id}-wrong`, class: 'wrong', role: 'alert' });
  const text = el('textarea', { id, rows: schema ? 6 : 3, class: schema ? 'code' : null, 'aria-describedby': `${id}-wrong` });
  const radios = options.map((option, index) => el('input', { type: 'radio', name: id, id: `${id}-${index}`, value: index }));
  const fields = options.length
    ? el('fieldset', { class: 'choice' }, el('legend', {}, 'Answer'),
      options.map((option, index) => el('label', { for: `${id}-${index}` }, radios[index], option)), wrong)
    : el('div', { class: 'field' }, el('label', { for: id }, schema ? 'Answer in JSON' : 'Answer'), text, wrong,
      schema ? el('details', { class: 'source' }, el('summary', {}, 'What it has to be'), el('pre', {}, longText(JSON.stringify(schema, null, 2)))) : null);

  /** The answer, or nothing and what is wrong. */
  function read() {
    setText(wrong, '');
    if (options.length) {
      const chosen = radios.findIndex((radio) => radio.checked);
      if (chosen >= 0) return { answer: options[chosen] };
      setText(wrong, 'Choose one.');
      return null;
    }
    if (!schema) return { answer: text.value };
    try {
      return { answer: JSON.parse(text.value) };
    } catch (error) {
      setText(wrong, `This is no JSON: ${error.message}`);
      text.focus();
      return null;
    }
  }

  function send() {
    const said = read();
    if (said) shown.respond(said);
  }

  const buttons = [el('button', { type: 'submit', class: 'primary', click: send }, 'Send answer')];
  const shown = card(run, step, ['Step ', step.step_id, ' asks'], el('p', { class: 'said' }, longText(question ?? '')), fields, buttons, done);
  return shown.form;
}
