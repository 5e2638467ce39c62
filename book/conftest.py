"""How nbval compares what a cell prints with what the book shows: words exactly, numbers as closely as
computers agree. Processors add up in different orders, so the last digits of a result may differ.
And how it starts its kernels: as forks of one process that has PyTorch in memory already."""

import math
import multiprocessing
import os
import re
import sys
import time
from decimal import Decimal

from jupyter_client.provisioning import local_provisioner
from nbval.plugin import IPyNbCell

NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")  # nan and inf are words
FIGURE = re.compile(r"(?s)<\?xml.*</svg>\s*")
EXACT = "nbval-exact"  # the tag of a cell whose numbers are compared to the letter
sanitize = IPyNbCell.sanitize


def close(shown, got):
    """Two numbers as they are printed: whole ones are equal, others may differ a little."""
    if not re.search("[.eE]", shown + got):
        return int(shown) == int(got)
    digit = max(10.0 ** Decimal(number).as_tuple().exponent for number in (shown, got))
    return math.isclose(float(shown), float(got), rel_tol=1e-3, abs_tol=min(1e-4, 2 * digit))


class Output(str):
    """A text output; spaces do not count, for a tensor pads its numbers by their digits."""

    exact = False
    __hash__ = str.__hash__

    def __eq__(self, other):
        if self.exact:
            return str(self) == str(other)
        words = [[" ".join(word.split()) for word in NUMBER.split(text)] for text in (self, other)]
        return words[0] == words[1] and all(map(close, NUMBER.findall(self), NUMBER.findall(other)))

    def __ne__(self, other):
        return not self == other


def tolerant(cell, text):
    text = sanitize(cell, text)
    if isinstance(text, str):
        text = Output(FIGURE.sub("a figure", text))  # fonts and versions draw a little differently
        text.exact = EXACT in cell.cell.metadata.get("tags", [])
    return text


IPyNbCell.sanitize = tolerant


# ---- kernels: importing PyTorch costs a process several seconds, a fork nothing

HEAVY = ["torch._dynamo", "torchvision", "matplotlib.pyplot", "ipykernel.kernelapp"]  # _dynamo is every optimizer's
KERNEL = """
import multiprocessing, os
from ipykernel.kernelapp import launch_new_instance
multiprocessing.set_start_method(None, force=True)  # what it was before the fork
nowhere = os.open(os.devnull, os.O_RDWR)
for stream in 0, 1, 2:
    os.dup2(nowhere, stream)
os.chdir({cwd!r})
os.environ.update({env!r})
os.setsid()
launch_new_instance(argv={argv!r})
"""


def fork_kernel(cmd, *, cwd, env, **_):
    """Start the kernel that the command would start; its process, with the methods of `subprocess.Popen`."""
    code = KERNEL.format(cwd=cwd, env=env, argv=cmd[cmd.index("ipykernel_launcher") + 1 :])
    process = forks.Process(target=exec, args=(code, {}))
    process.start()
    while process.is_alive() and os.getpgid(process.pid) != process.pid:
        time.sleep(0.01)  # until it leads a group of its own, for signals go to the whole group
    process.stdin = process.stdout = process.stderr = None
    process.poll = lambda: process.exitcode
    process.wait = process.join
    process.send_signal = lambda number: os.kill(process.pid, number)
    return process


if sys.platform == "linux":
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"  # what a kernel sets, before the import
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(HEAVY)
    local_provisioner.launch_kernel = fork_kernel
