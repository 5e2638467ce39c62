"""The book's model in other frameworks: each script runs in an environment of its own, and what it prints is kept.

`make frameworks` runs the scripts of book/frameworks that have changed; `make check` says which they are and needs
none of the environments. The page shows the scripts in tabs, and the build makes each into a notebook.
"""

import csv
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sphinx_design
from docutils import nodes
from nbformat import v4
from sphinx.application import Sphinx
from sphinx.locale import get_translation
from sphinx.util.docutils import SphinxDirective
from sphinx_design.config import setup_sd_config
from sphinx_design.tabs import setup_tabs

from . import interface, project
from .project import Problem, show
from .sources import digest

PYTHON = "3.11"  # the last for which MXNet's NumPy has wheels
RESULT = re.compile(r"^(from scratch|concisely): test accuracy (\S+), (\S+) s$", re.MULTILINE)


def folder() -> Path:
    return project.BOOK / "frameworks"


def scripts() -> list[Path]:
    return sorted(folder().glob("in_*.py"))


def kept(script: Path) -> Path:
    """What the script printed when it ran last, and in the last line what it was made from."""
    return script.with_suffix(".txt")


def name(script: Path) -> str:
    return script.stem.removeprefix("in_")


def requirements(script: Path) -> Path:
    """The file that pins a script's environment: the book's own if it has none."""
    own = script.with_name(f"requirements-{name(script)}.txt")
    return own if own.exists() else project.ROOT / "requirements.txt"


def made_from(script: Path) -> str:
    """The last line of what is kept: a script, what it shares with the others, and its environment."""
    pins = project.read(requirements(script))
    if requirements(script).parent == project.ROOT:
        pins = "\n".join(re.findall(r"^(?:torch|numpy)==.*", pins, re.MULTILINE))
    return f"made from {digest(project.read(script), project.read(folder() / 'fashion.py'), pins)}"


def stale(script: Path) -> bool:
    return not kept(script).exists() or project.read(kept(script)).splitlines()[-1:] != [made_from(script)]


def table() -> str:
    """The accuracies and the seconds, as the page shows them."""
    rows = io.StringIO()
    for script in filter(Path.exists, map(kept, scripts())):
        printed = project.read(script)
        found = {way: numbers for way, *numbers in RESULT.findall(printed)}
        ways = [found.get(way, ["–", "–"]) for way in ("from scratch", "concisely")]
        csv.writer(rows, lineterminator="\n").writerow([printed.partition("\n")[0], *ways[0], *ways[1]])
    return rows.getvalue()


def failures() -> Iterator[str]:
    """What the scripts printed is what they print, and the table says the same."""
    for script in filter(stale, scripts()):
        yield f"{show(script)}:1: it, fashion.py or its requirements changed since it ran → make frameworks"
    if scripts() and project.read(folder() / "table.csv") != table():
        yield f"{show(folder() / 'table.csv')}:1: it does not say what the scripts printed → make frameworks"


# ---- running


def environment(script: Path) -> Path:
    """The Python that runs a script, with what its requirements name and nothing else."""
    needs = requirements(script)
    if needs.parent == project.ROOT:
        return Path(sys.executable)
    uv, place = Path(sys.executable).with_name("uv"), project.ROOT / "_build" / "frameworks" / name(script)
    python = place / "bin" / "python"
    for command in (["venv", "--allow-existing", "--python", PYTHON, str(place)],
                    ["pip", "sync", "--python", str(python), str(needs)]):
        if subprocess.run([uv, "--quiet", *command]).returncode:
            raise Problem(f"{show(needs)}:1: its environment cannot be made, as shown above → mend it, then make frameworks")
    return python


def one_core() -> None:
    """The times compare only where all scripts have as many cores."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def run() -> int:
    """Run what is stale, one after the other: the scripts measure time."""
    due = [script for script in scripts() if stale(script)]
    for script in due:
        print(f"running {show(script)} …", flush=True)
        python = environment(script)
        done = subprocess.run([python, script], cwd=project.ROOT / "_build", capture_output=True, text=True, preexec_fn=one_core)
        if done.returncode:
            raise Problem(f"{done.stderr}\n{show(script)}:1: it fails, as shown above → mend it, then make frameworks")
        project.write(kept(script), f"{done.stdout}{made_from(script)}\n")
    project.write(folder() / "table.csv", table())
    print(f"make frameworks: {len(due)} of {len(scripts())} scripts ran; the others had not changed.")
    return 0


# ---- the page


def setup(app: Sphinx) -> None:
    """Tabs, without the styles that sphinx-design brings to every page, and with its script only where there are tabs."""
    setup_sd_config(app)
    setup_tabs(app)
    app.add_directive("framework-notebook", NotebookLinks)
    app.connect("builder-inited", copy_script)
    app.connect("doctree-resolved", write_notebooks, priority=900)


def copy_script(app: Sphinx) -> None:
    if app.builder.name == "html":  # book/templates/layout.html asks for it
        (Path(app.outdir) / "_static").mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(sphinx_design.__file__).parent / "static" / "design-tabs.js", Path(app.outdir) / "_static")


class NotebookLinks(SphinxDirective):
    """`{framework-notebook} jax`: the script as a notebook, to download and, where it has what it needs, in Colab."""

    required_arguments = 1
    option_spec = {"no-colab": lambda _: True}

    def run(self) -> list[Any]:
        _ = get_translation("booktheme")
        path = f"notebooks/frameworks/{self.arguments[0]}.ipynb"
        line = nodes.paragraph()
        if "no-colab" not in self.options:
            line += [nodes.reference("", str(_("Launch on Colab")), refuri=interface.colab(self.config.edition, path)), nodes.Text(" · ")]
        line += nodes.reference("", str(_("Download notebook file")), refuri=path)
        return [nodes.container("", line, classes=["framework-notebook"])]


def write_notebooks(app: Sphinx, doctree: Any, page: str) -> None:
    """What the page includes of a script, under the page's headings, is a notebook that runs alone."""
    from .readers import Text, save

    cells: dict[Path, list[Any]] = {}
    for block in doctree.findall(nodes.literal_block) if app.builder.name == "html" else ():
        path = Path(block.get("source") or "").resolve()
        if path.parent != folder() or path.suffix != ".py":
            continue
        code = "\n".join(line for line in block.astext().split("\n") if not line.startswith("from fashion import"))
        section = block.parent
        while not isinstance(section, nodes.section):
            section = section.parent
        for script in [path] if path in scripts() else scripts():  # what all share goes into each
            mine = cells.setdefault(script, [])
            heading = v4.new_markdown_cell(f"## {section[0].astext()}")
            mine += [heading] * (heading.source not in [cell.source for cell in mine])
            mine.append(v4.new_code_cell(code.strip()))
    for script, made in cells.items():
        versions, note = project.read(kept(script)).partition("\n")[0], app.config.reader_note.format(url=Text(app, page).url)
        title = v4.new_markdown_cell(f"# {app.env.titles[page].astext()}\n\n**{versions}**\n\n{note}")
        save([title, *made], Path(app.outdir) / "notebooks" / "frameworks" / f"{name(script)}.ipynb")
