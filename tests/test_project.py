"""The script of “From the notebook to your own project”, outside the book: in one process, in two, and killed."""
import os
import subprocess
import sys
import time

import pytest
import torch
from booktools import project, sources

SMALL = ["--images", "2000", "--batch-size", "100"]
TWO = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d",
       "--rdzv-endpoint", "127.0.0.1:0", "--local-addr", "127.0.0.1"]


@pytest.fixture
def start(tmp_path):
    """Starts Python in a folder that holds nothing but the page's script, and waits for it where asked to."""
    (cell,) = [cell.source for cell in sources.read("en", "from-notebook-to-project").code
               if cell.source.startswith("%%writefile train.py\n")]
    (tmp_path / "train.py").write_text(cell.partition("\n")[2])
    environment = {**os.environ, "PYTHONPATH": str(project.ROOT / "src"), "OMP_NUM_THREADS": "1"}

    def started(*command, wait=True):
        process = subprocess.Popen([sys.executable, *command], cwd=tmp_path, env=environment)
        assert not wait or process.wait(timeout=300) == 0
        return process

    return started


def result(folder, name):
    """The lines of the log, without the accuracies, these, and the weights."""
    lines = (folder / f"{name}.log").read_text().splitlines()
    heads, accs = zip(*(line.rsplit(" ", 1) for line in lines))
    return list(heads), [float(acc) for acc in accs], torch.load(folder / f"{name}.pt", weights_only=True)["net"]["1.weight"]


def test_two_processes_train_as_one_does(start, tmp_path):
    start("train.py", "--name", "one", "--epochs", "2", *SMALL)
    start(*TWO, "train.py", "--name", "two", "--epochs", "2", *SMALL)
    one, two = result(tmp_path, "one"), result(tmp_path, "two")
    assert one[0] == two[0] == [f"epoch {epoch}: validation accuracy" for epoch in (1, 2)]
    assert one[1] == pytest.approx(two[1], abs=1e-3) and one[1][-1] > .5
    assert torch.allclose(one[2], two[2], atol=1e-5)
    assert not list(tmp_path.glob("*.part"))


def test_a_killed_run_continues_to_the_same_numbers(start, tmp_path):
    command = ["--epochs", "20", *SMALL]
    start("train.py", "--name", "whole", *command)
    process, log, patience = start("train.py", "--name", "killed", *command, wait=False), tmp_path / "killed.log", 300
    while not (log.exists() and "epoch 2:" in log.read_text()) and process.poll() is None and patience > 0:
        patience -= .01
        time.sleep(.01)
    process.kill()
    process.wait()
    assert torch.load(tmp_path / "killed.pt", weights_only=True)["epoch"] < 20, "it was not killed in time"
    start("train.py", "--name", "killed", *command)
    whole, killed = result(tmp_path, "whole"), result(tmp_path, "killed")
    assert torch.equal(whole[2], killed[2]) and whole[1][-1] == killed[1][-1]
