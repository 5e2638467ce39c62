"""Where Fashion-MNIST comes from, on good days and bad ones (softmax_lib._data and ._stand_in).

Most tests use a Fashion-MNIST of 60 + 10 random images in place of the real one: `small` makes it and
puts its checksums into the table of files. Servers are on this machine; no test needs the network.
"""
import gzip
import hashlib
import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest
import torch
from torchvision.datasets import FashionMNIST

from softmax_lib import _data, _stand_in

NAMES = list(_data.FILES)
SHAPES = [(60, 28, 28), (60,), (10, 28, 28), (10,)]
pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks, signals and limits of POSIX")


def idx(array):
    head = [0x800 + array.ndim, *array.shape]
    return np.array(head, ">i4").tobytes() + array.astype(np.uint8).tobytes()


def md5(data):
    return hashlib.md5(data).hexdigest()


def pack(data):
    return gzip.compress(data, mtime=0)


def put(folder, content, ending=""):
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in content.items():
        (folder / (name + ending)).write_bytes(pack(data) if ending else data)
    return folder


def files_under(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A machine with nothing on it and no network; gives the content of the small Fashion-MNIST."""
    random = np.random.RandomState(0)
    content = {name: idx(random.randint(0, 256 if len(shape) == 3 else 10, shape))
               for name, shape in zip(NAMES, SHAPES)}
    monkeypatch.setattr(_data, "FILES", {
        name: _data._File(shape, md5(content[name]), len(pack(content[name]))) for name, shape in zip(NAMES, SHAPES)})
    monkeypatch.setattr(_data, "SYSTEM_COPY", str(tmp_path / "nowhere"))
    monkeypatch.setattr(_data, "MIRRORS", [f"http://127.0.0.1:{closed_port()}/"] * 2)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(_data.tempfile, "tempdir", None)
    (tmp_path / "tmp").mkdir()
    monkeypatch.delenv("SOFTMAX_LIB_DATA", raising=False)
    _data._obtain.cache_clear()
    yield content
    _data._obtain.cache_clear()


@pytest.fixture
def system(small, tmp_path, monkeypatch):
    """The small Fashion-MNIST as the system's copy."""
    monkeypatch.setattr(_data, "SYSTEM_COPY", str(put(tmp_path / "system", small, ".gz")))
    return tmp_path / "system"


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache" / "softmax_lib"


@pytest.fixture
def raw(cache):
    return cache / "FashionMNIST" / "raw"


def closed_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def serve(small):
    """serve(how) starts a mirror; `how` gives what is really sent for a file, in parts. Returns the server."""
    servers = []

    def start(how=lambda name, body: [body]):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                server.asked.append(self.path)
                name = self.path.strip("/").removesuffix(".gz")
                self.send_response(200)
                self.end_headers()
                try:
                    for part in how(name, pack(small[name])):
                        self.wfile.write(part)
                        self.wfile.flush()
                        server.sent += len(part)
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.asked, server.sent, server.url = [], 0, f"http://127.0.0.1:{server.server_port}/"
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": .02}, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def said(capsys, tmp_path):
    """said() gives the lines said since, apart from the progress; nothing is said on stdout, and no path."""
    def lines():
        out, err = capsys.readouterr()
        assert out == "" and str(tmp_path) not in err
        return [line for line in re.split(r"[\r\n]+", err) if line.startswith("Fashion-MNIST")]
    return lines


def is_real(content):
    """Whether the library, asked afresh, gives exactly this content, in its own tensors and to torchvision."""
    _data._obtain.cache_clear()
    for train, part in (True, "train"), (False, "t10k"):
        images, labels = _data.fashion_mnist(train)
        assert images.dtype == torch.uint8 and images.shape[1:] == (28, 28)
        assert labels.dtype == torch.int64 and labels.shape == images.shape[:1]
        theirs = FashionMNIST(_data.fashion_mnist_root(), train=train)
        assert torch.equal(theirs.data, images) and torch.equal(theirs.targets, labels)
        if images.numpy().tobytes() != content[f"{part}-images-idx3-ubyte"][16:]:
            return False
        assert labels.numpy().astype(np.uint8).tobytes() == content[f"{part}-labels-idx1-ubyte"][8:]
    assert not _data.is_stand_in()
    return True


def changed(data, places):
    data = bytearray(data)
    for place, byte in places.items():
        data[place] = byte
    return bytes(data)


DAMAGE = {  # the file, its ending, what happens to the bytes that lie there, and the word for it
    "truncated": (0, "", lambda data: data[:-100], "truncated"),
    "empty": (1, "", lambda data: b"", "truncated"),
    "too long": (1, "", lambda data: data + b"\0", "too long"),
    "one bit": (0, "", lambda data: changed(data, {5000: data[5000] ^ 1}), "altered"),
    "magic number": (0, "", lambda data: changed(data, {3: 1}), "altered"),
    "sizes": (0, "", lambda data: changed(data, {7: 28, 11: 60}), "altered"),
    "label": (1, "", lambda data: changed(data, {20: 10}), "altered"),
    "half a gzip file": (2, ".gz", lambda data: data[:-30], "truncated"),
    "an empty gzip file": (2, ".gz", lambda data: b"", "truncated"),
    "not gzip": (2, ".gz", lambda data: b"not gzip", "gzip"),
    "garbled gzip": (2, ".gz", lambda data: data[:60] + b"!!" + data[62:], "gzip|altered|truncated"),
    "a bomb": (2, ".gz", lambda data: pack(bytes(50_000_000)), "too long"),
}


def damage(folder, small, how):
    """Put the files into the folder, one of them damaged; returns the damaged one's path, name, and the word."""
    number, ending, act, word = DAMAGE[how]
    put(folder, small, ending)
    path = folder / (NAMES[number] + ending)
    path.write_bytes(act(path.read_bytes()))
    return path, NAMES[number], word


# -- a folder of one's own --------------------------------------------------------------------------

@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("place", [".", "FashionMNIST/raw"])
def test_given_files_are_used_where_they_are_or_laid_out(small, tmp_path, raw, monkeypatch, said, ending, place):
    monkeypatch.setenv("SOFTMAX_LIB_DATA", str(tmp_path / "mine"))
    put(tmp_path / "mine" / place, small, ending)
    assert is_real(small)
    if ending or place == ".":
        assert sorted(p.name for p in raw.iterdir()) == sorted(NAMES)
        before = [p.stat().st_mtime_ns for p in raw.iterdir()]
        assert is_real(small) and [p.stat().st_mtime_ns for p in raw.iterdir()] == before
    else:
        assert _data.fashion_mnist_root() == str(tmp_path / "mine") and not raw.exists()
    assert said() == []


def test_given_folder_follows_the_environment_and_the_home(small, tmp_path, monkeypatch):
    put(tmp_path / "mine" / "FashionMNIST" / "raw", small)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("SOFTMAX_LIB_DATA", "~/nowhere")
    with pytest.raises(FileNotFoundError):
        _data.fashion_mnist_root()
    monkeypatch.setenv("SOFTMAX_LIB_DATA", "~/mine")  # mended in the same process
    assert is_real(small)
    monkeypatch.setenv("SOFTMAX_LIB_DATA", "")        # as good as not set
    assert _data.is_stand_in()


@pytest.mark.parametrize("there, kind", [("nothing", FileNotFoundError), ("a file", FileNotFoundError),
                                         ("two files", FileNotFoundError), *((how, ValueError) for how in DAMAGE)])
def test_given_folder_that_will_not_do_is_refused(small, tmp_path, raw, monkeypatch, there, kind):
    put(raw, small)  # is not fallen back to
    mine, names, word = tmp_path / "mine", NAMES, "cannot be found"
    if there == "a file":
        mine.write_text("")
    elif there == "two files":
        put(mine, {name: small[name] for name in NAMES[1:3]})
        names = [NAMES[0], NAMES[3]]
    elif there in DAMAGE:
        path, name, word = damage(mine, small, there)
        names = [name]
    monkeypatch.setenv("SOFTMAX_LIB_DATA", str(mine))
    for ask in _data.fashion_mnist_root, _data.is_stand_in, lambda: _data.fashion_mnist(True):
        with pytest.raises(kind, match=word) as error:
            ask()
        text = str(error.value)
        assert "\n" not in text and text.endswith(".") and f"SOFTMAX_LIB_DATA is set to {str(mine)!r}" in text
        assert [name for name in NAMES if name in text] == names


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="needs a file that gives an error when read")
def test_file_that_cannot_be_read_is_named(small, tmp_path, raw, system, monkeypatch, said):
    for folder in raw, tmp_path / "mine":
        put(folder, small)
        (folder / NAMES[1]).unlink()
        (folder / NAMES[1]).symlink_to("/proc/self/mem")
    assert is_real(small) and re.search(f"{NAMES[1]} cannot be read .* in the cache; it is fetched again", said()[0])
    monkeypatch.setenv("SOFTMAX_LIB_DATA", str(tmp_path / "mine"))
    with pytest.raises(ValueError, match=f"{NAMES[1]} cannot be read"):
        _data.fashion_mnist_root()


def test_bomb_is_not_unpacked_whole(small):
    bomb = pack(bytes(50_000_000))
    tracemalloc.start()
    with pytest.raises(ValueError, match="too long"):
        _data._checked(NAMES[1], bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000

@pytest.mark.parametrize("train", ["test", "train", 1, 0, None])
def test_part_is_asked_for_with_a_bool(small, train):
    with pytest.raises(TypeError, match=f"train must be True .* not {train!r}"):
        _data.fashion_mnist(train)


# -- the cache and the system's copy ----------------------------------------------------------------

def test_cache_is_silent_and_asks_nobody(small, serve, raw, monkeypatch, said):
    server = serve()
    monkeypatch.setattr(_data, "MIRRORS", [server.url])
    put(raw, small)
    assert is_real(small) and said() == [] and server.asked == []
    assert _data.fashion_mnist(True)[0] is _data.fashion_mnist(True)[0]


@pytest.mark.parametrize("how", DAMAGE)
def test_cached_file_that_is_damaged_is_named_and_fetched_again(small, raw, system, said, how):
    path, name, word = damage(raw, small, how)
    assert is_real(small) and _data.fashion_mnist_root() == str(raw.parent.parent)
    first, second = said()
    assert name in first and re.search(word, first) and "fetched again" in first and "system" in second
    assert (raw / name).read_bytes() == small[name]
    assert is_real(small) and said() == []


def test_system_copy_goes_into_the_cache_once(small, tmp_path, system, monkeypatch, said):
    assert is_real(small) and len(said()) == 1
    assert files_under(tmp_path / "cache") == sorted(f"softmax_lib/FashionMNIST/raw/{name}" for name in NAMES)
    monkeypatch.setattr(_data, "SYSTEM_COPY", "/nowhere")
    assert is_real(small) and said() == []


def test_damaged_system_copy_is_named_and_passed_over(small, serve, system, monkeypatch, said):
    monkeypatch.setattr(_data, "MIRRORS", [serve().url])
    path, name, word = damage(system, small, "half a gzip file")
    assert is_real(small)
    first, second = said()
    assert name in first and word in first and "downloaded" in second


def test_cache_folder_of_each_system(monkeypatch, tmp_path):
    for name in "XDG_CACHE_HOME", "LOCALAPPDATA":
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for platform, folder in ("linux", ".cache"), ("darwin", "Library/Caches"), ("win32", "AppData/Local"):
        monkeypatch.setattr(sys, "platform", platform)
        assert _data._cache_folder() == str(tmp_path / folder / "softmax_lib")
    for name in "LOCALAPPDATA", "XDG_CACHE_HOME":
        monkeypatch.setenv(name, str(tmp_path / name))
        assert _data._cache_folder() == str(tmp_path / name / "softmax_lib")


def test_user_without_a_home(small, tmp_path, system, monkeypatch):
    pwd = pytest.importorskip("pwd")

    def nobody(uid):
        raise KeyError(uid)

    for name in "XDG_CACHE_HOME", "HOME", "USERPROFILE":
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.chdir(tmp_path)
    assert is_real(small) and _data.fashion_mnist_root() == str(tmp_path / "tmp" / "softmax_lib")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["system", "tmp"]  # no folder named ~


# -- the network ------------------------------------------------------------------------------------

def test_mirrors_an_https_address_first():
    assert [url.split(":")[0] for url in _data.MIRRORS] == ["https", "http"]
    assert all(url.endswith("/") for url in _data.MIRRORS)


def test_download_once(small, serve, tmp_path, raw, monkeypatch, said):
    server = serve()
    monkeypatch.setattr(_data, "MIRRORS", [server.url])
    assert is_real(small) and len(said()) == 1
    assert sorted(p.name for p in raw.iterdir()) == sorted(NAMES)
    assert server.asked == [f"/{name}.gz" for name in NAMES] and files_under(tmp_path / "tmp") == []
    assert is_real(small) and said() == [] and len(server.asked) == 4


def endless(name, body):
    for _ in range(2000):  # 131 MB, so that this test comes to an end also when it fails
        yield bytes(1 << 16)


def trickle(name, body):
    for k in range(300):   # six seconds, likewise
        yield body[k:k + 1]
        time.sleep(.02)


def silence(name, body):
    yield body[:len(body) // 2]
    time.sleep(5)


BAD_MIRRORS = {
    "deaf": lambda name, body: time.sleep(5) or [],
    "silent": silence,
    "trickle": trickle,
    "endless": endless,
    "breaks off": lambda name, body: [body if "train-images" in name else body[:len(body) // 2]],
    "tampers": lambda name, body: [body[:-8] + b"tampered" if "images" in name else body],
    "sends others": lambda name, body: [pack(bytes(60))],
    "sends a bomb": lambda name, body: [pack(bytes(5_000_000))],
    "sends a page": lambda name, body: [b"<html>Please log in</html>"],
    "sends nothing": lambda name, body: [],
}


@pytest.mark.parametrize("how", BAD_MIRRORS)
def test_bad_mirror_gives_way_and_leaves_nothing_behind(small, serve, tmp_path, cache, monkeypatch, said, how):
    monkeypatch.setattr(_data, "SILENCE", .5)
    monkeypatch.setattr(_data, "SLOWEST", 1000)  # half of the first file would do for 20 s
    bad, good = serve(BAD_MIRRORS[how]), serve()
    monkeypatch.setattr(_data, "MIRRORS", [bad.url])
    start = time.monotonic()
    assert _data.is_stand_in() and "not the real images" in said()[-1]
    assert time.monotonic() - start < 4 and bad.sent < 1 << 25
    assert not (cache / "FashionMNIST").exists() and files_under(tmp_path / "tmp") == []
    monkeypatch.setattr(_data, "MIRRORS", [bad.url, good.url])
    start = time.monotonic()
    assert is_real(small) and time.monotonic() - start < 4 and len(good.asked) == 4
    assert all("downloaded" in line for line in said())


def test_network_that_swallows_names_costs_little(small, monkeypatch, said):
    monkeypatch.setattr(_data, "SILENCE", .3)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(5))  # knows no time limit
    start = time.monotonic()
    assert _data.is_stand_in() and time.monotonic() - start < 3 and len(said()) == 1


# -- the stand-in -----------------------------------------------------------------------------------

def test_no_network_gives_the_stand_in_and_says_so(small, raw, cache, said):
    images, labels = _data.fashion_mnist(train=True)
    assert images.shape == (60, 28, 28) and labels.bincount().tolist() == [6] * 10
    theirs = FashionMNIST(_data.fashion_mnist_root(), train=True)
    assert torch.equal(theirs.data, images) and torch.equal(theirs.targets, labels) and _data.is_stand_in()
    assert len(_data.fashion_mnist(train=False)[0]) == 10
    lines = said()                    # once per process
    assert len(lines) == 1 and "not the real images" in lines[0] and "numbers will differ" in lines[0]
    for path in cache.rglob("*-ubyte"):
        path.write_bytes(b"damaged")  # is never read, so nothing is said of it
    _data._obtain.cache_clear()
    assert torch.equal(_data.fashion_mnist(True)[0], images) and said() == lines
    assert torch.equal(FashionMNIST(_data.fashion_mnist_root(), train=True).data, images)
    put(raw, small)
    assert is_real(small) and said() == []


# -- disks ------------------------------------------------------------------------------------------

def start(code):
    """A process of its own on the same small machine, which has started when it has printed a line."""
    machine = {"FILES": _data.FILES, "SYSTEM_COPY": _data.SYSTEM_COPY, "MIRRORS": _data.MIRRORS}
    program = f"""if True:
        import json, os, sys
        from softmax_lib import _data
        assert not {{"torchvision", "matplotlib", "IPython"}} & set(sys.modules), "a heavy import"
        vars(_data).update(json.loads({json.dumps(machine)!r}))
        _data.FILES = {{name: _data._File(tuple(shape), *rest) for name, (shape, *rest) in _data.FILES.items()}}
        {code.strip()}
    """
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process, status=0):
    out, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    return out.strip(), err


def test_cache_that_cannot_be_written_is_said_once_and_a_temporary_folder_serves(small, tmp_path, system, said,
                                                                                 monkeypatch):
    (tmp_path / "cache").write_text("a file where the folder would be")
    out, err = finish(start("""
        root = _data.fashion_mnist_root()
        if hasattr(os, "fork"):  # a child of one's own takes nothing with it
            if os.fork() == 0: sys.exit()
            os.wait()
        print(root, *sorted(os.listdir(os.path.join(root, "FashionMNIST", "raw"))))
    """))
    root, *names = out.split()
    assert root.startswith(str(tmp_path / "tmp")) and names == sorted(NAMES) and not os.path.exists(root)
    assert ["cannot be written" in line for line in err.splitlines()] == [False, True]
    assert is_real(small) and len(said()) == 2
    monkeypatch.setattr(_data, "SYSTEM_COPY", "/nowhere")
    _data._obtain.cache_clear()
    assert _data.is_stand_in() and len(FashionMNIST(_data.fashion_mnist_root(), train=False)) == 10
    assert len(said()) == 2


@posix
def test_full_disk_stops_nobody(small, tmp_path, system):
    out, err = finish(start("""
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # writing stops half-way through a file
        print(_data.is_stand_in(), len(_data.fashion_mnist(True)[0]))
        try: _data.fashion_mnist_root()
        except OSError as error: print(error)
    """))
    first, second = out.split("\n")
    assert first == "False 60" and "make room" in second and second.endswith(".")
    assert err.count("File too large") == 1
    assert files_under(tmp_path / "cache") == files_under(tmp_path / "tmp") == []


# -- other processes --------------------------------------------------------------------------------

@posix
def test_processes_at_once(small, tmp_path, system, said):
    out, err = finish(start("""
        class Bytes(bytes):  # never equal: each writes everything anew, over what others have just written
            __ne__ = lambda *_: True
        content = {name: Bytes(data) for name, data in _data._read(_data.SYSTEM_COPY).items()}
        cache = _data._cache_folder()
        for n in 2, 8:
            for _ in range(n):
                if os.fork() == 0:
                    good = all(_data._keep(content, cache) == cache and _data._read(cache) == content
                               for again in range(20))
                    os._exit(0 if good else 1)
            print(*[os.wait()[1] for _ in range(n)])
    """))
    assert out.split() == ["0"] * 10 and err == ""
    assert files_under(tmp_path / "cache") == sorted(f"softmax_lib/FashionMNIST/raw/{name}" for name in NAMES)
    assert is_real(small) and said() == []


@posix
def test_process_killed_while_it_writes(small, raw, system, said):
    finish(start("""
        whole, paths = _data.Path.write_bytes, []
        def write_bytes(path, data):  # the third file is half there when the end comes
            paths.append(path)
            whole(path, data if len(paths) < 3 else data[:len(data) // 2])
            if len(paths) == 3: os.kill(os.getpid(), 9)
        _data.Path.write_bytes = write_bytes
        _data.fashion_mnist_root()
    """), status=-9)
    assert len(list(raw.glob("tmp-*/" + NAMES[2]))) == 1
    assert is_real(small) and len(said()) == 1
    assert is_real(small) and said() == []


# -- full size --------------------------------------------------------------------------------------

def test_real_files_where_the_system_has_them_and_the_stand_in_elsewhere(tmp_path, monkeypatch, said):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("SOFTMAX_LIB_DATA", raising=False)
    monkeypatch.setattr(_data, "MIRRORS", [])
    _data._obtain.cache_clear()
    for train, n in (True, 60000), (False, 10000):
        images, labels = _data.fashion_mnist(train)
        assert images.shape == (n, 28, 28) and labels.bincount().tolist() == [n // 10] * 10
    there = os.path.isdir(_data.SYSTEM_COPY)
    assert _data.is_stand_in() == (not there) and len(said()) == 1
    if there:  # the first training image is an ankle boot
        assert _data.fashion_mnist(True)[1][:4].tolist() == [9, 0, 0, 3]
    start = time.perf_counter()
    _data._obtain.cache_clear()
    _data.fashion_mnist(True)
    assert time.perf_counter() - start < 3  # about 0.2 s on a machine with nothing else to do
    _data._obtain.cache_clear()


@pytest.fixture
def one_thread():  # on a busy machine several are slower for small matrices
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_stand_in_is_the_same_everywhere_and_about_as_hard_as_the_real_one(one_thread):
    parts = [_stand_in.draw(60000, 1), _stand_in.draw(10000, 2)]
    assert [md5(array.tobytes())[:8] for part in parts for array in part] == [
        "b1684105", "39909d91", "142453f0", "7b1f15c3"]
    (X, y), (X_test, y_test) = [(torch.tensor(images).reshape(-1, 784) / 255, torch.tensor(labels).long())
                                for images, labels in parts]
    assert y_test.bincount().tolist() == [1000] * 10
    assert .26 < X.mean() < .31 and .30 < X.std() < .38 and 10 < X.norm(dim=1).mean() < 14  # real: .286, .353, 12.2
    torch.manual_seed(0)
    one_hot = torch.eye(10)[y]
    W, b, losses = torch.normal(0, .01, (784, 10)), torch.zeros(10), []
    for _ in range(10):
        total = 0
        for rows in torch.randperm(len(y)).split(256):
            x, target = X[rows], one_hot[rows]
            log_p = torch.log_softmax(x @ W + b, 1)
            total -= (log_p * target).sum().item()
            error = (log_p.exp() - target) / len(rows)
            W -= .1 * x.T @ error
            b -= .1 * error.sum(0)
        losses.append(total / len(y))
    assert all(after < before for before, after in zip(losses, losses[1:])) and .40 < losses[-1] < .46
    accuracy = ((X_test @ W + b).argmax(1) == y_test).float().mean().item()
    assert .78 < accuracy < .87  # .815 to .836 over ten seeds; on the real images .824 to .834
