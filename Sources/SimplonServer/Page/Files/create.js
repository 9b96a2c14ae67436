import { ask } from './api.js';
import { el, fill, refusal, setText } from './dom.js';

const EXAMPLE = `{
  "name": "hello",
  "steps": [
    { "id": "count", "tool": "python",
      "with": { "code": "print(sum(range(101)))" } },
    { "id": "say", "tool": "shell", "needs": ["count"],
      "with": { "command": "echo \\"it is $N\\" | tee answer.txt",
                "env": { "N": "\${{ steps.count.output.stdout }}" } } }
  ],
  "artifacts": ["*.txt"]
}
`;

/** A key of the form's own: sent twice, it still makes one run. */
function newKey() {
  return `page-${Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

const names = (text) => text.split(',').map((name) => name.trim()).filter(Boolean);
// What is no plain number goes as it is written, and the server says so.
const amount = (text) => ({ max_cost: /^\d+(\.\d+)?$/.test(text) ? Number(text) : text });

// What narrows a run: its member of the request, its label, what it says, and the member's value for a text that is not empty.
const LIMITS = [
  ['model', 'Model', 'As vendor/name. Left empty: the first that is configured.', (text) => text],
  ['tools', 'Tools', 'The only ones it may use, with commas between. Left empty: all.', names],
  ['connectors', 'Connectors', 'The only ones it may use, with commas between. Left empty: all that serve you.', names],
  ['budget', 'Most it may cost', 'In US dollars, such as 0.50. Left empty: what the operator allows.', amount],
];

/** A form that makes a run of a prompt or of a plan. */
export function createView() {
  const kinds = ['plan', 'prompt'];
  const texts = {
    plan: el('textarea', { id: 'plan', name: 'plan', rows: 18, spellcheck: 'false', autocapitalize: 'off', class: 'code', 'aria-describedby': 'plan-says plan-wrong' }),
    prompt: el('textarea', { id: 'prompt', name: 'prompt', rows: 8, 'aria-describedby': 'prompt-says' }),
  };
  texts.plan.value = EXAMPLE;
  const wrong = el('p', { id: 'plan-wrong', class: 'wrong', role: 'alert' });
  const fields = {
    plan: el('div', { class: 'field' }, el('label', { for: 'plan' }, 'Plan'),
      el('p', { id: 'plan-says', class: 'muted' }, 'In JSON: steps that call tools, in the order of their needs.'), texts.plan, wrong),
    prompt: el('div', { class: 'field', hidden: true }, el('label', { for: 'prompt' }, 'Prompt'),
      el('p', { id: 'prompt-says', class: 'muted' }, 'What a model shall do. Without a model configured the run waits and says so.'), texts.prompt),
  };
  const radios = kinds.map((kind) => el('input', { type: 'radio', name: 'kind', value: kind, id: `kind-${kind}`, checked: kind === 'plan', change: () => choose(kind) }));
  const limits = LIMITS.map(([name]) => el('input', {
    type: 'text', id: `limit-${name}`, autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', 'aria-describedby': `limit-${name}-says`,
  }));
  const start = el('input', { type: 'checkbox', id: 'start', checked: true });
  const notice = el('div');
  const send = el('button', { type: 'submit', class: 'primary' }, 'Create run');
  const form = el('form', { submit: create, novalidate: true },
    el('fieldset', { class: 'choice' }, el('legend', {}, 'What the run is made of'),
      radios.map((radio, index) => el('label', { for: radio.id }, radio, index === 0 ? 'A plan' : 'A prompt'))),
    fields.plan, fields.prompt,
    el('details', { class: 'limits' }, el('summary', {}, 'Limits'), LIMITS.map(([name, label, says], index) => el('div', { class: 'field' },
      el('label', { for: `limit-${name}` }, label), el('p', { id: `limit-${name}-says`, class: 'muted' }, says), limits[index]))),
    el('p', {}, el('label', { for: 'start', class: 'inline' }, start, 'Start it at once')), notice, el('p', {}, send));
  let kind = 'plan';
  let key = newKey();

  function choose(chosen) {
    kind = chosen;
    for (const name of kinds) fields[name].hidden = name !== kind;
    setText(wrong, '');
  }

  async function create(event) {
    event.preventDefault();
    const fields = { action: 'create', start: start.checked };
    setText(wrong, '');
    fill(notice);
    texts[kind].removeAttribute('aria-invalid');
    if (kind === 'prompt') {
      fields.prompt = texts.prompt.value;
    } else {
      try {
        fields.plan = JSON.parse(texts.plan.value);
      } catch (error) {
        setText(wrong, `This is no JSON: ${error.message}`);
        texts.plan.setAttribute('aria-invalid', 'true');
        texts.plan.focus();
        return;
      }
    }
    for (const [index, [name, , , value]] of LIMITS.entries()) {
      const text = limits[index].value.trim();
      if (text) fields[name] = value(text);
    }
    send.disabled = true;
    try {
      const run = await ask('/agent/execute', fields, { headers: { 'Idempotency-Key': key } });
      location.hash = `#/runs/${encodeURIComponent(run.run_id)}`;
    } catch (error) {
      // Where nobody knows whether it came through, the same key finds the run that it made.
      if (!error.isPassing) key = newKey();
      fill(notice, refusal(error));
    } finally {
      send.disabled = false;
    }
  }

  // Another text is another run.
  form.addEventListener('input', () => {
    key = newKey();
    setText(wrong, '');
  });
  const node = el('section', { class: 'page narrow', 'aria-labelledby': 'title' }, el('h1', { id: 'title', tabindex: -1 }, 'New run'), el('div', { class: 'card padded' }, form));
  return { node, title: 'New run', view: 'new', stop: () => {} };
}
