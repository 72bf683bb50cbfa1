import { badge, el, find, get, live, message, table } from './core.js';

const filters = find('#filters');
let settings = [];

function show() {
  const text = filters.q.value.trim().toLowerCase();
  const rows = settings.filter((setting) => setting.path.toLowerCase().includes(text) && !(filters.changed.checked && setting.isDefault));
  find('#list').replaceChildren(rows.length === 0 ? el('p', { class: 'empty' }, 'No setting matches.') : table('Settings', [
    ['Setting', (setting) => el('code', {}, setting.path)],
    ['Value', (setting) => (setting.value === '' ? el('span', { class: 'null' }, 'empty') : el('code', {}, setting.value))],
    ['Origin', (setting) => (setting.isDefault ? 'default' : badge(setting.origin)), 'fixed'],
  ], rows, { class: 'cards' }));
}

filters.addEventListener('input', show);
filters.addEventListener('submit', (event) => event.preventDefault());
try {
  ({ settings } = await get('/api/settings'));
  show();
} catch (error) {
  message(error.message, true);
}
live();
