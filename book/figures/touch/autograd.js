// Open autograd: forward fills the graph with values, backward sends derivatives back and adds them to .grad.
import {button, calm, fill, number, report, slider, stage, svg} from "./common.js";

/** The page's example, 2 × 3 against 10, with a bias of 0 beside it; nothing is computed yet. */
export const begin = () => ({w: 2, b: 0, x: 3, y: 10, values: null, flow: null, grad: {w: null, b: null}, said: "begin"});

/** The values of the nodes, in the order in which they are computed. */
export function forward({w, b, x, y}) {
  const product = w * x, prediction = product + b, error = prediction - y;
  return {product, prediction, error, loss: error ** 2 / 2};
}

/** The derivative of the loss with respect to each node, in the order of the chain rule, from the loss back. */
export function backward({x, values}) {
  const loss = 1, error = loss * values.error, prediction = error * 1;
  return {loss, error, prediction, b: prediction * 1, product: prediction * 1, w: prediction * 1 * x};
}

/** The state after one of the reader's actions. As in PyTorch, backward uses up what forward has noted. */
export function act(state, action, value) {
  const {grad} = state, next = {...state, said: action};
  if (action === "weight") return {...next, w: value, values: null, flow: null};
  if (action === "forward") return {...next, values: forward(state), flow: null};
  if (action === "zero") return {...next, grad: {w: grad.w && 0, b: grad.b && 0}};  // None stays None
  if (!state.values || state.flow) return {...state, said: state.flow ? "spent" : "missing"};
  const flow = backward(state);
  return {...next, flow, grad: {w: grad.w + flow.w, b: grad.b + flow.b}};
}

// Where each node stands: column and row, what it is called, what its derivative is called.
const NODES = {
  w: [0, 0, "w", ".grad"], x: [1, 0, "x"], product: [0, 1, "w x", "∂l/∂(w x)"], b: [1, 1, "b", ".grad"],
  prediction: [0, 2, "ŷ = w x + b", "∂l/∂ŷ"], y: [1, 2, "y"], error: [0, 3, "e = ŷ − y", "∂l/∂e"], loss: [0, 4, "l = e² / 2", "∂l/∂l"],
};

export default function start(root, words, still) {
  const [scenes, controls] = stage(root, still);
  const plain = (value) => (value === null ? "None" : number(value, 2).replace(/\.?0+$/, ""));
  const order = {forward: Object.keys(forward(begin())), backward: ["loss", "error", "prediction", "b", "product", "w"]};
  let state = begin(), before = state, seen = 9, timer = 0;

  const scene = svg("svg", {viewBox: "0 0 290 370", "aria-hidden": true}, scenes);
  const boxes = {}, factors = {};
  for (const [name, [column, row]] of Object.entries(NODES)) {
    const x = 2 + 158 * column, y = 2 + 80 * row;
    boxes[name] = {rect: svg("rect", {class: "node", x, y, width: 128, height: 46, rx: 6}, scene)};
    for (const [part, dy] of [["value", 19], ["back", 38]]) boxes[name][part] = svg("text", {x: x + 8, y: y + dy, class: part}, scene);
    if (row < 4) {
      svg("path", {d: column ? `M190 ${y + 46}L112 ${y + 78}m9 1l-9 -1l6 -7` : `M40 ${y + 46}v32m-5 -6l5 6l5 -6`}, scene);
      factors[name] = svg("text", {x: column ? 166 : 49, y: y + 68, class: "back"}, scene);
    }
  }

  const run = (action, value) => {
    [before, state] = [state, act(state, action, value)];
    clearInterval(timer);
    seen = 9;
    if (order[state.said] && !calm()) {  // node by node
      seen = 1;
      timer = setInterval(() => { if (++seen > 6) { clearInterval(timer); seen = 9; } draw(); }, 450);
    }
    draw();
    tell();
  };
  const weight = slider(controls, "w", {from: 0, to: 6, step: 0.2, show: plain, input: (value) => run("weight", value)});
  button(controls, words.forward, () => run("forward"));
  button(controls, words.backward, () => run("backward"));
  button(controls, words.zero, () => run("zero"));
  const say = report(controls);

  function draw() {
    const {values, flow, said} = state, reached = order[said]?.slice(0, seen) ?? [];
    const hidden = order[said]?.slice(seen) ?? [];
    for (const [name, [, , text, derivative]] of Object.entries(NODES)) {
      const {rect, value, back} = boxes[name], late = hidden.includes(name);
      const known = state[name] ?? (said === "forward" && late ? undefined : values?.[name]);
      value.textContent = known === undefined ? text : `${text} = ${plain(known)}`;
      if (name in state.grad) back.textContent = `.grad = ${plain((late ? before : state).grad[name])}`;
      else back.textContent = derivative && flow && !late ? `${derivative} = ${plain(flow[name])}` : "";
      rect.classList.toggle("lit", seen < 9 && reached.at(-1) === name);
    }
    const along = {w: ["product", state.x], product: ["prediction", 1], b: ["prediction", 1], prediction: ["error", 1], error: ["loss", values?.error]};
    for (const [name, [from, factor]] of Object.entries(along)) {
      factors[name].textContent = flow && !hidden.includes(name) ? `× ${plain(factor).replace(/^−.*/, "($&)")}` : "";
    }
  }
  function tell() {
    const {values, flow, grad, said} = state;
    const sentence = {
      begin: words.begin, weight: words.weight, forward: words.went, backward: words.came, zero: words.emptied,
      spent: words.spent, missing: words.missing,
    }[said];
    say(fill(sentence, plain(state.w), plain(values?.prediction ?? 0), plain(values?.error ?? 0), plain(values?.loss ?? 0),
      plain(flow?.w ?? 0), plain(grad.w), plain(grad.b)));
  }
  weight.put(state.w);
  draw();
  tell();
}
