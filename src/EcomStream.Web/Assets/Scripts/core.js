// What all pages share: requests, elements, texts of numbers and times, the live connection.

export const number = (value, digits = 0) =>
  value === null || value === undefined ? '–' : value.toLocaleString('en-US', { maximumFractionDigits: digits });

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 120) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

// 2026-01-31T12:00:00.123456Z -> 2026-01-31 12:00:00 UTC; the whole is in the title.
export const time = (text) => el('time', { datetime: text, title: text }, text.slice(0, 19).replace('T', ' '));

// Texts are always text nodes: nothing that a message contains becomes markup.
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const find = (selector) => document.querySelector(selector);

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export async function get(path) {
  return answer(await request(path, { headers: { Accept: 'application/json' } }));
}

export async function post(path, body) {
  return answer(await request(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-EcomStream-Action': '1' },
    body: JSON.stringify(body),
  }));
}

// Browsers report a connection that fails as "Failed to fetch".
async function request(path, options) {
  try {
    return await fetch(path, options);
  } catch {
    throw new Error('The process does not answer.');
  }
}

async function answer(response) {
  if (response.status === 401) location.assign('/sign-in');
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.error ?? `The process answers ${response.status}.`);
  return body;
}

export function message(text, isBad = false) {
  const place = find('#message');
  place.hidden = !text;
  place.classList.toggle('bad', isBad);
  setText(place, text ?? '');
}

export const badge = (text) => el('span', { class: `badge ${text}` }, text);

// Columns: [heading, row => node or text, class].
export function table(caption, columns, rows, attributes = {}) {
  return el('div', { class: 'table', tabindex: '0', role: 'region', 'aria-label': caption },
    el('table', attributes,
      el('caption', { class: 'visually-hidden' }, caption),
      el('thead', {}, el('tr', {}, ...columns.map(([heading]) => el('th', { scope: 'col' }, heading)))),
      el('tbody', {}, ...rows.map((row) => el('tr', {}, ...columns.map(([heading, cell, className]) =>
        el('td', { class: className, 'data-label': typeof heading === 'string' ? heading : null }, cell(row))))))));
}

// Server-sent events; the browser connects again by itself, and asks anew where it gave up.
export function live(onFlow) {
  let source;
  let timer;
  const connect = () => {
    source = new EventSource('/api/live');
    source.onmessage = (event) => {
      clearTimeout(timer);
      timer = setTimeout(lost, 5000);
      find('#offline').hidden = true;
      const flow = JSON.parse(event.data);
      showStatus(flow);
      onFlow?.(flow);
    };
    source.onerror = () => {
      lost();
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, 1500);
    };
  };
  const lost = () => {
    find('#offline').hidden = false;
    find('#status').className = 'status';
    setText(find('#status-text'), 'not connected');
  };
  connect();
  addEventListener('pagehide', () => source.close());
}

const words = { ready: 'ready', degraded: 'degraded', 'not-ready': 'not ready', starting: 'starting' };

function showStatus(flow) {
  find('#status').className = `status ${flow.status}`;
  setText(find('#status-text'), words[flow.status]);
}

find('#theme').addEventListener('click', () => {
  const theme = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
  document.documentElement.dataset.theme = theme;
  localStorage.setItem('ecomstream-theme', theme);
});
