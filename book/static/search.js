// The search: while one types, the sections that answer best, under the field; each leads to the match.
// It reads searchindex-book.js (tools/booktools/search.py), which is loaded when somebody begins to search.
(() => {
const {lang, dataset: {content_root: root}} = document.documentElement;
const SHOWN = 20, WEIGHT = [4, 1, 3, 2];  // of a section's title, its page's title, its terms, its text
const EMPTY = lang === "en" ? /^(an?|and|are|can|do|does|for|how|i|in|is|it|my|not|of|on|the|to|what|when|which|why|with)$/ : /^$/;
const RUN = /([\u3400-\u9fff]+)|(?:(?![\u3400-\u9fff])[\p{L}\p{M}\p{N}_])+/gu;

// ---- words

const fold = (word) => word.toLowerCase().replaceAll("đ", "d").normalize("NFD").replace(/\p{M}/gu, "");

// Words of one key are one word to the search: it knows no case, no diacritics, no English endings.
function key(folded) {
  if (!/^[a-z]{4,}$/.test(folded)) return folded;
  const stem = folded.replace(/ies$/, "y").replace(/([^s])s$/, "$1").replace(/(...)(ing|ed)$/, "$1");
  return (stem.length > 4 ? stem.replace(/e$/, "") : stem).replace(/(.)\1$/, "$1");
}

// The words of a text or a query, each with its place in order. A Chinese character makes a word with the next
// one; in a text it is one alone, too, and so are the parts of a name like train_ch3.
function* cut(text, query) {
  let place = 0;
  for (const {0: run, 1: chinese, index} of text.matchAll(RUN)) {
    const word = (part, at, end) => ({word: part.toLowerCase(), key: key(fold(part)), place, at: index + at, end: index + end});
    if (chinese)
      for (let i = 0; i < run.length; i++, place++) {
        if (i + 1 < run.length) yield word(run.slice(i, i + 2), i, i + 2);
        if (!query || run.length === 1) yield word(run[i], i, i + 1);
      }
    else {
      yield word(run, 0, run.length);
      for (const part of query ? [] : run.split("_")) {
        if (part && part !== run) yield word(part, 0, run.length);
        place++;
      }
      if (query) place++;
    }
  }
}

// Whether one letter more, less or other, or two exchanged, are all the difference.
function near(a, b) {
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  const x = a.slice(i), y = b.slice(i), rest = x.slice(1);
  return rest === y || x === y.slice(1) || rest === y.slice(1) || x[0] === y[1] && x[1] === y[0] && x.slice(2) === y.slice(2);
}

// ---- the index

let book;  // a promise of it
const load = () => book ??= new Promise((resolve) => {
  const onload = () => resolve(prepare(bookIndex));
  document.head.append(element("script", [], {src: `${root}searchindex-book.js`, onload}));
});

function prepare({says, pages}) {
  const entries = [], uses = new Map(), keys = new Map();  // key → its uses; each word, folded → its key
  for (const [page, rows] of Object.entries(pages))
    for (const [anchor, title, terms, text] of rows) {
      const entry = {page, anchor, title, text, pageTitle: rows[0][1]};
      let before = 0;
      entry.lengths = [title, entry.pageTitle, terms, text].map((words, field) => {
        let length = 0;
        for (const token of cut(words)) {
          if (!uses.has(token.key)) uses.set(token.key, []);
          uses.get(token.key).push({entry, field, place: before + token.place, word: token.word});
          keys.set(fold(token.word), token.key);
          length = token.place + 1;
        }
        before += length + 20;
        return length;
      });
      entries.push(entry);
    }
  const mean = WEIGHT.map((_, field) => entries.reduce((sum, {lengths}) => sum + lengths[field], 1) / entries.length);
  return {says, entries, uses, keys, mean};
}

// The keys that a word of the query stands for, and how well: its own, those it begins, else those one error away.
function meant({word, key}, last, {uses, keys}) {
  const folded = fold(word), found = new Map(uses.has(key) ? [[key, 1]] : []);
  const add = (fits, quality) => {
    for (const [other, its] of keys) if (!found.has(its) && fits(other)) found.set(its, quality);
  };
  if (last && folded.length > 1) add((other) => other.startsWith(folded), .4);
  if (!found.size && /^\w{5,}$/.test(folded))
    add((other) => near(folded, other) || last && near(folded, other.slice(0, folded.length)), .5);
  if (!found.size && /^[\u3400-\u9fff]{2}$/.test(word)) {  // 溢出 where the book says 上溢: by the rarer of the two
    const [rarer] = [...word].filter((character) => uses.has(character)).sort((a, b) => uses.get(a).length - uses.get(b).length);
    if (rarer) found.set(rarer, .3);
  }
  return found;
}

// ---- the ranking: BM25 in each field, and more for words side by side and for a title that says little else

function rank(query, index) {
  const all = [...cut(query.normalize("NFC"), true)], full = all.filter(({word}) => !EMPTY.test(word));
  const asked = full.length ? full : all, found = new Map();
  const worth = asked.map((token, n) => {
    const its = new Set(), marked = token.word !== fold(token.word);
    for (const [key, quality] of meant(token, token === all.at(-1), index))
      for (const {entry, field, place, word} of index.uses.get(key)) {
        if (!found.has(entry)) found.set(entry, asked.map(() => ({fields: [0, 0, 0, 0], at: [], keys: new Set()})));
        const hit = found.get(entry)[n], length = entry.lengths[field] / index.mean[field];
        hit.fields[field] += quality * (marked && word !== token.word ? .3 : 1) / (.6 + .4 * length);
        hit.at.push([place, field]);
        hit.keys.add(key);
        its.add(entry);
      }
    return its.size && Math.log(1 + (index.entries.length - its.size + .5) / (its.size + .5));
  });
  const results = [...found].map(([entry, hits]) => {
    let score = 0, held = 0;
    const titled = hits.map(({at}) => at.some(([, field]) => !field));
    hits.forEach(({fields, at}, n) => {
      if (at.length) held += worth[n];
      fields.forEach((amount, field) => { score += worth[n] * WEIGHT[field] * amount / (1 + amount); });
      let beside = 0;
      for (const [place, field] of at) {
        for (const [next] of hits[n + 1]?.at || []) {
          const apart = Math.abs(next - place - asked[n + 1].place + asked[n].place);
          if (apart < 6) beside = Math.max(beside, WEIGHT[field] / (1 + apart));
        }
      }
      if (beside) score += beside * Math.min(worth[n], worth[n + 1]);
    });
    titled.forEach((is, n) => { score += is && 4 * worth[n] * titled.filter(Boolean).length / entry.lengths[0]; });
    if (/^(term|ex)-/.test(entry.anchor)) score *= .8;  // a section explains more than a definition or an exercise
    return {entry, held, score: score * held, words: hits.map(({keys}, n) => ({keys, worth: worth[n]}))};
  });
  const most = Math.max(...results.map(({held}) => held));
  return results.filter(({held}) => held > .6 * most).sort((a, b) => b.score - a.score);
}

// ---- what a result shows

// The passage of the text that holds most of the query: where it begins, and the matches in it.
function passage({entry: {text}, words}) {
  const least = Math.max(...words.map(({worth}) => worth)) / 4, all = [], runs = [];
  for (const token of cut(text)) {
    const n = words.findIndex(({keys}) => keys.has(token.key));
    if (n >= 0) all.push({...token, n, worth: words[n].worth * (token.word.length < token.end - token.at ? .8 : 1)});
  }
  const follows = (a, b) => a && b && b.n === a.n + 1 && b.place === a.place + 1;
  const matches = all.filter((match, i) => match.worth >= least || follows(all[i - 1], match) || follows(match, all[i + 1]));
  let most = 0, best = [];
  matches.forEach(({at}, i) => {
    const within = matches.slice(i, i + 20).filter(({end}) => end < at + 130), seen = new Map();
    let value = 0;
    within.forEach((match, j) => {
      const merit = follows(within[j - 1], match) ? 2 : 1, best = seen.get(match.n) || 0;
      value += Math.max(match.worth * merit - best, 0);
      seen.set(match.n, Math.max(match.worth * merit, best));
    });
    if (value > most) [most, best] = [value, within];
  });
  for (const {at, end} of best) {  // matches that touch are one
    const last = runs.at(-1);
    if (last && (at <= last.end || /^[ -]$/.test(text.slice(last.end, at)))) last.end = Math.max(end, last.end);
    else runs.push({at, end});
  }
  const near = Math.max((best[0]?.at || 0) - 50, 0), from = text.slice(0, near).search(/\S*$/);
  return {runs, from: near - from > 40 ? near : from};  // Chinese has few spaces
}

// The part of an address that leads to the longest match, named by itself and its neighbours in its block.
function fragment(text, runs) {
  if (!runs.length) return "";
  const {at, end} = runs.reduce((a, b) => (b.end - b.at > a.end - a.at ? b : a));
  const [before] = text.slice(0, at).split(/[…\n]/).at(-1).match(/([^\s，。：；？！（）]+\s*){0,3}$/);
  const [after] = text.slice(end).split(/[…\n]/)[0].match(/^(\s*[^\s，。：；？！（）]+){0,3}/);
  const say = (words) => encodeURIComponent(words.trim()).replaceAll("-", "%2D");
  return ":~:text=" + (before.trim() && `${say(before)}-,`) + say(text.slice(at, end)) + (after.trim() && `,-${say(after)}`);
}

function element(name, content, attributes) {
  const made = Object.assign(document.createElement(name), attributes);
  made.append(...content);
  return made;
}

function item(result) {
  const {page, anchor, title, pageTitle, text} = result.entry, {runs, from} = passage(result);
  const excerpt = [from ? "…" : ""], to = from + 210;
  let done = from;
  for (const {at, end} of runs) {
    excerpt.push(text.slice(done, at), element("mark", [text.slice(at, end)]));
    done = end;
  }
  excerpt.push(text.slice(done, Math.max(to, done)), to < text.length ? "…" : "");
  return element("li", [element("a", [
    element("strong", [title]), element("small", [title === pageTitle ? "" : pageTitle]), element("span", excerpt),
  ], {href: `${root}${page}.html#${encodeURIComponent(anchor)}${fragment(text, runs)}`})]);
}

// ---- the field: in the dialog of every page, and on the search page

document.querySelectorAll("form.bd-search").forEach((form) => {
  const input = form.querySelector("input"), dialog = form.closest("dialog");
  const count = element("p", [], {role: "status"}), list = element("ol", []);
  form.after(element("div", [count, list], {className: "search-found"}));
  let answered = "";

  async function answer() {
    const index = await load(), query = input.value;
    if (query === answered) return;
    const results = rank(query, index), {found, most, none} = index.says;
    answered = query;
    const says = results.length > SHOWN ? most : results.length ? found : none;
    count.textContent = query.trim() && says.replace("{found}", results.length).replace("{shown}", SHOWN);
    list.replaceChildren(...results.slice(0, SHOWN).map(item));
    if (!dialog) history.replaceState(null, "", `?q=${encodeURIComponent(query)}`);
  }

  input.addEventListener("focus", load);
  input.addEventListener("input", answer);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    await answer();
    list.querySelector("a")?.click();
  });
  form.parentElement.addEventListener("keydown", (event) => {
    const stops = [input, ...list.querySelectorAll("a")], at = stops.indexOf(document.activeElement);
    const step = {ArrowDown: 1, ArrowUp: -1}[event.key];
    if (!step || at < 0 || event.isComposing) return;
    event.preventDefault();
    stops[Math.max(at + step, 0)]?.focus();
  });
  list.addEventListener("click", () => dialog?.close());
  if (!dialog) {
    input.value = new URLSearchParams(location.search).get("q") || "";
    answer();
  }
});
})();
