// What the figures to touch share: elements, axes, handles to drag, controls, and what is read aloud.

const SVG = "http://www.w3.org/2000/svg";

function make(node, attributes, parent, text) {
  set(node, attributes);
  if (text !== undefined) node.textContent = text;
  if (parent) parent.append(node);
  return node;
}

export const set = (node, attributes = {}) => {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
};
export const svg = (name, attributes, parent, text) =>
  make(document.createElementNS(SVG, name), attributes, parent, text);
export const html = (name, attributes, parent, text) => make(document.createElement(name), attributes, parent, text);

/** A number as the book prints it: with a decimal point, a true minus sign, and no minus before zero. */
export const number = (value, digits) => value.toFixed(digits).replace(/^-(?=[0.]*$)/, "").replace("-", "−");
/** A sentence with its blanks {0}, {1}, … filled in. */
export const fill = (text, ...values) => text.replace(/\{(\d)\}/g, (_, place) => values[place]);
export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
/** Does the reader's computer ask for less motion? Then nothing plays by itself. */
export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Points where center + d has the height `excess` over the lowest: ½ dᵀ A d = excess, for A = [[a, c], [c, d]]. */
export function ellipse([[a, c], [, d]], [u, v], excess, count = 72) {
  const l = Math.sqrt(a), m = c / l, k = Math.sqrt(d - m * m), r = Math.sqrt(2 * excess);  // Cholesky's factor
  return Array.from({length: count}, (_, i) => {
    const angle = (2 * Math.PI * i) / count, y = Math.sin(angle) / k;
    return [u + r * (Math.cos(angle) - m * y) / l, v + r * y];
  });
}

/** Take the still picture out of its place, and put there a row for drawings and one for controls. */
export function stage(root, still) {
  set(root, {role: "group", "aria-label": still.getAttribute("aria-label") || ""});
  still.remove();
  return [html("div", {class: "scenes"}, root), html("div", {class: "controls"}, root)];
}

/** A drawing of 340 × 270 units with axes; x and y say {from, to, ticks, label, show}. `plot` cuts off what leaves them. */
export function axes(parent, x, y) {
  const box = {left: 42, top: 26, right: 330, bottom: 226};
  const scene = svg("svg", {viewBox: "0 0 340 270"}, parent);
  const width = box.right - box.left, height = box.bottom - box.top;
  const at = {
    x: (value) => box.left + (width * (value - x.from)) / (x.to - x.from),
    y: (value) => box.bottom - (height * (value - y.from)) / (y.to - y.from),
  };
  const frame = svg("g", {"aria-hidden": true, class: "frame"}, scene);
  svg("path", {d: `M${box.left} ${box.top}V${box.bottom}H${box.right}`}, frame);
  const {show = (tick) => number(tick, 0)} = x, {show: shown = show} = y;
  for (const tick of x.ticks) svg("text", {x: at.x(tick), y: box.bottom + 17, "text-anchor": "middle"}, frame, show(tick));
  for (const tick of y.ticks) svg("text", {x: box.left - 6, y: at.y(tick) + 4, "text-anchor": "end"}, frame, shown(tick));
  const names = [svg("text", {x: box.right, y: box.bottom + 36, "text-anchor": "end"}, frame, x.label), svg("text", {x: 4, y: 14}, frame, y.label)];
  const inside = {x: box.left, y: box.top, width, height, viewBox: `${box.left} ${box.top} ${width} ${height}`};
  return {
    scene, names, ...at, plot: svg("svg", {...inside, "aria-hidden": true}, scene),
    unit: height / (y.to - y.from),
    values: (px, py) => [x.from + ((px - box.left) / width) * (x.to - x.from), y.from + ((box.bottom - py) / height) * (y.to - y.from)],
    path: (points) => points.map(([u, v], i) => `${i ? "L" : "M"}${at.x(u).toFixed(1)} ${at.y(v).toFixed(1)}`).join(""),
  };
}

/**
 * Something to drag: move(x, y) gets the scene's units, nudge(right, up, big) the arrow keys.
 * put(x, y, value, text) places it; text is read aloud. Of handles that overlap, the pointer takes the nearest.
 */
export function handle(scene, label, {radius = 8, name = "", move, nudge}) {
  const node = svg("g", {class: `handle ${name}`, tabindex: 0, role: "slider", "aria-label": label}, scene);
  svg("circle", {r: 26, class: "reach"}, node);
  svg("circle", {r: radius, class: "knob"}, node);
  const units = (event) => new DOMPoint(event.clientX, event.clientY).matrixTransform(scene.getScreenCTM().inverse());
  const distance = (point, other) => Math.hypot(point.x - other.place[0], point.y - other.place[1]);
  node.move = move;
  node.put = (x, y, value, text) => {
    node.place = [x, y];
    set(node, {transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`, "aria-valuenow": value, "aria-valuetext": text});
  };
  node.addEventListener("pointerdown", (event) => {
    const down = units(event), all = [...scene.querySelectorAll(".handle")];
    const taken = all.reduce((a, b) => (distance(down, b) < distance(down, a) ? b : a));
    const follow = (later) => { const {x, y} = units(later); taken.move(x, y); };
    const end = () => ["pointermove", "pointerup", "pointercancel"].forEach((name) => node.removeEventListener(name, name === "pointermove" ? follow : end));
    node.setPointerCapture(event.pointerId);
    node.addEventListener("pointermove", follow);
    node.addEventListener("pointerup", end);
    node.addEventListener("pointercancel", end);
    taken.focus({preventScroll: true});
    event.preventDefault();
  });
  node.addEventListener("keydown", (event) => {
    const way = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1], PageUp: [0, 10], PageDown: [0, -10]}[event.key];
    if (!way) return;
    event.preventDefault();
    nudge(...way);
  });
  return node;
}

export function button(parent, text, press) {
  const node = html("button", {type: "button"}, parent, text);
  node.addEventListener("click", press);
  return node;
}

/** A slider under its name; show(value) is what stands beside it. node.put(value) moves it. */
export function slider(parent, label, {from, to, step, show, input}) {
  const row = html("label", {class: "slider"}, parent), words = html("span", {}, row, label);
  const value = html("b", {}, words), node = html("input", {type: "range", min: from, max: to, step}, row);
  node.put = (now) => {
    node.value = now;
    value.textContent = show(+node.value);
    set(node, {"aria-valuetext": value.textContent});
  };
  node.addEventListener("input", () => { node.put(node.value); input(+node.value); });
  return node;
}

/** A button that plays, a tick at a time, until it is pressed again or the tick says that it is done; none where motion is unwelcome. */
export function player(parent, words, tick) {
  let timer = 0;
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    if (node) node.textContent = words.play;
  };
  const node = calm() ? null : button(parent, words.play, () => {
    if (timer) return stop();
    node.textContent = words.pause;
    timer = setInterval(() => { if (tick()) stop(); }, 120);
  });
  return stop;
}

/** A line of numbers to read, and to hear when they have come to rest. */
export function report(parent) {
  const seen = html("p", {class: "report", "aria-hidden": true}, parent);
  const heard = html("p", {class: "heard", role: "status"}, parent);
  let waiting = 0;
  return (text) => {
    seen.textContent = text;
    clearTimeout(waiting);
    waiting = setTimeout(() => { heard.textContent = text; }, 600);
  };
}
