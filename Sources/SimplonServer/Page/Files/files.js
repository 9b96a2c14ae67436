import { file } from './api.js';
import { announce, el, fill, refusal } from './dom.js';
import { bytes } from './format.js';

// What may be shown: pixels, by the type that the server gives. Everything else, SVG and HTML above all, is a download.
const IMAGES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif', 'image/bmp']);
const LARGEST = 16e6; // bytes of an image that is shown without being asked for
const SHOWN = 12; // images that are

/** A run's files, with its images. */
export function fileList(signal) {
  const node = el('ul', { class: 'files' });
  const rows = new Map();
  const addresses = new Set();
  let images = 0;

  function row(artifact) {
    const name = artifact.path.split('/').pop() || 'file';
    const save = el('button', { type: 'button', click: download, 'aria-label': `Download ${name}` }, 'Download');
    const notice = el('div');
    const about = el('span', { class: 'muted' }, `${artifact.mime.split(';')[0]} · ${bytes(artifact.size)}`);
    const place = el('div', { class: 'image' });
    const item = el('li', { 'data-file': artifact.path }, el('div', { class: 'line' }, el('span', { class: 'path' }, artifact.path), about, save), place, notice);

    async function download() {
      fill(notice);
      save.disabled = true;
      try {
        // Of no type, so that no browser thinks of showing it.
        const address = URL.createObjectURL(await file(artifact.id, 'application/octet-stream', signal));
        el('a', { href: address, download: name }).click();
        setTimeout(() => URL.revokeObjectURL(address), 60000);
        announce(`${name} is saved`);
      } catch (error) {
        if (!signal.aborted) fill(notice, refusal(error));
      } finally {
        save.disabled = false;
      }
    }

    async function show() {
      try {
        const address = URL.createObjectURL(await file(artifact.id, artifact.mime, signal));
        addresses.add(address);
        const image = el('img', { alt: `The image ${artifact.path}`, decoding: 'async', error: () => fill(place, el('p', { class: 'muted' }, 'This is no image that can be shown.')) });
        image.src = address;
        fill(place, image);
      } catch (error) {
        if (!signal.aborted) fill(notice, refusal(error));
      }
    }

    if (IMAGES.has(artifact.mime)) {
      images += 1;
      if (images <= SHOWN && artifact.size <= LARGEST) show();
      else fill(place, el('button', { type: 'button', class: 'quiet', click: show }, 'Show the image'));
    }
    return item;
  }

  signal.addEventListener('abort', () => addresses.forEach((address) => URL.revokeObjectURL(address)));
  return {
    node,
    update(artifacts) {
      const sorted = artifacts.toSorted((one, other) => (one.path < other.path ? -1 : 1));
      const now = new Set(sorted.map((artifact) => artifact.id));
      for (const [id, item] of rows) if (!now.has(id)) { item.remove(); rows.delete(id); }
      sorted.forEach((artifact, index) => {
        if (!rows.has(artifact.id)) rows.set(artifact.id, row(artifact));
        const item = rows.get(artifact.id);
        if (node.children[index] !== item) node.insertBefore(item, node.children[index] ?? null);
      });
      return sorted.length > 0;
    },
  };
}
