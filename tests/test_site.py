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
import time
from urllib.parse import unquote, urlparse

import pytest
import yaml
from booktools import __main__, project, search
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

{sentence} ($\\mathbf x_{{\\text{{kelvin}}}} \\in \\mathbb R$).

```{{code-cell}} ipython3
from pathlib import Path  # {sentence}
with open("../../ran.txt", "a") as file:
    print(Path.cwd().name + "/{name}", file=file)
```

```{{figure}} ../figures/drawing.svg
:alt: a < b {edition}

{sentence}
```

```{{touch}} fit-line
:name: touch-{name}
:alt: a line {edition}

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

```{{code-cell}} ipython3
:tags: [hide-output]

print("predicted")
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


@pytest.fixture(scope="session")
def book(tmp_path_factory):
    """The tiny book's folder, built; `log` holds what the build said."""
    root = tmp_path_factory.mktemp("book")
    for name in ("tools", "book/templates", "book/static", "book/figures/touch"):
        shutil.copytree(project.ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("terms.csv", "figures/words.yml"):
        shutil.copy(project.BOOK / name, root / "book" / name)
    (root / "book/references.bib").write_text("@misc{gauss1809, author={Gauss, C. F.}, title={Theoria}, year={1809}}")
    (root / "_toc.yml").write_text(TOC)
    (root / "book/figures/drawing.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" stroke="currentColor"/>')
    (root / "book/figures/touch-fit-line.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><svg></svg></svg>')
    config = yaml.safe_load((project.ROOT / "_config.yml").read_text("utf-8"))
    french = {"edition_name": "Français", "language": "fr", "html_title": "Pas à pas"}
    config["sphinx"]["config"]["editions"]["fr"] = french
    (root / "_config.yml").write_text(yaml.safe_dump(config, allow_unicode=True, sort_keys=False), "utf-8")
    for edition in EDITIONS:
        title, sentence, term = WORDS[edition]
        folder = root / "book" / edition
        folder.mkdir()
        for name in ("one", "two"):
            text = SECTION.format(name=name, edition=edition, title=title, sentence=sentence, term=term)
            (folder / f"{name}.md").write_text(text, "utf-8")
        (folder / "index.md").write_text(f"# {title}\n\n```{{bibliography}}\n```\n", "utf-8")
        entry = f"{term}\n: {title}: “a & b”."
        (folder / "glossary.md").write_text(f"# {title}\n\n```{{term-table}}\n{entry}\n```\n", "utf-8")
    real = project.ROOT
    project.use(root)
    assert __main__.main(["sync"]) == 0
    project.use(real)
    (root / "ran.txt").write_text("")
    code, log = build(root)
    assert code == 0, log
    return root


def build(root, strict=True, patch=""):
    """The reader's command, with or without the options of `make book`; its exit status and all it printed."""
    command = [sys.executable, "-c", f"{patch}\nfrom jupyter_book.cli.main import main\nmain()", "build", "."]
    command += ["-W", "-n", "--keep-going"] if strict else []
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, encoding="utf-8")
    return done.returncode, done.stdout + done.stderr


def site(root, edition):
    return root / "_build/html" / ("" if edition == "en" else edition)


def page(root, edition, name):
    return BeautifulSoup((site(root, edition) / f"{name}.html").read_text("utf-8"), "html.parser")


def every_page(root):
    return [(edition, path) for edition in EDITIONS for path in sorted(site(root, edition).glob("[!4]*.html"))]  # but 404


def test_a_build_runs_no_cell(book):
    assert (book / "ran.txt").read_text() == ""
    assert "solved" in page(book, "fr", "two").text  # what sync stored


@pytest.mark.parametrize(
    "edition, lang, labels",
    [
        ("en", "en", ["Table 1.1", "Exercise 1.1", "Solution to", "Show the output"]),
        ("vi", "vi", ["Bảng 1.1", "Bài tập 1.1", "Lời giải cho", "Hiện mã", "Xem kết quả", "Tìm kiếm"]),
        ("zh", "zh-CN", ["表 1.1", "练习 1.1", "解答", "显示代码", "查看输出", "搜索"]),
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
    for element in soup(["script", "style", "pre", "dl", "math"]):
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


def test_formulas_are_on_the_page_when_it_arrives(book):
    for edition, path in every_page(book):
        text = path.read_text("utf-8")
        assert "mathjax" not in text.lower() and not (path.parent / "_static/mathjax").exists()
        assert not [made for made in BeautifulSoup(text, "html.parser").find_all("math") if "\\" in made.text]
    for edition in EDITIONS:
        soup = page(book, edition, "two")
        display = soup.select_one("div.math#equation-eq-two")
        assert display.select_one("div.formula > math[display=block]").text == "a=b"
        assert display.select_one("span.eqno > a")["href"] == "#equation-eq-two" and "(2.1)" in display.text
        assert soup.select_one("span.formula").text == "(𝐱kelvin∈ℝ)."
        assert not soup.select("link[rel=preload]")  # the text comes first: the font would hold it up on a slow line
    notebook = (site(book, "en") / "notebooks/two.ipynb").read_text("utf-8")
    assert r"$\\mathbf x_{\\text{kelvin}} \\in \\mathbb R$" in notebook


@pytest.mark.parametrize("edition", WORDS)
def test_the_search_index(book, edition):
    """By section, exercise and term; with the solution in its exercise, without formulas and outputs."""
    pages = json.loads((site(book, edition) / search.INDEX).read_text("utf-8").removeprefix(search.BEGINNING))["pages"]
    assert set(pages) == {"index", "one", "two", "glossary"}
    title, sentence, term = WORDS[edition]
    section, exercise = pages["one"]
    assert section[1] == title and section[2] == term and sentence in section[3] and "from pathlib import Path" in section[3]
    assert exercise[0] == "ex-one" and exercise[1].endswith("1.1") and exercise[3].count(sentence) == 2
    assert "a = b" not in section[3] and 'print("solved")' in exercise[3] and "\nsolved" not in exercise[3]
    assert term in [row[1] for row in pages["glossary"] if row[0].startswith("term-")]
    assert not [name for name in search.REPLACED if (site(book, edition) / "_static" / name).exists()]


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
    assert (drawing["role"], drawing["aria-label"], drawing["stroke"]) == ("img", f"a < b {edition}", "currentColor")
    assert not page(book, edition, "one").select("img[src*=drawing]")


@pytest.mark.parametrize("edition, said", [("vi", "Đi một bước"), ("fr", "One step")])  # French has no words yet
def test_a_figure_to_touch_is_a_picture_until_its_script_comes(book, edition, said):
    soup = page(book, edition, "one")
    place = soup.select_one("figure#touch-one > div.touch[data-touch=fit-line] > svg.diagram")
    assert place["aria-label"] == f"a line {edition}" and soup.select_one("figure#touch-one figcaption .caption-number")
    [script] = [script["src"] for script in soup.select("script[defer]") if "touch" in script["src"]]
    code = (site(book, edition) / script.partition("?")[0]).read_text("utf-8")
    assert said in code and not re.search("^(import|export) ", code, re.M)
    assert not page(book, edition, "glossary").select("script[src*=touch]")
    cells = json.loads((site(book, edition) / "notebooks/one.ipynb").read_text("utf-8"))["cells"]
    assert "one.html#touch-one)" in "".join(line for cell in cells for line in cell["source"])


def test_editions_share_their_ids(book):
    for edition in EDITIONS:
        ids = {element["id"] for element in page(book, edition, "one").select("article [id]")}
        assert {"a-tiny-section", "one", "ex-one", "solution-ex-one"} <= ids, edition
        assert page(book, edition, "glossary").select_one("dt#term-learning-rate"), edition


# ---- in a browser


def tab(browser, locale="en"):
    return browser.new_page(viewport={"width": 900, "height": 300}, locale=locale)


def test_another_edition_opens_at_the_same_place(book, browser):
    reader, start = tab(browser), site(book, "en").as_uri()
    reader.goto(f"{start}/one.html#ex-one")
    reader.click("nav.editions a[lang=vi]")
    assert reader.url == f"{start}/vi/one.html#ex-one"
    reader.goto(f"{start}/one.html")
    reader.click("nav.editions a[lang=vi]")
    assert reader.url == f"{start}/vi/one.html"
    reader.goto(f"{start}/search.html?q=entropy")
    reader.click("nav.editions a[lang=zh-CN]")
    assert reader.url == f"{start}/zh/search.html?q=entropy"


def test_a_link_into_a_fold_opens_it(book, browser):
    reader, start = tab(browser), site(book, "en").as_uri()
    reader.goto(f"{start}/one.html")
    assert not reader.is_visible("#solution-ex-one > section")
    reader.evaluate("location.hash = 'solution-ex-one'")
    reader.wait_for_selector("#solution-ex-one > section", timeout=5000)
    reader.goto(f"{start}/two.html#solution-ex-two-content")
    assert reader.is_visible("#solution-ex-two > section")


def test_a_first_visitor_is_told_of_the_own_edition(book, browser):
    reader, start = tab(browser, "vi-VN"), site(book, "en").as_uri()
    reader.goto(f"{start}/vi/one.html")
    assert not reader.is_visible(".offer")
    reader.goto(f"{start}/one.html")
    assert "tiếng Việt" in reader.text_content(".offer[lang=vi]")
    reader.click(".offer button")
    reader.goto(f"{start}/two.html")
    assert not reader.is_visible(".offer")


# ---- bad days; these change the book and build it again, each leaves it as it was


def changed(path, old, new):
    """Put a change into a file of the book; gives back what undoes it."""
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    return lambda: path.write_text(text, "utf-8")


def test_code_that_was_not_run_and_references_to_nothing_fail_the_build(book):
    nothing = "{ref}`x1` {numref}`x2` {eq}`x3` {doc}`x4` {term}`x5` {cite}`x6` [a](two.md#x7) ![a](x8.png)\n\n(two)=\n## Twice"
    undo = [
        changed(book / "book/zh/two.md", 'print("solved")', "1 / nothing"),
        changed(book / "book/vi/one.md", WORDS["vi"][1] + " {term}", nothing + "\n{term}"),
        changed(book / "book/fr/one.md", r"\mathbf x", r"\nothing"),
        changed(book / "book/fr/two.md", f"{WORDS['fr'][1]} {{term}}", f":::{{slide}}\n:show: 9\n:::\n{WORDS['fr'][1]} {{term}}"),
    ]
    code, log = build(book)
    for back in undo:
        back()
    assert code != 0 and "Traceback" not in log and "The edition book/vi was not built" in log
    line = (book / "book/zh/two.md").read_text("utf-8").partition('print("solved")')[0].count("\n") - 2
    assert f"book/zh/two.md:{line}: cell 3 was changed and not run → make sync" in log
    for name in [f"x{n}" for n in range(1, 9)]:
        assert re.search(rf"book/vi/one\.md:\d*.*{name}", log), name
    assert re.search(r"book/vi/\w+\.md:.*duplicate label two", log)
    assert re.search(r"book/fr/one\.md:\d+: .*a formula cannot be set: .*\\nothing", log)
    assert re.search(r"book/fr/two\.md: .*the slide “.*Une petite section” is to show part 9 of the \d+ that follow its mark → correct", log)


def test_editions_that_differ_and_links_to_nowhere_fail_the_build(book):
    undo = [
        changed(book / "book/vi/one.md", WORDS["vi"][1] + " {term}", "$x^9$ {term}"),
        changed(book / "book/figures/drawing.svg", "/>", '><g id="x"/><a id="x" href="gone.html#a"/><a href="one.html#gone"/></svg>'),
    ]
    code, log = build(book)
    for back in undo:
        back()
    assert code != 0 and "Traceback" not in log and "The book has" in log
    assert re.search(r"book/vi/one\.md:\d+: the formula `x\^9` occurs 1× more often than in English → take it out", log)
    assert "fr/two.html: the link `gone.html#a` leads to no file → correct it" in log
    assert "fr/two.html: 2 elements have the id `x` → give" in log
    assert "one.html: the link `one.html#gone` leads to no place on its page → correct it" in log


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
    (site(book, "en") / search.INDEX).unlink()  # as in a first build
    patch = "from sphinx.builders.html import StandaloneHTMLBuilder as Builder\n"
    patch += "def write_doc(*arguments): raise KeyboardInterrupt\nBuilder.write_doc = write_doc"
    cut_off, said = build(book, patch=patch)
    code, log = build(book)
    path.write_text(text, "utf-8")
    assert cut_off != 0 and "pickling environment" in said and "Interrupted!" in said
    assert code == 0, log
    assert "And more." in page(book, "en", "two").text and (site(book, "en") / search.INDEX).exists()


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
    assert "book/zh/one.md:1: the file is missing → write it" in log
    path.write_text(text, "utf-8")


def test_the_book_is_built_again_when_something_changed_and_only_then(tmp_path):
    files = [tmp_path / name for name in ("book/en/a b.md", "src/s.py", "tools/t.py", "_config.yml", "_toc.yml", "CITATION.cff",
                                          "requirements.lock", "pyproject.toml", ".venv/ready")]  # fmt: skip
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / ".venv/bin").mkdir()
    build = "mkdir -p _build/html && touch _build/html/index.html && echo built"
    for name, does in (("python", "true"), ("jupyter-book", build + " && [ ! -e broken ]")):
        (tmp_path / ".venv/bin" / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / ".venv/bin" / name).chmod(0o755)
    (tmp_path / "Makefile").write_text((project.ROOT / "Makefile").read_text("utf-8"))

    def make():
        done = subprocess.run(["make", "--no-print-directory", "book"], cwd=tmp_path, capture_output=True, text=True)
        return done.stdout.count("built"), done.returncode == 0

    assert [make(), make()] == [(1, True), (0, True)]
    for change in (files[0].touch, files[0].unlink, (tmp_path / "_build/html/index.html").unlink, files[-1].touch):
        time.sleep(.02)
        change()
        assert [make(), make()] == [(1, True), (0, True)]
    files[1].touch()
    (tmp_path / "broken").touch()
    assert [make(), make()] == [(1, False), (1, False)]
