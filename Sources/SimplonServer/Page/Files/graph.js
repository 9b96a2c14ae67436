import { cut, el, fill, setText, svg } from './dom.js';
import { layOut } from './layout.js';
import { shape, tone } from './status.js';

const WIDE = 172; // pixels of a step
const SLIM = 150; // and on a narrow screen
const HIGH = 46;
const EDGE = 12; // around the whole

/** A plan as a graph: steps behind what they need, from left to right, on a narrow screen from top to bottom. */
export function planGraph(onOpen) {
  const narrow = matchMedia('(max-width: 44rem)');
  const node = el('div', { class: 'graph' });
  const views = new Map();
  let steps = [];
  let drawn = '';
  let current = '';

  function draw() {
    const isDown = narrow.matches;
    const wide = isDown ? SLIM : WIDE;
    const gaps = isDown ? { along: 34, across: 14 } : { along: 44, across: 14 };
    const size = isDown ? { along: HIGH, across: wide } : { along: wide, across: HIGH };
    const { nodes, edges, ranks } = layOut(steps);
    const unit = size.across + gaps.across;
    const places = nodes.map((cell) => cell.place).concat(edges.flatMap((edge) => edge.path.map((cell) => cell.place)));
    const least = places.reduce((low, place) => Math.min(low, place), 0);
    const most = places.reduce((high, place) => Math.max(high, place), 0);
    const along = (rank) => EDGE + rank * (size.along + gaps.along);
    const across = (place) => EDGE + size.across / 2 + (place - least) * unit;
    const point = (a, b) => (isDown ? `${b} ${a}` : `${a} ${b}`);
    const total = { along: along(ranks - 1) + size.along + EDGE, across: across(most) + size.across / 2 + EDGE };

    /** A line from one step to another, bent in the gaps between ranks, straight through the lanes. */
    const line = (path) => path.slice(1).reduce((text, cell, index) => {
      const from = path[index];
      const start = along(from.rank) + size.along;
      const end = along(cell.rank) - (cell.isStep ? 5 : 0);
      const middle = (start + end) / 2;
      const bend = `C${point(middle, across(from.place))} ${point(middle, across(cell.place))} ${point(end, across(cell.place))}`;
      return text + bend + (cell.isStep ? '' : `L${point(along(cell.rank) + size.along, across(cell.place))}`);
    }, `M${point(along(path[0].rank) + size.along, across(path[0].place))}`);

    views.clear();
    const leaving = new Map(steps.map((step) => [step.id, []]));
    const lines = edges.map((edge) => {
      const drawing = svg('path', { class: 'edge', d: line(edge.path), 'marker-end': 'url(#arrow)' });
      leaving.get(edge.from).push(drawing);
      return drawing;
    });
    const boxes = nodes.map((cell, index) => {
      const [x, y] = isDown
        ? [across(cell.place) - wide / 2, along(cell.rank)] : [along(cell.rank), across(cell.place) - HIGH / 2];
      const state = svg('text', { x: 34, y: 34, class: 'state' });
      const mark = svg('g', { transform: 'translate(10 15)', class: 'shape' });
      const group = svg('g', {
        transform: `translate(${x} ${y})`, role: 'button', tabindex: -1, class: 'node', 'data-node': cell.key,
        click: () => choose(cell.key, true), keydown: move, focus: () => choose(cell.key, false),
      }, svg('rect', { width: wide, height: HIGH, rx: 8 }), mark, svg('text', { x: 34, y: 19, class: 'id' }, cut(cell.key, isDown ? 15 : 18)), state);
      views.set(cell.key, { group, state, mark, x, y, status: '', step: steps[index], edges: leaving.get(cell.key) });
      return group;
    });
    const [width, height] = isDown ? [total.across, total.along] : [total.along, total.across];
    fill(node, svg('svg', { width, height, viewBox: `0 0 ${width} ${height}`, role: 'group', 'aria-label': `The plan, ${steps.length} ${steps.length === 1 ? 'step' : 'steps'}; arrow keys go from step to step, Enter opens one` },
      svg('defs', {}, svg('marker', { id: 'arrow', viewBox: '0 0 8 8', refX: 6, refY: 4, markerWidth: 7, markerHeight: 7, orient: 'auto', class: 'arrow' }, svg('path', { d: 'M1 1l5 3-5 3' }))),
      lines, boxes));
    current = views.has(current) ? current : nodes[0]?.key;
    views.get(current)?.group.setAttribute('tabindex', '0');
  }

  /** One step is reached by Tab, the others by arrows. */
  function choose(id, isOpened) {
    views.get(current)?.group.setAttribute('tabindex', '-1');
    current = id;
    views.get(id).group.setAttribute('tabindex', '0');
    if (isOpened) onOpen(id);
  }

  function move(event) {
    if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      onOpen(current);
      return;
    }
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!way) return;
    event.preventDefault();
    const here = views.get(current);
    let best = null;
    let nearest = Infinity;
    for (const view of views.values()) {
      const [right, down] = [view.x - here.x, view.y - here.y];
      const ahead = right * way[0] + down * way[1];
      const aside = Math.abs(right * way[1] + down * way[0]);
      if (ahead > 0 && ahead + 3 * aside < nearest) [best, nearest] = [view, ahead + 3 * aside];
    }
    best?.group.focus();
  }

  function mark(id, status) {
    const view = views.get(id);
    if (!view || view.status === status) return;
    view.status = status;
    const { step } = view;
    view.group.setAttribute('class', `node ${tone(status)}`);
    view.group.setAttribute('data-status', status);
    view.group.setAttribute('aria-label', `${id}, ${step.tool}, ${status}${step.needs.length ? `, needs ${step.needs.join(', ')}` : ''}`);
    fill(view.mark, shape(status));
    setText(view.state, narrow.matches ? status : cut(`${status} · ${step.tool}`, 22));
    for (const edge of view.edges) edge.classList.toggle('passed', status === 'completed');
  }

  narrow.addEventListener('change', () => {
    const states = [...views].map(([id, view]) => [id, view.status]);
    draw();
    for (const [id, status] of states) mark(id, status);
  });
  return {
    node,
    mark,
    /** Draws the plan's steps, `{id, tool, needs}`; the same ones are left as they are. */
    update(plan) {
      const now = JSON.stringify(plan.map(({ id, needs }) => [id, needs]));
      if (now === drawn) return;
      drawn = now;
      steps = plan;
      draw();
      for (const step of steps) mark(step.id, 'pending');
    },
  };
}
