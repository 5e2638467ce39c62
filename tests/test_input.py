"""Bad input, generated: a number that comes out is the one of a plain formula, else an error says why; nothing else changes.

Two thousand calls: whatever comes to hand for every name and method of signatures.txt, and the losses and counts
against NumPy, for tensors of all shapes and kinds of numbers.
"""
import functools
import inspect
import random
import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import softmax_lib as sl

pytestmark = pytest.mark.usefixtures("afresh")
NAMES = re.findall(r"^[\w.]+", Path(__file__).with_name("signatures.txt").read_text(), re.MULTILINE)
SELF = {"Timer": [], "Accumulator": [2], "Animator": [], "HyperParameters": [], "ProgressBoard": [], "Module": [], "DataModule": [],
        "Trainer": [1], "FashionMNIST": [8], "Classifier": []}
ANYTHING = [
    lambda: None, lambda: -1, lambda: 0, lambda: 2, lambda: 2.5, lambda: float("nan"), lambda: float("inf"), lambda: True, lambda: "two",
    lambda: [], lambda: [1, 2], lambda: iter([1, 2]), lambda: {"a": 1}, lambda: (3, 2), lambda: torch.rand(3, 2), lambda: torch.arange(3),
    lambda: torch.zeros(0, 2), lambda: np.ones(3), lambda: torch.tensor(2), lambda: torch.full((3, 4), torch.nan), lambda: slice(2),
    lambda: nn.Linear(2, 4).eval(), lambda: nn.CrossEntropyLoss(), lambda: len, lambda: [torch.rand(3, 3)],
]  # fmt: skip
NETS = [lambda: nn.Linear(2, 4), lambda: nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 1)), lambda: sl.SoftmaxRegression(4, 0.1)]
DATA = [lambda: [(torch.rand(3, 2), torch.arange(3))], lambda: iter([(torch.rand(3, 2), torch.arange(3))])]
LIKELY = {"net": NETS, "model": NETS} | dict.fromkeys(["data_iter", "train_iter", "test_iter", "batch"], DATA)


def around():
    """What a call may not change."""
    rc = {key: str(value) for key, value in matplotlib.rcParams.items() if key != "figure.figsize"}
    return torch.get_default_dtype(), torch.is_grad_enabled(), np.random.get_state()[1].tolist(), random.getstate(), rc


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=33, deadline=2000, derandomize=True, database=None)
@given(st.data())
def test_anything_for_any_argument(name, data):
    few = torch.randint(256, (12, 28, 28), dtype=torch.uint8), torch.arange(12) % 10
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sl, "fashion_mnist", lambda train: few)
        holder, dot, _ = name.partition(".")
        thing, me = functools.reduce(getattr, name.split("."), sl), [getattr(sl, holder)(*SELF[holder])] if dot else []
        wanted = [p for p in inspect.signature(thing).parameters if p != "self"]
        given_ones = [data.draw(st.sampled_from(ANYTHING + NETS + DATA + 9 * LIKELY.get(p, [])))() for p in wanted]
        modes = [(part, part.training) for one in given_ones if isinstance(one, nn.Module) for part in one.modules()]
        before = around()
        try:
            thing(*me, *given_ones)
        except Exception as error:
            assert str(error) or isinstance(error, ZeroDivisionError | StopIteration), repr(error)
        assert around() == before
        assert "train" in name or all(part.training == mode for part, mode in modes)
    sl.plt.close("all")


def cross_entropy(P, y):
    return -np.log(P[range(len(P)), y.astype(int)]).mean()


def count(S, y):
    return sum(row.argmax() == label for row, label in zip(S, y))


def squares(a, y):
    return ((a.ravel() - y.ravel()) ** 2 / 2).reshape(a.shape)


LABELS = lambda a, y: a.ndim == 2 and y.shape == a.shape[:1] and ((y >= 0) & (y < a.shape[1])).all()  # noqa: E731
FORMULAS = {  # the call, the formula, and what has such a number
    "accuracy": (sl.accuracy, count, LABELS),
    "correct": (lambda a, y: sl.correct(a, y).sum(), count, LABELS),
    "squared_loss": (sl.squared_loss, squares, lambda a, y: a.size == y.size),
    "LinearRegression": (lambda a, y: sl.LinearRegression(1).loss(a, y), lambda a, y: 2 * squares(a, y).mean(), lambda a, y: a.size == y.size),
    "LinearRegressionScratch": (lambda a, y: sl.LinearRegressionScratch(2, 1).loss(a, y), lambda a, y: squares(a, y).mean(), lambda a, y: a.size == y.size),
    "SoftmaxRegressionScratch": (lambda a, y: sl.SoftmaxRegressionScratch(2, 4, 1).loss(a, y), cross_entropy, LABELS),
    "its forward": (lambda a, y: sl.SoftmaxRegressionScratch(3, 4, 1, sigma=0)(a).sum(), lambda a, y: len(a), lambda a, y: a[:1].size == 3),
    "SoftmaxRegression": (lambda a, y: sl.SoftmaxRegression(4, 1).loss(a.log(), y), lambda a, y: cross_entropy(a / a.sum(1, keepdims=True), y), LABELS),
    "its accuracy": (lambda a, y: sl.SoftmaxRegression(4, 1).accuracy(a, y) * len(y), count, LABELS),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(
    shape=st.sampled_from([(3, 4), (1, 4), (3, 1), (1, 1), (3, 2), (3, 3), (3, 2, 3), (6, 1)]),
    labels=st.sampled_from([(3,), (1,), (3, 1), (1, 3), (6,), (2,), ()]), lowest=st.sampled_from([-1, 0]), highest=st.integers(0, 5),
    kind=st.sampled_from([torch.int64, torch.int64, torch.int32, torch.uint8, torch.float32]), seed=st.integers(0, 99),
)  # fmt: skip
def test_a_number_is_the_right_one(name, shape, labels, lowest, highest, kind, seed):
    call, formula, stands = FORMULAS[name]
    torch.manual_seed(seed)
    a, y = torch.rand(shape) / 2, torch.randint(lowest, highest + 1, labels).to(kind)
    A, Y = a.double().numpy(), y.double().numpy()
    try:
        found = call(a, y)
    except Exception as error:
        assert str(error)
    else:
        assert stands(A, Y), f"{found} came out for what has no such number"
        assert np.allclose(torch.as_tensor(found).detach().double(), formula(A, Y), rtol=1e-5)
