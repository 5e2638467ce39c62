// What fit does: the page's first trainer, line by line, with its numbers beside it.
import {button, fill, html, number, report, set, stage} from "./common.js";

/** The lines of the page's cells that run, each with the name of its step. */
export const CODE = [
  ["", "def fit(self, model, data):"],
  ["model", "    self.model = model"],
  ["loader", "    self.train_dataloader = data.train_dataloader()"],
  ["optim", "    self.optim = model.configure_optimizers()"],
  ["epochs", "    for self.epoch in range(self.max_epochs):"],
  ["call", "        self.fit_epoch()"],
  ["", "def fit_epoch(self):"],
  ["batches", "    for batch in self.train_dataloader:"],
  ["ask", "        loss = self.model.training_step(batch)"],
  ["zero", "        self.optim.zero_grad()"],
  ["backward", "        loss.backward()"],
  ["step", "        self.optim.step()"],
  ["", "def training_step(self, batch):"],
  ["unpack", "    x, y = batch"],
  ["loss", "    return ((self(x) - y) ** 2).mean()"],
];
export const RATE = 0.1, EPOCHS = 5;

/** The page's two points as one minibatch, as there, or as two: pairs of x and y. */
export const loader = (batches) => (batches === 1 ? [[[1, 2], [3, 6]]] : [[[1], [3]], [[2], [6]]]);

/** Before fit is called: w is 0, and what is null does not exist yet. */
export const begin = (batches) => ({at: "begin", batches, epoch: null, batch: null, loss: null, grad: null, w: 0});

/** The functions that are running: each has called the next. */
export function running({at}) {
  if (["begin", "end"].includes(at)) return [];
  if (["model", "loader", "optim", "epochs", "call"].includes(at)) return ["fit"];
  return ["fit", "fit_epoch", ...(["unpack", "loss"].includes(at) ? ["training_step"] : [])];
}

/** The state when one more line has run. Where a loop has nothing left, its line runs once more, and finds that out. */
export function advance(state) {
  const all = loader(state.batches), last = state.epoch === EPOCHS - 1;
  const [x, y] = all[state.batch ?? 0], mean = (of) => x.reduce((sum, xi, i) => sum + of(xi, state.w * xi - y[i]), 0) / x.length;
  const to = (at, changes) => ({...state, at, ...changes});
  switch (state.at) {
    case "begin": return to("model");
    case "model": return to("loader");
    case "loader": return to("optim");
    case "optim": return to("epochs", {epoch: 0});
    case "epochs": return to("call");
    case "call": return to("batches", {batch: 0});
    case "batches": if (state.batch !== null) return to("ask");
      return last ? to("end") : to("epochs", {epoch: state.epoch + 1});
    case "ask": return to("unpack");
    case "unpack": return to("loss", {loss: mean((xi, error) => error ** 2)});
    case "loss": return to("zero", {grad: null});
    case "zero": return to("backward", {grad: mean((xi, error) => 2 * error * xi)});
    case "backward": return to("step", {w: state.w - RATE * state.grad});
    case "step": return to("batches", {batch: state.batch + 1 < all.length ? state.batch + 1 : null});
    default: return state;
  }
}

export default function start(root, words, still) {
  const [scenes, controls] = stage(root, still);
  const plain = (value) => (value === null ? "None" : number(value, 3).replace(/\.?0+$/, ""));
  let state = begin(1);

  const code = html("pre", {class: "code"}, scenes);
  const lines = CODE.map(([name, text]) => 
    [name, html("span", {style: `--indent: ${text.search(/\S/)}ch`}, code, text.trim())]);
  const board = html("div", {class: "board"}, scenes);
  const calls = html("p", {}, board);
  const table = html("dl", {}, board);
  const entry = (name) => { html("dt", {}, table, name); return html("dd", {}, table); };
  const [epoch, batch, loss, grad, weight] = [words.epoch, words.batch, "loss", "w.grad", "w"].map(entry);

  const press = (text, change) => button(controls, text, () => { state = change(state); draw(); });
  press(words.next, advance);
  press(words.lap, (now) => {
    do now = advance(now); while (now.at !== "end" && !(now.at === "batches" && now.batch === null));
    return now;
  });
  press(words.reset, (now) => begin(now.batches));
  const choices = [[1, words.one], [2, words.two]].map(([count, text]) => [count, press(text, () => begin(count))]);
  const say = report(controls);

  function sentence() {
    const {at, batches, w} = state, [x, y] = loader(batches)[state.batch ?? 0];
    const left = state.batch === null;
    return fill({
      begin: words.begin, model: words.model, loader: batches === 1 ? words.loader : words.loaders, optim: words.optim,
      epochs: words.epochs, call: words.call, batches: left ? words.none : words.batches, ask: words.ask,
      unpack: words.unpack, loss: words.loss, zero: words.zero, backward: words.backward, step: words.step_done, end: words.end,
    }[at], plain(w), plain(state.epoch + 1), plain((state.batch ?? 0) + 1), batches, plain(state.loss), plain(state.grad), x, y);
  }
  function draw() {
    for (const [name, line] of lines) {
      const lit = name === state.at;
      line.classList.toggle("lit", lit);
      if (lit) set(line, {"aria-current": "step"});
      else line.removeAttribute("aria-current");
    }
    calls.textContent = running(state).join(" → ") || "–";
    epoch.textContent = state.epoch === null ? "–" : `${state.epoch + 1} / ${EPOCHS}`;
    batch.textContent = state.batch === null ? "–" : `${state.batch + 1} / ${state.batches}`;
    loss.textContent = state.loss === null ? "–" : plain(state.loss);
    grad.textContent = plain(state.grad);
    weight.textContent = plain(state.w);
    for (const [count, node] of choices) set(node, {"aria-pressed": count === state.batches});
    say(sentence());
  }
  draw();
}
