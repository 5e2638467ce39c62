"""The reader's notebooks: plain Markdown with everything resolved, made from books/reader, a small book with every feature.

What its page should become stands in books/reader/expected, in English and in Chinese.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from booktools import project, readers
from docutils import nodes
from markdown_it import MarkdownIt

SMALL = Path(__file__).parent / "books" / "reader"
EDITIONS = ("en", "zh")


def build(folder):
    command = [sys.executable, "-m", "sphinx", "-q", "-n", "-W", "--keep-going", folder, folder / "_build" / "html"]
    environment = os.environ | {"PYTHONPATH": str(project.ROOT / "tools")}
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)


def finish(process):
    _, messages = process.communicate(timeout=200)
    assert process.returncode == 0, messages


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    """The small book, built in two languages."""
    root = tmp_path_factory.mktemp("readers")
    folders = {edition: Path(shutil.copytree(SMALL, root / edition)) for edition in EDITIONS}
    for process in [build(folder) for folder in folders.values()]:
        finish(process)
    return folders


def read(folder, kind="html/notebooks"):
    return nbformat.read(folder / "_build" / kind / "page.ipynb", as_version=4)


def text(notebook):
    """The notebook's cells one below the other (+++ begins one of text), without what may differ between versions of Sphinx."""
    fences = {"markdown": "+++\n\n{}", "code": "```python\n{}\n```"}
    cells = [fences[cell.cell_type].format(cell.source) for cell in notebook.cells]
    return re.sub(r"\.html#(id|term-)[\w-]*", r".html#\1", "\n\n".join(cells)) + "\n"


@pytest.mark.parametrize("edition", EDITIONS)
def test_everything_is_resolved(books, edition):
    notebook = read(books[edition])
    nbformat.validate(notebook)
    assert text(notebook) == (SMALL / "expected" / f"{edition}.md").read_text("utf-8")
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)


def test_cells_and_outputs_are_the_executed_ones(books):
    executed, kept = ([cell for cell in read(books["en"], kind).cells if cell.cell_type == "code"] for kind in ("jupyter_execute", "html/notebooks"))
    assert [(cell.source, cell.outputs, cell.execution_count) for cell in kept] == [
        (cell.source, cell.outputs, cell.execution_count) for cell in executed if "limit" not in cell.source]  # the check alone
    assert kept[1].outputs[0].data["image/svg+xml"] and kept[-1].outputs[0].data["text/plain"] == "5"


def html(markdown):
    """As a notebook viewer shows it: mathematics apart, then CommonMark with tables."""
    markdown = re.sub(r"\$\$.*?\$\$|(?<!\\)\$[^$]*\$", "MATH", markdown, flags=re.S)
    return MarkdownIt("commonmark").enable("table").render(markdown)


def test_text_shows_as_meant():
    page = html(re.sub("```.*?```", "", (SMALL / "expected" / "zh.md").read_text("utf-8"), flags=re.S))
    shown = re.sub(r"<[^>]*>", "", page)
    assert "**" not in shown and "`" not in shown and "\\" not in shown.replace("\\$", "")
    assert "A house costs $10, another $20; 2 &lt; 3, a_b, a * b, snake_case_." in shown
    assert page.count("<table>") == 1 and "<code>x|y</code>" in page
    assert "<blockquote>\n<p>quoted</p>" in page and "<strong>What you need</strong>" in page
    assert "<sup>1</sup> The <strong>note</strong>" in page
    for expected in ("<strong>词（term）</strong> 后", "<strong>词</strong>后", "<strong><code>代码</code></strong> 后"):
        assert expected in page


def test_what_a_notebook_cannot_show_is_named(monkeypatch):
    said, page = [], object.__new__(readers.Text)
    logger = SimpleNamespace(warning=lambda text, *words, **place: said.append(text % words))
    monkeypatch.setattr(readers.logging, "getLogger", lambda name: logger)
    assert page.inline(nodes.topic(), False) == "" and said == ["a reader's notebook cannot show topic; teach booktools/readers.py to"]


@pytest.mark.parametrize("inside, outside, expected", [
    ("词", "后", "**词**"), ("词（a）", "后", "<strong>词（a）</strong>"), ("`x`", "后", "<strong>`x`</strong>"),
    ("词。", "", "**词。**"), ("Size.", " ", "**Size.**"),
])
def test_emphasis_beside_chinese(inside, outside, expected):
    assert readers.marked("**", "strong", inside, outside, outside) == expected
    assert "**" not in html(f"-{outside}{expected}{outside}-" if outside else expected)


def test_next_build_brings_everything_up_to_date(books):
    """A page put before changes numbers, a removed page takes its notebook along, a removed notebook comes back."""
    folder, index = books["en"], (SMALL / "index.md").read_text("utf-8")
    notebooks, before = folder / "_build/html/notebooks", read(folder)
    (notebooks / "page.ipynb").unlink()
    (folder / "first.md").write_text((SMALL / "page.md").read_text("utf-8").partition("\n(page)=")[0] + "\n# First\n")
    (folder / "index.md").write_text(index.replace("page\n", "first\npage\n"))
    finish(build(folder))
    assert sorted(path.stem for path in notebooks.iterdir()) == ["first", "page"]
    after = text(read(folder))
    assert [cell.get("outputs") for cell in read(folder).cells] == [cell.get("outputs") for cell in before.cells]
    assert "# 2. Softmax" in after and "[Section 3](" in after and "[(2.1)](" in after and "### Exercise 2.1" in after
    (folder / "first.md").unlink()
    (folder / "index.md").write_text(index)
    finish(build(folder))
    assert [path.stem for path in notebooks.iterdir()] == ["page"] and text(read(folder)) == text(before)
