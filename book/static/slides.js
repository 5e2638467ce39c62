// One slide at a time: by key, button or swipe. Without this script they stand one below the other.
(() => {
  const slides = [...document.querySelectorAll(".slide")], root = document.documentElement;
  const number = document.querySelector("nav output");
  let at = 0, other = window.opener;  // the window with the notes, or that without them

  function go(to, told) {
    at = Math.max(0, Math.min(to, slides.length - 1));
    slides.forEach((slide, index) => slide.classList.toggle("now", index === at));
    number.value = `${at + 1} / ${slides.length}`;
    history.replaceState(null, "", `#${at + 1}`);
    if (!told) tell();
  }

  // What is folded on a slide (an output to predict, a hint) opens before the next one comes.
  const folds = (slide = slides[at]) => [...slide.querySelectorAll(".face details")];
  function unfold(fold, open) {
    fold.open = open;
    tell();
  }
  const steps = {
    on() {
      const folded = folds().find((fold) => !fold.open);
      if (folded) unfold(folded, true); else go(at + 1);
    },
    back() {
      const unfolded = folds().findLast((fold) => fold.open);
      if (unfolded) unfold(unfolded, false); else go(at - 1);
    },
    first: () => go(0),
    last: () => go(slides.length - 1),
    notes: () => root.classList.toggle("with-notes"),
    window() { other = open(location.href, "notes", "width=1200,height=700"); },
  };
  const keys = {
    ArrowRight: "on", ArrowDown: "on", PageDown: "on", " ": "on", Enter: "on",
    ArrowLeft: "back", ArrowUp: "back", PageUp: "back", Backspace: "back", Home: "first", End: "last", n: "notes", w: "window",
  };

  addEventListener("keydown", (event) => {
    const key = keys[event.key.length > 1 ? event.key : event.key.toLowerCase()];
    if (!key || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest(".touch") || /^( |Enter)$/.test(event.key) && event.target.closest("a, button, summary")) return;
    event.preventDefault();
    steps[event.key === " " && event.shiftKey ? "back" : key]();
  });
  addEventListener("click", ({target}) => steps[target.closest("nav button")?.value]?.());
  addEventListener("hashchange", () => go(location.hash.slice(1) - 1));

  let finger = null;
  addEventListener("touchstart", ({touches, target}) => {
    finger = touches.length === 1 && !target.closest(".touch, pre") ? touches[0] : null;
  }, {passive: true});
  addEventListener("touchend", ({changedTouches: [end]}) => {
    const [x, y] = finger ? [end.clientX - finger.clientX, end.clientY - finger.clientY] : [0, 0];
    if (Math.abs(x) > 50 && Math.abs(x) > 2 * Math.abs(y)) steps[x < 0 ? "on" : "back"]();
  });

  // The two windows show the same slide, as far unfolded; files have no other way to speak with each other.
  function tell() {
    other?.postMessage({slide: at, open: folds().map((fold) => fold.open)}, "*");
  }
  addEventListener("message", ({source, data}) => {
    if (!source || source !== other && source !== window.opener) return;
    other = source;
    go(data.slide, true);
    folds().forEach((fold, index) => { fold.open = data.open[index]; });
  });

  function all(open) {
    slides.flatMap((slide) => folds(slide)).forEach((fold) => { fold.open = open; });
  }
  function fit({firstElementChild: face}) {  // as large as the slide has room for, unfolded; beside a picture, not too large
    const wide = [face, ...face.querySelectorAll("pre, div.formula")];
    for (let size = face.querySelector("svg, img") ? 1 : 1.3; size > .5; size -= .05) {
      face.style.setProperty("--size", size);
      if (face.scrollHeight <= face.clientHeight + 1 && wide.every((part) => part.scrollWidth <= part.clientWidth + 1)) break;
    }
  }
  addEventListener("beforeprint", () => {
    const theme = root.dataset.theme;
    root.dataset.theme = "light";
    all(true);
    addEventListener("afterprint", () => { root.dataset.theme = theme; all(false); }, {once: true});
  });

  root.classList.add("deck");
  if (window.name === "notes") root.classList.add("with-notes");
  go((location.hash.slice(1) || 1) - 1, true);
  document.fonts.ready.then(() => {
    all(true);
    slides.forEach(fit);
    all(false);
  });
})();
