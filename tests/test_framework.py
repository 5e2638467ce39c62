"""What the training framework promises: its classes, the classifier and the data that are built on it.

Needs what test_library.py needs, whose helpers it borrows. No GPU: where one is wanted, a number type stands in.
"""
import contextlib
import copy
import io
import math
import re
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_library import LABELS, lines, shown, some
from torch import nn
from torch.nn import functional as F

import softmax_lib as sl
from softmax_lib import training_framework

pytestmark = pytest.mark.usefixtures("afresh")

true_w, true_b = torch.tensor([2, -3.4]), 4.2


def regression(**more):
    """40 examples in 5 minibatches for training, 20 in 3 for validation."""
    return sl.SyntheticRegressionData(true_w, true_b, **(dict(num_train=40, num_val=20, batch_size=8) | more))


class Given(sl.DataModule):
    """Data with these loaders."""
    def __init__(self, train, val=None):
        super().__init__()
        self.given = {True: train, False: val}

    def get_dataloader(self, train):
        return self.given[train]


class Net(sl.Classifier):
    """A classifier of 4 features in 3 classes."""
    def __init__(self, lr=0.1):
        super().__init__()
        self.lr, self.net = lr, nn.Sequential(nn.Flatten(), nn.Linear(4, 3))


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


def numbers(board, label):
    return [tuple(point) for point in board.data.get(label, [])]


one, eye, three = [(torch.ones(4, 2), torch.ones(4, 1))], torch.eye(3), torch.arange(3)
REFUSED = {
    "accuracy of other shapes": (lambda: Net().accuracy(torch.ones(2, 3, 4), torch.ones(3, 2).long()), None),
    "no epoch": (lambda: fit(scratch(), max_epochs=0), "max_epochs"),
    "gradients reversed": (lambda: fit(scratch(), gradient_clip_val=-1), "grad_clip_val"),
    "gradients of nan": (lambda: fit(scratch(), gradient_clip_val=math.nan), "grad_clip_val"),
    "nothing to train on": (lambda: fit(scratch(), Given([], one)), "training gave no minibatch"),
    "patience without validation": (lambda: fit(scratch(), Given(one), patience=1), "patience needs validation data"),
    "no data": (lambda: fit(scratch(), sl.DataModule()), "get_dataloader"),
    "no loss": (lambda: sl.Module().loss(1, 2), "loss"),
    "too many labels": (lambda: scratch().loss(torch.ones(3, 1), torch.ones(4)), "4"),
    "too many, concise": (lambda: sl.LinearRegression(0.1).loss(torch.ones(3, 1), torch.ones(4)), "3, 1"),
} | {f"loss {i}": (lambda batch=batch: Net().loss(*batch), None) for i, batch in enumerate([
    (eye, three[:2]), (eye, three + 1), (eye, three - 1), (eye, three[:, None]),
    (torch.ones(2, 3, 4), torch.ones(3, 2).long())])}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    with pytest.raises((ValueError, RuntimeError, IndexError, NotImplementedError), match=REFUSED[name][1]):
        REFUSED[name][0]()


def test_data_that_can_be_read_once():
    batches = iter(one)
    loader = type("Loader", (), {"__len__": lambda _: 1, "__iter__": lambda _: batches})()
    with pytest.raises(ValueError, match="training gave no minibatch"):
        fit(scratch(), Given(loader), 2)


# -- tools for classes --------------------------------------------------------------------------------

def test_add_to_class():
    class Child(Net):
        pass

    child, parent = Child(), Net()

    @sl.add_to_class(Net)
    def new(self, x=1):
        return self, x

    sl.add_to_class(Child)(Net.loss)
    assert parent.new() == (parent, 1) and child.new(2) == (child, 2) and new(3) == (3, 1)
    assert "loss" in vars(Child) and "new" not in vars(Child)


class Kept(sl.HyperParameters):
    def __init__(self, a, b=2, *rest, key, _hidden=5, left_out=6, **more):
        local = 7  # noqa: F841
        self.save_hyperparameters(ignore=["left_out", "nobody"])


class KeptMore(Kept):
    def __init__(self, lr, b):
        super().__init__(1, key=lr)
        self.save_hyperparameters(("lr",))


@pytest.mark.parametrize("make, expected", [
    (lambda: Kept(1, 3, 4, 5, key=6, left_out=0, x=7), dict(a=1, b=3, rest=(4, 5), key=6, more=dict(x=7))),
    (lambda: Kept(1, key=2), dict(a=1, b=2, rest=(), key=2, more={})),
    (lambda: KeptMore(2, 5), dict(a=1, b=5, rest=(), key=2, more={}))])
def test_save_hyperparameters(make, expected):
    kept = make()
    assert vars(kept) == {**expected, "hparams": expected} and make().hparams is not kept.hparams


# -- ProgressBoard ------------------------------------------------------------------------------------

def test_a_board_averages():
    board = sl.ProgressBoard()
    for i in range(10):
        board.draw(torch.tensor(float(i)), np.float64(2 * i), "four", every_n=4)
        board.draw(i, torch.tensor([2.0 * i]), "five", every_n=5)
    board.draw(0, 1, "never", every_n=2)
    assert numbers(board, "four") == [(1.5, 3), (5.5, 11)] and "never" not in board.data  # 8 and 9 wait
    assert numbers(board, "five") == [(2, 4), (7, 14)] and board.data["five"][0].x == 2 and board.data["five"][0].y == 4
    assert lines(board.live.axes[0]) == [([1.5, 5.5], [3, 11]), ([2, 7], [4, 14])]
    board.draw(10, 20, "four", every_n=3)  # every_n may change
    board.draw(1.7e9 + 1, 16777217.0, "four", every_n=0), board.draw(1, 1e100, "four")  # 0 is 1, nothing is rounded
    assert numbers(board, "four")[2:] == [(9, 18), (1.7e9 + 1, 16777217), (1, 1e100)]


def test_a_board_uses_its_own_styles_in_turn():
    board = sl.ProgressBoard(ls=["-", ":"], colors=("red", "green", "blue"))
    for i in range(7):
        board.draw(0, i, f"curve {i}")
    axes, other = board.live.axes[0], sl.ProgressBoard()
    assert [line.get_linestyle() for line in axes.lines] == ["-", ":", "-", ":", "-", ":", "-"]
    assert [line.get_color() for line in axes.lines] == ["red", "green", "blue"] * 2 + ["red"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [f"curve {i}" for i in range(7)]
    other.ls.pop(), other.colors.append("red")
    assert (sl.ProgressBoard().ls, sl.ProgressBoard().colors) == (["-", "--", "-.", ":"], ["C0", "C1", "C2", "C3"])


STYLES = [dict(xlabel="epoch", ylabel="loss", xscale="linear", yscale="log", xlim=(0, 5), ylim=(0.1, 2)),
          dict(xlabel="x", ylabel="", xscale="log", yscale="linear", xlim=(1, 9), ylim=(3, 4))]


def test_a_board_can_be_changed_at_any_time_and_begins_anew():
    board = sl.ProgressBoard(**STYLES[0], figsize=(4, 3))
    for x, style in enumerate(STYLES, 1):
        vars(board).update(style)
        board.draw(x, 1, "a"), board.draw(0, 1, f"b{x}", every_n=2)
        axes = board.live.axes[0]
        assert {key: getattr(axes, "get_" + key)() for key in style} == style
    assert axes.figure.get_size_inches().tolist() == [4, 3] and lines(axes) == [([1, 2], [1, 1])]
    board.reset()
    board.draw(5, 6, "b1", every_n=2), board.draw(7, 8, "b1", every_n=2)
    assert board.data == {"b1": [(6, 7)]} and board.live.axes[0] is not axes and lines(axes) == [([1, 2], [1, 1])]


@pytest.mark.parametrize("place", ["axes", "fig"])
def test_a_board_draws_where_it_is_told_and_shows_it_once(notebook, place):
    """What pyplot still holds at the end of a cell is shown there a second time."""
    figure, axes = sl.plt.subplots()
    board = sl.ProgressBoard(**{place: {"axes": axes, "fig": figure}[place]})
    board.draw(0, 1, "a"), board.draw(1, 2, "a")
    assert lines(axes) == [([0, 1], [1, 2])] and sl.plt.get_fignums() == []
    assert [update for _, _, update in notebook.sent] == [False, True]


def test_a_board_without_a_picture(monkeypatch, terminal, capsys):
    monkeypatch.setattr(training_framework.LiveFigure, "show", lambda self: None)
    silent, board = sl.ProgressBoard(display=False), sl.ProgressBoard()
    for b in silent, board:
        b.draw(1, 2, "a"), b.draw(1, math.nan, "b"), b.draw(2, 1 / 3, "a"), b.draw(2, 3, "c", every_n=2)
    assert numbers(silent, "a") == [(1, 2), (2, 1 / 3)] and silent.live is None
    assert capsys.readouterr().out == "" and terminal.sent == []
    silent.report("no"), board.report("epoch 2")
    assert capsys.readouterr().out == "epoch 2: a 0.3333, b nan\n"


def test_training_in_a_notebook(notebook, capsys):
    """One display per fit, redrawn once per point, and no figure left to be shown again."""
    data, model, ids, last = Given([(torch.rand(5, 4), torch.arange(5) % 3)] * 4, [(torch.rand(2, 4), three[:2])]), Net(), set(), []
    for _ in range(2):
        notebook.sent.clear()
        sl.Trainer(1).fit(model, data)
        (page, identity, _), updates = notebook.sent[-1], [update for _, _, update in notebook.sent]
        assert updates == [False, True, True, True]  # two points of the training loss, one of val_loss, one of val_acc
        assert {key for _, key, _ in notebook.sent} == {identity} and "<svg" in page["image/svg+xml"]
        ids.add(identity), last.append(page["image/svg+xml"])
    assert len(ids) == len(set(last)) == 2 and capsys.readouterr().out == "" and sl.plt.get_fignums() == []


# -- Module -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("curve, batches, per_epoch, expected", [
    ("train", 1, 2, [0, 1, 2]), ("train", 2, 2, [0, 0.5, 1, 1.5, 2, 2.5]), ("train", 4, 1, [0.375, 1.375, 2.375]),
    ("train", 4, 2, [0.125, 0.625, 1.125, 1.625, 2.125, 2.625]), ("train", 4, 9, [i / 4 for i in range(12)]),
    ("train", 4, 0.5, [0.875]), ("train", 2, 0.1, []), ("train", 8, 3, [i / 8 + 1 / 16 for i in range(0, 24, 2)]),
    ("val", 1, 1, [1, 2, 3]), ("val", 1, 2, [1, 2, 3]), ("val", 6, 1, [1, 2, 3]), ("val", 6, 2, [1, 1, 2, 2, 3, 3]),
    ("val", 2, 1 / 3, [2])])
def test_points_of_the_curves(curve, batches, per_epoch, expected):
    """About as many points per epoch as wished, and each where its minibatches are."""
    model, training = scratch(lr=0), curve == "train"
    model.plot_train_per_epoch, model.plot_valid_per_epoch = (per_epoch, 1) if training else (1, per_epoch)
    fit(model, Given(one * batches, one) if training else Given(one, one * batches), 3)
    assert [x for x, _ in numbers(model.board, curve + "_loss")] == expected and model.board.xlim == [0, 3]


def test_apply_init_with_a_minibatch_of_several_features():
    class Model(sl.LinearRegression):
        def forward(self, a, b):
            seen.append(torch.is_grad_enabled())
            return self.net(a) + b

    seen, model, batch = [], Model(0.1), [torch.ones(3, 1), torch.full((3, 1), 2.0), torch.full((3, 1), 5.0)]
    model.net = nn.Sequential(nn.LazyLinear(1))
    model.apply_init(batch[:2])
    assert model.net[0].weight.shape == (1, 1) and seen == [False]
    model.apply_init(batch[:2], lambda layer: type(layer) is nn.Linear and [nn.init.ones_(p) for p in layer.parameters()])
    fit(model, Given([batch], [batch]))
    assert numbers(model.board, "train_loss") == [(0, 1)] and numbers(model.board, "val_loss") == [(1, pytest.approx(0.36))]


def saved(thing):
    torch.save(thing, buffer := io.BytesIO())
    return buffer.getvalue()


@pytest.mark.parametrize("keep", [copy.deepcopy, lambda model: torch.load(io.BytesIO(saved(model)), weights_only=False)])
def test_a_fitted_model_that_is_kept_holds_its_parameters_and_curves(notebook, keep):
    """And nothing of the data, here 4 MB, of the trainer or of the figure; and it can be trained on."""
    model, data = Net(), Given([(torch.rand(250_000, 4), torch.arange(250_000) % 3)])
    sl.Trainer(1).fit(model, data)
    assert len(saved(model)) < len(saved(model.state_dict())) + 10_000
    twin, before = keep(model), snapshot(model)
    assert same(before, snapshot(twin)) and twin.board.data == model.board.data and twin.hparams == model.hparams
    assert twin.trainer is None and twin.board.live is None
    assert model.trainer.model is model and model.board.live is not None  # the original keeps all it has
    sl.Trainer(2).fit(twin, data)
    assert not same(before, snapshot(twin)) and same(before, snapshot(model)) and len(twin.board.data["train_loss"]) == 2


# -- the data -----------------------------------------------------------------------------------------

def test_the_root_is_looked_up_when_it_is_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(sl, "fashion_mnist_root", lambda: asked.append(1) or "found")
    data, mine = sl.DataModule(), sl.DataModule("mine", num_workers=3)
    assert asked == [] and data.hparams == {"num_workers": sl.DataModule.num_workers} == {"num_workers": 0} and mine.hparams == {"root": "mine", "num_workers": 3}
    assert data.root == data.root == "found" and mine.root == "mine" and asked == [1]


@pytest.mark.parametrize("indices, train, workers", [
    (slice(0, 7), True, 0), (slice(7, None), False, 2), ([3, 1, 8], True, 0), (torch.tensor([3, 1, 8]), False, 0), (torch.arange(10) % 2 == 0, False, 0)])
def test_get_tensorloader(indices, train, workers):
    data, rows = sl.DataModule(num_workers=workers), torch.arange(10)
    data.batch_size = 3
    loader = data.get_tensorloader((rows, (rows.reshape(10, 1) * 2.0).tolist(), (rows + 5).numpy()), train, indices)
    served, expected = [*map(torch.cat, zip(*loader))], rows[indices].tolist()
    assert loader.num_workers == workers and max(len(batch[0]) for batch in loader) == 3
    assert torch.equal(served[1], served[0].reshape(-1, 1) * 2.0) and torch.equal(served[2], served[0] + 5)
    assert sorted(served[0].tolist()) == sorted(expected) and (train or served[0].tolist() == expected)


def test_synthetic_regression_data():
    data = regression(batch_size=16)
    first, second, val = ([*map(torch.cat, zip(*loader))] for loader in (
        data.train_dataloader(), data.train_dataloader(), data.val_dataloader()))
    assert same(val, [data.X[40:], data.y[40:]]) and not same(first, second)  # the one in order, the other not
    assert torch.equal(first[1].sort(0)[0], data.y[:40].sort(0)[0]) and [len(y) for _, y in data.val_dataloader()] == [16, 4]
    assert data.hparams == dict(w=true_w, b=true_b, noise=0.01, num_train=40, num_val=20, batch_size=16, num_workers=0)


# -- Trainer ------------------------------------------------------------------------------------------

def test_the_order_of_calls(monkeypatch):
    log, model = [], scratch()
    optimizer = model.configure_optimizers()

    def noting(name, method):
        def noted(*args):
            log.append((name, model.training, torch.is_grad_enabled()))
            return method(*args)
        return noted

    for thing, name in (optimizer, "zero_grad"), (optimizer, "step"), (model, "training_step"), (model, "validation_step"):
        monkeypatch.setattr(thing, name, noting(name, getattr(thing, name)))
    monkeypatch.setattr(model, "configure_optimizers", lambda: optimizer)
    trainer = fit(model, max_epochs=2)
    training = [("training_step", True, True), ("zero_grad", True, True), ("step", True, False)]
    assert log == (training * 5 + [("validation_step", False, False)] * 3) * 2
    assert (trainer.epoch, trainer.train_batch_idx, trainer.val_batch_idx) == (1, 10, 6)
    assert (trainer.num_train_batches, trainer.num_val_batches, trainer.max_epochs) == (5, 3, 2)
    assert len(trainer.train_dataloader) == 5 and torch.is_grad_enabled() and not model.training


def test_validation_learns_nothing_and_may_be_left_out():
    model, data = sl.LinearRegression(lr=0), list(regression().train_dataloader())
    model.net = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1))
    twin = copy.deepcopy(model)
    fit(model, Given(data, [(X * 100, y) for X, y in data]))
    trainer = fit(twin, Given(data))
    assert same(model.state_dict().values(), twin.state_dict().values()) and model.net[0].num_batches_tracked == 5
    assert [*twin.board.data] == ["train_loss"] and (trainer.num_val_batches, trainer.val_batch_idx) == (0, 0)
    assert not twin.net.training and fit(twin, regression(num_val=0))  # a loader that is empty does no harm


def test_a_trainer_whose_methods_are_overridden():
    class Stopping(sl.Trainer):
        def fit_epoch(self):
            super().fit_epoch()
            self.stop = self.epoch == 2
            self.optim.param_groups[0]["lr"] /= 2

        def prepare_batch(self, batch):
            return [part * 0 for part in super().prepare_batch(batch)]

    trainer = Stopping(9)
    for model in scratch(0.8), sl.LinearRegression(0.8):
        trainer.fit(model, regression())
        assert (trainer.epoch, trainer.train_batch_idx, len(model.board.data["val_loss"])) == (2, 15, 3)  # begun anew
        assert trainer.optim.param_groups[0]["lr"] == 0.1 and model(torch.zeros(1, 2)).abs() < 0.3  # it has seen no label


@pytest.mark.parametrize("limit", [1e-3, 0.7, 30, 1e6])
def test_clipping(limit):
    """The gradient of all parameters together keeps its direction; and without a limit, training does not clip."""
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2), nn.Linear(2, 2)).double()
    net(torch.randn(5, 3).double()).square().sum().mul(10).backward()
    net[1].bias.grad = None
    grads = [p.grad for p in net.parameters() if p.grad is not None]
    before = torch.cat([grad.flatten() for grad in grads])
    sl.Trainer(1).clip_gradients(limit, net)
    after = torch.cat([grad.flatten() for grad in grads])
    assert 30 < before.norm() < 1e6 and torch.allclose(after, before * min(1, limit / before.norm()), rtol=1e-12, atol=0)
    model = scratch()
    fit(model, gradient_clip_val=limit)
    assert (torch.cat(snapshot(model)[:1]).norm() > 0.3) == (limit > 1)  # five steps of 0.1


@pytest.mark.parametrize("lr", [10, 1e9, 1e38])
@pytest.mark.parametrize("make", [scratch, sl.LinearRegression, Net])
def test_a_wrong_experiment_is_at_most_a_warning(notebook, capsys, lr, make):
    model, batches = make(lr), [(torch.rand(5, 4), torch.arange(5) % 3)] * 9
    model.board.yscale, model.board.display = "log", (lr, make) == (1e9, scratch)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        warnings.simplefilter("ignore", DeprecationWarning)  # of an old Matplotlib beside a new pyparsing
        sl.Trainer(6).fit(model, Given(batches, batches) if make is Net else regression())
    last = model.board.data["train_loss"][-1].y
    assert len(caught) <= 1 and (caught or math.isfinite(last) or last > 1e30)  # inf is one thing, nan another
    for warning in caught:
        assert warning.category is UserWarning and warning.filename == __file__
        assert re.fullmatch("the training loss is (inf|nan): .*learning rate.*NaN", str(warning.message))
    assert (lr < 1e38 or caught or make is Net) and (len(model.board.data["val_loss"]) == 6) == (not caught)


@pytest.mark.parametrize("loss", [lambda y_hat, y: sl.squared_loss(y_hat, y).mean(), sl.squared_loss])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_bad_label_ends_training(loss, bad):
    """Even if it stands in the last minibatch, and the loss is one number per example."""
    model, last = scratch(), [torch.ones(2, 2), torch.tensor([[1.0], [bad]])]
    model.loss = loss
    with pytest.warns(UserWarning, match=f"^the training loss is {bad}: "):
        fit(model, Given([*regression().train_dataloader(), last], one), 5)
    assert len(model.board.data["val_loss"]) == 1


@pytest.mark.filterwarnings("error", "ignore:Lazy modules are a new feature")  # as PyTorch 2.1 says of its own
def test_a_good_experiment_is_silent(capsys):
    sl.Trainer(2, gradient_clip_val=1).fit(sl.LinearRegression(0.1), regression())
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()] == ["epoch 1", "epoch 2"]


class Noted(sl.LinearRegressionScratch):
    """Its validation losses are given, two minibatches an epoch, and it counts its epochs in w and in a buffer; it trains well before `bad`."""
    def training_step(self, batch):
        self.epochs.fill_(self.trainer.epoch)
        return super().training_step(batch) * (1 if self.trainer.epoch < self.bad else math.nan)

    def validation_step(self, batch):
        loss = self.losses[self.trainer.epoch]
        for key, value in ("loss", 11 * loss), ("loss", -9 * loss), ("acc", -9 * loss):  # the mean counts, of the losses
            self.plot(key, value, train=False)
        self.w.data.fill_(self.trainer.epoch)


@pytest.mark.parametrize("losses, patience, bad, last, best", [
    ([3, 1, 2, math.nan, 0.5, 4], 2, 9, 3, 1), ([3, 1, 2, math.nan, 0.5, 4], 3, 9, 5, 4), ([3, 2, 1, 1, 1, 1], 1, 9, 3, 2),
    ([math.nan] * 6, 2, 9, 1, -1), ([6, 5, 4, 3, 2, 1], 0, 9, 5, 5), ([1, 2, 3, 4, 5, 6], 9, 9, 5, 0),
    ([3, 2, math.nan], 3, 2, 2, 1), ([math.nan], 3, 0, 0, -1)])
def test_early_stopping(losses, patience, bad, last, best):
    model = Noted(2, lr=0)
    model.losses, model.bad = losses, bad
    model.register_buffer("epochs", torch.zeros(1))
    for _ in range(2):  # begun anew
        with pytest.warns(UserWarning, match="nan") if bad < 9 else contextlib.nullcontext():
            trainer = fit(model, Given(one, one), 6, patience=patience)
        kept = last if best < 0 else best
        assert (trainer.epoch, trainer.best_epoch, model.w[1].item(), model.epochs.item()) == (last, best, kept, kept)


# -- devices ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("apple, cuda, expected", [(False, 0, ["cuda:3", 0]), (False, 5, ["cuda:3", 5]),
                                                   (True, 0, ["mps:3", 1])])
def test_devices(monkeypatch, apple, cuda, expected):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: apple)
    assert [str(sl.gpu(3)), sl.num_gpus()] == expected and (sl.cpu().type, sl.gpu().index) == ("cpu", 0)


def test_a_number_is_plotted_from_a_device_without_float64(monkeypatch):
    """As Apple's GPUs are: a number is brought home before it is made exact."""
    places, double = [], torch.Tensor.double
    monkeypatch.setattr(torch.Tensor, "cpu", lambda self: places.append("home") or self)
    monkeypatch.setattr(torch.Tensor, "double", lambda self: places.append("double") or double(self))
    fit(scratch(lr=0))
    assert places == ["home", "double"] * 8


@pytest.fixture
def gpus(monkeypatch):
    """gpus(n) pretends that there are n GPUs. Number types stand in for them: what is moved to the first becomes
    float64, and computing with what was left behind fails."""
    def pretend(n):
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: n)
        monkeypatch.setattr(training_framework, "gpu", lambda i=0: [torch.float64, torch.float16][i])

    return pretend


class PlainTensors(sl.LinearRegressionScratch):
    """Its parameters are no nn.Parameter, in older style."""
    def __init__(self, lr):
        super().__init__(2, lr)
        del self.w, self.b
        self.w, self.b = torch.zeros(2, 1, requires_grad=True), torch.zeros(1, requires_grad=True)

    def parameters(self):
        return [self.w, self.b]


@pytest.mark.parametrize("wanted, there, used", [(0, 2, 0), (1, 0, 0), (1, 2, 1), (2, 1, 1), (2, 2, 2)])
@pytest.mark.parametrize("make", [scratch, sl.LinearRegression, PlainTensors])
def test_training_on_a_gpu(gpus, capsys, wanted, there, used, make):
    gpus(there)
    model, data, seen = make(0.1), regression(num_train=400), []
    fit(model, data)
    model.register_forward_pre_hook(lambda _, inputs: seen.append((inputs[0].dtype, model.training)))
    before = [*model.parameters()]
    trainer = fit(model, data, 4, num_gpus=wanted, gradient_clip_val=100)
    place = torch.float64 if used else torch.float32
    assert trainer.gpus == [torch.float64, torch.float16][:used]
    assert {p.dtype for p in model.parameters()} == {p.grad.dtype for p in model.parameters()} == {place}
    assert all(p.is_leaf and p.requires_grad and p is q for p, q in zip(model.parameters(), before, strict=True))
    assert set(seen) == {(place, True), (place, False)} and data.X.dtype == torch.float32
    assert model.board.data["val_loss"][-1].y < 0.01
    assert re.fullmatch("[A-Z][^\n]*GPU[^\n]*CPU[^\n]*\\.\n" if wanted and not there else "", capsys.readouterr().out)
    batch = (torch.ones(2, 3), torch.zeros(2), torch.ones(1))  # moves as a whole
    assert [(part.dtype, part.shape) for part in trainer.prepare_batch(batch)] == [(place, part.shape) for part in batch]


# -- SGD and linear regression ------------------------------------------------------------------------

def test_sgd_is_what_pytorch_does():
    net, unused, X = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)), nn.Parameter(torch.ones(2)), torch.randn(6, 3)
    for model, SGD in (net, sl.SGD), (twin := copy.deepcopy(net), torch.optim.SGD):
        optimizer = SGD(iter([*model.parameters(), unused]), 0.3)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
        for _ in range(5):
            optimizer.zero_grad()
            model(X).square().mean().backward()
            optimizer.step(), schedule.step()
    assert all(torch.allclose(p, q, rtol=1e-6) for p, q in zip(net.parameters(), twin.parameters()))
    assert (unused == 1).all() and sl.SGD([unused], 0.5).param_groups == [{"params": [unused], "lr": 0.5}]


@pytest.mark.parametrize("make, factor", [(scratch, 0.5), (sl.LinearRegression, 1)])
def test_linear_regression(make, factor):
    model, X = make(0.1), torch.randn(4, 2)
    fit(model, sl.SyntheticRegressionData(true_w, true_b), 3)
    w, b = model.get_w_b() if factor == 1 else (model.w.detach().T, model.b.detach())
    assert w.shape == (1, 2) and b.shape == (1,) and not w.requires_grad and not b.requires_grad
    assert (w - true_w).abs().max() < 5e-3 and (b - true_b).abs() < 5e-3 and torch.allclose(model(X), X @ w.T + b)
    for y in torch.tensor([[0.0], [1.0]]), torch.tensor([0.0, 1.0]):  # a row of labels is no table of errors
        assert model.loss(torch.tensor([[1.0], [3.0]]), y).item() == 2.5 * factor
    optimizer = model.configure_optimizers()
    assert type(optimizer) is (torch.optim.SGD if factor == 1 else sl.SGD) and optimizer.param_groups[0]["lr"] == 0.1


def test_linear_regression_begins_small():
    w, b = sl.LinearRegressionScratch(1000, 0.2, sigma=3).parameters()
    assert w.shape == (1000, 1) and abs(w.std() / 3 - 1) < 0.12 and b.tolist() == [0]
    assert sl.LinearRegressionScratch(1000, 0.2).w.std() < 0.02


# -- Classifier ---------------------------------------------------------------------------------------

@some
@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(2, 6), st.integers(0, 2**31))
def test_a_classifier_measures_what_pytorch_does(shape, q, seed):
    """For scores (b, q), (b, t, q) and (b, s, t, q); labels may be soft, or not count."""
    torch.manual_seed(seed)
    Y_hat, soft = torch.randn(*shape, q, dtype=torch.float64), torch.rand(*shape, q, dtype=torch.float64).softmax(-1)
    Y, out = torch.randint(q, shape), torch.rand(shape) < 0.5
    out.view(-1)[0] = False
    flat, model = Y_hat.reshape(-1, q), Net()
    for labels, targets, counts in ((Y, F.one_hot(Y, q), ~out | True), (soft, soft, ~out | True),
                                    (Y.masked_fill(out, -100), F.one_hot(Y, q), ~out)):
        targets, counts = targets.reshape(-1, q), counts.flatten()
        losses = -(flat.log_softmax(1) * targets).sum(1) * counts
        assert torch.allclose(model.loss(Y_hat, labels, averaged=False), losses)
        assert torch.allclose(model.loss(Y_hat, labels), losses.sum() / counts.sum())
        right = (flat.argmax(1) == targets.argmax(1))[counts].float()
        assert torch.equal(model.accuracy(Y_hat, labels, averaged=False), right)
        assert torch.allclose(model.accuracy(Y_hat, labels), right.mean())


def test_a_classifier_validates_loss_and_accuracy():
    class Sum(Net):
        def forward(self, a, b):
            return self.net(a + b)

    val, model = [(torch.rand(n, 4), torch.rand(n, 4), torch.arange(n) % 3) for n in (5, 2)], Sum(lr=0)
    fit(model, Given(val, val), 2)
    assert set(model.board.data) == {"train_loss", "val_loss", "val_acc"}
    for curve, measure in ("val_loss", F.cross_entropy), ("val_acc", lambda Y_hat, Y: sl.accuracy(Y_hat, Y) / len(Y)):
        mean = sum(float(measure(model(*X).detach(), y)) for *X, y in val) / 2
        assert numbers(model.board, curve) == [(1, pytest.approx(mean)), (2, pytest.approx(mean))]


def test_a_classifier_learns_from_soft_labels_and_with_a_loss_of_ones_own():
    class Own(Net):
        def loss(self, y_hat, y):
            return (y_hat - y).square().sum(1)

    X = torch.rand(64, 4)
    for model, soft in (Net(lr=1), (3 * X[:, :3]).softmax(1)), (Own(lr=0.1), X[:, :3]):
        fit(model, Given([(X, soft)] * 50, [(X, soft)]), 4)
        assert model.board.data["val_acc"][-1].y > 0.9


def test_layer_summary(capsys):
    model, names = Net(), ["Flatten", "Linear", "BatchNorm1d", "Dropout"]
    model.net = nn.Sequential(nn.Flatten(), nn.LazyLinear(6), nn.BatchNorm1d(6), nn.Dropout(0.5)).double()
    for training in True, False:
        model.train(training), model.net[3].eval()
        model.layer_summary((1, 2, 2))
        assert capsys.readouterr().out.splitlines() == [
            f"{name} output shape: (1, {n})" for name, n in zip(names, (4, 6, 6, 6))]
        assert model.training == model.net[2].training == training and not model.net[3].training
    assert model.net[2].num_batches_tracked == 0
    model.net = nn.Linear(4, 3, device="meta")  # a single layer, somewhere else
    model.layer_summary((7, 4))
    assert capsys.readouterr().out == "Linear output shape: (7, 3)\n"


# -- Fashion-MNIST and softmax regression -------------------------------------------------------------

def test_fashion_mnist_as_a_data_module():
    """It serves the images of fashion_mnist: five sixths of the training images, the others, and the test images."""
    data = sl.FashionMNIST(batch_size=256)
    assert data.root == sl.fashion_mnist_root() and data.hparams == dict(batch_size=256, resize=(28, 28), num_workers=0)
    assert data.text_labels(range(10)) == LABELS == data.text_labels(torch.arange(10))
    images, labels = (torch.cat(parts) for parts in zip(sl.fashion_mnist(True), sl.fashion_mnist(False)))
    loaders = data.train_dataloader(), data.val_dataloader(), data.test_dataloader()
    for loader, dataset, start, end in zip(loaders, (data.train, data.val, data.test), (0, 50_000, 60_000), (50_000, 60_000, 70_000)):
        assert loader.dataset is dataset and len(dataset) == end - start and len(loader) == math.ceil(len(dataset) / 256)
        assert torch.equal(dataset.labels, labels[start:end])
        X, y = next(iter(loader))
        assert (X.shape, y.shape) == ((256, 1, 28, 28), (256,)) and torch.equal(dataset.labels[:256], y) == (start > 0)
        assert start == 0 or torch.allclose(X[:, 0], images[start:start + 256] / 255)
    data.num_workers = 2
    assert data.val_dataloader().num_workers == 2 and sl.FashionMNIST(resize=(14, 40)).val[0][0].shape == (1, 14, 40)


@pytest.mark.parametrize("n, grid, titles", [(5, (), []), (9, (), [f"image {i}" for i in range(9)]), (20, (2, 3), [])])
def test_visualize(n, grid, titles):
    X, y, size = torch.rand(n, 1, 4, 4), torch.arange(n) % 10, math.prod(grid or [8])  # by default in one row
    sl.FashionMNIST().visualize((X, y), *grid, labels=titles)
    axes, expected = sl.plt.gcf().axes, (titles or sl.get_fashion_mnist_labels(y))[:min(n, size)]
    assert all(np.array_equal(a, b) for a, b in zip(shown(axes), X[:size, 0], strict=True))
    assert [ax.get_title() for ax in axes] == expected + [""] * (size - len(expected))
    assert axes[0].get_subplotspec().get_gridspec().nrows == (grid or [1])[0]


def test_softmax_regression_from_scratch():
    """Probabilities without overflow, and the loss of the model with PyTorch's parts."""
    model, X, y = sl.SoftmaxRegressionScratch(6, 3, lr=0.2, sigma=1), 1000 * torch.randn(5, 1, 2, 3), torch.tensor([0, 2, 1, 1, 0])
    assert model.W.shape == (6, 3) and model.b.tolist() == [0, 0, 0] and model.lr == 0.2 and model.W.std() > 0.3
    for scale in 1, 1e-3:
        logits = (scale * X).flatten(1) @ model.W + model.b
        assert torch.allclose(model(scale * X), logits.softmax(1), atol=1e-6)
    assert model.loss(model(scale * X), y).item() == pytest.approx(F.cross_entropy(logits, y).item(), rel=1e-5)


@pytest.mark.parametrize("shape", [(3, 1, 28, 28), (3, 5)])
def test_softmax_regression(shape):
    model, X = sl.SoftmaxRegression(num_outputs=10, lr=0.3), torch.rand(shape)
    logits, (W, b) = model(X), model.parameters()
    assert isinstance(model, sl.Classifier) and (model.num_outputs, model.lr) == (10, 0.3)
    assert logits.shape == (3, 10) and torch.allclose(logits, F.linear(X.flatten(1), W, b))
