"""Where Fashion-MNIST comes from, on good days and bad ones (softmax_lib._data and ._stand_in).

Most tests use a Fashion-MNIST of 60 + 10 random images in place of the real one: `small` makes it and
puts its checksums into the table of files. Servers are on this machine; no test needs the network.
"""
import builtins
import errno
import gzip
import hashlib
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch
from torchvision.datasets import FashionMNIST

from softmax_lib import _data, _stand_in

NAMES = list(_data.FILES)
SHAPES = [(60, 28, 28), (60,), (10, 28, 28), (10,)]
MISSING, ALTERED = FileNotFoundError, ValueError


def idx(array):
    head = [0x800 + array.ndim, *array.shape]
    return np.array(head, ">i4").tobytes() + array.astype(np.uint8).tobytes()


def md5(data):
    return hashlib.md5(data).hexdigest()


def put(folder, content, ending=""):
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in content.items():
        (folder / (name + ending)).write_bytes(gzip.compress(data) if ending else data)
    return folder


def files_under(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A machine with nothing on it and no network; gives the content of the small Fashion-MNIST."""
    random = np.random.RandomState(0)
    arrays = [random.randint(0, 256 if len(shape) == 3 else 10, shape) for shape in SHAPES]
    content = {name: idx(array) for name, array in zip(NAMES, arrays)}
    drawn = [*_stand_in.draw(60, 1), *_stand_in.draw(10, 2)]
    monkeypatch.setattr(_data, "FILES", {
        name: _data._File(shape, md5(content[name]), md5(idx(image)))
        for name, shape, image in zip(NAMES, SHAPES, drawn)})
    monkeypatch.setattr(_data, "SYSTEM_COPY", str(tmp_path / "nowhere"))
    monkeypatch.setattr(FashionMNIST, "mirrors", [f"http://127.0.0.1:{closed_port()}/"])
    monkeypatch.setattr(FashionMNIST, "resources", [
        (name + ".gz", md5(gzip.compress(data, mtime=0))) for name, data in content.items()])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(_data.tempfile, "tempdir", None)
    (tmp_path / "tmp").mkdir()
    monkeypatch.delenv("SOFTMAX_LIB_DATA", raising=False)
    _data._obtain.cache_clear()
    yield content
    _data._obtain.cache_clear()


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
def serve(small, monkeypatch):
    """serve(how) starts a server of the small Fashion-MNIST; `how` maps a body to what is really sent."""
    servers = []

    def start(how=lambda name, body: [body]):
        asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                name = self.path.strip("/")
                body = gzip.compress(small[name.removesuffix(".gz")], mtime=0)
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    for part in how(name, body):
                        self.wfile.write(part)
                        self.wfile.flush()
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": .02}, daemon=True).start()
        servers.append(server)
        monkeypatch.setattr(FashionMNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        return asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def lines(capsys, tmp_path):
    """The lines said on stderr, apart from the progress bars; nothing is said on stdout, and no path."""
    out, err = capsys.readouterr()
    assert out == "" and str(tmp_path) not in err
    return [line for line in re.split(r"[\r\n]+", err) if line.startswith("Fashion-MNIST")]


def is_real(content):
    """Whether the library now gives exactly this content, in its own tensors and to torchvision."""
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


# -- a folder of one's own --------------------------------------------------------------------------

def test_given_folder_in_torchvisions_layout_is_used_where_it_is(small, tmp_path, cache, monkeypatch, capsys):
    put(tmp_path / "mine" / "FashionMNIST" / "raw", small)
    monkeypatch.setenv("SOFTMAX_LIB_DATA", str(tmp_path / "mine"))
    assert is_real(small) and _data.fashion_mnist_root() == str(tmp_path / "mine")
    assert not cache.exists() and lines(capsys, tmp_path) == []


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("place", [".", "FashionMNIST/raw"])
def test_given_files_are_laid_out_for_torchvision(small, tmp_path, raw, monkeypatch, capsys, ending, place):
    monkeypatch.setenv("SOFTMAX_LIB_DATA", str(tmp_path / "mine"))
    put(tmp_path / "mine" / place, small, ending)
    assert is_real(small) and lines(capsys, tmp_path) == []
    if ending or place == ".":
        assert sorted(p.name for p in raw.iterdir()) == sorted(NAMES)
        before = [p.stat().st_mtime_ns for p in raw.iterdir()]
        _data._obtain.cache_clear()
        assert is_real(small) and [p.stat().st_mtime_ns for p in raw.iterdir()] == before


def test_given_folder_follows_the_environment_and_the_home(small, tmp_path, monkeypatch):
    put(tmp_path / "mine" / "FashionMNIST" / "raw", small)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("SOFTMAX_LIB_DATA", "~/nowhere")
    with pytest.raises(MISSING):
        _data.fashion_mnist_root()
    monkeypatch.setenv("SOFTMAX_LIB_DATA", "~/mine")  # mended in the same process
    assert is_real(small)
    monkeypatch.setenv("SOFTMAX_LIB_DATA", "")        # as good as not set
    assert _data.is_stand_in()


def one_sentence(error):
    text = str(error.value)
    return "\n" not in text and text.endswith(".") and "SOFTMAX_LIB_DATA" in text


@pytest.mark.parametrize("there", ["nothing", "a file"])
def test_given_folder_that_is_none(small, tmp_path, cache, monkeypatch, there, capsys):
    put(cache / "FashionMNIST" / "raw", small)  # is not fallen back to
    if there == "a file":
        (tmp_path / "mine").write_text("")
    monkeypatch.setenv("SOFTMAX_LIB_DATA", str(tmp_path / "mine"))
    with pytest.raises(MISSING, match="not a folder") as error:
        _data.fashion_mnist(True)
    assert one_sentence(error) and repr(str(tmp_path / "mine")) in str(error.value)


def test_given_folder_that_lacks_files_names_them(small, tmp_path, cache, monkeypatch):
    put(cache / "FashionMNIST" / "raw", small)
    put(tmp_path / "mine", {name: small[name] for name in NAMES[1:3]})
    monkeypatch.setenv("SOFTMAX_LIB_DATA", str(tmp_path / "mine"))
    with pytest.raises(MISSING) as error:
        _data.fashion_mnist_root()
    assert one_sentence(error)
    assert [name in str(error.value) for name in NAMES] == [True, False, False, True]


def bad(small, how):
    """(name, content) of a damaged file, and the word for it."""
    images, labels = (bytearray(small[name]) for name in NAMES[:2])
    match how:
        case "truncated":
            return NAMES[0], images[:-100]
        case "empty":
            return NAMES[1], b""
        case "altered":
            images[5000] ^= 1
            return NAMES[0], images
        case "wrong magic number":
            images[3] = 1
            return NAMES[0], images
        case "wrong sizes":
            images[7], images[11] = 28, 60
            return NAMES[0], images
        case "too long":
            return NAMES[1], labels + b"\0"
        case "label above 9":
            labels[20] = 10
            return NAMES[1], labels


WORDS = {"empty": "truncated", "too long": "wrong sizes"}
DAMAGE = ["truncated", "empty", "altered", "wrong magic number", "wrong sizes", "too long", "label above 9"]


@pytest.mark.parametrize("how", DAMAGE)
def test_given_file_that_is_damaged_is_named_and_not_used(small, tmp_path, cache, monkeypatch, how):
    put(cache / "FashionMNIST" / "raw", small)
    name, data = bad(small, how)
    put(tmp_path / "mine", {**small, name: bytes(data)})
    monkeypatch.setenv("SOFTMAX_LIB_DATA", str(tmp_path / "mine"))
    with pytest.raises(ALTERED, match=WORDS.get(how, how)) as error:
        _data.fashion_mnist_root()
    assert one_sentence(error) and name in str(error.value)


@pytest.mark.parametrize("damage", [lambda gz: gz[:-30], lambda gz: b"not gzip", lambda gz: gz[:60] + b"!!" + gz[62:]])
def test_given_gzip_file_that_is_damaged(small, tmp_path, monkeypatch, damage):
    put(tmp_path / "mine", small, ".gz")
    path = tmp_path / "mine" / (NAMES[2] + ".gz")
    path.write_bytes(damage(path.read_bytes()))
    monkeypatch.setenv("SOFTMAX_LIB_DATA", str(tmp_path / "mine"))
    with pytest.raises(ALTERED, match=NAMES[2]) as error:
        _data.fashion_mnist_root()
    assert one_sentence(error)


# -- the cache and the system's copy ----------------------------------------------------------------

def test_cache_is_silent_and_asks_nobody(small, tmp_path, raw, monkeypatch, capsys):
    put(raw, small)
    monkeypatch.setattr(_data, "_download", lambda: pytest.fail("asked the network"))
    assert is_real(small) and lines(capsys, tmp_path) == []
    assert _data.fashion_mnist(True)[0] is _data.fashion_mnist(True)[0]


@pytest.mark.parametrize("how", DAMAGE)
def test_cached_file_that_is_damaged_is_named_and_fetched_again(small, tmp_path, raw, monkeypatch, capsys, how):
    name, data = bad(small, how)
    put(raw, {**small, name: bytes(data)})
    monkeypatch.setattr(_data, "SYSTEM_COPY", str(put(tmp_path / "system", small, ".gz")))
    assert is_real(small) and _data.fashion_mnist_root() == str(raw.parent.parent)
    first, second = lines(capsys, tmp_path)
    assert name in first and WORDS.get(how, how) in first and "system" in second
    assert (raw / name).read_bytes() == small[name]
    _data._obtain.cache_clear()
    assert is_real(small) and lines(capsys, tmp_path) == []


def test_system_copy_goes_into_the_cache_once(small, tmp_path, raw, monkeypatch, capsys):
    monkeypatch.setattr(_data, "SYSTEM_COPY", str(put(tmp_path / "system", small, ".gz")))
    assert is_real(small) and len(lines(capsys, tmp_path)) == 1
    assert files_under(tmp_path / "cache") == sorted(f"softmax_lib/FashionMNIST/raw/{name}" for name in NAMES)
    _data._obtain.cache_clear()
    monkeypatch.setattr(_data, "SYSTEM_COPY", "/nowhere")
    assert is_real(small) and lines(capsys, tmp_path) == []


def test_damaged_system_copy_is_named_and_passed_over(small, serve, tmp_path, monkeypatch, capsys):
    serve()
    name, data = bad(small, "altered")
    monkeypatch.setattr(_data, "SYSTEM_COPY", str(put(tmp_path / "system", {**small, name: bytes(data)}, ".gz")))
    assert is_real(small)
    assert name in lines(capsys, tmp_path)[0]


def test_cache_folder_of_each_system(monkeypatch, tmp_path):
    for name in "XDG_CACHE_HOME", "LOCALAPPDATA":
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for platform, folder in ("linux", ".cache"), ("darwin", "Library/Caches"), ("win32", "AppData/Local"):
        monkeypatch.setattr(sys, "platform", platform)
        assert _data._cache_folder() == str(tmp_path / folder / "softmax_lib")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert _data._cache_folder() == str(tmp_path / "local" / "softmax_lib")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert _data._cache_folder() == str(tmp_path / "xdg" / "softmax_lib")


# -- the network ------------------------------------------------------------------------------------

def test_download_once(small, serve, tmp_path, raw, capsys):
    asked = serve()
    assert is_real(small) and len(lines(capsys, tmp_path)) == 1
    assert sorted(p.name for p in raw.iterdir()) == sorted(NAMES)
    assert set(asked) == {f"/{name}.gz" for name in NAMES}
    assert files_under(tmp_path / "tmp") == [] and socket.getdefaulttimeout() is None
    asked.clear()
    _data._obtain.cache_clear()
    assert is_real(small) and lines(capsys, tmp_path) == [] and asked == []


@pytest.mark.parametrize("half", [
    lambda name, body: [body if "train-images" in name else body[:len(body) // 2]],  # the second file breaks off
    lambda name, body: [body[:-8] + b"tampered"],
    lambda name, body: [body[:100]],
])
def test_broken_download_leaves_nothing_behind(small, serve, tmp_path, cache, capsys, half):
    serve(half)
    assert _data.is_stand_in() and "not the real images" in lines(capsys, tmp_path)[-1]
    assert not (cache / "FashionMNIST").exists() and files_under(tmp_path / "tmp") == []
    serve()  # the network is well again
    _data._obtain.cache_clear()
    assert is_real(small) and len(lines(capsys, tmp_path)) == 1


def test_download_is_checked_by_us_too(small, serve, tmp_path, cache, monkeypatch, capsys):
    name, data = bad(small, "altered")
    body = gzip.compress(bytes(data), mtime=0)
    serve(lambda asked, right: [body if asked == name + ".gz" else right])
    monkeypatch.setattr(FashionMNIST, "resources", [  # torchvision finds nothing wrong with it
        (gz, md5(body) if gz == name + ".gz" else right) for gz, right in FashionMNIST.resources])
    monkeypatch.setitem(small, name, bytes(data))
    assert _data.is_stand_in() and len(lines(capsys, tmp_path)) == 2
    assert not (cache / "FashionMNIST").exists()


def silence(seconds):
    def how(name, body):
        yield body[:len(body) // 2]
        time.sleep(seconds)
    return how


def test_server_that_falls_silent_is_left(small, serve, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(_data, "GO_ON_WITHIN", .3)
    serve(silence(5))
    start = time.monotonic()
    assert _data.is_stand_in() and time.monotonic() - start < 4
    assert len(lines(capsys, tmp_path)) == 2


def test_network_that_swallows_everything_costs_little(small, tmp_path, monkeypatch, capsys):
    with socket.socket() as deaf:  # takes connections and never answers
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        monkeypatch.setattr(FashionMNIST, "mirrors", [f"http://127.0.0.1:{deaf.getsockname()[1]}/"])
        monkeypatch.setattr(_data, "ANSWER_WITHIN", .3)
        start = time.monotonic()
        assert _data.is_stand_in() and time.monotonic() - start < 3
    assert len(lines(capsys, tmp_path)) == 1


def test_no_network_gives_the_stand_in_and_says_so(small, tmp_path, cache, capsys, monkeypatch):
    images, labels = _data.fashion_mnist(train=True)
    assert images.shape == (60, 28, 28) and labels.bincount().tolist() == [6] * 10
    assert len(FashionMNIST(_data.fashion_mnist_root(), train=False)) == 10 and _data.is_stand_in()
    said = lines(capsys, tmp_path)
    assert len(said) == 1 and "not the real images" in said[0] and "numbers will differ" in said[0]
    _data.fashion_mnist(train=False)
    assert lines(capsys, tmp_path) == []                 # once per process
    _data._obtain.cache_clear()
    monkeypatch.setattr(_stand_in, "draw", lambda *_: pytest.fail("drawn again"))
    assert torch.equal(_data.fashion_mnist(True)[0], images)
    assert lines(capsys, tmp_path) == said               # the next process says the same
    put(cache / "FashionMNIST" / "raw", small)
    _data._obtain.cache_clear()
    assert is_real(small) and lines(capsys, tmp_path) == []


def test_stand_in_is_drawn_again_when_damaged_and_when_the_drawing_changes(small, tmp_path, capsys, monkeypatch):
    root = _data.fashion_mnist_root()
    path = os.path.join(root, "FashionMNIST", "raw", NAMES[0])
    good = open(path, "rb").read()
    open(path, "wb").write(good[:-1])
    capsys.readouterr()
    _data._obtain.cache_clear()
    assert _data.is_stand_in() and open(path, "rb").read() == good
    assert any(NAMES[0] in line and "truncated" in line for line in lines(capsys, tmp_path))
    other = {name: file._replace(stand_in="0" * 32) for name, file in _data.FILES.items()}
    monkeypatch.setattr(_data, "FILES", other)
    _data._obtain.cache_clear()
    assert _data.fashion_mnist_root() != root and len(lines(capsys, tmp_path)) == 1


# -- disks ------------------------------------------------------------------------------------------

def test_cache_that_cannot_be_written_is_said_once_and_a_temporary_folder_serves(small, tmp_path, monkeypatch, capsys):
    (tmp_path / "cache").write_text("a file where the folder would be")
    monkeypatch.setattr(_data, "SYSTEM_COPY", str(put(tmp_path / "system", small, ".gz")))
    assert is_real(small)
    assert [("cannot be written" in line) for line in lines(capsys, tmp_path)] == [False, True]
    root = _data.fashion_mnist_root()
    assert root.startswith(str(tmp_path / "tmp"))
    _data._remove_in(os.getpid() + 1, root)  # a forked child's exit
    assert os.path.isdir(root)
    _data._remove_in(os.getpid(), root)      # and one's own
    assert not os.path.exists(root)


def test_stand_in_without_a_cache(small, tmp_path, capsys):
    (tmp_path / "cache").write_text("")
    assert _data.is_stand_in() and len(_data.fashion_mnist(True)[0]) == 60
    assert len(lines(capsys, tmp_path)) == 2


def full_disk(monkeypatch, *folders):
    """Writing a file below one of the folders stops half-way: no space left on device."""
    def open_(path, mode="r", *args, **kwargs):
        file = builtins.open(path, mode, *args, **kwargs)
        if "w" in mode and str(path).startswith(tuple(map(str, folders))):
            class Full:
                def __enter__(self):
                    return self

                def __exit__(self, *_):
                    file.close()

                def write(self, data):
                    file.write(data[:len(data) // 2])
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
            return Full()
        return file
    monkeypatch.setattr(_data, "open", open_, raising=False)


def test_full_cache(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(_data, "SYSTEM_COPY", str(put(tmp_path / "system", small, ".gz")))
    full_disk(monkeypatch, tmp_path / "cache")
    assert is_real(small) and _data.fashion_mnist_root().startswith(str(tmp_path / "tmp"))
    assert "No space left" in lines(capsys, tmp_path)[-1]
    assert files_under(tmp_path / "cache") == []


def test_full_everywhere(small, tmp_path, monkeypatch):
    monkeypatch.setattr(_data, "SYSTEM_COPY", str(put(tmp_path / "system", small, ".gz")))
    full_disk(monkeypatch, tmp_path)
    with pytest.raises(OSError, match="No space left.*make room") as error:
        _data.fashion_mnist(True)
    assert "\n" not in str(error.value)
    assert files_under(tmp_path / "cache") == files_under(tmp_path / "tmp") == []


def test_left_overs_of_a_killed_process_are_not_used_and_go_after_a_day(small, tmp_path, cache, raw, monkeypatch):
    old, new = cache / "tmp-old", cache / "tmp-new"
    for folder in old, new:
        put(folder / "FashionMNIST" / "raw", {**small, NAMES[0]: small[NAMES[0]][:50]})
    os.utime(old, (time.time() - 2 * _data.LEFT_OVER,) * 2)
    monkeypatch.setattr(_data, "SYSTEM_COPY", str(put(tmp_path / "system", small, ".gz")))
    assert is_real(small)
    assert not old.exists() and new.exists()


# -- other processes --------------------------------------------------------------------------------

def start(code):
    """A process of its own on the same small machine, which has started when it has printed a line."""
    machine = {"files": _data.FILES, "system": _data.SYSTEM_COPY}
    program = f"""if True:
        import json, os, sys
        from softmax_lib import _data
        assert not {{"torchvision", "matplotlib", "IPython"}} & set(sys.modules), "a heavy import"
        machine = json.loads({json.dumps(machine)!r})
        _data.FILES = {{k: _data._File(tuple(v[0]), *v[1:]) for k, v in machine["files"].items()}}
        _data.SYSTEM_COPY = machine["system"]
        print("ready", flush=True)
        sys.stdin.readline()
        {code.strip()}
    """
    return subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def test_two_processes_at_once(small, tmp_path, raw, monkeypatch, capsys):
    monkeypatch.setattr(_data, "SYSTEM_COPY", str(put(tmp_path / "system", small, ".gz")))
    code = """
        held, _data._holds = _data._holds, lambda *_: False
        for again in range(10):  # both write everything anew, over the files the other one has just written
            root = _data._keep(_data._system_copy(), _data._cache_folder())
            assert root == _data._cache_folder(), root
            assert _data._from(root, "the cache") is not None, again
        _data._holds = held
        os.environ["XDG_CACHE_HOME"] = sys.executable  # a file: no folder can be made there
        os.environ["SOFTMAX_LIB_DATA"] = machine["system"]
        print(_data.fashion_mnist_root())
    """
    both = [start(code) for _ in range(2)]
    assert [process.stdout.readline() for process in both] == ["ready\n"] * 2
    for process in both:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in both:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert "fetched again" not in err
        # where there is no cache the folder is temporary, and gone with its process
        assert err.count("cannot be written") == 1
        assert out.startswith(str(tmp_path / "tmp")) and not os.path.exists(out.strip())
    assert files_under(tmp_path / "cache") == sorted(f"softmax_lib/FashionMNIST/raw/{name}" for name in NAMES)
    assert files_under(tmp_path / "tmp") == []
    assert is_real(small) and lines(capsys, tmp_path) == []


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_process_killed_while_it_writes(small, tmp_path, cache, raw, monkeypatch, capsys):
    monkeypatch.setattr(_data, "SYSTEM_COPY", str(put(tmp_path / "system", small, ".gz")))
    process = start("""
        class Killed(dict):
            def items(self):  # the third file is half there when the end comes
                for k, (name, data) in enumerate(super().items()):
                    yield name, data[:len(data) // 2] if k == 2 else data
                    if k == 2: os.kill(os.getpid(), 9)
        _data._keep(Killed(_data._system_copy()), _data._cache_folder())
    """)
    process.communicate("go\n", timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert len(list(cache.glob("tmp-*"))) == 1 and files_under(raw) == []
    assert is_real(small) and len(lines(capsys, tmp_path)) == 1


# -- full size --------------------------------------------------------------------------------------

def test_real_files_where_the_system_has_them_and_the_stand_in_elsewhere(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("SOFTMAX_LIB_DATA", raising=False)
    monkeypatch.setattr(_data, "_download", lambda: None)
    _data._obtain.cache_clear()
    for train, n in (True, 60000), (False, 10000):
        images, labels = _data.fashion_mnist(train)
        assert images.shape == (n, 28, 28) and labels.bincount().tolist() == [n // 10] * 10
    there = os.path.isdir(_data.SYSTEM_COPY)
    assert _data.is_stand_in() == (not there) and len(lines(capsys, tmp_path)) == 1
    if there:  # the first training image is an ankle boot
        assert _data.fashion_mnist(True)[1][:4].tolist() == [9, 0, 0, 3]
    start = time.perf_counter()
    _data._obtain.cache_clear()
    _data.fashion_mnist(True)
    assert time.perf_counter() - start < 2  # about 0.2 s on a machine with nothing else to do
    _data._obtain.cache_clear()


@pytest.fixture
def one_thread():  # on a busy machine several are slower for small matrices
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_stand_in_is_the_same_everywhere_and_about_as_hard_as_the_real_one(one_thread):
    parts = [_stand_in.draw(60000, 1), _stand_in.draw(10000, 2)]
    drawn = [md5(idx(array)) for part in parts for array in part]
    assert drawn == [_data.FILES[name].stand_in for name in NAMES], \
        "the drawing has changed: put these checksums into FILES of softmax_lib/_data.py"
    (X, y), (X_test, y_test) = [(torch.tensor(images).reshape(-1, 784) / 255, torch.tensor(labels).long())
                                for images, labels in parts]
    assert y_test.bincount().tolist() == [1000] * 10
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
    assert all(after < before for before, after in zip(losses, losses[1:])) and losses[-1] < .46
    accuracy = ((X_test @ W + b).argmax(1) == y_test).float().mean().item()
    assert .78 < accuracy < .90
