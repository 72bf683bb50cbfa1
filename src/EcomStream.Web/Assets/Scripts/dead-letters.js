import { badge, el, find, get, live, message, number, post, setText, table, time } from './core.js';

const filters = find('#filters');
const pages = [null];
let rows = [];
let next = null;
const selected = new Set();

function filter() {
  const values = Object.fromEntries([...new FormData(filters)].filter(([, value]) => value !== ''));
  for (const key of ['from', 'until']) if (values[key]) values[key] += 'Z';
  return values;
}

const query = (values) => new URLSearchParams(values).toString();

async function load() {
  try {
    const after = pages[pages.length - 1];
    const answer = await get(`/api/dead-letters?${query({ ...filter(), ...(after ? { after } : {}) })}`);
    ({ rows } = answer);
    next = answer.next ?? null;
    show();
  } catch (error) {
    message(error.message, true);
  }
}

function show() {
  find('#export').href = `/api/dead-letters/export?${query(filter())}`;
  find('#previous').disabled = pages.length === 1;
  find('#next').disabled = next === null;
  setText(find('#page'), rows.length === 0 ? '' : `Page ${pages.length}`);
  const hasActions = !find('#actions').hidden;
  find('#list').replaceChildren(rows.length === 0 ? el('p', { class: 'empty' }, 'Nothing matches the filter.') : table('Dead letters and waiting payments', [
    ...(hasActions ? [[selectAll(), selectOne]] : []),
    ['Id', (row) => el('button', { type: 'button', class: 'link', onclick: () => detail(row.id) }, row.id)],
    ['State', (row) => badge(row.state)],
    ['Reason', (row) => row.reason, 'fixed'],
    ['Published (UTC)', (row) => time(row.published), 'time'],
    ['Replays', (row) => String(row.replays), 'number'],
    ['Detail', (row) => row.detail, 'detail'],
  ], rows, { class: 'cards' }));
  showSelection();
}

const isSelectable = (row) => row.state === 'dead-lettered' || row.state === 'discarded';

function selectAll() {
  return el('input', {
    type: 'checkbox', 'aria-label': 'Select all on this page', onchange: (event) => {
      for (const row of rows.filter(isSelectable)) event.target.checked ? selected.add(row.id) : selected.delete(row.id);
      show();
      event.target.focus();
    },
    checked: rows.some(isSelectable) && rows.filter(isSelectable).every((row) => selected.has(row.id)),
  });
}

function selectOne(row) {
  return el('input', {
    type: 'checkbox', 'aria-label': `Select ${row.id}`, disabled: !isSelectable(row), checked: selected.has(row.id), onchange: (event) => {
      event.target.checked ? selected.add(row.id) : selected.delete(row.id);
      showSelection();
    },
  });
}

function showSelection() {
  setText(find('#selected'), selected.size === 0 ? 'None selected' : `${number(selected.size)} selected`);
  document.querySelectorAll('[data-scope="ids"]').forEach((button) => { button.disabled = selected.size === 0; });
}

async function detail(id) {
  try {
    const row = await get(`/api/dead-letters/${encodeURIComponent(id)}`);
    const list = (entries) => el('div', { class: 'table' }, el('table', {}, el('tbody', {}, ...entries.map(([name, value]) =>
      el('tr', {}, el('th', { scope: 'row' }, name), el('td', {}, value))))));
    find('#detail-title').textContent = row.summary.id;
    find('#detail-body').replaceChildren(
      list([
        ['state', badge(row.summary.state)], ['reason', row.summary.reason], ['detail', row.summary.detail],
        ...(row.summary.order ? [['order', el('a', { href: `/order?id=${row.summary.order}` }, row.summary.order)]] : []),
        ['message', `${row.message} of ${row.subscription}`], ['published', time(row.summary.published)], ['replays', String(row.summary.replays)],
      ]),
      el('h3', {}, `Payload (${number(row.bytes)} bytes; card numbers are masked)`), el('pre', { tabindex: '0' }, row.payload),
      ...(Object.keys(row.attributes).length === 0 ? [] : [el('h3', {}, 'Attributes'), list(Object.entries(row.attributes))]),
      el('h3', {}, 'History'), el('ol', {}, ...row.history.map((line) => el('li', {}, line))));
    find('#detail').showModal();
  } catch (error) {
    message(error.message, true);
  }
}

// The count first, then the reason, then the work.
async function act(action, scope) {
  const selection = scope === 'ids' ? { ids: [...selected] } : { filter: { ...filter(), state: 'dead-lettered' } };
  try {
    const count = scope === 'ids' ? selected.size : (await post('/api/dead-letters/count', selection)).count;
    const verb = action === 'replay' ? 'Replay' : 'Discard';
    find('#confirm-title').textContent = `${verb} ${number(count)} ${count === 1 ? 'dead letter' : 'dead letters'}?`;
    setText(find('#confirm-count'), action === 'replay'
      ? 'Each is published again to the topic that it came from.'
      : 'No order heals a discarded payment any more. Its row stays.');
    const go = find('#confirm-go');
    go.textContent = verb;
    go.classList.toggle('danger', action === 'discard');
    go.disabled = count === 0;
    find('#confirm-form').reason.value = '';
    find('#confirm').showModal();
    find('#confirm-form').onsubmit = () => start(action, { ...selection, reason: find('#confirm-form').reason.value });
  } catch (error) {
    message(error.message, true);
  }
}

async function start(action, selection) {
  try {
    message('');
    let operation = await post(`/api/dead-letters/${action}`, selection);
    while (!operation.finished) {
      progress(operation);
      await new Promise((resolve) => { setTimeout(resolve, 300); });
      operation = await get(`/api/operations/${operation.id}`);
    }
    progress(operation);
    selected.clear();
    await load();
  } catch (error) {
    message(error.message, true);
  }
}

function progress(operation) {
  const place = find('#progress');
  place.hidden = false;
  place.classList.toggle('bad', Boolean(operation.error));
  const verb = operation.action === 'replay' ? 'Replayed' : 'Discarded';
  setText(find('#progress-text'), operation.error
    ? `${verb} ${number(operation.done)} of ${number(operation.total)}, then it failed: ${operation.error}`
    : `${verb} ${number(operation.done)} of ${number(operation.total)}${operation.skipped > 0 ? `, skipped ${number(operation.skipped)} whose state had changed` : ''}.`);
  const bar = find('#progress-bar');
  bar.max = Math.max(1, operation.total);
  bar.value = operation.done + operation.skipped;
  bar.hidden = operation.finished;
}

filters.addEventListener('submit', (event) => {
  event.preventDefault();
  pages.length = 1;
  selected.clear();
  message('');
  history.replaceState(null, '', `/dead-letters?${query(filter())}`);
  load();
});
find('#next').addEventListener('click', () => { pages.push(next); load(); });
find('#previous').addEventListener('click', () => { pages.pop(); load(); });
document.querySelectorAll('[data-act]').forEach((button) => button.addEventListener('click', () => act(button.dataset.act, button.dataset.scope)));
document.querySelectorAll('[data-close]').forEach((button) => button.addEventListener('click', () => button.closest('dialog').close()));

const given = new URLSearchParams(location.search);
for (const name of ['state', 'reason', 'order']) if (given.has(name)) filters[name].value = given.get(name);
const flow = await get('/api/flow').catch(() => ({ actions: false }));
find('#actions').hidden = !flow.actions;
find('#readonly').hidden = flow.actions;
await load();
if (given.has('id')) detail(given.get('id'));
live();
