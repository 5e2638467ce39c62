// The edition's words (book/templates/interface.yml) for what scripts and the theme's fixed markup say, and the
// search's excerpts, which Sphinx looks for in text with diacritics by words without them.
(() => {
  const words = WORDS;
  if (typeof Documentation !== "undefined") Documentation.addTranslations({messages: words});
  if (typeof messages !== "undefined")  // the copy button's table
    for (const [key, word] of Object.entries(messages[locale])) {
      const own = words[word] || word;
      iconCopy = iconCopy.replaceAll(word, own);
      iconCheck = iconCheck.replaceAll(word, own);
      messages[locale][key] = own;
    }
  const fold = (text) =>  // as the Vietnamese index does, but each letter stays one letter
    text.toLowerCase().replace(/đ/g, "d").replace(/[^\x00-\x7f]/g, (letter) => letter.normalize("NFD")[0]);

  function excerpt(html, keywords, anchor) {
    const page = new DOMParser().parseFromString(html, "text/html");
    page.querySelectorAll(".bd-header-article").forEach((bar) => bar.remove());
    const text = Search.htmlToText(page.documentElement.outerHTML, anchor).normalize("NFC").trim();
    if (!text) return null;
    const folded = fold(text), query = new URLSearchParams(location.search).get("q") || "";
    const words = [query.normalize("NFC").trim(), ...keywords].map((word) => fold(word).replace(/_+$/, ""));
    const place = words.map((word) => (word ? folded.indexOf(word) : -1)).find((at) => at >= 0) || 0;
    const start = Math.max(place - 120, 0);
    const summary = document.createElement("p");
    summary.classList.add("context");
    summary.textContent = (start ? "…" : "") + text.substr(start, 240).trim() + (start + 240 < text.length ? "…" : "");
    return summary;
  }

  addEventListener("beforeprint", () => {
    for (const folded of document.querySelectorAll("details.hide:not([open])")) {
      folded.open = true;
      addEventListener("afterprint", () => { folded.open = false; }, {once: true});
    }
  });
  document.addEventListener("DOMContentLoaded", () => {
    if (typeof Search !== "undefined") Search.makeSearchSummary = excerpt;
    for (const name of ["title", "aria-label"])
      for (const element of document.querySelectorAll(`[${name}]`)) {
        const own = words[element.getAttribute(name)];
        if (own) element.setAttribute(name, own);
      }
    for (const summary of document.querySelectorAll("summary[aria-label]"))
      summary.removeAttribute("aria-label");  // it hides the summary's own words
  });
})();

// The reader's place: the other editions open at it, a link into a fold opens the fold, and a first visitor is
// told of the edition in the browser's language.
(() => {
  const here = () =>
    scrollY < 50 ? "" : [...document.querySelectorAll("article :is(section, figure, dt, .admonition)[id]")]
      .filter((part) => part.getClientRects().length && part.getBoundingClientRect().top < innerHeight / 3).pop()?.id || "";

  for (const type of ["pointerdown", "click"])  // also when the link opens in another tab
    addEventListener(type, (event) => {
      const link = event.target.closest?.("a[data-offer]");
      if (!link) return;
      link.search = location.search;  // the search page's query
      link.hash = here();
      localStorage.edition = link.lang;
    }, true);

  function unfold() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    const code = target.querySelector(":scope > details.above-input");
    for (let fold = code || target; fold; fold = fold.parentElement) {
      if (fold.matches("details")) fold.open = true;
      if (fold.matches(".toggle-hidden")) fold.querySelector(".toggle-button").click();
    }
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
