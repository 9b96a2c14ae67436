// Where the steps of a plan stand in its graph. Ranks: each step behind all that it needs. Order within a rank: by the
// mean place of its neighbours, sweep by sweep (Sugiyama, Tagawa, Toda 1981). An edge that spans ranks goes through a
// narrow lane in each, so that it passes no step.

const SWEEPS = 6;
const LANES = 3000; // more than these and edges go straight
const LANE = 0.3; // of a step's width

/**
 * Gives each step's rank and place, and each edge's places from rank to rank.
 * A place is a number in units of steps around 0; steps are `{id, needs}`.
 */
export function layOut(steps) {
  const ranks = rank(steps);
  const layers = [];
  const cells = new Map();
  const add = (key, at, size) => {
    const cell = { key, rank: at, size, place: 0, order: 0, before: [], after: [] };
    cells.set(key, cell);
    (layers[at] ??= []).push(cell);
    return cell;
  };
  for (const step of steps) add(step.id, ranks.get(step.id), 1);
  const edges = steps.flatMap((step) => step.needs.filter((need) => ranks.has(need)).map((need) => ({ from: need, to: step.id })));
  const lanes = edges.reduce((sum, edge) => sum + ranks.get(edge.to) - ranks.get(edge.from) - 1, 0);
  edges.forEach((edge, number) => {
    const path = [cells.get(edge.from)];
    if (lanes <= LANES) {
      // A lane's key cannot be an id: those have no space.
      for (let at = ranks.get(edge.from) + 1; at < ranks.get(edge.to); at += 1) path.push(add(`lane ${number} ${at}`, at, LANE));
    }
    path.push(cells.get(edge.to));
    edge.path = path;
    for (let index = 1; index < path.length; index += 1) {
      path[index - 1].after.push(path[index]);
      path[index].before.push(path[index - 1]);
    }
  });
  for (const layer of layers) spread(layer);
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const isDown = sweep % 2 === 0;
    for (const layer of isDown ? layers : layers.toReversed()) {
      for (const cell of layer) {
        const near = isDown ? cell.before : cell.after;
        cell.order = near.length ? near.reduce((sum, other) => sum + other.place, 0) / near.length : cell.place;
      }
      layer.sort((one, other) => one.order - other.order);
      spread(layer);
    }
  }
  return {
    nodes: steps.map((step) => cells.get(step.id)),
    edges: edges.map(({ from, to, path }) => ({ from, to, path: path.map(({ rank, place, size }) => ({ rank, place, isStep: size === 1 })) })),
    ranks: layers.length,
  };
}

/** Places a layer's cells side by side around 0. */
function spread(layer) {
  let at = -layer.reduce((sum, cell) => sum + cell.size, 0) / 2;
  for (const cell of layer) {
    cell.place = at + cell.size / 2;
    at += cell.size;
  }
}

/** The length of the longest way to each step; what is not a plan (a circle) ends up at 0. */
function rank(steps) {
  const known = new Set(steps.map((step) => step.id));
  const ranks = new Map(steps.map((step) => [step.id, 0]));
  const open = new Map(steps.map((step) => [step.id, new Set(step.needs.filter((need) => known.has(need))).size]));
  const needed = new Map(steps.map((step) => [step.id, []]));
  for (const step of steps) for (const need of new Set(step.needs)) needed.get(need)?.push(step.id);
  const ready = steps.filter((step) => open.get(step.id) === 0).map((step) => step.id);
  for (let index = 0; index < ready.length; index += 1) {
    for (const next of needed.get(ready[index])) {
      ranks.set(next, Math.max(ranks.get(next), ranks.get(ready[index]) + 1));
      open.set(next, open.get(next) - 1);
      if (open.get(next) === 0) ready.push(next);
    }
  }
  return ranks;
}
