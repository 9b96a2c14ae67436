/// The texts of the page at `/docs`.
enum DocsPage {
  static let html = """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>Simplon agent API</title>
    <link rel="stylesheet" href="/docs/style.css">
    </head>
    <body>
    <header><h1 id="title">Simplon agent API</h1><p id="about">Loading …</p></header>
    <nav id="contents" aria-label="Operations"></nav>
    <main id="operations"></main>
    <noscript><p>This page needs JavaScript; <a href="/openapi.json">openapi.json</a> does not.</p></noscript>
    <script src="/docs/script.js" defer></script>
    </body>
    </html>

    """

  static let style = """
    :root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); --accent: #2563a8; }
    @media (prefers-color-scheme: dark) { :root { --accent: #8ab8ee; } }
    * { box-sizing: border-box; }
    body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1.5rem; }
    h1 { margin: 0; } h2 { margin: 2.5rem 0 .5rem; } h3 { margin: 1rem 0 .25rem; font-size: 1rem; }
    a { color: var(--accent); } code, pre { font: .875rem/1.45 ui-monospace, monospace; }
    nav ul { columns: 18rem; padding-left: 1.25rem; } summary { cursor: pointer; overflow-wrap: anywhere; }
    details { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; padding: .5rem .75rem; }
    .method { display: inline-block; min-width: 3.25rem; font-weight: 600; color: var(--accent); }
    .wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
    th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); }
    pre { overflow-x: auto; padding: .75rem; border: 1px solid var(--line); border-radius: .5rem; }

    """

  static let script = """
    'use strict';
    const make = (tag, text, ...children) => {
      const node = document.createElement(tag);
      if (text) node.textContent = text;
      node.append(...children);
      return node;
    };
    const refName = (ref) => ref.split('/').pop();
    const typeOf = (schema) => {
      if (!schema) return '';
      if (schema.$ref) return refName(schema.$ref);
      if (schema.enum) return schema.enum.map((word) => JSON.stringify(word)).join(' | ');
      const many = schema.anyOf || schema.oneOf;
      if (many) return many.map(typeOf).join(' | ');
      if (schema.type === 'array') return typeOf(schema.items) + '[]';
      return (schema.format || schema.type || 'any') + (schema.maximum ? ` ${schema.minimum}–${schema.maximum}` : '');
    };
    const table = (heads, rows) => {
      const head = make('tr', '', ...heads.map((text) => make('th', text)));
      const body = rows.map((cells) => make('tr', '', ...cells.map((cell, index) =>
        make('td', '', index < 2 ? make('code', cell) : document.createTextNode(cell)))));
      const wide = make('div', '', make('table', '', make('thead', '', head), make('tbody', '', ...body)));
      wide.className = 'wide';
      return wide;
    };
    const shapesOf = (api, schema) => (schema.oneOf || [schema]).map((part) =>
      [part.$ref ? refName(part.$ref) : '', part.$ref ? api.components.schemas[refName(part.$ref)] : part]);
    const show = (api, path, method, operation) => {
      const label = make('span', method.toUpperCase() + ' ');
      label.className = 'method';
      const box = make('details', '', make('summary', '', label, make('code', path), make('span', ' ' + operation.summary)));
      box.id = operation.operationId;
      const parameters = operation.parameters || [];
      if (parameters.length) {
        box.append(make('h3', 'Parameters'), table(['name', 'type', 'in', 'what'], parameters.map((it) => [
          it.name + (it.required ? ' *' : ''), typeOf(it.schema || it.content['application/json'].schema), it.in,
          it.description])));
      }
      if (operation.requestBody) {
        for (const [name, shape] of shapesOf(api, operation.requestBody.content['application/json'].schema)) {
          const required = new Set(shape.required);
          box.append(make('h3', 'Body: ' + name), table(['name', 'type', 'what'],
            Object.entries(shape.properties).map(([field, it]) =>
              [field + (required.has(field) ? ' *' : ''), typeOf(it), it.description || ''])));
        }
      }
      box.append(make('h3', 'Answers'), table(['status', 'type', 'what'],
        Object.entries(operation.responses).map(([status, it]) => [status, Object.entries(it.content || {})
          .map(([media, content]) => media === 'application/json' ? typeOf(content.schema) : media).join(', '),
          it.description])));
      return box;
    };
    const render = (api) => {
      document.getElementById('title').textContent = api.info.title + ' ' + api.info.version;
      document.getElementById('about').replaceChildren(api.info.description + ' ',
        Object.assign(make('a', 'openapi.json'), { href: '/openapi.json' }));
      const tags = new Map();
      for (const [path, item] of Object.entries(api.paths)) {
        for (const [method, operation] of Object.entries(item)) {
          const tag = operation.tags[0];
          if (!tags.has(tag)) tags.set(tag, []);
          tags.get(tag).push(show(api, path, method, operation));
        }
      }
      const main = document.getElementById('operations');
      for (const [tag, boxes] of tags) main.append(make('h2', tag), ...boxes);
      main.append(make('h2', 'Schemas'));
      for (const [name, schema] of Object.entries(api.components.schemas)) {
        const box = make('details', '', make('summary', '', make('code', name)), make('pre', JSON.stringify(schema, null, 2)));
        box.id = 'schema-' + name;
        main.append(box);
      }
      document.getElementById('contents').append(make('ul', '', ...[...tags.keys()].map((tag) => make('li', tag))));
    };
    fetch('/openapi.json').then((answer) => answer.json()).then(render).catch((error) => {
      document.getElementById('about').textContent = 'openapi.json cannot be read: ' + error.message;
    });

    """
}
