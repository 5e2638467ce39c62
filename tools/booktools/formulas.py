"""Formulas: the TeX of a page becomes MathML when the book is built, so that a page shows them without a script."""

import re
import unicodedata
from html import escape, unescape
from typing import Any
from xml.etree import ElementTree

from docutils import nodes
from math_core import LatexError, LatexToMathML
from sphinx.application import Sphinx
from sphinx.locale import _
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

CONVERTER = LatexToMathML(fancy_error=False)
LONG = 16  # characters: a longer formula in a line of text may be broken after these, as TeX does
RELATIONS, SIGNS = set("=≈≠<>≤≥≪≫∈∼∝→←,"), set("+−")
STUCK_BEFORE = re.compile(r"[(\[“‘（《「]+$")  # ends no line before a formula
STUCK_AFTER = re.compile(r"^(?:[-–]\w+|[^\w\s(\[“‘（《「]+)")  # begins no line after one


def setup(app: Sphinx) -> None:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    app.connect("doctree-resolved", set_formulas, priority=950)  # readers' notebooks, written before, keep TeX


def set_formulas(app: Sphinx, doctree: Any, page: str) -> None:
    """Set the page's formulas. What they read as takes the place of the TeX, for whoever asks for the page's text."""
    if app.builder.format != "html":
        return
    for node in list(doctree.findall(lambda node: isinstance(node, nodes.math | nodes.math_block))):
        node["mathml"] = mathml(node)
        if isinstance(node, nodes.math):
            node["mathml"] = bind(node, node["mathml"])
        node.children = [nodes.Text(reading(node["mathml"]))]


def mathml(node: Any) -> str:
    tex, block = node.astext(), isinstance(node, nodes.math_block)
    if r"\\" in tex and r"\begin{" not in tex:
        tex = rf"\begin{{aligned}}{tex}\end{{aligned}}"
    tex = re.sub(r"\{(align|equation|gather)\}", r"{\1*}", tex)  # Sphinx gives the numbers
    try:
        made = CONVERTER.convert_with_local_state(tex, displaystyle=block)
    except LatexError as error:
        logging.getLogger(__name__).warning("a formula cannot be set: %s, in %s", error, tex, location=node)
        return escape(tex)
    made = made.replace("&ApplyFunction;", "\u2061").replace("\ufe00", "")  # the font has one calligraphic alphabet
    made = re.sub("<mo(?=[^>]*>[⊕⊗])", r'<mo largeop="false"', made)  # or Firefox takes it for the sum of many
    made = re.sub(r"(<ms\w+>)(<mo minsize.*?</mo>)", r"\1<mrow>\2</mrow>", made)  # or Chromium leaves it small
    return broken(made, block) if length(made) > LONG else made


def length(made: str) -> int:
    return len(re.sub(r"<[^>]*>", "", made))


def reading(made: str) -> str:
    """A formula as plain text: y ˆ = softmax ( XW + b )."""
    return " ".join(unicodedata.normalize("NFKC", unescape(re.sub(r"<[^>]*>", " ", made))).split())


def broken(made: str, block: bool) -> str:
    """One formula as several, with places between them where a line may end, for a browser breaks none."""
    parts, depth = [""], 0
    for child in ElementTree.fromstring(made):
        core = child
        while core.tag in ("msub", "msup", "msubsup"):
            core = core[0]
        if core.tag == "mo":
            depth += (core.text in ("(", "[")) - (core.text in (")", "]"))
        if block and child.get("width") == "2em":  # \qquad; what it parts are formulas of their own
            parts.append("")
            continue
        parts[-1] += ElementTree.tostring(child, "unicode")
        free = not (block or depth) and child.get("rspace") != "0"
        if free and (child.text in RELATIONS or child.text in SIGNS and length(parts[-1]) > LONG / 2):
            parts.append("")
    start = '<math display="block">' if block else '<math class="long">'
    return ("" if block else "<wbr>").join(f"{start}{part}</math>" for part in parts if part)


def bind(node: Any, made: str) -> str:
    """The formula with the marks beside it, taken over from the text: no line begins or ends between them."""
    around, place, marks = node.parent, node.parent.index(node), ["", ""]
    for side, at, pattern in ((0, place - 1, STUCK_BEFORE), (1, place + 1, STUCK_AFTER)):
        if 0 <= at < len(around) and isinstance(around[at], nodes.Text) and (found := pattern.search(around[at])):
            marks[side] = escape(found[0])
            around[at] = nodes.Text(pattern.sub("", around[at]))
    parts = f"{marks[0]}{made}{marks[1]}".split("<wbr>")
    return "<wbr>".join(f'<span class="formula">{part}</span>' for part in parts) if any(marks) else made


# ---- what Sphinx writes


def visit_inline(self: Any, node: Any) -> None:
    self.body.append(node.get("mathml") or mathml(node))  # a title in the contents was not set with its page
    raise nodes.SkipNode


def visit_block(self: Any, node: Any) -> None:
    self.body.append(self.starttag(node, "div", "", CLASS="math"))
    self.body.append(f'<div class="formula">{node.get("mathml") or mathml(node)}</div>')
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, _("Link to this equation"))
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode
