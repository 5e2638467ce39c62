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
    const reach = new ResizeObserver((entries) => {  // a formula wider than its column can be scrolled by keyboard
      for (const {target: {parentElement: formula}} of entries)
        if (formula.scrollWidth > formula.clientWidth) formula.tabIndex = 0;
        else formula.removeAttribute("tabindex");
    });
    document.querySelectorAll("div.formula > math").forEach((math) => reach.observe(math));
  });
})();
