// Descend: the loss over two weights as a landscape, and (minibatch) gradient descent on it, one step after the other.
import {axes, button, calm, clamp, ellipse, fill, handle, html, number, player, report, set, slider, stage, svg} from "./common.js";

// The 120 houses of the section: square meters, years, thousand euros.
const AREAS = [46.98, 47.55, 54.83, 46.31, 103.14, 97.21, 154.63, 151.45, 50.03, 55.92, 58.85, 85.04, 141.1, 144.46, 85.3, 113.49, 50.57, 124.14, 114.81, 92.47, 48.97, 122.01, 77.47, 77.09, 43.76, 44.84, 151.83, 58.26, 71.81, 55.65, 70.22, 68.01, 67.08, 78.11, 113.73, 111.73, 141.88, 43.9, 77.11, 91.88, 152.12, 54.68, 91.32, 74.58, 157.77, 141.48, 86.11, 51.92, 119.52, 109.83, 125.12, 96.64, 51.26, 112.77, 99.9, 159.81, 67.92, 84.75, 115.06, 73.18, 41.33, 126.74, 70.53, 115.7, 82.47, 92.99, 113.54, 147.93, 121.57, 57.33, 106.88, 156.37, 77.12, 47.8, 117.26, 40.8, 107.4, 117.21, 56.54, 75.98, 116.3, 101.75, 121.5, 60.1, 147.02, 157.05, 68.01, 126.12, 41.4, 51.54, 151.48, 127.04, 50.53, 99.49, 152.9, 75.21, 106.82, 112.48, 47, 155.4, 84.04, 84.22, 136.13, 106.33, 123.54, 106.06, 95.71, 84.25, 109.44, 118.58, 89.32, 61.74, 42.49, 43.66, 65.31, 130.15, 150.45, 51.46, 155.3, 108.75];
const AGES = [31.87, 9.75, 13.56, 19.32, 40.56, 35.84, 14.71, 38.81, 11.9, 0.52, 42.89, 43.84, 24.21, 21.79, 3.95, 45.98, 24.16, 39.14, 35.67, 10.49, 4.6, 32.51, 18.25, 9.94, 17.67, 27.22, 19.39, 24.33, 21.42, 33.4, 6.43, 31.14, 37.23, 19.96, 30.61, 36.46, 26.68, 39.85, 34.08, 19.35, 10.99, 48.12, 23.44, 13.33, 45.67, 34.98, 47.88, 49.5, 25.37, 7.44, 32.59, 48.59, 38.33, 43.17, 15.69, 5.12, 2.02, 1.7, 21.15, 32.14, 25.19, 19.69, 38.63, 39.55, 13.22, 32.37, 33.55, 2.56, 36.22, 15.67, 33.72, 24.89, 2.81, 29.59, 16.65, 9.06, 37.86, 14.09, 37.65, 9.26, 44.04, 15.93, 0.78, 11.95, 48.34, 41.78, 40.69, 42.58, 18.31, 16.74, 40.34, 0.07, 10.83, 15.18, 27.15, 44.31, 20.93, 40.72, 22.41, 10.48, 39.56, 44.8, 42.3, 4.1, 6.72, 34.54, 36.28, 3.21, 45.57, 28.6, 38.68, 20.04, 24.96, 33.81, 42.88, 29.1, 1.09, 39.95, 46.36, 36.13];
const PRICES = [134.4, 213.1, 229.3, 155.5, 323.9, 303.4, 532.6, 427.4, 182.6, 208.7, 169.2, 229.8, 463.2, 456.4, 338.9, 356.1, 177.4, 387.1, 312.2, 309.9, 192.4, 361.5, 207.5, 290, 140.3, 159.4, 478.5, 183.9, 264.1, 201.7, 228.1, 227.5, 190.3, 259.3, 351.5, 318.9, 413, 111.9, 196.4, 274.1, 447.7, 163.1, 305.7, 255.6, 504.6, 413.7, 226.8, 169, 415.4, 374.1, 364.5, 274.5, 167.5, 331.8, 329.4, 491.2, 235.1, 301.7, 338.2, 193.3, 104.6, 437, 221, 346.4, 283.4, 249.1, 361.3, 474.1, 329.9, 229.3, 317, 444.1, 273.9, 148.2, 389.6, 179.2, 308.5, 360.1, 165.9, 264.7, 307.9, 313.8, 423.6, 231.7, 386.6, 454.9, 198, 326, 185.5, 202.7, 446, 439.9, 189.8, 308.8, 489.2, 232.7, 385.4, 325.6, 151.8, 505.3, 255.4, 238.1, 359.7, 388.6, 476.9, 342.4, 259.6, 287, 298.9, 375, 268.2, 204.1, 131.8, 139.1, 199.9, 420.7, 505.9, 105.3, 417.3, 336.7];
const BIAS = 62.255;  // of the section's closed form; with standardized features it is the mean price
const BATCHES = [1, 4, 12, 30, 120], LAST = 100;

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const standardize = (values) => {
  const middle = mean(values), spread = Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1));
  return values.map((value) => (value - middle) / spread);
};

/** Features, labels without the bias, the matrix A of the curvatures, the lowest point and the largest usable rate. */
export function problem(standardized) {
  const X = [AREAS, AGES].map((column) => (standardized ? standardize(column) : column));
  const y = PRICES.map((price) => price - (standardized ? mean(PRICES) : BIAS));
  const product = (u, v) => mean(u.map((value, i) => value * v[i]));
  const [a, c, d, r, s] = [product(X[0], X[0]), product(X[0], X[1]), product(X[1], X[1]), product(X[0], y), product(X[1], y)];
  const best = [(d * r - c * s) / (a * d - c * c), (a * s - c * r) / (a * d - c * c)];
  return {X, y, A: [[a, c], [c, d]], best, limit: 2 / ((a + d) / 2 + Math.hypot((a - d) / 2, c))};
}
const errors = ({X, y}, w) => y.map((label, i) => w[0] * X[0][i] + w[1] * X[1][i] - label);
export const loss = (houses, w) => mean(errors(houses, w).map((error) => error ** 2 / 2));
export const step = (houses, w, batch, rate) => {
  const wrong = errors(houses, w);
  return w.map((weight, k) => weight - rate * mean(batch.map((i) => wrong[i] * houses.X[k][i])));
};

/** Shuffled minibatches without end, the same at every start. */
export function* minibatches(size, seed = 42) {
  const random = () => {  // mulberry32
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const order = PRICES.map((_, i) => i);
  for (;;) {
    for (let i = order.length - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    for (let i = 0; i < order.length; i += size) yield order.slice(i, i + size);
  }
}

export default function start(root, words, still) {
  const [scenes, controls] = stage(root, still);
  const landscapes = [problem(false), problem(true)].map((houses, standardized) => ({
    ...houses, lowest: loss(houses, houses.best),
    across: standardized ? {from: -40, to: 250, ticks: [0, 100, 200], label: words.area} : {from: -3, to: 9, ticks: [0, 4, 8], label: words.area},
    up: standardized ? {from: -125, to: 76, ticks: [-100, 0], label: words.age} : {from: -15, to: 12, ticks: [-10, 0, 10], label: words.age},
  }));
  let standardized = 0, rate = 0.5, size = 120, path, losses, batches, plane, marks;

  const maps = landscapes.map(({across, up}) => axes(scenes, across, up));
  const curve = axes(scenes, {from: 0, to: LAST, ticks: [0, 50, 100], label: words.steps},
    {from: -3, to: 6, ticks: [-2, 0, 2, 4, 6], label: words.loss, show: (k) => ({[-2]: "0.01", 0: "1", 2: "100", 4: "10⁴", 6: "10⁶"})[k]});
  const fall = svg("path", {class: "first"}, curve.plot);
  const drawn = maps.map((map, k) => {
    const houses = landscapes[k], height = loss(houses, [0, 0]) - houses.lowest;
    for (const part of [1 / 64, 1 / 16, 1 / 4, 1, 4])
      svg("path", {class: "contour", d: `${map.path(ellipse(houses.A, houses.best, part * height))}Z`}, map.plot);
    const [x, y] = [map.x(houses.best[0]), map.y(houses.best[1])];
    const way = svg("path", {class: "first"}, map.plot), now = svg("circle", {r: 4, class: "first full"}, map.plot);
    svg("path", {class: "second thick", d: `M${x - 5} ${y}h10M${x} ${y - 5}v10`}, map.plot);
    const begin = handle(map.scene, words.start, {
      move: (px, py) => restart(map.values(px, py)),
      nudge: (right, up) => restart([path[0][0] + (right * (houses.across.to - houses.across.from)) / 50, path[0][1] + (up * (houses.up.to - houses.up.from)) / 50]),
    });
    return {way, now, begin};
  });

  const sliders = html("div", {class: "sliders"}, controls);
  const rates = slider(sliders, words.rate, {
    from: 0.05, to: 1.2, step: 0.01,
    show: (part) => fill(words.limit, number(part * landscapes[standardized].limit, standardized ? 2 : 6), number(part, 2)),
    input: (part) => { rate = part; restart(); },
  });
  const sizes = slider(sliders, words.size, {
    from: 0, to: BATCHES.length - 1, step: 1, show: (k) => `${BATCHES[k]}`,
    input: (k) => { size = BATCHES[k]; restart(); },
  });
  const scale = button(controls, words.standardize, () => { standardized = 1 - standardized; show(); restart([0, 0]); });
  button(controls, words.step, () => { stop(); advance(); });
  if (calm()) button(controls, words.steps10, () => { stop(); for (let i = 0; i < 10; i++) advance(); });
  const stop = player(controls, words, () => advance());
  button(controls, words.reset, () => restart([0, 0]));
  const say = report(controls);

  function show() {
    set(scale, {"aria-pressed": Boolean(standardized)});
    maps.forEach((map, k) => { map.scene.style.display = k === standardized ? "" : "none"; });
    plane = maps[standardized];
    marks = drawn[standardized];
    rates.put(rate);
  }
  function restart(place = path[0]) {
    const {across, up} = landscapes[standardized];
    stop();
    path = [[clamp(place[0], across.from, across.to), clamp(place[1], up.from, up.to)]];
    losses = [];
    batches = minibatches(size);
    draw();
  }
  function advance() {  // whether that was the last step
    const houses = landscapes[standardized];
    if (path.length > LAST || Math.abs(path.at(-1)[0]) > 1e6) return true;
    path.push(step(houses, path.at(-1), batches.next().value, rate * houses.limit));
    draw();
    return path.length > LAST;
  }
  function draw() {
    const houses = landscapes[standardized], [u, v] = path.at(-1);
    while (losses.length < path.length) losses.push(loss(houses, path[losses.length]) - houses.lowest);
    set(marks.way, {d: plane.path(path.map(([x, y]) => [clamp(x, -1e4, 1e4), clamp(y, -1e4, 1e4)]))});
    set(marks.now, {cx: clamp(plane.x(u), -1e4, 1e4), cy: clamp(plane.y(v), -1e4, 1e4)});
    marks.begin.put(plane.x(path[0][0]), plane.y(path[0][1]), number(path[0][0], 2), `${number(path[0][0], 1)}, ${number(path[0][1], 1)}`);
    set(fall, {d: curve.path(losses.map((height, i) => [i, Math.log10(Math.max(height, 1e-9))]))});
    say(fill(words.said, path.length - 1, number(losses.at(-1) + houses.lowest, losses.at(-1) > 1e4 ? 0 : 1), number(houses.lowest, 1)));
  }
  sizes.put(BATCHES.length - 1);
  show();
  restart([0, 0]);
}
