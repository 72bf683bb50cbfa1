// A line chart of the last hour in SVG, scaled to its content; the text under it says the same in words.
import { number } from './core.js';

const hour = 3600e3;
const svg = (name, attributes) => {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};

// 1, 2 or 5 times a power of ten, the next one above.
function ceiling(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= value);
}

// Series: [{ key, name, className }].
export function chart(place, samples, series, unit) {
  const width = Math.max(280, place.clientWidth);
  const [height, left, bottom, top] = [210, 52, 24, 8];
  const now = samples.length > 0 ? samples[samples.length - 1].at : Date.now();

  // What there is fills the chart until an hour has passed, at least two minutes.
  const first = samples.length > 0 ? samples[0].at : now;
  const span = Math.min(hour, Math.max(120e3, now - first));
  const largest = ceiling(Math.max(0, ...samples.flatMap((sample) => series.map(({ key }) => sample[key] ?? 0))));
  const x = (at) => left + (width - left - 6) * (1 - (now - at) / span);
  const y = (value) => top + (height - top - bottom) * (1 - value / largest);

  const picture = svg('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': words(samples, series, unit) });
  for (const share of [0, 0.5, 1]) {
    picture.append(svg('line', { class: 'grid', x1: left, x2: width - 6, y1: y(largest * share), y2: y(largest * share) }));
    const label = svg('text', { x: left - 8, y: y(largest * share) + 4, 'text-anchor': 'end' });
    label.textContent = number(largest * share, largest < 5 ? 1 : 0);
    picture.append(label);
  }
  for (const share of [0, 0.5, 1]) {
    const label = svg('text', { x: left + (width - left - 6) * share, y: height - 6, 'text-anchor': ['start', 'middle', 'end'][share * 2] });
    label.textContent = new Date(now - span * (1 - share)).toISOString().slice(11, 16) + (share === 1 ? ' UTC' : '');
    picture.append(label);
  }
  for (const { key, className } of series) {
    let [path, isDown] = ['', false];
    for (const sample of samples) {
      const value = sample[key];
      if (value === null || value === undefined) {
        isDown = false;
        continue;
      }
      path += `${isDown ? 'L' : 'M'}${x(sample.at).toFixed(1)} ${y(value).toFixed(1)}`;
      isDown = true;
    }
    picture.append(svg('path', { class: className, d: path || 'M0 0' }));
  }

  const text = document.createElement('p');
  text.textContent = words(samples, series, unit);
  place.replaceChildren(picture, text);
  picture.addEventListener('pointermove', (event) => {
    const box = picture.getBoundingClientRect();
    const at = now - span * (1 - ((event.clientX - box.left) * (width / box.width) - left) / (width - left - 6));
    const nearest = samples.reduce((best, sample) => (best === null || Math.abs(sample.at - at) < Math.abs(best.at - at) ? sample : best), null);
    if (nearest) text.textContent = `${new Date(nearest.at).toISOString().slice(11, 19)} UTC: ${values(nearest, series, unit)}`;
  });
  picture.addEventListener('pointerleave', () => { text.textContent = words(samples, series, unit); });
}

const values = (sample, series, unit) =>
  series.map(({ key, name }) => `${name} ${sample[key] === null || sample[key] === undefined ? '–' : `${number(sample[key], 1)}${unit}`}`).join(', ');

function words(samples, series, unit) {
  if (samples.length === 0) return 'No figures yet; the first ones come after five seconds.';
  const last = samples[samples.length - 1];
  const most = series.map(({ key, name }) => `${name} ${number(Math.max(0, ...samples.map((sample) => sample[key] ?? 0)), 1)}${unit}`).join(', ');
  return `Last five seconds: ${values(last, series, unit)}. Highest: ${most}.`;
}
