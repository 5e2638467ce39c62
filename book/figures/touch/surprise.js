// Softmax and surprise: three logits to drag, their exponentials, their shares of the sum, and −log of the true class's share.
import {axes, button, clamp, fill, handle, html, number, report, set, slider, stage, svg} from "./common.js";

export const LOGITS = [1, 3, 0.5];  // of the section's chicken
const COLORS = ["first", "second", "third"], LOW = -4, HIGH = 6;

export const exponentials = (o, T) => o.map((logit) => Math.exp(logit / T));
export const softmax = (o, T) => {
  const powers = exponentials(o, T), sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
};
export const surprisal = (o, T, truth) => -Math.log(softmax(o, T)[truth]);
/** Prediction minus label: what a step of gradient descent goes against. */
export const gradient = (o, T, truth) => softmax(o, T).map((p, j) => p - (j === truth));
export const step = (o, T, truth) => gradient(o, T, truth).map((slope, j) => o[j] - slope / T);

export default function start(root, words, still) {
  const [scenes, controls] = stage(root, still);
  const names = [words.cat, words.chicken, words.dog];
  let o = [...LOGITS], T = 1, truth = 1;

  const scene = svg("svg", {viewBox: "0 0 340 270"}, scenes), height = (logit) => 158 - 15 * logit;
  const picture = svg("g", {"aria-hidden": true}, scene);
  for (const [x, text] of [[75, "o"], [205, "exp(o / T)"], [295, "ŷ"]]) svg("text", {x, y: 18, "text-anchor": "middle"}, picture, text);
  svg("path", {class: "contour", d: `M10 ${height(0)}H140M155 222H255M272 222H304`}, picture);
  svg("text", {x: 4, y: height(0) + 4, "text-anchor": "middle"}, picture, "0");
  const columns = COLORS.map((color, j) => {
    const at = 30 + 45 * j, text = (x, y) => svg("text", {x, y, "text-anchor": "middle"}, picture);
    text(at, 264).textContent = names[j];
    return {
      at, stem: svg("path", {class: `${color} thick`}, picture), arrow: svg("path", {class: "thick"}, picture),
      power: svg("rect", {class: `${color} full`, x: 160 + 32 * j, width: 24}, picture), power_says: text(172 + 32 * j, 0),
      share: svg("rect", {class: `${color} full`, x: 272, width: 32}, picture), share_says: svg("text", {x: 309}, picture),
      knob: handle(scene, fill(words.logit, names[j]), {
        name: color,
        move: (px, py) => put(j, (158 - py) / 15),
        nudge: (right, up) => put(j, o[j] + 0.1 * (right + up)),
      }),
      says: text(at, 242),
    };
  });
  const sum = svg("text", {x: 205, y: 242, "text-anchor": "middle"}, picture);
  const curve = axes(scenes, {from: 0, to: 1, ticks: [0, 0.5, 1], label: words.probability, show: (p) => `${p}`},
    {from: 0, to: 6, ticks: [0, 2, 4, 6], label: words.surprise});
  svg("path", {d: curve.path(Array.from({length: 150}, (_, i) => [Math.exp(-6 + i / 25), 6 - i / 25]).concat([[1, 0]]))}, curve.plot);
  const drop = svg("path", {class: "thick"}, curve.plot), dot = svg("circle", {r: 7}, curve.plot);

  const put = (j, logit) => { o[j] = clamp(Math.round(10 * logit) / 10, LOW, HIGH); draw(); };
  const warmth = slider(html("div", {class: "sliders"}, controls), words.temperature, {
    from: 0.5, to: 5, step: 0.1, show: (value) => `T = ${number(value, 1)}`, input: (value) => { T = value; draw(); },
  });
  const truths = html("div", {class: "choice", role: "group", "aria-label": words.truth}, controls);
  html("span", {"aria-hidden": true}, truths, words.truth);
  const choices = names.map((name, j) => button(truths, name, () => { truth = j; draw(); }));
  const more = button(controls, words.more, () => { o = o.map((logit) => logit + 1); draw(); });
  button(controls, words.step, () => { o = step(o, T, truth).map((logit) => clamp(logit, LOW, HIGH)); draw(); });
  button(controls, words.reset, () => { o = [...LOGITS]; truth = 1; T = 1; warmth.put(T); draw(); });
  const say = report(controls);

  function draw() {
    const powers = exponentials(o, T), shares = softmax(o, T), slopes = gradient(o, T, truth), surprise = surprisal(o, T, truth);
    const tallest = Math.max(...powers);
    let floor = 222, free = 236;
    columns.forEach(({at, stem, arrow, power, power_says, share, share_says, knob, says}, j) => {
      const y = height(o[j]), bar = (160 * powers[j]) / tallest, part = 180 * shares[j];
      set(stem, {d: `M${at} ${height(0)}V${y}`});
      knob.put(at, y, number(o[j], 1), `${number(o[j], 1)}: ŷ = ${number(shares[j], 2)}`);
      says.textContent = number(o[j], 1);
      set(power, {y: 222 - bar, height: bar});
      set(power_says, {y: 216 - bar});
      power_says.textContent = number(powers[j], powers[j] < 100 ? 2 : 0);
      set(share, {y: floor - part, height: part});
      free = Math.min(floor - part / 2 + 4, free - 14);
      set(share_says, {y: free});
      share_says.textContent = number(shares[j], 2);
      floor -= part;
      const move = 45 * slopes[j], tip = y + move, way = Math.sign(move);  // downward on the screen is downward
      set(arrow, {d: Math.abs(move) < 1.5 ? "" : `M${at + 15} ${y}V${tip}M${at + 11} ${tip - 5 * way}L${at + 15} ${tip}L${at + 19} ${tip - 5 * way}`});
      set(choices[j], {"aria-pressed": j === truth});
    });
    sum.textContent = `Σ ${number(powers.reduce((a, b) => a + b, 0), tallest < 100 ? 2 : 0)}`;
    const p = shares[truth], [x, y] = [curve.x(p), curve.y(Math.min(surprise, 6))];
    set(drop, {class: `${COLORS[truth]} thick`, d: `M${x} ${curve.y(0)}V${y}`});
    set(dot, {class: `${COLORS[truth]} full`, cx: x, cy: y});
    more.disabled = Math.max(...o) + 1 > HIGH;
    const row = (values) => `(${values.map((value) => number(value, 2)).join(", ")})`;
    say(fill(words.said, row(shares), number(p, p < 0.1 ? 4 : 2), number(surprise, 2), row(slopes)));
  }
  warmth.put(T);
  draw();
}
