"""Section 11: what the page shows of the other frameworks is what their scripts printed, and the tabs serve everyone.

None of the frameworks is needed here but PyTorch; `make frameworks` runs the scripts.
"""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from booktools import frameworks, project, sources

SITE = project.ROOT / "_build/html"
PAGE = "other-frameworks"
SCRIPTS = {script.stem: script for script in frameworks.scripts()}

needs_site = pytest.mark.skipif(not (SITE / f"{PAGE}.html").exists(), reason="There is no finished site: run make book first.")


@pytest.fixture
def copy(tmp_path):
    """A project of its own with the scripts, what they printed and the table."""
    shutil.copytree(frameworks.folder(), tmp_path / "book/frameworks", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(project.ROOT / "requirements.txt", tmp_path)
    (tmp_path / "_build").mkdir()
    root = project.ROOT
    project.use(tmp_path)
    yield tmp_path / "book/frameworks"
    project.use(root)


# ---- what is kept


@pytest.mark.parametrize("changed, named", [
    (None, []),
    ("in_jax.py", ["in_jax.py"]),
    ("requirements-mxnet.txt", ["in_mxnet.py"]),
    ("../../requirements.txt", ["in_pytorch.py"]),
    ("in_numpy.txt", ["in_numpy.py"]),
    ("table.csv", ["table.csv"]),
    ("fashion.py", [script.name for script in SCRIPTS.values()]),
])  # fmt: skip
def test_what_no_longer_fits_is_named_with_its_cure(copy, changed, named):
    if changed:
        path = copy / changed
        path.write_text(re.sub(r"^torch==.*", "torch==0.1", path.read_text(), flags=re.M) + "\n# changed\n")
    found = list(frameworks.failures())
    assert [line.partition(":1: ")[0] for line in found] == [f"book/frameworks/{name}" for name in named]
    assert all(line.endswith("→ make frameworks") for line in found)


def test_only_what_is_stale_runs(copy, capsys):
    for script in copy.glob("in_*.py"):
        if script.stem != "in_numpy":
            script.unlink()
    (copy / "requirements-numpy.txt").unlink()  # this Python will do
    (copy / "in_numpy.py").write_text("print('NumPy 1')\nprint('from scratch: test accuracy 0.9, 1.0 s')\nprint(1)\n")
    assert frameworks.run() == 0 and "1 of 1" in capsys.readouterr().out
    assert (copy / "in_numpy.txt").read_text().startswith("NumPy 1\nfrom scratch: test accuracy 0.9, 1.0 s\n1\nmade from ")
    assert (copy / "table.csv").read_text() == "NumPy 1,0.9,1.0,–,–\n"
    assert frameworks.run() == 0 and "0 of 1" in capsys.readouterr().out
    (copy / "in_numpy.py").write_text("1 / 0")
    with pytest.raises(project.Problem, match="ZeroDivisionError[\\s\\S]*in_numpy.py:1: it fails.* → mend it"):
        frameworks.run()
    assert len(list(frameworks.failures())) == 1  # what it printed before is still there, and still stale


def test_an_environment_that_cannot_be_made_is_named(monkeypatch):
    monkeypatch.setattr(frameworks.subprocess, "run", lambda command: subprocess.CompletedProcess(command, 1))
    with pytest.raises(project.Problem, match="requirements-jax.txt:1: its environment cannot be made.* → mend it"):
        frameworks.environment(SCRIPTS["in_jax"])


def test_all_frameworks_learn_the_same():
    found = {stem: frameworks.RESULT.findall(project.read(frameworks.kept(script))) for stem, script in SCRIPTS.items()}
    ways = {stem: [way for way, *_ in results] for stem, results in found.items()}
    assert ways == {stem: ["from scratch", "concisely"][: 1 + (stem != "in_numpy")] for stem in SCRIPTS} and len(SCRIPTS) == 5
    accuracies = [float(accuracy) for results in found.values() for _, accuracy, _ in results]
    assert min(accuracies) > 0.82 and max(accuracies) - min(accuracies) < 0.0005  # rounding alone; seeds: 0.025


# ---- what the page shows


def test_the_functions_of_pytorch_are_those_of_the_book():
    cells = [cell.source for cell in sources.read("en", "softmax-regression-scratch").code]
    theirs = {node.name: ast.unparse(node) for cell in cells for node in ast.parse(sources.python(cell)).body if isinstance(node, ast.FunctionDef)}
    ours = {node.name: ast.unparse(node) for node in ast.parse(project.read(SCRIPTS["in_pytorch"])).body if isinstance(node, ast.FunctionDef)}
    for name in ("softmax", "net", "cross_entropy"):
        assert ours[name] == theirs[name]


@pytest.mark.parametrize("edition", project.editions())
def test_each_page_shows_every_cell_of_every_script(edition):
    page = project.read(project.source(edition, PAGE))
    shown = re.findall(r'^```\{literalinclude\} \.\./frameworks/(\w+)\.py\n:language: python\n:start-after: "# %% (.*)"\n(:end-before: "# %%"\n)?```', page, re.M)
    for path in [frameworks.folder() / "fashion.py", *SCRIPTS.values()]:
        titles = re.findall(r"^# %% (.*)$", project.read(path), re.M)
        mine = [(title, bool(end)) for stem, title, end in shown if stem == path.stem]
        assert mine == [(title, title != titles[-1]) for title in titles], path.name


def code(text):
    """What a script or a notebook does, the import of what all scripts share apart."""
    body = ast.parse(text).body
    return [ast.unparse(n) for n in body if not (isinstance(n, ast.ImportFrom) and n.module == "fashion") and not sources.is_docstring(n)]


@needs_site
@pytest.mark.parametrize("folder", [frameworks.interface.folder(edition) for edition in project.editions()])
def test_notebooks_are_the_scripts_whole(folder):
    for script in SCRIPTS.values():
        notebook = nbformat.read(SITE / folder / f"notebooks/frameworks/{frameworks.name(script)}.ipynb", as_version=4)
        made = code("\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code"))
        wanted = [*code(project.read(frameworks.folder() / "fashion.py")), *code(project.read(script))]
        assert made == wanted, script.name
        assert notebook.cells[0].source.startswith("# ") and PAGE in notebook.cells[0].source


@needs_site
def test_a_notebook_runs_alone(tmp_path):
    cells = nbformat.read(SITE / "notebooks/frameworks/numpy.ipynb", as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    if not Path("/usr/share/datasets/fashion-mnist").exists():
        pytest.skip("the images are not installed here, and a test downloads nothing")
    printed = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "from scratch: test accuracy 0.8" in printed


# ---- tabs, in a browser

SHOWN = "() => [...document.querySelectorAll('.sd-tab-content')].map((part) => part.checkVisibility())"
ONE = "() => [...document.querySelectorAll('.sd-tab-set > input:checked + label')].map((label) => label.textContent.trim())"


@needs_site
def test_tabs_by_keyboard_and_on_every_page(browser):
    with browser.new_context(viewport={"width": 390, "height": 844}) as context:
        page = context.new_page()
        page.goto((SITE / f"{PAGE}.html").as_uri())
        assert page.evaluate(ONE) == ["NumPy", "NumPy"] and sum(page.evaluate(SHOWN)) == 2
        page.focus(".sd-tab-set > input")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert page.evaluate(ONE) == ["JAX", "JAX"] and sum(page.evaluate(SHOWN)) == 2
        for edition in ("vi/", "zh/"):  # kept there, and for the next time
            page.goto((SITE / f"{edition}{PAGE}.html").as_uri())
            assert page.evaluate(ONE) == ["JAX", "JAX"]
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


@needs_site
def test_all_tabs_are_shown_without_scripts_and_on_paper(browser):
    for scripts, media in ((False, "screen"), (True, "print")):
        with browser.new_context(java_script_enabled=scripts) as context:
            page = context.new_page()
            page.emulate_media(media=media)
            page.goto((SITE / f"{PAGE}.html").as_uri())
            boxes = [part.bounding_box() for part in page.locator(".sd-tab-content").all()]
            assert len(boxes) == 10 and all(box and box["height"] > 30 for box in boxes)


@needs_site
def test_only_this_page_loads_the_script_of_tabs():
    loading = [path.name for path in SITE.rglob("*.html") if "design-tabs.js" in path.read_text("utf-8")]
    assert loading == [f"{PAGE}.html"] * len(project.editions())
    style = (SITE / "_static/style.css").read_text("utf-8")
    assert ".sd-tab-set" in style and ".sd-btn" not in style and ".sd-octicon" not in style
