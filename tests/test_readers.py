"""The reader's notebooks: plain Markdown with everything resolved, made from a small book with every feature."""

import json
import os
import re
import subprocess
import sys

import nbformat
import pytest
from booktools import project, readers
from markdown_it import MarkdownIt

pytestmark = pytest.mark.xdist_group("readers")  # one worker, or each would build the small book

PACKAGES = ["myst_nb", "sphinx_exercise", "sphinxcontrib.bibtex", "booktools.readers"]
CONF = """
import sys
sys.path.append({book!r})
exclude_patterns = ["_build"]
extensions = {packages}
bibtex_bibfiles = ["references.bib"]
numfig = True
math_numfig = True
html_baseurl = "https://example.org/{edition}/"
language = "{language}"
myst_enable_extensions = ["dollarmath", "colon_fence"]
nb_execution_mode = "force"
reader_note = "{note}"
numfig_format = {{"figure": "{figure} %s", "table": "{table} %s", "section": "{section} %s"}}
"""
EDITIONS = {
    "en": dict(language="en", note="A page of *Softmax*: <{url}>", figure="Fig.", table="Table", section="Section",
               exercise="Exercise", solution="Solution to", rate="learning rate",
               prose="Plain **words** and **words (terms)**, *f*-numbers, *`code`s*."),
    "vi": dict(language="vi", note="Một trang của *Softmax*: <{url}>", figure="Hình", table="Bảng", section="Mục",
               exercise="Bài tập", solution="Lời giải cho", rate="tốc độ học",
               prose="Từ **đậm** và **đậm (chữ)**, *nghiêng*."),
    "zh": dict(language="zh_CN", note="本页出自《Softmax》：<{url}>", figure="图", table="表", section="第",
               exercise="练习", solution="解答", rate="学习率",
               prose="一个 **词（term）** 后，**词**后，**`代码`** 后，*$x$* 后。"),
}
HEAD = "---\nfile_format: mystnb\nkernelspec: {name: python3, display_name: Python 3, language: python}\n---\n"
INDEX = "# Book\n\n```{toctree}\n:numbered:\npage\nother\nglossary\nreferences\n```\n"
OTHERS = {
    "other": "(other)=\n# Other\n\n(other-sub)=\n## A part\n",
    "references": "# References\n\n```{bibliography}\n```\n",
}
PAGE = r"""
(page)=
# Softmax & *friends*

PROSE A house costs $10, another \$20; 2 < 3, a_b, a * b, snake_case_.

```{code-cell} ipython3
:tags: [remove-cell]

from importlib.util import find_spec
if find_spec("json") is None:
    %pip install -q "json"
```

## A part

See {ref}`other`, {numref}`other`, {ref}`here <other-sub>`, [a page](other.md), <https://pytorch.org>, the
{term}`RATE`, *{term}`fast <RATE>`*, {cite}`xiao2017`, {cite:t}`luce1959`, {eq}`eq-softmax`, {eq}`eq-list`, {numref}`fig-net`,
{numref}`fig-cell`, {numref}`tab-one`, {numref}`ex-one`, {ref}`ex-two`. A footnote[^a].

[^a]: The **note** with $x_1$.

$$
\hat y_j = \frac{\exp(o_j)}{\sum_k \exp(o_k)} % a comment
$$ (eq-softmax)

$$
a &= b \\
c &= d
$$

```{code-cell} ipython3
---
tags: [hide-input]
mystnb:
  image: {alt: A circle}
  figure: {caption: The *circle* of $x$., name: fig-cell}
---
from IPython.display import SVG
SVG('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle cx="4" cy="4" r="4"/></svg>')
```

```{figure} net.svg
:name: fig-net
:alt: A net [small]

The net, **two** nodes.
```

```{table} Numbers
:name: tab-one

| a | $p(a\|b)$ |
|:--|--:|
| `x\|y` | 2 |
```

- one

  $$
  y
    = x
  $$ (eq-list)
- two
  1. in
  2. out

:::{note}
Take care.

$$
z
  = 1
$$
:::

:::{admonition} What you need
:class: tip
- `one`
:::

> quoted

## Exercises

```{exercise} Sums of $x$
:label: ex-one

What is $x$?
```

```{solution} ex-one
:class: dropdown

It is *five*.
```

```{exercise-start}
:label: ex-two
```

Try it:

```{code-cell} ipython3
x = 5
print(x)
```

```{exercise-end}
```

```{solution-start} ex-two
:class: dropdown
```

Run this.

```{code-cell} ipython3
x + 1
```

```{code-cell} ipython3
:tags: [remove-cell, only-checks]

limit = 6
assert x < limit
```

```{code-cell} ipython3
:tags: [remove-cell]

y = x
assert y == 5
```

Then that.

```{solution-end}
```

```{code-cell} ipython3
y
```
"""
BIB = """@article{xiao2017, author={Xiao, Han}, title={Fashion}, journal={arXiv}, year={2017}}
@book{luce1959, author={Luce, R. Duncan}, title={Choice}, publisher={Wiley}, year={1959}}
"""
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="5" height="5"/></svg>'


def build(folder):
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-m", "sphinx", "-q", "-n", "-W", "--keep-going", folder, folder / "_build" / "html"]
    return subprocess.Popen(command, cwd=folder, env=env, stderr=subprocess.PIPE, text=True)


def finish(process):
    _, messages = process.communicate(timeout=200)
    assert process.returncode == 0, messages


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    """The small book, built in three languages."""
    folders, builds = {}, []
    for edition, words in EDITIONS.items():
        folder = folders[edition] = tmp_path_factory.mktemp(edition)
        pages = {"index": INDEX, **OTHERS, "glossary": f"# Words\n\n```{{glossary}}\n{words['rate']}\n  A size.\n```\n",
                 "page": HEAD + PAGE.replace("PROSE", words["prose"]).replace("RATE", words["rate"])}
        for name, text in pages.items():
            (folder / f"{name}.md").write_text(text, "utf-8")
        (folder / "references.bib").write_text(BIB)
        (folder / "net.svg").write_text(SVG)
        conf = CONF.format(edition=edition, packages=PACKAGES, book=str(project.ROOT / "tools"), **words)
        (folder / "conf.py").write_text(conf, "utf-8")
        builds.append(build(folder))
    for process in builds:
        finish(process)
    return folders


def reader(folder, page="page"):
    notebook = nbformat.read(folder / "_build" / "html" / "notebooks" / f"{page}.ipynb", as_version=4)
    nbformat.validate(notebook)
    return notebook


def prose(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def html(markdown):
    """As a notebook viewer shows it: mathematics apart, then CommonMark with tables."""
    markdown = re.sub(r"\$\$.*?\$\$|(?<!\\)\$[^$]*\$", "MATH", markdown, flags=re.S)
    return MarkdownIt("commonmark").enable("table").render(markdown)


@pytest.fixture(params=EDITIONS)
def book(request, books):
    notebook = reader(books[request.param])
    return EDITIONS[request.param], notebook, prose(notebook), f"https://example.org/{request.param}/"


def test_nothing_of_the_source_language_is_left(book):
    words, notebook, text, url = book
    for leftover in ("{ref}", "{eq}", "{term}", "{cite", "{numref}", ":::", "```{", "(page)=", "[^a]", "](other.md)", "%s"):
        assert leftover not in text
    assert not re.search(r"\{[a-z:]+\}`", text)


def test_title_note_and_install_cell_come_first(book):
    words, notebook, text, url = book
    first, install, third = notebook.cells[:3]
    assert first.source == f"# 1. Softmax & *friends*\n\n{words['note'].format(url=url + 'page.html')}"
    assert install.source.startswith("from importlib.util import find_spec\n") and "%pip" in install.source
    assert third.cell_type == "markdown"


def test_cells_and_outputs_are_the_executed_ones(book, books, request):
    words, notebook, text, url = book
    executed = nbformat.read(books[url.split("/")[-2]] / "_build" / "jupyter_execute" / "page.ipynb", as_version=4)
    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    kept = [cell for cell in notebook.cells if cell.cell_type == "code"]
    check = [cell for cell in code if "limit" in cell.source]  # the assertion alone; what later cells need stays
    assert len(check) == 1
    code.remove(check[0])
    assert [(cell.source, cell.outputs, cell.execution_count) for cell in kept] == [
        (cell.source, cell.outputs, cell.execution_count) for cell in code
    ]
    assert kept[1].outputs[0].data["image/svg+xml"] and kept[-1].outputs[0].data["text/plain"] == "5"
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)


def test_numbers_and_links_are_resolved(book):
    words, notebook, text, url = book
    number = {key: f"{words[key]} 1.1" for key in ("figure", "table", "exercise")}
    for expected in (
        f"[Other]({url}other.html#other)",
        f"[{words['section']} 2]({url}other.html#other)",
        f"[here]({url}other.html#other-sub)",
        f"[a page]({url}other.html)",
        "<https://pytorch.org>",
        f"[{words['rate']}]({url}glossary.html#term-",
        f"[*fast*]({url}glossary.html#term-",
        f"[(1.1)]({url}page.html#equation-eq-softmax)",
        f"[(1.2)]({url}page.html#equation-eq-list)",
        f"[{number['figure']}]({url}page.html#fig-cell)",
        f"[{words['figure']} 1.2]({url}page.html#fig-net)",
        f"[{number['table']}]({url}page.html#tab-one)",
        f"[{number['exercise']}]({url}page.html#ex-one)",
        f"[{words['exercise']} 1.2]({url}page.html#ex-two)",
        f"Luce [[Luc59]({url}references.html#",
    ):
        assert expected in text
    assert re.search(r"\[\[Xia17\]\(" + re.escape(url) + r"references\.html#\w+\)\]", text)
    for heading in ("## 1.1. A part", "## 1.2. Exercises", f"### {number['exercise']} (Sums of $x$)"):
        assert f"\n{heading}\n" in text


def test_figures(book):
    words, notebook, text, url = book
    after = [b.source for a, b in zip(notebook.cells, notebook.cells[1:]) if "SVG(" in a.source]
    assert after[0].startswith(f"**{words['figure']} 1.1** The *circle* of $x$.")
    assert "![A net [small]](data:image/svg+xml;base64,PHN2" in text
    assert f"**{words['figure']} 1.2** The net, **two** nodes." in text


def test_equations(book):
    text = book[2]
    assert "$$\n\\hat y_j = \\frac{\\exp(o_j)}{\\sum_k \\exp(o_k)} \\tag{1.1}\n$$" in text
    assert "$$\n\\begin{split}\na &= b \\\\\nc &= d\n\\end{split}\n$$" in text
    assert "\n  $$y = x \\tag{1.2}$$\n" in text  # in a list
    assert "\n> $$z = 1$$\n" in text  # in a quotation


def test_exercises_and_solutions(book):
    words, notebook, text, url = book
    title = f"{words['solution']} {words['exercise']} 1.1 (Sums of $x$)"
    assert f"<details>\n<summary>{title}</summary>\n\nIt is *five*.\n\n</details>" in text
    sources = [cell.source for cell in notebook.cells]
    start = sources.index(f"### {words['exercise']} 1.2\n\nTry it:")
    assert sources[start + 1:start + 4] == [
        "x = 5\nprint(x)", f"#### {words['solution']} {words['exercise']} 1.2\n\nRun this.", "x + 1"]


def test_text_shows_as_meant(book):
    words, notebook, text, url = book
    page = html(text)
    shown = re.sub(r"<[^>]*>", "", page)
    assert "**" not in shown and "`" not in shown and "\\" not in shown.replace("\\$", "")
    assert "A house costs $10, another $20; 2 &lt; 3, a_b, a * b, snake_case_." in shown
    assert page.count("<table>") == 1 and "<code>x|y</code>" in page and "$p(a\\vert b)$" in text
    assert "<blockquote>\n<p>quoted</p>" in page and "<strong>What you need</strong>" in page
    assert "<sup>1</sup> The <strong>note</strong>" in page
    if words["language"] == "zh_CN":
        for expected in ("<strong>词（term）</strong> 后", "<strong>词</strong>后", "<strong><code>代码</code></strong> 后"):
            assert expected in page


@pytest.mark.parametrize("inside, outside, expected", [
    ("词", "后", "**词**"), ("词（a）", "后", "<strong>词（a）</strong>"), ("`x`", "后", "<strong>`x`</strong>"),
    ("词。", "", "**词。**"), ("Size.", " ", "**Size.**"),
])
def test_emphasis_beside_chinese(inside, outside, expected):
    assert readers.marked("**", "strong", inside, outside, outside) == expected
    assert "**" not in html(f"-{outside}{expected}{outside}-" if outside else expected)


def test_next_build_brings_everything_up_to_date(books):
    """A page put before changes numbers, a removed page takes its notebook along, a removed notebook comes back.
    """
    folder = books["en"]
    notebooks = folder / "_build" / "html" / "notebooks"
    outputs = [cell.outputs for cell in reader(folder).cells if cell.cell_type == "code"]
    (notebooks / "page.ipynb").unlink()
    (folder / "first.md").write_text(HEAD + "# First\n")
    (folder / "index.md").write_text(INDEX.replace("page\n", "first\npage\n"))
    finish(build(folder))
    assert sorted(path.stem for path in notebooks.iterdir()) == ["first", "page"]
    text = prose(reader(folder))
    assert [cell.outputs for cell in reader(folder).cells if cell.cell_type == "code"] == outputs
    assert "# 2. Softmax" in text and "[Section 3](" in text and "[(2.1)](" in text and "### Exercise 2.1" in text
    (folder / "first.md").unlink()
    (folder / "index.md").write_text(INDEX)
    finish(build(folder))
    assert sorted(path.stem for path in notebooks.iterdir()) == ["page"]
    assert "# 1. Softmax" in prose(reader(folder))


@pytest.mark.parametrize("path", [path for page in project.sections() for path in sorted(project.BOOK.glob(f"*/{page}.ipynb"))],
                         ids=project.show)
def test_sections_keep_their_install_cell_and_all_but_checks(path):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    cells = [nbformat.from_dict({**cell, "source": "".join(cell["source"])}) for cell in cells]
    shown = [i for i, cell in enumerate(cells) if cell.cell_type == "code" and "remove-cell" not in cell.metadata.get("tags", [])]
    made = readers.merge([readers.Heading("# Title"), *shown], cells, "Note")
    assert "%pip install" in made[1].source and len(made) - 1 >= len(shown) + 1
