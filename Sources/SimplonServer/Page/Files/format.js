import { el } from './dom.js';

const CLOCK = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const DAY = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
const WHOLE = new Intl.DateTimeFormat('en-GB', { dateStyle: 'full', timeStyle: 'long' });

/** A moment as `<time>`: the time of day, with the day where that is not today. */
export function moment(text, withDay = true) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return '–';
  const isToday = at.toDateString() === new Date().toDateString();
  const shown = withDay && !isToday ? DAY.format(at) : CLOCK.format(at);
  return el('time', { datetime: at.toISOString(), title: WHOLE.format(at) }, shown);
}

/** A length of time for a person, out of milliseconds. */
export function duration(milliseconds) {
  if (!Number.isFinite(milliseconds) || milliseconds < 0) return '–';
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** How long something took, or takes so far; nothing where it has not begun. */
export function took(from, to) {
  return from ? duration((to ? Date.parse(to) : Date.now()) - Date.parse(from)) : '–';
}

/** A number of bytes. */
export function bytes(count) {
  if (!Number.isFinite(count)) return '–';
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let place = 0;
  let shown = count;
  while (shown >= 1000 && place < units.length - 1) {
    shown /= 1000;
    place += 1;
  }
  return `${place === 0 || shown >= 100 ? Math.round(shown) : shown.toFixed(1)} ${units[place]}`;
}

/** A cost, as the run counts it. */
export function cost(value) {
  const number = Number(value);
  if (!Number.isFinite(number)) return '–';
  return number === 0 ? '0' : number.toLocaleString('en-US', { maximumSignificantDigits: number < 1 ? 3 : 6 });
}

/** The part of an id that a person can keep in mind: ids begin with the time, so their end tells them apart. */
export function short(id) {
  return `…${String(id).slice(-8)}`;
}
