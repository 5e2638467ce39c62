"""Where Fashion-MNIST comes from: a folder of yours, the cache, the system, the network, or the stand-in.

The sources are asked once per process, in that order, and nothing is used that was not checked after reading.
"""
import contextlib
import functools
import gzip
import hashlib
import io
import os
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import torch

from softmax_lib._stand_in import draw

__all__ = ["fashion_mnist_root", "fashion_mnist", "is_stand_in"]

FILES = {  # the shape of the array; the MD5 of the file
    "train-images-idx3-ubyte": ((60000, 28, 28), "f4a8712d7a061bf5bd6d2ca38dc4d50a"),
    "train-labels-idx1-ubyte": ((60000,), "9018921c3c673c538a1fc5bad174d6f9"),
    "t10k-images-idx3-ubyte": ((10000, 28, 28), "8181f5470baa50b63fa0f6fddb340f0a"),
    "t10k-labels-idx1-ubyte": ((10000,), "15d484375f8d13e6eb1aabb0c3f46965"),
}
RAW = os.path.join("FashionMNIST", "raw")          # torchvision's layout: where the files lie in the root
SYSTEM_COPY = "/usr/share/datasets/fashion-mnist"  # Debian's and Ubuntu's package dataset-fashion-mnist
MIRRORS = ["https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
           "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"]
# A mirror is left after so many silent seconds, below so many bytes per second, after more bytes than a file has.
SILENCE, SLOWEST, LARGEST = 8, 20_000, 47_040_016


def fashion_mnist_root():
    """The folder that holds Fashion-MNIST as torchvision lays it out, fetched first if need be.

    Returns a path (str) for torchvision.datasets.FashionMNIST(root=...); its files are the stand-in's where the
    real ones cannot be had. Raises FileNotFoundError or ValueError if the environment variable SOFTMAX_LIB_DATA
    is set to a folder without the four files or with damaged ones, OSError if no folder can be written.
    """
    return _keep(*_data()[:2])


def fashion_mnist(train):
    """The images and labels of Fashion-MNIST, all of them, as two tensors.

    train: True for the 60,000 training examples, False for the 10,000 test examples.
    Returns images, uint8 (n, 28, 28), 0 (black) to 255, and labels, int64 (n,), 0 to 9. They are read once
    per process and shared by all callers: do not change them in place. Raises TypeError if train is not a bool,
    and, as fashion_mnist_root does, for a bad SOFTMAX_LIB_DATA.
    """
    if not isinstance(train, bool):
        raise TypeError(f"train must be True (training examples) or False (test examples), not {train!r}.")
    images, labels = _data()[1][:2] if train else _data()[1][2:]
    return images, labels.long()


def is_stand_in():
    """Whether the images are of the library's own making (True) or the real Fashion-MNIST (False).

    Raises what fashion_mnist raises.
    """
    return _data()[2]


# -- the sources, in order --------------------------------------------------------------------------

def _data():
    return _obtain(os.environ.get("SOFTMAX_LIB_DATA"), (torch.hub.get_dir(), tempfile.gettempdir()))


@functools.cache
def _obtain(given, bases):
    """Where the files may be laid out for torchvision, the four arrays, and whether they are the stand-in."""
    places = [os.path.join(base, "softmax_lib") for base in bases if os.path.isabs(base)]  # no ~ without a home
    if given:
        given = os.path.abspath(os.path.expanduser(given))
        try:
            return [given, *places], _read(given), False
        except ValueError as error:
            raise ValueError(f"{error}: put a whole one there, or unset SOFTMAX_LIB_DATA.") from None
    for folder in *places, SYSTEM_COPY:
        try:
            return places, _read(folder), False
        except FileNotFoundError:
            pass
        except ValueError as error:
            print(f"Fashion-MNIST: {error}; it is fetched again.", file=sys.stderr)
    if arrays := next(filter(None, map(_fetch, MIRRORS)), None):
        with contextlib.suppress(OSError):
            _keep(places, arrays)
        return places, arrays, False
    print("Fashion-MNIST: it could not be downloaded. In its place stand blurred garments that softmax_lib makes itself: "
          "they are not the real images, and the numbers will differ from the text.", file=sys.stderr)
    return [f"{place}-stand-in" for place in places], [*draw(60000, seed=1), *draw(10000, seed=2)], True


# -- reading ----------------------------------------------------------------------------------------

def _read(folder):
    """The four arrays, from files that are plain or .gz, in the folder itself or in torchvision's layout under it."""
    paths = {name: [path for place in (RAW, "") for ending in ("", ".gz")
                    if os.path.isfile(path := Path(folder, place, name + ending))] for name in FILES}
    if missing := [name for name in FILES if not paths[name]]:
        raise FileNotFoundError(f"SOFTMAX_LIB_DATA is set to {folder!r}, where {', '.join(missing)} cannot be found: put "
                                "the files there (plain or .gz), or unset the variable.")
    return [_checked(name, first, first.suffix == ".gz") for name, (first, *_) in paths.items()]


def _checked(name, file, packed=True):
    """The array in a file, of which no more is read than memory should hold; ValueError if it is not the right one."""
    (shape, md5), data = FILES[name], b""
    with contextlib.suppress(Exception), (gzip.open if packed else open)(file, "rb") as opened:
        data = bytearray(opened.read(LARGEST + 1))
    if hashlib.md5(data, usedforsecurity=False).hexdigest() != md5:
        raise ValueError(f"{file} is damaged or cannot be read")
    return torch.frombuffer(data, dtype=torch.uint8, offset=4 + 4 * len(shape)).reshape(shape)


# -- the network ------------------------------------------------------------------------------------

def _fetch(mirror):
    """What a mirror sends, or None if it is silent, slow, or sends too much or something else.

    A thread receives it, because looking up a name, and bytes that come one at a time, know no time limit.
    """
    got = {name: bytearray() for name in FILES}

    def receive():
        with contextlib.suppress(Exception):  # whatever goes wrong out there, the book goes on without
            for name, data in got.items():
                with urllib.request.urlopen(f"{mirror}{name}.gz", timeout=SILENCE) as response:
                    while len(data) <= LARGEST and (some := response.read1(1 << 16)):
                        data += some

    thread, start, total = threading.Thread(target=receive, daemon=True), time.monotonic(), 0
    thread.start()
    while thread.is_alive() and time.monotonic() < start + SILENCE + total / SLOWEST:
        thread.join(.2)
        total = sum(map(len, got.values()))
        print(f"Fashion-MNIST: {total / 1e6:.0f} of 31 MB downloaded", end="\r", file=sys.stderr)
    with contextlib.suppress(ValueError):
        return [_checked(name, io.BytesIO(data)) for name, data in got.items()]


# -- keeping ----------------------------------------------------------------------------------------

def _keep(places, arrays):
    """Lay the files out for torchvision in the first of the places that can be written; returns that place."""
    for place in places:
        with contextlib.suppress(OSError):
            for name, array in zip(FILES, arrays):
                head = b"".join(n.to_bytes(4, "big") for n in (0x800 + array.ndim, *array.shape))
                _write(Path(place, RAW, name), head + array.numpy().tobytes())
            return place
    raise OSError(f"Fashion-MNIST finds no place: make room for 60 MB in one of {', '.join(places)}, or set TORCH_HOME to a folder of yours.")


def _write(path, data):
    """Write a whole file beside its place, then move it there, so that nobody who reads or writes too finds a half."""
    if not path.is_file() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="tmp-", dir=path.parent, ignore_cleanup_errors=True) as beside:
            Path(beside, path.name).write_bytes(data)
            os.replace(Path(beside, path.name), path)
