import { el, svg } from './dom.js';

// A status shows by its word, its shape and its colour, so that no one of them is needed. Shapes are drawn on 16 by 16.
const SHAPES = {
  pending: [['circle', { cx: 8, cy: 8, r: 6, 'stroke-dasharray': '2.4 2.3' }]],
  queued: [['circle', { cx: 8, cy: 8, r: 6 }], ['path', { d: 'M5 8h.01M8 8h.01M11 8h.01', 'stroke-width': 2.2 }]],
  running: [['circle', { cx: 8, cy: 8, r: 6, opacity: 0.3 }], ['path', { d: 'M8 2a6 6 0 0 1 6 6', class: 'turns' }], ['circle', { cx: 8, cy: 8, r: 1.8, class: 'solid' }]],
  waiting: [['circle', { cx: 8, cy: 8, r: 6 }], ['path', { d: 'M8 4.6V8l2.4 1.6' }]],
  retrying: [['path', { d: 'M13.4 5.5A6 6 0 1 0 14 8M13.8 2.6v3.2h-3.2' }]],
  completed: [['circle', { cx: 8, cy: 8, r: 7, class: 'solid' }], ['path', { d: 'M4.9 8.3l2.2 2.2 4.1-4.6', class: 'cutout' }]],
  failed: [['path', { d: 'M5.1 1h5.8L15 5.1v5.8L10.9 15H5.1L1 10.9V5.1z', class: 'solid' }], ['path', { d: 'M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8', class: 'cutout' }]],
  skipped: [['path', { d: 'M3 4.5L7 8l-4 3.5M8.5 4.5l4 3.5-4 3.5' }]],
  cancelled: [['circle', { cx: 8, cy: 8, r: 6 }], ['path', { d: 'M3.8 12.2l8.4-8.4' }]],
};

/** Whether a run with this status is over. */
export const isOver = (status) => ['completed', 'failed', 'cancelled'].includes(status);

/** The status that a word names; one that nobody knows looks pending. */
const known = (status) => (Object.hasOwn(SHAPES, status) ? status : 'pending');

/** A status's shape as part of a drawing. */
export function shape(status) {
  return SHAPES[known(status)].map(([tag, attributes]) => svg(tag, attributes));
}

/** The class that carries a status's colour. */
export const tone = (status) => `is-${known(status)}`;

/** A status as shape and word. */
export function badge(status, isLarge = false) {
  const drawing = svg('svg', { viewBox: '0 0 16 16', width: 16, height: 16, class: 'shape', 'aria-hidden': 'true' }, shape(status));
  return el('span', { class: `badge ${tone(status)}${isLarge ? ' large' : ''}`, 'data-status': status }, drawing, el('span', {}, status));
}
