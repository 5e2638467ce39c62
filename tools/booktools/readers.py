"""The Sphinx extension that writes the reader's notebooks: each section's cells and outputs, in plain Markdown.

Colab, GitHub and Jupyter know nothing of directives and roles. So the text is written from the document as
Sphinx resolved it for the website, where numbers, links and citations stand already.
"""

import base64
import hashlib
import re
from html import escape
from mimetypes import guess_type
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

import nbformat
from docutils import nodes
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from sphinx.application import Sphinx
from sphinx.locale import admonitionlabels
from sphinx.util import logging
from sphinx_design.tabs import sd_tab_input, sd_tab_label
from sphinx_exercise.nodes import exercise_enumerable_node, exercise_node, solution_node

from . import touch

NOTE = "This is a page of *Softmax, Step by Step*: <{url}>"


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_config_value("reader_note", NOTE, "html")  # the line below the title; `{url}` is the page's address
    app.connect("env-get-outdated", missing)
    app.connect("doctree-resolved", write, priority=900)
    app.connect("build-finished", remove_stale)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


# ---- when a notebook is written


def files(app: Sphinx, page: str) -> tuple[Path, Path]:
    """The notebook as myst-nb read it for this build, and the reader's notebook made from it."""
    return Path(app.outdir).parent / "jupyter_execute" / f"{page}.ipynb", Path(app.outdir) / "notebooks" / f"{page}.ipynb"


def is_section(app: Sphinx, page: str) -> bool:
    return app.builder.name == "html" and "kernelspec" in app.env.metadata[page]


def missing(app: Sphinx, env: Any, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """Sections whose notebook somebody removed are made again, as changed ones are."""
    return [page for page in env.found_docs if is_section(app, page) and not all(map(Path.exists, files(app, page)))]


def write(app: Sphinx, doctree: Any, page: str) -> None:
    if not is_section(app, page):
        return
    executed, reader = files(app, page)
    text = Text(app, page)
    cells = merge(text.blocks(doctree, 0), nbformat.read(executed, as_version=4).cells, app.config.reader_note.format(url=text.url))
    save(cells, reader)


def save(cells: list[Any], path: Path) -> None:
    """Write a notebook that is the same whenever its cells are."""
    twins: dict[str, int] = {}
    for cell in cells:
        name = hashlib.sha1(f"{cell.cell_type} {cell.source}".encode()).hexdigest()[:12]
        twins[name] = twins.get(name, 0) + 1
        cell.id = f"{name}-{twins[name]}"
    notebook = new_notebook(cells=cells, metadata={
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    })
    nbformat.validate(notebook)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(nbformat.writes(notebook) + "\n", "utf-8")


def remove_stale(app: Sphinx, error: Exception | None) -> None:
    """A page that left the book leaves no notebook behind."""
    if error is None and app.builder.name == "html":
        for path in (Path(app.outdir) / "notebooks").glob("*.ipynb"):
            if path.stem not in app.env.found_docs or not is_section(app, path.stem):
                path.unlink()


# ---- text and cells, in order


class Heading(str):
    """A block that begins a cell of its own."""


def merge(parts: list[Any], executed: list[Any], note: str) -> list[Any]:
    """The notebook's cells from Markdown blocks and indices of code cells, and the hidden cells that must stay."""
    shown = [part for part in parts if isinstance(part, int)]
    code = [i for i, cell in enumerate(executed) if cell.cell_type == "code"]
    hidden = [i for i in code if i not in shown and "only-checks" not in executed[i].metadata.get("tags", [])]
    cells: list[Any] = []
    text: list[str] = []

    def end_text() -> None:
        if text:
            cells.append(new_markdown_cell("\n\n".join(text)))
            text.clear()

    def add_hidden(before: int) -> None:
        end_text()
        while hidden and hidden[0] < before:
            add(hidden.pop(0))

    def add(i: int) -> None:
        cell = executed[i]
        cells.append(new_code_cell(cell.source, outputs=cell.outputs, execution_count=cell.execution_count))

    for place, part in enumerate(parts):
        if isinstance(part, int):
            add_hidden(part)
            add(part)
        else:
            if isinstance(part, Heading):
                end_text()
            text.append(part)
            if place == 0:  # the title: below it the note, then what must run before anything else
                text.append(note)
                add_hidden(shown[0] if shown else len(executed))
    add_hidden(len(executed))
    return cells


# ---- from document to Markdown


class Text:
    """Writes one page's document as blocks of plain Markdown."""

    def __init__(self, app: Sphinx, page: str) -> None:
        self.app, self.page = app, page
        self.url = urljoin(app.config.html_baseurl, app.builder.get_target_uri(page))

    def number(self, kind: str, node: Any) -> str:
        """The number Sphinx gave a figure, table, equation or exercise, or nothing."""
        numbers = self.app.env.toc_fignumbers.get(self.page, {}).get(kind, {})
        return ".".join(str(n) for key in node["ids"][:1] for n in numbers.get(key, ()))

    def label(self, kind: str, node: Any) -> str:
        """Its number with the edition's word for it: Fig. 6.1, Hình 6.1, 图 6.1."""
        number = self.number(kind, node)
        return self.app.config.numfig_format[kind].replace("%s", number) if number else ""

    def unknown(self, node: Any) -> str:
        logging.getLogger(__name__).warning(
            "a reader's notebook cannot show %s; teach booktools/readers.py to", type(node).__name__, location=node)
        return ""

    # -- inside a paragraph

    def line(self, parent: Any, table: bool = False) -> str:
        return "".join(self.inline(node, table) for node in parent.children)

    def inline(self, node: Any, table: bool) -> str:
        match node:
            case nodes.Text():
                return escape_text(node.astext(), table)
            case nodes.math():
                tex = " ".join(node.astext().split())
                return f"${bars(tex) if table else tex}$"
            case nodes.literal():
                return code_span(node.astext(), table)
            case nodes.emphasis() if len(node) == 1 and isinstance(node[0], nodes.reference):
                return self.link(node[0], marked("*", "em", self.line(node[0], table)))
            case nodes.emphasis():
                return marked("*", "em", self.line(node, table), *beside(node))
            case nodes.strong():
                return marked("**", "strong", self.line(node, table), *beside(node))
            case nodes.reference():
                return self.link(node, self.line(node, table))
            case nodes.footnote_reference():
                return f"<sup>{self.line(node, table)}</sup>"
            case nodes.image():
                return self.image(node)
            case nodes.raw():
                return node.astext() if "html" in node["format"] else ""
            case nodes.Invisible():
                return ""
            case nodes.inline():
                return self.line(node, table)
        return self.unknown(node)

    def link(self, node: Any, text: str) -> str:
        """To the website, whether this page or another; to anywhere else as it is."""
        if node.get("refuri") == node.astext():
            return f"<{node['refuri']}>"
        place = quote(urljoin(self.url, node.get("refuri") or f"#{node['refid']}"), safe="%:/?#@!&=+,;~*'")
        space = " " * text.startswith(" ")  # sphinx-exercise puts it inside
        return f"{space}[{text.strip()}]({place})"

    def image(self, node: Any) -> str:
        """In the notebook itself: Colab shows no attachments, and a website may be out of reach."""
        uri, alt = node["uri"], escape_text(" ".join(node.get("alt", "").split()), False)
        if "://" not in uri:
            content = (Path(self.app.srcdir) / uri).read_bytes()
            content = content.replace(b"currentColor", b"#808080")  # a drawing's lines: seen on white and on black
            uri = f"data:{guess_type(uri)[0]};base64,{base64.b64encode(content).decode()}"
        return f"![{alt}]({uri})"

    # -- paragraphs and larger

    def blocks(self, parent: Any, level: int) -> list[Any]:
        return [part for node in parent.children for part in self.block(node, level) if part != ""]

    def inner(self, parent: Any, level: int = 0) -> str:
        """What stands inside a list, a quotation or a fold: one piece of text, for cells cannot stand there."""
        parts = self.blocks(parent, level)
        if any(isinstance(part, int) for part in parts):
            self.unknown(parent)
        return "\n\n".join(part for part in parts if isinstance(part, str))

    def block(self, node: Any, level: int) -> list[Any]:
        match node:
            case nodes.section():
                return self.blocks(node, level + any(isinstance(child, nodes.title) for child in node[:1]))
            case nodes.title():
                numbers = self.app.env.toc_secnumbers.get(self.page, {})
                number = numbers.get("" if level == 1 else f"#{node.parent['ids'][0]}")
                prefix = ".".join(map(str, number)) + self.app.config.html_secnumber_suffix if number else ""
                return [Heading(f"{'#' * level} {prefix}{self.line(node)}")]
            case nodes.paragraph():
                start = r"^(\d+(?=[.)]\s)|(?=[#>=]|[+-](?:[\s-]|$)))"  # what would begin a list or a heading
                return [re.sub(start, r"\g<0>\\", self.line(node).strip(), flags=re.M)]
            case nodes.image() | nodes.reference() | nodes.raw():
                return [self.inline(node, False)]
            case nodes.math_block():
                return [display(node.astext(), self.number("displaymath", node))]
            case nodes.literal_block():
                return [fence(node.astext(), node.get("language", ""))]
            case nodes.bullet_list():
                return [tight([indent(self.inner(item), "- ", "  ") for item in node])]
            case nodes.enumerated_list():
                marks = [f"{n}. " for n, _ in enumerate(node, node.get("start", 1))]
                return [tight([indent(self.inner(item), mark, " " * len(mark)) for mark, item in zip(marks, node)])]
            case nodes.block_quote():
                return [indent(self.inner(node), "> ", "> ")]
            case nodes.table():
                return self.table(node)
            case nodes.caption():
                label = self.label("figure", node.parent)
                return [f"**{label}** {self.line(node)}" if label else self.line(node)]
            case nodes.footnote():
                return [indent(f"<sup>{self.line(node[0])}</sup> {self.inner(after_title(node))}", "- ", "  ")]
            case nodes.transition():
                return ["---"]
            case exercise_node() | exercise_enumerable_node():
                title = " ".join([self.label("exercise", node), self.line(node[0]).strip()]).strip()
                return [Heading(f"{'#' * (level + 1)} {title}"), *self.blocks(after_title(node), level + 1)]
            case solution_node():
                return self.solution(node, level + 1)
            case nodes.Admonition():
                return [self.admonition(node)]
            case nodes.container() if node.get("nb_element") == "cell_code":
                return [node["cell_index"], *(c for f in node.findall(nodes.caption) for c in self.block(f, level))]
            case sd_tab_label():
                return [Heading(f"{'#' * (level + 1)} {self.line(node)}")]
            case nodes.figure() | nodes.legend() | nodes.container():
                return [*self.blocks(node, level), *touch.invitation(node, self.app.config.edition, self.url)]
            case nodes.Invisible() | sd_tab_input():
                return []
        return [self.unknown(node)]

    def admonition(self, node: Any) -> str:
        has_title = isinstance(node[0], nodes.title)
        title = self.line(node[0]) if has_title else escape_text(str(admonitionlabels[node.tagname]), False)
        rest = after_title(node) if has_title else node
        if "dropdown" in node["classes"]:
            return fold(plain(node[0]) if has_title else title, self.inner(rest))
        return indent(f"{marked('**', 'strong', title)}\n\n{self.inner(rest)}", "> ", "> ")

    def solution(self, node: Any, level: int) -> list[Any]:
        """Folded, where it is text alone; a fold cannot reach over cells, so there a heading begins it."""
        parts = self.blocks(after_title(node), level)
        if any(isinstance(part, int) for part in parts):
            return [Heading(f"{'#' * (level + 1)} {plain(node[0])}"), *parts]
        return [fold(plain(node[0]), "\n\n".join(parts))]

    def table(self, node: Any) -> list[Any]:
        rows = [[entry for entry in row] for row in node.findall(nodes.row)]
        lines = ["| " + " | ".join("<br>".join(self.line(p, True) for p in entry) for entry in row) + " |" for row in rows]
        sides = {"text-left": ":--", "text-right": "--:", "text-center": ":-:"}
        lines.insert(1, "|" + "|".join(next((sides[c] for c in e["classes"] if c in sides), "---") for e in rows[0]) + "|")
        title = [f"**{self.label('table', node)}** {self.line(node[0])}"] if isinstance(node[0], nodes.title) else []
        return [*title, "\n".join(lines)]


def after_title(node: Any) -> Any:
    """A node's children without the first, its title or label."""
    rest = nodes.container()
    rest.children = node.children[1:]
    return rest


# ---- Markdown's own rules


def escape_text(text: str, table: bool) -> str:
    """Text as it is, whatever of it Markdown or MathJax would take for markup."""
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text).replace("<", "&lt;")
    text = re.sub(r"[\\`*~]|(?<!\w)_|_(?!\w)|!$|](?=[(:])" + (r"|\|" if table else ""), r"\\\g<0>", text)
    return text.replace("$", r"<span>\$</span>")  # alone in an element: no viewer pairs it with another


def bars(tex: str) -> str:
    """Mathematics without the sign that ends a table's cell."""
    return tex.replace(r"\|", r"\Vert ").replace("|", r"\vert ")


def code_span(text: str, table: bool) -> str:
    text = " ".join(text.split("\n"))
    ticks = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    pad = " " if "`" in text else ""
    return f"{ticks}{pad}{text.replace('|', chr(92) + '|') if table else text}{pad}{ticks}"


def beside(node: Any) -> tuple[str, str]:
    """The characters before and after a piece of text."""
    place, around = node.parent.index(node), node.parent.children
    return ("".join(n.astext() for n in around[:place])[-1:], "".join(n.astext() for n in around[place + 1:])[:1])


def marked(mark: str, tag: str, text: str, before: str = "", after: str = "") -> str:
    """Emphasis, by a tag where CommonMark would not take the marks: with a bracket inside and a Chinese character outside."""
    if (text[:1].isalnum() or not before.strip()) and (text[-1:].isalnum() or not after.strip()):
        return f"{mark}{text}{mark}"
    return f"<{tag}>{text}</{tag}>"


def display(tex: str, number: str) -> str:
    tex = "\n".join(line for line in re.sub(r"(?<!\\)%.*", "", tex).split("\n") if line.strip()).strip()
    if r"\\" in tex and r"\begin{" not in tex:
        tex = f"\\begin{{split}}\n{tex}\n\\end{{split}}"  # as Sphinx does
    return f"$$\n{tex}{f' {chr(92)}tag{{{number}}}' if number else ''}\n$$"


def fence(text: str, language: str) -> str:
    ticks = "`" * max(3, max(map(len, re.findall("`+", text)), default=0) + 1)
    return f"{ticks}{'python' if language == 'ipython3' else language}\n{text.rstrip()}\n{ticks}"


def indent(text: str, first: str, rest: str) -> str:
    """Text inside a list or a quotation. Its equations go on one line: viewers look for them before they see marks."""
    text = re.sub(r"^( *)\$\$\n(.*?)\n *\$\$$", lambda m: f"{m[1]}$${' '.join(m[2].split())}$$", text, flags=re.M | re.S)
    return first + "\n".join(f"{rest}{line}".rstrip() for line in text.split("\n"))[len(rest):]


def tight(items: list[str]) -> str:
    """A list; its items stand apart where one of them has more than one block."""
    return ("\n\n" if any("\n\n" in item for item in items) else "\n").join(items)


def fold(title: str, text: str) -> str:
    return f"<details>\n<summary>{title}</summary>\n\n{text}\n\n</details>"


def plain(title: Any) -> str:
    """A title as HTML: no Markdown is read inside a summary."""
    texts = title.findall(nodes.Text)
    return "".join(f"${escape(t)}$" if isinstance(t.parent, nodes.math) else escape(t, quote=False) for t in texts)
