"""The website: one build gives every edition, in its language, searchable, without a network, and fails in plain words.

A tiny book with the project's own configuration and tools is built once, in a folder of its own, with a fourth
language added as CONTRIBUTING.md says; the last tests change it and build it again.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
import yaml
from booktools import project, search
from bs4 import BeautifulSoup

WORDS = {  # title, a sentence to search for, a term
    "en": ("A tiny section", "The cross-entropy falls.", "learning rate"),
    "vi": ("Một mục nhỏ", "Đạo hàm của hàm mất mát giảm dần.", "tốc độ học"),
    "zh": ("一个小节", "交叉熵损失在训练中下降。", "学习率"),
    "fr": ("Une petite section", "L’entropie croisée diminue.", "learning rate"),  # no column of terms yet
}
SECTION = """---
file_format: mystnb
kernelspec: {{name: python3, display_name: Python 3, language: python}}
---

({name})=
# {title}

{sentence} {{term}}`{term}`, {{numref}}`table-{name}`, {{numref}}`ex-{name}`, {{eq}}`eq-{name}`, {{cite}}`gauss1809`.

$$ a = b $$ (eq-{name})

```{{code-cell}} ipython3
from pathlib import Path  # {sentence}
with open("../../ran.txt", "a") as file:
    print(Path.cwd().name + "/{name}", file=file)
```

```{{figure}} ../figures/drawing.svg
:alt: a < b

{sentence}
```

```{{list-table}} {title}
:name: table-{name}

* - 1
```

```{{exercise-start}}
:label: ex-{name}
```
{sentence}
```{{exercise-end}}
```

```{{solution-start}} ex-{name}
:class: dropdown
```
{sentence}

```{{code-cell}} ipython3
:tags: [hide-input]

print("solved")
```

```{{solution-end}}
```
"""
TOC = """format: jb-book
root: index
options: {numbered: true}
chapters: [file: one, file: two, file: glossary]
"""
EDITIONS = list(WORDS)

pytestmark = pytest.mark.xdist_group("site")  # one worker, or each would build the book


@pytest.fixture(scope="session")
def book(tmp_path_factory):
    """The tiny book's folder, built; `log` holds what the build said."""
    root = tmp_path_factory.mktemp("book")
    for name in ("booktools", "templates", "static"):
        shutil.copytree(project.BOOK / name, root / "book" / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(project.BOOK / "terms.csv", root / "book")
    (root / "book/references.bib").write_text("@misc{gauss1809, author={Gauss, C. F.}, title={Theoria}, year={1809}}")
    (root / "_toc.yml").write_text(TOC)
    (root / "book/figures").mkdir()
    (root / "book/figures/drawing.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" stroke="currentColor"/>')
    config = yaml.safe_load((project.ROOT / "_config.yml").read_text("utf-8"))
    french = {"edition_name": "Français", "language": "fr", "html_title": "Pas à pas"}
    config["sphinx"]["config"]["editions"]["fr"] = french
    (root / "_config.yml").write_text(yaml.safe_dump(config, allow_unicode=True, sort_keys=False), "utf-8")
    for edition in EDITIONS:
        title, sentence, term = WORDS[edition]
        folder = root / "book" / edition
        folder.mkdir()
        for name in ("one", "two"):
            text = SECTION.format(name=name, title=title, sentence=sentence, term=term)
            (folder / f"{name}.md").write_text(text, "utf-8")
        (folder / "index.md").write_text(f"# {title}\n\n```{{bibliography}}\n```\n", "utf-8")
        entry = f"{term}\n: {title}: “a & b”."
        (folder / "glossary.md").write_text(f"# {title}\n\n```{{term-table}}\n{entry}\n```\n", "utf-8")
    code, log = build(root)
    assert code == 0, log
    (root / "ran.txt").rename(root / "first.txt")
    return root


def build(root, strict=True, patch=""):
    """The reader's command, with or without the options of `make book`; its exit status and all it printed."""
    command = [sys.executable, "-c", f"{patch}\nfrom jupyter_book.cli.main import main\nmain()", "build", "."]
    command += ["-W", "-n", "--keep-going"] if strict else []
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, encoding="utf-8")
    return done.returncode, done.stdout + done.stderr


def ran(root):
    """The sections whose cells ran since the last time one asked."""
    path = root / "ran.txt"
    lines = path.read_text().split() if path.exists() else []
    path.write_text("")
    return sorted(lines)


def site(root, edition):
    return root / "_build/html" / ("" if edition == "en" else edition)


def page(root, edition, name):
    return BeautifulSoup((site(root, edition) / f"{name}.html").read_text("utf-8"), "html.parser")


def every_page(root):
    return [(edition, path) for edition in EDITIONS for path in sorted(site(root, edition).glob("*.html"))]


def test_each_cell_ran_once_and_then_never_again(book):
    first = (book / "first.txt").read_text().split()
    assert sorted(first) == sorted(f"{edition}/{name}" for edition in EDITIONS for name in ("one", "two"))
    ran(book)
    code, log = build(book)
    assert code == 0, log
    assert ran(book) == []


@pytest.mark.parametrize(
    "edition, lang, labels",
    [
        ("en", "en", ["Table 1.1", "Exercise 1.1", "Solution to"]),
        ("vi", "vi", ["Bảng 1.1", "Bài tập 1.1", "Lời giải cho", "Hiện mã", "Tìm kiếm"]),
        ("zh", "zh-CN", ["表 1.1", "练习 1.1", "解答", "显示代码", "搜索"]),
        ("fr", "fr", ["Exercice 1.1"]),
    ],
)
def test_edition_speaks_its_language(book, edition, lang, labels):
    soup = page(book, edition, "one")
    assert soup.html["lang"] == lang
    text = soup.get_text(" ")
    assert [label for label in labels if label not in re.sub(r"\s+", " ", text)] == []


@pytest.mark.parametrize("edition", ["vi", "zh"])
@pytest.mark.parametrize("name", ["one", "index", "glossary", "search"])
def test_no_english_is_left_in_the_interface(book, edition, name):
    names = {row["edition_name"] for row in project.editions().values()} | {"Français"}
    same_everywhere = names | {"Colab", "Ctrl", "K", ".ipynb", ".pdf", "C. F. Gauss.", "Theoria", "Gauss, 1809", "Gau09"}
    translated_by_script = set(yaml.safe_load((project.BOOK / "templates/interface.yml").read_text("utf-8"))[edition])
    hidden = {"Toggle hidden content"}  # a label the page's script takes away
    both = interface(page(book, "en", name)) & interface(page(book, edition, name))
    left = {text for text in both if re.search("[A-Za-z]{2}", text)}
    left -= same_everywhere | translated_by_script | hidden
    assert {text for text in left if "Theoria" not in text} == set()


def interface(soup):
    """All that a page says but the glossary's words, code and equations."""
    for element in soup(["script", "style", "pre", "dl"]) + soup.select(".math"):
        element.decompose()
    texts = {text.strip() for text in soup.body.stripped_strings}
    for name in ("title", "aria-label", "placeholder", "data-bs-title"):
        texts |= {element[name] for element in soup.body.find_all(attrs={name: True})}
    return texts


def test_every_page_links_to_itself_in_the_other_editions(book):
    for edition, path in every_page(book):
        soup = BeautifulSoup(path.read_text("utf-8"), "html.parser")
        links = {link["hreflang"]: link for link in soup.select("nav.editions a")}
        assert len(links) == len(EDITIONS) - 1
        for lang, link in links.items():
            target = (path.parent / link["href"]).resolve()
            assert target.name == path.name and target.exists()
            assert BeautifulSoup(target.read_text("utf-8"), "html.parser").html["lang"] == lang == link["lang"]
        assert soup.select_one("nav.editions [aria-current]")["lang"] == soup.html["lang"]
        alternates = {link["hreflang"] for link in soup.select("head link[rel=alternate]")}
        assert alternates == {*links, soup.html["lang"], "x-default"}
    names = [link.text for link in page(book, "zh", "one").select("nav.editions a")]
    assert names == ["English", "Tiếng Việt", "Français"]


@pytest.mark.parametrize("edition, at", [("en", ""), ("vi", "vi/"), ("zh", "zh/")])
def test_buttons(book, edition, at):
    repository = project.repository().removeprefix("https://github.com/")
    links = [link["href"] for link in page(book, edition, "one").select(".article-header-buttons a")]
    assert f"https://colab.research.google.com/github/{repository}/blob/gh-pages/{at}notebooks/one.ipynb" in links
    assert "notebooks/one.ipynb" in links and (site(book, edition) / "notebooks/one.ipynb").exists()
    assert f"https://github.com/{repository}/edit/main/book/{edition}/one.md" in links
    assert project.repository() in links
    others = [link["href"] for link in page(book, edition, "glossary").select(".article-header-buttons a")]
    assert not [href for href in others if "colab" in href or "ipynb" in href]
    assert not (site(book, edition) / "_sources").exists()


def test_pages_load_nothing_from_elsewhere(book):
    """Scripts, styles, fonts and pictures are files of the site, and each is there."""
    for edition, path in every_page(book):
        soup = BeautifulSoup(path.read_text("utf-8"), "html.parser")
        loaded = [element["src"] for element in soup.find_all(src=True)]
        named = ("canonical", "alternate")  # these name an address and load nothing
        loaded += [link["href"] for link in soup.select("link[href]") if link["rel"][0] not in named]
        links = [link["href"] for link in soup.select("a[href]") if not urlparse(link["href"]).scheme]
        for address in loaded + links:
            parts = urlparse(address)
            assert not (parts.scheme or parts.netloc), f"{path}: {address}"
            assert not parts.path or (path.parent / unquote(parts.path)).exists(), f"{path}: {address}"
        inline = " ".join(script.text for script in soup.find_all("script", src=False))
        assert not re.search("https?://", inline), path
    for path in site(book, "en").rglob("*.css"):
        for address in re.findall(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)", path.read_text("utf-8")):
            assert not re.match(r"(https?:)?//", "".join(address)), f"{path}: {address}"
    for name in ("tex-chtml.js", "output/chtml/fonts/woff-v2/MathJax_Main-Regular.woff"):
        assert (site(book, "en") / "_static/mathjax" / name).exists()


@pytest.mark.parametrize(
    "edition, query",
    [
        ("vi", "đạo hàm"), ("vi", "dao ham"), ("vi", "ĐẠO HÀM"), ("vi", "mat mat"), ("vi", "ham"),
        ("zh", "交叉熵"), ("zh", "训练"), ("zh", "交叉熵损失"), ("zh", "熵"),
    ],
)  # fmt: skip
def test_search_finds(book, edition, query):
    assert {"one", "two"} <= found(book, edition, query)


@pytest.mark.parametrize("edition, query", [("vi", "bò sữa"), ("vi", "ma thuật"), ("zh", "量子"), ("zh", "叉交")])
def test_search_does_not_find(book, edition, query):
    assert found(book, edition, query) == set()


def found(root, edition, query):
    """What the search page's script finds: pages that hold every word of the query."""
    text = (site(root, edition) / "searchindex.js").read_text("utf-8")
    index = json.loads(text[text.index("{") : text.rindex("}") + 1])
    language = {"vi": search.Vietnamese, "zh": search.Chinese}[edition]({})
    assert language.js_splitter_code.strip() in (site(root, edition) / "_static/language_data.js").read_text("utf-8")
    pages = set(index["docnames"])
    for word in language.split(query):
        hits = set()
        for table in (index["terms"], index["titleterms"]):
            numbers = table.get(language.stem(word).lower(), [])
            hits |= {index["docnames"][n] for n in ([numbers] if isinstance(numbers, int) else numbers)}
        pages &= hits
    return pages


def test_glossary(book):
    glossary = page(book, "vi", "glossary").select_one("dl.glossary")
    terms = [term.get_text().strip("#\n ") for term in glossary.find_all("dt")]
    assert terms.index("dạng đóng") < terms.index("đặc trưng") < terms.index("entropy") < terms.index("tốc độ học")
    words = glossary.find_all("dt")[terms.index("tốc độ học")].find_next("dd").select(".term-word")
    assert [(word["lang"], word.text) for word in words][:2] == [("en", "learning rate"), ("zh-CN", "学习率")]
    assert page(book, "vi", "one").select_one("a[href^='glossary.html'] .std-term").text == "tốc độ học"


@pytest.mark.parametrize("edition", ["en", "vi", "zh"])
def test_a_term_carries_its_definition(book, edition):
    title, _, term = WORDS[edition]
    link = page(book, edition, "one").select_one("a[href^='glossary.html#']")
    assert link.text == term and link["data-definition"] == f"{title}: “a & b”."
    names = page(book, edition, "glossary").select("dl.glossary dt")
    name = next(name for name in names if name.get_text().strip("#\n ") == term)
    assert name.find_next("dd").p.text == link["data-definition"]


@pytest.mark.parametrize("edition", EDITIONS)
def test_drawings_are_part_of_the_page(book, edition):
    drawing = page(book, edition, "one").select_one("figure svg.diagram")
    assert (drawing["role"], drawing["aria-label"], drawing["stroke"]) == ("img", "a < b", "currentColor")
    assert not page(book, edition, "one").select("img[src*=drawing]")


# ---- bad days; these change the book and build it again, each leaves it as it was


def test_changing_one_cell_runs_that_page_alone(book):
    path = book / "book/vi/two.md"
    text = path.read_text("utf-8")
    ran(book)
    path.write_text(text.replace('print("solved")', 'print("solved again")'), "utf-8")
    code, log = build(book)
    assert code == 0, log
    assert ran(book) == ["vi/two"]
    assert "solved again" in page(book, "vi", "two").text
    path.write_text(text, "utf-8")


def test_failing_cell_and_broken_reference_fail_the_build(book):
    cell, reference = book / "book/zh/two.md", book / "book/vi/one.md"
    cell_text, reference_text = cell.read_text("utf-8"), reference.read_text("utf-8")
    cell.write_text(cell_text.replace('print("solved")', "1 / nothing"), "utf-8")
    reference.write_text(reference_text + "\n{ref}`nowhere`\n", "utf-8")
    code, log = build(book)
    line = cell_text[: cell_text.index('print("solved")')].count("\n") + 1
    assert code != 0 and "Traceback" not in log
    number = cell_text[: cell_text.index('print("solved")')].count("{code-cell}")
    assert f"book/zh/two.md, line {line}, cell {number}: the cell below failed with NameError: name 'nothing' is not defined" in log
    assert "1 / nothing" in log
    cell.write_text(cell_text, "utf-8")
    code, log = build(book)
    assert code != 0 and "undefined label: 'nowhere'" in log and "The edition book/vi was not built" in log
    reference.write_text(reference_text, "utf-8")


def test_what_a_lenient_build_warned_of_fails_the_strict_one(book):
    """Sphinx alone would have forgotten the broken references by then."""
    broken = {book / f"book/{edition}/one.md": f"nowhere-{edition}" for edition in ("en", "vi")}
    texts = {path: path.read_text("utf-8") for path in broken}
    for path, label in broken.items():
        path.write_text(f"{texts[path]}\n{{ref}}`{label}`\n", "utf-8")
    assert build(book, strict=False)[0] == 0
    code, log = build(book)
    assert code != 0 and all(f"undefined label: '{label}'" in log for label in broken.values())
    for path, text in texts.items():
        path.write_text(text, "utf-8")


def test_a_build_that_was_cut_off_is_made_whole(book):
    """It ends while pages are written, as by Ctrl-C; the next one passes and writes what is new."""
    path = book / "book/en/two.md"
    text = path.read_text("utf-8")
    path.write_text(f"{text}\nAnd more.\n", "utf-8")
    (site(book, "en") / "searchindex.js").unlink()  # as in a first build
    patch = "from sphinx.builders.html import StandaloneHTMLBuilder as Builder\n"
    patch += "def write_doc(*arguments): raise KeyboardInterrupt\nBuilder.write_doc = write_doc"
    cut_off, said = build(book, patch=patch)
    code, log = build(book)
    path.write_text(text, "utf-8")
    assert cut_off != 0 and "pickling environment" in said and "Interrupted!" in said
    assert code == 0, log
    assert "And more." in page(book, "en", "two").text and (site(book, "en") / "searchindex.js").exists()


def test_a_file_that_is_not_utf8_is_named(book):
    path = book / "book/zh/index.md"
    content = path.read_bytes()
    path.write_bytes(content + b"caf\xe9\n")
    code, log = build(book)
    path.write_bytes(content)
    assert code != 0 and "Traceback" not in log and "book/zh/index.md:5: a character is not in UTF-8" in log


def test_unreadable_options_of_a_cell_are_named(book):
    page = book / "book/vi/two.md"
    text = page.read_text("utf-8")
    page.write_text(text.replace("{code-cell} ipython3\n", "{code-cell} ipython3\n:tags: [broken\n", 1), "utf-8")
    code, log = build(book)
    page.write_text(text, "utf-8")
    assert code != 0 and "Traceback" not in log and "book/vi/two.md:" in log and "correct the options" in log


def test_missing_page_is_named(book):
    path = book / "book/zh/one.md"
    text = path.read_text("utf-8")
    path.unlink()
    code, log = build(book)
    assert code != 0 and "Traceback" not in log
    assert "Missing: book/zh/one.md. Every edition needs every page of _toc.yml" in log
    path.write_text(text, "utf-8")
