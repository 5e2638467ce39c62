"""Pairs: each section's source (.md) and its executed notebook (.ipynb) as one document."""

import copy
import sys
from pathlib import Path

import nbformat

from . import library, project, sources
from .execute import execute_all, unwanted
from .project import Problem, show
from .sources import FRONT_MATTER, Cell, Source, body, code, digest, give_install_cell, plain_cell, read, tags


def read_notebook(path: Path) -> Cell:
    try:
        wrong: dict[str, Exception] = {}
        notebook = nbformat.read(path, as_version=4, capture_validation_error=wrong)
        for error in wrong.values():
            raise error
        return notebook
    except Exception as error:
        cure = f"rename it {path.name}.old, for it may hold edits; then make sync"
        raise Problem(f"{show(path)}:1: it cannot be read ({type(error).__name__}) → {cure}") from None


def notebook_of(source: Source) -> Cell | None:
    """The notebook beside a source, or None."""
    path = source.path.with_suffix(".ipynb")
    return read_notebook(path) if path.exists() else None


def code_cells(notebook: Cell) -> list[Cell]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def stored(notebook: Cell, what: str) -> Cell:
    """What sync noted in a notebook: the hash of its source, or those of its outputs; None where that was lost."""
    record = notebook.metadata.get("book")
    return record.get(what) if isinstance(record, dict) else None


def notebook_hash(notebook: Cell, path: Path) -> str:
    """The hash of the notebook's cells as if they had been written in the source."""
    written = body([plain_cell(cell) for cell in notebook.cells])
    made = digest(written)
    if made == stored(notebook, "source"):
        return made
    return sources.parse(sources.front_matter(FRONT_MATTER) + written, path.with_suffix(".ipynb")).hash


def state(source: Source, notebook: Cell | None) -> str:
    """How a pair stands: new, in step, source (edited), notebook (edited), agreed (both alike) or conflict."""
    if notebook is None:
        return "new"
    before, theirs, ours = stored(notebook, "source"), notebook_hash(notebook, source.path), source.hash
    if theirs == before:
        return "in step" if ours == before else "source"
    return "agreed" if theirs == ours else "notebook" if ours == before else "conflict"


def cell_place(source: Source, index: int) -> str:
    """A cell of a section's notebook as messages name it."""
    shown = show(source.path.with_suffix(".ipynb"))
    return f"{shown}:1: cell {index + 1} (line {source.line(index)} of the .md)"


def forged(source: Source, notebook: Cell) -> str | None:
    """The first output of a notebook that is not the one sync stored, or that no page may show."""
    outputs = stored(notebook, "outputs")
    for index, cell in enumerate(code_cells(notebook)):
        what = f"shows {found}" if (found := unwanted(cell)) else "has another output than sync stored"
        if found or not isinstance(outputs, list) or outputs[index : index + 1] != [digest(cell.outputs)]:
            return f"{cell_place(source, index)} {what} → delete the notebook, then make sync"
    return None


def refusal(source: Source, notebook: Cell | None, how: str) -> str | None:
    """Why a pair in that state cannot be brought in step without losing an edit."""
    shown = show(source.path.with_suffix(".ipynb"))
    if how == "notebook":
        return (
            f"{shown}:1: it was edited, not its .md"
            f" → keep the edit: make adopt NB={shown}; or drop it: delete the notebook, then make sync"
        )
    if how == "conflict":
        both, lost = "were both edited since the last sync, and differ", "differ, and the note which of them was edited is lost"
        return (
            f"{shown}:1: it and its .md {both if stored(notebook, 'source') else lost}; nothing was written"
            f" → keep the .md: delete the notebook, then make sync; keep the notebook: make adopt NB={shown} FORCE=1"
        )
    return None if notebook is None else forged(source, notebook)


def matters(cell: Cell) -> tuple[str, bool]:
    """What decides whether stored outputs still belong to a cell: what it does, and whether it may fail."""
    return "" if sources.is_install_cell(cell) else code(cell.source), "raises-exception" in tags(cell)


def stale_cell(source: Source, notebook: Cell) -> int | None:
    """The first code cell of a source whose stored output belongs to other code, or to none."""
    ours, theirs = source.code, code_cells(notebook)
    for index, (cell, done) in enumerate(zip(ours, theirs)):
        if done.execution_count is None or cell.source != done.source and matters(cell) != matters(done):
            return index
    return None if len(ours) == len(theirs) else min(len(ours), len(theirs)) - 1


def executed(text: str, path: str) -> Cell:
    """For Sphinx: a section's source as a notebook, with the outputs that its pair holds."""
    try:
        source = sources.parse(text.lstrip("\ufeff"), Path(path))
        notebook = notebook_of(source)
        if notebook is None:
            raise Problem(f"{show(source.path.with_suffix('.ipynb'))}:1: it is missing → make sync")
        if (index := stale_cell(source, notebook)) is not None:
            raise Problem(f"{source.place(index)} was changed and not run → make sync")
        if refused := refusal(source, notebook, state(source, notebook)):
            raise Problem(refused)
    except Problem as problem:
        sys.exit(f"\n{problem}")
    made = nbformat.v4.new_notebook(cells=source.cells, metadata={**source.front, "source_map": source.lines})
    made.metadata.language_info = notebook.metadata.get("language_info", {})
    for cell, done in zip(source.code, code_cells(notebook)):
        cell.outputs, cell.execution_count = done.outputs, done.execution_count
    return made


def notebook_text(source: Source, outputs: list[Cell]) -> str:
    """The notebook file of a source, with the outputs of executed code cells."""
    cells, seen, done = [], dict[str, int](), iter(outputs)
    for cell in copy.deepcopy(source.cells):
        key = digest(cell.cell_type, cell.source)[:8]
        seen[key] = seen.get(key, 0) + 1
        cell.id = key if seen[key] == 1 else f"{key}-{seen[key]}"
        if cell.cell_type == "code":
            ran = next(done)
            cell.outputs, cell.execution_count = ran.outputs, ran.execution_count
        cells.append(cell)
    hashes = [digest(cell.outputs) for cell in cells if cell.cell_type == "code"]
    metadata = {
        **FRONT_MATTER,
        "language_info": {"name": "python", "pygments_lexer": "ipython3"},
        "book": {"source": source.hash, "outputs": hashes},
    }
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    notebook.nbformat_minor = 5
    return nbformat.writes(notebook) + "\n"


def adopt(path: Path, force: bool = False) -> None:
    """Bring the edit of a notebook over to its source."""
    path = path.resolve()
    edition, page = path.parent.name, path.stem
    known = edition in project.editions() and page in project.sections()
    if not known or path != project.notebook(edition, page).resolve() or not path.exists():
        example = show(project.notebook(project.source_edition(), (project.sections() or ["NAME"])[0]))
        raise Problem(f"{show(path)} is not a notebook of the book → name one, for example {example}")
    source, notebook = read(edition, page), read_notebook(path)
    how = state(source, notebook)
    if how in ("in step", "source"):
        raise Problem(f"{show(path)} was not edited since the last sync → nothing to adopt; run make sync")
    if how == "conflict" and not force:
        raise Problem(str(refusal(source, notebook, how)))
    if any(cell.get("attachments") for cell in notebook.cells):
        raise Problem(f"{show(path)} holds a pasted picture → put it in book/static and refer to it")
    if edition in project.translations():
        english = [code(cell.source) for cell in read(project.source_edition(), page).code]
        if [code(cell.source) for cell in code_cells(notebook)] != english:
            where = show(project.source(project.source_edition(), page))
            raise Problem(f"{show(path)} has other code than {where} → change the code there, then make sync")
    source.cells = [plain_cell(cell) for cell in notebook.cells]
    project.write(source.path, sources.parse(source.text(), source.path).text())
    if forged(source, notebook):
        path.unlink()  # its cells, which the source has now, were run elsewhere: sync runs them


def sync(everything: bool = False) -> tuple[list[str], list[str]]:
    """Bring library, translations' code and pairs up to date; what changed, and what went wrong."""
    english, pages = project.source_edition(), project.sections()
    texts: dict[tuple[str, str], Source] = {}
    notebooks: dict[str, Cell | None] = {}  # the English ones
    problems, notes = [], []
    for page in pages:
        for edition in project.editions():
            try:
                source = read(edition, page)
                notebook = notebook_of(source)
                if refused := refusal(source, notebook, state(source, notebook)):
                    raise Problem(refused)
                give_install_cell(source)
                texts[edition, page] = source
                if edition == english:
                    notebooks[page] = notebook
                elif (english, page) in texts:
                    notes += sources.bring_code_over(texts[english, page], source)
            except Problem as problem:
                problems.append(str(problem))
    if problems:  # nothing was written yet, and no cell has run
        return [], problems
    changed = library.write(library.files())
    print(*notes, sep="\n", end="\n" * bool(notes))
    outputs, due = {}, []
    for page in pages:
        source, notebook = texts[english, page], notebooks[page]
        if project.write(source.path, source.text()):
            changed.append(source.path)
            source.lines = read(english, page).lines
        if everything or notebook is None or stale_cell(source, notebook) is not None:
            due.append(source)
        else:
            outputs[page] = code_cells(notebook)
    done, problems = execute_all(due)
    outputs |= done
    for (_, page), source in texts.items():
        if page in outputs:  # else a cell failed: the translations wait too
            files = {source.path: source.text(), source.path.with_suffix(".ipynb"): notebook_text(source, outputs[page])}
            changed += [path for path, text in files.items() if project.write(path, text)]
    return [show(path) for path in changed], problems
