"""Where Fashion-MNIST comes from: a folder of yours, the cache, the system, the network, or the stand-in.

The sources are asked once per process, in that order, and nothing is used that was not checked after
reading. Explained in the book's section image-classification-dataset.
"""
import atexit
import contextlib
import functools
import hashlib
import math
import os
import shutil
import sys
import tempfile
import threading
import time
import urllib.request
import zlib
from collections import namedtuple
from pathlib import Path

import numpy as np
import torch

__all__ = ["fashion_mnist_root", "fashion_mnist", "is_stand_in"]

_File = namedtuple("_File", "shape md5 packed")  # of the array; of the file; bytes to download at most
FILES = {
    "train-images-idx3-ubyte": _File((60000, 28, 28), "f4a8712d7a061bf5bd6d2ca38dc4d50a", 26421880),
    "train-labels-idx1-ubyte": _File((60000,), "9018921c3c673c538a1fc5bad174d6f9", 29515),
    "t10k-images-idx3-ubyte": _File((10000, 28, 28), "8181f5470baa50b63fa0f6fddb340f0a", 4422102),
    "t10k-labels-idx1-ubyte": _File((10000,), "15d484375f8d13e6eb1aabb0c3f46965", 5148),
}
RAW = os.path.join("FashionMNIST", "raw")          # torchvision's layout: where the files lie in the root
SYSTEM_COPY = "/usr/share/datasets/fashion-mnist"  # Debian's and Ubuntu's package dataset-fashion-mnist
MIRRORS = ["https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
           "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"]
SILENCE, SLOWEST = 8, 20_000  # a mirror is left after so many silent seconds, or below so many bytes per second


def fashion_mnist_root():
    """The folder that holds Fashion-MNIST as torchvision lays it out, fetched first if need be.

    Returns a path (str) for torchvision.datasets.FashionMNIST(root=...); its files are the stand-in's where the
    real ones cannot be had. Raises FileNotFoundError or ValueError if the environment variable SOFTMAX_LIB_DATA
    is set to a folder without the four files or with damaged ones, OSError if no folder can be written.
    Explained in the section image-classification-dataset.
    """
    root = _data().root
    if root is None:
        raise OSError("Fashion-MNIST finds no place on this machine, neither in the cache folder nor in a temporary "
                      "one: make room for 60 MB, or set XDG_CACHE_HOME or TMPDIR to a folder that has it.")
    return root


def fashion_mnist(train):
    """The images and labels of Fashion-MNIST, all of them, as two tensors.

    train: True for the 60,000 training examples, False for the 10,000 test examples.
    Returns images, uint8 (n, 28, 28), 0 (black) to 255, and labels, int64 (n,), 0 to 9. They are read once
    per process and shared by all callers: do not change them in place. Raises TypeError if train is not a bool,
    and, as fashion_mnist_root does, for a bad SOFTMAX_LIB_DATA.
    Explained in the section image-classification-dataset.
    """
    if not isinstance(train, bool):
        raise TypeError(f"train must be True (training examples) or False (test examples), not {train!r}.")
    return _data().train if train else _data().test


def is_stand_in():
    """Whether the images are of the library's own making (True) or the real Fashion-MNIST (False).

    Raises what fashion_mnist raises. Explained in the section image-classification-dataset.
    """
    return _data().stand_in


# -- the sources, in order --------------------------------------------------------------------------

_Data = namedtuple("_Data", "root stand_in train test")


def _data():
    return _obtain(os.environ.get("SOFTMAX_LIB_DATA"), _cache_folder())


@functools.cache
def _obtain(given, cache):
    root = os.path.abspath(os.path.expanduser(given)) if given else cache
    content = _given(root) if given else _from(root, "the cache")
    if content is None or not all(os.path.isfile(Path(root, RAW, name)) for name in FILES):
        root, content = None, content or _from(SYSTEM_COPY, "the system's copy") or _download()
    stand_in = content is None
    if stand_in:
        _say("it could not be downloaded. In its place stand blurred garments that softmax_lib makes itself: they are "
             "not the real images, and the numbers will differ from the text.")
        cache, content = os.path.join(cache, "stand-in"), _stand_in()
    X, y, X_test, y_test = (torch.frombuffer(content[name], dtype=torch.uint8, offset=4 + 4 * len(file.shape))
                            .reshape(file.shape) for name, file in FILES.items())
    return _Data(root or _keep(content, cache), stand_in, (X, y.long()), (X_test, y_test.long()))


def _given(folder):
    """The content of the folder in SOFTMAX_LIB_DATA, which never gives way to another source."""
    try:
        return _read(folder)
    except (FileNotFoundError, ValueError) as error:
        raise type(error)(f"SOFTMAX_LIB_DATA is set to {folder!r}, where {error}: put the four Fashion-MNIST files "
                          f"there (plain or .gz), or in {RAW} under it, or unset the variable.") from None


def _from(folder, where):
    """The content of a folder's files, or None if some are missing or (said in one line) damaged."""
    try:
        content = _read(folder)
    except FileNotFoundError:
        return None
    except ValueError as error:
        return _say(f"{error} in {where}; it is fetched again.")
    if folder == SYSTEM_COPY:
        _say(f"it is read from {where}.")
    return content


def _stand_in():
    from softmax_lib._stand_in import draw
    arrays = [*draw(FILES["train-labels-idx1-ubyte"].shape[0], 1), *draw(FILES["t10k-labels-idx1-ubyte"].shape[0], 2)]
    return {name: bytearray(np.array([0x800 + array.ndim, *array.shape], ">i4").tobytes() + array.tobytes())
            for name, array in zip(FILES, arrays)}


# -- reading and checking ---------------------------------------------------------------------------

def _read(folder):
    """The content of the four files, plain or .gz, in torchvision's layout or directly in the folder: name -> bytes.

    Raises FileNotFoundError if some are missing, ValueError if one is damaged.
    """
    paths = {name: [Path(folder, place, name + ending) for place in (RAW, "") for ending in ("", ".gz")]
             for name in FILES}
    missing = [name for name in FILES if not any(map(os.path.isfile, paths[name]))]
    if missing:
        raise FileNotFoundError(f"{', '.join(missing)} cannot be found")
    content = {}
    for name in FILES:
        path = next(filter(os.path.isfile, paths[name]))
        try:
            content[name] = _checked(name, path.read_bytes(), path.suffix == ".gz")
        except OSError as error:
            raise ValueError(f"{name} cannot be read ({error.strerror})") from None
    return content


def _checked(name, data, packed=True):
    """The data, unpacked. Raises ValueError if they are not what the file should hold."""
    shape, md5, _ = FILES[name]
    size = 4 + 4 * len(shape) + math.prod(shape)
    try:
        data = bytearray(zlib.decompressobj(31).decompress(data, size + 1) if packed else data)  # 31 is gzip
    except zlib.error:
        raise ValueError(f"{name} is not a sound gzip file") from None
    if len(data) != size:
        raise ValueError(f"{name} is {'truncated' if len(data) < size else 'too long'}")
    if hashlib.md5(data, usedforsecurity=False).hexdigest() != md5:
        raise ValueError(f"{name} was altered (its MD5 is wrong)")
    return data


# -- the network ------------------------------------------------------------------------------------

def _download():
    return next(filter(None, map(_fetch, MIRRORS)), None)


def _fetch(mirror):
    """The content from one mirror, or None if it is silent, slow, sends too much, or sends something else."""
    got, stop, start, total = {name: bytearray() for name in FILES}, threading.Event(), time.monotonic(), 0

    def receive():
        with contextlib.suppress(Exception):  # whatever goes wrong out there, the book goes on without
            for name, data in got.items():
                with urllib.request.urlopen(f"{mirror}{name}.gz", timeout=SILENCE) as response:
                    if not any(got.values()) and not stop.is_set():
                        _say("it is downloaded, once (31 MB).")
                    while len(data) <= FILES[name].packed and not stop.is_set() and (some := response.read1(1 << 16)):
                        data += some

    thread = threading.Thread(target=receive, daemon=True)  # because looking up a name knows no time limit
    thread.start()
    while thread.is_alive() and time.monotonic() < start + SILENCE + total / SLOWEST:
        thread.join(.2)
        total = sum(map(len, got.values()))
        if total:
            print(f"{total / 1e6:.0f} of 31 MB", end="\r", file=sys.stderr)
    stop.set()
    with contextlib.suppress(ValueError):
        return {name: _checked(name, data) for name, data in got.items()}


# -- keeping ----------------------------------------------------------------------------------------

def _cache_folder():
    usual = {"win32": os.environ.get("LOCALAPPDATA") or "~/AppData/Local", "darwin": "~/Library/Caches"}
    base = os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or usual.get(sys.platform, "~/.cache"))
    if base.startswith("~"):  # of a user without a home
        base = tempfile.gettempdir()
    return os.path.join(os.path.abspath(base), "softmax_lib")


def _keep(content, cache):
    """Write the files into the cache or else a temporary folder; returns it, or None if neither can be written."""
    try:
        return _write(content, cache)
    except OSError as error:
        _say(f"the cache folder cannot be written ({error.strerror}); a temporary folder serves this time.")
    with contextlib.suppress(OSError):
        folder, owner = tempfile.mkdtemp(prefix="softmax_lib-"), os.getpid()  # a forked child leaves it alone
        atexit.register(lambda: os.getpid() == owner and shutil.rmtree(folder, ignore_errors=True))
        return _write(content, folder)


def _write(content, root):
    """Lay the files out for torchvision, each written whole beside its place and then moved there.

    Every process writes the same bytes, so it does not matter which of two comes last.
    """
    raw = Path(root, RAW)
    content = {name: data for name, data in content.items()
               if not os.path.isfile(raw / name) or (raw / name).read_bytes() != data}
    if content:
        raw.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="tmp-", dir=raw, ignore_cleanup_errors=True) as beside:
            for name, data in content.items():
                Path(beside, name).write_bytes(data)
                os.replace(Path(beside, name), raw / name)
    return root


def _say(sentence):
    print(f"Fashion-MNIST: {sentence}", file=sys.stderr)
