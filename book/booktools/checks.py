"""The fast checks: what must hold of sources, notebooks and library, seen without running a cell.

Each check yields its failures as lines `file:line: what is wrong → what to do`.
"""

import re
import time
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import yaml

from . import library, pairs, project, sections
from .project import Problem, show
from .sections import Source

# ---- pages, parsed --------------------------------------------------------------------------


class Item(NamedTuple):
    """Something on a page that a check looks at."""

    kind: str
    value: str
    line: int


@dataclass
class Page:
    edition: str
    name: str
    path: Path
    text: str
    items: list[Item]
    source: Source | None = None  # of a section
    notebook: object = None

    def at(self, line: int) -> str:
        return f"{show(self.path)}:{line}"

    def all(self, *kinds: str) -> list[Item]:
        return [item for item in self.items if item.kind in kinds]


LITERAL = {"code-block", "code", "raw", "bibliography", "term-table", "toctree", "exercise-end", "solution-end"}
REFERENCES = {"ref", "numref", "eq", "doc", "term"}


@cache
def parser():
    from markdown_it.renderer import RendererHTML
    from myst_parser.config.main import MdParserConfig
    from myst_parser.parsers.mdit import create_md_parser

    usual = ["colon_fence", "dollarmath", "substitution", "tasklist"]
    extensions = project.config().get("parse", {}).get("myst_enable_extensions", usual)
    return create_md_parser(MdParserConfig(enable_extensions=set(extensions)), RendererHTML)


def parse(text: str, first: int = 1) -> list[Item]:
    """The items of Markdown whose first line has the given number."""
    items = []
    for token in parser().parse(text):
        line = first + token.map[0] if token.map else first
        if token.type == "heading_open":
            items.append(Item("heading", f"level {token.tag[1:]}", line))
        elif token.type == "myst_target":
            items.append(Item("label", token.content, line))
        elif token.type in ("math_block", "math_block_label", "amsmath"):
            items.append(Item("equation", formula(token.content), line))
            if token.type == "math_block_label":
                items.append(Item("label", token.info, line))
            items += [Item("label", label, line) for label in re.findall(r"\\label\{(.+?)\}", token.content)]
        elif token.type in ("fence", "colon_fence") and (match := re.match(r"\{(\S+?)\}\s*(.*)", token.info)):
            items += directive(match[1], match[2].strip(), token.content, line)
        elif token.type == "html_block":
            items.append(Item("html", token.content, line))
        elif token.type == "front_matter":
            items += [Item("html", text, line + n) for n, text in enumerate(token.content.split("\n"), 1) if "<" in text]
        elif token.type == "inline":
            items += inline(token.children, line)
    return items


def formula(tex: str) -> str:
    """An equation without its words, spaces and closing punctuation."""
    return re.sub(r"\s+", "", re.sub(r"\\text\{[^{}]*\}", r"\\text{}", tex)).rstrip(".,;，。；")


def inline(tokens: list, line: int) -> Iterator[Item]:
    """The items of a paragraph, and its prose as one more item."""
    prose, start = "", line
    for token in tokens:
        if token.type in ("softbreak", "hardbreak"):
            prose, line = prose + "\n", line + 1
        elif token.type == "text":
            prose += token.content
        elif token.type == "math_inline":
            yield Item("formula", formula(token.content), line)
        elif token.type == "html_inline":
            yield Item("html", token.content, line)
        elif token.type == "link_open":
            yield Item("link", token.attrs["href"], line)
        elif token.type == "image":
            yield Item("figure", "", line)
            yield Item("alternative", token.content, line)
            yield Item("file", token.attrs["src"], line)
            prose += token.content
        elif token.type == "myst_role":
            name, content = token.meta["name"], " ".join(token.content.split())
            match = re.fullmatch(r"(.*?)\s*<([^<>]+)>", content)
            words, target = match.groups() if match else (content, content)
            if name.startswith("cite"):
                for key in content.split(","):
                    yield Item("citation", key.strip(), line)
            elif name in REFERENCES:
                yield Item(name if name in ("term", "doc") else "reference", target, line)
                prose += words if name == "term" or words != target else "\0"
            elif name == "math":
                yield Item("formula", formula(content), line)
        if token.type in ("math_inline", "code_inline"):
            prose += "\0"  # words on both sides are not neighbours
    yield Item("prose", prose, start)


def directive(name: str, argument: str, content: str, line: int) -> Iterator[Item]:
    """The items of a directive: its options and, where that is Markdown, its body."""
    lines, options = content.split("\n"), {}
    if lines[0].strip() == "---" and "---" in (line.strip() for line in lines[1:]):
        end = next(i for i, text in enumerate(lines[1:], 1) if text.strip() == "---")
        try:
            options = yaml.safe_load("\n".join(lines[1:end])) or {}
        except yaml.YAMLError:
            cure = "correct them (text that holds a colon stands in quotes)"
            raise Problem(f"{line}: the options of the {name} cannot be read → {cure}") from None
        lines, skipped = lines[end + 1 :], end + 1
    else:
        skipped = 0
        while skipped < len(lines) and (match := re.match(r"\s*:([\w-]+):\s*(.*)", lines[skipped])):
            options[match[1]] = match[2]
            skipped += 1
        lines = lines[skipped:]
    body = "\n".join(lines)
    if name.lower() in ("raw", "eval-rst", "include", "role"):
        yield Item("html", f"{{{name}}}", line)
    label = str(options.get("label") or options.get("name") or "")
    if name == "code-cell":
        tags = options.get("tags", "")
        yield Item("cell", tags if isinstance(tags, str) else str(tags).replace("'", ""), line)
        figure = (options.get("mystnb") or {}).get("figure", {})
        if figure.get("name"):
            yield Item("label", figure["name"], line)
        yield from (Item(item.kind, item.value, line) for item in parse(figure.get("caption", "")))
        yield Item("prose", (options.get("mystnb") or {}).get("image", {}).get("alt", ""), line)
        for words in sections.words_in_code(body):
            at = next((i for i, text in enumerate(lines) if words and words.split("\n")[0] in text), 0)
            yield Item("prose", words, line + 1 + skipped + at)
        return
    if name == "math":
        yield Item("equation", formula(body or argument), line)
    elif name in ("figure", "image"):
        yield Item("figure", label, line)
        yield Item("alternative", str(options.get("alt") or ""), line)
        yield Item("file", argument, line)
        yield Item("prose", str(options.get("alt") or ""), line)
    elif name in ("exercise", "exercise-start"):
        yield Item("exercise", label, line)
    elif name in ("solution", "solution-start"):
        yield Item("solution", argument, line)
        yield Item("reference", argument, line)
    elif name not in ("exercise-end", "solution-end"):
        yield Item("block", name, line)
    if label:
        yield Item("label", label, line)
    if name not in LITERAL | {"math", "image"}:
        if name not in ("figure", "solution", "solution-start"):
            yield from parse(argument, line)
        yield from parse(body, line + 1 + skipped)


# ---- what the editions say ------------------------------------------------------------------

IN_ORDER = ("heading", "cell", "equation", "label", "figure", "exercise", "solution", "block")
SAME_COUNT = {
    "formula": "the formula",
    "citation": "the citation of",
    "link": "the link to",
    "reference": "the reference to",
    "doc": "the link to",
}


def same_order(english: Page, other: Page) -> Iterator[str]:
    """Headings, cells, equations, labels, figures, exercises, solutions and admonitions follow each other alike."""
    for theirs, ours in zip_longest(english.all(*IN_ORDER), other.all(*IN_ORDER)):
        if theirs is None or ours is None or theirs[:2] != ours[:2]:
            said = f"{ours.kind} `{ours.value}`" if ours else "nothing"
            wanted = f"line {theirs.line} has {theirs.kind} `{theirs.value}`" if theirs else "there is nothing"
            line = ours.line if ours else other.text.count("\n")
            yield f"{other.at(line)}: {said} where in English {wanted} → give both the same parts in the same order"
            return  # what follows is shifted


def opposite(page: Page, line: int, other: Page) -> int:
    """The line of a page that stands where a line of the English page stands."""
    before = sum(item.line <= line for item in page.all(*IN_ORDER))
    parts = other.all(*IN_ORDER)
    return parts[min(before, len(parts)) - 1].line if before and parts else 1


def same_counts(english: Page, other: Page) -> Iterator[str]:
    """Inline formulas, citations, links and references are the same, in any order."""
    for kind, words in SAME_COUNT.items():
        counts = [Counter(item.value for item in page.all(kind)) for page in (english, other)]
        for value, number in (counts[0] - counts[1]).items():
            line = [item.line for item in english.all(kind) if item.value == value][-1]
            yield (
                f"{other.at(opposite(english, line, other))}: {words} `{value}` is missing here or below {number}×"
                f" (last in line {line} of the English) → put it in"
            )
        for value, number in (counts[1] - counts[0]).items():
            line = [item.line for item in other.all(kind) if item.value == value][-1]
            yield f"{other.at(line)}: {words} `{value}` occurs {number}× more often than in English → take it out"


def same_terms(english: Page, other: Page, table: list[dict]) -> Iterator[str]:
    """What is marked as a term in English is marked in the translation, with the term table's word."""
    word = {row["en"].casefold(): row[other.edition] for row in table}
    wanted = Counter(word.get(item.value.casefold(), "").casefold() for item in english.all("term"))
    marked = Counter(item.value.casefold() for item in other.all("term"))
    for value in wanted - marked:
        for item in english.all("term"):
            if value and word.get(item.value.casefold(), "").casefold() == value:
                place = other.at(opposite(english, item.line, other))
                term = f"the term `{item.value}` (line {item.line} of the English)"
        if value:
            mark = f"{{term}}`{word_for(value, table, other.edition)}`"
            yield f"{place}: {term} is not marked as often as there → mark it as {mark}"
    for value in marked - wanted:
        if value not in (known.casefold() for known in word.values()):
            continue  # references_resolve says so
        line = next(item.line for item in other.all("term") if item.value.casefold() == value)
        yield f"{other.at(line)}: the term `{value}` is marked more often than in English → take the mark off"


def word_for(folded: str, table: list[dict], edition: str) -> str:
    return next(row[edition] for row in table if row[edition].casefold() == folded)


def same_code(english: Page, other: Page) -> Iterator[str]:
    """Cells are equal as syntax trees; `#@save` marks stand in the same ones."""
    if not (english.source and other.source):
        return
    for index, (theirs, ours) in enumerate(zip(english.source.code, other.source.code)):
        if sections.code(theirs.source) != sections.code(ours.source):
            yield f"{other.source.place(index)}: the code of cell {index + 1} is not the English code → make sync"


def words_translated(english: Page, other: Page) -> Iterator[str]:
    """Comments and docstrings of several words are not the English ones, as a cell that sync has replaced has them."""
    if not (english.source and other.source):
        return
    for index, (theirs, ours) in enumerate(zip(english.source.code, other.source.code)):
        left = set(sections.words_in_code(theirs.source)) & set(sections.words_in_code(ours.source))
        for words in sorted(text for text in left if len(re.findall(r"[A-Za-z]{2,}", text)) > 2):
            first = words.strip().split("\n")[0]
            yield f"{other.source.place(index)}: “{first}” is still English → translate it"


def alternatives_translated(english: Page, other: Page) -> Iterator[str]:
    for theirs, ours in zip(english.all("alternative"), other.all("alternative")):
        if ours.value and theirs.value == ours.value:
            yield f"{other.at(ours.line)}: the figure's text alternative is the English one → translate it"


def translation_current(page: Page, wanted: str) -> Iterator[str]:
    recorded = project.split_front_matter(page.text, page.path)[0].get("translates")
    if recorded != wanted:
        what = "the English text changed since this was translated" if recorded else "no translation is recorded"
        yield f"{page.at(1)}: {what} → compare the texts, then make translated PAGE={page.edition}/{page.name}"


# ---- what one page says ---------------------------------------------------------------------

LEFTOVERS = re.compile(
    r"#@tab|\[\*\*|\*\*\]|\{\.python|:(?:numref|eqref|citet|begin_tab|end_tab):|(?<![\w}]):[a-z:]+:`"
    r"|\b(?:TODO|FIXME)\b|^[A-Z]+_[A-Z_]+$"
)


def clean_text(path: Path, text: str) -> Iterator[str]:
    """Unicode is composed, and nothing is left of another markup or a first draft."""
    for number, line in enumerate(text.split("\n"), 1):
        if not unicodedata.is_normalized("NFC", line):
            yield f"{show(path)}:{number}: the text is not in Unicode form NFC → save it so (unicodedata.normalize)"
        if path.suffix == ".md" and (match := LEFTOVERS.search(line)):
            yield f"{show(path)}:{number}: `{match[0]}` is left over → write it in MyST, or take it out"


def address_repeated() -> Iterator[str]:
    """The texts that tell readers where to fetch the book name the repository of `_config.yml`."""
    prefaces = [project.source(edition, project.pages()[0]) for edition in project.editions()]
    for path in sorted([*project.ROOT.glob("README*.md"), *project.ROOT.glob("CITATION.cff"), *prefaces]):
        if not path.exists():
            continue  # said elsewhere
        if project.repository() not in project.read(path):
            yield f"{show(path)}:1: it does not name the repository → write {project.repository()}, or mend _config.yml"


def forbidden_words(page: Page, table: list[dict]) -> Iterator[str]:
    """Words that the term table forbids do not occur in prose, comments or text alternatives."""
    for row in table:
        for word in filter(None, (row.get(f"avoid_{page.edition}") or "").split("|")):
            pattern = re.escape(word.strip()).replace(r"\ ", r"\s+")
            if word.isascii() or page.edition != "zh":
                pattern = rf"(?<!\w){pattern}(?!\w)"
            for item in page.all("prose"):
                for match in re.finditer(pattern, item.value, re.IGNORECASE):
                    line = item.line + item.value[: match.start()].count("\n")
                    cure = f"write “{row[page.edition]}”"
                    yield f"{page.at(line)}: “{match[0]}” is not the word for {row['en']} → {cure}"


def exercises_solved(page: Page) -> Iterator[str]:
    solved = {item.value for item in page.all("solution")}
    for item in page.all("exercise"):
        if not item.value:
            yield f"{page.at(item.line)}: the exercise has no label → give it one (:label: ex-…)"
        elif item.value not in solved:
            yield f"{page.at(item.line)}: exercise `{item.value}` has no solution → add its {{solution-start}}"
    exercises = {item.value for item in page.all("exercise")}
    for item in page.all("solution"):
        if item.value not in exercises:
            yield f"{page.at(item.line)}: the solution of `{item.value}` has no exercise here → correct its label"


def no_html(page: Page) -> Iterator[str]:
    for item in page.all("html"):
        first = item.value.strip().split("\n")[0]
        yield f"{page.at(item.line)}: `{first}` would go into the website as it is → write it in MyST (`<` as `&lt;`)"


def figures_described(page: Page) -> Iterator[str]:
    for item in page.all("alternative"):
        if not item.value.strip():
            yield f"{page.at(item.line)}: the figure has no text alternative → say in :alt: what it shows"
    for item in page.all("file"):
        picture = page.path.parent / item.value
        if "://" not in item.value and not picture.exists():
            yield f"{page.at(item.line)}: the picture `{item.value}` does not exist → correct the path"
        elif picture.suffix == ".svg" and (found := pairs.not_drawing(project.read(picture))):
            yield f"{page.at(item.line)}: the picture `{item.value}` is {found} → take it out"


def references_resolve(pages: list[Page], table: list[dict]) -> Iterator[str]:
    """In one edition labels are unique, and every reference, link, term and citation leads somewhere."""
    labels: dict[str, str] = {}
    for page in pages:
        for item in page.all("label"):
            if item.value in labels:
                yield f"{page.at(item.line)}: the label `{item.value}` is taken by {labels[item.value]} → change it"
            labels.setdefault(item.value, page.at(item.line))
    bibliography = project.BOOK / "references.bib"
    entries = project.read(bibliography) if bibliography.exists() else ""
    keys = re.findall(r"^@\w+\{([^,\s]+)", entries, re.MULTILINE)
    names, terms = project.pages(), {row.get(page.edition, "").casefold() for page in pages[:1] for row in table}
    for page in pages:
        for item in page.items:
            value, cure = item.value, None
            if item.kind == "reference" and value not in labels:
                cure = "no such label → correct it, or label what is meant"
            elif item.kind == "doc" and value.lstrip("/") not in names:
                cure = "no such page → correct it, or add the page to _toc.yml"
            elif item.kind == "citation" and value not in keys:
                cure = "not in book/references.bib → add it there"
            elif item.kind == "term" and value.casefold() not in terms:
                cure = "not in book/terms.csv → add it there, or correct the word"
            elif item.kind == "link" and not re.match(r"[a-z][a-z+.-]*:", value):
                file, _, anchor = value.partition("#")
                known = file in ("", *labels) or file.removesuffix(".md") in names
                known = known or (page.path.parent / file).is_file()
                if not known or (anchor and anchor not in labels):
                    cure = "leads nowhere → correct it"
            if cure:
                yield f"{page.at(item.line)}: {item.kind} `{value}`: {cure}"


def table_well_formed(path: Path, table: list[dict]) -> Iterator[str]:
    """Every term has a word in every edition, and no word stands for two terms."""
    for edition in project.editions():
        seen: dict[str, int] = {}
        if table and not any(row[edition] for row in table):
            yield f"{show(path)}:1: column {edition} is missing or empty → write it"
            continue
        for number, row in enumerate(table, 2):
            word = row[edition].strip()
            if not word:
                yield f"{show(path)}:{number}: `{row[project.source_edition()]}` has no word in column {edition} → fill it in"
            elif word.casefold() in seen:
                yield f"{show(path)}:{number}: `{word}` stands in line {seen[word.casefold()]} too → keep one"
            seen.setdefault(word.casefold(), number)


def terms_defined(page: Page, table: list[dict]) -> Iterator[str]:
    """The glossary defines every term of the table, and nothing else."""
    defined = sections.definitions(page.text)
    words = {row.get(page.edition, "") for row in table}
    yield from (f"{page.at(1)}: `{word}` has no definition → write one" for word in words - set(defined))
    for word in set(defined) - words:
        yield f"{page.at(1)}: `{word}` is not in book/terms.csv → add it there, or correct the word"


def code_readable(page: Page) -> Iterator[str]:
    for index, cell in enumerate(page.source.code):
        if not sections.is_install_cell(cell):
            for inside, line in enumerate(cell.source.split("\n"), 1):
                if len(line) > 79:
                    yield f"{page.source.place(index, inside)}: the line has {len(line)} columns → at most 79"
        if "nbval-skip" in sections.tags(cell):
            yield f"{page.source.place(index)}: nbval-skip leaves the cell untested → tag it nbval-ignore-output"
        elif cell.source.endswith(";") and "nbval-ignore-output" not in sections.tags(cell):
            line = page.source.place(index, cell.source.count("\n") + 1)
            yield f"{line}: `;` does not hide the value from nbval → assign it to `_`"


# ---- library and notebooks ------------------------------------------------------------------


def first_difference(text: str, wanted: str) -> int | None:
    lines = enumerate(zip_longest(text.split("\n"), wanted.split("\n")), 1)
    return next((number for number, (one, other) in lines if one != other), None)


def library_current() -> Iterator[str]:
    """`src/softmax_lib` is what the sources say."""
    try:
        files = library.files()
    except Problem as problem:
        yield str(problem)
        return
    for path, text in files.items():
        if line := first_difference(project.read(path) if path.exists() else "", text):
            yield f"{show(path)}:{line}: it is not what the sections' #@save cells say → edit these, then make sync"
    for path in library.stale(files):
        yield f"{show(path)}:1: no section saves this any more → make sync"
    for path, text in files.items():
        if str(project.ROOT) in text:
            yield f"{show(path)}:1: it holds the path {project.ROOT} of this computer → take it out of the section"


def pair_in_step(page: Page, english: Page) -> Iterator[str]:
    """The notebook beside a section is its executed copy, and nothing else."""
    path = page.path.with_suffix(".ipynb")
    if page.notebook is None:
        yield f"{show(path)}:1: it is missing → make sync"
        return
    if refused := pairs.refusal(page.source):
        yield refused
        return
    if pairs.state(page.source) != "in step":
        yield f"{page.at(1)}: it was edited since its notebook was made → make sync"
        return
    wanted = sections.parse(page.text, page.path)
    sections.give_install_cell(wanted)
    if line := first_difference(page.text, wanted.text()):
        yield f"{page.at(line)}: it is not in the form that make sync gives it → make sync"
    cells = pairs.code_cells(page.notebook)
    for index, cell in enumerate(cells):
        if cell.execution_count is None:
            yield f"{pairs.cell_place(page.source, index)} was not executed → make sync"
            return
    if english.notebook is not None and len(executed := pairs.code_cells(english.notebook)) == len(cells):
        if path.read_text("utf-8") != pairs.notebook_text(page.source, executed):
            yield f"{show(path)}:1: its outputs or metadata were changed by hand → make sync"


def outputs_sound(english: Page) -> Iterator[str]:
    """Outputs hold no error, nothing of this computer, and come from the real data."""
    if english.notebook is None:
        return
    for index, cell in enumerate(pairs.code_cells(english.notebook)):
        place = pairs.cell_place(english.source, index)
        failed = any(output.output_type == "error" for output in cell.outputs)
        if failed and "raises-exception" not in sections.tags(cell):
            yield f"{place} failed when it was executed → mend it, then make sync"
        if found := pairs.noise(cell):
            yield f"{place} shows `{found}`, which differs from computer to computer → do not show it, then make sync"
        if re.search(r"^Fashion-MNIST: |stand-in", "\n".join(map(pairs.output_text, cell.outputs)), re.MULTILINE):
            yield f"{place} did not run on the real Fashion-MNIST → make sync where it can be had"


def pictures_described(page: Page, english: Page) -> Iterator[str]:
    """A cell that shows a picture says in words what it shows, in the language of the edition."""
    if english.notebook is None:
        return
    executed = pairs.code_cells(english.notebook)
    for index, (cell, theirs, done) in enumerate(zip(page.source.code, english.source.code, executed)):
        shown = any(kind.startswith("image/") for output in done.outputs for kind in output.get("data", {}))
        if not shown or {"remove-cell", "remove-output"} & set(sections.tags(cell)):
            continue
        said = sections.words_in_figure(cell)[1].strip()
        place = f"{page.source.place(index)}: cell {index + 1} shows a picture"
        if not said:
            yield f"{place} without a text alternative → say in mystnb: image: alt: what it shows"
        elif page is not english and said == sections.words_in_figure(theirs)[1].strip():
            yield f"{place} with the English text alternative → translate it"


def has_text(cell) -> bool:
    shown = [output for output in cell.outputs if output.output_type in ("stream", "execute_result", "display_data")]
    return any(o.output_type == "stream" or not any(kind.startswith("image/") for kind in o.data) for o in shown)


def outputs_compared(english: list[Page]) -> Iterator[str]:
    """At most a third of the cells with text output vary, and hidden assertions stand behind those."""
    tagged = total = 0
    for page in english:
        cells = pairs.code_cells(page.notebook) if page.notebook else []
        varying = [cell for cell in cells if "nbval-ignore-output" in sections.tags(cell)]
        total += sum(map(has_text, cells))
        tagged += sum(map(has_text, varying))
        hidden = [cell for cell in cells if "remove-cell" in sections.tags(cell) and "assert" in cell.source]
        if any(map(has_text, varying)) and not hidden:
            line = next(item.line for item in page.all("cell") if "nbval-ignore-output" in item.value)
            yield f"{page.at(line)}: this output varies and no hidden cell asserts anything → add one"
    if 3 * tagged > total:
        place = show(project.BOOK / project.source_edition())
        yield f"{place}:1: {tagged} of {total} cells with text output carry nbval-ignore-output → at most a third"


# ---- all of it ------------------------------------------------------------------------------


def load(edition: str, name: str) -> Page:
    path = project.source(edition, name)
    text = project.read(path)
    try:
        page = Page(edition, name, path, text, parse(text))
    except Problem as problem:
        raise Problem(f"{show(path)}:{problem}") from None
    if project.is_section(name):
        page.source = sections.read(edition, name)
        if (notebook := path.with_suffix(".ipynb")).exists():
            page.notebook = pairs.read_notebook(notebook)
    return page


def failures() -> Iterator[str]:
    """Every failure of every check."""
    english_edition = project.source_edition()
    book: dict[tuple[str, str], Page] = {}
    unreadable = set()  # editions whose labels are not all known
    for edition in project.editions():
        for name in project.pages():
            path = show(project.source(edition, name))
            if not project.source(edition, name).exists():
                yield f"{path}:1: the page is missing → write it, or take it out of _toc.yml"
                continue
            try:
                book[edition, name] = load(edition, name)
            except Problem as problem:
                unreadable.add(edition)
                yield str(problem)
        for path in sorted((project.BOOK / edition).glob("*.*")):
            if path.suffix in (".md", ".ipynb") and path.stem not in project.pages():
                yield f"{show(path)}:1: no page of _toc.yml has this name → add it there, or delete the file"

    path, table = project.BOOK / "terms.csv", project.terms()
    yield from table_well_formed(path, table)
    yield from clean_text(path, project.read(path))
    yield from library_current()
    yield from address_repeated()

    wanted = {name: sections.english_hash(name) for edition, name in book if edition == english_edition}
    for page in book.values():
        yield from clean_text(page.path, page.text)
        yield from forbidden_words(page, table)
        yield from exercises_solved(page)
        yield from figures_described(page)
        yield from no_html(page)
        yield from terms_defined(page, table) if page.name == "glossary" else ()
        english = book.get((english_edition, page.name))
        if english is None:
            continue
        if page.source and english.source:
            yield from code_readable(page)
            yield from pair_in_step(page, english)
            yield from pictures_described(page, english)
        if page is english:
            yield from outputs_sound(english) if english.source else ()
            continue
        yield from same_order(english, page)
        yield from same_code(english, page)
        yield from words_translated(english, page)
        yield from same_counts(english, page)
        yield from same_terms(english, page, table)
        yield from alternatives_translated(english, page)
        yield from translation_current(page, wanted[page.name])
    for edition in [name for name in project.editions() if name not in unreadable]:
        yield from references_resolve([page for page in book.values() if page.edition == edition], table)
    yield from outputs_compared([page for page in book.values() if page.edition == english_edition and page.source])


def report() -> int:
    """Print every failure and one closing line; the exit status."""
    start = time.perf_counter()
    found = list(dict.fromkeys(failures()))
    for failure in found:
        print(failure)
    seconds = f"{time.perf_counter() - start:.1f} s"
    if found:
        print(f"make check: {len(found)} failure{'s' * (len(found) > 1)}, listed above ({seconds}).")
        return 1
    print(f"make check: all is well, {len(project.pages())} pages in {len(project.editions())} editions ({seconds}).")
    return 0
