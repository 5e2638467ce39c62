"""Pairs: each section's source (.md) and its executed notebook (.ipynb) as one document."""

import copy
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat

from . import library, project
from .project import Problem
from .sections import (
    FRONT_MATTER,
    KERNEL,
    MARK,
    Source,
    body,
    code,
    digest,
    follow,
    front_matter,
    give_install_cell,
    parse,
    plain_cell,
    read,
    tags,
)

# ---- notebooks ------------------------------------------------------------------------------


def read_notebook(path: Path):
    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:
        why = type(error).__name__
        raise Problem(f"{project.show(path)}:1: it cannot be read ({why}) → delete it, then make sync") from None


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def notebook_hash(notebook, path: Path) -> str:
    """The hash of the notebook's cells as if they had been written in the source."""
    made = digest(body([plain_cell(cell) for cell in notebook.cells]))
    if made == notebook.metadata.get("book", {}).get("source"):
        return made
    return parse(front_matter(FRONT_MATTER) + body([plain_cell(cell) for cell in notebook.cells]), path).hash


def state(source: Source) -> str:
    """How a pair stands: new, in step, source (edited), notebook (edited), agreed (both alike) or conflict."""
    path = source.path.with_suffix(".ipynb")
    if not path.exists():
        return "new"
    notebook = read_notebook(path)
    stored, theirs, ours = notebook.metadata.get("book", {}).get("source"), notebook_hash(notebook, path), source.hash
    if theirs == stored:
        return "in step" if ours == stored else "source"
    if theirs == ours:
        return "agreed"
    return "notebook" if ours == stored else "conflict"


def cell_place(source: Source, index: int) -> str:
    """A cell of a section's notebook as messages name it."""
    shown = project.show(source.path.with_suffix(".ipynb"))
    return f"{shown}:1: cell {index + 1} (line {source.line(index)} of the .md)"


def forged(source: Source, notebook) -> str | None:
    """The first output of a notebook that is not the one sync stored, or that no page may show."""
    stored = notebook.metadata.get("book", {}).get("outputs", [])
    for index, cell in enumerate(code_cells(notebook)):
        what = f"shows {found}" if (found := unwanted(cell)) else "has another output than sync stored"
        if found or stored[index : index + 1] != [digest(cell.outputs)]:
            return f"{cell_place(source, index)} {what} → delete the notebook, then make sync"
    return None


def refusal(source: Source) -> str | None:
    """Why a pair cannot be brought in step without losing an edit."""
    path = source.path.with_suffix(".ipynb")
    shown, how = project.show(path), state(source)
    if how == "notebook":
        return (
            f"{shown}:1: it was edited, not its .md"
            f" → keep the edit: make adopt NB={shown}; or drop it: delete the notebook, then make sync"
        )
    if how == "conflict":
        return (
            f"{shown}:1: it and its .md were both edited since the last sync, and differ; nothing was written"
            f" → keep the .md: delete the notebook, then make sync; keep the notebook: make adopt NB={shown} FORCE=1"
        )
    return forged(source, read_notebook(path)) if how in ("in step", "source") else None


def notebook_text(source: Source, executed: list) -> str:
    """The notebook file of a source, with the outputs of executed code cells."""
    cells, seen, outputs = [], {}, iter(executed)
    for cell in source.cells:
        cell = copy.deepcopy(cell)
        key = digest(cell.cell_type, cell.source)[:8]
        seen[key] = seen.get(key, 0) + 1
        cell.id = key if seen[key] == 1 else f"{key}-{seen[key]}"
        if cell.cell_type == "code":
            done = next(outputs)
            cell.outputs, cell.execution_count = done.outputs, done.execution_count
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
        example = project.show(project.notebook(project.source_edition(), (project.sections() or ["NAME"])[0]))
        raise Problem(f"{project.show(path)} is not a notebook of the book → name one, for example {example}")
    source, notebook = read(edition, page), read_notebook(path)
    how = state(source)
    if how in ("in step", "source"):
        raise Problem(f"{project.show(path)} was not edited since the last sync → nothing to adopt; run make sync")
    if how == "conflict" and not force:
        raise Problem(refusal(source))
    if any(cell.get("attachments") for cell in notebook.cells):
        raise Problem(f"{project.show(path)} holds a pasted picture → put it in book/static and refer to it")
    if edition in project.translations():
        english = [code(cell.source) for cell in read(project.source_edition(), page).code]
        if [code(cell.source) for cell in code_cells(notebook)] != english:
            where = project.show(project.source(project.source_edition(), page))
            raise Problem(f"{project.show(path)} has other code than {where} → change the code there, then make sync")
    source.cells = [plain_cell(cell) for cell in notebook.cells]
    project.write(source.path, parse(source.text(), source.path).text())


# ---- execution ------------------------------------------------------------------------------

NOISE = re.compile(r" at 0x[0-9a-fA-F]{4,}|(?<![\w.:/-])/(?:home|root|Users|tmp|var|work|opt|usr)/\S+")


def clean(outputs: list) -> list:
    """Outputs as they are kept: neighbouring pieces of a stream joined, standard output first."""
    kept, streams = [], {}

    def flush():
        for name in ("stdout", "stderr"):
            if text := streams.pop(name, ""):
                kept.append(nbformat.v4.new_output("stream", name=name, text=text))

    for output in outputs:
        if output.output_type == "stream":
            streams[output.name] = streams.get(output.name, "") + output.text
        else:
            flush()
            output.pop("transient", None)
            kept.append(output)
    flush()
    return kept


def output_text(output) -> str:
    """Everything in an output that can be read as text, pictures aside."""
    if output.output_type == "stream":
        return output.text
    if output.output_type == "error":
        return "\n".join(output.traceback)
    return "\n".join(str(value) for kind, value in output.data.items() if not kind.startswith("image/"))


def noise(cell) -> str | None:
    """A machine path or memory address in a cell's outputs."""
    for output in cell.outputs:
        if match := NOISE.search(output_text(output)):
            return match[0].strip()
    return None


KINDS = ("text/plain", "image/png", "image/svg+xml")
PICTURE = re.compile(r'"data:image/png;base64,[\w+/=\s]*"')
NOT_DRAWING = re.compile(  # in an SVG: code, other documents, and what changes attributes
    r"<(?:[\w.-]+:)?(?:script|foreignObject|iframe|object|embed|handler|set|animate\w*)\b|\bon[a-z]+\s*="
    r'|\b(?:href|src)\s*=(?!"[\w.#-][\w./#-]*")|\bxml:base\b|url\((?!#)|@import|<\?(?!xml\s)|<!(?:ENTITY|ATTLIST)',
    re.IGNORECASE,
)


def not_drawing(svg: str) -> str | None:
    """What an SVG does beyond drawing."""
    match = NOT_DRAWING.search(PICTURE.sub('"#"', svg))
    return f"an SVG with `{match[0]}`" if match else None


def unwanted(cell) -> str | None:
    """What a cell shows that the book never does: another kind of output than text and still pictures."""
    shown = [item for output in cell.outputs for item in output.get("data", {}).items()]
    for kind, value in shown:
        if kind not in KINDS:
            return kind
    return next(filter(None, (not_drawing(value) for kind, value in shown if kind == "image/svg+xml")), None)


def kernel_environment() -> dict:
    """The environment of the kernels: this project's library first, plots inline."""
    path = os.pathsep.join(filter(None, [str(project.ROOT / "src"), os.environ.get("PYTHONPATH")]))
    return {**{key: value for key, value in os.environ.items() if key != "MPLBACKEND"}, "PYTHONPATH": path}


def mentions(source: Source, pattern: str) -> bool:
    return any(re.search(pattern, cell.source) for cell in source.code)


def needs_data(source: Source) -> bool:
    return mentions(source, "fashion_mnist|FashionMNIST")


def fetch_data() -> None:
    """Have Fashion-MNIST in the cache before notebooks run, so that they do so silently."""
    script = "from softmax_lib import _data; _data.fashion_mnist_root(); print(_data.is_stand_in())"
    done = subprocess.run([sys.executable, "-c", script], env=kernel_environment(), capture_output=True, text=True, errors="replace")
    if done.returncode:
        why = (done.stderr.strip() or "no message").splitlines()[-1]
        raise Problem(f"Fashion-MNIST could not be loaded: {why} → mend that, then make sync")
    if done.stdout.split()[-1] == "True":
        raise Problem(
            "only the stand-in for Fashion-MNIST is here"
            " → connect to the network or install Debian's dataset-fashion-mnist, then make sync"
        )


def execute(source: Source) -> list:
    """Run a section's cells in a fresh kernel; its executed code cells."""
    import nbclient

    notebook = nbformat.v4.new_notebook(cells=copy.deepcopy(source.cells), metadata={"kernelspec": KERNEL})
    client = nbclient.NotebookClient(
        notebook,
        timeout=project.config().get("execute", {}).get("timeout", 600),
        record_timing=False,
        resources={"metadata": {"path": str(source.path.parent)}},
    )
    failed = None
    try:
        client.execute(env=kernel_environment(), stderr=subprocess.DEVNULL)
    except nbclient.exceptions.CellExecutionError as error:
        failed = f"{error.ename}: {error.evalue}"
    except (nbclient.exceptions.CellTimeoutError, nbclient.exceptions.DeadKernelError) as error:
        failed = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    cells = code_cells(notebook)
    if failed:
        index = max((i for i, cell in enumerate(cells) if cell.execution_count or cell.outputs), default=0)
        failed = " ".join(failed.split())
        raise Problem(f"{where(source, index)} fails: {failed} → mend it; its notebook is as it was")
    for index, cell in enumerate(cells):
        cell.outputs = clean(cell.outputs)
        if found := noise(cell):
            raise Problem(f"{where(source, index)} prints `{found}` → do not show it: it differs from run to run")
        if found := unwanted(cell):
            raise Problem(f"{where(source, index)} shows {found} → show text or a still picture")
    return cells


def where(source: Source, index: int) -> str:
    cell = source.code[index]
    first = next((line for line in cell.source.split("\n") if line.strip() and not line.startswith(MARK)), "")
    return f"{source.place(index)}: cell {index + 1} (`{first}`)"


def say(line: str) -> None:
    print(line, flush=True)


def execute_all(sources: list[Source]) -> tuple[dict[str, list], list[str]]:
    """Run sections, two at a time, those that measure time alone; their executed cells by page, and what went wrong."""
    done, problems = {}, []
    if any(map(needs_data, sources)):
        try:
            fetch_data()
        except Problem as problem:
            problems.append(str(problem))
            sources = [source for source in sources if not needs_data(source)]

    def run(source: Source) -> None:
        say(f"executing {project.show(source.path)} ({len(source.code)} cells) …")
        try:
            done[source.page] = execute(source)
            say(f"executed {project.show(source.path)}")
        except Problem as problem:
            problems.append(str(problem))

    timed = [source for source in sources if mentions(source, r"\b(Timer|perf_counter|timeit)\b")]
    for group, together in (([source for source in sources if source not in timed], 2), (timed, 1)):
        workers = ThreadPoolExecutor(together)
        try:
            list(workers.map(run, group))
        finally:
            workers.shutdown(wait=False, cancel_futures=True)
    return done, problems


# ---- sync -----------------------------------------------------------------------------------


def ran(cells: list) -> list:
    """What decides whether stored outputs still belong to code cells: their text and tags."""
    return [(cell.source, tags(cell)) for cell in cells]


def stored_outputs(source: Source) -> list | None:
    """The executed code cells of a source's notebook, unless they belong to other code."""
    path = source.path.with_suffix(".ipynb")
    if not path.exists():
        return None
    notebook = read_notebook(path)
    cells = code_cells(notebook)
    if ran(cells) != ran(source.code) or any(cell.execution_count is None for cell in cells):
        return None
    if notebook_hash(notebook, path) != notebook.metadata.get("book", {}).get("source"):
        return None
    if refused := forged(source, notebook):
        raise Problem(refused)
    return cells


def prepared(edition: str, page: str) -> Source:
    source = read(edition, page)
    give_install_cell(source)
    return source


def sync(everything: bool = False) -> tuple[list[str], list[str]]:
    """Bring library, translations' code and pairs up to date; what changed, and what went wrong."""
    english, changed = project.source_edition(), []
    pages = [(edition, page) for page in project.sections() for edition in project.editions()]
    refused = [refusal(read(*key)) for key in pages if project.source(*key).exists()]
    if any(refused):
        return [], list(filter(None, refused))
    changed += library.write(library.files())

    sources, outputs, due = {}, {}, []
    for page in project.sections():
        source = sources[page] = prepared(english, page)
        if project.write(source.path, source.text()):
            changed.append(source.path)
            source = sources[page] = read(english, page)  # its lines have moved
        outputs[page] = stored_outputs(source)
        if everything or outputs[page] is None:
            outputs[page] = None
            due.append(source)
    executed, problems = execute_all(due)
    outputs.update(executed)

    for edition, page in pages:
        if outputs[page] is None:
            continue  # a cell failed: the translations wait too
        try:
            source = sources[page]
            if edition != english:
                source = prepared(edition, page)
                for note in follow(sources[page], source):
                    say(note)
                if project.write(source.path, source.text()):
                    changed.append(source.path)
            path = project.notebook(edition, page)
            if project.write(path, notebook_text(source, outputs[page])):
                changed.append(path)
        except Problem as problem:
            problems.append(str(problem))
    return [project.show(path) for path in changed], problems


# ---- the build's cache ----------------------------------------------------------------------


def fill_cache(cache_path: str | Path) -> int:
    """Put the executed notebooks into the jupyter-cache, so that a build runs no unchanged section; how many."""
    memory = Path(cache_path) / "pairs.json"  # what was put in before
    known = json.loads(memory.read_text("utf-8")) if memory.exists() else {}
    now, filled, cache = {}, 0, None
    for page in project.sections():
        for edition in project.editions():
            path, notebook = project.source(edition, page), project.notebook(edition, page)
            if not path.exists():
                continue
            key = project.show(path)
            now[key] = digest(project.read(path), project.read(notebook) if notebook.exists() else "")
            if known.get(key) == now[key]:
                continue
            source = read(edition, page)  # what cannot be read, or is forged, ends the build here, with its place
            cells = stored_outputs(source)
            if cells is None:
                continue  # the build runs it
            from jupyter_cache import get_cache
            from jupyter_cache.base import CacheBundleIn

            cache = cache or get_cache(str(cache_path))
            executed = nbformat.reads(notebook_text(source, cells), as_version=4)
            cache.cache_notebook_bundle(CacheBundleIn(nb=executed, uri=str(path)), check_validity=False, overwrite=True)
            filled += 1
    if now != known and memory.parent.exists():
        project.write(memory, json.dumps(now, indent=1))
    return filled
