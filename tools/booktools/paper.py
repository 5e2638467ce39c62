"""The book on paper: each edition as one PDF and one EPUB, by pandoc and Typst, from what the site's build wrote.

While the site is built, every page is written a second time, in pandoc's Markdown (`_build/…/paper/PAGE.md`), with its
cells, its pictures and the places that links lead to. `make pdf` joins the pages of an edition.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from xml.etree import ElementTree

import pypandoc
import typst
from docutils import nodes
from sphinx.addnodes import glossary
from sphinx.application import Sphinx
from sphinx_exercise.nodes import exercise_enumerable_node, exercise_node, solution_node
from sphinx_jupyterbook_latex.nodes import HiddenCellNode

from . import editions, interface, plots, project, readers

MARKDOWN = "commonmark+attributes+fenced_divs+bracketed_spans+tex_math_dollars+pipe_tables+raw_html"
HAN = re.compile("[\u3400-\u9fff]")
# Fonts with Chinese characters, for text and for headings; Typst brings those for everything else.
CHINESE = (("Noto Serif CJK SC", "Noto Sans CJK SC"), ("Source Han Serif SC", "Source Han Sans SC"), ("Songti SC", "PingFang SC"))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("env-get-outdated", missing)
    app.connect("doctree-resolved", write, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


# ---- while the site is built


def folder(edition: str) -> Path:
    """Where the pages of an edition and their pictures stand."""
    return project.ROOT / "_build" / interface.folder(edition) / "paper"


def missing(app: Sphinx, env: Any, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    return [page for page in env.found_docs if app.builder.name == "html" and not (out(app) / f"{page}.md").exists()]


def out(app: Sphinx) -> Path:
    return Path(app.outdir).parent / "paper"


def write(app: Sphinx, doctree: Any, page: str) -> None:
    if app.builder.name == "html":
        out(app).mkdir(exist_ok=True)
        text = Page(app, page)
        blocks = text.blocks(doctree, 0)
        if text.solutions:
            blocks += [f"## {text.said['Solutions']}", *text.solutions]
        project.write(out(app) / f"{page}.md", "\n\n".join(blocks) + "\n")


class Page(readers.Text):
    """Writes a page for pandoc. A block of class X, `::: X`, is set by the function X of `paper.typ`."""

    def __init__(self, app: Sphinx, page: str) -> None:
        super().__init__(app, page)
        self.said = interface.words(app.config.edition)
        self.hints: list[str] = []  # of the exercise whose solution comes next
        self.solutions: list[str] = []

    def attributes(self, node: Any, kind: str = "", **more: str) -> str:
        """What pandoc is to know of a block: its places, the first of which is its own; the links to the others go there too."""
        ids = [f"{self.page}.{name}" for name in node["ids"]]
        if isinstance(node, nodes.section) and isinstance(node.parent, nodes.document):
            ids.insert(0, self.page)
        more |= {"also": " ".join(ids[1:])} if ids[1:] else {}
        return "{" + " ".join([*(f"#{name}" for name in ids[:1]), *([f".{kind}"] if kind else []),
                               *(f'{key}="{value}"' for key, value in more.items())]) + "}"  # fmt: skip

    def div(self, node: Any, kind: str, parts: list[str], **more: str) -> list[str]:
        return [f"::: {self.attributes(node, kind, **more)}", *parts, ":::"]

    # -- inside a paragraph

    def inline(self, node: Any, table: bool) -> str:
        match node:
            case nodes.emphasis() | nodes.strong() | nodes.footnote_reference():
                text = self.line(node, table)
                upright = HAN.search(text)  # Chinese has no italics
                return f"[{text}]{{.{'strong' if upright and node.tagname == 'emphasis' else node.tagname}}}"
        return super().inline(node, table)

    def link(self, node: Any, text: str) -> str:
        """Inside the book, where it leads to a page of the book."""
        place, _, name = urljoin(self.url, node.get("refuri") or f"#{node['refid']}").partition("#")
        page = place.removeprefix(self.app.config.html_baseurl).removesuffix(".html")
        if page in project.pages():
            return f"{' ' * text.startswith(' ')}[{text.strip()}](#{page}{'.' * bool(name)}{name})"
        return super().link(node, text)

    def image(self, node: Any) -> str:
        """Its file beside the page; a drawing in the colours and fonts of paper."""
        path = Path(self.app.srcdir, node["uri"])
        name, alt = path.name, readers.escape_text(" ".join(node.get("alt", "").split()), False)
        if path.suffix == ".svg":
            project.write(out(self.app) / name, drawing(project.read(path), self.app.config.edition))
        else:
            (out(self.app) / name).write_bytes(path.read_bytes())
        return f"![{alt}]({name})"

    # -- paragraphs and larger

    def block(self, node: Any, level: int) -> list[Any]:
        match node:
            case nodes.title():
                heading = super().block(node, level)[0]
                if level == 1 and self.page == self.app.config.root_doc:  # the book's title stands on its first page
                    heading = f"# {self.said['Preface']}"
                return [f"{heading} {self.attributes(node.parent)}"]
            case exercise_node() | exercise_enumerable_node():
                heading, *rest = super().block(node, level)
                word = self.said["Solution"]
                return [f"{heading} {self.attributes(node)}", *rest, f"[{word}](#{self.page}.solution-{node['label']}){{.page}}"]
            case solution_node():
                heading = f"### {self.line(node[0]).strip().replace('： ', '：')} {self.attributes(node)}"
                self.solutions += [heading, *self.hints, *self.blocks(readers.after_title(node), level + 1)]
                self.hints = []
                return []
            case nodes.Admonition() if is_hint(node):
                self.hints += self.div(node, "admonition", [self.admonition(node)])
                return []
            case nodes.Admonition():
                return self.div(node, "admonition", [self.admonition(node)])
            case nodes.container() if node.get("nb_element") == "cell_code":
                return self.div(node, "cell", self.cell(node, level)) if node["ids"] else self.cell(node, level)
            case nodes.figure():
                return self.div(node, "picture", super().block(node, level))
            case nodes.table():
                return self.div(node, "rows", super().block(node, level))
            case nodes.math_block():
                number = self.number("displaymath", node)
                return self.div(node, "equation", [readers.display(node.astext(), "")], **({"number": f"({number})"} if number else {}))
            case nodes.compound() | HiddenCellNode():
                return []  # the contents, which the book has at its beginning
            case nodes.container() if "front" in node["classes"]:
                return [part for figure in node.findall(nodes.figure) for part in self.block(figure, level)]
            case glossary() | nodes.definition_list():
                return self.blocks(node, level)
            case nodes.definition_list_item():
                term, definition = node
                return self.div(term, "term", [*lead(self.line(term).strip()), *self.blocks(definition, level)])
            case nodes.paragraph() if "term-languages" in node["classes"]:
                return self.div(node, "languages", super().block(node, level))
            case nodes.citation():
                return self.div(node, "citation", self.blocks(readers.after_title(node), level))
        return super().block(node, level)

    def admonition(self, node: Any) -> str:
        return "\n\n".join([*lead(self.line(node[0])), self.inner(readers.after_title(node))])

    def cell(self, node: Any, level: int) -> list[str]:
        """Its code and what came of it, unfolded."""
        parts: list[str] = []
        for part in node.findall(lambda part: isinstance(part, nodes.literal_block | nodes.figure | nodes.image)):
            if isinstance(part, nodes.literal_block) and part["language"] != "ipython3":
                parts.append(readers.fence(part.astext(), "output"))
            elif not isinstance(part.parent, nodes.figure):
                parts += self.block(part, level)
        return parts


def is_hint(node: Any) -> bool:
    return isinstance(node.parent.parent, exercise_node | exercise_enumerable_node) and "dropdown" in node["classes"]


def lead(text: str) -> list[str]:
    """The title of a block, which does not stand alone at the foot of a page."""
    return ["::: lead", f"**{text}**", ":::"]


# ---- pictures


def drawing(svg: str, edition: str) -> str:
    """An SVG with the colours and fonts of paper, and a plot's words in the edition's language."""
    if "Matplotlib" in svg:
        root = plots.plain(svg)
        plots.translate(root, plots.words(edition))
        root.set("xmlns", "http://www.w3.org/2000/svg")
        svg = ElementTree.tostring(root, "unicode")
    svg = re.sub(r"var\((--[\w-]+), *#\w+\)", r"var(\1)", svg)
    named = reversed(re.findall(r"(--plot-\d): (#\w+)", project.read(project.BOOK / "static/book.css")))  # the dark ones come last
    light = {f"var({name})": colour for name, colour in named} | {"currentColor": "#000000"}
    table = light | {plot: light[name] for plot, name in plots.COLOURS.items() if name in light}
    svg = re.sub("|".join(map(re.escape, table)), lambda found: table[found[0]], svg)
    fonts = "'Libertinus Serif', " + ", ".join(f"'{serif}'" for serif, _ in CHINESE) + ", serif"
    family = lambda found: found[1] + ("'DejaVu Sans Mono', monospace" if "mono" in found[2] else fonts)  # noqa: E731
    return re.sub(r"""(font-family(?:: |="))([^;"]*)""", family, svg)


# ---- one book of all pages


def make(edition: str) -> list[Path]:
    """The PDF and the EPUB of an edition."""
    row = project.editions()[edition]
    text = "\n\n".join(project.read(folder(edition) / f"{page}.md") for page in project.pages())
    for main, others in re.findall(r'\{#([^\s}]+)[^}]* also="([^"]*)"', text):
        for other in others.split():
            text = text.replace(f"](#{other})", f"](#{main})")
    serif, sans = chinese()
    url, lang, templates = project.setting("html", "baseurl") + interface.folder(edition), interface.language(edition), project.BOOK / "templates"
    about = {
        "title": row["html_title"], "author": row.get("author", project.setting("author")), "identifier": url,
        "rights": f"© {project.setting('copyright')}. {row['html_theme_options']['extra_footer']}",
    }  # fmt: skip
    options = [f"--metadata={key}={value}" for key, value in about.items()]
    options += [f"--lua-filter={templates}/paper.lua", f"--resource-path={folder(edition)}", "--wrap=none", "--fail-if-warnings"]
    made = [project.ROOT / "_build/pdf" / project.on_paper(edition, ending) for ending in ("pdf", "epub")]
    made[0].parent.mkdir(parents=True, exist_ok=True)
    new = [path.with_name(f".{path.name}") for path in made]  # nobody takes a half for the whole

    def pandoc(to: str, output: Path, *more: str) -> None:
        pypandoc.convert_text(text, to, MARKDOWN, [*options, *more], outputfile=str(output))

    source = folder(edition) / "book.typ"
    look = [f"--variable={key}:{value}" for key, value in {"serif": serif, "sans": sans, "url": url, "lang": lang}.items()]
    pandoc("typst-smart", source, f"--template={templates}/paper.typ", "--syntax-highlighting=idiomatic", *look)
    typeset(source, new[0])
    pandoc("epub3", new[1], f"--metadata=lang={lang.replace('zh-CN', 'zh-Hans')}", "--mathml", "--toc", "--toc-depth=2", f"--css={templates}/paper.css")
    return [one.replace(path) for one, path in zip(new, made)]


def typeset(source: Path, pdf: Path) -> None:
    """Let Typst set a file. Whatever it warns of would be seen in the book."""
    try:
        _, warnings = typst.compile_with_warnings(str(source), output=str(pdf), root=str(source.parent))
    except typst.TypstError as error:
        raise project.Problem(f"{project.show(source)}: {error.message} → correct the page that it comes from") from None
    if warnings:
        raise project.Problem(f"{project.show(source)}: {warnings[0].message} → correct the page or book/templates/paper.typ")


def chinese() -> tuple[str, str]:
    """The fonts for Chinese, which stands in the glossary of every edition."""
    here = typst.Fonts().families()
    for pair in CHINESE:
        if set(pair) <= set(here):
            return pair
    raise project.Problem("make pdf: there is no font with Chinese characters → install Noto CJK (Debian, Ubuntu: apt install fonts-noto-cjk)")


def report() -> int:
    with editions.alone(project.ROOT / "_build") or nullcontext(), ThreadPoolExecutor() as pool:
        for made in pool.map(make, project.editions()):
            for path in made:
                print(f"{project.show(path)}: {path.stat().st_size / 1e6:.1f} MB")
    return 0
