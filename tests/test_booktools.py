"""The tools behind the book, tried on the small book of books/small: two sections in three editions."""

import contextlib
import io
import os
import pickle
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import pytest
from booktools import __main__, checks, documents, editions, execute, library, pairs, places, project, sources
from docutils import nodes

SMALL = Path(__file__).parent / "books" / "small"


def edit(path: str, old: str, new: str, count: int = 1) -> None:
    """Replace text in a file of the book."""
    file = project.ROOT / path
    text = file.read_text("utf-8")
    assert old in text, f"{old!r} is not in {path}"
    file.write_text(text.replace(old, new, count), "utf-8")


def edit_notebook(path: str, old: str, new: str) -> None:
    """Edit the cells of a notebook as Jupyter would."""
    notebook = nbformat.read(project.ROOT / path, as_version=4)
    assert any(old in cell.source for cell in notebook.cells)
    for cell in notebook.cells:
        cell.source = cell.source.replace(old, new)
    nbformat.write(notebook, project.ROOT / path)


def files() -> dict[str, tuple]:
    found = [path for folder in ("book", "src") for path in (project.ROOT / folder).rglob("*") if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in found if "__pycache__" not in str(path)}


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The small book, brought up to date by one sync."""
    root, real = tmp_path_factory.mktemp("books") / "book", project.ROOT
    shutil.copytree(SMALL, root)
    project.use(root)
    assert __main__.main(["sync"]) == 0
    assert __main__.main(["translated", "index", "alpha", "beta"]) == 0
    project.use(real)
    return root


@pytest.fixture
def book(finished, tmp_path):
    """A copy of the finished book for one test."""
    real = project.ROOT
    shutil.copytree(finished, tmp_path / "book")
    project.use(tmp_path / "book")
    yield project.ROOT
    project.use(real)


@pytest.fixture
def run(book, capsys):
    """run(*words) is a command that must succeed, or fail and change nothing; gives what it printed."""

    def command(*words: str, fails: bool = False) -> str:
        before = files()
        code = __main__.main(list(words))
        printed = capsys.readouterr().out
        assert code == fails, printed
        assert not fails or files() == before
        return printed

    return command


@pytest.fixture
def no_kernel(monkeypatch):
    monkeypatch.setattr(execute, "execute", lambda source: pytest.fail(f"{source.page} was executed"))


# ---- sync -----------------------------------------------------------------------------------


def test_a_finished_book_passes_every_check(run):
    assert run("check").startswith("make check: all is well, 3 pages in 3 editions")


def test_sync_again_changes_nothing(run, no_kernel):
    before = files()
    assert run("sync") == "make sync: everything was up to date.\n"
    assert files() == before


def test_executing_again_gives_the_same_bytes(run):
    edit("book/en/alpha.md", "now = os.times().elapsed\n", "now = 1\n")  # the cell that varies
    run("sync")
    before = files()
    assert run("sync", "--execute-all").count("executed book/en/") == 2
    assert files() == before


def test_notebooks_are_clean_and_share_their_outputs(book):
    notebooks = [nbformat.read(project.notebook(edition, "alpha"), as_version=4) for edition in project.editions()]
    cells = [pairs.code_cells(notebook) for notebook in notebooks]
    assert [cell.outputs for cell in cells[0]] == [cell.outputs for cell in cells[1]] == [cell.outputs for cell in cells[2]]
    assert [cell.execution_count for cell in cells[2]] == list(range(1, len(cells[2]) + 1))
    assert [(o.name, o.text) for o in cells[0][-1].outputs] == [("stdout", "out\n6\n"), ("stderr", "err\n")]
    assert cells[1][0].source.endswith('%pip install -q "softmax_lib @ git+https://example.org/small"')
    assert set(notebooks[0].metadata) == {"book", "file_format", "kernelspec", "language_info"}
    assert "Hai lần x." in cells[1][2].source
    nbformat.validate(notebooks[1])


@pytest.mark.parametrize("code, printed, said", [(1, "", "could not be loaded: no room"), (0, "True\n", "only the stand-in"), (0, "False\n", None)])
def test_notebooks_run_on_the_real_images_or_not_at_all(monkeypatch, code, printed, said):
    done = subprocess.CompletedProcess([], code, printed, "Traceback\nno room\n")
    monkeypatch.setattr(execute.subprocess, "run", lambda *words, **more: done)
    with pytest.raises(project.Problem, match=f"{said}.* → ") if said else contextlib.nullcontext():
        execute.fetch_data()


def test_prose_is_not_executed(run, no_kernel):
    edit("book/vi/alpha.md", "Nhìn đây.", "Nhìn kỹ.", 2)
    edit("book/en/alpha.md", "caption: One dot.", "caption: A single dot.")
    run("sync")
    assert "Nhìn kỹ." in project.notebook("vi", "alpha").read_text("utf-8")
    assert "A single dot." in project.notebook("en", "alpha").read_text("utf-8")


def test_changed_code_reaches_translations_and_library(run):
    edit("book/en/alpha.md", "return 2 * math.floor(x)", "return math.floor(x) * 2  # this wants translating")
    edit("book/en/alpha.md", "sl.double(1.5)", "# one and a half\nsl.double(1.5)")
    edit("book/zh/alpha.md", "alt: 一个点 2", "alt: 一个圆")
    edit("book/vi/alpha.md", ":tags: [nbval-ignore-output]\n", ":tags: [hide-input]\n")
    printed = run("sync")
    for edition in ("vi", "zh"):
        text = project.source(edition, "alpha").read_text("utf-8")
        assert "return math.floor(x) * 2  # this wants translating  # rounded" in text
        assert "one and a half" not in text  # a comment alone changes no code
        assert "hide-input" not in text  # tags are the English ones
        assert re.search(rf"book/{edition}/alpha.md:\d+: cell 3: code replaced → translate its comments and docstring again", printed)
    assert "alt: 一个圆" in text
    assert "math.floor(x) * 2" in (project.ROOT / "src/softmax_lib/alpha.py").read_text("utf-8")
    assert "executed book/en/beta.md" not in printed  # nbval says whether its outputs depend on the change
    run("translated", "alpha")
    left = [failure for failure in checks.failures() if "is still English → translate it" in failure]
    assert {failure.split(":")[0] for failure in left} == {"book/vi/alpha.md", "book/zh/alpha.md"}


@pytest.mark.parametrize("edition", project.editions())
def test_every_saved_name_is_described(edition):
    described = {}
    for page in project.sections():
        described |= library.described(sources.read(edition, page))
    homes = re.findall(r"\b(\w+) as \w+", re.sub("from ._.*", "", (library.folder() / "__init__.pyi").read_text("utf-8")))
    assert set(homes) - set(described) == {"Point"} and set(described) <= set(homes) and all(described.values())


def test_saved_names_have_addresses(trees):
    cell = "#@save\nimport math\nPoint = tuple\n\n@add_to_class(Trainer)\ndef fit(self):\n    return math.pi"
    assert library.addresses(cell) == ["softmax_lib.Point", "softmax_lib.Trainer.fit"]
    assert library.addresses(cell[1:]) == []
    page = pickle.loads((trees["vi"] / "alpha.doctree").read_bytes())
    assert "double" in next(node for node in page.findall(nodes.container) if "softmax_lib.double" in node["ids"]).astext()


def test_a_notebooks_edit_is_adopted(run):
    edit_notebook("book/vi/alpha.ipynb", "Nhìn đây.", "Nhìn kỹ.")
    run("adopt", str(project.notebook("vi", "alpha")))
    text = project.source("vi", "alpha").read_text("utf-8")
    assert "Nhìn kỹ." in text and "translates:" in text
    assert list(checks.failures()) == []


def test_forged_outputs_do_not_reach_the_website(run):
    edit("book/en/beta.ipynb", "made by hand", "hand made")
    with pytest.raises(SystemExit, match="has another output than sync stored"):
        pairs.executed(project.read(project.source("en", "beta")), str(project.source("en", "beta")))
    project.notebook("en", "beta").unlink()  # as the message says
    with pytest.raises(SystemExit, match="beta.ipynb:1: it is missing"):
        pairs.executed(project.read(project.source("en", "beta")), str(project.source("en", "beta")))
    run("sync")
    assert list(checks.failures()) == []


@pytest.mark.parametrize(
    "inside",
    [
        "<script/>", "<svg:SCRIPT>", "<g onload='x'/>", '<g a=">" oNclick = "x"/>', "<foreignObject/>", '<a href="javascript:x"/>',
        '<use xlink:href="//example.org/x.svg#a"/>', "<image href='https://example.org/x.png'/>", '<image href="data:text/html,x"/>',
        '<g style="fill: url(https://example.org/x)"/>', "<style>@import 'x';</style>", "<set attributeName='href'/>",
        '<?xml-stylesheet href="x.css"?>', "<!DOCTYPE svg [<!ENTITY x 'y'>]>", '<g xml:base="https://example.org"/>',
    ],
)  # fmt: skip
def test_a_picture_only_draws(inside):
    assert execute.not_drawing(f"<svg>{inside}</svg>").startswith("an SVG with `")


@pytest.mark.parametrize(
    "inside", ['<use xlink:href="#a"/>', '<image href="data:image/png;base64,\n/on+AonA=="/>', '<a href="two.html#b"/>', '<g clip-path="url(#a)"/>']
)
def test_a_drawing_is_no_danger(inside):
    assert execute.not_drawing(f'<?xml version="1.0"?><svg>{inside}</svg>') is None


def test_a_byte_order_mark_is_no_text(run, no_kernel):
    texts = {path: path.read_text("utf-8") for path in [*project.BOOK.glob("*/*.md"), project.BOOK / "terms.csv"]}
    for path, text in texts.items():
        path.write_text("\ufeff" + text, "utf-8")
    assert list(checks.failures()) == []
    run("sync")
    run("translated", "vi/index", "vi/alpha")
    assert {path: path.read_text("utf-8").lstrip("\ufeff") for path in texts} == texts
    assert not project.source("zh", "beta").read_text("utf-8").startswith("\ufeff")


def test_all_failures_are_listed_with_one_closing_line_in_every_locale(book):
    edit("book/terms.csv", "mô hình", "")
    edit("book/en/index.md", "Look", "See")
    shutil.copytree(Path(project.__file__).parent, book / "book/booktools")
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": "book"}
    done = subprocess.run([sys.executable, "-m", "booktools", "check"], cwd=book, env=environment, capture_output=True)
    lines = done.stdout.decode().strip().split("\n")
    assert done.returncode == 1 and done.stderr == b"" and len(lines) == 4 and lines[-1].startswith("make check: 3 failures, listed above")
    assert "book/terms.csv:3: `model` has no word in column vi → fill it in" in lines


# ---- what is refused: it is named, no cell runs unless that is how it is found, and no file changes


def bad_byte(name):
    def append():
        with open(project.ROOT / name, "ab") as file:
            file.write(b"\ncaf\xe9\n")

    return append


def settings(name, text):
    def write():
        (project.ROOT / name).write_text(text)
        project.use(project.ROOT)  # reads them again

    return write


def both_edited():
    edit_notebook("book/en/beta.ipynb", "# Alpha", "# Beta one")
    edit("book/en/beta.md", "# Alpha", "# Beta two")


def paste():
    edit_notebook("book/en/beta.ipynb", "# Alpha", "# Beta one")
    notebook = nbformat.read(project.notebook("en", "beta"), as_version=4)
    notebook.cells[0].attachments = {"image.png": {"image/png": "AA=="}}
    nbformat.write(notebook, project.notebook("en", "beta"))


def truncate():
    path = project.notebook("zh", "alpha")
    path.write_text(path.read_text("utf-8")[:1000], "utf-8")


BETA = ("adopt", "book/en/beta.ipynb")
FRONT = r" .* → correct the (?:front matter|YAML)"
NO_TOC, NO_SETTINGS = "_toc.yml:1: it has no `root`, or no `chapters`", ":1: these are no settings"
SYNC, CHECK = ("sync",), ("check",)
REFUSED = {  # what was done, what is said, by which commands
    "notebook edited": (lambda: edit_notebook("book/vi/beta.ipynb", "# An-pha", "# x"), r"book/vi/beta.ipynb:1: it was edited, not its .md → keep the edit: make adopt", SYNC, CHECK),
    "code edited in a translation's": (lambda: edit_notebook("book/vi/alpha.ipynb", "(1.5)", "(2.5)"), r".*has other code than book/en/alpha.md → change the code there", ("adopt", "book/vi/alpha.ipynb")),
    "both edited": (both_edited, r"book/en/beta.ipynb:1: it and its .md were both edited since the last sync", SYNC, CHECK, BETA),
    "picture pasted": (paste, r".*beta.ipynb holds a pasted picture → put it in book/static", BETA),
    "notebook not edited": (None, r".*nothing to adopt", BETA),
    "output edited": (lambda: edit("book/en/beta.ipynb", "made by hand", "hand made"), r"book/en/beta.ipynb:1: cell 2 \(line \d+ of the .md\) has another output than sync stored → delete the notebook, then make sync$", SYNC, CHECK),
    "notebook truncated": (truncate, r"book/zh/alpha.ipynb:1: it cannot be read", SYNC, CHECK),
    "saved cell broken": (lambda: edit("book/en/alpha.md", "def double(x):", "def double(x:"), r"book/en/alpha.md:31: cell 3: .* → correct the code$", SYNC, CHECK),
    "page missing": (lambda: project.source("zh", "beta").unlink(), r"book/zh/beta.md:1: the file is missing → write it", SYNC, CHECK),
    "cell missing": (lambda: edit("book/zh/beta.md", "```{code-cell} ipython3\n#@save\nTEN = 10\n```\n", ""), r".*2 code cells where English has 3", SYNC, CHECK),
    "run: a failing cell": (lambda: edit("book/en/beta.md", "sl.double(4),", "sl.double(nothing),"), r"book/en/beta.md:\d+: cell 2 \(`import softmax_lib as sl`\) fails: NameError: name 'nothing' is not defined → mend", SYNC),
    "run: an output that differs": (lambda: edit("book/en/beta.md", "sl.hand()", "object()"), r"book/en/beta.md.* prints `at 0x", SYNC),
    "run: HTML": (lambda: edit("book/en/beta.md", "sl.double(4),", "from IPython.display import HTML; display(HTML('<b>'))\nsl.double(4),"), r"book/en/beta.md:\d+: cell 2 .* shows text/html → show text or a still picture", SYNC),
} | {
    f"saved: {new}": (lambda new=new: edit("book/en/beta.md", "TEN = 10", new), said, SYNC, CHECK) for new, said in [
        ("double = 3", r"book/en/beta.md:\d+: cell 3: `double` is saved here and in book/en/alpha.md:\d+"),
        ("hand = 3", r"(book|src)/\S+: `hand` is saved here and in"),
        ("TEN = 10\nTEN = 11", r"book/en/beta.md:\d+: cell 3: `TEN` is saved here and in book/en/beta.md:\d+"),
        ("TEN = 10\n@add_to_class(X)\ndef TEN(self):\n    pass", r".*cell 3: this method would hide `TEN` of book/en/beta.md:\d+"),
        ("print(1)", r".*a saved cell holds definitions only")]
} | {
    f"front matter: {new!r}": (lambda edition=edition, old=old, new=new: edit(f"book/{edition}/beta.md", old, new), rf"book/{edition}/beta.md:\d+:{FRONT}", SYNC, CHECK)
    for edition, old, new in [
        ("en", "---\nfile", "--\nfile"), ("vi", "---\nfile", "\n---\nfile"), ("en", "mystnb", "mystn"), ("vi", "mystnb", "mystn1"),
        ("en", "file_format:", "fileformat:"), ("vi", "file_format:", "file_format"), ("en", "mystnb", "[mystnb"), ("vi", "---\n\n(beta)", "--\n\n(beta)")]
} | {
    f"not UTF-8: {name}": (bad_byte(name), rf"{name}:{line}: a character is not in UTF-8 → save the file as UTF-8", CHECK, *[SYNC] * name.endswith("a.md"))
    for name, line in [("book/en/alpha.md", 103), ("book/en/index.md", 5), ("book/vi/beta.md", 31), ("book/terms.csv", 5), ("book/references.bib", 4)]
} | {
    f"cells: {new!r}": (lambda old=old, new=new: edit("book/en/alpha.md", old, new), said + " → ", SYNC, CHECK) for old, new, said in [
        ("Look here.", "Look\u2028here.", r"book/en/alpha.md:41: it holds '\\u2028', which nobody sees"), ("(1.5)", "(1.5)\0", r"book/en/alpha.md:37: it holds '\\x00', which nobody sees"),
        (":tags: [remove-cell]\n\nassert", ":tags: 3\n\nassert", "book/en/alpha.md:77: `tags`: 3 is not of type 'array'"),
        ("  image:\n    alt: A dot 2\n", "  image: a dot\n", "book/en/alpha.md:55: `mystnb`, or its `figure` or `image`, has no options below it")]
} | {
    f"notebook: {new!r}": (lambda old=old, new=new: edit("book/en/beta.ipynb", old, new), rf"book/en/beta.ipynb:\d+: {said}", SYNC, CHECK, *more)
    for old, new, said, *more in [
        ('"outputs": [\n    "', '"outputs": 3, "out": [\n    "', "cell 1 .* has another output than sync stored → delete the notebook"),
        ('"book": {', '"book": 3, "back": {', "cell 1 .* has another output than sync stored → delete the notebook"),
        ('"source": [', '"sauce": [', "it cannot be read .*→ rename it beta.ipynb.old, for it may hold edits; then make sync", BETA),
        ('"tags": [', '"mystnb": 3, "tags": [', "`mystnb`, or its .* has no options below it", BETA)]
} | {
    f"nothing but {text!r}": (settings("book/en/beta.md", text), rf"book/en/beta.md:1: {said}", SYNC, CHECK) for text, said in [
        ("", "it has a notebook and no cells → bring back its text"), ("---\nfile_format: mystnb\n---\n", "it is empty → bring back what it held")]
} | {
    "a folder": (lambda: (project.source("zh", "beta").unlink(), project.source("zh", "beta").mkdir()), r"book/zh/beta.md:1: it cannot be read \(Is a directory\) → ", SYNC, CHECK),
    "TOML": (settings("pyproject.toml", "[project]\nname\n"), "pyproject.toml:2: Expected .* → correct the TOML there", SYNC, CHECK, ("size",)),
    "module": (settings("src/softmax_lib/_hand.py", "x = (\n"), r"src/softmax_lib/_hand.py:1: '\(' was never closed → correct the code", SYNC, CHECK),
} | {
    f"settings: {text!r} in {name}": (settings(name, text), said, CHECK, *more) for name, text, said, *more in [
        ("_toc.yml", "", "_toc.yml" + NO_SETTINGS, SYNC, ("settings",)), ("_toc.yml", "- index\n", "_toc.yml" + NO_SETTINGS),
        ("_toc.yml", "root: index\n", NO_TOC, SYNC), ("_toc.yml", "chapters: [{file: alpha}]\n", NO_TOC), ("_toc.yml", "root: index\nchapters: [alpha]\n", NO_TOC),
        ("_toc.yml", "root: index\nchapters: [{file: alfa}, {file: beta}]\n", "book/en/alfa.md:1: the file is missing", SYNC),
        ("_toc.yml", "broken: [\n", r"\A_toc.yml:\d+: .*correct the YAML there\Z"), ("_config.yml", "title: x\nbroken: [\n", r"\A_config.yml:\d+: .*correct the YAML there\Z"),
        ("_config.yml", "", "_config.yml" + NO_SETTINGS, SYNC), ("_config.yml", "sphinx: {config: {}}\n", "_config.yml:1: it has no `sphinx: config: editions`"),
        ("_config.yml", "sphinx: {config: {editions: [en, vi]}}\n", "_config.yml:1: each of its `editions`"),
        ("_config.yml", "sphinx: {config: {editions: {en: {language: en}}}}\n", "_config.yml:1: it has no `repository: url`", SYNC),
        ("book/terms.csv", "English,vi,zh\nweight,a,b\n", "book/terms.csv:1: there is no column en")]
} | {
    f"adopt {name}": (None, r".* is not a notebook of the book → name one, for example book/en/alpha.ipynb", ("adopt", name))
    for name in ["/", "", ".", "x" * 300, "book/en", "book/en/index.ipynb", "book/fr/alpha.ipynb", "book/en/alpha.md/alpha.ipynb"]
} | {
    f"translated {name}": (None, r".*is not a page of a translation", ("translated", name))
    for name in ["vi/nothing", "en/alpha", "omega", "vi/", "/", "", "vi/..", "vi/" + "x" * 300]
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_changes_nothing(run, request, monkeypatch, name):
    change, said, *commands = REFUSED[name]
    if not name.startswith("run:"):
        request.getfixturevalue("no_kernel")
    monkeypatch.chdir(project.ROOT)
    if change:
        change()
    for words in commands:
        printed = run(*words, fails=True)
        assert re.search(f"^{said}", printed.strip(), re.MULTILINE), printed


def test_a_conflict_is_settled_by_force(run):
    both_edited()
    run("adopt", "--force", str(project.notebook("en", "beta")))
    assert "# Beta one" in project.source("en", "beta").read_text("utf-8")


def test_a_notebook_that_another_program_ran_and_stripped_of_our_notes_is_adopted(run):
    path = project.notebook("en", "beta")
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata = {"colab": {"provenance": []}}
    notebook.cells[0].source += "\n\nMore."
    tell(pairs.code_cells(notebook)[1], "run elsewhere\n")
    path.write_text(nbformat.writes(notebook, indent=2), "utf-8")
    assert "the note which of them was edited is lost" in run("sync", fails=True)
    run("adopt", "--force", str(path))
    assert "\nMore.\n" in project.source("en", "beta").read_text("utf-8") and "run elsewhere" not in path.read_text("utf-8")
    assert run("sync") == "make sync: everything was up to date.\n"


def test_a_full_disk_is_named_and_leaves_no_half(run, monkeypatch):
    edit("book/en/alpha.md", "Look here.", "Look there.")
    whole = Path.write_text
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", lambda path, text, *more, **rest: whole(path, text[:9]) and os.open("/dev/full/x", 0))
        printed = run("sync", fails=True)
    assert re.match(r"book/en/alpha.ipynb:1: it cannot be written \(.*\) → make room", printed)
    assert "wrote book/en/alpha.ipynb" in run("sync")


@pytest.mark.skipif(sys.platform == "win32", reason="a lock of POSIX")
def test_a_second_build_waits_for_the_end_of_the_first(tmp_path, capsys):
    folder = tmp_path / "not/yet/there"
    first, second = editions.alone(folder), threading.Thread(target=editions.alone, args=[folder])
    second.start()
    second.join(0.2)
    assert second.is_alive() and "this one waits" in capsys.readouterr().out
    first.close()
    second.join(5)
    assert not second.is_alive()


# ---- library --------------------------------------------------------------------------------


def test_the_library_is_lazy_and_complete(book):
    text = (book / "src/softmax_lib/alpha.py").read_text("utf-8")
    assert '__all__ = ["double"]\n\n\n# book/en/alpha.md, cell 3\ndef double(x):' in text
    assert 'Twice x.\n\n    Explained in “Alpha”:\n    https://example.org/alpha.html\n    """' in text
    assert "import math" in text and "itertools" not in text and "#@save" not in text and "book/en/alpha.md" in text
    script = (
        "import sys, softmax_lib as sl\n"
        "assert not any(name.startswith('softmax_lib.') for name in sys.modules)\n"
        "assert 'matplotlib' not in sys.modules\n"
        "assert (sl.double(1.5), sl.TEN, sl.hand(), sl.__version__) == (2, 10, 'made by hand', '1.2')\n"
        "assert {'double', 'TEN'} <= set(dir(sl)) and sl.__all__ == ['TEN', 'double', 'hand']\n"
        "try: sl.nothing\n"
        "except AttributeError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": "src"}, cwd=book, capture_output=True, text=True)
    assert done.stdout == "No softmax_lib attribute nothing\n", done.stderr


def test_a_section_that_is_gone_takes_its_module_along(book):
    settings("_toc.yml", "root: index\nchapters: [{file: alpha}]\n")()
    library.write(library.files())
    assert not (book / "src/softmax_lib/beta.py").exists()
    assert (book / "src/softmax_lib/_hand.py").exists()


@pytest.mark.parametrize(
    "one, other, same",
    [
        ("def f():\n    '''a'''\n    return 1  # x", "def f():\n    '''b'''\n    return 1", True),
        ("%pip install x\na=1", "%pip install x\na = 1", True),
        ("%pip install x", "%pip install y", False),
        ("%%writefile x.py\n'''a'''\na = 1  # b", "%%writefile x.py\n'''c'''\na = 1  # d", True),
        ("%%writefile x.py\na = 1", "%%writefile y.py\na = 1", False),
        ("'a'", "'b'", False),
        ("print('a')", "print('b')", False),
        ("#@save\na = 1", "a = 1", False),
    ],
)
def test_when_code_is_the_same(one, other, same):
    assert (sources.code(one) == sources.code(other)) is same


# ---- every check is red once ----------------------------------------------------------------


def stored(change, forge=False):
    """Change the English notebook of alpha as if it had been executed so; or its hashes too, as a forger would."""

    def apply():
        path = project.notebook("en", "alpha")
        notebook = nbformat.read(path, as_version=4)
        change(pairs.code_cells(notebook))
        if forge:
            notebook.metadata.book.outputs = [sources.digest(cell.outputs) for cell in pairs.code_cells(notebook)]
        path.write_text(nbformat.writes(notebook) + "\n", "utf-8")

    return apply


def tell(cell, text):
    cell.outputs = [nbformat.v4.new_output("stream", text=text)]


def show(cell, kind, value):
    cell.outputs = [nbformat.v4.new_output("display_data", {kind: value, "text/plain": "x"})]


def alpha(old, new, edition="vi"):
    return lambda: edit(f"book/{edition}/alpha.md", old, new)


def glossary(entries):
    """Give every edition a glossary."""

    def apply():
        edit("_toc.yml", "{file: beta}", "{file: beta}, {file: glossary}")
        project.use(project.ROOT)
        for edition in project.editions():
            text = f"# Glossary\n\n```{{term-table}}\n{entries}\n```\n"
            project.source(edition, "glossary").write_text(text, "utf-8")

    return apply


RED = {
    "address in a README": (lambda: (project.ROOT / "README.vi.md").write_text("git clone https://example.org/other\n"), r"^README.vi.md:1: it does not name the repository"),
    "address in a preface": (lambda: edit("book/zh/index.md", "example.org/small", "example.org/other"), r"^book/zh/index.md:1: it does not name the repository"),
    "page unknown": (lambda: (project.BOOK / "vi/extra.md").write_text("# x\n"), r"^book/vi/extra.md:1: no page of _toc.yml"),
    "library edited": (lambda: edit("src/softmax_lib/alpha.py", "2 *", "3 *"), r"^src/softmax_lib/alpha.py:\d+: it is not what"),
    "library left over": (lambda: shutil.copy(project.ROOT / "src/softmax_lib/alpha.py", project.ROOT / "src/softmax_lib/old.py"), r"old.py:1: no section saves"),
    "library path": (lambda: edit("book/en/alpha.md", "return 2 *", f"'{project.ROOT}'; return 2 *"), r"alpha.py:1: it holds the path"),
    "notebook missing": (lambda: project.notebook("vi", "beta").unlink(), r"^book/vi/beta.ipynb:1: it is missing → make sync"),
    "source edited": (alpha("Nhìn", "Xem"), r"^book/vi/alpha.md:1: it was edited since"),
    "not canonical": (alpha("mystnb:\n  figure:", "mystnb:\n\n  figure:"), r"^book/vi/alpha.md:\d+: it is not in the form"),
    "outputs by hand": (lambda: edit("book/vi/beta.ipynb", "made by hand", "hand made"), r"^book/vi/beta.ipynb:1: cell 2 \(line \d+ of the .md\) has another output than sync stored → delete"),
    "varying output by hand": (stored(lambda cells: tell(cells[5], "1\n")), r"^book/en/alpha.ipynb:1: cell 6 .* has another output than sync stored"),
    "no output left": (stored(lambda cells: cells[5].update(outputs=[])), r"^book/en/alpha.ipynb:1: cell 6 .* has another output"),
    "hashes taken out": (lambda: edit("book/en/beta.ipynb", '"outputs": [\n    "', '"other": [\n    "'), r"^book/en/beta.ipynb:1: cell 1 .* has another output"),
    "script": (stored(lambda cells: show(cells[5], "text/html", "<script>1</script>"), forge=True), r"^book/en/alpha.ipynb:1: cell 6 .* shows text/html → delete"),
    "script in an SVG": (stored(lambda cells: show(cells[4], "image/svg+xml", "<svg><script/></svg>"), forge=True), r"^book/en/alpha.ipynb:1: cell 5 .* shows an SVG with `<script` → delete"),
    "timing kept": (stored(lambda cells: cells[1].metadata.update(execution={"shell.execute_reply": "2026-01-01T00:00:00Z"})), r"^book/en/alpha.ipynb:1: its outputs or metadata"),
    "not executed": (stored(lambda cells: cells[3].update(execution_count=None)), r"^book/en/alpha.ipynb:1: cell 4 .* not executed"),
    "error output": (stored(lambda cells: cells[3].update(outputs=[nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])])), r"cell 4 .* failed"),
    "machine path": (stored(lambda cells: tell(cells[3], "/home/someone/x.py:3: Warning")), r"cell 4 .* shows `/home/someone"),
    "memory address": (stored(lambda cells: tell(cells[3], "<f at 0x7f0000001234>")), r"cell 4 .* shows `at 0x7f"),
    "stand-in": (stored(lambda cells: tell(cells[3], "Fashion-MNIST: it could not be downloaded.")), r"cell 4 .* real Fashion-MNIST"),
    "code differs": (alpha("double(1.5)", "double(2.5)"), r"^book/vi/alpha.md:\d+: cell 4: its code is not the English code"),
    "not translated": (lambda: edit("book/vi/index.md", "translates:", "other:"), r"^book/vi/index.md:1: no translation is recorded"),
    "English changed": (lambda: edit("book/en/index.md", "Look", "See"), r"^book/zh/index.md:1: the English text changed .* PAGE=zh/index"),
    "English comment": (alpha("# rounded", "# rounded down", "en"), r"^book/vi/alpha.md:1: the English text changed"),
    "not NFC": (alpha("Nhìn", "Nhi\u0300n"), r"^book/vi/alpha.md:\d+: the text is not in Unicode form NFC"),
    "leftover role": (alpha("Look here.", ":numref:`fig-dot`", "en"), r"^book/en/alpha.md:\d+: `:numref:` is left over"),
    "leftover slide": (alpha("Look here.", "[**Look**]", "en"), r"^book/en/alpha.md:\d+: `\[\*\*` is left over"),
    "leftover label": (alpha("Look here.", ":label:`x`", "en"), r"^book/en/alpha.md:\d+: `:label:`` is left over"),
    "draft": (alpha("Look here.", "SOME_PARAGRAPH", "en"), r"^book/en/alpha.md:\d+: `SOME_PARAGRAPH` is left over"),
    "cell without alternative": (alpha("  image:\n    alt: A dot 2\n", "", "en"), r"^book/en/alpha.md:\d+: cell 5 shows a picture without"),
    "cell's in English": (alpha("alt: Một chấm 2", "alt: A dot 2"), r"^book/vi/alpha.md:\d+: cell 5 shows a picture with the English"),
    "long line": (alpha("sl.double(1.5)", "sl.double(1.5)" + " " * 60 + "# long", "en"), r"^book/en/alpha.md:\d+: cell 4: the line has 80 columns"),
    "hidden value": (alpha("sl.double(1.5)", "sl.double(1.5);", "en"), r"^book/en/alpha.md:\d+: cell 4: `;` does not hide the value"),
    "skipped cell": (alpha("[nbval-ignore-output]", "[nbval-skip]", "en"), r"^book/en/alpha.md:\d+: cell 6: nbval-skip"),
    "too many vary": (stored(lambda cells: [cell.metadata.update(tags=["nbval-ignore-output"]) for cell in cells[3:5]]), r"^book/en:1: 2 of 4 cells"),
    "nothing asserted": (stored(lambda cells: cells[6].update(source="")), r"^book/en/alpha.ipynb:1: cell 6 .* varies and no hidden"),
    "column gone": (lambda: (project.BOOK / "terms.csv").write_text("en,zh\nweight,权重\nmodel,模型\n", "utf-8"), r"^book/terms.csv:1: column vi is missing or empty"),
    "term without word": (lambda: edit("book/terms.csv", "mô hình", ""), r"^book/terms.csv:3: `model` has no word in column vi"),
    "term twice": (lambda: edit("book/terms.csv", "模型", "权重"), r"^book/terms.csv:3: `权重` stands in line 2 too"),
    "term undefined": (glossary("weight\n: A factor."), r"^book/en/glossary.md:1: `model` has no definition"),
    "no term defined": (glossary("weight\n: A factor.\n\nmodel\n: A function.\n\nmodle\n: A slip."), r"^book/en/glossary.md:1: `modle` is not in book/terms.csv"),
    "folder above its ceiling": (settings("pyproject.toml", '[tool.booktools.ceilings]\n"src/softmax_lib" = [1, 99]\n'), r"^pyproject.toml:1: src/softmax_lib has \d+ lines"),
    "file above its ceiling": (settings("pyproject.toml", '[tool.booktools.ceilings]\n"src/softmax_lib" = [99, 1]\n'), r"^pyproject.toml:1: src/softmax_lib has \d+ lines"),
    "long saved cell": (alpha("return 2 *", "x = x\n    " * 24 + "return 2 *", "en"), r"^book/en/alpha.md:\d+: cell 3 saves 26 lines of code"),
    "options broken": (alpha("  figure:\n    caption", "  figure\n    caption"), r"^book/vi/alpha.md:\d+: .* → correct the options"),
}



def red_for(said, found):
    assert any(re.search(said, failure) for failure in found), "\n".join(found)
    assert all(re.match(r"\S+:\d+: ", failure) and " → " in failure for failure in found), "\n".join(found)


@pytest.mark.parametrize("name", RED)
def test_a_check_is_red(book, name):
    change, said = RED[name]
    change()
    red_for(said, list(checks.failures()))


@pytest.fixture(scope="module")
def trees(finished, tmp_path_factory):
    """The documents of the finished book."""
    real, folders = project.ROOT, {edition: tmp_path_factory.mktemp(edition) for edition in ("en", "vi", "zh")}
    project.use(finished)
    for edition, folder in folders.items():
        read_by_sphinx(finished, edition, folder)
    project.use(real)
    return folders


def setup(app):
    """As an extension of Sphinx: the part of the book's own that brings in the notebooks."""
    app.add_config_value("edition", "", "env")
    app.connect("config-inited", editions.read_pairs, priority=900)
    app.add_transform(places.SharedIds)


def read_by_sphinx(root, edition, folder):
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    options = {
        "extensions": ["myst_nb", "sphinx_exercise", "sphinxcontrib.bibtex", "test_booktools"], "nb_execution_mode": "off",
        "myst_enable_extensions": ["colon_fence", "dollarmath", "substitution"], "exclude_patterns": ["**.ipynb"],
        "bibtex_bibfiles": [str(root / "book/references.bib")], "edition": edition,
    }
    source = root / "book" / edition
    with patch_docutils(), docutils_namespace():
        Sphinx(source, None, folder / "out", folder, "dummy", options, status=None, warning=io.StringIO()).build(force_all=True)


RED_DOCUMENTS = {
    "script in a drawing": (lambda: edit("book/static/dot.svg", "/>", "><script/></svg>"), r"^book/en/alpha.md:\d+: the picture `../static/dot.svg` is an SVG with `<script`"),
    "HTML in a line": (alpha("Look here.", "Look <b onclick='x'>here</b>.", "en"), r"^book/en/alpha.md:\d+: `<b onclick='x'>` would go into the website as it is"),
    "HTML block": (alpha("Look here.", "<script>\n1\n</script>", "en"), r"^book/en/alpha.md:\d+: `<script>` would go"),
    "HTML directive": (alpha(":::{note}", ":::{raw} html\n<i>\n:::\n:::{note}", "en"), r"^book/en/alpha.md:\d+: `<i>` would go"),
    "HTML in a caption": (alpha("caption: One dot.", "caption: One <i>dot.", "en"), r"^book/en/alpha.md:\d+: `<i>` would go"),
    "heading": (alpha("# An-pha", "# An-pha\n\n## Hai"), r"^book/vi/alpha.md:\d+: heading `## \S+` where in English"),
    "tag": (alpha("[nbval-ignore-output]", "[hide-input]"), r"^book/vi/alpha.md:\d+: cell `hide-input` where in English line \d+ has cell `nbval"),
    "equation": (alpha("y = 2 x", "y = 3 x"), r"^book/vi/alpha.md:\d+: equation `y=3x"),
    "HTML in a substitution": (alpha("---\n\n(alpha)=", "myst: {substitutions: {x: <i>}}\n---\n\n{{x}}\n\n(alpha)=", "en"), r"^book/en/alpha.md:\d+: `<i>` would go"),
    "label": (alpha(":name: fig-dot", ":name: fig-cham"), r"^book/vi/alpha.md:\d+: figure `fig-cham` where in English"),
    "admonition": (alpha(":::{note}", ":::{tip}"), r"^book/vi/alpha.md:\d+: block `tip` where in English line \d+ has block `note`"),
    "formula": (alpha("$x^2$", "$x^3$"), r"^book/vi/alpha.md:\d+: the formula `x\^2` is missing"),
    "formula added": (alpha("$x^2$", "$x^2$ $x^2$"), r"^book/vi/alpha.md:\d+: the formula `x\^2` occurs 1× more often"),
    "citation": (alpha("{cite:p}`gauss1809`", ""), r"^book/vi/alpha.md:\d+: the citation of `gauss1809` is missing"),
    "link": (alpha("https://example.org)", "https://example.com)"), r"^book/vi/alpha.md:\d+: the link to `https://example.com` occurs"),
    "reference": (alpha("{eq}`eq-double`", ""), r"^book/vi/alpha.md:\d+: the reference to `eq-double` is missing"),
    "term unmarked": (alpha("{term}`Trọng số <trọng số>`", "Trọng số"), r"^book/vi/alpha.md:\d+: the term `weight` .* mark it as {term}`trọng số`"),
    "term added": (alpha("Nhìn", "{term}`mô hình`"), r"^book/vi/alpha.md:\d+: the term `mô hình` is marked more often"),
    "forbidden word": (alpha("Nhìn đây.", "Trọng\nlượng."), r"^book/vi/alpha.md:\d+: “Trọng\nlượng” is not the word for weight → write “trọng số”"),
    "forbidden in Chinese": (alpha("看这里。", "看重量。", "zh"), r"^book/zh/alpha.md:\d+: “重量” is not the word"),
    "forbidden in comment": (alpha("# làm tròn", "# trọng lượng"), r"^book/vi/alpha.md:\d+: “trọng lượng” is not the word"),
    "first use": (lambda: edit("book/terms.csv", "权重,,", "权重,,权重（weight"), r"^book/zh/alpha.md:\d+: the term `权重` is used without “权重（weight”"),
    "no alternative": (alpha(":alt: A dot\n", "", "en"), r"^book/en/alpha.md:\d+: the figure has no text alternative"),
    "alternative in English": (alpha(":alt: Một chấm", ":alt: A dot"), r"^book/vi/alpha.md:\d+: the figure's text alternative is the English one"),
    "exercise unsolved": (alpha("{solution-start} ex-alpha", "{solution-start} ex-other", "en"), r"^book/en/alpha.md:\d+: exercise `ex-alpha` has no solution"),
    "exercise unnamed": (alpha(":label: ex-alpha\n", "", "en"), r"^book/en/alpha.md:\d+: the exercise has no label"),
    "solution alone": (alpha(":label: ex-alpha", ":label: ex-omega", "en"), r"^book/en/alpha.md:\d+: the solution of `ex-alpha` has no exercise"),
}


def test_the_editions_of_a_finished_book_agree(book, trees):
    assert list(documents.failures(trees)) == []


@pytest.mark.parametrize("name", RED_DOCUMENTS)
def test_a_check_of_the_documents_is_red(book, trees, tmp_path, name):
    change, said = RED_DOCUMENTS[name]
    change()
    edition = re.search(r"book/(\w\w)/", said)[1]
    read_by_sphinx(book, edition, tmp_path / "tree")
    red_for(said, list(documents.failures(trees | {edition: tmp_path / "tree"})))
