"""Formulas: each of the book's can be set and has its characters in the font; what is done to them on the way."""

import re
import unicodedata
from xml.etree import ElementTree

import pytest
from booktools import formulas, project
from docutils import nodes
from fontTools.ttLib import TTFont
from markdown_it import MarkdownIt
from mdit_py_plugins.colon_fence import colon_fence_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin

FONT = project.BOOK / "static/fonts/formulas.woff2"
PARSER = MarkdownIt().use(dollarmath_plugin).use(colon_fence_plugin)
# A letter alone in its element is shown slanted: x as U+1D465.
SLANTED = {
    chr(int(unicodedata.decomposition(chr(code)).split()[1], 16)): chr(code)
    for code in [0x210E, *range(0x1D434, 0x1D468), *range(0x1D6E2, 0x1D71C)]
    if unicodedata.decomposition(chr(code))
}


def in_text(text):
    """The formulas of a page's source, in folds and captions too, with whether they are displays."""
    for token in PARSER.parse(text):
        for part in [token, *(token.children or [])]:
            if part.type.startswith("math_"):
                yield part.content, part.type != "math_inline"
        if token.type.endswith("fence") and "{code-cell}" not in token.info:
            yield from in_text(token.content)


def mathml(tex, block=False):
    return formulas.mathml(nodes.math_block("", tex) if block else nodes.math("", tex))


def characters(made):
    for element in ElementTree.fromstring(f"<div>{made}</div>".replace("<wbr>", "")).iter():
        if element.tag in ("mi", "mn", "mo") and (text := element.text):
            yield from SLANTED.get(text, text) if element.tag == "mi" and not element.get("mathvariant") else text


def test_every_formula_of_the_book_is_set_in_the_font():
    has = set(map(chr, TTFont(FONT).getBestCmap()))
    for edition in project.editions():
        for page in project.pages():
            for tex, block in in_text(project.read(project.source(edition, page))):
                made = mathml(tex, block)
                assert made.startswith("<math") and "\\" not in made, f"{edition}/{page}: {tex}"
                lacks = set(characters(made)) - has
                assert not lacks, f"{edition}/{page}: {tex}: add {lacks} to tools/font.py and run it"


def test_the_font_is_small():
    assert FONT.stat().st_size <= 120_000


@pytest.mark.parametrize(
    "tex, piece",
    [
        (r"\mathbf y", "<mi>𝐲</mi>"),
        (r"\boldsymbol\theta", "<mi>𝜽</mi>"),
        (r"\log x", '<mo lspace="0.1667em">\u2061</mo>'),
        (r"\sum_{i \in S} x", '<mo lspace="0" rspace="0">∈</mo>'),
        (r"\Bigr)^2", "<msup><mrow><mo minsize"),
        (r"a &= b \\ &= c", '<mtable displaystyle="true"'),
        (r"\begin{align} a &= b \end{align}", '<mtable displaystyle="true"'),
        (r"\mathcal N", "<mi>𝒩</mi>"),
        (r"a < b", "<mo>&lt;</mo>"),
        (r"\mathbf A \otimes \mathbf B", '<mo largeop="false"'),
    ],
)
def test_how_formulas_are_set(tex, piece):
    assert piece in mathml(tex, True) and "(1)" not in mathml(tex, True)


@pytest.mark.parametrize(
    "tex, parts",
    [
        (r"x = y + 1", ["x=y+1"]),
        (r"f(a = b, c = d) = 1000 - 200 - 3", ["f(a=b,c=d)=", "1000−200−", "3"]),
        (r"(1 - 2x)^2 \approx -500000000 + x_{i=12345}", ["(1−2x)2≈", "−500000000+", "xi=12345"]),
        (r"60{,}000 / 256 = 234.375", ["60,000/256=", "234.375"]),
    ],
)
def test_a_long_formula_may_be_broken_after_signs_outside_brackets(tex, parts):
    assert [re.sub("<.*?>", "", part) for part in mathml(tex).split("<wbr>")] == parts


def test_a_display_is_broken_between_its_formulas():
    made = mathml(r"\mathbf y = \mathbf{Xw}, \qquad \mathbf w = (1, 2, 3, 4, 5) .", True)
    assert re.findall('<math display="block">', made) and made.count("<math") == 2 and "2em" not in made


@pytest.mark.parametrize(
    "before, after, set_, left",
    [
        ("see (", "), and", '<span class="formula">(<math><mi>x</mi></math>),</span>', ["see ", " and"]),
        ("the ", "-th row", '<span class="formula"><math><mi>x</mi></math>-th</span>', ["the ", " row"]),
        ("取“", "”。然后", '<span class="formula">“<math><mi>x</mi></math>”。</span>', ["取", "然后"]),
        ("for ", " and (a)", "<math><mi>x</mi></math>", ["for ", " and (a)"]),
        ("是", "（见", "<math><mi>x</mi></math>", ["是", "（见"]),
    ],
)
def test_marks_stay_with_their_formula(before, after, set_, left):
    formula = nodes.math("", "x")
    paragraph = nodes.paragraph("", "", nodes.Text(before), formula, nodes.Text(after))
    assert formulas.bind(formula, mathml("x")) == set_
    assert [paragraph[0], paragraph[2]] == left


def test_what_a_formula_reads_as():
    assert formulas.reading(mathml(r"\hat{\mathbf y} = \mathrm{softmax}(\text{a bc})")) == "y ˆ = softmax ( a bc )"
