"""How much room the assertions leave, in the book's cells and in the tests: `make margins`.

Every English page with assertions runs with ten seeds in place of its own, on the real images and on the
stand-in. For each comparison this prints the values seen on both sides and its room: the smallest gap
divided by the spread of the gaps (or the same for ratios, where both sides are positive). Below 0.5
another seed may well fail. Then the library's tests run in the same ways. `tests/margins.py NAME` measures
one page, or the `tests`.
"""

import ast
import json
import math
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SEEDS = range(10)
ROOM = 0.5
LIBRARY = ["library", "framework", "d2l", "numbers"]


class Measured(ast.NodeTransformer):
    """Code whose assertions call `_measure(text, holds, sides)`, where sides are pairs from small to large."""

    def visit_Assert(self, node):
        # `a or b` asks for b only where a does not hold
        *unless, test = node.test.values if isinstance(getattr(node.test, "op", None), ast.Or) else [node.test]
        tests = test.values if isinstance(test, ast.BoolOp) else [test]
        calls = []
        for test in tests:
            sides = []
            if isinstance(test, ast.Compare):
                values = [test.left, *test.comparators]
                for left, how, right in zip(values, test.ops, values[1:]):
                    if isinstance(how, (ast.Lt, ast.LtE)):
                        sides.append((left, right))
                    elif isinstance(how, (ast.Gt, ast.GtE)):
                        sides.append((right, left))
            pairs = ", ".join(f"({ast.unparse(a)}, {ast.unparse(b)})" for a, b in sides)
            text = ast.unparse(test)
            calls.append(f"_measure({text!r}, bool({text}), [{pairs}])")
        source = f"if not ({' or '.join(map(ast.unparse, unless)) or False}): {'; '.join(calls)}"
        return [ast.copy_location(call, node) for call in ast.parse(source).body]


def run_page(page):
    """Run a page's cells in this process; prints what its assertions compared."""
    import matplotlib
    from IPython.core.interactiveshell import InteractiveShell

    sys.path.insert(0, str(ROOT / "tools"))
    from booktools import sources

    matplotlib.use("agg")
    prepare()
    seen = []

    def measure(text, holds, pairs):
        seen.append([text, holds, [(float(a), float(b)) for a, b in pairs]])

    shell = InteractiveShell.instance()
    shell.user_ns["_measure"] = measure
    shell.ast_transformers.append(Measured())
    for cell in sources.read("en", page).code:
        result = shell.run_cell(cell.source, silent=True)
        if not result.success and "raises-exception" not in sources.tags(cell):
            sys.exit(f"{result.error_in_exec!r} in\n{cell.source}")
    print("\n" + json.dumps(seen))


def prepare():
    """Shift the seeds by SEED, and hide the real images if STAND_IN is set."""
    import torch

    from softmax_lib import _data

    set_seed = torch.manual_seed
    torch.manual_seed = lambda number: set_seed(int(number) + 1000 * int(os.environ["SEED"]))
    if os.environ.get("STAND_IN"):
        _data.SYSTEM_COPY, _data.MIRRORS = "", []


def pytest_configure():
    """As a plugin of the tests: `-p margins`."""
    if "SEED" in os.environ:
        prepare()


def started(job):
    """A process of its own for a page, or for the tests, on the real images or the stand-in, with a seed."""
    name, stand_in, seed = job
    tests = ["-m", "pytest", "-q", "-p", "margins", *(f"tests/test_{name}.py" for name in LIBRARY)]
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONWARNINGS": "ignore", "SEED": str(seed)}
    if stand_in:
        environment |= {"STAND_IN": "1", "XDG_CACHE_HOME": str(ROOT / "_build" / "stand-in")}
    arguments = tests if name == "tests" else [__file__, "--page", name]
    return subprocess.run([sys.executable, *arguments], env=environment, cwd=ROOT, capture_output=True, text=True)


def main(names):
    sources = {path.stem: path.read_text("utf-8") for path in sorted((ROOT / "book" / "en").glob("*.md"))}
    pages = [page for page, text in sources.items() if "assert " in text and (not names or page in names)]
    runs = [(page, stand_in) for page in pages for stand_in in (False, True)
            if not stand_in or re.search("fashion_mnist|FashionMNIST", sources[page])]
    runs += [("tests", stand_in) for stand_in in (False, True) if not names or "tests" in names]
    poor = 0
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        for name, stand_in in runs:
            print(f"\n{name}, {'stand-in' if stand_in else 'real images'}", flush=True)
            done = list(workers.map(started, ((name, stand_in, seed) for seed in SEEDS)))
            for seed, run in zip(SEEDS, done):
                if run.returncode:
                    poor += 1
                    print(f"  seed {seed}: {(run.stdout if name == 'tests' else run.stderr)[-2000:]}")
            if name != "tests":
                seen = [json.loads(run.stdout.splitlines()[-1]) for run in done if not run.returncode]
                poor += sum(not show(values) for values in zip(*seen))
    print(f"\nmake margins: {poor} without enough room." if poor else "\nmake margins: all have room.")
    return bool(poor)


def room(gaps):
    """The smallest gap in units of their spread."""
    spread = max(gaps) - min(gaps)
    return min(gaps) / spread if spread else math.copysign(math.inf, min(gaps))


def show(values):
    """One line on an assertion over the seeds; whether it has room."""
    text, held = values[0][0], sum(value[1] for value in values)
    good, line = held == len(values), f"  {text}: holds {held} of {len(values)}"
    for pairs in zip(*(value[2] for value in values)):
        rooms = [room([b - a for a, b in pairs])]
        if min(map(min, pairs)) > 0:  # also as a ratio, for times and diverging losses
            rooms.append(room([math.log(b / a) for a, b in pairs]))
        good &= max(rooms) >= ROOM
        low, high = ([f"{pick(side):.4g}" for pick in (min, max)] for side in zip(*pairs))
        line += f"; {'…'.join(low)} < {'…'.join(high)}, room {max(rooms):.2g}"
    print(line + ("" if good else "  ← POOR"), flush=True)
    return good


if __name__ == "__main__":
    if sys.argv[1:2] == ["--page"]:
        run_page(sys.argv[2])
    else:
        sys.exit(main(sys.argv[1:]))
