"""How much room the assertions leave, in the book's cells and in the tests: `make margins`.

Every English page with assertions runs with ten seeds in place of its own, on the real images and on the
stand-in. For each comparison this prints the values seen on both sides and its room: the smallest gap
divided by the spread of the gaps (or the same for ratios, where both sides are positive). Below 0.5
another seed may well fail. Then the library's tests run with the same seeds.
"""

import ast
import json
import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SEEDS = range(10)
ROOM = 0.5
LIBRARY = ["library", "framework", "d2l", "numbers"]
NOWHERE = str(ROOT / "_build" / "no-data")  # a cache for the stand-in


class Measured(ast.NodeTransformer):
    """Code whose assertions call `_measure(text, holds, sides)`, where sides are pairs from small to large."""

    def visit_Assert(self, node):
        tests = node.test.values if isinstance(node.test, ast.BoolOp) else [node.test]
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
            calls += ast.parse(f"_measure({text!r}, bool({text}), [{pairs}])").body
        return [ast.copy_location(call, node) for call in calls]


def run_page(page, seed):
    """Run a page's cells in this process; prints what its assertions compared."""
    import matplotlib
    from IPython.core.interactiveshell import InteractiveShell

    sys.path.insert(0, str(ROOT / "book"))
    from booktools import sections

    matplotlib.use("agg")
    shift_seeds(seed)
    seen = []

    def measure(text, holds, pairs):
        seen.append([text, holds, [(float(a), float(b)) for a, b in pairs]])

    shell = InteractiveShell.instance()
    shell.user_ns["_measure"] = measure
    shell.ast_transformers.append(Measured())
    for cell in sections.read("en", page).code:
        result = shell.run_cell(cell.source, silent=True)
        if not result.success and "raises-exception" not in sections.tags(cell):
            sys.exit(f"{page}, seed {seed}: {result.error_in_exec!r} in\n{cell.source}")
    print("\n" + json.dumps(seen))


def shift_seeds(seed):
    import torch

    set_seed = torch.manual_seed
    torch.manual_seed = lambda number: set_seed(int(number) + 1000 * seed)


def pytest_configure():
    """As a plugin of the tests' runs: `-p margins` with a SEED."""
    shift_seeds(int(os.environ["SEED"]))


def started(stand_in, *arguments, **environment):
    """A process of its own on the real images or the stand-in."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")]), "PYTHONWARNINGS": "ignore", **environment}
    if stand_in:
        environment |= {"XDG_CACHE_HOME": NOWHERE, "SOFTMAX_LIB_STAND_IN": "1"}
    return subprocess.run([sys.executable, *arguments], env=environment, cwd=ROOT, capture_output=True, text=True)


def main(names):
    sources = {path.stem: path.read_text("utf-8") for path in sorted((ROOT / "book" / "en").glob("*.md"))}
    pages = [page for page, text in sources.items() if "assert " in text and (not names or page in names)]
    jobs = [(page, stand_in, seed) for page in pages for stand_in in (False, True) for seed in SEEDS]
    poor = 0
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        done = dict(zip(jobs, workers.map(lambda job: started(job[1], __file__, "--page", job[0], str(job[2])), jobs)))
        for page in pages:
            for stand_in in False, True:
                print(f"\n{page}, {'stand-in' if stand_in else 'real images'}")
                runs = [done[page, stand_in, seed] for seed in SEEDS]
                for seed, run in zip(SEEDS, runs):
                    if run.returncode:
                        poor += 1
                        print(f"  seed {seed}: {run.stderr[-2000:]}")
                seen = [json.loads(run.stdout.splitlines()[-1]) for run in runs if not run.returncode]
                for values in zip(*seen):
                    poor += not show(values)
        if not names or "tests" in names:
            print("\nthe library's tests")
            tests = [f"tests/test_{name}.py" for name in LIBRARY]
            arguments = ["-m", "pytest", "-q", "-p", "margins", *tests]
            for seed, run in zip(SEEDS, workers.map(lambda k: started(False, *arguments, SEED=str(k)), SEEDS)):
                poor += run.returncode != 0
                print(f"  seed {seed}: " + "\n    ".join(run.stdout.strip().splitlines()[-6 if run.returncode else -1:]))
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
        run_page(sys.argv[2], int(sys.argv[3]))
    else:
        sys.exit(main(sys.argv[1:]))
