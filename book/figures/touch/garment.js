// Draw a garment, and train softmax regression to name it: 1,500 images to learn from, 500 held out.
import {button, calm, clamp, fill, html, number, report, set, stage} from "./common.js";

export const PIXELS = 784, CLASSES = 10, TRAIN = 1500;

/** Images packed two pixels to a byte, in base64, as brightness from 0 to 1; image i is of class i % 10. */
export function unpack(text) {
  const bytes = atob(text), X = new Float32Array(2 * bytes.length);
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes.charCodeAt(i);
    X[2 * i] = (byte >> 4) / 15;
    X[2 * i + 1] = (byte & 15) / 15;
  }
  return X;
}

/** The ten probabilities for one row of X. params: 784 weights for each class in turn, then ten biases. */
export function probabilities(params, X, row = 0) {
  const logits = Array.from(params.subarray(CLASSES * PIXELS)), x = row * PIXELS;
  for (let j = 0; j < CLASSES; j++) {
    let sum = 0;
    for (let p = 0, w = j * PIXELS; p < PIXELS; p++) sum += params[w + p] * X[x + p];
    logits[j] += sum;
  }
  const largest = Math.max(...logits), exps = logits.map(o => Math.exp(o - largest));
  const total = exps.reduce((a, b) => a + b);
  return exps.map(e => e / total);
}

/** For a minibatch of rows of X: the gradient of the mean loss, the sum of the losses, how many are right. */
export function gradient(params, X, rows) {
  const grad = new Float32Array(params.length);
  let loss = 0, right = 0;
  for (const row of rows) {
    const error = probabilities(params, X, row), label = row % CLASSES, x = row * PIXELS;
    loss -= Math.log(error[label]);
    right += error.indexOf(Math.max(...error)) === label;
    error[label] -= 1;
    for (let j = 0; j < CLASSES; j++) {
      const e = error[j] / rows.length;
      for (let p = 0, w = j * PIXELS; p < PIXELS; p++) grad[w + p] += e * X[x + p];
      grad[CLASSES * PIXELS + j] += e;
    }
  }
  return { grad, loss, right };
}

/** The numbers from 0 to n - 1 in an order that depends on the seed alone. */
export function shuffled(n, seed) {
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const k = Math.floor(seed / 2 ** 32 * (i + 1));
    [order[i], order[k]] = [order[k], order[i]];
  }
  return order;
}

/** One epoch of minibatch SGD on the first 1,500 images, params in place: mean loss and accuracy over the epoch. */
export function epoch(params, X, number, lr = 0.1, batchSize = 256) {
  const order = shuffled(TRAIN, number);
  let loss = 0, right = 0;
  for (let i = 0; i < TRAIN; i += batchSize) {
    const step = gradient(params, X, order.slice(i, i + batchSize));
    for (let k = 0; k < params.length; k++) params[k] -= lr * step.grad[k];
    loss += step.loss;
    right += step.right;
  }
  return { loss: loss / TRAIN, accuracy: right / TRAIN };
}

/** The share of the rows from TRAIN on, which training never sees, that get their own class. */
export function heldOut(params, X) {
  let right = 0;
  const n = X.length / PIXELS;
  for (let row = TRAIN; row < n; row++) {
    const p = probabilities(params, X, row);
    right += p.indexOf(Math.max(...p)) === row % CLASSES;
  }
  return right / (n - TRAIN);
}

/** Paint a round spot on an image, in place: bright in its middle, softer at its rim; with light 0, erase. */
export function paint(image, x, y, light = 0.8) {
  for (let p = 0; p < PIXELS; p++) {
    const cover = Math.min(1, Math.max(0, 2.3 - Math.hypot(p % 28 - x, Math.floor(p / 28) - y)));
    image[p] = light ? Math.max(image[p], light * cover) : image[p] * (1 - cover);
  }
}

/** What stands on the grid at first: a shirt with short sleeves. */
export function shirt() {
  const image = new Float32Array(PIXELS);
  for (let p = 0; p < PIXELS; p++) {
    const side = Math.abs((p % 28) - 13.5), row = Math.floor(p / 28);
    const body = side < 7 && row > 2 && row < 26, sleeves = side < 12 && row > 3 && row < 11, neck = side < 3 && row < 5;
    image[p] = (body || sleeves) && !neck ? 0.6 : 0;
  }
  return image;
}

/** Show 784 numbers as a gray picture, from black for `low` to white for `high`. */
function show(canvas, numbers, low, high) {
  const context = canvas.getContext("2d"), picture = context.createImageData(28, 28);
  for (let p = 0; p < PIXELS; p++) {
    const gray = high > low ? (255 * (numbers[p] - low)) / (high - low) : 128;
    picture.data.set([gray, gray, gray, 255], 4 * p);
  }
  context.putImageData(picture, 0, 0);
}

export default function start(root, words, still) {
  const source = document.currentScript.src.replace("/garment.js", "/garments.js"), names = words.classes.split(", ");
  const [scenes, controls] = stage(root, still);
  let params = new Float32Array(CLASSES * PIXELS + CLASSES), image = shirt(), brush = [13, 13], light = 0.8;
  let X, epochs = 0, measured = null, busy = false, next = 0, truth = "", place = "";

  const board = html("div", {class: "grid"}, scenes);
  const canvas = html("canvas", {width: 28, height: 28, tabindex: 0, role: "application", "aria-label": words.hint}, board);
  const cursor = html("div", {class: "brush"}, board);
  const rows = names.map((name, j) => {
    const row = html("li", {}, j ? scenes.lastChild : html("ol", {class: "ten"}, scenes));
    const weights = html("canvas", {width: 28, height: 28, "aria-hidden": true}, row);
    html("span", {}, row, name);
    return {row, weights, bar: html("i", {}, html("div", {}, row)), value: html("b", {}, row)};
  });

  const brushes = [[0.8, words.paint], [0, words.erase]].map(([value, text]) =>
    [value, button(controls, text, () => { light = value; draw(); })]);
  button(controls, words.clear, () => { image.fill(0); truth = ""; draw(); });
  const load = button(controls, words.load, fetchImages);
  const trained = [
    button(controls, words.real, () => {
      const row = TRAIN + (next++ % 500);
      image = X.slice(row * PIXELS, (row + 1) * PIXELS);
      truth = fill(words.truth, names[row % CLASSES]);
      draw();
    }),
    button(controls, words.epoch, () => train(1)),
    button(controls, words.epochs, () => train(20)),
    button(controls, words.reset, () => { params = params.fill(0); epochs = 0; measured = null; draw(); }),
  ];
  for (const node of trained) node.hidden = true;
  const say = report(controls);

  function fetchImages() {
    say(words.loading);
    const script = html("script", {src: source});
    script.onload = () => {
      X = unpack(window.garments);
      load.hidden = true;
      for (const node of trained) node.hidden = false;
      trained[1].focus();
      draw();
    };
    script.onerror = () => say(words.failed);
    document.head.append(script);
  }
  async function train(count) {
    if (busy) return;
    busy = true;
    for (let i = 0; i < count && busy; i++) {
      measured = {...epoch(params, X, ++epochs), unseen: heldOut(params, X)};
      if (!calm() || i === count - 1) draw();
      await new Promise((done) => setTimeout(done));
    }
    busy = false;
  }

  function spot([x, y], [fromX, fromY] = [x, y]) {
    const steps = Math.ceil(Math.hypot(x - fromX, y - fromY)) || 1;
    for (let i = 1; i <= steps; i++) paint(image, fromX + ((x - fromX) * i) / steps, fromY + ((y - fromY) * i) / steps, light);
    brush = [x, y];
    place = "";
    draw();
  }
  const at = (event) => [event.offsetX, event.offsetY].map((v) => (28 * v) / canvas.clientWidth - 0.5);
  canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); spot(at(event)); });
  canvas.addEventListener("pointermove", (event) => { if (canvas.hasPointerCapture(event.pointerId)) spot(at(event), brush); });
  canvas.addEventListener("focus", () => { if (canvas.matches(":focus-visible")) { place = words.hint; draw(); } });
  canvas.addEventListener("keydown", (event) => {
    const way = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], " ": [0, 0]}[event.key];
    if (!way) return;
    event.preventDefault();
    brush = brush.map((v, i) => clamp(Math.round(v) + way[i], 0, 27));
    if (event.key === " " || event.shiftKey) spot(brush);
    place = fill(words.place, brush[1] + 1, brush[0] + 1, number(image[28 * brush[1] + brush[0]], 1));
    draw();
  });

  function draw() {
    const p = probabilities(params, image), top = p.indexOf(Math.max(...p));
    show(canvas, image, 0, 1);
    set(cursor, {style: `left: ${(brush[0] + 0.5) / 0.28}%; top: ${(brush[1] + 0.5) / 0.28}%`});
    rows.forEach(({row, weights, bar, value}, j) => {
      const w = params.subarray(j * PIXELS, (j + 1) * PIXELS);
      show(weights, w, Math.min(...w), Math.max(...w));
      bar.style.width = `${100 * p[j]}%`;
      value.textContent = number(p[j], 2);
      row.classList.toggle("lit", epochs > 0 && j === top);
    });
    for (const [value, node] of brushes) set(node, {"aria-pressed": value === light});
    const progress = !X ? words.begin : !measured ? words.loaded
      : fill(words.measured, epochs, number(measured.loss, 3), number(measured.accuracy, 3), number(measured.unseen, 3));
    const answer = epochs ? fill(words.says, names[top], number(p[top], 2)) : words.untrained;
    say([place, answer, truth, progress].filter(Boolean).join(" ").replaceAll("。 ", "。"));
  }
  draw();
}
