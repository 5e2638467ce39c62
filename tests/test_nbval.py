"""How nbval compares a cell's output with the stored one: `book/conftest.py`, tried on a made notebook."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

CONFTEST = Path(__file__).parents[1] / "book" / "conftest.py"
FIGURE = "<?xml version='1.0'?>\n<svg>{}</svg>\n"

# what a cell prints now, what the notebook shows, whether that is the same
CASES = {
    "the same": ("loss 4.1047", "loss 4.1047", True),
    "the last digit": ("loss 4.1048", "loss 4.1047", True),
    "spaces that pad digits": ("tensor([ 2.0000, -0.0000])", "tensor([2.0000, 0.0000])", True),
    "other notation": ("tensor([9.9999e-01])", "tensor([1.0000])", True),
    "the last of many digits": ("loss 0.000051", "loss 0.000050", True),
    "nan": ("nan inf", "nan inf", True),
    "a digit": ("loss 4.2047", "loss 4.1047", False),
    "a digit beyond the tolerance": ("loss 4.1098", "loss 4.1047", False),
    "a small number": ("loss 0.000120", "loss 0.000050", False),
    "a sign": ("-0.5", "0.5", False),
    "a word": ("cost 4.1047", "loss 4.1047", False),
    "a whole number": ("60001 images", "60000 images", False),
    "a number more": ("1.0 2.0 3.0", "1.0 2.0", False),
    "a number less": ("1.0", "1.0 2.0", False),
    "nan for a number": ("loss nan", "loss 4.1047", False),
    "a number for inf": ("loss 1e9", "loss inf", False),
    "another inf": ("-inf", "inf", False),
    "a shape": ("torch.Size([2, 3])", "torch.Size([2, 4])", False),
    "more brackets": ("tensor([[1., 2.]])", "tensor([1., 2.])", False),
    "nothing": ("", "loss 4.1047", False),
    "something": ("loss 4.1047", "", False),
    "exact, the same": ("4.1047", "4.1047", True),
    "exact, the last digit": ("4.1048", "4.1047", False),
    "figures": (FIGURE.format("<g/>"), FIGURE.format("<p/>"), True),
    "a figure for a number": (FIGURE.format("<g/>"), "4.1047", False),
}


# what a kernel is: a fork with PyTorch in memory, in a group and a folder of its own, and otherwise like any process
KERNEL = """import multiprocessing, os, sys
print('torch' in sys.modules, os.getpgrp() == os.getpid(), multiprocessing.get_start_method(allow_none=True),
      os.path.basename(os.getcwd()))"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """nbval's words about a notebook with a cell for each case, and the cases that passed."""
    folder = tmp_path_factory.mktemp("nbval")
    shutil.copy(CONFTEST, folder)
    cells = []
    for count, (name, (now, shown, _)) in enumerate(CASES.items(), 1):
        outputs = [new_output("stream", name="stdout", text=shown)] if shown else []
        metadata = {"tags": ["nbval-exact"]} if name.startswith("exact") else {}
        code = f"print({now!r}, end='')"
        cells.append(new_code_cell(code, execution_count=count, outputs=outputs, metadata=metadata))
    shown = new_output("stream", name="stdout", text=f"True True None {folder.name}")
    cells.append(new_code_cell(KERNEL, execution_count=len(cells) + 1, outputs=[shown]))
    nbformat.write(new_notebook(cells=cells), folder / "made.ipynb")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "--nbval", "--nbval-current-env", "."],
        cwd=folder, capture_output=True, text=True, timeout=120,
    )
    passed = re.findall(r"^made::ipynb::Cell (\d+) PASSED", done.stdout, re.MULTILINE)
    return done.stdout, [[*CASES, "kernel"][int(index)] for index in passed]


@pytest.mark.parametrize("name", CASES)
def test_words_are_compared_exactly_and_numbers_with_a_tolerance(report, name):
    assert (name in report[1]) == CASES[name][2]


@pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux only")
def test_kernels_are_forked_from_a_process_that_has_pytorch(report):
    assert "kernel" in report[1], report[0]


def test_a_failure_names_the_file_the_cell_and_both_outputs(report):
    index = list(CASES).index("a digit")
    start = report[0].index(f"made.ipynb::Cell {index}", report[0].index("= FAILURES ="))
    said = report[0][start : report[0].index("made.ipynb::Cell", start + 20)]
    assert "loss 4.2047" in said and "loss 4.1047" in said
