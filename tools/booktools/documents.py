"""What must hold of the pages as Sphinx read them: the editions say the same, in the words of the term table."""

import json
import pickle
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from docutils import nodes

from . import execute, project, sources
from .project import show


class Part(NamedTuple):
    """Something on a page that a check looks at."""

    kind: str
    value: str
    line: int


@dataclass
class Page:
    edition: str
    name: str
    parts: list[Part]

    def at(self, line: int) -> str:
        return f"{show(project.source(self.edition, self.name))}:{line}"

    def all(self, *kinds: str) -> list[Part]:
        return [part for part in self.parts if part.kind in kinds]


IN_ORDER = ("heading", "cell", "equation", "label", "figure", "exercise", "solution", "slide", "block")
SAME_COUNT = {"formula": "the formula", "citation": "the citation of", "link": "the link to", "reference": "the reference to"}
BLOCKS = (nodes.Admonition, nodes.table, nodes.block_quote, nodes.bullet_list, nodes.enumerated_list, nodes.literal_block)
MADE = ("term-table", "library", "framework-notebook")  # classes of what directives make: the same by construction


def formula(tex: str) -> str:
    """An equation without its words, spaces and closing punctuation."""
    return re.sub(r"\s+", "", re.sub(r"\\text\{[^{}]*\}", r"\\text{}", tex)).rstrip(".,;，。；")


def read(edition: str, name: str, tree: Path) -> Page:
    """A page from the document that Sphinx keeps of it; what was found there is kept beside it."""
    kept, made = tree / f"{name}.parts", tree / f"{name}.doctree"
    if kept.exists() and kept.stat().st_mtime_ns > made.stat().st_mtime_ns:
        return Page(edition, name, [Part(*part) for part in json.loads(project.read(kept))])
    document = pickle.loads(made.read_bytes())
    parts: list[Part] = []
    line = 1

    def visit(node: nodes.Node, depth: int) -> None:
        nonlocal line
        line = node.line or line
        kind = type(node).__name__
        if isinstance(node, nodes.Element) and set(MADE) & set(node.get("classes", [])) or kind == "glossary":
            return
        parts.extend(Part(*found, line) for found in describe(node, kind, depth) if found[0] != "label" or found[1])
        if isinstance(node, nodes.container) and node.get("nb_element") == "cell_code":
            for caption in node.findall(nodes.caption):
                visit(caption, depth)
            return  # its code is compared as code
        for child in node.children:
            visit(child, depth + isinstance(node, nodes.section))

    visit(document, 0)
    kept.unlink(missing_ok=True)
    project.write(kept, json.dumps(parts))
    return Page(edition, name, parts)


def describe(node: Any, kind: str, depth: int) -> Iterator[tuple[str, str]]:
    """What a node is to the checks: its kind and value, and further ones that it brings."""
    match node:
        case nodes.title():
            if isinstance(node.parent, nodes.section):
                yield "heading", f"{'#' * depth} {node.parent['ids'][0]}"
            yield "prose", prose(node)
        case nodes.target():
            yield from (("label", name) for name in node["names"] or [node.get("refid")] if name)
        case nodes.math_block():
            yield "equation", formula(node.astext())
            if node.get("label"):
                yield "label", node["label"]
        case nodes.math():
            yield "formula", formula(node.astext())
        case nodes.raw():
            yield "html", node.astext()
        case nodes.image() if not isinstance(node.parent, nodes.container):
            yield "figure", " ".join(node.parent.get("names", []) if isinstance(node.parent, nodes.figure) else [])
            yield "alternative", node.get("alt", "")
            yield "file", node.get("uri", "")
            yield "prose", node.get("alt", "")
        case nodes.container() if node.get("nb_element") == "cell_code":
            options = node["cell_metadata"]
            yield "cell", ", ".join(options.get("tags", []))
            yield "label", options.get("mystnb", {}).get("figure", {}).get("name", "")
            yield "prose", options.get("mystnb", {}).get("image", {}).get("alt", "")
            if written := next(node.findall(nodes.literal_block), None):
                yield from (("prose", words) for words in sources.words_in_code(written.astext()))
        case nodes.reference() if node.get("refuri"):
            yield "link", node["refuri"]
        case nodes.paragraph() | nodes.caption() | nodes.rubric():
            yield "prose", prose(node)
        case _ if kind in ("exercise_node", "exercise_enumerable_node"):
            yield "exercise", node["label"] if node["label"] != f"{node['docname']}-exercise-{node['serial_number']}" else ""
        case _ if kind == "slide":
            yield kind, node["show"]
        case _ if kind == "solution_node":
            yield "solution", node["target_label"]
        case _ if kind == "pending_xref":
            where = {"term": "term", "p": "citation", "t": "citation"}.get(node["reftype"], "reference")
            yield from ((where, target.strip()) for target in node["reftarget"].split(","))
        case _ if isinstance(node, BLOCKS):
            yield "block", kind


def prose(node: Any) -> str:
    """The words of a paragraph; what stands on both sides of code or a formula is not neighbours."""
    if isinstance(node, nodes.Text):
        return node.astext()
    if isinstance(node, nodes.math | nodes.literal) or node.get("reftype") in ("ref", "numref", "eq"):
        return "\0"
    return "".join(prose(child) for child in node.children)


# ---- the editions against each other


def same_order(english: Page, other: Page) -> Iterator[str]:
    """Headings, cells, equations, labels, figures, exercises, solutions and blocks follow each other alike."""
    for theirs, ours in zip_longest(english.all(*IN_ORDER), other.all(*IN_ORDER)):
        if theirs is None or ours is None or theirs[:2] != ours[:2]:
            said = f"{ours.kind} `{ours.value}`" if ours else "nothing more"
            wanted = f"line {theirs.line} has {theirs.kind} `{theirs.value}`" if theirs else "there is nothing more"
            line = ours.line if ours else other.parts[-1].line
            yield f"{other.at(line)}: {said} where in English {wanted} → give both the same parts in the same order"
            return  # what follows is shifted


def opposite(page: Page, line: int, other: Page) -> int:
    """The line of a page that stands where a line of the English page stands."""
    before = sum(part.line <= line for part in page.all(*IN_ORDER))
    parts = other.all(*IN_ORDER)
    return parts[min(before, len(parts)) - 1].line if before and parts else 1


def same_counts(english: Page, other: Page) -> Iterator[str]:
    """Inline formulas, citations, links and references are the same, in any order."""
    for kind, words in SAME_COUNT.items():
        counts = [Counter(part.value for part in page.all(kind)) for page in (english, other)]
        for value, number in (counts[0] - counts[1]).items():
            line = [part.line for part in english.all(kind) if part.value == value][-1]
            place = other.at(opposite(english, line, other))
            yield f"{place}: {words} `{value}` is missing here or below {number}× (last in line {line} of the English) → put it in"
        for value, number in (counts[1] - counts[0]).items():
            line = [part.line for part in other.all(kind) if part.value == value][-1]
            yield f"{other.at(line)}: {words} `{value}` occurs {number}× more often than in English → take it out"


def same_terms(english: Page, other: Page) -> Iterator[str]:
    """What is marked as a term in English is marked in the translation, with the term table's word."""
    word = {row[english.edition].casefold(): row[other.edition] for row in project.terms()}
    wanted = Counter(word.get(part.value.casefold(), "").casefold() for part in english.all("term"))
    marked = Counter(part.value.casefold() for part in other.all("term"))
    for part in english.all("term"):
        said = word.get(part.value.casefold(), "")
        if said and wanted[said.casefold()] > marked[said.casefold()]:
            marked[said.casefold()] = wanted[said.casefold()]  # said once
            place, term = other.at(opposite(english, part.line, other)), f"`{part.value}` (line {part.line} of the English)"
            yield f"{place}: the term {term} is not marked as often as there → mark it as {{term}}`{said}`"
    known = {said.casefold() for said in word.values()}
    for part in other.all("term"):
        if part.value.casefold() in known and wanted[part.value.casefold()] < marked[part.value.casefold()]:
            wanted[part.value.casefold()] = marked[part.value.casefold()]
            yield f"{other.at(part.line)}: the term `{part.value}` is marked more often than in English → take a mark off"


def alternatives_translated(english: Page, other: Page) -> Iterator[str]:
    for theirs, ours in zip(english.all("alternative"), other.all("alternative")):
        if ours.value and theirs.value == ours.value:
            yield f"{other.at(ours.line)}: the figure's text alternative is the English one → translate it"


# ---- each page


def allowed_words(page: Page) -> Iterator[str]:
    """Words that the term table forbids do not occur in prose or text alternatives."""
    for row in project.terms():
        for word in filter(None, (row.get(f"avoid_{page.edition}") or "").split("|")):
            pattern = re.escape(word.strip()).replace(r"\ ", r"\s+")
            if word.isascii() or page.edition != "zh":
                pattern = rf"(?<!\w){pattern}(?!\w)"
            for part in page.all("prose"):
                for match in re.finditer(pattern, part.value, re.IGNORECASE):
                    line = part.line + part.value[: match.start()].count("\n")
                    yield f"{page.at(line)}: “{match[0]}” is not the word for {row['en']} → write “{row[page.edition]}”"


def glossed(page: Page) -> Iterator[str]:
    """Where the term table gives the form of a first use, a page that marks the term has it."""
    said = " ".join(part.value for part in page.all("prose")).casefold()
    for row in project.terms():
        first, word = row.get(f"{page.edition}_first_use") or "", (row.get(page.edition) or "").casefold()
        marks = [part for part in page.all("term") if part.value.casefold() == word]
        if first and marks and first.casefold() not in said:
            yield f"{page.at(marks[0].line)}: the term `{marks[0].value}` is used without “{first}” → add that at its first use"


def exercises_solved(page: Page) -> Iterator[str]:
    exercises, solutions = page.all("exercise"), page.all("solution")
    for part in exercises:
        if not part.value:
            yield f"{page.at(part.line)}: the exercise has no label → give it one (:label: ex-…)"
        elif part.value not in {solution.value for solution in solutions}:
            yield f"{page.at(part.line)}: exercise `{part.value}` has no solution → add its {{solution-start}}"
    for part in solutions:
        if part.value not in {exercise.value for exercise in exercises}:
            yield f"{page.at(part.line)}: the solution of `{part.value}` has no exercise here → correct its label"


def no_html(page: Page) -> Iterator[str]:
    for part in page.all("html"):
        first = part.value.strip().split("\n")[0]
        yield f"{page.at(part.line)}: `{first}` would go into the website as it is → write it in MyST (`<` as `&lt;`)"


def figures_described(page: Page) -> Iterator[str]:
    for part in page.all("alternative"):
        if not part.value.strip():
            yield f"{page.at(part.line)}: the figure has no text alternative → say in :alt: what it shows"
    for part in page.all("file"):
        picture = project.BOOK / page.edition / part.value
        if picture.suffix == ".svg" and picture.exists() and (found := execute.not_drawing(project.read(picture))):
            yield f"{page.at(part.line)}: the picture `{part.value}` is {found} → take it out"


EACH_PAGE = (allowed_words, glossed, exercises_solved, no_html, figures_described)
EACH_TRANSLATION = (same_order, same_counts, same_terms, alternatives_translated)


def failures(trees: dict[str, Path]) -> Iterator[str]:
    """Every failure of every check, given the folders of the editions' documents."""
    for name in project.pages():
        pages = [read(edition, name, tree) for edition, tree in trees.items()]
        for page in pages:
            for check in EACH_PAGE:
                yield from check(page)
        for other in pages[1:]:
            for compare in EACH_TRANSLATION:
                yield from compare(pages[0], other)
