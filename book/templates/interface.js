// The edition's words (book/templates/interface.yml) for what scripts and the theme's fixed markup say.
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
  document.addEventListener("DOMContentLoaded", () => {
    for (const name of ["title", "aria-label"])
      for (const element of document.querySelectorAll(`[${name}]`)) {
        const own = words[element.getAttribute(name)];
        if (own) element.setAttribute(name, own);
      }
    for (const summary of document.querySelectorAll("summary[aria-label]"))
      summary.removeAttribute("aria-label");  // it hides the summary's own words
  });
})();
