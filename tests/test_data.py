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


def files_under(*folders):
    return sorted(path.name for folder in folders for path in folder.rglob("*") if not path.is_dir())


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A machine with nothing on it and no network; gives the content of the small Fashion-MNIST."""
    random = np.random.RandomState(0)
    arrays = [random.randint(0, 256 if len(shape) == 3 else 10, shape).astype(np.uint8) for shape in SHAPES]
    content = {name: np.array([0x800 + array.ndim, *array.shape], ">i4").tobytes() + array.tobytes()
               for name, array in zip(NAMES, arrays)}
    small = {"FILES": {name: (shape, md5(content[name])) for name, shape in zip(NAMES, SHAPES)}, "LARGEST": 50_000,
             "SYSTEM_COPY": str(tmp_path / "system"), "MIRRORS": ["http://127.0.0.1:9/"] * 2,
             "draw": lambda n, seed: _stand_in.draw(n // 1000, seed)}
    for name, value in small.items():
        monkeypatch.setattr(_data, name, value)
    monkeypatch.setattr(_data.tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    for name in "SOFTMAX_LIB_DATA", "TORCH_HOME", "HOME", "USERPROFILE":
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    _data._obtain.cache_clear()
    yield content
    _data._obtain.cache_clear()


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache" / "torch" / "hub" / "softmax_lib"


@pytest.fixture
def raw(cache):
    return cache / "FashionMNIST" / "raw"


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


@pytest.fixture
def serve(small):
    """serve(how) starts a mirror; `how` gives what is really sent for a file, in parts. Returns the server."""
    with contextlib.ExitStack() as servers:
        def start(how=lambda name, body: [body]):
            server = servers.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
            server.how, server.content, server.asked, server.sent = how, small, [], 0
            threading.Thread(target=server.serve_forever, args=(.02,), daemon=True).start()
            servers.callback(server.shutdown)
            return server
        yield start


@pytest.fixture
def said(capsys):
    """said() gives the lines said since, as a screen shows them."""
    def lines():
        out, err = capsys.readouterr()
        assert out == ""
        return [line.rstrip("\r").rpartition("\r")[2] for line in err.split("\n") if line]
    return lines


def is_real(content):
    """Whether the library, asked afresh, gives exactly this content, in its own tensors and to torchvision."""
    _data._obtain.cache_clear()
    root = _data.fashion_mnist_root()
    for train in True, False:
        theirs, (images, labels) = FashionMNIST(root, train), _data.fashion_mnist(train)
        assert torch.equal(theirs.data, images) and torch.equal(theirs.targets, labels)
        assert _data.fashion_mnist(train)[0] is images
    return not _data.is_stand_in() and content == {name: Path(root, _data.RAW, name).read_bytes() for name in NAMES}


def flip(data, place):
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1:]


DAMAGE = {  # the file, its ending, and what happens to the bytes that lie there
    "truncated": (0, "", lambda data: data[:-100]),
    "empty": (1, "", lambda data: b""),
    "too long": (1, "", lambda data: data + b"\0"),
    "one bit": (0, "", lambda data: flip(data, 5000)),
    "magic number": (0, "", lambda data: flip(data, 3)),
    "half a gzip file": (2, ".gz", lambda data: data[:-30]),
    "an empty gzip file": (2, ".gz", lambda data: b""),
    "not gzip": (2, ".gz", lambda data: b"not gzip"),
    "garbled gzip": (2, ".gz", lambda data: data[:60] + b"!!" + data[62:]),
    "a bomb": (2, ".gz", lambda data: gzip.compress(bytes(50_000_000))),
}


def damage(folder, small, how):
    """Put the files into the folder, one of them damaged; returns its name."""
    if how == "unreadable":
        put(folder, small)
        (folder / NAMES[1]).unlink()
        (folder / NAMES[1]).symlink_to("/proc/self/mem")  # root, too, gets an error from this one
        return NAMES[1]
    number, ending, act = DAMAGE[how]
    put(folder, small, ending)
    path = folder / (NAMES[number] + ending)
    path.write_bytes(act(path.read_bytes()))
    return NAMES[number]


damaged = pytest.mark.parametrize("how", [*DAMAGE, pytest.param("unreadable", marks=posix)])


# -- folders ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("place", ["mine", "mine/FashionMNIST/raw"])
def test_given_files_are_used_and_laid_out(small, tmp_path, cache, monkeypatch, said, ending, place):
    monkeypatch.setenv("SOFTMAX_LIB_DATA", "~/mine")
    with pytest.raises(FileNotFoundError):
        _data.fashion_mnist_root()
    put(tmp_path / place, small, ending)  # mended in the same process
    assert is_real(small) and _data.fashion_mnist_root() == str(tmp_path / "mine")
    times = [path.stat().st_mtime_ns for path in tmp_path.rglob("*-ubyte")]
    assert is_real(small) and [path.stat().st_mtime_ns for path in tmp_path.rglob("*-ubyte")] == times
    assert said() == [] and not cache.exists()
    monkeypatch.setenv("SOFTMAX_LIB_DATA", "")  # as good as not set
    assert _data.is_stand_in()


def refused(names, mine, kind):
    for ask in _data.fashion_mnist_root, _data.is_stand_in, lambda: _data.fashion_mnist(True):
        with pytest.raises(kind) as error:
            ask()
        text = str(error.value)
        assert "\n" not in text and str(mine) in text and [name for name in NAMES if name in text] == names


@damaged
def test_given_file_that_is_damaged_is_refused(small, tmp_path, raw, monkeypatch, how):
    put(raw, small)  # is not fallen back to
    monkeypatch.setenv("SOFTMAX_LIB_DATA", str(tmp_path / "mine"))
    refused([damage(tmp_path / "mine", small, how)], tmp_path / "mine", ValueError)


def test_given_files_that_are_missing_are_named(small, tmp_path, raw, monkeypatch):
    put(raw, small)
    monkeypatch.setenv("SOFTMAX_LIB_DATA", str(tmp_path / "mine"))
    refused(NAMES, tmp_path / "mine", FileNotFoundError)
    put(tmp_path / "mine", {name: small[name] for name in NAMES[1:3]})
    refused([NAMES[0], NAMES[3]], tmp_path / "mine", FileNotFoundError)


@damaged
def test_cached_file_that_is_damaged_is_named_and_fetched_again(small, tmp_path, raw, monkeypatch, said, how):
    name = damage(raw, small, how)
    put(tmp_path / "system", small, ".gz")
    tracemalloc.start()
    assert not _data.is_stand_in() and tracemalloc.get_traced_memory()[1] < 2_000_000  # of a bomb, and of any file
    tracemalloc.stop()
    line, = said()
    assert name in line and "damaged" in line and "fetched again" in line
    if how != "unreadable":  # which cannot be compared or replaced
        assert is_real(small) and said() and (raw / name).read_bytes() == small[name]
        monkeypatch.setattr(_data, "SYSTEM_COPY", "/nowhere")
        assert is_real(small) and said() == []


@pytest.mark.parametrize("bad", ["test", 1, 0, None])
def test_part_is_asked_for_with_a_bool(small, bad):
    with pytest.raises(TypeError, match=f"train must be True .* not {bad!r}"):
        _data.fashion_mnist(bad)


# -- the network ------------------------------------------------------------------------------------

def url(server):
    return f"http://127.0.0.1:{server.server_port}/"


def test_download_once_if_neither_cache_nor_system_has_it(small, serve, tmp_path, raw, monkeypatch, said):
    server = serve()
    monkeypatch.setattr(_data, "MIRRORS", [url(server)])
    damage(tmp_path / "system", small, "half a gzip file")
    assert len(_data.fashion_mnist(True)[0]) == 60 and files_under(raw, tmp_path / "tmp") == sorted(NAMES)
    first, second = said()
    assert NAMES[2] in first and "of 31 MB" in second and server.asked == NAMES
    assert is_real(small) and said() == [] and server.asked == NAMES


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
def test_bad_mirror_gives_way_and_leaves_nothing_behind(small, serve, tmp_path, monkeypatch, said, how):
    monkeypatch.setattr(_data, "SILENCE", .5)
    monkeypatch.setattr(_data, "SLOWEST", 1000)  # half of the first file would do for 20 s
    good, bad, look_up = serve(), serve(BAD_MIRRORS[how]), socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo",
                        lambda host, *more, **rest: time.sleep(5) if host == "swallowed" else look_up(host, *more, **rest))
    first = url(bad) if BAD_MIRRORS[how] else "http://swallowed/"
    for mirrors in [first], [first, url(good)]:
        monkeypatch.setattr(_data, "MIRRORS", mirrors)
        start = time.monotonic()
        _data._obtain.cache_clear()
        assert _data.is_stand_in() == (len(mirrors) == 1) and time.monotonic() - start < 4 and bad.sent < 1 << 22
        if len(mirrors) == 1:
            assert "not the real images" in said()[-1] and files_under(tmp_path) == []
    assert is_real(small) and good.asked == NAMES


def test_mirrors_an_https_address_first():
    assert [re.fullmatch("(https?)://.*/", mirror)[1] for mirror in _data.MIRRORS] == ["https", "http"]


# -- the stand-in -----------------------------------------------------------------------------------

def test_no_network_gives_the_stand_in_and_says_so(small, tmp_path, raw, cache, said):
    images, labels = _data.fashion_mnist(train=True)
    assert images.shape == (60, 28, 28) and labels.bincount().tolist() == [6] * 10 and files_under(tmp_path) == []
    for path in "a first time", "again":
        theirs = FashionMNIST(_data.fashion_mnist_root(), train=True)
        assert torch.equal(theirs.data, images) and torch.equal(theirs.targets, labels) and _data.is_stand_in()
        assert len(_data.fashion_mnist(train=False)[0]) == 10 and not cache.exists()  # where real ones are looked for
        line, = said()                    # once per process
        assert "not the real images" in line and "numbers will differ" in line
        for path in tmp_path.rglob("*-ubyte"):
            path.write_bytes(b"damaged")  # is never read, so nothing is said of it
        _data._obtain.cache_clear()
    put(raw, small)
    assert is_real(small) and said() == []


# -- disks and other processes ----------------------------------------------------------------------

@pytest.mark.parametrize("what", ["unwritable", "homeless"])
def test_cache_that_cannot_be_written_stops_nobody(small, tmp_path, monkeypatch, said, what):
    put(tmp_path / "system", small, ".gz")
    monkeypatch.chdir(tmp_path)
    if what == "unwritable":
        (tmp_path / "cache").write_text("a file where the folder would be")
    else:
        monkeypatch.setattr(os.path, "expanduser", lambda path: path)
        monkeypatch.delenv("XDG_CACHE_HOME")
    for system in tmp_path / "system", "/nowhere":
        monkeypatch.setattr(_data, "SYSTEM_COPY", str(system))
        assert is_real(small) and _data.fashion_mnist_root() == str(tmp_path / "tmp" / "softmax_lib") and said() == []
    assert not (tmp_path / "~").exists()


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
def test_full_disk_stops_nobody(small, tmp_path):
    put(tmp_path / "system", small, ".gz")

    def work():
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # writing stops half-way through a file
        assert len(_data.fashion_mnist(True)[0]) == 60 and not _data.is_stand_in()
        with pytest.raises(OSError, match="make room"):
            _data.fashion_mnist_root()
        return True

    assert children(1, work) == [0] and files_under(tmp_path / "cache", tmp_path / "tmp") == []


@posix
def test_processes_at_once(small, tmp_path, cache, raw, monkeypatch, said):
    put(tmp_path / "system", small, ".gz")

    class Bytes(bytes):  # never equal: each writes everything anew, over what others have just written
        __ne__ = lambda *_: True

    write, (places, arrays, _) = _data._write, _data._data()
    monkeypatch.setattr(_data, "_write", lambda path, data: write(path, Bytes(data)))
    assert children(8, lambda: all(_data._keep(places, arrays) == str(cache) and _data._read(cache) for _ in range(20))
                    ) == [0] * 8
    assert files_under(raw) == sorted(NAMES) and is_real(small) and said() == []


@posix
def test_process_killed_while_it_writes(small, tmp_path, raw, monkeypatch, said):
    put(tmp_path / "system", small, ".gz")
    whole, paths = Path.write_bytes, []

    def write_bytes(path, data):  # the third file is half there when the end comes
        paths.append(path)
        whole(path, data if len(paths) < 3 else data[:len(data) // 2])
        if len(paths) == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", write_bytes)
        assert children(1, _data.fashion_mnist_root) == [-signal.SIGKILL]
    assert len(list(raw.glob("tmp-*/" + NAMES[2]))) == 1
    assert is_real(small) and said() == []


# -- full size --------------------------------------------------------------------------------------

def test_real_files_where_the_system_has_them_and_the_stand_in_elsewhere(tmp_path, monkeypatch, said):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("SOFTMAX_LIB_DATA", raising=False)
    monkeypatch.setattr(_data, "MIRRORS", [])
    _data._obtain.cache_clear()
    there, start = os.path.isdir(_data.SYSTEM_COPY), time.perf_counter()
    assert _data.is_stand_in() == (not there) and len(said()) == (not there)
    assert time.perf_counter() - start < 5  # about 0.4 s on a machine with nothing else to do
    for train, n in (True, 60000), (False, 10000):
        images, labels = _data.fashion_mnist(train)
        assert images.shape == (n, 28, 28) and labels.bincount().tolist() == [n // 10] * 10
    if there:  # the first training image is an ankle boot
        assert _data.fashion_mnist(True)[1][:4].tolist() == [9, 0, 0, 3]
    _data._obtain.cache_clear()


def test_stand_in_is_the_same_everywhere_and_about_as_hard_as_the_real_one():
    (images, y), (images_test, y_test) = parts = [_stand_in.draw(60000, 1), _stand_in.draw(10000, 2)]
    assert [md5(array.numpy().tobytes())[:8] for part in parts for array in part] == [
        "edb1bde3", "39909d91", "", "7b1f15c3"]
    X, y, X_test = images.reshape(-1, 784) / 255, y.long(), images_test.reshape(-1, 784) / 255
    assert .26 < X.mean() < .31 and .28 < X.std() < .38 and 10 < X.norm(dim=1).mean() < 14  # real: .286, .353, 12.2
    torch.manual_seed(0)
    net = torch.nn.Linear(784, 10)
    optimizer = torch.optim.SGD(net.parameters(), .1)
    for _ in range(10):
        for rows in torch.randperm(len(y)).split(256):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(X[rows]), y[rows]).backward()
            optimizer.step()
    assert .78 < (net(X_test).argmax(1) == y_test).float().mean() < .87  # on the real images .824 to .834
