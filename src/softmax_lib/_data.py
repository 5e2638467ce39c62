"""Where Fashion-MNIST comes from: a folder of yours, the cache, the system, the network, or the stand-in.

The sources are asked once per process, in that order, and nothing is used that was not checked after
reading. Explained in the book's section image-classification-dataset.
"""
import atexit
import contextlib
import functools
import gzip
import hashlib
import io
import math
import os
import shutil
import socket
import struct
import sys
import tempfile
import threading
import time
import urllib.request
import zlib
from typing import NamedTuple

import torch

__all__ = ["fashion_mnist_root", "fashion_mnist", "is_stand_in"]


class _File(NamedTuple):
    shape: tuple    # of the array in the file
    md5: str        # of the decompressed file, the real one
    stand_in: str   # and of the stand-in's


FILES = {
    "train-images-idx3-ubyte": _File((60000, 28, 28), "f4a8712d7a061bf5bd6d2ca38dc4d50a",
                                     "aa6495d39aa2bbe1430fcb411050ecfd"),
    "train-labels-idx1-ubyte": _File((60000,), "9018921c3c673c538a1fc5bad174d6f9",
                                     "c5e349931c7e922bca06667e43a25e28"),
    "t10k-images-idx3-ubyte": _File((10000, 28, 28), "8181f5470baa50b63fa0f6fddb340f0a",
                                    "0b291f83f4a7fb9c5b4f370609ee425a"),
    "t10k-labels-idx1-ubyte": _File((10000,), "15d484375f8d13e6eb1aabb0c3f46965",
                                    "491ea32d2855c539e9be44dcdd4bbd4e"),
}
RAW = os.path.join("FashionMNIST", "raw")            # torchvision's layout: where the files lie in the root
SYSTEM_COPY = "/usr/share/datasets/fashion-mnist"    # Debian's and Ubuntu's package dataset-fashion-mnist
ANSWER_WITHIN, GO_ON_WITHIN = 5, 30                  # seconds a server may take to answer, and to fall silent
LEFT_OVER = 24 * 3600                                # seconds after which a temporary folder is nobody's


class _Data(NamedTuple):
    root: str
    stand_in: bool
    train: tuple
    test: tuple


def fashion_mnist_root():
    """The folder that holds Fashion-MNIST as torchvision lays it out, fetched first if need be.

    Returns a path (str) that holds FashionMNIST/raw/train-images-idx3-ubyte and its three companions,
    for torchvision.datasets.FashionMNIST(root=...). They are the stand-in's where the real ones cannot be
    had. Raises FileNotFoundError or ValueError if the environment variable SOFTMAX_LIB_DATA is set to a
    folder without them or with damaged ones, OSError if there is nowhere to write them.
    Explained in the section image-classification-dataset.
    """
    return _data().root


def fashion_mnist(train):
    """The images and labels of Fashion-MNIST, all of them, as two tensors.

    train: True for the 60,000 training examples, False for the 10,000 test examples.
    Returns images, uint8 (n, 28, 28), 0 (black) to 255, and labels, int64 (n,), 0 to 9. They are read once
    per process and shared by all callers: do not change them in place.
    Raises what fashion_mnist_root raises. Explained in the section image-classification-dataset.
    """
    return _data().train if train else _data().test


def is_stand_in():
    """Whether the images are the library's own drawings (True) or the real Fashion-MNIST (False).

    Raises what fashion_mnist_root raises. Explained in the section image-classification-dataset.
    """
    return _data().stand_in


# -- the sources, in order --------------------------------------------------------------------------

def _data():
    return _obtain(os.environ.get("SOFTMAX_LIB_DATA"), _cache_folder())


@functools.cache
def _obtain(given, cache):
    if given:
        root = os.path.abspath(os.path.expanduser(given))
        content = _given(root)
    else:
        root, content = cache, _from(cache, "the cache")
        if content is None:
            root, content = None, _system_copy() or _download()
    if content and not (root and _laid_out(root)):
        root = _keep(content, cache)
    stand_in = content is None
    if stand_in:
        _say("it could not be downloaded. In its place stand blurred garments that softmax_lib makes itself: "
             "they are not the real images, and the numbers will differ from the text.")
        content, root = _stand_in(cache)
    return _Data(root, stand_in, _tensors(content, "train"), _tensors(content, "t10k"))


def _given(folder):
    """The content of the folder in SOFTMAX_LIB_DATA, which never gives way to another source."""
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"SOFTMAX_LIB_DATA is set to {folder!r}, which is not a folder: set it to one that "
                                f"holds the Fashion-MNIST files, or unset it.")
    missing = [name for name in FILES if _find(folder, name) is None]
    if missing:
        raise FileNotFoundError(f"SOFTMAX_LIB_DATA is set to {folder!r}, which lacks {', '.join(missing)}: put the "
                                f"files there (plain or .gz), or in {RAW} under it, or unset the variable.")
    try:
        return _read(folder)
    except ValueError as error:
        raise ValueError(f"SOFTMAX_LIB_DATA is set to {folder!r}, where {error}: replace that file, or unset the "
                         f"variable.") from None


def _from(folder, where, stand_in=False):
    """The checked content of a folder's files, or None if some are missing or (said in one line) damaged."""
    if all(_find(folder, name) for name in FILES):
        try:
            return _read(folder, stand_in)
        except ValueError as error:
            _say(f"{error} in {where}; it is fetched again.")


def _system_copy():
    content = _from(SYSTEM_COPY, "the system's copy")
    if content:
        _say("it is read from the system's copy.")
    return content


def _download():
    """The content as torchvision downloads it, or None. What is half there is gone with its folder."""
    from torchvision.datasets import FashionMNIST
    if not any(_answers(mirror + FashionMNIST.resources[0][0]) for mirror in FashionMNIST.mirrors):
        return None
    _say("it is downloaded, once (30 MB).")
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(GO_ON_WITHIN)
    try:
        with tempfile.TemporaryDirectory(prefix="softmax_lib-", ignore_cleanup_errors=True) as folder, \
                contextlib.redirect_stdout(io.StringIO()):  # where older versions print paths
            FashionMNIST(folder, train=False, download=True)
            return _read(folder)
    except Exception:  # whatever went wrong out there, the book goes on without
        return None
    finally:
        socket.setdefaulttimeout(timeout)


def _answers(url):
    """Whether a server answers soon; asked in a thread because looking up its name knows no time limit."""
    answers = []

    def ask():
        with contextlib.suppress(Exception), urllib.request.urlopen(url, timeout=ANSWER_WITHIN):
            answers.append(url)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(ANSWER_WITHIN)
    return bool(answers)


def _stand_in(cache):
    """The stand-in's content and its root: a folder of its own in the cache, named after the drawing."""
    root = os.path.join(cache, "stand-in-" + FILES["train-images-idx3-ubyte"].stand_in[:8])
    content = _from(root, "the stand-in's cache", stand_in=True)
    if content is None:
        from softmax_lib._stand_in import draw
        content = {}
        for part, seed in ("train", 1), ("t10k", 2):
            images, labels = _names(part)
            for name, array in zip((images, labels), draw(FILES[images].shape[0], seed)):
                content[name] = bytearray(_header(name) + array.tobytes())
        root = _keep(content, root)
    return content, root


# -- reading and checking ---------------------------------------------------------------------------

def _find(folder, name):
    """The path of a file in torchvision's layout or directly in the folder, plain or .gz, or None."""
    for place in os.path.join(folder, RAW), folder:
        for ending in "", ".gz":
            path = os.path.join(place, name + ending)
            if os.path.isfile(path):
                return path


def _laid_out(root):
    """Whether torchvision finds all four files under root as they are."""
    return all(os.path.isfile(os.path.join(root, RAW, name)) for name in FILES)


def _read(folder, stand_in=False):
    """The decompressed content of the four files: name -> bytes. Raises ValueError if one is damaged."""
    content = {}
    for name in FILES:
        path = _find(folder, name)
        try:
            with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
                content[name] = bytearray(file.read())
            fault = _fault(name, content[name], FILES[name].stand_in if stand_in else FILES[name].md5)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            fault = "is not a whole gzip file"
        except OSError as error:
            fault = f"cannot be read ({error.strerror})"
        if fault:
            raise ValueError(f"{name} {fault}")
    return content


def _header(name):
    """The first bytes of an IDX file of bytes: its magic number, then its sizes."""
    shape = FILES[name].shape
    return struct.pack(f">{1 + len(shape)}i", 0x800 + len(shape), *shape)


def _fault(name, data, md5):
    """What is wrong with a file's content, or None."""
    header = _header(name)
    size = len(header) + math.prod(FILES[name].shape)
    if len(data) < size:
        return f"is truncated ({len(data)} of {size} bytes)"
    if data[:4] != header[:4]:
        return "has the wrong magic number"
    if len(data) > size or data[:len(header)] != header:
        return "has the wrong sizes"
    if "labels" in name and max(data[len(header):]) > 9:
        return "has a label above 9"
    if hashlib.md5(data, usedforsecurity=False).hexdigest() != md5:
        return "was altered (its MD5 is wrong)"


def _tensors(content, part):
    """(images, labels) of one part, "train" or "t10k"; the images share the content's memory."""
    images, labels = (torch.frombuffer(content[name], dtype=torch.uint8, offset=len(_header(name)))
                      .reshape(FILES[name].shape) for name in _names(part))
    return images, labels.long()


# -- keeping ----------------------------------------------------------------------------------------

def _cache_folder():
    home = os.path.expanduser("~")
    if os.environ.get("XDG_CACHE_HOME"):
        base = os.environ["XDG_CACHE_HOME"]
    elif sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    elif sys.platform == "darwin":
        base = os.path.join(home, "Library", "Caches")
    else:
        base = os.path.join(home, ".cache")
    return os.path.join(os.path.abspath(base), "softmax_lib")


def _keep(content, root):
    """Write the files under root in torchvision's layout; returns root, or a temporary folder in its stead.

    Each is written whole beside its place and then moved there. Every process writes the same bytes, so
    it does not matter which of two comes last.
    """
    if _holds(root, content):
        return root
    try:
        os.makedirs(os.path.join(root, RAW), exist_ok=True)
        _sweep(root)
        with tempfile.TemporaryDirectory(prefix="tmp-", dir=root, ignore_cleanup_errors=True) as beside:
            _write(content, beside)
            for name in content:
                os.replace(os.path.join(beside, RAW, name), os.path.join(root, RAW, name))
        return root
    except OSError as error:
        if _holds(root, content):  # another process was first, and Windows does not replace what is open
            return root
        _say(f"the cache folder cannot be written ({error.strerror}); a temporary folder serves this time.")
    folder = None
    try:
        folder = tempfile.mkdtemp(prefix="softmax_lib-")
        atexit.register(_remove_in, os.getpid(), folder)
        _write(content, folder)
        return folder
    except OSError as error:
        shutil.rmtree(folder or "", ignore_errors=True)
        raise OSError(f"Fashion-MNIST finds no place on this machine, neither in the cache folder nor in a temporary "
                      f"one ({error.strerror}): make room for 60 MB, or set XDG_CACHE_HOME or TMPDIR to a folder that "
                      f"has it.") from error


def _holds(root, content):
    try:
        for name, data in content.items():
            with open(os.path.join(root, RAW, name), "rb") as file:
                if file.read() != data:
                    return False
        return True
    except OSError:
        return False


def _write(content, root):
    os.makedirs(os.path.join(root, RAW))
    for name, data in content.items():
        with open(os.path.join(root, RAW, name), "wb") as file:
            file.write(data)


def _sweep(root):
    """Remove the temporary folders of processes that were killed long ago."""
    for entry in os.scandir(root):
        with contextlib.suppress(OSError):  # another process may sweep at the same time
            if entry.name.startswith("tmp-") and time.time() - entry.stat().st_mtime > LEFT_OVER:
                shutil.rmtree(entry.path, ignore_errors=True)


def _remove_in(process, folder):
    if os.getpid() == process:  # a forked child leaves the folder to its parent
        shutil.rmtree(folder, ignore_errors=True)


def _names(part):
    return [name for name in FILES if name.startswith(part)]


def _say(sentence):
    print(f"Fashion-MNIST: {sentence}", file=sys.stderr)
