"""The book on paper, of the pages that `make book` wrote: it can be made, and nothing is lost on the way."""

import re
import zipfile
from xml.etree import ElementTree

import pytest
from booktools import paper, project
from pypdf import PdfReader

EDITION = "vi"  # needs the most letters: its own, and in its glossary the Chinese ones
PAGES = paper.folder(EDITION)
SITE = project.ROOT / "_build/html" / EDITION

pytestmark = pytest.mark.skipif(
    not (PAGES / "references.md").exists(), reason="Nothing was written for paper: run make book first."
)


@pytest.fixture(scope="module")
def made():
    try:
        return paper.make(EDITION)
    except project.Problem as problem:
        if "font" in str(problem):
            pytest.skip(str(problem))
        raise


@pytest.fixture(scope="module")
def pdf(made):
    return PdfReader(made[0])


def shown(pdf):
    """What each page and the pictures on it show: strings of two bytes for each letter."""
    for number, page in enumerate(pdf.pages, 1):
        pictures = [item.get_object() for item in page["/Resources"].get("/XObject", {}).values()]
        for content in [page.get_contents(), *(picture for picture in pictures if picture["/Subtype"] == "/Form")]:
            for text in re.findall(rb"\((?:\\.|[^\\()])*\)|<[0-9A-F]+>", content.get_data(), re.S):
                yield number, bytes.fromhex(text[1:-1].decode()) if text[:1] == b"<" else re.sub(rb"\\([0-7]{1,3}|.)", unescape, text[1:-1], flags=re.S)


def unescape(found):
    code = found[1].decode("latin-1")
    return bytes([int(code, 8)]) if code.isdigit() else {"n": b"\n", "r": b"\r", "t": b"\t", "b": b"\b", "f": b"\f"}.get(code, found[1])


def without_glyph(pdf):
    return [number for number, text in shown(pdf) if b"\0\0" in {text[at : at + 2] for at in range(0, len(text), 2)}]


def test_no_letter_is_missing(pdf, tmp_path):
    assert not without_glyph(pdf)
    (tmp_path / "book.typ").write_text('#set text(font: "Libertinus Serif", fallback: false)\nOnly \u4e2d', "utf-8")
    paper.typeset(tmp_path / "book.typ", tmp_path / "book.pdf")
    assert without_glyph(PdfReader(tmp_path / "book.pdf")) == [1]


def test_bookmarks_lead_to_every_page_of_the_book(pdf):
    chapters = [mark for mark in pdf.outline if not isinstance(mark, list)]
    assert len(chapters) == len(project.pages())
    places = [pdf.get_destination_page_number(mark) for mark in chapters]
    assert places == sorted(set(places)) and 150 < len(pdf.pages) < 400


def test_everything_that_the_site_shows_is_there():
    for page in project.pages():
        written, site = project.read(PAGES / f"{page}.md"), project.read(SITE / f"{page}.html")
        assert len(re.findall("^ *```+python$", written, re.M)) == len(re.findall('<div class="highlight-i?python', site)), page
        assert re.findall(r' number="(\([\d.]+\))"', written) == re.findall(r'<span class="eqno">(\([\d.]+\))', site), page
        assert len(re.findall(r"^ *::: \{.*\.picture\b", written, re.M)) == site.count("<figcaption>"), page
        solutions = re.findall(r"^#+ .*\{#\S+\.(solution-[^\s}]+)", written, re.M)
        assert solutions == re.findall(r'<details class="[^"]*solution[^"]*" id="([^"]+)"', site), page


def test_lines_of_code_fit():
    """A line that is too long is set smaller; beyond this it could not be read."""
    for page in project.pages():
        for block in re.findall(r"(?ms)^ *```+(?:python|output)\n(.*?)\n *```", project.read(PAGES / f"{page}.md")):
            assert max(map(len, block.split("\n"))) <= 120, f"{page}: {block}"


def test_the_epub_is_whole(made):
    with zipfile.ZipFile(made[1]) as book:
        assert book.infolist()[0].filename == "mimetype" and book.read("mimetype") == b"application/epub+zip"
        files = {name: book.read(name).decode() for name in book.namelist() if name.endswith("xhtml")}
    trees = {name.rpartition("/")[2]: ElementTree.fromstring(text) for name, text in files.items()}
    ids = {name: {element.get("id") for element in tree.iter()} for name, tree in trees.items()}
    links = [(name, link.get("href")) for name, tree in trees.items() for link in tree.iter("{http://www.w3.org/1999/xhtml}a")]
    inside = [(name, href) for name, href in links if not re.match("https?:", href)]
    assert len(inside) > 1000
    for name, href in inside:
        file, _, place = href.partition("#")
        assert not place or place in ids[file.rpartition("/")[2] or name], f"{name}: {href}"
    for image in (element for tree in trees.values() for element in tree.iter("{http://www.w3.org/1999/xhtml}img")):
        assert image.get("alt")


def test_a_font_that_is_not_here_is_named(monkeypatch):
    monkeypatch.setattr(paper, "CHINESE", [("No Such Font", "No Such Font")])
    with pytest.raises(project.Problem, match="no font with Chinese characters → install"):
        paper.chinese()


@pytest.mark.parametrize("text, says", [("#link(<no.place>)[x]", "no.place"), ('#text(font: "No Such Font")[x]', "no such font")])
def test_what_would_be_seen_in_the_book_is_refused(tmp_path, text, says):
    (tmp_path / "book.typ").write_text(text)
    with pytest.raises(project.Problem, match=says):
        paper.typeset(tmp_path / "book.typ", tmp_path / "book.pdf")
