"""Code as readers of Dive into Deep Learning paste it, with `import softmax_lib as d2l` for their import line.

It is of the class style (editions 1.x); the book's own pages are written in the function style of 0.x, and nbval runs
them. The code is our own; what it takes from theirs is how it calls things. Each test looks at what was learned, not
only that nothing was raised. Below: that the page “Coming from d2l” is right.
"""
import contextlib
import functools
import importlib
import inspect
import io
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from unittest.mock import MagicMock, patch

import pytest
import torch
import torchvision
from torch.utils import data as torch_data
from torchvision import transforms

import softmax_lib as d2l

pytestmark = pytest.mark.usefixtures("afresh")
true_w, true_b = torch.tensor([2, -3.4]), 4.2


@pytest.fixture(autouse=True)
def methods(monkeypatch):
    """After each test, the library's classes as they were, whatever was put in the place of their methods."""
    for Class in d2l.Trainer, d2l.Classifier, d2l.FashionMNIST:
        for name, method in list(vars(Class).items()):
            if inspect.isfunction(method):
                monkeypatch.setattr(Class, name, method)


@pytest.fixture
def fashion(monkeypatch):
    """The library serves 2,000 images to train on and 500 to test on."""
    whole = d2l.fashion_mnist
    monkeypatch.setattr(d2l, "fashion_mnist", lambda train: [part[:2000 if train else 500] for part in whole(train)])


def titles():
    return [axes.get_title() for axes in d2l.plt.gcf().axes]


def classifies(model):
    """Whether it got most of the images right, if not at the end of each epoch."""
    return max(point.y for point in model.board.data["val_acc"]) > 0.25


def learned(w, b):
    """Whether these are the parameters of the data: no error reaches 0.01."""
    return all(error.abs().max() < 0.01 for error in (true_w - d2l.reshape(w, true_w.shape), true_b - b))


def fit_epoch(self):
    self.model.train()
    for batch in self.train_dataloader:
        loss = self.model.training_step(self.prepare_batch(batch))
        self.optim.zero_grad()
        with torch.no_grad():
            loss.backward()
            self.optim.step()
        self.train_batch_idx += 1
    self.model.eval()
    for batch in self.val_dataloader:
        with torch.no_grad():
            self.model.validation_step(self.prepare_batch(batch))
        self.val_batch_idx += 1


class SGD(d2l.HyperParameters):
    """It relies on the trainer's no_grad."""
    def __init__(self, params, lr):
        self.save_hyperparameters()

    def step(self):
        for param in self.params:
            param -= self.lr * param.grad

    def zero_grad(self):
        for param in self.params:
            if param.grad is not None:
                param.grad.zero_()


def scratch():
    """The reader's LinearRegressionScratch, defined over several cells: parameters are plain tensors."""
    class LinearRegressionScratch(d2l.Module):
        def __init__(self, num_inputs, lr, sigma=0.01):
            super().__init__()
            self.save_hyperparameters()
            self.w = d2l.normal(0, sigma, (num_inputs, 1), requires_grad=True)
            self.b = d2l.zeros(1, requires_grad=True)

    @d2l.add_to_class(LinearRegressionScratch)
    def forward(self, X):
        return d2l.matmul(X, self.w) + self.b

    @d2l.add_to_class(LinearRegressionScratch)
    def loss(self, y_hat, y):
        return d2l.reduce_mean((y_hat - d2l.reshape(y, y_hat.shape)) ** 2 / 2)

    @d2l.add_to_class(LinearRegressionScratch)
    def configure_optimizers(self):
        return SGD([self.w, self.b], self.lr)

    return LinearRegressionScratch


def fitted(Model, trainer, data=None):
    """The parameters that a model has learned, always from the same start."""
    torch.manual_seed(2)
    data, model = data or d2l.SyntheticRegressionData(w=true_w, b=true_b), Model(2, lr=0.1)
    model.board.yscale = "log"
    trainer.fit(model, data)
    assert len(model.board.data["val_loss"]) == 3 and len(model.board.data["train_loss"]) == 6
    assert model.board.data["val_loss"][-1].y < 1e-4 and learned(model.w, model.b)
    return torch.cat([model.w.flatten(), model.b]).detach()


def test_trainer_methods_and_models_by_the_reader():
    trainer, calls = d2l.Trainer(max_epochs=3), []
    runs = [fitted(d2l.LinearRegressionScratch, trainer), fitted(scratch(), trainer)]

    @d2l.add_to_class(d2l.Trainer)
    def prepare_batch(self, batch):
        calls.append(len(batch[0]))
        return batch

    runs.append(fitted(scratch(), trainer))
    d2l.add_to_class(d2l.Trainer)(fit_epoch)
    runs += [fitted(scratch(), trainer), fitted(d2l.LinearRegressionScratch, trainer)]
    torch.testing.assert_close(runs[1:], runs[:1] * 4, rtol=1e-5, atol=1e-5)  # whoever wrote the loop
    assert len(calls) == 3 * 3 * (32 + 32) and sum(calls) == 3 * 3 * 2000
    assert (trainer.train_batch_idx, trainer.val_batch_idx, trainer.epoch) == (96, 96, 2)


class Data(d2l.DataModule):
    """It does without super().__init__(), and serves its minibatches itself."""
    def __init__(self, w, b, num_train=1000, num_val=1000, batch_size=32):
        self.save_hyperparameters()
        self.X = d2l.randn(num_train + num_val, len(w))
        self.y = d2l.matmul(self.X, d2l.reshape(w, (-1, 1))) + b + d2l.randn(num_train + num_val, 1) * 0.01

    def get_dataloader(self, train):
        indices = list(range(0, self.num_train) if train else range(self.num_train, self.num_train + self.num_val))
        for i in range(0, len(indices), self.batch_size):
            batch_indices = d2l.tensor(indices[i:i + self.batch_size])
            yield self.X[batch_indices], self.y[batch_indices]


class TensorData(Data):
    def get_dataloader(self, train):
        return self.get_tensorloader([self.X, self.y], train, slice(0, self.num_train) if train else slice(self.num_train, None))


def test_data_defined_by_the_reader():
    data = Data(w=true_w, b=true_b)
    assert next(iter(data.train_dataloader()))[0].shape == (32, 2)
    assert torch.equal(torch.cat([X for X, _ in data.val_dataloader()]), data.X[1000:])
    fitted(d2l.LinearRegressionScratch, d2l.Trainer(max_epochs=3), TensorData(true_w, true_b))


def text_labels(self, indices):
    labels = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"]
    return [labels[int(i)] for i in indices]


def get_dataloader(self, train):
    data = self.train if train else self.val
    return torch.utils.data.DataLoader(data, self.batch_size, shuffle=train, num_workers=self.num_workers)


def test_fashion_mnist_defined_by_the_reader(fashion):
    class FashionMNIST(d2l.DataModule):
        def __init__(self, batch_size=64, resize=(28, 28)):
            super().__init__()
            self.save_hyperparameters()
            trans = transforms.Compose([transforms.Resize(resize), transforms.ToTensor()])
            self.train, self.val = (torch_data.Subset(torchvision.datasets.FashionMNIST(
                root=self.root, train=train, transform=trans, download=True), range(n)) for train, n in ((True, 2000), (False, 500)))

    data, mine = FashionMNIST(resize=(32, 32)), d2l.FashionMNIST(resize=(32, 32))
    for Class in FashionMNIST, d2l.FashionMNIST:
        for method in text_labels, get_dataloader:
            d2l.add_to_class(Class)(method)
    for (X, y), (X0, y0) in zip(data.val_dataloader(), mine.test_dataloader(), strict=True):
        assert (X - X0).abs().max() < 0.02 and torch.equal(y, y0)  # PIL rounds to whole bytes
    for source in data, mine:
        assert next(iter(source.train_dataloader()))[0].shape == (64, 1, 32, 32)
        d2l.FashionMNIST.visualize(source, batch := next(iter(source.val_dataloader())))
        assert titles() == d2l.get_fashion_mnist_labels(batch[1])[:8]
    mine.val = torch_data.random_split(mine.val, [300, 34])[0]
    X, y = next(iter(mine.val_dataloader()))
    assert X.shape == (64, 1, 32, 32) and torch.allclose(X[3], mine.val[3][0]) and y[3] == mine.val[3][1]
    model = d2l.SoftmaxRegression(num_outputs=10, lr=0.1)
    d2l.Trainer(max_epochs=3).fit(model, FashionMNIST())
    assert classifies(model)


def softmax(X):
    X_exp = d2l.exp(X)
    return X_exp / d2l.reduce_sum(X_exp, 1, keepdim=True)


def test_softmax_regression_from_scratch(fashion):
    class SoftmaxRegressionScratch(d2l.Classifier):
        def __init__(self, num_inputs, num_outputs, lr, sigma=0.01):
            super().__init__()
            self.save_hyperparameters()
            self.W = torch.normal(0, sigma, size=(num_inputs, num_outputs), requires_grad=True)
            self.b = torch.zeros(num_outputs, requires_grad=True)

        def parameters(self):
            return [self.W, self.b]

        def forward(self, X):
            return softmax(d2l.matmul(d2l.reshape(X, (-1, self.W.shape[0])), self.W) + self.b)

        def loss(self, y_hat, y):
            return d2l.reduce_mean(-d2l.log(y_hat[range(len(y_hat)), y]))

    data, model = d2l.FashionMNIST(batch_size=64), SoftmaxRegressionScratch(num_inputs=784, num_outputs=10, lr=0.1)
    d2l.Trainer(max_epochs=4, gradient_clip_val=5).fit(model, data)
    curves = model.board.data
    assert set(curves) == {"train_loss", "val_loss", "val_acc"} and classifies(model)
    X, y = next(iter(data.val_dataloader()))
    preds = d2l.argmax(model(X), axis=1)
    wrong = d2l.astype(preds, y.dtype) != y
    labels = [a + "\n" + b for a, b in zip(data.text_labels(y[wrong]), data.text_labels(preds[wrong]))]
    data.visualize([X[wrong], y[wrong]], labels=labels)
    assert titles() == (labels + [""] * 8)[:8]


# -- the page “Coming from d2l” -----------------------------------------------------------------------
#
# Its tables say how d2l is called and how the library is; its sections, each with a label, what differs. Here is a
# proof of each. With D2L=folder, a clone of github.com/d2l-ai/d2l-en, d2l itself is looked at as well.

BOOK = Path(__file__).parents[1] / "book"
RELEASES = "v0.17.6", "v1.0.3"  # of the first table and of the second


def rows(edition):
    """Of each row of the tables: which table, the calls in d2l, how they are made here, what is said of it."""
    text = (BOOK / edition / "coming-from-d2l.md").read_text("utf-8")
    for release, table in zip(RELEASES, re.findall(r"^\|---.*\n((?:\|.*\n)+)", text, re.MULTILINE), strict=True):
        thing = ""
        for row in table.splitlines():
            calls, here, said = (cell.strip() for cell in row.strip("|").split("|"))
            named = []
            for call in re.findall("`(.+?)`", calls):
                name, arguments = re.fullmatch(r"([\w.]+)(.*)", call).groups()
                thing = name.partition(".")[0] or thing  # `.add(x)` is a method of what stands before it
                named.append((thing + name if name[0] == "." else name, arguments))
            yield release, named, here, said


def called(name, lib=d2l):
    """How it is called, '(x, y=1)'."""
    return re.sub(r"\bself(, )?", "", str(inspect.signature(functools.reduce(getattr, name.split("."), lib))))


def codes(said):
    """What stands as code in a cell, apart from links."""
    return re.findall("`(.+?)`", re.sub("{ref}`.+?`", "", said))


def alike(written, signature):
    return re.fullmatch(re.escape(written).replace("…", ".*"), signature)


@pytest.fixture
def theirs(request, tmp_path, monkeypatch):
    """d2l as it was in a release; its data lie where it looks for them."""
    if "D2L" not in os.environ:
        pytest.skip("D2L names no clone of d2l-en")
    source = subprocess.run(["git", "-C", os.environ["D2L"], "show", f"{request.param}:d2l/torch.py"], capture_output=True, check=True)
    name = f"d2l_{request.param[1]}"
    (tmp_path / f"{name}.py").write_bytes(source.stdout)
    (tmp_path / "data").symlink_to(d2l.fashion_mnist_root())
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    monkeypatch.syspath_prepend(tmp_path)
    for unused in "pandas", "requests", "scipy", "scipy.spatial":
        monkeypatch.setitem(sys.modules, unused, MagicMock())
    yield importlib.import_module(name)
    del sys.modules[name]


def test_tables_of_the_page():
    """Every call is made here as the tables say, and what takes the place of a missing one can be written."""
    names = {name: getattr(d2l, name) for name in d2l.__all__} | {"torch": torch}
    for _, calls, here, said in rows("en"):
        for name, arguments in calls:
            if here == "—":
                assert name not in names
                there = [eval(code, names) for code in codes(said)]
                assert there and (there != [torch] or hasattr(torch, name)), name
            elif here == "=":
                assert name.split(".")[0] in names and (not arguments or alike(arguments, called(name))), name
            else:
                assert here[1:].startswith(name + "(") and alike(here.strip("`"), name + called(name)), name
                assert not alike(arguments, called(name))
                theirs = [part.split("=")[0] for part in arguments.strip("()").split(", ") if part != "…"]
                assert list(inspect.signature(names[name]).parameters)[:len(theirs)] == theirs


@pytest.mark.parametrize("edition", ["vi", "zh"])
def test_tables_in_translation(edition):
    there, here = ([(*row, codes(said), re.findall("<(.+?)>", said)) for *row, said in rows(of)] for of in (edition, "en"))
    assert there == here


def refused(function, *args):
    try:
        function(*args)
    except (AssertionError, KeyError, RuntimeError, ValueError):
        return True
    return False


def net(outputs=1, bias=0.0):
    """A net whose outputs are all the same."""
    net = torch.nn.Linear(1, outputs)
    net.weight.data.zero_(), net.bias.data.copy_(torch.as_tensor(bias))
    return net


ZEROS = torch.zeros(4, 1), torch.zeros(2, 1)
PRICES = [(X, torch.full_like(X, 5.0 - len(X))) for X in ZEROS]  # four times 1, twice 3
CLASSES = [(X, torch.zeros(len(X), dtype=torch.int64)) for X in ZEROS]
each, mean = torch.nn.CrossEntropyLoss(reduction="none"), torch.nn.CrossEntropyLoss()


def trained(lib, bias=0.0, epochs=1):
    """What train_ch3 returns, and how many lines it prints that begin with “epoch”."""
    model = net(10, bias)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        told = lib.train_ch3(model, CLASSES, CLASSES, each, epochs, torch.optim.SGD(model.parameters(), lr=0))
    return told, printed.getvalue().count("epoch ")


def mode(lib):
    model = net(10)
    lib.evaluate_accuracy(model, CLASSES)
    return model.training


def curves(lib):
    lib.plot([0, 1], [[i, i] for i in range(5)], axes=(axes := lib.plt.figure().gca()))
    return len(axes.lines)


def fitted_twice(lib, noise=0.01):
    """A model, with its trainer, that was trained twice on one minibatch."""
    data, model = lib.SyntheticRegressionData(true_w, true_b, noise, 32, 32), lib.LinearRegression(0.1)
    model.board.display = False
    for _ in range(2):
        lib.Trainer(max_epochs=3).fit(model, data)
    return model


def local(lib):
    """The hyperparameters of a class whose constructor has a local variable."""
    class Model(lib.Module):
        def __init__(self, a):
            super().__init__()
            b = a  # noqa: F841
            self.save_hyperparameters()
    return Model(1).hparams


# What is so here and not in that release of d2l, under the label of the section that says it.
DIFFERENCES = [
    ("d2l-data", 0, lambda lib: lib.load_data_fashion_mnist(32)[0].num_workers == 0),
    ("d2l-data", 0, lambda lib: lib.load_data_fashion_mnist(32)[0].batch_size is None),
    ("d2l-data", 0, lambda lib: patch("os.sched_getaffinity", lambda _: {0}, create=True)(lib.get_dataloader_workers)() <= 1),
    ("d2l-data", 1, lambda lib: os.path.isabs(lib.DataModule().root)),
    ("d2l-validation", 1, lambda lib: torch.equal(lib.FashionMNIST().val[-1][0][0], d2l.fashion_mnist(train=True)[0][-1] / 255)),
    ("d2l-validation", 1, lambda lib: len(lib.FashionMNIST().train_dataloader()) == 782),
    ("d2l-validation", 1, lambda lib: hasattr(lib.FashionMNIST, "test_dataloader")),
    ("d2l-train", 0, lambda lib: not refused(trained, lib)),
    ("d2l-train", 0, lambda lib: trained(lib, torch.eye(10)[0] * 9)[0] == pytest.approx((0, 1, 1), abs=0.01)),
    ("d2l-train", 0, lambda lib: not refused(trained, lib, math.nan, 3) and trained(lib, math.nan, 3)[1] == 1),
    ("d2l-train", 1, lambda lib: fitted_twice(lib, math.nan).trainer.epoch == 0),
    ("d2l-mode", 0, mode),
    ("d2l-mode", 0, lambda lib: lib.evaluate_loss(net(), PRICES, lambda y_hat, y: torch.ones(len(y)) * y_hat.requires_grad) == 0),
    ("d2l-loss", 0, lambda lib: lib.train_epoch_ch3(m := net(10), CLASSES, mean, torch.optim.SGD(m.parameters(), 0))[0] > 2.3),
    ("d2l-loss", 0, lambda lib: lib.evaluate_loss(net(), PRICES, torch.nn.MSELoss()) == pytest.approx((4 * 1 + 2 * 9) / 6)),
    ("d2l-loss", 0, lambda lib: not refused(lib.evaluate_loss, net(10), CLASSES, each)),
    ("d2l-loss", 0, lambda lib: lib.evaluate_loss(net(), [(X, y[:, 0]) for X, y in PRICES], lambda a, b: (a - b) ** 2) > 4),
    ("d2l-refused", 0, lambda lib: refused(lib.accuracy, torch.ones(3, 1), torch.arange(3))),
    ("d2l-refused", 0, lambda lib: refused(lib.Accumulator(2).add, 1)),
    ("d2l-refused", 0, lambda lib: refused(lib.get_fashion_mnist_labels, [-1])),
    ("d2l-refused", 1, lambda lib: refused(lib.Classifier().accuracy, torch.ones(3, 1), torch.arange(3))),
    ("d2l-pictures", 0, lambda lib: lib.show_images(torch.zeros(2, 28, 28), 1, 2)[0].images[0].get_cmap().name == "gray"),
    ("d2l-pictures", 0, lambda lib: curves(lib) == 5),
    ("d2l-pictures", 0, lambda lib: trained(lib, torch.eye(10)[0] * 9)[1] == 1),
    ("d2l-pictures", 1, lambda lib: curves(lib) == 5),
    ("d2l-pictures", 1, lambda lib: len(fitted_twice(lib).board.data["train_loss"]) == 3),
    ("d2l-pictures", 1, lambda lib: len(fitted_twice(lib).board.data["val_loss"]) == 3),
    ("d2l-classes", 1, lambda lib: lib.add_to_class(type("Class", (), {}))(local) is local),
    ("d2l-classes", 1, lambda lib: "b" not in local(lib)),
    ("d2l-classes", 1, lambda lib: "plot_train_per_epoch" in local(lib)),
    ("d2l-classes", 1, lambda lib: len(list(lib.LinearRegressionScratch(2, 0.1).parameters())) == 2),
    ("d2l-classes", 1, lambda lib: isinstance(lib.SGD([torch.ones(1)], 0.1), torch.optim.Optimizer)),
    ("d2l-gpu", 1, lambda lib: patch("torch.backends.mps.is_available", lambda: True)(lib.gpu)().type == "mps"),
    ("d2l-gpu", 1, lambda lib: patch("torch.backends.mps.is_available", lambda: True)(lib.num_gpus)() > torch.cuda.device_count()),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("label, release, so", DIFFERENCES)
def test_difference(label, release, so):
    assert so(d2l)


def test_each_difference_is_proved():
    page = (BOOK / "en/coming-from-d2l.md").read_text("utf-8")
    proved = {label for label, *_ in DIFFERENCES}
    assert proved == set(re.findall(r"^\((d2l-.+)\)=$", page, re.MULTILINE)) == set(re.findall("<(d2l-.+?)>", page))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("theirs", RELEASES, indirect=True)
def test_d2l_itself(theirs):
    """It has the names of the tables, called as they say, and what differs is not so there."""
    table = {(of[1], name, arguments, here) for of, calls, here, _ in rows("en") for name, arguments in calls}
    assert {name for name in d2l.__all__ if hasattr(theirs, name)} <= {name.partition(".")[0] for _, name, *_ in table}
    for release, name, arguments, here in table:
        if release == theirs.__name__[-1] and arguments:
            assert alike(arguments, called(name, theirs)) and (here != "=" or called(name) == called(name, theirs)), name
    for label, release, so in DIFFERENCES:
        assert str(release) != theirs.__name__[-1] or not so(theirs), label
