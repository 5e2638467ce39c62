"""Sections as they are written: reading, writing and comparing the sources."""

import ast
import copy
import hashlib
import io
import json
import re
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import yaml

from . import project
from .project import Problem, split_front_matter

MARK = "#@save"
UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x85\u2028\u2029]")  # some end a line for Jupytext, which cuts the cells there
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
FRONT_MATTER = {"file_format": "mystnb", "kernelspec": KERNEL}
INSTALL_CELL = """\
from importlib.util import find_spec
if find_spec("softmax_lib") is None:
    %pip install -q "softmax_lib @ git+{}\""""

Cell = Any  # a cell of nbformat, which has no types


def digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:16]


@dataclass
class Source:
    """A section as it is written: front matter and cells, each with the line where it begins."""

    path: Path
    front: dict[str, Any]
    cells: list[Cell]
    lines: list[int]

    @property
    def page(self) -> str:
        return self.path.stem

    @property
    def code(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.cell_type == "code"]

    @property
    def hash(self) -> str:
        return digest(body(self.cells))

    def line(self, index: int, inside: int | None = None) -> int:
        """The line of a code cell in the file, or of a line (from 1) inside it."""
        starts = [line for cell, line in zip(self.cells, self.lines) if cell.cell_type == "code"]
        if not 0 <= index < len(starts):  # of a page without cells, say
            return 1
        if inside is None:
            return starts[index]
        wanted, lines = self.code[index].source.split("\n"), project.read(self.path).split("\n")
        at = (start for start in range(starts[index], len(lines)) if lines[start : start + len(wanted)] == wanted)
        return next(at, starts[index] - inside) + inside

    def place(self, index: int, inside: int | None = None) -> str:
        """The same as messages name it, with the cell's number."""
        return f"{project.show(self.path)}:{self.line(index, inside)}: cell {index + 1}"

    def text(self) -> str:
        """The source in its canonical form."""
        extra = {key: value for key, value in self.front.items() if key not in (*FRONT_MATTER, "jupytext")}
        return front_matter({**FRONT_MATTER, **extra}) + "\n" + body(self.cells)


def front_matter(values: dict[str, Any]) -> str:
    return f"---\n{yaml.safe_dump(values, sort_keys=False, allow_unicode=True)}---\n"


def plain_cell(cell: Cell) -> Cell:
    """A cell without outputs and without any metadata but what the source can hold."""
    kept = {key: cell.metadata[key] for key in ("tags", "mystnb") if cell.metadata.get(key)}
    make = getattr(nbformat.v4, f"new_{cell.cell_type}_cell")
    return make(cell.source.rstrip(), metadata=copy.deepcopy(kept))


def tags(cell: Cell) -> list[str]:
    return cell.metadata.get("tags", [])


def parse(text: str, path: Path) -> Source:
    from jupytext.myst import MystMetadataParsingError, myst_to_notebook

    def refused(line: int | str, why: str) -> Problem:
        return Problem(f"{project.show(path)}:{line}: {why} → correct the options (text that holds a colon stands in quotes)")

    if odd := UNSEEN.search(text):
        line = text[: odd.start()].count("\n") + 1
        raise Problem(f"{project.show(path)}:{line}: it holds {ascii(odd[0])}, which nobody sees → take it out")
    front, _ = split_front_matter(text, path)
    try:
        notebook = myst_to_notebook(text, add_source_map=True)
    except (MystMetadataParsingError, yaml.YAMLError) as error:
        raise refused(project.line_in(error), " ".join(str(error).split())) from None
    except nbformat.ValidationError as error:
        name, lines = next((step for step in reversed(error.path) if isinstance(step, str)), ""), enumerate(text.split("\n"), 1)
        at = next((number for number, line in lines if line.lstrip(": ").startswith(f"{name}:") and str(error.instance) in line), 1)
        raise refused(at, f"`{name}`: {error.message}") from None
    if not notebook.cells:
        raise Problem(f"{project.show(path)}:1: it is empty → bring back what it held; a notebook: delete it, then make sync")
    source = Source(path, front, [plain_cell(cell) for cell in notebook.cells], notebook.metadata["source_map"])
    for index, cell in enumerate(source.code):
        options = cell.metadata.get("mystnb", {})
        if not isinstance(options, dict) or not all(isinstance(options.get(kind, {}), dict) for kind in ("figure", "image")):
            raise refused(source.line(index), "`mystnb`, or its `figure` or `image`, has no options below it")
    return source


def read(edition: str, page: str) -> Source:
    path = project.source(edition, page)
    return parse(project.read(path), path)


def body(cells: list[Cell]) -> str:
    """Cells as MyST Markdown, without front matter."""
    from jupytext.myst import notebook_to_myst

    return notebook_to_myst(nbformat.v4.new_notebook(cells=cells), default_lexer="ipython3") if cells else ""


def is_install_cell(cell: Cell) -> bool:
    return 'find_spec("softmax_lib")' in cell.source


def give_install_cell(source: Source) -> None:
    """The first code cell installs the library where it is missing, hidden on the website."""
    if not source.code or not is_install_cell(source.code[0]):
        first = source.cells.index(source.code[0]) if source.code else len(source.cells)
        source.cells.insert(first, nbformat.v4.new_code_cell())
        source.lines.insert(first, source.lines[first] if first < len(source.lines) else 1)
    source.code[0].source = INSTALL_CELL.format(project.repository())
    source.code[0].metadata = nbformat.from_dict({"tags": ["remove-cell"]})


# ---- syntax


def python(cell: str) -> str:
    """A cell as plain Python: magics and shell lines become calls, and a file that is written is its contents."""
    from IPython.core.inputtransformer2 import TransformerManager

    magic, _, contents = cell.partition("\n")
    return f"\n{contents}\n{magic!r}\n" if magic.startswith("%%writefile") else TransformerManager().transform_cell(cell)


DOCUMENTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def documented(tree: ast.Module) -> list[Any]:
    """What has a docstring, the file itself included; a cell of nothing but a string shows that string."""
    parts = [node for node in ast.walk(tree) if isinstance(node, DOCUMENTED) or (node is tree and len(tree.body) > 1)]
    return [node for node in parts if is_docstring(node.body[0])]


def code(cell: str) -> str:
    """What a cell does, whatever the language of its comments and docstrings."""
    try:
        tree = ast.parse(python(cell))
    except SyntaxError:
        return cell
    for node in documented(tree):
        node.body = node.body[1:]
    return f"{cell.startswith(MARK)} {ast.dump(tree)}"


# ---- translations


def words_in_code(cell: str) -> list[str]:
    """What a translator sees of a cell: its comments and docstrings."""
    try:
        text = python(cell)
        tree = ast.parse(text)
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (SyntaxError, tokenize.TokenError):
        return [cell]
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    return comments + [ast.get_docstring(node) or "" for node in documented(tree)]


def words_in_figure(cell: Cell) -> list[str]:
    """The caption and the text alternative of a cell's figure."""
    options = cell.metadata.get("mystnb", {})
    return [str(options.get(kind, {}).get(key, "")) for kind, key in (("figure", "caption"), ("image", "alt"))]


def english_hash(page: str) -> str:
    """A hash of the English text that a translator of the page sees."""
    english = project.source_edition()
    if project.is_section(page):
        words: list[str] = []
        for cell in read(english, page).cells:
            if cell.cell_type != "code":
                words.append(cell.source)
            elif not is_install_cell(cell):
                words += words_in_code(cell.source) + words_in_figure(cell)
    else:
        path = project.source(english, page)
        words = [split_front_matter(project.read(path), path)[1]]
    return digest(" ".join(" ".join(words).split()))


def record_translation(edition: str, page: str) -> bool:
    """Record that a translated page says what the English page says now."""
    path = project.source(edition, page)
    if page not in project.pages() or edition not in project.translations():
        example = f"{project.translations()[0]}/{project.pages()[0]}"
        name = f"{edition}/{page}".lstrip("/")
        raise Problem(f"{name} is not a page of a translation in _config.yml → say for example {example}")
    front, text = split_front_matter(project.read(path), path)
    return project.write(path, front_matter({**front, "translates": english_hash(page)}) + text)


def bring_code_over(english: Source, other: Source) -> list[str]:
    """Give a translation the English code and tags; what is left for the translator to do.

    Comments, docstrings, captions and text alternatives stay where the code is the same.
    """
    codes = [[code(cell.source) for cell in source.code] for source in (english, other)]
    if len(codes[0]) != len(codes[1]):
        first = next((i for i, (a, b) in enumerate(zip(*codes)) if a != b), min(map(len, codes)))
        raise Problem(
            f"{other.place(min(first, len(codes[1]) - 1))}: {len(codes[1])} code cells where English has"
            f" {len(codes[0])}; from cell {first + 1} on they part → add or remove cells, then make sync"
        )
    notes = []
    for index, (cell, ours, theirs, before) in enumerate(zip(english.code, other.code, *codes)):
        if theirs != before:
            words = "".join(words_in_code(cell.source)).replace(MARK, "")
            left = " → translate its comments and docstring again" if words else ""
            notes.append(f"{other.place(index)}: code replaced{left}")
            ours.source = cell.source
        options = copy.deepcopy(cell.metadata)
        for kind, key in (("figure", "caption"), ("image", "alt")):
            said = ours.metadata.get("mystnb", {}).get(kind, {}).get(key)
            if said and kind in options.get("mystnb", {}):
                options["mystnb"][kind][key] = said
        ours.metadata = options
    return notes


def definitions(text: str) -> dict[str, str]:
    """The terms that a glossary defines: a line with the term, then a line `: ` with its definition."""
    return dict(re.findall(r"^(\S.*)\n: +(.*)$", text, re.MULTILINE))
