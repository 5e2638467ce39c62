"""The fast checks: what must hold of sources, notebooks and library, seen without running a cell.

Each check yields its failures as lines `file:line: what is wrong → what to do`. What must hold of the pages as
Sphinx reads them is in documents.py, of the finished site in site.py; the build sees to both.
"""

import copy
import re
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Any

from . import frameworks, library, pairs, project, size, sources, touch
from .execute import noise, output_text
from .project import Problem, show
from .sources import Source, tags


@dataclass
class Page:
    edition: str
    name: str
    text: str
    translates: "Page | None" = None  # the English page

    @property
    def path(self) -> Path:
        return project.source(self.edition, self.name)

    @cached_property
    def source(self) -> Source:
        return sources.parse(self.text, self.path)

    @cached_property
    def notebook(self) -> Any:
        """The section's notebook, or None."""
        return pairs.notebook_of(self.source)

    @property
    def cells(self) -> list[Any]:
        return pairs.code_cells(self.notebook) if self.notebook else []

    @property
    def english(self) -> "Page":
        return self.translates or self

    @cached_property
    def hash(self) -> str:
        """Of what a translator sees of the English page."""
        return sources.english_hash(self.name)


def load(edition: str, name: str, translates: Page | None = None) -> Page:
    return Page(edition, name, project.read(project.source(edition, name)), translates)


def first_difference(text: str, wanted: str) -> int | None:
    lines = enumerate(zip_longest(text.split("\n"), wanted.split("\n")), 1)
    return next((number for number, (one, other) in lines if one != other), None)


# ---- the book


def files_expected() -> Iterator[str]:
    """Every file of an edition is a page of _toc.yml."""
    for edition in project.editions():
        for path in sorted((project.BOOK / edition).glob("*.*")):
            if path.suffix in (".md", ".ipynb") and path.stem not in project.pages():
                yield f"{show(path)}:1: no page of _toc.yml has this name → add it there, or delete the file"


def terms_well_formed() -> Iterator[str]:
    """Every term has a word in every edition, and no word stands for two terms."""
    path, table = project.BOOK / "terms.csv", project.terms()
    for shared in sorted([path, *project.BOOK.glob("*.bib")]):
        yield from clean_text(shared, project.read(shared))
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


def library_current() -> Iterator[str]:
    """`src/softmax_lib` is what the sources say."""
    files = library.files()
    for path, text in files.items():
        if line := first_difference(project.read(path) if path.exists() else "", text):
            yield f"{show(path)}:{line}: it is not what the sections' #@save cells say → edit these, then make sync"
        if str(project.ROOT) in text:
            yield f"{show(path)}:1: it holds the path {project.ROOT} of this computer → take it out of the section"
    for path in library.stale(files):
        yield f"{show(path)}:1: no section saves this any more → make sync"


def address_repeated() -> Iterator[str]:
    """The texts that tell readers where to fetch the book name the repository of `_config.yml`."""
    prefaces = [project.source(edition, project.pages()[0]) for edition in project.editions()]
    for path in sorted([*project.ROOT.glob("README*.md"), *project.ROOT.glob("CITATION.cff"), *prefaces]):
        if path.exists() and project.repository() not in project.read(path):
            yield f"{show(path)}:1: it does not name the repository → write {project.repository()}, or mend _config.yml"


def has_text(cell: Any) -> bool:
    shown = [output for output in cell.outputs if output.output_type in ("stream", "execute_result", "display_data")]
    return any(o.output_type == "stream" or not any(kind.startswith("image/") for kind in o.data) for o in shown)


def outputs_compared() -> Iterator[str]:
    """At most a third of the cells with text output vary, and hidden assertions stand behind those."""
    varying = total = 0
    for name in project.sections():
        page = load(project.source_edition(), name)
        with_text = [cell for cell in page.cells if has_text(cell)]
        vary = [cell for cell in with_text if "nbval-ignore-output" in tags(cell)]
        varying, total = varying + len(vary), total + len(with_text)
        if vary and not any("remove-cell" in tags(cell) and "assert" in cell.source for cell in page.cells):
            yield f"{pairs.cell_place(page.source, page.cells.index(vary[0]))} varies and no hidden cell asserts anything → add one"
    if 3 * varying > total:
        yield f"{show(project.BOOK / project.source_edition())}:1: {varying} of {total} cells with text output carry nbval-ignore-output → at most a third"


# ---- each page

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


def text_clean(page: Page) -> Iterator[str]:
    yield from clean_text(page.path, page.text)


def terms_defined(page: Page) -> Iterator[str]:
    """The glossary defines every term of the table, and nothing else."""
    if page.name == "glossary":
        defined = sources.definitions(page.text)
        words = {row.get(page.edition, "") for row in project.terms()}
        yield from (f"{show(page.path)}:1: `{word}` has no definition → write one" for word in sorted(words - set(defined)))
        for word in set(defined) - words:
            yield f"{show(page.path)}:1: `{word}` is not in book/terms.csv → add it there, or correct the word"


def translation_current(page: Page) -> Iterator[str]:
    recorded = project.split_front_matter(page.text, page.path)[0].get("translates")
    if page.translates and recorded != page.translates.hash:
        what = "the English text changed since this was translated" if recorded else "no translation is recorded"
        yield f"{show(page.path)}:1: {what} → compare the texts, then make translated PAGE={page.edition}/{page.name}"


# ---- each section


def code_readable(page: Page) -> Iterator[str]:
    for index, cell in enumerate(page.source.code):
        if not sources.is_install_cell(cell):
            for inside, line in enumerate(cell.source.split("\n"), 1):
                if len(line) > 79:
                    yield f"{page.source.place(index, inside)}: the line has {len(line)} columns → at most 79"
        if "nbval-skip" in tags(cell):
            yield f"{page.source.place(index)}: nbval-skip leaves the cell untested → tag it nbval-ignore-output"
        elif cell.source.endswith(";") and "nbval-ignore-output" not in tags(cell):
            line = page.source.place(index, cell.source.count("\n") + 1)
            yield f"{line}: `;` does not hide the value from nbval → assign it to `_`"


def canonical(source: Source) -> str:
    """The text that sync would write."""
    source = copy.deepcopy(source)
    sources.give_install_cell(source)
    return source.text()


def pair_in_step(page: Page) -> Iterator[str]:
    """The notebook beside a section is its executed copy, and nothing else."""
    path, source = page.path.with_suffix(".ipynb"), page.source
    if page.notebook is None:
        yield f"{show(path)}:1: it is missing → make sync"
    elif refused := pairs.refusal(source, page.notebook, how := pairs.state(source, page.notebook)):
        yield refused
    elif how != "in step":
        yield f"{show(page.path)}:1: it was edited since its notebook was made → make sync"
    elif line := first_difference(page.text, canonical(source)):
        yield f"{show(page.path)}:{line}: it is not in the form that make sync gives it → make sync"
    elif (index := pairs.stale_cell(source, page.notebook)) is not None:
        yield f"{pairs.cell_place(source, index)} was not executed → make sync"
    elif page.english.notebook and len(page.english.cells) == len(page.cells):
        if path.read_text("utf-8") != pairs.notebook_text(source, page.english.cells):
            yield f"{show(path)}:1: its outputs or metadata were changed by hand → make sync"


def outputs_sound(page: Page) -> Iterator[str]:
    """Outputs hold no error, nothing of this computer, and come from the real data."""
    for index, cell in enumerate(page.cells if page is page.english else []):
        place = pairs.cell_place(page.source, index)
        failed = any(output.output_type == "error" for output in cell.outputs)
        if failed and "raises-exception" not in tags(cell):
            yield f"{place} failed when it was executed → mend it, then make sync"
        if found := noise(cell):
            yield f"{place} shows `{found}`, which differs from computer to computer → do not show it, then make sync"
        if re.search(r"^Fashion-MNIST: |stand-in", "\n".join(map(output_text, cell.outputs)), re.MULTILINE):
            yield f"{place} did not run on the real Fashion-MNIST → make sync where it can be had"


def pictures_described(page: Page) -> Iterator[str]:
    """A cell that shows a picture says in words what it shows, in the language of the edition."""
    for index, (cell, theirs, done) in enumerate(zip(page.source.code, page.english.source.code, page.english.cells)):
        shown = any(kind.startswith("image/") for output in done.outputs for kind in output.get("data", {}))
        if not shown or {"remove-cell", "remove-output"} & set(tags(cell)):
            continue
        said = sources.words_in_figure(cell)[1].strip()
        if not said:
            yield f"{page.source.place(index)} shows a picture without a text alternative → say in mystnb: image: alt: what it shows"
        elif page is not page.english and said == sources.words_in_figure(theirs)[1].strip():
            yield f"{page.source.place(index)} shows a picture with the English text alternative → translate it"


def same_code(page: Page) -> Iterator[str]:
    """A translation's cells are the English ones, as syntax trees, and their words are translated."""
    ours, theirs = page.source.code, page.english.source.code
    if len(ours) != len(theirs):
        yield f"{page.source.place(len(ours) - 1)}: {len(ours)} code cells where English has {len(theirs)} → make sync says where"
    for index, (cell, english) in enumerate(zip(ours, theirs) if page is not page.english else ()):
        if sources.code(cell.source) != sources.code(english.source):
            yield f"{page.source.place(index)}: its code is not the English code → make sync"
        left = set(sources.words_in_code(cell.source)) & set(sources.words_in_code(english.source))
        for words in sorted(text for text in left if len(re.findall(r"[A-Za-z]{2,}", text)) > 2):
            yield f"{page.source.place(index)}: “{words.strip().splitlines()[0]}” is still English → translate it"


BOOK = (files_expected, terms_well_formed, library_current, address_repeated, outputs_compared, size.failures, touch.failures,
        frameworks.failures)
EACH_PAGE = (text_clean, terms_defined, translation_current)
EACH_SECTION = (code_readable, pair_in_step, outputs_sound, pictures_described, same_code)


def failures() -> Iterator[str]:
    """Every failure of every check."""
    for name in project.pages():
        english = None
        for edition in project.editions():
            try:
                page = load(edition, name, english)
                english = page if edition == project.source_edition() else english
                for check in EACH_PAGE + EACH_SECTION * project.is_section(name):
                    yield from check(page)
            except Problem as problem:
                yield str(problem)
    for whole in BOOK:
        try:
            yield from whole()
        except Problem as problem:
            yield str(problem)


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
