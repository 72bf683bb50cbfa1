import { badge, el, find, get, live, message, table, time } from './core.js';

let newest = 0;

async function load() {
  try {
    const { lines } = await get('/api/logs');
    if (lines.length > 0 && lines[0].number === newest) return;
    newest = lines[0]?.number ?? 0;
    find('#list').replaceChildren(lines.length === 0 ? el('p', { class: 'empty' }, 'No warnings and no errors since the start.') : table('Warnings and errors', [
      ['Time (UTC)', (line) => time(line.at), 'time'],
      ['Level', (line) => badge(line.level)],
      ['Message', (line) => line.message],
      ['Category', (line) => line.category.split('.').at(-1)],
    ], lines, { class: 'cards' }));
    message('');
  } catch (error) {
    message(error.message, true);
  }
}

await load();
setInterval(load, 3000);
live();
