import { badge, el, find, get, live, message, table, time } from './core.js';

const form = find('#search');

async function search(text) {
  message('');
  find('#order').hidden = true;
  try {
    const { orders, note } = await get(`/api/search?q=${encodeURIComponent(text)}`);
    if (orders.length === 0) {
      message(`No order, payment or dead letter ${text} was found.${note ? ` ${note}` : ''}`);
    } else {
      await show(orders[0]);
      if (orders.length > 1) {
        const place = find('#message');
        place.hidden = false;
        place.replaceChildren('Also found: ', ...orders.slice(1).flatMap((id, n) => [n > 0 ? ', ' : '', el('a', { href: `/order?id=${id}` }, `order ${id}`)]));
      }
    }
  } catch (error) {
    message(error.message, true);
  }
}

async function show(id) {
  const order = await get(`/api/orders/${id}`);
  const isKnown = order.row || order.live || order.unmatched.length > 0;
  find('#order').hidden = !isKnown;
  if (!isKnown) {
    message(`Nothing is known of order ${id}.`);
    return;
  }
  history.replaceState(null, '', `/order?id=${id}`);
  document.title = `Order ${id} – EcomStream`;
  find('#order-title').textContent = `Order ${order.id}`;
  find('#row').replaceChildren(order.row ? columns(order.row) : el('p', { class: 'empty' }, 'There is no row: neither an order nor a payment has been written.'));
  find('#live').replaceChildren(order.live ? actor(order.live) : el('p', { class: 'empty' }, 'The order has no live actor: it is complete or idle, and its state is in the store.'));
  find('#unmatched').replaceChildren(order.unmatched.length === 0 ? el('p', { class: 'empty' }, 'None.') : table('Rows of unmatched payments', [
    ['Id', (row) => el('a', { href: `/dead-letters?id=${encodeURIComponent(row.id)}` }, row.id)],
    ['State', (row) => badge(row.state)],
    ['Reason', (row) => row.reason, 'fixed'],
    ['Published (UTC)', (row) => time(row.published), 'time'],
    ['Replays', (row) => String(row.replays), 'number'],
    ['Detail', (row) => row.detail, 'detail'],
  ], order.unmatched, { class: 'cards' }));
  find('#timeline').replaceChildren(...order.timeline.map((entry) => el('li', {},
    time(entry.at), el('strong', {}, entry.what), el('div', {}, entry.detail), entry.message ? el('small', {}, `message ${entry.message}`) : null)));
}

const pairs = (caption, entries) => el('div', { class: 'table' }, el('table', {},
  el('caption', { class: 'visually-hidden' }, caption),
  el('tbody', {}, ...entries.map(([name, value]) => el('tr', {}, el('th', { scope: 'row' }, name), el('td', {}, value ?? el('span', { class: 'null' }, 'null')))))));

const columns = (row) => pairs('Row of the order', Object.entries(row));

function actor(state) {
  return pairs('State of the live actor', [
    ['order', state.order],
    ['payment', state.paymentKey ? `${state.payment} (${state.paymentKey})` : state.payment],
    ['reads or publishes', state.busy ? 'yes' : 'no'],
    ...state.waiting.map((waiting) => [`waits: ${waiting.key}`,
      `published ${waiting.published.slice(0, 19).replace('T', ' ')}; ${waiting.givenUp ? 'dead-lettered' : waiting.hasRow ? 'its row is written' : 'unacked'}`]),
  ]);
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  search(form.q.value.trim());
});

// Nulls are left out of answers; the columns are all shown.
const id = new URLSearchParams(location.search).get('id');
if (id) {
  form.q.value = id;
  show(id).catch((error) => message(error.message, true));
}
live();
