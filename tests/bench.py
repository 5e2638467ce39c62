"""How fast the book is, beside what a reader or an author would otherwise do: `make bench`, two hours on two cores.

Each row runs two programs in turn; its factor is how many times as long the second takes, the median of the
pairs with the least and the most. `tests/bench.py WORD…` measures the rows that hold one of the words; the
others keep their place in BENCHMARKS.md, with their dates.
"""

import functools
import gzip
import http.server
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import date
from pathlib import Path

from booktools import interface, project

ROOT = project.ROOT
TABLE = ROOT / "BENCHMARKS.md"
BUILD = f"{Path(sys.executable).with_name('jupyter-book')} build ."

START = """
import time, torch, torchvision
import softmax_lib as sl
from torch import nn
from torchvision import transforms
model = lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
def images(train, workers):
    data = torchvision.datasets.FashionMNIST(sl.fashion_mnist_root(), train, transforms.ToTensor())
    return torch.utils.data.DataLoader(data, 256, shuffle=train, num_workers=workers)
train, test = sl.load_data_fashion_mnist(256)
next(iter(train)), next(iter(test))
net = model()
optimizer, start = torch.optim.SGD(net.parameters(), 0.1), time.perf_counter()
"""
READ = "for X, y in {}: pass\n"
BOOK = "sl.train_ch3(net, train, test, nn.CrossEntropyLoss(reduction='none'), 10, optimizer)\n"
STILL = "sl.Animator.add = lambda *_: None\n"  # no curves
SHELL = """
from IPython.core.interactiveshell import InteractiveShell
InteractiveShell.instance().kernel = None  # curves are drawn, as in a notebook
"""
TEXTBOOK = """
train, test = images(True, {workers}), images(False, {workers})
for epoch in range(10):
    total = right = seen = 0
    for X, y in train:
        scores = net(X)
        loss = nn.functional.cross_entropy(scores, y)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
        total += loss.item() * len(y); right += (scores.argmax(1) == y).sum().item(); seen += len(y)
    with torch.no_grad():
        sum((net(X).argmax(1) == y).sum().item() for X, y in test) / 10000
"""
FLOOR = """
images, labels = map(torch.cat, zip(*train))
start = time.perf_counter()
for epoch in range(10):
    for batch in torch.randperm(len(labels)).split(256):
        loss = nn.functional.cross_entropy(net(images[batch]), labels[batch])
        optimizer.zero_grad(); loss.backward(); optimizer.step()
"""


def python(code, told=True):
    """How long a program runs: what it tells, or as a process."""
    start = time.perf_counter()
    tell = '\nprint("seconds", time.perf_counter() - start)' if told else ""
    done = subprocess.run([sys.executable, "-c", code + tell], capture_output=True, text=True, check=True)
    return float(done.stdout.split("seconds")[1]) if told else time.perf_counter() - start


def timed(folder, *commands):
    """How long commands run one after the other."""
    start = time.perf_counter()
    for command in commands:
        done = subprocess.run(command, cwd=folder, shell=True, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{command} in {folder} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return time.perf_counter() - start


def copied(folder):
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".venv", ".git", "_build"))
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder


def plain(folder):
    """What an author without these tools would have: three Jupyter Books, here of the notebooks for readers."""
    names = project.sections()
    for edition in project.editions():
        shutil.copytree(ROOT / "_build/html" / interface.folder(edition) / "notebooks", folder / edition)
        (folder / edition / "_config.yml").write_text("execute: {execute_notebooks: cache, timeout: 600}\n")
        chapters = "".join(f"- file: {name}\n" for name in names[1:])
        (folder / edition / "_toc.yml").write_text(f"format: jb-book\nroot: {names[0]}\nchapters:\n{chapters}")
    return folder


def builds(books):
    return sum(timed(book, BUILD) for book in books)


@functools.cache
def ready(ours, *books):
    """Build what is to be built again."""
    timed(ours, "make book")
    builds(book for book in books if not (book / "_build").exists())


def visited(site, page):
    """How long a slow phone waits for the first paint of a page; from other servers nothing comes."""
    from playwright.sync_api import sync_playwright

    class Packed(http.server.SimpleHTTPRequestHandler):
        log_message = lambda *_: None

        def copyfile(self, source, outputfile):
            outputfile.write(gzip.compress(source.read()))

        def send_header(self, name, value):
            if name == "Content-Length":
                name, value = "Content-Encoding", "gzip"
            super().send_header(name, value)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Packed, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 390, "height": 844})
        tab.route(lambda url: "127.0.0.1" not in url, lambda route: route.abort())
        phone = tab.context.new_cdp_session(tab)
        phone.send("Network.enable")
        slow = {"offline": False, "latency": 150, "downloadThroughput": 1.6e6 / 8, "uploadThroughput": 0.75e6 / 8}
        phone.send("Network.emulateNetworkConditions", slow)
        phone.send("Emulation.setCPUThrottlingRate", {"rate": 4})
        tab.goto(f"http://127.0.0.1:{server.server_port}/{page}.html", timeout=120_000)
        tab.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
        return tab.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000")


def changed(paths, old, new):
    """One change in each file."""
    for path in paths:
        text = path.read_text("utf-8")
        assert old in text, f"{path} has no “{old}”"
        path.write_text(text.replace(old, new, 1), "utf-8")


def grown(folder, times):
    """The book with all its sections several times over, each copy with labels of its own."""
    copied(folder)
    toc = (folder / "_toc.yml").read_text("utf-8")
    for page in project.sections():
        for copy in range(2, times + 1):
            toc = toc.replace(f"file: {page}\n", f"file: {page}\n      - file: {page}-{copy}\n")
            for path in folder.glob(f"book/*/{page}.*"):
                text = path.read_text("utf-8")
                labels = re.findall(r'(?:^\((?=[\w-]+\)=)|(?:label|name)"?: "?)(\w+-[\w-]+)', path.with_suffix(".md").read_text("utf-8"), re.M)
                for label in {*labels}:
                    text = re.sub(rf"(?<![\w-]){label}(?![\w-])", f"{label}-{copy}", text)
                path.with_stem(f"{page}-{copy}").write_text(text, "utf-8")
    (folder / "_toc.yml").write_text(toc, "utf-8")
    return folder


def rows(folder):
    """What is measured: its name, ours, the other, how often."""
    for workers in (0, 2, 4):
        yield (f"reading: an epoch of Fashion-MNIST, beside `DataLoader` and `ToTensor` with {workers} workers",
               lambda: python(START + READ.format("train")),
               lambda workers=workers: python(START + READ.format(f"images(True, {workers})")), 5)  # fmt: skip
    for workers in (0, 2, 4):
        yield (f"training: ten epochs, beside the textbook's loop with {workers} workers",
               lambda: python(START + STILL + BOOK), lambda workers=workers: python(START + TEXTBOOK.format(workers=workers)),
               3)  # fmt: skip
    yield ("floor: a bare loop over tensors in memory, without measures or test, beside ten epochs of the book's training",
           lambda: python(START + FLOOR), lambda: python(START + STILL + BOOK), 5)  # fmt: skip
    yield ("curves: ten epochs without them, beside ten with a plot that grows",
           lambda: python(SHELL + START + STILL + BOOK), lambda: python(SHELL + START + BOOK), 5)  # fmt: skip
    first = "import softmax_lib as sl, torch; sl.accuracy(torch.eye(2), torch.arange(2))"
    for said, code in (("`import softmax_lib`", "import softmax_lib"), ("a first `sl.accuracy`", first)):
        yield f"import: `import torch`, beside {said}", lambda: python("import torch", False), lambda code=code: python(code, False), 9
    ours, theirs = copied(folder / "ours"), plain(folder / "plain")
    books = [theirs / edition for edition in project.editions()]
    page = "linear-regression"
    yield ("build: all three editions, every notebook executed, beside three plain Jupyter Books",
           lambda: timed(ours, f"PYTHONPATH=tools {sys.executable} -m booktools sync --execute-all", "make book"),
           lambda: builds(books), 1)  # fmt: skip
    yield "build: nothing has changed", lambda: ready(ours, *books) or timed(ours, "make book"), lambda: builds(books), 3
    yield ("build: one paragraph has changed in each edition",
           lambda: ready(ours, *books) or changed(ours.glob(f"book/*/{page}.md"), "$b$", "$b$ $b$") or timed(ours, "make sync", "make book"),
           lambda: changed(theirs.glob(f"*/{page}.ipynb"), "$b$", "$b$ $b$") or builds(books), 3)  # fmt: skip
    yield ("build: one cell has changed",
           lambda: ready(ours, *books) or changed([ours / f"book/en/{page}.md"], "import torch\n", "import torch\npass\n")
           or timed(ours, "make sync", "make book"),
           lambda: changed(theirs.glob(f"*/{page}.ipynb"), "import torch\\n", "import torch\\npass\\n") or builds(books),
           3)  # fmt: skip
    yield ("visit: the first paint of section 4 on a slow phone, beside plain Jupyter Book without its outside parts",
           lambda: ready(ours, *books) or visited(ours / "_build/html", "softmax-regression"),
           lambda: visited(books[0] / "_build/html", "softmax-regression"), 5)  # fmt: skip
    nbval = f"{sys.executable} -m pytest -q --nbval --nbval-current-env --nbval-cell-timeout 600 book/en"
    yield ("nbval: the English notebooks on all cores, beside one after the other",
           lambda: timed(ROOT, f"{nbval} -n auto --dist loadfile"), lambda: timed(ROOT, nbval), 1)  # fmt: skip
    yield ("pdf: building the site from nothing, beside the PDF and EPUB of each edition from it",
           lambda: timed(ours, "rm -rf _build && make book"), lambda: timed(ours, "PYTHONPATH=tools .venv/bin/python -m booktools pdf"),
           1)  # fmt: skip
    for times in (2, 4, 8):
        yield (f"growth: building the book from nothing, beside a book of {times} times the sections",
               lambda: timed(ours, "rm -rf _build && make book"),
               lambda times=times: timed(grown(folder / str(times), times), BUILD),
               1)  # fmt: skip


def main(words):
    kept = {}
    if TABLE.exists():
        kept = {line.split(" | ")[0]: line for line in TABLE.read_text("utf-8").splitlines() if re.match(r"\| \w+: ", line)}
    table = []
    with tempfile.TemporaryDirectory() as folder:
        for said, ours, other, times in rows(Path(folder)):
            if words and not any(word in said for word in words):
                table += [kept[f"| {said}"]] if f"| {said}" in kept else []
                continue
            pairs = [(ours(), other()) for _ in range(times)]
            first, second = (statistics.median(column) for column in zip(*pairs))
            ratios = sorted(second / first for first, second in pairs)
            spread = f"{ratios[0]:.2f}–{ratios[-1]:.2f}" if times > 1 else "once"
            table.append(f"| {said} | {first:.2f} s | {second:.2f} s | {statistics.median(ratios):.2f} | {spread} | {date.today()} |")
            print(table[-1], flush=True)
    import torch

    TABLE.write_text(
        "# How fast the book is\n\n"
        f"Measured by `make bench` on {os.cpu_count()} cores ({platform.machine()}, {torch.backends.cpu.get_cpu_capability()}), "
        f"{os.environ.get('OMP_NUM_THREADS', 'all')} thread to a process, with PyTorch {torch.__version__.split('+')[0]} and Python "
        f"{platform.python_version()}. Each row runs two programs in turn. Its factor is how many times as long the second takes: the "
        "median of the pairs, then the least and the most.\n\n"
        "| what | first | second | factor | range | day |\n|---|---|---|---|---|---|\n" + "\n".join(table) + "\n", "utf-8")  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
