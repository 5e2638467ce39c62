"""The slides of a section: a deck for the lecture, made from the marks `{slide}` in its text.

A mark begins a slide. Its argument is the slide's title (without one, the heading above), its content a few words of
its own. Of the pictures, formulas, cells, lists, tables and exercises that follow, the slide shows the first, or those
that `:show:` counts; with `:output:` it leaves out a cell's code. The text that follows, until the next mark, becomes
the presenter's notes.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup, Tag
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import ReferenceRole, SphinxDirective

from . import interface, project

MARK = re.compile(r"(?s)<slide-mark\b.*?</slide-mark>\s*")
# What nobody writes on a board: the mark of the library's cells, and of a docstring all but its first line.
SAVE = '<span class="c1">#@save</span>\n'
DOCSTRING = re.compile(r'(<span class="sd">\s*"""[^<\n]+)</span>\n(?:\n|<span class="sd">(?!\s*""").*</span>\n)*<span class="sd">\s*"""</span>')


class slide(nodes.Invisible, nodes.Element):
    """A mark: no page, notebook or search shows it."""


def numbers(text: str) -> str:
    return " ".join(str(int(number)) for number in text.split())


class Slide(SphinxDirective):
    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec = {"show": numbers, "output": directives.flag}

    def run(self) -> list[nodes.Node]:
        made = slide(show=self.options.get("show", "1"), output="output" in self.options)
        self.set_source_info(made)
        if self.arguments:
            made += nodes.rubric("", "", *self.parse_inline(self.arguments[0])[0])
        self.state.nested_parse(self.content, self.content_offset, made)
        return [made]


class Deck(ReferenceRole):
    """`{deck}`NAME``: a link to the slides of a section, from a page of the same edition."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        number = [*project.sections(), self.target].index(self.target) + 1
        says = self.title if self.has_explicit_title else f"{interface.words(self.config.edition)['Slides']} {number}"
        return [nodes.reference("", says, internal=True, refuri=f"slides/{self.target}.html")], []


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_node(slide, html=(begin, end))
    app.add_directive("slide", Slide)
    app.add_role("deck", Deck())
    app.connect("html-page-context", make, priority=950)  # when the text is as the page shows it
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def begin(self: Any, node: slide) -> None:
    self.body.append(f'<slide-mark data-show="{node["show"]}" data-output="{node["output"]}">')


def end(self: Any, node: slide) -> None:
    self.body.append("</slide-mark>\n")


def make(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Write the page's deck, and take the marks out of the page."""
    text = context.get("body", "")
    context["body"] = MARK.sub("", text)
    if MARK.search(text):
        said = {
            "page": page,
            "slides": (faces := deck(text, page)),
            "touched": dict.fromkeys(re.findall('data-touch="([^"]*)', text)),
            "lang": interface.language(app.config.edition),
            "words": interface.words(app.config.edition),
            "book": app.config.html_title,
            "license": app.config.html_theme_options["extra_footer"],
        }
        made = app.builder.templates.render("slides.html", {**context, **said})  # type: ignore[attr-defined]
        project.write(Path(app.outdir, "slides", f"{page}.html"), made)
        for face in faces:
            if max(face.show) > face.seen:
                says = "the slide “%s” is to show part %s of the %s that follow its mark → correct its :show:"
                logging.getLogger(__name__).warning(says, face.title, max(face.show), face.seen, location=page)


# ---- from the page to its slides


@dataclass
class Face:
    """A slide: what it shows, and what it holds ready for the presenter."""

    part: str  # the heading of the part it belongs to
    title: str  # none: what stands here waits for a mark
    show: set[int] = field(default_factory=set)
    output: bool = False  # not the code above it
    seen: int = 0
    shown: list[Tag] = field(default_factory=list)
    notes: list[Tag] = field(default_factory=list)

    def mark(self, mark: Tag, heading: str) -> None:
        title = mark.find(class_="rubric", recursive=False)
        self.title = title.extract().decode_contents() if isinstance(title, Tag) else heading
        self.show, self.output = {int(number) for number in str(mark["data-show"]).split()}, mark["data-output"] == "True"
        self.shown, self.seen = mark.find_all(True, recursive=False), 0

    def add(self, block: Tag) -> None:
        """Show a part of the page, or note it."""
        kind = list(block.get("class") or [])
        if block.name not in ("p", "details"):
            self.seen += 1
            if self.seen in self.show:
                return self.present(block)
        if block.name in ("p", "ul", "ol", "dl") or "math" in kind or block.name == "details":
            if "solution" not in kind or self.seen in self.show:  # that of an exercise which is shown
                self.notes.append(block)

    def present(self, block: Tag) -> None:
        if block.select(".below-input") and self.notes and self.notes[-1].find("strong"):
            self.shown.append(self.notes.pop())  # the question before a folded output
        alone = self.output or block.select_one(".cell_output :is(svg, img)")  # a picture, too, is shown without its code
        for code in block.select(".cell_input, .above-input" if alone else ".above-input"):
            code.extract()
        for caption in block.select("figcaption"):
            self.notes += caption.extract().find_all("p")
        self.shown.append(block)


def deck(text: str, page: str) -> list[Face]:
    body = BeautifulSoup(DOCSTRING.sub(r'\1"""</span>', text).replace(SAVE, ""), "html.parser")
    tidy(body, page)
    made, heading = [Face("", "")], ""
    for block in blocks(body):
        if block.name in ("h1", "h2", "h3"):
            heading = block.decode_contents()
            if block.name == "h1":
                made.append(Face("", heading, {1}))  # with the first list, what is to be built
            elif block.name == "h2":
                made.append(Face(heading, ""))
        elif block.name == "slide-mark":
            if made[-1].title:
                made.append(Face(made[-1].part, ""))
            made[-1].mark(block, heading)
        elif block.name != "span":
            made[-1].add(block)
    return [face for face in made if face.title]


def blocks(parent: Tag) -> list[Tag]:
    """The parts of the page in their order, without the sections around them."""
    parts = (child for child in parent.find_all(True, recursive=False))
    return [block for part in parts for block in (blocks(part) if part.name == "section" else [part])]


def tidy(body: BeautifulSoup, page: str) -> None:
    """Links and pictures lead back to the book; ids, which are the page's, stay where drawings use them."""
    for link in body.select("a.headerlink"):
        link.decompose()
    for part in body.select("[id]:not(svg *)"):
        del part["id"]
    for name, parts in (("href", body.select("a[href]")), ("src", body.select("img[src]"))):
        for part in parts:
            part.attrs.pop("data-definition", None)
            if not re.match(r"\w+:", str(part[name])):
                part[name] = f"../{page}.html{part[name]}" if str(part[name]).startswith("#") else f"../{part[name]}"
