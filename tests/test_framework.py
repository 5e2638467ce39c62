"""What the training framework promises: its classes, the classifier and the data that are built on it.

Needs what test_library.py needs, whose helpers it borrows. No GPU: where one is wanted, a number type stands in.
"""
import copy
import inspect
import io
import math
import pickle
import re
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, strategies as st
from torch import nn
from torch.nn import functional as F

import softmax_lib as sl
from softmax_lib import training_framework
from test_library import AXES, LABELS, lines, named, refuses, script, shown, some
from test_library import afresh, few, images, notebook, terminal  # noqa: F401, these are fixtures

SIGNATURES = {
    "add_to_class": "(Class)", "HyperParameters.save_hyperparameters": "(self, ignore=[])",
    "ProgressBoard": f"(xlabel=None, ylabel=None, {AXES}, ls=['-', '--', '-.', ':'], colors=['C0', 'C1', 'C2', 'C3'], "
                     "fig=None, axes=None, figsize=(3.5, 2.5), display=True)",
    "ProgressBoard.draw": "(self, x, y, label, every_n=1)",
    "Module": "(plot_train_per_epoch=2, plot_valid_per_epoch=1)", "Module.loss": "(self, y_hat, y)",
    "Module.forward": "(self, X)", "Module.plot": "(self, key, value, train)", "Module.training_step": "(self, batch)",
    "Module.validation_step": "(self, batch)", "Module.configure_optimizers": "(self)",
    "Module.apply_init": "(self, inputs, init=None)", "DataModule": "(root=None, num_workers=0)",
    "DataModule.get_dataloader": "(self, train)", "DataModule.train_dataloader": "(self)",
    "DataModule.val_dataloader": "(self)",
    "DataModule.get_tensorloader": "(self, tensors, train, indices=slice(0, None, None))",
    "Trainer": "(max_epochs, num_gpus=0, gradient_clip_val=0)", "Trainer.fit": "(self, model, data)",
    "Trainer.prepare_data": "(self, data)", "Trainer.prepare_model": "(self, model)", "Trainer.fit_epoch": "(self)",
    "Trainer.prepare_batch": "(self, batch)", "Trainer.clip_gradients": "(self, grad_clip_val, model)",
    "SyntheticRegressionData": "(w, b, noise=0.01, num_train=1000, num_val=1000, batch_size=32)",
    "LinearRegressionScratch": "(num_inputs, lr, sigma=0.01)", "SGD": "(params, lr)", "LinearRegression": "(lr)",
    "LinearRegression.get_w_b": "(self)", "cpu": "()", "gpu": "(i=0)", "num_gpus": "()",
    "FashionMNIST": "(batch_size=64, resize=(28, 28))", "FashionMNIST.text_labels": "(self, indices)",
    "FashionMNIST.visualize": "(self, batch, nrows=1, ncols=8, labels=[])",
    "Classifier.accuracy": "(self, Y_hat, Y, averaged=True)", "Classifier.loss": "(self, Y_hat, Y, averaged=True)",
    "Classifier.layer_summary": "(self, X_shape)", "SoftmaxRegression": "(num_outputs, lr)",
}

true_w, true_b = torch.tensor([2, -3.4]), 4.2


def regression(**more):
    """40 examples in 5 minibatches for training, 20 in 3 for validation."""
    return sl.SyntheticRegressionData(true_w, true_b, **(dict(num_train=40, num_val=20, batch_size=8) | more))


class Given(sl.DataModule):
    """Data with these loaders; one that is None was never defined."""
    def __init__(self, train=None, val=None):
        super().__init__()
        self.given = {True: train, False: val}

    def get_dataloader(self, train):
        return super().get_dataloader(train) if self.given[train] is None else self.given[train]


def fit(model, data=None, max_epochs=1, **more):
    """Train without curves; returns the trainer."""
    model.board.display = False
    trainer = sl.Trainer(max_epochs, **more)
    trainer.fit(model, data or regression())
    return trainer


def scratch(lr=0.1):
    return sl.LinearRegressionScratch(2, lr)


def snapshot(model):
    return [p.detach().clone() for p in model.parameters()]


def same(these, those):
    return all(torch.equal(a, b) for a, b in zip(these, those, strict=True))


@pytest.fixture
def every_warning():
    """PyTorch repeats what it would say once per process."""
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(False)


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name):
    assert str(inspect.signature(named(name))) == SIGNATURES[name]
    if "." not in name:
        assert name in sl.__all__ and re.search("Explained\\s+in", inspect.getdoc(named(name)))


# -- bad arguments: one clear sentence, and nothing has happened --------------------------------------

class Net(sl.Classifier):
    """A classifier of 4 features in 3 classes."""
    def __init__(self, lr=0.1):
        super().__init__()
        self.lr, self.net = lr, nn.Sequential(nn.Flatten(), nn.Linear(4, 3))


class Stream(torch.utils.data.IterableDataset):
    def __iter__(self):
        yield torch.ones(2), torch.ones(1)


class Lazy(sl.Module):
    def __init__(self):
        super().__init__()
        self.net, self.lr = nn.LazyLinear(3), 0.1


three, eye, stream = torch.arange(3), torch.eye(3), torch.utils.data.DataLoader(Stream())
one, none = [(torch.ones(4, 2), torch.ones(4, 1))], []

BAD = {
    "not a class": (lambda: sl.add_to_class(3), "Class", "int"),
    "no function": (lambda: sl.add_to_class(Net)(3), "function", "int"),
    "no function, but it can be called": (lambda: sl.add_to_class(Net)(nn.Linear), "function", "type"),
    "ignore is a string": (lambda: sl.HyperParameters().save_hyperparameters(ignore="lr"), "ignore", "lr"),
    "every_n": (lambda: sl.ProgressBoard().draw(0, 1, "a", every_n=-1), "every_n", -1),
    "no trainer": (lambda: sl.Module().plot("loss", 1.0, train=True), "Trainer.fit"),
    "no learning rate": (lambda: sl.Module().configure_optimizers(), "Module", "self.lr", "configure_optimizers"),
    "noise": (lambda: regression(noise=-0.5), "noise", -0.5, 0),
    "num_train": (lambda: regression(num_train=0), "num_train", 0, 1),
    "num_val": (lambda: regression(num_val=-1), "num_val", -1, 0),
    "batch_size": (lambda: regression(batch_size=0), "batch_size", 0, 1),
    "a bias per example": (lambda: sl.SyntheticRegressionData(true_w, torch.ones(5)), "b", 5),
    "and from NumPy": (lambda: sl.SyntheticRegressionData(true_w, np.ones(2000)), "b", 2000),
    "max_epochs": (lambda: sl.Trainer(0), "max_epochs", 0, 1),
    "half an epoch": (lambda: sl.Trainer(2.5), "max_epochs", 2.5),
    "half a GPU": (lambda: sl.Trainer(1, num_gpus=0.5), "num_gpus", 0.5),
    "num_gpus": (lambda: sl.Trainer(1, num_gpus=-1), "num_gpus", -1, 0),
    "gradient_clip_val": (lambda: sl.Trainer(1, gradient_clip_val=-0.5), "gradient_clip_val", -0.5, 0),
    "gradient_clip_val of nan": (lambda: sl.Trainer(1, gradient_clip_val=math.nan), "gradient_clip_val", "nan", 0),
    "clip below 0": (lambda: sl.Trainer(1).clip_gradients(-1, scratch()), "grad_clip_val", -1, 0),
    "clip at nan": (lambda: sl.Trainer(1).clip_gradients(math.nan, scratch()), "grad_clip_val", "nan", 0),
    "no data": (lambda: fit(scratch(), Given()), "data", "training", "get_dataloader"),
    "no data but an empty loader": (lambda: fit(scratch(), Given(val=none)), "data", "training"),
    "nothing to train on": (lambda: fit(scratch(), Given(none, one)), "data", "training"),
    "nothing to move": (lambda: sl.SGD([], 0.1), "params"),
    "uphill": (lambda: sl.SGD([torch.ones(1)], -0.1), "lr", -0.1),
    "at a rate of nan": (lambda: sl.SGD([torch.ones(1)], math.nan), "lr", "nan"),
    "a tensor to move": (lambda: sl.SGD(torch.ones(3, requires_grad=True), 0.1), "params"),
    "shapes": (lambda: sl.LinearRegression(0.1).loss(torch.ones(3, 1), torch.ones(3)), "y_hat", "y", "(3, 1)", "(3,)"),
    "labels": (lambda: scratch().loss(torch.ones(3, 1), torch.ones(4)), "y_hat", "y", 3, 4),
    "accuracy, too few labels": (lambda: Net().accuracy(eye, three[:2]), "(2,)"),
    "accuracy, one column": (lambda: Net().accuracy(torch.ones(3, 1), three), "(3, 1)"),
    "no image": (lambda: sl.FashionMNIST(resize=(28, 0)), "resize", "(28, 0)"),
    "half a pixel": (lambda: sl.FashionMNIST(resize=28.5), "resize", 28.5),
    "no class": (lambda: sl.FashionMNIST().text_labels([3, 10]), "labels", 10),
    "too few titles": (lambda: sl.FashionMNIST().visualize((torch.ones(3, 1, 4, 4), three), labels=["a"]), 1, 3),
    "a single class": (lambda: sl.SoftmaxRegression(1, 0.1), "num_outputs", 1, 2),
    "half a class": (lambda: sl.SoftmaxRegression(2.5, 0.1), "num_outputs", 2.5, 2),
    "accuracy, so": (lambda: Net().accuracy(torch.ones(2, 3, 4), torch.ones(3, 2).long()), "(3, 2)"),
    "inputs in no list": (lambda: Lazy().apply_init(torch.ones(1, 4)), "inputs"),
    "no Module": (lambda: sl.Trainer(1).fit(nn.Linear(2, 1), regression()), "model", "Linear"),
    "no DataModule": (lambda: fit(scratch(), one), "data", "list"),
    "a class, no model": (lambda: sl.Trainer(1).fit(sl.LinearRegression, regression()), "model", "class"),
    "a class, no data": (lambda: sl.Trainer(1).fit(scratch(), sl.SyntheticRegressionData), "data", "class"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_argument(name, capsys):
    call, *words = BAD[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refuses(call, *words)
    assert sl.plt.get_fignums() == [] and capsys.readouterr().out == ""


@pytest.mark.parametrize("data", [Given(), Given(none, one), Given(iter(one), one), Given(one, stream)])
def test_a_fit_that_refuses_has_done_nothing(data):
    model = scratch()
    before = snapshot(model)
    with pytest.raises((ValueError, TypeError), match="no minibatch|has no len"):
        fit(model, data)
    assert same(before, snapshot(model)) and not hasattr(model, "trainer") and model.w.grad is None


def test_what_a_subclass_must_define():
    for call, name in ((lambda: sl.Module().loss(1, 2), "loss"), (lambda: sl.Module()(torch.ones(1)), "forward"),
                       (lambda: sl.DataModule().get_dataloader(True), "get_dataloader"),
                       (sl.DataModule().train_dataloader, "get_dataloader"),
                       (sl.DataModule().val_dataloader, "DataModule"),
                       (lambda: fit(Lazy(), Given(one)), "Lazy has no")):
        with pytest.raises(NotImplementedError, match=name):
            call()


# -- tools for classes --------------------------------------------------------------------------------

def test_add_to_class():
    class Parent:
        def old(self):
            return "old"

    class Child(Parent):
        pass

    parent, child = Parent(), Child()

    @sl.add_to_class(Parent)
    def new(self, x=1):
        """What it does."""
        return self, x

    assert parent.new() == (parent, 1) and child.new(2) == (child, 2) and Parent.new.__doc__ == "What it does."

    @sl.add_to_class(Child)
    def old(self):
        return "new"

    assert child.old() == "new" and parent.old() == "old" and old(None) == "new"


def test_add_to_class_teaches_a_module():
    class Model(sl.Module):
        pass

    model = Model()

    @sl.add_to_class(Model)
    @torch.no_grad()
    def forward(self, X):
        return X + 1

    assert model(torch.zeros(1)) == 1


class Kept(sl.HyperParameters):
    def __init__(self, a, b=2, *rest, key, other="o", _hidden=5, left_out=6, **more):
        local = 7  # noqa: F841
        self.save_hyperparameters(ignore=["left_out"])
        late = 8  # noqa: F841


def test_save_hyperparameters():
    kept = Kept(1, 3, 4, 5, key=6, left_out=0, x=7, y=8)
    expected = dict(a=1, b=3, rest=(4, 5), key=6, other="o", more=dict(x=7, y=8))
    assert kept.hparams == expected and {**vars(kept)} == {**expected, "hparams": expected}
    assert Kept(1, key=2).hparams == dict(a=1, b=2, rest=(), key=2, other="o", more={})
    assert Kept(1, key=2).hparams is not Kept(1, key=2).hparams and kept.b == 3


@pytest.mark.parametrize("ignore", [["lr", "nobody"], ("lr",), {"lr"}])
def test_ignored_names_leave_no_trace(ignore):
    class Model(sl.HyperParameters):
        lr = "of the class"

        def __init__(self, lr, size):
            self.save_hyperparameters(ignore)

    before, model = copy.copy(ignore), Model(0.1, 3)
    assert vars(model) == {"size": 3, "hparams": {"size": 3}} and model.lr == "of the class" and ignore == before


def test_hyperparameters_of_parent_and_child():
    class Parent(sl.HyperParameters):
        def __init__(self, lr=0.1, size=3):
            self.save_hyperparameters()

    class Child(Parent):
        def __init__(self, lr, depth):
            super().__init__(size=lr * 10)
            assert self.hparams == {"lr": 0.1, "size": lr * 10}
            self.save_hyperparameters()

        def later(self, depth, batch_size):
            self.save_hyperparameters()

    child = Child(2, 5)
    assert child.hparams == {"lr": 2, "size": 20, "depth": 5} and (child.lr, child.size, child.depth) == (2, 20, 5)
    child.later(6, 7)  # any method can keep its arguments
    assert child.hparams == {"lr": 2, "size": 20, "depth": 6, "batch_size": 7} and child.depth == 6


def test_hyperparameters_with_names_that_are_taken():
    class Detailed(sl.Module):
        def __init__(self, loss, plot_train_per_epoch=10):
            super().__init__()
            self.save_hyperparameters()

        def loss(self, y_hat, y):
            return "the method"

    function, module = Detailed(F.l1_loss), Detailed(nn.L1Loss())
    assert function.plot_train_per_epoch == 10 and function.plot_valid_per_epoch == 1
    assert function.hparams == dict(loss=F.l1_loss, plot_train_per_epoch=10, plot_valid_per_epoch=1)
    assert function.loss(torch.ones(1), torch.zeros(1)) == 1  # hides the method
    assert module.loss(1, 2) == "the method" and [*module.children()] == [module.hparams["loss"]]


# -- ProgressBoard ------------------------------------------------------------------------------------

def numbers(board, label):
    return [tuple(point) for point in board.data[label]]


def on_screen(board):
    return board.live.axes[0]


@pytest.mark.filterwarnings("error")
def test_a_board_averages(every_warning):
    board = sl.ProgressBoard()
    for i in range(10):
        board.draw(i, 2 * i, "each")
        board.draw(torch.tensor(float(i)), np.float64(2 * i), "four", every_n=4)
        board.draw(i, torch.tensor([2.0 * i], requires_grad=True), "five", every_n=5)
    board.draw(0, 1, "never", every_n=2)
    assert numbers(board, "each") == [(i, 2 * i) for i in range(10)]
    assert numbers(board, "four") == [(1.5, 3), (5.5, 11)]  # 8 and 9 wait
    assert numbers(board, "five") == [(2, 4), (7, 14)] and "never" not in board.data
    assert board.data["five"][0].x == 2 and all(type(z) is float for point in board.data["five"] for z in point)
    assert lines(on_screen(board)) == [([*range(10)], [*range(0, 20, 2)]), ([1.5, 5.5], [3, 11]), ([2, 7], [4, 14])]
    board.draw(10, 20, "four", every_n=3)  # every_n may change
    board.draw(11, 22, "four", every_n=0)  # which is 1
    assert numbers(board, "four")[2:] == [(9, 18), (11, 22)]


@pytest.mark.parametrize("x, y", [(0.1, 0.7), (1.7e9 + 1, 16777217.0), (1, 1e100)])
def test_a_board_rounds_nothing(x, y):
    board = sl.ProgressBoard()
    board.draw(x, y, "a")
    assert numbers(board, "a") == [(x, y)]


def test_a_board_uses_its_styles_in_turn():
    board = sl.ProgressBoard(ls=["-", ":"], colors=("red", "green", "blue"))
    for i in range(7):
        board.draw(0, i, f"curve {i}")
    drawn = on_screen(board).lines
    assert [line.get_linestyle() for line in drawn] == ["-", ":", "-", ":", "-", ":", "-"]
    assert [line.get_color() for line in drawn] == ["red", "green", "blue"] * 2 + ["red"]
    assert [text.get_text() for text in on_screen(board).get_legend().get_texts()] == [f"curve {i}" for i in range(7)]


def test_boards_share_no_styles():
    first, second = sl.ProgressBoard(), sl.ProgressBoard()
    first.ls.clear(), first.colors.append("red")
    assert second.ls == ["-", "--", "-.", ":"] and second.colors == ["C0", "C1", "C2", "C3"]


def test_a_board_can_be_changed_at_any_time():
    board = sl.ProgressBoard("epoch", "loss", xlim=[0, 5], yscale="log", figsize=(4, 3))
    board.draw(1, 1, "a")
    axes = on_screen(board)
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_yscale()) == ("epoch", "loss", "log")
    assert axes.get_xlim() == (0, 5) and axes.figure.get_size_inches().tolist() == [4, 3]
    board.xlabel, board.ylabel, board.xlim, board.ylim = "x", None, [1, 9], (0.1, 2)
    board.xscale, board.yscale = "log", "linear"
    board.draw(2, 1, "a")
    assert on_screen(board) is axes and lines(axes) == [([1, 2], [1, 1])]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xscale(), axes.get_yscale()) == ("x", "", "log", "linear")
    assert axes.get_xlim() == (1, 9) and axes.get_ylim() == (0.1, 2)


def test_a_board_and_an_animator_draw_alike():
    style = dict(xlabel="x", ylabel="y", xlim=[0, 3], ylim=[1, 9], yscale="log", figsize=(4, 3))
    board, animator = sl.ProgressBoard(**style), sl.Animator(legend=["a"], **style)
    board.draw(1, 2, "a"), animator.add(1, 2)
    first, second = ((lines(axes), axes.get_xlabel(), axes.get_ylabel(), axes.get_xlim(), axes.get_ylim(),
                      axes.get_yscale(), axes.get_legend().get_texts()[0].get_text(), *axes.figure.get_size_inches())
                     for axes in (on_screen(board), animator.axes[0]))
    assert first == second and type(board.live) is type(animator.live)


@pytest.mark.parametrize("place", ["axes", "fig"])
def test_a_board_draws_where_it_is_told(place):
    figure, axes = sl.plt.subplots()
    board = sl.ProgressBoard(**{place: {"axes": axes, "fig": figure}[place]}, xlabel="x")
    board.draw(1, 2, "a")
    assert lines(axes) == [([1], [2])] and axes.get_xlabel() == "x" and sl.plt.get_fignums() == [figure.number]
    board.reset()
    board.draw(3, 4, "b")
    assert lines(axes) == [([3], [4])]


def test_a_board_that_shows_nothing_collects(monkeypatch, capsys):
    monkeypatch.setattr(training_framework, "LiveFigure", None)
    board = sl.ProgressBoard(display=False)
    for i in range(4):
        board.draw(i, i, "a", every_n=2)
    board.report("end")
    assert numbers(board, "a") == [(0.5, 0.5), (2.5, 2.5)] and capsys.readouterr().out == ""


def test_a_board_begins_anew():
    board = sl.ProgressBoard()
    board.draw(0, 1, "a"), board.draw(0, 1, "b", every_n=2)
    old = on_screen(board)
    board.reset()
    assert board.data == {}
    board.draw(5, 6, "b", every_n=2), board.draw(7, 8, "b", every_n=2)
    assert numbers(board, "b") == [(6, 7)] and on_screen(board) is not old and lines(old) == [([0], [1])]


def test_a_board_in_ipythons_terminal_reports(terminal, capsys):
    board = sl.ProgressBoard()
    board.report("epoch 0")
    board.draw(1, 2, "a"), board.draw(1, math.nan, "b"), board.draw(2, 1 / 3, "a"), board.draw(2, 3, "c", every_n=2)
    assert capsys.readouterr().out == "" and terminal.sent == []
    board.report("epoch 2")
    assert capsys.readouterr().out == "epoch 2: a 0.3333, b nan\n"


def test_training_in_a_plain_script():
    """One line per epoch, whatever matplotlib has been told, and no need of pyplot or IPython."""
    out = script("""if True:
        import sys, torch, softmax_lib as sl
        data = sl.SyntheticRegressionData(torch.tensor([2, -3.4]), 4.2, num_train=64, num_val=32)
        for model in sl.LinearRegressionScratch(2, lr=0.1), sl.LinearRegression(lr=0.1):
            model.board.yscale = 'log'
            sl.Trainer(max_epochs=2, num_gpus=0).fit(model, data)
        print(sorted({'IPython', 'matplotlib.pyplot', 'torchvision'} & set(sys.modules)))
        """, MPLBACKEND="TkAgg").splitlines()
    for epoch, line in zip((1, 2, 1, 2), out, strict=False):
        assert re.fullmatch(rf"epoch {epoch}: train_loss \d+\.\d{{4}}, val_loss \d+\.\d{{4}}", line)
    assert out[4:] == ["[]"]


def test_training_in_a_notebook(notebook, capsys):
    """One display per fit, redrawn once per point, the same each time, and no figure left to be shown again."""
    data = Given([(torch.rand(5, 4), torch.arange(5) % 3)] * 4, [(torch.rand(5, 4), torch.arange(5) % 3)] * 2)

    def run(model):
        notebook.sent.clear()
        sl.Trainer(1).fit(model, data)
        return list(notebook.sent)

    torch.manual_seed(3)
    model = Net()
    twin = copy.deepcopy(model)
    first, second, again = run(model), run(model), run(twin)
    points = 2 + 1 + 1  # two of the training loss, one of the validation loss, one of the accuracy
    for sent in first, second, again:
        assert [update for _, _, update in sent] == [False] + [True] * (points - 1)
        assert len({identity for _, identity, _ in sent}) == 1
        assert all("<svg" in page["image/svg+xml"] and "image/png" not in page for page, _, _ in sent)
    assert len({sent[0][1] for sent in (first, second, again)}) == 3 and first[0][1]
    assert first[-1][0]["image/svg+xml"] == again[-1][0]["image/svg+xml"] != second[-1][0]["image/svg+xml"]
    assert capsys.readouterr().out == "" and sl.plt.get_fignums() == []


@pytest.mark.parametrize("place", ["axes", "fig"])
def test_a_given_figure_is_shown_once_in_a_notebook(notebook, place):
    """What pyplot still holds at the end of a cell is shown there a second time."""
    figure, axes = sl.plt.subplots()
    board = sl.ProgressBoard(**{place: {"axes": axes, "fig": figure}[place]})
    board.draw(0, 1, "a"), board.draw(1, 2, "a")
    assert [update for _, _, update in notebook.sent] == [False, True] and sl.plt.get_fignums() == []


# -- Module -------------------------------------------------------------------------------------------

def test_a_modules_defaults():
    model = sl.Module()
    assert (model.plot_train_per_epoch, model.plot_valid_per_epoch, model.board.xlabel) == (2, 1, "epoch")
    assert model.training and model.hparams == dict(plot_train_per_epoch=2, plot_valid_per_epoch=1)
    model = Net(lr=0.25)
    X = torch.rand(2, 4)
    assert torch.allclose(model(X), model.net(X))
    optimizer = model.configure_optimizers()
    assert type(optimizer) is torch.optim.SGD and optimizer.param_groups[0]["lr"] == 0.25
    assert [*map(id, optimizer.param_groups[0]["params"])] == [*map(id, model.parameters())]


@pytest.mark.parametrize("batches, per_epoch, expected", [
    (1, 2, [0, 1, 2]), (2, 2, [0, 0.5, 1, 1.5, 2, 2.5]), (4, 2, [0.125, 0.625, 1.125, 1.625, 2.125, 2.625]),
    (4, 1, [0.375, 1.375, 2.375]), (4, 9, [i / 4 for i in range(12)]), (4, 0.5, [0.875]), (2, 0.1, []),
    (8, 3, [i / 8 + 1 / 16 for i in range(0, 24, 2)])])
def test_points_of_the_training_curve(batches, per_epoch, expected):
    """About as many points per epoch as wished, and each where its minibatches are."""
    model = scratch(lr=0)
    model.plot_train_per_epoch = per_epoch
    fit(model, Given(one * batches), 3)
    points = model.board.data.get("train_loss", [])
    assert [x for x, _ in points] == expected and len({y for _, y in points}) <= 1


@pytest.mark.parametrize("batches, per_epoch, expected", [
    (1, 1, [1, 2, 3]), (1, 2, [1, 2, 3]), (6, 1, [1, 2, 3]), (6, 2, [1, 1, 2, 2, 3, 3]), (2, 1 / 3, [2])])
def test_points_of_the_validation_curve(batches, per_epoch, expected):
    model = scratch(lr=0)
    model.plot_valid_per_epoch = per_epoch
    fit(model, Given(one, one * batches), 3)
    assert [x for x, _ in model.board.data["val_loss"]] == expected


def test_a_point_is_the_mean_of_its_losses():
    model, data = scratch(lr=0), regression()
    fit(model, data)
    losses = [model.loss(model(X), y).item() for X, y in data.val_dataloader()]
    assert numbers(model.board, "val_loss") == [(1, pytest.approx(sum(losses) / 3))]
    model.plot("several", torch.tensor([1.0, 2.0, 6.0]), train=True)
    model.plot("whole", 3, train=False)
    assert model.board.waiting["train_several"][0][1] == 3 and model.board.waiting["val_whole"] == [[1, 3]]


def test_the_curves_belong_to_the_epochs():
    model = scratch()
    fit(model, max_epochs=7)
    assert model.board.xlim == [0, 7]


def test_a_minibatch_of_several_features():
    class Model(sl.Module):
        def __init__(self):
            super().__init__()
            self.w, self.lr = nn.Parameter(torch.ones(1)), 0.1

        def forward(self, a, b):
            return self.w * a + b

        def loss(self, y_hat, y):
            return ((y_hat - y) ** 2).mean()

    model, batch = Model(), [torch.ones(3), torch.full((3,), 2.0), torch.full((3,), 5.0)]
    fit(model, Given([batch], [batch]))
    assert model.training_step(batch).shape == () and model.w.item() == pytest.approx(1.4)
    assert numbers(model.board, "val_loss") == [(1, pytest.approx(2.56))]


def test_apply_init():
    class Model(sl.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.LazyLinear(3), nn.ReLU(), nn.LazyLinear(2))

    seen, model = [], Model()

    def init(layer):
        seen.append(type(layer).__name__)
        if type(layer) is nn.Linear:
            nn.init.constant_(layer.weight, 0.5)

    model.net.register_forward_hook(lambda *_: seen.append(torch.is_grad_enabled()))
    model.apply_init([torch.ones(4, 5)])
    assert [p.shape for p in model.parameters()] == [(3, 5), (3,), (2, 3), (2,)] and seen == [False]
    model.apply_init([torch.ones(4, 5)], init)
    assert seen[2:] == ["Linear", "ReLU", "Linear", "Sequential"] and (model.net[2].weight == 0.5).all()


def saved(thing):
    torch.save(thing, buffer := io.BytesIO())
    return buffer.getvalue()


@pytest.mark.parametrize("keep", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model)),
                                  lambda model: torch.load(io.BytesIO(saved(model)), weights_only=False)],
                         ids=["copy", "pickle", "torch.save"])
def test_a_fitted_model_that_is_kept_holds_its_parameters_and_curves(notebook, keep):
    """And nothing of the data, here 4 MB, of the trainer or of the figure; and it can be trained on."""
    model = Net()
    data = Given([(torch.rand(250_000, 4), torch.arange(250_000) % 3)])
    sl.Trainer(1).fit(model, data)
    assert list(model.state_dict()) == ["net.1.weight", "net.1.bias"]
    assert len(saved(model)) < len(saved(model.state_dict())) + 10_000
    twin = keep(model)
    assert same(snapshot(model), snapshot(twin)) and twin.net[1].weight is not model.net[1].weight
    assert twin.board.data == model.board.data and twin.hparams == model.hparams
    assert not hasattr(twin, "trainer") and twin.board.live is None
    assert model.trainer.model is model and model.board.live is not None  # the original keeps all it has
    before = snapshot(twin)
    sl.Trainer(2).fit(twin, data)
    assert not same(before, snapshot(twin)) and same(before, snapshot(model)) and len(twin.board.data["train_loss"]) == 2


# -- DataModule ---------------------------------------------------------------------------------------

def test_the_root_is_looked_up_when_it_is_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(sl, "fashion_mnist_root", lambda: asked.append(1) or "found")
    data = sl.DataModule()
    assert asked == [] and data.hparams == {"num_workers": 0} and data.num_workers == 0
    assert data.root == data.root == "found" and asked == [1]
    given_data = sl.DataModule("mine", num_workers=3)
    assert given_data.root == given_data.hparams["root"] == "mine" and given_data.num_workers == 3

    class Elsewhere(sl.DataModule):
        root = "there"

    changed = sl.DataModule()
    changed.root = "later"
    assert (Elsewhere().root, changed.root, asked) == ("there", "later", [1])


def test_loaders_of_a_data_module():
    class Data(sl.DataModule):
        def get_dataloader(self, train):
            return "training" if train is True else "validation"

    assert (Data().train_dataloader(), Data().val_dataloader()) == ("training", "validation")


@pytest.mark.parametrize("indices", [slice(0, 7), slice(7, None), [3, 1, 8], torch.tensor([3, 1, 8]),
                                     torch.arange(10) % 2 == 0])
@pytest.mark.parametrize("train", [True, False])
def test_get_tensorloader(indices, train):
    data, rows = sl.DataModule(), torch.arange(10)
    data.batch_size = 3
    served = list(data.get_tensorloader((rows, rows.reshape(10, 1) * 2.0, rows + 5), train, indices))
    expected = rows[indices].tolist()
    n = len(expected)
    assert [len(batch[0]) for batch in served] == [3] * (n // 3) + [n % 3] * (n % 3 > 0)
    first, second, third = map(torch.cat, zip(*served))
    assert torch.equal(second, first.reshape(n, 1) * 2.0) and torch.equal(third, first + 5)  # rows stay together
    assert sorted(first.tolist()) == sorted(expected) and (train or first.tolist() == expected)


def test_get_tensorloader_shuffles_when_training():
    data, rows = sl.DataModule(), torch.arange(100)
    data.batch_size = 16
    loader = data.get_tensorloader([rows], train=True)
    first, second = (torch.cat([batch for batch, in loader]) for _ in range(2))
    assert not torch.equal(first, second) and torch.equal(first.sort().values, rows)


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_read(workers):
    data = sl.DataModule(num_workers=workers)
    data.batch_size = 2
    loader = data.get_tensorloader(([1, 2, 3], np.ones(3)), False)
    assert loader.num_workers == workers and torch.cat([x for x, _ in loader]).tolist() == [1, 2, 3]
    fashion = sl.FashionMNIST(5000)
    fashion.num_workers = workers
    loader = fashion.val_dataloader()
    assert loader.num_workers == workers and [len(y) for _, y in loader] == [5000, 5000]


def test_synthetic_regression_data():
    n, data = 20_000, sl.SyntheticRegressionData(true_w, true_b, noise=0.5, num_train=20_000, num_val=1000)
    assert data.X.shape == (n + 1000, 2) and data.y.shape == (n + 1000, 1)
    assert data.X.dtype == data.y.dtype == torch.float32
    noise, sure = data.y[:, 0] - (data.X @ true_w + true_b), 5 / math.sqrt(n)  # five standard errors
    assert data.X.mean(0).abs().max() < sure and (data.X.std(0) - 1).abs().max() < sure
    assert noise.mean().abs() < 0.5 * sure and abs(noise.std() / 0.5 - 1) < sure and noise.unique().numel() > n // 2
    assert torch.corrcoef(torch.stack([*data.X.T, noise])).fill_diagonal_(0).abs().max() < sure
    assert data.hparams == dict(w=true_w, b=true_b, noise=0.5, num_train=n, num_val=1000, batch_size=32, num_workers=0)


def test_synthetic_regression_data_as_loaders():
    data = regression(num_train=40, num_val=20, batch_size=16)
    train, val = ([*map(torch.cat, zip(*loader))] for loader in (data.train_dataloader(), data.val_dataloader()))
    assert same(val, [data.X[40:], data.y[40:]])  # in order
    assert not torch.equal(train[0], data.X[:40])
    order = train[1].flatten().argsort()
    assert torch.equal(train[0][order], data.X[:40][data.y[:40].flatten().argsort()])
    assert [len(X) for X, _ in data.train_dataloader()] == [16, 16, 8] and len(data.val_dataloader()) == 2
    torch.manual_seed(7)
    first = regression()
    torch.manual_seed(7)
    assert same([first.X, first.y], [regression().X, first.y]) and not torch.equal(first.X, regression().X)


@pytest.mark.parametrize("w, b", [(true_w, 4.2), (true_w.reshape(2, 1), torch.tensor(4.2)), (torch.ones(1), 0)])
def test_synthetic_regression_data_without_noise(w, b):
    data = sl.SyntheticRegressionData(w, b, noise=0, num_train=3, num_val=0)
    assert data.X.shape == (3, len(w)) and torch.allclose(data.y, data.X @ w.reshape(-1, 1) + b)
    assert len(data.val_dataloader()) == 0


@pytest.mark.parametrize("w", [torch.tensor([2, -3]), torch.tensor([2, -3]).double(), torch.tensor([[2.0, -3]]),
                               [2, -3]])
def test_synthetic_regression_data_takes_any_weights(w):
    data = sl.SyntheticRegressionData(w, 1, noise=0, num_train=3, num_val=0)
    assert torch.allclose(data.y, data.X @ torch.tensor([[2.0], [-3.0]]) + 1) and data.y.dtype == torch.float32


# -- Trainer ------------------------------------------------------------------------------------------

def test_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 5)
    assert sl.num_gpus() == 5 and sl.cpu() == torch.device("cpu")
    for apple in False, True:
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: apple)
        assert sl.num_gpus() == (1 if apple else 5)
        assert sl.gpu() == torch.device("mps:0" if apple else "cuda:0")
    assert sl.Trainer(1, num_gpus=2).gpus == [torch.device("mps:0")]
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert sl.gpu(3) == torch.device("cuda:3")


def test_a_number_is_plotted_from_a_device_without_float64(monkeypatch):
    """As Apple's GPUs are: a number is brought home before it is made exact."""
    places, double = [], torch.Tensor.double
    monkeypatch.setattr(torch.Tensor, "cpu", lambda self: places.append("home") or self)
    monkeypatch.setattr(torch.Tensor, "double", lambda self: places.append("double") or double(self))
    model = scratch(lr=0)
    fit(model)
    assert places == ["home", "double"] * 8


class Diary(sl.LinearRegressionScratch):
    """Linear regression that writes down what is done to it, as its own optimizer."""
    def __init__(self, log):
        super().__init__(2, 0.1)
        self.log = log

    def note(self, what):
        self.log.append((what, self.training, torch.is_grad_enabled()))

    def configure_optimizers(self):
        self.note("optimizer")
        assert self.trainer.model is self
        return SimpleNamespace(zero_grad=self.empty, step=self.step)

    def training_step(self, batch):
        self.note("train")
        return super().training_step(batch)

    def empty(self):
        self.note("zero_grad")
        for p in self.parameters():
            p.grad = None

    def step(self):
        assert self.w.grad is not None
        self.note("step")
        self.w.grad.fill_(1e9)  # who forgets to empty the gradients will see this

    def validation_step(self, batch):
        self.note("validate")
        super().validation_step(batch)


def test_the_order_of_calls():
    log, data = [], regression()

    class Data(sl.DataModule):
        def train_dataloader(self):
            log.append("train_dataloader")
            return data.train_dataloader()

        def val_dataloader(self):
            log.append("val_dataloader")
            return data.val_dataloader()

    trainer = fit(Diary(log), Data(), max_epochs=2)
    loaders, (optimizer, *rest) = log[:2], log[2:]
    assert loaders == ["train_dataloader", "val_dataloader"] and optimizer[0] == "optimizer"
    training = [("train", True, True), ("zero_grad", True, True), ("step", True, False)]
    assert rest == (training * 5 + [("validate", False, False)] * 3) * 2
    assert (trainer.epoch, trainer.train_batch_idx, trainer.val_batch_idx) == (1, 10, 6)
    assert (trainer.num_train_batches, trainer.num_val_batches, trainer.max_epochs) == (5, 3, 2)
    assert len(trainer.train_dataloader) == 5 and len(trainer.val_dataloader) == 3 and torch.is_grad_enabled()


@pytest.mark.parametrize("model", [scratch, lambda: sl.LinearRegression(0.1)], ids=["scratch", "concise"])
def test_the_framework_changes_no_number(model):
    """Equal to the loop that a reader would write, but for rounding, in two fits of two epochs."""
    data = regression()
    model = model()
    model.forward(data.X)  # for the lazy layer
    twin, state = copy.deepcopy(model), torch.get_rng_state()
    fit(model, data, 2), fit(model, data, 2)
    torch.set_rng_state(state)
    for _ in range(4):
        for X, y in data.train_dataloader():
            grads = torch.autograd.grad(twin.loss(twin(X), y), [*twin.parameters()])
            with torch.no_grad():
                for p, grad in zip(twin.parameters(), grads):
                    p -= 0.1 * grad
        list(data.val_dataloader())
    torch.testing.assert_close(snapshot(model), snapshot(twin), rtol=1e-5, atol=1e-5)


def test_validation_learns_nothing():
    class Model(sl.Module):
        def __init__(self):
            super().__init__()
            self.net, self.lr = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1)), 0.0

        loss = staticmethod(F.mse_loss)

    model, data = Model(), list(regression().train_dataloader())
    twin = copy.deepcopy(model)
    fit(model, Given(data, [(X * 100, y) for X, y in data])), fit(twin, Given(data))
    assert same(model.state_dict().values(), twin.state_dict().values()) and model.net[0].num_batches_tracked == 5


def test_only_training(capsys):
    model, before = scratch(), None
    before = snapshot(model)
    trainer = sl.Trainer(2)
    trainer.fit(model, Given(regression().train_dataloader()))
    assert list(model.board.data) == ["train_loss"] and not same(before, snapshot(model))
    assert (trainer.val_dataloader, trainer.num_val_batches, trainer.val_batch_idx) == (None, 0, 0)
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == ["epoch 1", "epoch 2"]
    fit(model, regression(num_val=0))  # a loader that is empty does no harm
    assert list(model.board.data) == ["train_loss"]


def test_only_validation():
    model = scratch()
    before = snapshot(model)
    with pytest.warns(UserWarning, match="^[^\n]*only validated$") as caught:
        trainer = sl.Trainer(3)
        trainer.fit(model, Given(val=regression().val_dataloader()))
    assert len(caught) == 1 and caught[0].filename == __file__
    assert same(before, snapshot(model)) and list(model.board.data) == ["val_loss"] and model.w.grad is None
    assert (trainer.num_train_batches, trainer.train_batch_idx, trainer.val_batch_idx) == (0, 0, 9)


def test_a_loader_may_be_none():
    class Data(sl.DataModule):
        def get_dataloader(self, train):
            return one if train else None

    model = scratch()
    fit(model, Data())
    assert list(model.board.data) == ["train_loss"]


def test_data_that_can_be_read_once():
    class Once:
        def __init__(self):
            self.batches = iter(one)

        def __iter__(self):
            return self.batches

        def __len__(self):
            return 1

    refuses(lambda: fit(scratch(), Given(Once()), 2), "training", "epoch", 2)


def test_fit_leaves_evaluation_mode():
    model = Net()
    fit(model, Given([(torch.rand(5, 4), torch.arange(5) % 3)]))
    assert not model.training and not model.net.training


def test_an_epoch_can_be_the_last():
    class Stopping(sl.Trainer):
        def fit_epoch(self):
            super().fit_epoch()
            if self.epoch == 2:
                self.stop = True

    trainer, model = Stopping(9), scratch()
    for _ in range(2):
        trainer.fit(model, regression())
        assert len(model.board.data["val_loss"]) == 3 and trainer.epoch == 2


def test_fit_twice():
    model, trainer = scratch(), sl.Trainer(2)
    optimizers = []
    for data in regression(), regression(num_train=16):
        trainer.fit(model, data)
        optimizers.append(trainer.optim)
        assert [x for x, _ in model.board.data["val_loss"]] == [1, 2]  # curves begin anew
        assert trainer.train_batch_idx == 2 * len(data.train_dataloader())
    assert optimizers[0] is not optimizers[1]
    other = scratch()
    trainer.fit(other, regression())
    assert trainer.model is other is not model and other.trainer is trainer and len(model.board.data["val_loss"]) == 2


def test_a_loss_per_example():
    class PerExample(sl.LinearRegressionScratch):
        loss = staticmethod(sl.squared_loss)

    mean, each = scratch(), PerExample(2, 0.1)
    each.load_state_dict(mean.state_dict())
    data = Given(list(regression().train_dataloader()), list(regression().val_dataloader()))
    fit(mean, data), fit(each, data)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(snapshot(mean), snapshot(each)))
    for curve in "train_loss", "val_loss":
        assert np.allclose(mean.board.data[curve], each.board.data[curve])


def test_methods_can_be_overridden():
    class Scheduled(sl.Trainer):
        def fit_epoch(self):
            super().fit_epoch()
            for group in self.optim.param_groups:
                group["lr"] /= 2

        def prepare_batch(self, batch):
            return [part * 0 for part in super().prepare_batch(batch)]

    trainer, model = Scheduled(3), sl.LinearRegression(0.8)
    trainer.fit(model, regression())
    assert trainer.optim.param_groups[0]["lr"] == 0.1 and (trainer.max_epochs, trainer.hparams["num_gpus"]) == (3, 0)
    assert model.get_w_b()[1].abs() < 0.3  # of the true bias, 4.2, the batches say nothing


def test_a_whole_number_of_epochs(gpus):
    """3.0 is as good as 3; were it refused, Trainer(3.0) would have to say so, not fit."""
    gpus(1)
    model = scratch()
    fit(model, max_epochs=3.0, num_gpus=1.0)
    assert len(model.board.data["val_loss"]) == 3


@pytest.mark.parametrize("limit", [1e-3, 0.7, 30, 1e6])
def test_clipping_is_what_pytorch_does(limit):
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2), nn.Linear(2, 2)).double()
    net(torch.randn(5, 3).double()).square().sum().mul(10).backward()
    net[1].bias.grad = None
    params = [p for p in net.parameters() if p.grad is not None]
    before = [p.grad.clone() for p in params]
    sl.Trainer(1).clip_gradients(limit, net)
    after = [p.grad for p in params]
    for p, grad in zip(params, before):
        p.grad = grad.clone()
    norm = torch.nn.utils.clip_grad_norm_(params, limit)
    assert len(params) == 5 and all(torch.allclose(a, p.grad, rtol=2e-6, atol=0) for a, p in zip(after, params))
    assert torch.cat([a.flatten() for a in after]).norm().item() == pytest.approx(min(limit, norm.item()), rel=1e-12)
    assert 30 < norm < 1e6 and (limit < norm or same(before, after))


@pytest.mark.parametrize("limit", [0, 0.5])
def test_no_step_is_longer_than_the_limit(limit):
    steps = []

    class Model(sl.LinearRegressionScratch):
        def configure_optimizers(self):
            optimizer = torch.optim.SGD([self.w, self.b], 0.1)
            optimizer.register_step_pre_hook(lambda *_: steps.append(torch.cat([self.w.grad[:, 0], self.b.grad])))
            return optimizer

    fit(Model(2, 0.1), gradient_clip_val=limit)
    assert len(steps) == 5 and (all(g.norm() == pytest.approx(0.5) for g in steps) if limit else steps[0].norm() > 1)


@pytest.mark.parametrize("lr", [10, 1e3, 1e9, 1e38])
@pytest.mark.parametrize("model", [scratch, sl.LinearRegression, Net], ids=["scratch", "concise", "classifier"])
def test_a_wrong_experiment_is_at_most_a_warning(lr, model):
    model = model(lr)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        fit(model, Given([(torch.rand(5, 4), torch.arange(5) % 3)] * 9, [(torch.rand(5, 4), torch.arange(5) % 3)])
            if isinstance(model, Net) else regression(), max_epochs=6)
    last = model.board.data["train_loss"][-1].y
    assert len(caught) <= 1 and (caught or math.isfinite(last) or last > 1e30)  # inf is one thing, nan another
    for warning in caught:
        assert re.fullmatch("the training loss is (inf|nan): the learning rate is too large, or the data hold NaN",
                            str(warning.message))
        assert warning.category is UserWarning and warning.filename == __file__
    assert lr < 1e38 or caught or isinstance(model, Net)
    assert (len(model.board.data["val_loss"]) == 6) == (not caught)  # then training stops


def test_a_nan_among_the_labels_ends_training():
    """Even if it stands in the last minibatch, and the loss is one number per example."""
    class PerExample(sl.LinearRegressionScratch):
        loss = staticmethod(sl.squared_loss)

    model, data = PerExample(2, 0.1), regression()
    last = [torch.ones(2, 2), torch.tensor([[1.0], [math.nan]])]
    with pytest.warns(UserWarning, match="^the training loss is nan: the learning rate is too large, or the data hold NaN$"):
        fit(model, Given([*data.train_dataloader(), last], data.val_dataloader()), 5)
    assert len(model.board.data["val_loss"]) == 1


def test_a_wrong_experiment_in_a_notebook(notebook, capsys):
    model = scratch(lr=1e9)
    model.board.yscale = "log"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        sl.Trainer(2).fit(model, regression())
    assert {warning.category for warning in caught} == {UserWarning} and all(w.filename == __file__ for w in caught)
    assert len(notebook.sent) == len(model.board.data["train_loss"]) + 1 and capsys.readouterr().out == ""


@pytest.mark.filterwarnings("error")
def test_a_good_experiment_is_silent(every_warning, capsys):
    sl.Trainer(2, gradient_clip_val=1).fit(sl.LinearRegression(0.1), regression())
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2 and err == ""


@pytest.fixture
def gpus(monkeypatch):
    """gpus(n) pretends that there are n GPUs. Number types stand in for them: what is moved to the first becomes
    float64, and computing with what was left behind fails."""
    def pretend(n):
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: n)
        monkeypatch.setattr(training_framework, "gpu", lambda i=0: [torch.float64, torch.float16][i])

    return pretend


@pytest.mark.parametrize("wanted, there, used", [(0, 0, 0), (0, 2, 0), (1, 0, 0), (2, 0, 0), (1, 1, 1), (1, 2, 1),
                                                 (2, 1, 1), (2, 2, 2)])
def test_gpus_that_are_used(monkeypatch, capsys, wanted, there, used):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: there)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    trainer = sl.Trainer(1, num_gpus=wanted)
    assert trainer.gpus == [torch.device("cuda", i) for i in range(used)] and trainer.num_gpus == wanted
    out = capsys.readouterr().out
    assert re.fullmatch("[A-Z][^\n]*GPU[^\n]*CPU[^\n]*\\.\n", out) if wanted and not there else out == ""
    if not used:
        model, data = scratch(), regression()
        trainer.fit(model, data)
        batch = next(iter(data.val_dataloader()))
        assert trainer.prepare_batch(batch) is batch and model.w.device == sl.cpu()


class PlainTensors(sl.Module):
    """Linear regression whose parameters are no nn.Parameter, in older style."""
    def __init__(self, lr=0.1):
        super().__init__()
        self.save_hyperparameters()
        self.w = torch.normal(0, 0.01, (2, 1), requires_grad=True)
        self.b = torch.zeros(1, requires_grad=True)

    forward, loss = sl.LinearRegressionScratch.forward, sl.LinearRegressionScratch.loss

    def parameters(self):
        return [self.w, self.b]

    def configure_optimizers(self):
        self.dtype = self.w.dtype  # as the optimizer finds it
        return sl.SGD(self.parameters(), self.lr)


@pytest.mark.parametrize("there, trained_before", [(1, False), (2, True)])
@pytest.mark.parametrize("model", [scratch, sl.LinearRegression, PlainTensors])
def test_training_on_a_gpu(gpus, there, trained_before, model):
    gpus(there)
    model, data, seen = model(0.1), regression(num_train=400), []
    model.register_forward_pre_hook(lambda _, inputs: seen.append((inputs[0].dtype, model.training)))
    before = [*model.parameters()]
    if trained_before:
        fit(model, data), seen.clear()
    fit(model, data, 4, num_gpus=there, gradient_clip_val=100)
    assert {p.dtype for p in model.parameters()} == {p.grad.dtype for p in model.parameters()} == {torch.float64}
    assert all(p.is_leaf and p.requires_grad and p is q for p, q in zip(model.parameters(), before, strict=True))
    assert set(seen) == {(torch.float64, True), (torch.float64, False)} and data.X.dtype == torch.float32
    assert model.board.data["val_loss"][-1].y < 0.01 and getattr(model, "dtype", torch.float64) == torch.float64
    fit(model, data, num_gpus=1)  # it is there already


def test_a_minibatch_moves_as_a_whole(gpus):
    gpus(1)
    batch = sl.Trainer(1, num_gpus=1).prepare_batch((torch.ones(2, 3), torch.zeros(2), torch.ones(1)))
    assert [(part.dtype, part.shape) for part in batch] == [(torch.float64, s) for s in ((2, 3), (2,), (1,))]


def test_a_model_moves_to_where_the_trainer_says(monkeypatch):
    monkeypatch.setattr(training_framework, "gpu", lambda i: torch.device("meta"))
    monkeypatch.setattr(sl, "num_gpus", lambda: 1)
    trainer, model = sl.Trainer(1, num_gpus=1), Net()
    trainer.prepare_model(model)
    assert {p.device.type for p in model.parameters()} == {"meta"}
    assert {part.device.type for part in trainer.prepare_batch([torch.ones(1), torch.ones(2)])} == {"meta"}


# -- SGD and linear regression ------------------------------------------------------------------------

def test_sgd_is_what_pytorch_does():
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    unused = nn.Parameter(torch.ones(2))
    twin = copy.deepcopy(net)
    mine = sl.SGD(iter([*net.parameters(), unused]), 0.3)
    theirs = torch.optim.SGD(twin.parameters(), 0.3)
    places = [p.data_ptr() for p in net.parameters()]
    for _ in range(5):
        X = torch.randn(6, 3)
        for model, optimizer in (net, mine), (twin, theirs):
            optimizer.zero_grad()
            model(X).square().mean().backward()
            optimizer.step()
    assert all(torch.allclose(p, q, rtol=1e-6) for p, q in zip(net.parameters(), twin.parameters()))
    assert [p.data_ptr() for p in net.parameters()] == places and (unused == 1).all()
    assert set(vars(mine)) == {"param_groups"}  # nothing that could be changed to no effect
    mine.zero_grad()
    assert all(p.requires_grad and not p.grad.any() for p in net.parameters()) and unused.grad is None


@pytest.mark.parametrize("model", [scratch, sl.LinearRegression])
def test_a_schedule_works_with_either_optimizer(model):
    class Scheduled(sl.Trainer):
        def fit_epoch(self):
            super().fit_epoch()
            for group in self.optim.param_groups:
                group["lr"] *= 0

    model, after = model(0.1), []
    model.register_forward_pre_hook(lambda *_: after.append(model.training or snapshot(model)))
    Scheduled(3).fit(model, regression())
    first, *_, last = [parameters for parameters in after if parameters is not True]  # as validation finds them
    assert same(first, last) and len(after) == 24


@pytest.mark.parametrize("model, get", [
    (lambda: sl.LinearRegressionScratch(2, lr=0.1), lambda model: (model.w.detach(), model.b.detach())),
    (lambda: sl.LinearRegression(lr=0.1), lambda model: model.get_w_b())], ids=["scratch", "concise"])
def test_linear_regression_finds_the_parameters(model, get):
    model = model()
    fit(model, sl.SyntheticRegressionData(true_w, true_b), 3)
    w, b = get(model)
    assert not w.requires_grad and not b.requires_grad and b.shape == (1,)
    assert (w.flatten() - true_w).abs().max() < 5e-3 and (b - true_b).abs() < 5e-3
    assert model.board.data["val_loss"][-1].y < 3e-4


def test_linear_regression_from_scratch():
    model = sl.LinearRegressionScratch(1000, 0.2, sigma=3)
    assert model.w.shape == (1000, 1) and abs(model.w.std() / 3 - 1) < 0.12 and model.b.tolist() == [0]
    assert sl.LinearRegressionScratch(1000, 0.2).w.std() < 0.02 and [*model.state_dict()] == ["w", "b"]
    optimizer, X = model.configure_optimizers(), torch.randn(4, 1000)
    assert type(optimizer) is sl.SGD and optimizer.param_groups == [{"params": [model.w, model.b], "lr": 0.2}]
    assert model.num_inputs == 1000
    torch.testing.assert_close(model(X), X @ model.w + model.b, rtol=1e-4, atol=1e-3)
    assert model.loss(torch.tensor([[1.0], [3.0]]), torch.tensor([0.0, 1.0])).item() == 1.25


def test_linear_regression_the_concise_way():
    model = sl.LinearRegression(0.2)
    assert model(torch.ones(3, 5)).shape == (3, 1) and model.net.weight.shape == (1, 5)
    assert model.loss(torch.tensor([[1.0], [3.0]]), torch.tensor([[0.0], [1.0]])).item() == 2.5
    assert [part.shape for part in model.get_w_b()] == [(1, 5), (1,)]
    assert type(model.configure_optimizers()) is torch.optim.SGD


# -- Classifier ---------------------------------------------------------------------------------------

@some
@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(2, 6), st.integers(0, 2**31))
def test_a_classifier_measures_what_pytorch_does(shape, q, seed):
    """For scores (b, q), (b, t, q) and (b, s, t, q)."""
    torch.manual_seed(seed)
    Y_hat, Y = torch.randn(*shape, q, dtype=torch.float64), torch.randint(q, shape)
    flat, labels, model = Y_hat.reshape(-1, q), Y.flatten(), Net()
    right = (flat.argmax(1) == labels).float()
    assert torch.equal(model.accuracy(Y_hat, Y, averaged=False), right)
    assert torch.allclose(model.accuracy(Y_hat, Y), right.mean())
    losses = -(flat - flat.logsumexp(1, keepdim=True))[range(len(labels)), labels]
    assert torch.allclose(model.loss(Y_hat, Y, averaged=False), losses)
    assert torch.allclose(model.loss(Y_hat, Y), losses.mean()) and model.loss(Y_hat, Y).shape == ()


@some
@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(2, 6), st.integers(0, 2**31))
def test_a_classifier_takes_soft_labels_and_labels_that_do_not_count(shape, q, seed):
    torch.manual_seed(seed)
    Y_hat, soft = torch.randn(*shape, q, dtype=torch.float64), torch.rand(*shape, q, dtype=torch.float64).softmax(-1)
    flat, model = Y_hat.reshape(-1, q), Net()
    losses = -(flat.log_softmax(1) * soft.reshape(-1, q)).sum(1)
    assert torch.allclose(model.loss(Y_hat, soft, averaged=False), losses)
    assert torch.allclose(model.loss(Y_hat, soft), losses.mean())
    right = (flat.argmax(1) == soft.reshape(-1, q).argmax(1)).float()
    assert torch.equal(model.accuracy(Y_hat, soft, averaged=False), right) and torch.allclose(model.accuracy(Y_hat, soft), right.mean())

    Y = torch.randint(q, shape)
    out = torch.rand(shape) < 0.5
    out.view(-1)[0] = False
    some_out, labels, counts = Y.masked_fill(out, -100), Y.flatten(), ~out.flatten()
    losses = F.cross_entropy(flat, labels, reduction="none") * counts
    assert torch.allclose(model.loss(Y_hat, some_out, averaged=False), losses)
    assert torch.allclose(model.loss(Y_hat, some_out), losses.sum() / counts.sum())
    right = (flat.argmax(1) == labels)[counts].float()
    assert torch.equal(model.accuracy(Y_hat, some_out, averaged=False), right)
    assert model.accuracy(Y_hat, some_out) == right.mean()


def test_a_classifier_learns_from_soft_labels():
    X = torch.rand(64, 4)
    soft = (3 * X[:, :3]).softmax(1)
    model = Net(lr=1)
    fit(model, Given([(X, soft)] * 50, [(X, soft)]), 4)
    assert model.board.data["val_acc"][-1].y > 0.9


def test_scores_of_nan_are_no_class_of_a_classifier():
    Y_hat = torch.tensor([[math.nan] * 3, [0, math.nan, 1], [2, 1, 0]])
    assert Net().accuracy(Y_hat, torch.zeros(3).long(), averaged=False).tolist() == [0, 0, 1]


@pytest.mark.parametrize("Y_hat, Y", [
    (eye, three[:2]), (eye, three + 1), (eye, three - 1), (eye, three.reshape(3, 1)), (eye, eye.long()),
    (torch.ones(2, 3, 4), torch.ones(3, 2).long())])
def test_pytorch_refuses_labels_that_do_not_fit_a_classifier(Y_hat, Y):
    with pytest.raises((ValueError, RuntimeError, IndexError)):
        Net().loss(Y_hat, Y)


def test_a_classifier_is_safe_from_overflow():
    Y_hat = torch.tensor([[1e4, 0, -1e4]], requires_grad=True)
    loss = Net().loss(Y_hat, torch.tensor([1]))
    loss.backward()
    assert loss == 1e4 and Y_hat.grad.tolist() == [[1, -1, 0]] and Net().accuracy(Y_hat, torch.tensor([0])) == 1


def test_a_classifier_validates_loss_and_accuracy():
    val = [(torch.rand(5, 4), torch.arange(5) % 3), (torch.rand(2, 4), torch.arange(2))]
    model = Net(lr=0)
    fit(model, Given(val, val), 2)
    assert set(model.board.data) == {"train_loss", "val_loss", "val_acc"}
    for curve, measure in ("val_loss", F.cross_entropy), ("val_acc", lambda Y_hat, Y: sl.accuracy(Y_hat, Y) / len(Y)):
        mean = sum(float(measure(model(X).detach(), y)) for X, y in val) / 2
        assert numbers(model.board, curve) == [(1, pytest.approx(mean)), (2, pytest.approx(mean))]


def test_a_loss_of_ones_own_takes_two_arguments():
    class Own(Net):
        def loss(self, y_hat, y):
            return y_hat.square().sum(1)

    model = Own(lr=0.05)
    fit(model, Given([(torch.ones(2, 4), torch.arange(2))] * 20, [(torch.ones(2, 4), torch.arange(2))]))
    assert model.board.data["val_loss"][-1].y < 1e-3 and len(model.board.data["val_acc"]) == 1


def test_layer_summary(capsys):
    model = Net()
    model.net = nn.Sequential(nn.Flatten(), nn.LazyLinear(6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.LazyLinear(3))
    model.layer_summary((1, 2, 2))
    assert capsys.readouterr().out.splitlines() == [
        f"{name} output shape: {shape}" for name, shape in (
            ("Flatten", (1, 4)), ("Linear", (1, 6)), ("BatchNorm1d", (1, 6)), ("Dropout", (1, 6)), ("Linear", (1, 3)))]
    assert model.training and model.net[2].training and model.net[2].num_batches_tracked == 0
    assert model.net[1].weight.shape == (6, 4) and model.net[1].weight.grad is None
    model.net[3].eval(), model.layer_summary((2, 4))
    assert model.training and not model.net[3].training
    model.eval(), model.layer_summary((2, 4))
    assert not model.training and not model.net[2].training
    model.net = nn.Linear(4, 3)  # a single layer
    capsys.readouterr(), model.layer_summary((7, 4))
    assert capsys.readouterr().out == "Linear output shape: (7, 3)\n"


def test_layer_summary_where_the_model_is(capsys):
    for place in "meta", torch.float64:
        Net().to(place).layer_summary((2, 4))
        assert capsys.readouterr().out.splitlines()[-1] == "Linear output shape: (2, 3)"


# -- Fashion-MNIST ------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def fashion():
    return sl.FashionMNIST(batch_size=256)


def test_fashion_mnist_as_a_data_module(fashion):
    assert isinstance(fashion, sl.DataModule) and fashion.root == sl.fashion_mnist_root()
    assert (len(fashion.train), len(fashion.val)) == (60_000, 10_000) and sl.FashionMNIST().batch_size == 64
    assert fashion.hparams == dict(batch_size=256, resize=(28, 28), num_workers=0)
    for loader, dataset in (fashion.train_dataloader(), fashion.train), (fashion.val_dataloader(), fashion.val):
        assert loader.dataset is dataset and len(loader) == math.ceil(len(dataset) / 256)
        X, y = next(iter(loader))
        assert X.shape == (256, 1, 28, 28) and X.dtype == torch.float32 and y.shape == (256,) and y.dtype == torch.int64
    assert fashion.text_labels(range(10)) == LABELS == fashion.text_labels(torch.arange(10))


def test_fashion_mnist_is_what_the_function_loads(fashion):
    loaders = sl.load_data_fashion_mnist(256)
    for mine, theirs in zip((fashion.train_dataloader(), fashion.val_dataloader()), loaders):
        torch.manual_seed(4)
        batches = iter(mine)
        first, second = next(batches), next(batches)
        torch.manual_seed(4)
        batches = iter(theirs)
        assert same(first, next(batches)) and same(second, next(batches)) and not torch.equal(first[0], second[0])
    X, y = next(iter(loaders[1]))
    assert torch.allclose(X[:, 0], sl.fashion_mnist(train=False)[0][:256] / 255)
    assert not torch.equal(next(iter(loaders[0]))[1], next(iter(loaders[0]))[1])


@pytest.mark.parametrize("part", ["train", "val"])
def test_fashion_mnist_is_torchvisions(fashion, part):
    theirs = torchvision.datasets.FashionMNIST(fashion.root, part == "train", torchvision.transforms.ToTensor())
    mine = getattr(fashion, part)
    for i in [0, len(theirs) - 1, *torch.randint(len(theirs), (100,)).tolist()]:
        (X, y), (X0, y0) = mine[i], theirs[i]
        assert torch.allclose(X, X0) and y == y0


@pytest.mark.parametrize("resize, shape", [((14, 40), (14, 40)), ([56, 28], (56, 28)), (32, (32, 32))])
def test_fashion_mnist_of_another_size(fashion, resize, shape):
    X, y = next(iter(sl.FashionMNIST(20, resize).val_dataloader()))
    original = fashion.val.images[:20, None] / 255
    expected = torchvision.transforms.functional.resize(original, list(shape), antialias=True)
    assert X.shape == (20, 1, *shape) and torch.allclose(X, expected.clamp(0, 1), atol=1e-5)
    assert torch.equal(y, fashion.val.labels[:20])


@pytest.mark.parametrize("n, rows, cols", [(5, 1, 8), (8, 2, 4), (20, 2, 3), (1, 1, 1)])
def test_visualize(fashion, n, rows, cols):
    X, y = fashion.val.images[:n, None] / 255, fashion.val.labels[:n]
    fashion.visualize((X, y), rows, cols)
    many, axes = min(n, rows * cols), sl.plt.gcf().axes
    assert len(axes) == rows * cols and all(np.array_equal(a, b) for a, b in zip(shown(axes), X[:many, 0], strict=True))
    assert [ax.get_title() for ax in axes] == sl.get_fashion_mnist_labels(y)[:many] + [""] * (rows * cols - many)
    titles = [f"image {i}" for i in range(n)]
    fashion.visualize([X, y], nrows=rows, ncols=cols, labels=titles)
    assert [ax.get_title() for ax in sl.plt.gcf().axes][:many] == titles[:many]
    assert sl.plt.gcf() is not axes[0].figure


def test_visualize_shows_a_row_of_eight(fashion):
    fashion.visualize(next(iter(fashion.train_dataloader())))
    axes = sl.plt.gcf().axes
    assert len(axes) == 8 and all(ax.get_title() for ax in axes)
    assert len({round(ax.get_position().y0, 6) for ax in axes}) == 1


# -- SoftmaxRegression --------------------------------------------------------------------------------

@pytest.mark.parametrize("shape", [(3, 1, 28, 28), (3, 5), (3, 2, 4)])
def test_softmax_regression(shape):
    model, X = sl.SoftmaxRegression(num_outputs=10, lr=0.3), torch.rand(shape)
    assert isinstance(model, sl.Classifier) and (model.num_outputs, model.lr) == (10, 0.3)
    logits = model(X)
    assert logits.shape == (3, 10) and sum(p.numel() for p in model.parameters()) == 10 * (X[0].numel() + 1)
    assert torch.allclose(logits, F.linear(X.reshape(3, -1), *model.net[1].parameters()))


def test_softmax_regression_learns(few):
    """What the plain loop learns, and it is something."""
    data, model = Given(list(few[0]), few[1]), sl.SoftmaxRegression(10, lr=0.1)
    model.apply_init([data.given[True][0][0]])
    twin = copy.deepcopy(model.net)
    fit(model, data, 3)
    optimizer = torch.optim.SGD(twin.parameters(), 0.1)
    for _ in range(3):
        sl.train_epoch_ch3(twin, data.given[True], nn.CrossEntropyLoss(), optimizer)
    assert all(torch.allclose(p, q, atol=1e-6) for p, q in zip(model.net.parameters(), twin.parameters()))
    accuracies = [y for _, y in model.board.data["val_acc"]]
    assert len(accuracies) == 3 and accuracies[-1] > 0.4 and model.board.data["train_loss"][-1].y < 1.8
    fit(sl.SoftmaxRegression(10, lr=0.1), data)  # the lazy layer needs no help
