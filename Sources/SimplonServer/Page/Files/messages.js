import { el } from './dom.js';
import { moment } from './format.js';
import { longText, value } from './value.js';

/** What a call has become: a step, a plan, or nothing, and why. */
function called({ name, step_id: step, plan, refused }) {
  if (refused) return el('li', {}, el('strong', {}, name), ' was refused', value(refused));
  const steps = Array.isArray(plan?.steps) ? plan.steps.map(({ id }) => id).join(', ') : step;
  return el('li', {}, el('strong', {}, name), steps ? [' → ', el('code', {}, steps)] : null);
}

/** A message's content: its text, its calls, or that results went back. */
function body({ role, content }) {
  if (role === 'tool') return el('p', { class: 'muted' }, `The results of ${content?.calls ?? 'its'} calls; they are the steps' outputs.`);
  const calls = Array.isArray(content?.calls) ? content.calls : [];
  if (typeof content?.text !== 'string') return value(content);
  return [
    content.text ? el('p', { class: 'said' }, longText(content.text)) : null,
    calls.length ? el('ul', { class: 'calls' }, calls.map(called)) : null,
  ];
}

/** A run's transcript; within an attempt it only grows, so what is there stays. */
export function messageList() {
  const node = el('ol', { class: 'messages' });
  let last = -1;
  let attempt = null;
  return {
    node,
    update(messages, now) {
      if (attempt !== now) {
        attempt = now;
        last = -1;
        node.replaceChildren();
      }
      for (const message of messages) {
        if (message.position <= last) continue;
        last = message.position;
        node.append(el('li', { 'data-position': message.position },
          el('div', { class: 'by' }, el('strong', {}, message.role), ' ', el('span', { class: 'muted' }, moment(message.created_at))), body(message)));
      }
      return last >= 0;
    },
  };
}
