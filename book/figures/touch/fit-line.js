// Fit the line: twelve houses, a line with two ends to drag, the squares of its residuals; beside it the plane of (w, b).
import {axes, button, clamp, ellipse, fill, handle, number, report, set, stage, svg} from "./common.js";

// The first twelve houses of the section: square meters, and thousand euros.
export const AREAS = [46.9785, 47.5492, 54.8303, 46.3096, 103.1406, 97.2142, 154.6283, 151.4503, 50.0252, 55.9169, 58.8464, 85.044];
export const PRICES = [134.401, 213.0892, 229.3116, 155.476, 323.9, 303.3957, 532.6111, 427.4261, 182.5739, 208.7478, 169.2228, 229.8336];
export const START = [2, 40];  // the point at which the section checks the derivative
export const RATE = 1e-4;

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const errors = (w, b, prices) => AREAS.map((x, i) => w * x + b - prices[i]);

export const loss = (w, b, prices) => mean(errors(w, b, prices).map((error) => error ** 2 / 2));
export const gradient = (w, b, prices) => {
  const wrong = errors(w, b, prices);
  return [mean(wrong.map((error, i) => error * AREAS[i])), mean(wrong)];
};
export const step = (w, b, prices) => {
  const [dw, db] = gradient(w, b, prices);
  return [w - RATE * dw, b - RATE * db];
};
export const solve = (prices) => {
  const x = mean(AREAS), y = mean(prices);
  const w = mean(AREAS.map((area, i) => (area - x) * (prices[i] - y))) / mean(AREAS.map((area) => (area - x) ** 2));
  return [w, y - w * x];
};

export default function start(root, words, still) {
  const [scenes, controls] = stage(root, still);
  const prices = [...PRICES], ends = [40, 160];
  const order = AREAS.map((_, i) => i).sort((i, j) => AREAS[i] - AREAS[j]);
  let [w, b] = START, trail = [START];

  const houses = axes(scenes, {from: 30, to: 170, ticks: [50, 100, 150], label: words.area},
    {from: 0, to: 600, ticks: [0, 200, 400, 600], label: words.price});
  const plane = axes(scenes, {from: -1, to: 7, ticks: [0, 2, 4, 6], label: "w"},
    {from: -250, to: 350, ticks: [-200, 0, 200], label: `b    ${words.plane}`});
  const squares = AREAS.map(() => svg("rect", {class: "second soft"}, houses.plot));
  const residuals = AREAS.map(() => svg("path", {class: "second"}, houses.plot));
  const line = svg("path", {class: "first thick"}, houses.plot);
  const hills = [1, 2, 3, 4, 5, 6].map((k) => [k, svg("path", {class: "contour"}, plane.plot)]);
  const way = svg("path", {class: "first"}, plane.plot);
  const lowest = svg("path", {class: "second thick", d: "M-5 0H5M0 -5V5"}, plane.plot);

  const moved = (place) => {  // by hand, so a new trail begins
    [w, b] = [clamp(place[0], -1, 7), clamp(place[1], -250, 350)];
    trail = [[w, b]];
    draw();
  };
  const through = (end, price) => {  // the other end stays
    const other = ends[1 - end], kept = w * other + b;
    const slope = (price - kept) / (ends[end] - other);
    moved([slope, kept - slope * other]);
  };
  const tips = ends.map((area, end) => handle(houses.scene, [words.left, words.right][end], {
    name: "first",
    move: (px, py) => through(end, houses.values(px, py)[1]),
    nudge: (right, up) => through(end, w * area + b + 5 * (up + right)),
  }));
  const priced = (i, price) => { prices[i] = clamp(price, 0, 600); trail = [[w, b]]; draw(); };
  const dots = [];
  order.forEach((i, place) => {  // one stop of the Tab key for all: ← and → go from house to house
    dots[i] = handle(houses.scene, fill(words.house, number(AREAS[i], 0)), {
      radius: 5,
      move: (px, py) => priced(i, houses.values(px, py)[1]),
      nudge: (right, up) => {
        if (up) return priced(i, prices[i] + 10 * up);
        const next = dots[order[clamp(place + right, 0, 11)]];
        set(dots[i], {tabindex: -1});
        set(next, {tabindex: 0});
        next.focus();
      },
    });
    set(dots[i], {tabindex: place ? -1 : 0, "aria-valuemin": 0, "aria-valuemax": 600});
  });
  const point = handle(plane.scene, words.point, {
    name: "first",
    move: (px, py) => moved(plane.values(px, py)),
    nudge: (right, up) => moved([w + 0.1 * right, b + 5 * up]),
  });

  const buttons = [
    [words.step, () => { [w, b] = step(w, b, prices); trail.push([w, b]); }],
    [words.solve, () => { [w, b] = solve(prices); trail.push([w, b]); }],
    [words.reset, () => { prices.splice(0, 12, ...PRICES); [w, b] = START; trail = [START]; }],
  ];
  for (const [text, press] of buttons) button(controls, text, () => { press(); draw(); });
  const say = report(controls);

  function draw() {
    const best = solve(prices), least = loss(...best, prices), now = loss(w, b, prices);
    AREAS.forEach((area, i) => {
      const guess = w * area + b, side = Math.abs(prices[i] - guess) * houses.unit, above = prices[i] > guess;
      const x = houses.x(area), top = houses.y(Math.max(prices[i], guess));
      set(squares[i], {x: above ? x - side : x, y: top, width: side, height: side});
      set(residuals[i], {d: `M${x} ${top}v${side}`});
      dots[i].put(x, houses.y(prices[i]), Math.round(prices[i]), number(prices[i], 0));
    });
    set(line, {d: houses.path([[30, 30 * w + b], [170, 170 * w + b]])});
    const numbers = `w = ${number(w, 2)}, b = ${number(b, 1)}`;
    ends.forEach((area, end) => tips[end].put(houses.x(area), clamp(houses.y(w * area + b), 8, 240), Math.round(w * area + b), numbers));
    const x = mean(AREAS), curvature = [[mean(AREAS.map((area) => area ** 2)), x], [x, 1]];
    for (const [k, path] of hills) set(path, {d: `${plane.path(ellipse(curvature, best, 500 * 4 ** (k - 1)))}Z`});
    set(way, {d: plane.path(trail)});
    set(lowest, {transform: `translate(${plane.x(best[0])} ${plane.y(best[1])})`});
    point.put(plane.x(w), plane.y(b), number(w, 2), numbers);
    say(fill(words.said, numbers, number(now, 0), number(least, 0)));
  }
  draw();
}
