"""Where Fashion-MNIST comes from, on good days and bad ones (softmax_lib._data and ._stand_in).

Most tests use a Fashion-MNIST of 60 + 10 random images in place of the real one: `small` makes it and
puts its checksums into the table of files. Servers are on this machine; no test needs the network.
"""
import contextlib
import gzip
import hashlib
import http.server
import os
import re
import signal
import socket
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import FashionMNIST

from softmax_lib import _data, _stand_in

NAMES = list(_data.FILES)
SHAPES = [(60, 28, 28), (60,), (10, 28, 28), (10,)]
pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks, signals and limits of POSIX")


def md5(data):
    return hashlib.md5(data).hexdigest()


def put(folder, content, ending=""):
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in content.items():
        (folder / (name + ending)).write_bytes(gzip.compress(data) if ending else data)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path[1:].removesuffix(".gz")
        self.server.asked.append(name)
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            for part in self.server.how(name, gzip.compress(self.server.content[name])):
                self.wfile.write(part)
                self.server.sent += len(part)

    def log_message(self, *_):
        pass


class Machine:
    """A computer with nothing on it and no network, and the content of a small Fashion-MNIST."""
    def __init__(self, folder, patch):
        self.patch, self.folder, self.system, self.mine = patch, folder, folder / "system", folder / "mine"
        self.cache = folder / "cache" / "torch" / "hub" / "softmax_lib"
        self.raw = self.cache / "FashionMNIST" / "raw"
        random, self.content, files = np.random.RandomState(0), {}, {}
        for name, shape in zip(NAMES, SHAPES):
            array = random.randint(0, 256 if len(shape) == 3 else 10, shape).astype(np.uint8)
            self.content[name] = np.array([0x800 + array.ndim, *shape], ">i4").tobytes() + array.tobytes()
            files[name] = shape, md5(self.content[name])
        self.use(FILES=files, LARGEST=50_000, SYSTEM_COPY=str(self.system), MIRRORS=["http://127.0.0.1:9/"] * 2,
                 draw=lambda n, seed: _stand_in.draw(n // 1000, seed))
        (folder / "tmp").mkdir()
        patch.setattr(_data.tempfile, "tempdir", str(folder / "tmp"))
        for name, value in ("HOME", folder), ("USERPROFILE", folder), ("XDG_CACHE_HOME", folder / "cache"):
            patch.setenv(name, str(value))
        for name in "SOFTMAX_LIB_DATA", "TORCH_HOME":
            patch.delenv(name, raising=False)

    def use(self, **names):
        for name, value in names.items():
            self.patch.setattr(_data, name, value)
        _data._obtain.cache_clear()

    def files(self, folder=""):
        return sorted(path.name for path in (self.folder / folder).rglob("*") if not path.is_dir())

    def is_real(self):
        """Whether the library, asked afresh, gives exactly this content, in its own tensors and to torchvision."""
        _data._obtain.cache_clear()
        root = _data.fashion_mnist_root()
        for train in True, False:
            theirs, (images, labels) = FashionMNIST(root, train), _data.fashion_mnist(train)
            assert torch.equal(theirs.data, images) and torch.equal(theirs.targets, labels)
            assert labels.dtype == torch.int64 and _data.fashion_mnist(train)[0] is images
        laid_out = {name: Path(root, _data.RAW, name).read_bytes() for name in NAMES}
        return not _data.is_stand_in() and laid_out == self.content

    def serve(self, how=lambda name, body: [body]):
        """Start a mirror; `how` gives what it really sends for a file, in parts."""
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.how, server.content, server.asked, server.sent = how, self.content, [], 0
        server.url = f"http://127.0.0.1:{server.server_port}/"
        threading.Thread(target=server.serve_forever, args=(.02,), daemon=True).start()
        return server

    def damage(self, folder, how):
        """Put the files into the folder, one of them damaged; returns its name."""
        number, ending, act = DAMAGE[how]
        put(folder, self.content, ending)
        path = folder / (NAMES[number] + ending)
        if act:
            path.write_bytes(act(path.read_bytes()))
        else:
            path.unlink()
            path.symlink_to("/proc/self/mem")  # root, too, gets an error from this one
        return NAMES[number]


@pytest.fixture
def machine(tmp_path, monkeypatch):
    yield Machine(tmp_path, monkeypatch)
    _data._obtain.cache_clear()


@pytest.fixture
def said(capsys):
    """said() gives the lines said since, as a screen shows them."""
    def lines():
        out, err = capsys.readouterr()
        assert out == ""
        return [line.rstrip("\r").rpartition("\r")[2] for line in err.split("\n") if line]
    return lines


def flip(data, place):
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1:]


DAMAGE = {  # the file, its ending, and what happens to the bytes that lie there
    "truncated": (0, "", lambda data: data[:-100]),
    "empty": (1, "", lambda data: b""),
    "too long": (1, "", lambda data: data + b"\0"),
    "one bit": (0, "", lambda data: flip(data, 5000)),
    "magic number": (0, "", lambda data: flip(data, 3)),
    "half a gzip file": (2, ".gz", lambda data: data[:-30]),
    "not gzip": (2, ".gz", lambda data: b"not gzip"),
    "garbled gzip": (2, ".gz", lambda data: data[:60] + b"!!" + data[62:]),
    "a bomb": (2, ".gz", lambda data: gzip.compress(bytes(50_000_000))),
    "unreadable": (1, "", None),
}
damaged = pytest.mark.parametrize("how", [how for how in DAMAGE if how != "unreadable" or hasattr(os, "fork")])


# -- folders ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("place", [".", "FashionMNIST/raw"])
def test_given_files_are_used_and_laid_out(machine, monkeypatch, said, ending, place):
    monkeypatch.setenv("SOFTMAX_LIB_DATA", "~/mine")
    with pytest.raises(FileNotFoundError):
        _data.fashion_mnist_root()
    put(machine.mine / place, machine.content, ending)  # mended in the same process
    assert machine.is_real() and _data.fashion_mnist_root() == str(machine.mine)
    times = [path.stat().st_mtime_ns for path in machine.mine.rglob("*-ubyte")]
    assert machine.is_real() and [path.stat().st_mtime_ns for path in machine.mine.rglob("*-ubyte")] == times
    assert said() == [] and not machine.cache.exists()
    monkeypatch.setenv("SOFTMAX_LIB_DATA", "")  # as good as not set
    assert _data.is_stand_in()


def refused(mine, kind, names):
    for ask in _data.fashion_mnist_root, _data.is_stand_in, lambda: _data.fashion_mnist(True):
        with pytest.raises(kind) as error:
            ask()
        text = str(error.value)
        assert "\n" not in text and str(mine) in text and "or unset" in text and [name for name in NAMES if name in text] == names


@pytest.mark.parametrize("how", ["nothing", "two", *damaged.args[1]])
def test_given_folder_that_will_not_do_is_refused(machine, monkeypatch, how):
    put(machine.raw, machine.content)  # is not fallen back to
    monkeypatch.setenv("SOFTMAX_LIB_DATA", str(machine.mine))
    if how in DAMAGE:
        return refused(machine.mine, ValueError, [machine.damage(machine.mine, how)])
    there = NAMES[1:3] if how == "two" else []
    put(machine.mine, {name: machine.content[name] for name in there})
    refused(machine.mine, FileNotFoundError, [name for name in NAMES if name not in there])


@damaged
def test_cached_file_that_is_damaged_is_named_and_fetched_again(machine, said, how):
    name = machine.damage(machine.raw, how)
    put(machine.system, machine.content, ".gz")
    tracemalloc.start()
    assert not _data.is_stand_in() and tracemalloc.get_traced_memory()[1] < 2_000_000  # of a bomb, and of any file
    tracemalloc.stop()
    line, = said()
    assert name in line and "damaged" in line and "fetched again" in line
    if how != "unreadable":  # which cannot be compared or replaced
        assert machine.is_real() and said() and (machine.raw / name).read_bytes() == machine.content[name]
        machine.use(SYSTEM_COPY="/nowhere")
        assert machine.is_real() and said() == []


@pytest.mark.parametrize("bad", ["test", 1, 0, None])
def test_part_is_asked_for_with_a_bool(machine, bad):
    with pytest.raises(TypeError, match=f"train must be True .* not {bad!r}"):
        _data.fashion_mnist(bad)


# -- the network ------------------------------------------------------------------------------------

def test_download_once_if_neither_cache_nor_system_has_it(machine, said):
    server = machine.serve()
    machine.use(MIRRORS=[server.url])
    machine.damage(machine.system, "half a gzip file")
    assert len(_data.fashion_mnist(True)[0]) == 60 and machine.files("cache") == sorted(NAMES)
    first, second = said()
    assert NAMES[2] in first and "of 31 MB" in second and server.asked == NAMES
    assert machine.is_real() and said() == [] and server.asked == NAMES and machine.files("tmp") == []


def slowly(seconds, start=0):
    """Sends byte after byte with pauses of so many seconds, for six seconds in all."""
    def send(name, body):
        yield body[:start]
        for k in range(start, start + int(6 / seconds)):
            time.sleep(seconds)
            yield body[k:k + 1]
    return send


BAD_MIRRORS = {
    "swallows names": None,
    "deaf": slowly(6),
    "silent": slowly(6, start=2000),
    "trickle": slowly(.02),
    "endless": lambda name, body: (bytes(1 << 16) for _ in range(2000)),
    "breaks off": lambda name, body: [body if "train-images" in name else body[:len(body) // 2]],
    "tampers": lambda name, body: [body[:-8] + b"tampered" if "images" in name else body],
    "sends a bomb": lambda name, body: [gzip.compress(bytes(5_000_000))],
    "sends a page": lambda name, body: [b"<html>Please log in</html>"],
    "sends nothing": lambda name, body: [],
}


@pytest.mark.parametrize("how", BAD_MIRRORS)
def test_bad_mirror_gives_way_and_leaves_nothing_behind(machine, said, how):
    good, bad, look_up = machine.serve(), machine.serve(BAD_MIRRORS[how]), socket.getaddrinfo
    machine.use(SILENCE=.5, SLOWEST=1000)  # half of the first file would do for 20 s
    machine.patch.setattr(socket, "getaddrinfo", lambda host, *more, **rest:
                time.sleep(5) if host == "swallowed" else look_up(host, *more, **rest))
    machine.use(MIRRORS=[bad.url if BAD_MIRRORS[how] else "http://swallowed/", good.url])
    start = time.monotonic()
    assert not _data.is_stand_in() and time.monotonic() - start < 4 and bad.sent < 1 << 24
    assert len(said()) == 1 and machine.files() == sorted(NAMES) and machine.is_real() and good.asked == NAMES


def test_mirrors_an_https_address_first():
    assert [re.fullmatch("(https?)://.*/", mirror)[1] for mirror in _data.MIRRORS] == ["https", "http"]


# -- the stand-in -----------------------------------------------------------------------------------

def test_no_network_gives_the_stand_in_and_says_so(machine, said):
    for again in range(2):
        images, labels = _data.fashion_mnist(train=True)
        assert images.shape == (60, 28, 28) and labels.bincount().tolist() == [6] * 10
        theirs = FashionMNIST(_data.fashion_mnist_root(), train=True)
        assert torch.equal(theirs.data, images) and torch.equal(theirs.targets, labels) and _data.is_stand_in()
        assert len(_data.fashion_mnist(train=False)[0]) == 10 and not machine.cache.exists()  # where real ones are kept
        line, = said()                    # once per process
        assert "not the real images" in line and "numbers will differ" in line
        for path in machine.folder.rglob("*-ubyte"):
            path.write_bytes(b"damaged")  # is never read, so nothing is said of it
        _data._obtain.cache_clear()
    put(machine.raw, machine.content)
    assert machine.is_real() and said() == []


# -- disks and other processes ----------------------------------------------------------------------

@pytest.mark.parametrize("what", ["unwritable", "homeless"])
def test_cache_that_cannot_be_written_stops_nobody(machine, monkeypatch, said, what):
    put(machine.system, machine.content, ".gz")
    monkeypatch.chdir(machine.folder)
    if what == "unwritable":
        (machine.folder / "cache").write_text("a file where the folder would be")
    else:
        monkeypatch.setattr(os.path, "expanduser", lambda path: path)
        monkeypatch.delenv("XDG_CACHE_HOME")
    for system in str(machine.system), "/nowhere":
        machine.use(SYSTEM_COPY=system)
        assert machine.is_real() and machine.files("tmp") == sorted(NAMES) and said() == []
    assert not (machine.folder / "~").exists()


def children(n, work):
    """What becomes of work() in n processes at once: 0 if it is true."""
    for _ in range(n):
        if os.fork() == 0:
            try:
                os._exit(not work())
            finally:
                os._exit(2)
    return [os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(n)]


@posix
def test_processes_at_once(machine, said):
    put(machine.system, machine.content, ".gz")
    places, arrays, _ = _data._data()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "is_file", lambda path: False)  # each writes everything anew, over what others have written
        work = lambda: all(_data._keep(places, arrays) == places[0] and _data._read(places[0]) for _ in range(20))
        assert children(8, work) == [0] * 8
    assert machine.files("cache") == sorted(NAMES) and machine.is_real() and said() == []


@posix
@pytest.mark.parametrize("end", ["full", "killed"])
def test_disk_that_is_full_and_process_that_is_killed_while_it_writes(machine, said, end):
    put(machine.system, machine.content, ".gz")
    whole = Path.write_bytes

    def half(path, data):
        whole(path, data[:len(data) // 2])
        if end == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "write_bytes", half)
        if end == "killed":
            assert children(1, _data.fashion_mnist_root) == [-signal.SIGKILL]
        else:
            assert len(_data.fashion_mnist(True)[0]) == 60 and not _data.is_stand_in()
            with pytest.raises(OSError, match="make room"):
                _data.fashion_mnist_root()
    assert len(machine.files("cache")) == (end == "killed") and machine.files("tmp") == []
    assert machine.is_real() and said() == []


# -- full size --------------------------------------------------------------------------------------

def test_stand_in_is_the_same_everywhere_and_about_as_bright_as_the_real_one():
    """How hard it is to learn, `make margins` measures."""
    parts = [_stand_in.draw(60000, 1), _stand_in.draw(10000, 2)]
    assert [md5(array.numpy().tobytes())[:8] for part in parts for array in part] == [
        "12b5317f", "39909d91", "9c0d12e9", "7b1f15c3"]
    X = parts[0][0].reshape(-1, 784) / 255
    assert .26 < X.mean() < .31 and .28 < X.std() < .38 and 10 < X.norm(dim=1).mean() < 14  # real: .286, .353, 12.2
