"""Running a section's cells, and what their outputs may hold."""

import copy
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import nbformat

from . import project
from .project import Problem
from .sources import KERNEL, MARK, Cell, Source

NOISE = re.compile(r" at 0x[0-9a-fA-F]{4,}|(?<![\w.:/-])/(?:home|root|Users|tmp|var|work|opt|usr)/\S+")
KINDS = ("text/plain", "image/png", "image/svg+xml")
PICTURE = re.compile(r'"data:image/png;base64,[\w+/=\s]*"')
NOT_DRAWING = re.compile(  # in an SVG: code, other documents, and what changes attributes
    r"<(?:[\w.-]+:)?(?:script|foreignObject|iframe|object|embed|handler|set|animate\w*)\b|\bon[a-z]+\s*="
    r'|\b(?:href|src)\s*=(?!"[\w.#-][\w./#-]*")|\bxml:base\b|url\((?!#)|@import|<\?(?!xml\s)|<!(?:ENTITY|ATTLIST)',
    re.IGNORECASE,
)


# ---- outputs


def clean(outputs: list) -> list:
    """Outputs as they are kept: neighbouring pieces of a stream joined, standard output first."""
    kept: list = []
    streams: dict[str, str] = {}
    for output in [*outputs, None]:
        if output is not None and output.output_type == "stream":
            streams[output.name] = streams.get(output.name, "") + output.text
            continue
        kept += [nbformat.v4.new_output("stream", name=n, text=streams[n]) for n in ("stdout", "stderr") if n in streams]
        streams = {}
        if output is not None:
            output.pop("transient", None)
            kept.append(output)
    return kept


def output_text(output: Cell) -> str:
    """Everything in an output that can be read as text, pictures aside."""
    if output.output_type == "stream":
        return output.text
    if output.output_type == "error":
        return "\n".join(output.traceback)
    return "\n".join(str(value) for kind, value in output.data.items() if not kind.startswith("image/"))


def noise(cell: Cell) -> str | None:
    """A machine path or memory address in a cell's outputs."""
    return next((match[0].strip() for output in cell.outputs if (match := NOISE.search(output_text(output)))), None)


def not_drawing(svg: str) -> str | None:
    """What an SVG does beyond drawing."""
    match = NOT_DRAWING.search(PICTURE.sub('"#"', svg))
    return f"an SVG with `{match[0]}`" if match else None


def unwanted(cell: Cell) -> str | None:
    """What a cell shows that the book never does: another kind of output than text and still pictures."""
    shown = [item for output in cell.outputs for item in output.get("data", {}).items()]
    other = [kind for kind, _ in shown if kind not in KINDS]
    return next(filter(None, other + [not_drawing(value) for kind, value in shown if kind == "image/svg+xml"]), None)


# ---- running


def kernel_environment() -> dict[str, str]:
    """The environment of the kernels: this project's library first, plots inline."""
    path = os.pathsep.join(filter(None, [str(project.ROOT / "src"), os.environ.get("PYTHONPATH")]))
    return {**{key: value for key, value in os.environ.items() if key != "MPLBACKEND"}, "PYTHONPATH": path}


def mentions(source: Source, pattern: str) -> bool:
    return any(re.search(pattern, cell.source) for cell in source.code)


def fetch_data() -> None:
    """Have Fashion-MNIST in the cache before notebooks run, so that they do so silently."""
    script = "import softmax_lib; softmax_lib.fashion_mnist_root(); print(softmax_lib.is_stand_in())"
    done = subprocess.run(
        [sys.executable, "-c", script], env=kernel_environment(), capture_output=True, text=True, errors="replace"
    )
    if done.returncode:
        why = (done.stderr.strip() or "no message").splitlines()[-1]
        raise Problem(f"Fashion-MNIST could not be loaded: {why} → mend that, then make sync")
    if done.stdout.split()[-1] == "True":
        raise Problem(
            "only the stand-in for Fashion-MNIST is here"
            " → connect to the network or install Debian's dataset-fashion-mnist, then make sync"
        )


def place(source: Source, index: int) -> str:
    lines = source.code[index].source.split("\n")
    return f"{source.place(index)} (`{next((line for line in lines if line.strip() and line != MARK), '')}`)"


def execute(source: Source) -> list[Cell]:
    """Run a section's cells in a fresh kernel; its executed code cells."""
    import nbclient

    notebook = nbformat.v4.new_notebook(cells=copy.deepcopy(source.cells), metadata={"kernelspec": KERNEL})
    folder = {"metadata": {"path": str(source.path.parent)}}
    client = nbclient.NotebookClient(notebook, timeout=600, record_timing=False, resources=folder)
    failed = None
    try:
        client.execute(env=kernel_environment(), stderr=subprocess.DEVNULL)
    except nbclient.exceptions.CellExecutionError as error:
        failed = f"{error.ename}: {error.evalue}"
    except (nbclient.exceptions.CellTimeoutError, nbclient.exceptions.DeadKernelError) as error:
        failed = f"{type(error).__name__}: {str(error)[:200]}"
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if failed:
        index = max((i for i, cell in enumerate(cells) if cell.execution_count or cell.outputs), default=0)
        raise Problem(f"{place(source, index)} fails: {' '.join(failed.split())} → mend it; its notebook is as it was")
    for index, cell in enumerate(cells):
        cell.outputs = clean(cell.outputs)
        if found := noise(cell):
            raise Problem(f"{place(source, index)} prints `{found}` → do not show it: it differs from run to run")
        if found := unwanted(cell):
            raise Problem(f"{place(source, index)} shows {found} → show text or a still picture")
    return cells


def execute_all(sources: list[Source]) -> tuple[dict[str, list[Cell]], list[str]]:
    """Run sections, two at a time, those that measure time alone; their cells by page, and what went wrong."""
    done: dict[str, list[Cell]] = {}
    problems: list[str] = []
    if need_data := [source for source in sources if mentions(source, "fashion_mnist|FashionMNIST")]:
        try:
            fetch_data()
        except Problem as problem:
            problems.append(str(problem))
            sources = [source for source in sources if source not in need_data]

    def run(source: Source) -> None:
        print(f"executing {project.show(source.path)} ({len(source.code)} cells) …", flush=True)
        try:
            done[source.page] = execute(source)
            print(f"executed {project.show(source.path)}", flush=True)
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
