import { duration, el, find, get, live, number, setText } from './core.js';
import { chart } from './chart.js';

let samples = [];

function show(flow) {
  const figures = {
    received: number(flow.now?.received), written: number(flow.now?.written), p50: number(flow.now?.p50, 1), p99: number(flow.now?.p99, 1),
    outstanding: number(flow.subscriptions.reduce((sum, subscription) => sum + subscription.outstanding, 0)),
    age: duration(flow.subscriptions.reduce((age, subscription) => Math.max(age, subscription.backlogAge ?? -1), -1) < 0 ? null
      : Math.max(...flow.subscriptions.map((subscription) => subscription.backlogAge ?? 0))),
  };
  document.querySelectorAll('[data-figure]').forEach((place) => setText(place, figures[place.dataset.figure]));
  document.querySelectorAll('[data-total]').forEach((place) => setText(place, number(flow.totals[place.dataset.total])));
  const texts = {
    broker: `${flow.embedded ? 'embedded broker' : 'Pub/Sub'} at ${flow.broker}`,
    shards: number(flow.shards),
    writers: `${flow.writers} ${flow.writers === 1 ? 'writer' : 'writers'}`,
    store: flow.store.name,
    'store-state': flow.store.ok ? 'answers' : 'fails',
    grace: duration(flow.grace),
    waiting: number(flow.waitingOrders),
    lag: duration(flow.watermark.lag),
    hold: flow.watermark.hold ? `Held for ${duration(flow.watermark.heldFor)}: ${flow.watermark.hold}` : 'Every order published so far has been received.',
    topics: flow.deadLetterTopics.join(', '),
  };
  document.querySelectorAll('[data-text]').forEach((place) => setText(place, texts[place.dataset.text]));
  find('#subscriptions').replaceChildren(...flow.subscriptions.map((subscription) => el('li', { class: 'sub' },
    el('strong', {}, subscription.name, el('span', { class: subscription.reading ? 'flowing' : 'stopped' }, subscription.reading ? 'reading' : 'not reading')),
    el('small', {}, [
      `${number(subscription.outstanding)} in flight${subscription.full ? ' (at the limit)' : ''}`,
      subscription.backlog === undefined ? null : `${number(subscription.backlog)} unacked`,
      subscription.backlogAge === undefined ? null : `oldest ${duration(subscription.backlogAge)}`,
    ].filter(Boolean).join(' · ')))));
  showProblems(flow);
}

// Only when it has changed: a screen reader reads it aloud.
let shown = null;
function showProblems(flow) {
  const key = JSON.stringify(flow.problems.map((problem) => [problem.name, problem.state, problem.reason.replace(/\d+/g, '#')]));
  const isSame = key === shown;
  shown = key;
  const place = find('#problems');
  if (isSame && flow.problems.length > 0) {
    flow.problems.forEach((problem, n) => setText(place.children[n].lastChild, problem.reason));
    return;
  }
  if (isSame) return;
  place.replaceChildren(...(flow.problems.length === 0
    ? [el('p', { class: 'all-well' }, 'No problems: the store answers, the subscriptions are being read.')]
    : flow.problems.map((problem) => el('div', { class: `problem ${problem.state}` }, el('b', {}, `${problem.name}: ${problem.state}`), el('span', {}, problem.reason)))));
}

function draw() {
  chart(find('#throughput'), samples, [{ key: 'received', name: 'received', className: 'a' }, { key: 'written', name: 'written', className: 'b' }], '/s');
  chart(find('#latency'), samples, [{ key: 'p50', name: 'p50', className: 'c' }, { key: 'p99', name: 'p99', className: 'd' }], ' ms');
}

async function refresh() {
  try {
    samples = (await get('/api/history')).samples;
    draw();
  } catch {
    // The banner says that the connection is lost.
  }
}

live(show);
refresh();
setInterval(refresh, 5000);
addEventListener('resize', draw);
