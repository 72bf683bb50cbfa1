import { badge, el, find, get, live, message, number, table, time } from './core.js';

const interval = 2000;
let before;

// Messages per second of a node. A shard that has just moved to it began to count there.
function rate(node) {
  if (!before) return null;
  const earlier = new Map((before.nodes.find((other) => other.address === node.address)?.shards ?? []).map((shard) => [shard.shard, shard.messages]));
  const messages = node.shards.reduce((sum, shard) => sum + Math.max(0, shard.messages - (earlier.get(shard.shard) ?? 0)), 0);
  return messages / ((performance.now() - before.at) / 1000);
}

function problems(cluster) {
  const found = cluster.nodes.filter((node) => node.unreachable)
    .map((node) => `${node.address} does not answer. When it stays so, the majority of the nodes removes it and takes over its shards.`);
  const running = cluster.nodes.filter((node) => !node.unreachable).reduce((sum, node) => sum + node.shards.length, 0);
  if (running < cluster.shards) {
    found.push(`${cluster.shards - running} of ${cluster.shards} shards do not run: they are being moved, or wait until the node that has them is removed.`);
  }

  return found;
}

function show(cluster) {
  if (cluster.nodes.length === 0) {
    find('#problems').replaceChildren();
    find('#list').replaceChildren(el('p', { class: 'empty' },
      'This process is not a node of a cluster: all shards run here. docs/cluster.md says how several processes become one system.'));
    return;
  }

  const found = problems(cluster);
  find('#problems').replaceChildren(...(found.length === 0
    ? [el('p', { class: 'all-well' }, `All ${cluster.shards} shards run on ${cluster.nodes.length} ${cluster.nodes.length === 1 ? 'node' : 'nodes'}.`)]
    : found.map((text) => el('div', { class: 'problem degraded' }, el('b', {}, 'cluster'), text))));
  const rates = new Map(cluster.nodes.map((node) => [node.address, rate(node)]));
  find('#list').replaceChildren(table('Nodes', [
    ['Node', (node) => el('span', {}, el('code', {}, node.address), node.address === cluster.self ? ' (this one)' : '')],
    ['State', (node) => (node.unreachable ? badge('unreachable') : badge(node.state.toLowerCase())), 'fixed'],
    ['Shards', (node) => el('span', { title: node.shards.map((shard) => shard.shard).join(', ') }, number(node.shards.length)), 'number'],
    ['Messages/s', (node) => number(rates.get(node.address)), 'number'],
    ['In flight', (node) => number(node.outstanding), 'number'],
    ['Hand-overs to it', (node) => number(node.shardsStarted), 'number'],
    ['Orders received until', (node) => (node.watermark ? time(node.watermark) : el('span', { class: 'null' }, 'not known')), 'time'],
    ['Its shards', (node) => (node.shards.length === 0 ? el('span', { class: 'null' }, 'none') : node.shards.map((shard) => shard.shard).join(' ')), 'detail'],
  ], cluster.nodes, { class: 'cards' }));
  before = { ...cluster, at: performance.now() };
}

async function load() {
  try {
    show(await get('/api/cluster'));
    message('');
  } catch (error) {
    message(error.message, true);
  }
}

await load();
setInterval(load, interval);
live();
