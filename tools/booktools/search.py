"""The search of the Vietnamese and the Chinese edition: how text and query are cut into index words.

Each class says the same thing twice, in Python for the index and in JavaScript for the query.
"""

import re
import unicodedata

from sphinx.search import SearchLanguage


class Vietnamese(SearchLanguage):
    """Syllables without their diacritics, so that “hoi quy”, “Hồi quy” and “HỒI QUY” find the same pages."""

    lang = "vi"
    language_name = "Vietnamese"
    js_splitter_code = r"""
var splitQuery = (query) => query.normalize("NFC").match(/[\p{L}\p{N}_]+/gu) || [];
"""
    # Sphinx's search does not require words of one or two letters, and Vietnamese has many: pad them to three.
    js_stemmer_code = r"""
var Stemmer = function () {
  this.stemWord = (word) =>
    word.toLowerCase().replace(/đ/g, "d").normalize("NFD").replace(/\p{M}/gu, "").padEnd(3, "_");
};
"""

    def split(self, text: str) -> list[str]:
        return re.findall(r"\w+", unicodedata.normalize("NFC", text))

    def stem(self, word: str) -> str:
        letters = unicodedata.normalize("NFD", word.lower().replace("đ", "d"))
        return "".join(c for c in letters if not unicodedata.category(c).startswith("M")).ljust(3, "_")


class Chinese(SearchLanguage):
    """Overlapping pairs of characters: 交叉熵 is 交叉 and 叉熵, in index and query alike. Other words stay whole."""

    lang = "zh"
    language_name = "Chinese"
    js_splitter_code = r"""
var splitQuery = (query) =>
  (query.match(/[\u3400-\u9fff]+|[^\W_]\w*/gu) || []).flatMap((run) =>
    run < "\u3400" || run.length < 2 ? [run]
      : Array.from({length: run.length - 1}, (_, i) => run.slice(i, i + 2)));
"""

    def split(self, text: str) -> list[str]:
        words = []
        for run in re.findall(r"[\u3400-\u9fff]+|[a-zA-Z0-9]\w*", text, re.ASCII):
            chinese = run >= "\u3400"
            words += [run[i : i + 2] for i in range(len(run) - 1)] if chinese and len(run) > 1 else [run]
            words += run if chinese and len(run) > 1 else ""  # one character alone can be looked for too
        return words
