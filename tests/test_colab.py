"""The Colab path: a notebook runs where torch, torchvision, matplotlib, IPython and a kernel are all there is.

The clean environment is a new virtual environment of this Python, into which those distributions and what they
require are linked from the project's own: nothing is downloaded. pip and setuptools are there, as on Colab.
"""

import json
import os
import shutil
import subprocess
import venv
from importlib.metadata import distribution

import nbformat
import pytest
from booktools import project, readers
from nbclient import NotebookClient
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PAGE = "linear-regression-scratch"  # the shortest section, and it needs no data
WANTED = ["torch", "torchvision", "matplotlib", "ipython", "lazy-loader", "ipykernel", "pip", "setuptools"]  # as in Colab


def collect(requirement, found):
    """A distribution and all that it requires here, by name and extras."""
    key = (canonicalize_name(requirement.name), *sorted(requirement.extras))
    if key not in found:
        found[key] = distribution(requirement.name)
        for needed in map(Requirement, found[key].requires or []):
            extras = ("", *requirement.extras)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                collect(needed, found)


class Environment:
    def __init__(self, folder):
        self.folder, self.python = folder, folder / "bin" / "python"
        venv.create(folder, symlinks=True)
        site = next(folder.glob("lib/python*/site-packages"))
        found = {}
        for name in WANTED:
            collect(Requirement(name), found)
        self.wanted = {name for name, *_ in found}
        for one in found.values():
            for top in {file.parts[0] for file in one.files} - {"..", "__pycache__"}:
                if not (site / top).exists():
                    (site / top).symlink_to(one.locate_file(top))
        kernel = folder / "share" / "jupyter" / "kernels" / "clean"
        kernel.mkdir(parents=True)
        argv = [str(self.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        (kernel / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "clean", "language": "python"}))
        self.variables = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PIP_"))}
        self.variables |= {"PYTHONNOUSERSITE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INDEX": "1"}
        self.variables["PIP_NO_BUILD_ISOLATION"] = "0"  # pip reads 0 as “none”: build with the setuptools that is there

    def installed(self):
        """What pip finds: name → version."""
        command = [self.python, "-m", "pip", "list", "--format=json"]
        listed = subprocess.run(command, env=self.variables, capture_output=True, text=True, check=True).stdout
        return {canonicalize_name(one["name"]): one["version"] for one in json.loads(listed)}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """The repository as it is now, in a place where building leaves its traces."""
    folder = tmp_path_factory.mktemp("checkout") / "repository"
    leave = shutil.ignore_patterns(".*", "_build", "build", "*.egg-info", "__pycache__", "book", "tests")
    shutil.copytree(project.ROOT, folder, ignore=leave)
    return folder


def reader_notebook():
    """The cells of the section's reader's notebook (the text between them has its own tests)."""
    cells = nbformat.read(project.BOOK / project.source_edition() / f"{PAGE}.ipynb", as_version=4).cells
    shown = [i for i, cell in enumerate(cells) if cell.cell_type == "code" and "remove-cell" not in cell.metadata.get("tags", [])]
    return nbformat.v4.new_notebook(cells=readers.merge([readers.Heading("# Title"), *shown], cells, "Note"))


def test_notebook_runs_and_brings_the_library_along(tmp_path, checkout, monkeypatch):
    environment = Environment(tmp_path / "environment")
    before = environment.installed()
    assert set(before) == environment.wanted  # no softmax_lib, none of the project's tools

    notebook = reader_notebook()
    install = next(cell for cell in notebook.cells if cell.cell_type == "code")
    address = f"git+{project.repository()}"
    assert address in install.source
    install.source = install.source.replace(address, checkout.as_uri())
    again = nbformat.v4.new_code_cell(install.source)
    where = nbformat.v4.new_code_cell("import softmax_lib\nprint(softmax_lib.__file__)")
    notebook.cells += [again, where]

    monkeypatch.setenv("JUPYTER_PATH", str(environment.folder / "share" / "jupyter"))
    client = NotebookClient(notebook, kernel_name="clean", timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute(env=environment.variables)

    assert where.outputs[0].text.startswith(str(environment.folder))
    assert again.outputs == []
    after = environment.installed()
    assert after.pop("softmax-lib") and after == before  # itself added, nothing else changed
