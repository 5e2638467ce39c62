"""What softmax_lib promises to its readers: every name of the sections that exist, by its contract.

Needs only the library, pytest and hypothesis, and the images wherever they come from (the real ones or the
stand-in); where they come from is the business of test_data.py.
"""
import contextlib
import copy
import functools
import inspect
import math
import multiprocessing
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import softmax_lib as sl
from softmax_lib import softmax_regression_scratch

pytestmark = pytest.mark.usefixtures("afresh")
SIGNATURES = dict(re.findall(r"^([\w.]+)(.*)$", Path(__file__).with_name("signatures.txt").read_text(), re.MULTILINE))
LABELS = "t-shirt trouser pullover dress coat sandal shirt sneaker bag".split() + ["ankle boot"]

some = settings(max_examples=40, deadline=None, derandomize=True, database=None)


@pytest.fixture
def few():
    """Loaders of 500 images, in batches of 64 but for the last, and of 100 others."""
    X, y = sl.fashion_mnist(train=True)
    return (sl.batch_loader(sl.ImageDataset(X[:500], y[:500]), 64, shuffle=True),
            sl.batch_loader(sl.ImageDataset(X[500:600], y[500:600]), 64))


def softmax_regression():
    """A net, its loss of each example, and its update by our own SGD."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    return net, nn.CrossEntropyLoss(reduction="none"), lambda batch_size: sl.sgd(net.parameters(), 0.1, batch_size)


# -- the package ------------------------------------------------------------------------------------

PLAIN = """if True:
    import sys, torch, numpy
    def loaded():
        return {name.partition('.')[0] for name in sys.modules} | {'matplotlib.pyplot'} & set(sys.modules)
    before = loaded()
    import softmax_lib as sl
    sl.sgd, sl.Timer().stop(), sl.accuracy(torch.eye(3), torch.arange(3)), sl.reduce_sum, sl.Accumulator
    print(*sorted(loaded() - before))
    g = torch.Generator().manual_seed(0)
    garments = torch.randint(256, (400, 28, 28), generator=g, dtype=torch.uint8), torch.randint(10, (400,), generator=g)
    sl.fashion_mnist = lambda train: garments
    for seed in 1, 2:
        torch.manual_seed(seed)
        data = sl.SyntheticRegressionData(torch.tensor([2, -3.4]), 4.2, num_train=200)
        for model in sl.LinearRegressionScratch(2, 0.1), sl.LinearRegression(0.1), sl.SoftmaxRegression(10, 0.1):
            sl.Trainer(1, gradient_clip_val=1).fit(model, sl.FashionMNIST() if hasattr(model, 'num_outputs') else data)
            print('=', [p.double().sum().item() for p in model.parameters()], model.board.data)
        print({'IPython', 'torchvision'} & loaded() | ({'matplotlib.pyplot'} & loaded() if seed == 1 else set()))
        net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
        optimizer = torch.optim.SGD(net.parameters(), 0.1)
        print('=', sl.train_ch3(net, *sl.load_data_fashion_mnist(64), torch.nn.CrossEntropyLoss(), 1, optimizer))
    animator = sl.Animator(xlabel='step', legend=['a'], yscale='log')
    for i in range(5):
        animator.add(i / 4, [float('nan'), None, -1.0])
    """
SAID = """epoch 1: train_loss #, val_loss #
epoch 1: train_loss #, val_loss #
epoch 1: train_loss #, val_loss #, val_acc #
set()
epoch 1: train loss # train acc # test acc #
"""


def test_a_plain_script_without_a_display():
    """Importing the library brings little along; training prints lines and needs no IPython, nor pyplot in the classes,
    whatever matplotlib was told; and a seed gives the same bits in every process."""
    variables = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")} | {"MPLBACKEND": "TkAgg"}
    first, again = (subprocess.run([sys.executable, "-c", PLAIN], env=variables, capture_output=True, text=True, timeout=300) for _ in "12")
    brought, *out = first.stdout.splitlines() or [""]
    assert set(brought.split()) <= {"softmax_lib", "lazy_loader", "importlib", "tomllib", "packaging"}, first.stderr
    said = [re.sub(r"\d+\.\d{4}", "#", line) for line in out if line[0] != "="]
    assert said == [*SAID.splitlines() * 2, "step 0: a nan", "step 1: a nan"], first.stderr
    assert first.stdout == again.stdout and len({line for line in out if line[0] == "="}) == 8  # two seeds, four ways to train


def test_every_name_is_there():
    names = {}
    exec("from softmax_lib import *", names)
    assert set(sl.__all__) <= set(names) & set(dir(sl)) and len(set(sl.__all__)) == len(sl.__all__)
    assert all(getattr(sl, name) is names[name] is not None for name in sl.__all__)
    assert sl.plt is sys.modules["matplotlib.pyplot"] and not hasattr(sl, "no_such_name")
    with pytest.raises(AttributeError, match="softmax_lib.*no_such_name"):
        sl.no_such_name


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name):
    """signatures.txt says how everything is called; the first line of the docstring is a sentence."""
    thing = functools.reduce(getattr, name.split("."), sl)
    assert str(inspect.signature(thing)) == SIGNATURES[name] and name.split(".")[0] in sl.__all__
    assert inspect.getdoc(thing).partition("\n")[0].endswith((".", ":"))


# -- bad arguments: one clear sentence, and nothing has happened --------------------------------------

X23 = torch.ones(2, 3)
scores, three = torch.eye(3), torch.arange(3)
nothing = [(torch.zeros(0, 1, 28, 28), torch.zeros(0, dtype=torch.int64))]
pictures = torch.zeros(3, 28, 28)
bytes3 = pictures.byte()


BAD = {
    "a single array": (lambda: sl.load_array(X23, 2), "data_arrays", "tuple", "(X,)"),
    "a single array, NumPy's": (lambda: sl.load_array(np.ones((2, 3)), 2), "data_arrays", "tuple"),
    "images of floats": (lambda: sl.ImageDataset(pictures, three), "images", "uint8", "torch.float32"),
    "one column": (lambda: sl.accuracy(torch.ones(3, 1), three), "y_hat", "(b, q)"),
    "two columns of one": (lambda: sl.accuracy(torch.ones(3, 1), torch.ones(3, 1)), "y_hat", "(b, q)"),
    "labels in a column": (lambda: sl.accuracy(scores, three.reshape(3, 1)), "y", "(b,)"),
    "labels one-hot": (lambda: sl.accuracy(scores, torch.eye(3)), "y", "(b,)"),
    "a single label": (lambda: sl.accuracy(scores, torch.tensor(1)), "y", "(b,)"),
    "accuracy, too few labels": (lambda: sl.accuracy(scores, three[:2]), "y", "(b,)"),
    "classes, too few labels": (lambda: sl.accuracy(three, three[:1]), "y", "(b,)"),
    "scores of three axes": (lambda: sl.accuracy(torch.ones(3, 4, 1), three), "y_hat", "(b, q)"),
    "no columns": (lambda: sl.accuracy(torch.ones(3, 0), three), "y_hat", "(b, q)"),
    "label q": (lambda: sl.accuracy(scores, three + 1), "y", 0, 2),
    "label below 0": (lambda: sl.accuracy(scores, three - 1), "y", 0, 2),
    "label nan": (lambda: sl.accuracy(scores, torch.tensor([0, 1, math.nan])), "y", 0, 2),
    "a classifier's one column": (lambda: sl.Classifier().accuracy(torch.ones(3, 1), three), "y_hat", "(b, q)"),
    "evaluate on nothing": (lambda: sl.evaluate_accuracy(torch.flatten, []), "data_iter", "empty"),
    "evaluate on empty batches": (lambda: sl.evaluate_accuracy(lambda X: torch.zeros(0, 10), nothing), "data_iter", "empty"),
    "evaluate the loss of nothing": (lambda: sl.evaluate_loss(torch.flatten, [], None), "data_iter", "empty"),
    "train on nothing": (lambda: sl.train_epoch_ch3(torch.flatten, [], None, None), "train_iter", "empty"),
    "train on a spent iterator": (lambda: sl.train_epoch_ch3(torch.flatten, iter([]), None, None), "train_iter", "empty"),
    "no epochs": (lambda: sl.train_ch3(torch.flatten, [], [], None, 0, None), "num_epochs", 0, 1),
    "test on nothing": (lambda: sl.train_ch3(scores.__getitem__, [(three, three)], [], F.cross_entropy, 1,
                                             torch.optim.SGD([scores.requires_grad_()], 0)), "data_iter", "empty"),
    "x too short": (lambda: sl.Animator().add([1], [1, 2]),),
    "x too long": (lambda: sl.Animator().add([1, 2, 3], [1, 2]),),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_argument(name, capsys):
    call, *words = BAD[name]
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    assert "\n" not in str(caught.value) and [word for word in words if str(word) not in str(caught.value)] == []
    assert sl.plt.get_fignums() == [] and capsys.readouterr().out == ""


@pytest.mark.parametrize("optimizer", [False, True])
@pytest.mark.parametrize("bad", [torch.tensor([1, 10]), torch.tensor([[1], [2]]), torch.tensor([1, -1])])
def test_training_on_bad_labels_moves_nothing(optimizer, bad):
    net, loss, update = softmax_regression()
    before = net[1].weight.detach().clone()
    with pytest.raises(ValueError, match="y must|y_hat must"):
        sl.train_epoch_ch3(net, [(torch.rand(2, 1, 28, 28), bad)], loss, torch.optim.SGD(net.parameters(), 0.1) if optimizer else update)
    assert torch.equal(net[1].weight, before) and net[1].weight.grad is None


# -- linear regression --------------------------------------------------------------------------------

def data_module(w, b, n, noise=0.01):
    """What the class makes in place of the function."""
    data = sl.SyntheticRegressionData(w, b, noise, num_train=n, num_val=0)
    return data.X, data.y


@pytest.mark.parametrize("make, sigma", [(sl.synthetic_data, 0.01), (functools.partial(data_module, noise=0.5), 0.5)])
def test_synthetic_data(make, sigma):
    w, n = torch.tensor([2, -3.4, 0.5]), 20_000
    X, y = make(w, 4.2, n)
    assert X.shape == (n, 3) and y.shape == (n, 1)
    noise = y[:, 0] - (X @ w + 4.2)
    sure = 5 / math.sqrt(n)  # five standard errors
    assert X.mean(0).abs().max() < sure and (X.std(0) - 1).abs().max() < sure
    assert noise.mean().abs() < sigma * sure and abs(noise.std() / sigma - 1) < sure
    assert torch.corrcoef(torch.stack([*X.T, noise])).fill_diagonal_(0).abs().max() < sure
    assert noise.unique().numel() > n // 2  # one draw for each label
    torch.manual_seed(0)
    assert torch.equal(make(w, 4.2, n)[1], y)


@pytest.mark.parametrize("make", [sl.synthetic_data, data_module])
@pytest.mark.parametrize("w", [[2, -3], np.array([2, -3.0]), torch.tensor([2, -3]), torch.tensor([[2], [-3.0]]).double()])
@pytest.mark.parametrize("b", [1, np.ones(1), [1], torch.ones(1)])
def test_synthetic_data_of_any_numbers(make, w, b):
    X, y = make(w, b, 1000)
    assert X.dtype == y.dtype == torch.float32 and y.shape == (1000, 1)
    assert (y - X @ torch.tensor([[2.0], [-3.0]]) - 1).abs().max() < 0.1


@pytest.mark.parametrize("b", [0.5, torch.tensor(0.5), torch.tensor([[0.5]]), np.array([0.5], dtype=np.float32)])
def test_linreg(b):
    X, w = torch.arange(6.0).reshape(3, 2), torch.tensor([[2.0], [-1.0]])
    assert torch.equal(sl.linreg(X, w, b), torch.tensor([[-0.5], [1.5], [3.5]]))
    W, b = torch.rand(2, 3), torch.rand(3)
    assert torch.allclose(sl.linreg(X, W, b), F.linear(X, W.T, b))


@pytest.mark.parametrize("shape", [(4, 1), (4,), (1, 4), (2, 2)])
def test_squared_loss_never_broadcasts(shape):
    y_hat, y = torch.arange(4.0).reshape(shape), torch.full((4,), 2.0)
    for labels in y, y.reshape(4, 1), y.reshape(1, 4):
        loss = sl.squared_loss(y_hat, labels)
        assert loss.shape == shape and loss.flatten().tolist() == [2.0, 0.5, 0.0, 0.5]
    assert sl.squared_loss(y_hat, torch.arange(4.0)).sum() == 0  # in order


@pytest.mark.parametrize("call", {
    "biases": lambda: sl.synthetic_data(torch.ones(2), torch.ones(5), 10),
    "list of biases": lambda: sl.synthetic_data(torch.ones(2), [1, 2], 10),
    "biases, class": lambda: sl.SyntheticRegressionData(torch.ones(2), np.ones(2000)),
    "one label for all": lambda: sl.squared_loss(torch.ones(5, 1), torch.ones(1)),
    "bias per row": lambda: sl.squared_loss(sl.linreg(torch.ones(5, 2), torch.ones(2, 1), torch.ones(5)), torch.ones(5, 1)),
}.values())
def test_what_would_broadcast_is_refused(call):
    with pytest.raises(RuntimeError, match="is invalid for input of size"):
        call()


@pytest.mark.parametrize("wrap", [list, tuple, iter], ids=["list", "tuple", "generator"])
def test_sgd(wrap):
    w, b = torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor(0.5, requires_grad=True)
    places = w.data_ptr(), b.data_ptr()
    (w.sum() * 8 + 4 * b).backward()
    sl.sgd(wrap([w, b]), torch.tensor(0.25), 4)
    assert w.tolist() == [0.5, 1.5] and b.item() == 0.25
    assert w.grad.tolist() == [0, 0] and b.grad.item() == 0
    assert (w.data_ptr(), b.data_ptr()) == places and w.requires_grad and w.is_leaf
    w.sum().backward()
    sl.sgd([w], 1, 1)
    assert w.tolist() == [-0.5, 0.5]  # of the new gradient alone


# -- plots and the stopwatch --------------------------------------------------------------------------

def lines(axes):
    return [(list(map(float, line.get_xdata())), list(map(float, line.get_ydata()))) for line in axes.lines]


x, y1, y2 = [0.0, 1.0, 2.0], [5.0, 6.0, 4.0], [1.0, 1.0, 3.0]
one, both = [(x, y1)], [(x, y1), (x, y2)]


@pytest.mark.parametrize("X, Y, expected", [
    *((kind(x), kind(y1), one) for kind in (list, torch.tensor, np.array, tuple)), (range(3), tuple(y1), one),
    *((kind(x), kind([y1, y2]), both) for kind in (list, torch.tensor, np.array)), (np.array(x), [np.array(y1), y2], both),
    (torch.tensor(x), [torch.tensor(y1), torch.tensor(y2)], both), (x, [y1], one), ([x], [y1, y2], both),
    ([x, [3.0, 4.0]], [y1, [1.0, 2.0]], [(x, y1), ([3.0, 4.0], [1.0, 2.0])]),
    *((kind(y1), None, one) for kind in (list, torch.tensor)), *((kind([y1, y2]), None, both) for kind in (list, torch.tensor)),
    ([y1, [7.0]], None, [(x, y1), ([0.0], [7.0])]), ([torch.tensor(v) for v in y1], None, one),
    ([], None, [([], [])]), ([], [], [([], [])]),
])
def test_plot(X, Y, expected):
    sl.plot(X, Y)
    assert lines(sl.plt.gca()) == expected


@pytest.mark.parametrize("X, Y", [([1, 2], [1, 2, 3]), ([1, 2], [[1, 2], [1, 2, 3]]), ([[1, 2], [3, 4]], [1, 2]),
                                  ([[1, 2]] * 3, [[1, 2]] * 2)])
def test_plot_leaves_no_point_out(X, Y):
    with pytest.raises(ValueError):
        sl.plot(X, Y)


def settings_of(axes):
    legend = axes.get_legend()
    return (axes.get_xlabel(), axes.get_ylabel(), axes.get_xlim(), axes.get_ylim(), axes.get_xscale(), axes.get_yscale(),
            legend and [text.get_text() for text in legend.get_texts()], axes.xaxis.get_gridlines()[0].get_visible())


def test_plot_sets_everything_once():
    before = str(inspect.signature(sl.plot))
    sl.plot([1, 10], [[1, 2], [3, 4]], "x", "y", ["one", "two"], [1, 20], (0.5, 5), "log", "log", figsize=(4, 3))
    assert settings_of(sl.plt.gca()) == ("x", "y", (1, 20), (0.5, 5), "log", "log", ["one", "two"], True)
    assert sl.plt.gcf().get_size_inches().tolist() == [4, 3]
    assert [line.get_linestyle() for line in sl.plt.gca().lines] == ["-", "--"]
    sl.plot(x, [[i, i, i] for i in range(9)])  # more curves than styles
    assert [y[0] for _, y in lines(sl.plt.gca())] == list(range(9))
    assert sl.plt.gca().get_legend() is None and str(inspect.signature(sl.plot)) == before


def test_plot_on_given_axes():
    figure, (left, right) = sl.plt.subplots(1, 2)
    size = list(sl.plt.rcParams["figure.figsize"])
    right.plot([9], [9])
    for y in y1, y2:  # drawn afresh
        sl.plot(x, y, axes=left)
        assert lines(left) == [(x, y)] and lines(right) == [([9], [9])]
    assert sl.plt.get_fignums() == [figure.number] and list(sl.plt.rcParams["figure.figsize"]) == size


def test_set_axes():
    axes = sl.plt.subplots()[1]
    axes.plot([1, 2], [3, 4])
    limits = axes.get_xlim(), axes.get_ylim()
    sl.set_axes(axes, None, None, None, None, "linear", "linear", None)
    assert settings_of(axes) == ("", "", *limits, "linear", "linear", None, True)
    sl.set_axes(axes, "a", "b", np.array([0, 3]), None, "linear", "log", ["c"])
    sl.set_axes(axes, "a", "b", None, np.array([1, 4]), "linear", "log", ["c"])
    assert settings_of(axes) == ("a", "b", (0, 3), (1, 4), "linear", "log", ["c"], True)


def test_set_figsize(notebook):
    for arguments, size in ([(7, 2)], [7, 2]), ([], [3.5, 2.5]):
        sl.set_figsize(*arguments)
        assert sl.plt.figure().get_size_inches().tolist() == size
    assert "image/svg+xml" in notebook.shell.display_formatter.format(sl.plt.gca().figure)[0]


def test_timer():
    timer = sl.Timer()  # starts when made
    time.sleep(0.02)
    first = timer.stop()
    assert 0.015 < first < 10 and timer.sum() == timer.avg() == first
    timer.start()
    second = timer.stop()
    assert 0 <= second < 0.015 and timer.times == [first, second]
    timer.times = [3.0, 1e-9]
    assert timer.cumsum() == [3.0, 3.000000001] and timer.sum() == 3.000000001 and timer.avg() == 1.5000000005
    assert sl.Timer().sum() == 0 and sl.Timer().cumsum() == []


# -- minibatches --------------------------------------------------------------------------------------

@pytest.mark.parametrize("n, batch_size", [(10, 4), (8, 4), (3, 5)])
@pytest.mark.parametrize("wrap", [torch.tensor, np.array, list], ids=["tensor", "NumPy", "list"])
def test_load_array(n, batch_size, wrap):
    X, y = torch.arange(2 * n).reshape(n, 2), torch.arange(n).reshape(n, 1)
    data = sl.load_array((wrap(X.tolist()), wrap(y.tolist())), batch_size, is_train=False)
    assert len(data) == math.ceil(n / batch_size) and [len(y) for _, y in data][-1] == (n - 1) % batch_size + 1
    for _ in range(2):  # in order, and again from the beginning
        served = [torch.cat(part) for part in zip(*data)]
        assert torch.equal(served[0], X) and torch.equal(served[1], y)


def test_load_array_shuffles_when_training():
    X, y = torch.rand(100, 2), torch.arange(100).reshape(100, 1)
    data = sl.load_array((X, y), 16)
    (X1, first), (X2, second) = ([torch.cat(part) for part in zip(*data)] for _ in range(2))
    assert not torch.equal(first, second) and torch.equal(first.sort(0).values, y)
    assert torch.equal(X1, X[first.flatten()]) and torch.equal(X2, X[second.flatten()])  # rows stay together


@pytest.mark.parametrize("method, cores, workers", [("spawn", 9, 0), ("fork", None, 0), *(("fork", n, min(n, 4)) for n in (1, 2, 3, 64))])
@pytest.mark.parametrize("decided", [True, False])
def test_get_dataloader_workers(monkeypatch, method, cores, workers, decided):
    monkeypatch.setattr(multiprocessing, "get_start_method", lambda allow_none=False: method if decided or not allow_none else None)
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: [method])
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)), raising=False)
    if cores is None:  # as on macOS
        monkeypatch.delattr(os, "sched_getaffinity")
    assert sl.get_dataloader_workers() == workers


# -- Fashion-MNIST ------------------------------------------------------------------------------------

@pytest.mark.parametrize("wrap", [list, iter, torch.tensor, np.array, lambda labels: torch.tensor(labels).float(),
                                  lambda labels: torch.tensor(labels, dtype=torch.uint8)])
def test_labels_have_names_in_the_order_of_the_dataset(wrap):
    assert LABELS == [name.lower().split("/")[0] for name in torchvision.datasets.FashionMNIST.classes]
    assert sl.get_fashion_mnist_labels(wrap(list(range(10)))) == LABELS and sl.get_fashion_mnist_labels(wrap([])) == []
    assert sl.get_fashion_mnist_labels(wrap([9, 0, 0])) == ["ankle boot", "t-shirt", "t-shirt"]
    for label in [] if wrap is np.array else [10, -1, 2.75, -0.5]:
        with pytest.raises(KeyError, match=str(label)):
            sl.get_fashion_mnist_labels([label] if wrap is list else torch.tensor([label]))


def shown(axes):
    return [np.asarray(ax.images[0].get_array()) for ax in axes if ax.images]


def test_show_images():
    X = torch.rand(5, 1, 8, 6)
    axes = sl.show_images(X[:, 0], 2, 3, titles=list("abcde"))
    assert axes.shape == (6,) and axes[0].figure.get_size_inches().tolist() == [4.5, 3.0]
    assert [ax.get_title() for ax in axes] == [*"abcde", ""]
    assert all(not ax.axison for ax in axes)  # the empty one too
    assert all(np.array_equal(a, b) for a, b in zip(shown(axes), X[:, 0].numpy(), strict=True))
    assert {ax.images[0].get_cmap().name for ax in axes[:5]} == {"gray"}
    assert axes[0].get_position().y0 > axes[3].get_position().y0 and axes[0].get_position().x0 < axes[1].get_position().x0
    assert len(shown(sl.show_images(X, 1, 3))) == 3 and len(shown(sl.show_images(X, 1, 1))) == 1
    sl.plt.gcf().canvas.draw()


def test_show_images_of_any_kind():
    from PIL import Image
    grey, colour = torch.rand(1, 4, 4), torch.rand(3, 4, 5)
    with_gradient = torch.rand(4, 4, requires_grad=True)
    kinds = [grey, colour, with_gradient, Image.new("L", (5, 4), 7), Image.new("RGB", (5, 4), (1, 2, 3)), np.zeros((4, 4)),
             (grey[0] * 255).byte()]
    pixels = shown(sl.show_images(kinds, 7, 1, scale=0.5))
    assert [p.shape for p in pixels] == [(4, 4), (4, 5, 3), (4, 4), (4, 5), (4, 5, 3), (4, 4), (4, 4)]
    assert np.array_equal(pixels[1], colour.permute(1, 2, 0)) and (pixels[3] == 7).all()
    sl.plt.gcf().canvas.draw()


def test_arrays_are_made_of_tensors_on_any_device(monkeypatch):
    home = []
    monkeypatch.setattr(torch.Tensor, "cpu", lambda self: home.append("home") or self)
    sl.numpy(X23), sl.show_images([X23], 1, 1)
    assert home == ["home"] * 2


@pytest.mark.parametrize("train, n", [(True, 60_000), (False, 10_000)])
def test_loaders(train, n):
    data = sl.load_data_fashion_mnist(256)[not train]
    theirs = torchvision.datasets.FashionMNIST(sl.fashion_mnist_root(), train, torchvision.transforms.ToTensor())
    for i in [0, 1, n - 1, *torch.randint(n, (300,)).tolist()]:
        (X, y), (X0, y0) = data.dataset[i], theirs[i]
        assert torch.allclose(X, X0) and X.dtype == X0.dtype and int(y) == y0

    def served():
        batches = list(data)
        assert [len(y) for _, y in batches] == [256] * (n // 256) + [n % 256]  # the last batch is kept
        for X, y in batches:
            assert X.shape == (len(y), 1, 28, 28) and X.dtype == torch.float32 and y.dtype == torch.int64
            assert X.min() >= 0 and 0.9 < X.max() <= 1
        return torch.cat([y for _, y in batches])

    torch.manual_seed(1)
    assert len(data) == math.ceil(n / 256) and len(data.dataset) == len(theirs) == n
    assert data.dataset.images.data_ptr() == sl.fashion_mnist(train)[0].data_ptr()  # bytes, and no second copy of them
    first, second = served(), served()
    assert torch.equal(first, second) == torch.equal(first, theirs.targets) == (not train)  # shuffled anew, or in order
    assert torch.equal(first.bincount(), theirs.targets.bincount()) and torch.equal(second.bincount(), first.bincount())
    torch.manual_seed(1)
    again = sl.load_data_fashion_mnist(256)[not train]
    assert torch.equal(torch.cat([y for _, y in again]), first)


@pytest.mark.parametrize("channels", [None, 1, 3])
def test_every_image_is_served_once_with_its_label_as_a_copy(channels):
    X = torch.randint(256, (600, 8, 6) if channels is None else (600, channels, 8, 6), dtype=torch.uint8)
    before, as_served = X.clone(), X.reshape(600, -1, 8, 6) / 255
    data = sl.ImageDataset(X.numpy(), range(600))
    assert torch.equal(data[7][0], as_served[7]) and data[7][1] == 7 and torch.equal(data[[7, 0]][0], as_served[[7, 0]])
    images, numbers = map(torch.cat, zip(*sl.batch_loader(data, 64, shuffle=True)))
    assert torch.equal(images, as_served[numbers]) and torch.equal(numbers.sort().values, torch.arange(600))
    data[[0, 1]][0].zero_(), data[0][0].zero_()
    assert torch.equal(X, before)
    for size in (16, 12), (3, 5), (5, 1):
        resized = sl.ImageDataset(X, range(600), size)[[0, 4]][0]
        assert torch.allclose(resized, torchvision.transforms.functional.resize(as_served[[0, 4]], size, antialias=True), atol=1e-5)


@pytest.mark.parametrize("resize", [0, -3, 28.5, (8, -3), (8, 2.5)])
def test_there_is_no_such_size(resize):
    with pytest.raises((RuntimeError, TypeError)):
        next(iter(sl.FashionMNIST(8, resize).val_dataloader()))


@pytest.mark.parametrize("resize", [1, 14, 28, 33, np.int64(32)])
def test_resize(resize):
    original = next(iter(sl.load_data_fashion_mnist(50)[1]))[0]
    for data in sl.load_data_fashion_mnist(50, resize=resize):
        X, y = next(iter(data))
        assert X.shape == (50, 1, resize, resize) and X.dtype == torch.float32 and len(data) == len(data.dataset) // 50
    assert resize != 28 or torch.equal(X, original)


@pytest.mark.parametrize("resize", [1, 2, 7, 13, 17, 26, 64])
@pytest.mark.parametrize("colour", [0, 255])
def test_resizing_stays_between_0_and_1(resize, colour):
    X, _ = sl.ImageDataset(torch.full((2, 28, 28), colour, dtype=torch.uint8), torch.zeros(2), resize)[1]
    assert X.shape == (1, resize, resize) and X.min() >= 0 and X.max() <= 1
    assert torch.allclose(X, torch.tensor(colour / 255))


# -- accuracy and Accumulator -------------------------------------------------------------------------

NUMBERS = [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.uint8]
UNKNOWN = [[math.nan] * 3, [math.nan, 1, 0], [0, math.nan, 1], [2, 1, 0]]


@pytest.mark.parametrize("y_hat, y, right", [
    (torch.zeros(0, 5), [], 0), ([], [], 0), ([[0.2, 0.8]], [1], 1), (UNKNOWN, [0.0] * 4, 1), (UNKNOWN, [1] * 4, 0),
    (torch.eye(300)[[256]], torch.tensor([0], dtype=torch.uint8), 0),  # does not wrap
    ([2.7, -0.5], [2, 0], 0),  # nor round: these are no classes
    ([2, 0, 1], [2, 1, 1], 2), ([[1.0, 1], [0, 0]], [0, 1], 1),  # classes themselves; the first of two that are largest
    *((torch.tensor([[1, 5, 2], [7, 0, 3], [1, 2, 3], [0, 9, 0]], dtype=dtype), torch.tensor([1, 0, 1, 1], dtype=labels), 3)
      for dtype in NUMBERS for labels in (torch.int64, torch.int32, torch.uint8, torch.float32))])
def test_accuracy(y_hat, y, right):
    y_hat, y = torch.as_tensor(y_hat), torch.as_tensor(y)
    before = y_hat.clone()
    assert sl.accuracy(y_hat, y) == sl.correct(y_hat, y).sum() == right and type(sl.accuracy(y_hat, y)) is float
    assert torch.equal(y_hat.nan_to_num(), before.nan_to_num())


def test_accumulator():
    sums = sl.Accumulator(2)
    for numbers in (1, torch.tensor(2)), (0.5, np.float32(1)):
        sums.add(*numbers)
    for wrong, error in ((1,), ValueError), ((1, 2, 3), ValueError), ((1, "two"), ValueError):  # none adds anything
        with pytest.raises(error):
            sums.add(*wrong)
    assert (sums[0], sums[1], sums[-1]) == (1.5, 3.0, 3.0) and all(type(number) is float for number in sums)
    sums.reset()
    assert (sums[0], sums[1]) == (0, 0) and type(sums[1]) is float
    with pytest.raises(IndexError):
        sums[2]


# -- training and evaluation --------------------------------------------------------------------------

class Spy(nn.Module):
    """A classifier of 3 features that notes in which mode it is called."""
    def __init__(self, fail=False):
        super().__init__()
        self.linear, self.fail, self.seen = nn.Linear(3, 4), fail, []

    def forward(self, X):
        self.seen.append((self.training, self.linear.training, torch.is_grad_enabled()))
        if self.fail:
            raise ZeroDivisionError
        return self.linear(X.reshape(len(X), 3))


def batches(*sizes, q=4, dtype=torch.float32):
    return [(torch.randn(n, 3, dtype=dtype), torch.randint(q, (n,))) for n in sizes]


EVALUATIONS = {
    "accuracy": lambda net: sl.evaluate_accuracy(net, batches(2, 3)),
    "loss": lambda net: sl.evaluate_loss(net, batches(2, 3), F.cross_entropy),
    "predict": lambda net: sl.predict_ch3(net, [(torch.rand(2, 1, 1, 3), torch.arange(2))], n=2),
    "summary": lambda net: sl.Classifier.layer_summary(net, (2, 3)),
}


@pytest.mark.parametrize("evaluate", EVALUATIONS)
@pytest.mark.parametrize("fail", [False, True])
@pytest.mark.parametrize("mode, inner", [(True, True), (False, False), (True, False)])
def test_evaluation_mode_and_back(evaluate, fail, mode, inner):
    """Each part is afterwards as it was, a frozen one frozen, even where the net has failed."""
    net = Spy(fail).train(mode)
    net.linear.train(inner)
    net.net = lambda X: net(X)  # for the summary
    with pytest.raises(ZeroDivisionError) if fail else contextlib.nullcontext():
        EVALUATIONS[evaluate](net)
    assert net.seen and set(net.seen) == {(False, False, False)}
    assert (net.training, net.linear.training) == (mode, inner) and torch.is_grad_enabled()
    assert all(p.grad is None for p in net.parameters())


def test_minibatches_go_where_the_net_is(monkeypatch):
    """A number type stands in for the device: with what was left behind, the net cannot compute."""
    assert sl.device_of(nn.Linear(3, 4, device="meta")).type == "meta" and sl.device_of(torch.relu) is None
    monkeypatch.setattr(softmax_regression_scratch, "device_of", lambda net: torch.float64)
    net, labels = nn.Linear(3, 4).double(), []

    def loss(y_hat, y):
        labels.append(y.dtype)
        return F.cross_entropy(y_hat, y.long())

    data = [(torch.rand(2, 3), torch.arange(2))]
    sl.evaluate_loss(net, data, loss), sl.evaluate_accuracy(net, data)
    sl.train_epoch_ch3(net, data, loss, torch.optim.SGD(net.parameters(), 0.1))
    sl.predict_ch3(nn.Sequential(nn.Flatten(), net), [(torch.rand(2, 1, 1, 3), torch.arange(2))], n=2)
    assert labels == [torch.float64] * 2


LOSSES = {
    "per example": lambda y_hat, y: F.cross_entropy(y_hat, y, reduction="none"),
    "per example, in a column": lambda y_hat, y: F.cross_entropy(y_hat, y, reduction="none").reshape(-1, 1),
    "mean": nn.CrossEntropyLoss(),
}
training = settings(some, max_examples=12)
sizes, seeds = st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 2**31)


@pytest.mark.parametrize("loss", LOSSES)
@training
@given(sizes, seeds, st.booleans())
def test_evaluation_is_what_pytorch_says(loss, sizes, seed, module):
    torch.manual_seed(seed)
    data, linear = batches(*sizes, dtype=torch.float64), nn.Linear(3, 4).double()
    X, y = map(torch.cat, zip(*data))
    net = linear if module else lambda X: linear(X)
    accuracy, mean = (linear(X).argmax(1) == y).double().mean().item(), F.cross_entropy(linear(X), y).item()
    for given_data in iter(data), [list(pair) for pair in data]:
        assert sl.evaluate_accuracy(net, given_data) == pytest.approx(accuracy, rel=1e-12)
    for given_data in iter(data), data:
        result = sl.evaluate_loss(net, given_data, LOSSES[loss])
        assert type(result) is float and result == pytest.approx(mean, rel=1e-9)


def reference(net, data, lr):
    """One epoch in plain PyTorch: trains net, returns (mean loss, accuracy)."""
    losses, right = [], 0
    for X, y in data:
        y_hat = net(X)
        per_example = F.cross_entropy(y_hat, y, reduction="none")
        grads = torch.autograd.grad(per_example.mean(), list(net.parameters()))
        for param, grad in zip(net.parameters(), grads):
            param.data -= lr * grad
        losses += per_example.tolist()
        right += int((y_hat.argmax(1) == y).sum())
    return math.fsum(losses) / len(losses), right / len(losses)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("updater", ["optimizer", "its step", "function"])
@training
@given(sizes=sizes, seed=seeds, lr=st.floats(0.01, 1), module=st.booleans())
def test_training_is_what_pytorch_does(loss, updater, module, sizes, seed, lr):
    """Whatever lay in the gradients of an optimizer's parameters before."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4)).double()
    twin, data, optimizer = copy.deepcopy(net), batches(*sizes, dtype=torch.float64), torch.optim.SGD(net.parameters(), lr)
    update = {"optimizer": optimizer, "its step": optimizer.step,
              "function": lambda batch_size: sl.sgd(net.parameters(), lr, batch_size)}[updater]
    for p in net.parameters() if updater != "function" else []:
        p.grad = torch.full_like(p, 1e6)
    for _ in range(2):
        result = sl.train_epoch_ch3(net if module else lambda X: net(X), iter(data), LOSSES[loss], update)
        assert result == pytest.approx(reference(twin, data, lr), rel=1e-9)
        assert all(type(number) is float for number in result)
    for mine, theirs in zip(net.parameters(), twin.parameters()):
        assert torch.allclose(mine, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.MSELoss(reduction="none"), sl.squared_loss])
def test_an_epoch_of_regression(loss):
    """No label is a class, so there is no accuracy."""
    X = torch.rand(64, 2)
    data, net = sl.load_array((X, X.sum(1, keepdim=True)), 8), nn.Linear(2, 1)
    optimizer, before = torch.optim.SGD(net.parameters(), 0.3), sl.evaluate_loss(net, data, loss)
    for _ in range(20):
        mean, accuracy = sl.train_epoch_ch3(net, data, loss, optimizer)
    assert math.isnan(accuracy) and 0 < mean < before / 10


def test_training_mode_and_what_the_updater_gets():
    net, sizes = Spy().eval(), []
    sl.train_epoch_ch3(net, batches(4, 4, 1), nn.CrossEntropyLoss(reduction="none"), sizes.append)
    assert sizes == [4, 4, 1] and all(type(n) is int for n in sizes) and set(net.seen) == {(True, True, True)}


@pytest.mark.filterwarnings("error")  # of an axis from 1 to 1, say
@pytest.mark.parametrize("num_epochs", [1, 3])
def test_train_ch3_on_images(few, capsys, num_epochs):
    net, loss, update = softmax_regression()
    mean, train_acc, test_acc = sl.train_ch3(net, *few, loss, num_epochs, update)
    assert num_epochs == 1 or 0 < mean < 1.8 and 0.4 < train_acc <= 1 and 0.3 < test_acc <= 1  # it learned
    assert sl.evaluate_accuracy(net, few[1]) == test_acc and not net.training and not net[1].training
    assert [line[:8] for line in capsys.readouterr().out.splitlines()] == [f"epoch {n}:" for n in range(1, num_epochs + 1)]


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_a_wrong_experiment_is_a_warning_and_the_end(few, wrong, capsys):
    net, right, update = softmax_regression()
    with pytest.warns(UserWarning, match="(?s)loss.*learning rate.*NaN.*data") as caught:
        loss, _, _ = sl.train_ch3(net, *few, lambda y_hat, y: right(y_hat, y) + wrong, 3, update)
    assert str(loss) == str(wrong) and len(caught) == 1
    assert all("\n" not in str(one.message) and one.filename == __file__ for one in caught)
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_predict_ch3(few):
    truth = sl.get_fashion_mnist_labels(few[1].dataset.labels)
    always_bags = lambda X: F.one_hot(torch.full((len(X),), 8), 10).float()
    sl.predict_ch3(always_bags, few[1])
    axes = sl.plt.gcf().axes
    assert [ax.get_title() for ax in axes] == [f"{name}\nbag" for name in truth[:6]]
    assert all(np.array_equal(ax.images[0].get_array(), X / 255) for ax, X in zip(axes, few[1].dataset.images))
    for n in 1, 64:
        sl.predict_ch3(always_bags, few[1], n=n)
        assert len(sl.plt.gcf().axes) == n


def test_predict_ch3_takes_other_names():
    data, net = [(torch.rand(3, 3, 4, 4), three)], lambda X: torch.eye(3)[[1, 1, 2]]
    sl.predict_ch3(net, data, 3, labels=["cat", "dog", "owl"])
    assert [ax.get_title() for ax in sl.plt.gcf().axes] == ["cat\ndog", "dog\ndog", "owl\nowl"]
    assert np.array_equal(shown(sl.plt.gcf().axes)[0], data[0][0][0].permute(1, 2, 0))
    for y, *names in (three, ["cat"]), (three, ["cat", "dog"]), (three - 1,):  # no name is made up
        with pytest.raises(KeyError):
            sl.predict_ch3(net, [(data[0][0], y)], 3, *names)


# -- live plots ---------------------------------------------------------------------------------------

def test_animator_collects_curves(capsys):
    animator = sl.Animator(xlabel="epoch", ylabel="y", legend=["a", "b", "c"], xlim=[0, 3], ylim=[1, 9], yscale="log")
    animator.add(0.5, (1, torch.tensor(2.0), None))
    animator.add(1, [3, None, np.float32(4)])
    animator.add(torch.tensor(2.0), torch.tensor([5.0, 6.0, 7.0]))
    assert lines(animator.axes[0]) == [([0.5, 1, 2], [1, 3, 5]), ([0.5, 2], [2, 6]), ([1, 2], [4, 7])]
    assert (animator.X, animator.Y) == ([[0.5, 1, 2], [0.5, 2], [1, 2]], [[1, 3, 5], [2, 6], [4, 7]])
    axes = animator.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_yscale()) == ("epoch", "y", "log")
    assert axes.get_xlim() == (0, 3) and axes.get_ylim() == (1, 9)
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["a", "b", "c"]
    out = capsys.readouterr().out.splitlines()
    assert out == ["epoch 1: a 3.0000 c 4.0000", "epoch 2: a 5.0000 b 6.0000 c 7.0000"]


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")
def test_animator_takes_a_number_or_several_x_and_more_curves_than_styles():
    single, several, many = sl.Animator(), sl.Animator(), sl.Animator(fmts=("-", "--"))
    for x in range(3):
        single.add(x, torch.tensor(2.0 * x))
        several.add([x, x + 10], [x, None if x == 1 else x])
        many.add(x, [None] * 5 if x == 1 else [torch.tensor(float(i), requires_grad=True) for i in range(5)])
    for animator, expected in ((single, [([0, 1, 2], [0, 2, 4])]), (several, [([0, 1, 2], [0, 1, 2]), ([10, 12], [0, 2])]),
                               (many, [([0, 2], [i, i]) for i in range(5)])):
        assert lines(animator.axes[0]) == expected
    many.fig.canvas.draw()


def test_animator_in_ipythons_terminal(terminal, capsys):
    animator = sl.Animator(legend=["a"])
    animator.add(1, 2)
    assert terminal.sent == [] and len(capsys.readouterr().out.splitlines()) == 1


def test_figures_of_a_notebook_are_svg_and_always_the_same(notebook, capsys):
    def run():
        notebook.sent.clear()
        torch.manual_seed(3)
        animator = sl.Animator("epoch", legend=["a", "b"], xlim=[1, 5])
        for i in range(5):
            animator.add(i + 1, (torch.rand(1).item(), None if i == 2 else i))
        sl.plot(x, [y1, y2], "x", "y", ["a", "b"])
        formats = notebook.shell.display_formatter.format(sl.plt.gcf())[0]
        sl.plt.close()
        assert "image/png" not in formats and "<dc:date>" not in formats["image/svg+xml"]
        plots.append(formats["image/svg+xml"])
        return list(notebook.sent)

    plots = []
    first, second = run(), run()
    assert plots[0] == plots[1]
    assert [update for _, _, update in first] == [False] + 4 * [True]  # shown once, then redrawn, once per point
    assert first[0][1] and len({identity for _, identity, _ in first}) == 1
    assert first[0][1] != second[0][1]
    svg, again = first[-1][0]["image/svg+xml"], second[-1][0]["image/svg+xml"]
    assert "<svg" in svg and svg == again  # byte for byte
    assert "<dc:date>" not in svg and svg != first[0][0]["image/svg+xml"]
    assert not any(key.startswith("image/png") for data, _, _ in first for key in data)
    assert capsys.readouterr().out == "" and sl.plt.get_fignums() == []  # nothing that would be shown a second time


# -- neutral names ------------------------------------------------------------------------------------

def test_neutral_names():
    X = sl.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    for mine, theirs in [
        (sl.reduce_sum(X, 0, keepdim=True), X.sum(0, keepdim=True)), (sl.reduce_sum(X), X.sum()),
        (sl.reduce_sum(X, axis=1), X.sum(1)), (sl.reduce_mean(X), X.mean()),
        (sl.reduce_mean(X, 1, keepdim=True), X.mean(1, keepdim=True)), (sl.argmax(X, axis=1), torch.tensor([2, 2])),
        (sl.argmax(X), torch.tensor(5)), (sl.reshape(X, (3, 2)), X.reshape(3, 2)), (sl.reshape(X, -1, 6), X.reshape(1, 6)),
        (sl.astype(X, torch.int64), X.long()), (sl.to(X, torch.float64), X.double()), (sl.exp(X), X.exp()),
        (sl.log(X), X.log()), (sl.matmul(X, X.T), X @ X.T), (sl.zeros((2, 3)), X * 0), (sl.ones((2, 3)), X ** 0),
        (sl.arange(3, dtype=sl.float32), torch.tensor([0.0, 1.0, 2.0])),
    ]:
        assert torch.equal(mine, theirs) and mine.dtype == theirs.dtype
    assert sl.size(X) == 6 and type(sl.size(X)) is int and sl.to(X, "cpu") is X and sl.nn_Module is nn.Module
    assert 0 <= sl.rand((2, 3)).min() and sl.randn(2, 3).shape == (2, 3) and sl.normal(0, 0.01, (4, 2)).abs().max() < 0.1
    assert isinstance(sl.numpy(X.requires_grad_()), np.ndarray) and sl.numpy(X).tolist() == X.tolist()
