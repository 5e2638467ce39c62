"""What the search knows of an edition: the words of each section, each exercise and each term of the glossary.

The index holds plain text. How text and query are cut into words and how sections are ranked stands in one
place, book/static/search.js.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx_exercise.utils import get_node_number

from . import interface

INDEX = "searchindex-book.js"
BEGINNING = "var bookIndex = "  # a script and no JSON: that alone is loaded from file://
# What of Sphinx served its search alone, and what of it the theme brings along.
REPLACED = ("searchtools.js", "language_data.js", "sphinx_highlight.js", "translations.js")
SAYS = {
    "found": "Sections found: {found}",
    "most": "Sections found: {found}; the best {shown} are shown",
    "none": "No section found. Check the spelling, or try fewer words.",
}


def setup(app: Sphinx) -> None:
    app.add_js_file("search.js", loading_method="defer")
    app.connect("builder-inited", replace_sphinx_search)
    app.connect("doctree-resolved", read_page)
    app.connect("html-collect-pages", lambda app: [("search", {}, "search.html")])
    app.connect("build-finished", write_index)


def replace_sphinx_search(app: Sphinx) -> None:
    app.searched = {}  # type: ignore[attr-defined]
    if app.builder.format == "html":
        app.builder.search = False  # type: ignore[attr-defined]
        scripts = app.builder._js_files  # type: ignore[attr-defined]
        scripts[:] = [script for script in scripts if Path(str(script.filename)).name not in REPLACED]


def read_page(app: Sphinx, doctree: nodes.document, page: str) -> None:
    app.searched[page] = [entry.row() for entry in entries(app, doctree)]  # type: ignore[attr-defined]


def write_index(app: Sphinx, error: Exception | None) -> None:
    """Write the pages of this build, with what the index of the last one says of those that did not change."""
    if error or app.builder.format != "html":
        return
    path = Path(app.outdir, INDEX)
    last = json.loads(path.read_text("utf-8").removeprefix(BEGINNING))["pages"] if path.exists() else {}
    pages = {**last, **app.searched}  # type: ignore[attr-defined]
    table = interface.words(app.config.edition)
    index = {"says": {key: table[english] for key, english in SAYS.items()},
             "pages": {page: pages[page] for page in sorted(app.env.found_docs)}}  # fmt: skip
    path.write_text(BEGINNING + json.dumps(index, ensure_ascii=False, separators=(",", ":")), "utf-8")
    for name in REPLACED:
        Path(app.outdir, "_static", name).unlink(missing_ok=True)


@dataclass
class Entry:
    anchor: str
    title: str
    terms: list[str] = field(default_factory=list)  # what is defined here, or links to the glossary
    blocks: list[str] = field(default_factory=list)  # a match, and the link to it, lies within one; code has one to a line

    def row(self) -> list[str]:
        return [self.anchor, self.title, "\n".join(dict.fromkeys(self.terms)), "\n".join(filter(None, self.blocks))]


def entries(app: Sphinx, doctree: nodes.document) -> Iterator[Entry]:
    """The entries of a page, in its order. A solution belongs to its exercise."""
    found: list[Entry] = []
    exercises: dict[str, Entry] = {}

    def begin(anchor: str, title: str) -> Entry:
        found.append(Entry(anchor, title))
        return found[-1]

    def walk(node: Any, entry: Entry) -> None:
        kind, children = type(node).__name__, node.children
        if isinstance(node, (nodes.Text, nodes.Invisible, nodes.raw)) or "cell_output" in node["classes"]:
            return
        if kind == "section" and isinstance(children[0], nodes.title):
            entry, children = begin(node["ids"][0], words(children[0])), children[1:]
        elif kind == "definition_list_item" and children[0]["ids"]:
            entry, children = begin(children[0]["ids"][0], words(children[0])), children[1:]
        elif kind in ("exercise_node", "exercise_enumerable_node"):
            number = app.config.numfig_format["exercise"] % get_node_number(app, node, "exercise")
            entry = exercises[node["label"]] = begin(node["ids"][0], number + words(children[0]))
            children = children[1:]
        elif kind == "solution_node":
            entry, children = exercises[node["target_label"]], children[1:]

        if isinstance(node, nodes.literal_block):
            entry.terms += re.findall(r"^(?:def|class) (\w+)", node.astext(), re.MULTILINE)
            entry.blocks += [line.strip() for line in node.astext().splitlines() if line != "#@save"]
        elif isinstance(node, nodes.TextElement):
            entry.terms += [words(term) for term in node.findall(nodes.inline) if {"std-term", "term-word"} & {*term["classes"]}]
            if "term-languages" not in node["classes"]:
                entry.blocks.append(words(node).strip("… "))
        else:
            for child in children:
                walk(child, entry)

    walk(doctree, Entry("", ""))  # what stands before the first heading belongs to none
    yield from found


def words(node: nodes.Node) -> str:
    """The text of a node on one line, with … for each formula and picture."""
    if isinstance(node, nodes.Text):
        return re.sub(r"\s+", " ", node.astext())
    if isinstance(node, (nodes.math, nodes.math_block, nodes.image)):
        return "…"
    return "".join(words(child) for child in node.children if not isinstance(child, (nodes.Invisible, nodes.raw)))
