// The edition's words (book/templates/interface.yml) for what scripts and the theme's fixed markup say.
(() => {
  const words = WORDS;
  if (typeof messages !== "undefined")  // the copy button's table
    for (const [key, word] of Object.entries(messages[locale])) {
      const own = words[word] || word;
      iconCopy = iconCopy.replaceAll(word, own);
      iconCheck = iconCheck.replaceAll(word, own);
      messages[locale][key] = own;
    }

  addEventListener("beforeprint", () => {  // black on white, nothing folded, and afterwards as it was
    const root = document.documentElement, theme = root.dataset.theme;
    const folded = document.querySelectorAll("article details:not([open])");
    root.dataset.theme = "light";
    folded.forEach((details) => { details.open = true; });
    addEventListener("afterprint", () => {
      root.dataset.theme = theme;
      folded.forEach((details) => { details.open = false; });
    }, {once: true});
  });
  addEventListener("click", ({target}) => {
    if (target.closest(".btn-print-button")) print();
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(target)) menu.open = false;
  });
  addEventListener("keydown", ({key, target}) => {
    const menu = key === "Escape" && target.closest("details.menu[open]");
    if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
  });
  function keepWordsWhole() {  // Chinese titles end their lines between words
    const segments = new Intl.Segmenter("zh", {granularity: "word"});
    for (const title of document.querySelectorAll("h1, h2, h3, .prev-next-title")) {
      const walk = document.createTreeWalker(title, NodeFilter.SHOW_TEXT), texts = [];
      while (walk.nextNode()) if (!walk.currentNode.parentElement.closest("math, .math, code")) texts.push(walk.currentNode);
      for (const text of texts)
        text.replaceWith(...[...segments.segment(text.data)].flatMap(({segment, isWordLike}) =>
          isWordLike ? [document.createElement("wbr"), segment] : [segment]));
      title.classList.add("whole-words");
    }
  }
  document.addEventListener("DOMContentLoaded", () => {
    if (document.documentElement.lang === "zh-CN" && Intl.Segmenter) keepWordsWhole();
    for (const name of ["title", "aria-label"])
      for (const element of document.querySelectorAll(`[${name}]`)) {
        const own = words[element.getAttribute(name)];
        if (own) element.setAttribute(name, own);
      }
    for (const summary of document.querySelectorAll(".hide > summary[aria-label]"))
      summary.removeAttribute("aria-label");  // it hides the summary's own words
    const reach = new ResizeObserver((entries) => {  // a formula wider than its column can be scrolled by keyboard
      for (const {target: {parentElement: formula}} of entries)
        if (formula.scrollWidth > formula.clientWidth) formula.tabIndex = 0;
        else formula.removeAttribute("tabindex");
    });
    document.querySelectorAll("div.formula > math").forEach((math) => reach.observe(math));
  });
})();

// The reader's place: the other editions open at it, a link into a fold opens the fold, and a first visitor is
// told of the edition in the browser's language.
(() => {
  const asked = () => document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const top = (part) => (part?.getClientRects().length ? part.getBoundingClientRect().top : Infinity);

  function here() {  // what began last above the top third of the window, unless one sees what the address names
    const third = Math.max(innerHeight / 3, 150), named = asked();
    if (top(named) >= 0 && top(named) < innerHeight) return named.id;
    const parts = document.querySelectorAll("article :is(section, figure, dt, .admonition)[id]");
    return scrollY < 50 ? "" : [...parts].filter((part) => top(part) < third).pop()?.id || "";
  }

  for (const type of ["pointerdown", "click"])  // also when the link opens in another tab
    addEventListener(type, (event) => {
      const link = event.target.closest?.("a[data-offer]");
      if (!link) return;
      link.search = location.search;  // the search page's query
      link.hash = here();
      localStorage.edition = link.lang;
    }, true);

  function unfold() {
    const target = asked();
    if (!target) return;
    const code = target.querySelector(":scope > details.above-input");
    for (let fold = code || target; fold; fold = fold.parentElement) if (fold.matches("details")) fold.open = true;
    target.scrollIntoView();
  }

  function offer() {
    const editions = [...document.querySelectorAll(".editions > [lang]")];
    const language = (tag) => tag.split("-")[0];
    const best = navigator.languages.map((tag) => editions.find((edition) => language(edition.lang) === language(tag))).find(Boolean);
    if (!best?.href || localStorage.edition) return;
    const [line, link, close] = ["p", "a", "button"].map((name) => document.createElement(name));
    Object.assign(line, {className: "offer", lang: best.lang});
    Object.assign(link, {href: best.href, lang: best.lang, textContent: best.dataset.offer});
    link.dataset.offer = "";
    Object.assign(close, {type: "button", textContent: "×", ariaLabel: best.dataset.close});
    close.onclick = () => { localStorage.edition = document.documentElement.lang; line.remove(); };
    line.append(link, close);
    document.body.append(line);
  }

  addEventListener("hashchange", unfold);
  document.addEventListener("DOMContentLoaded", () => { unfold(); offer(); });
})();
