"""Numerical truth: what is computed is what the formulas say, in float64.

Softmax and cross-entropy are those of the book's cells, taken from its notebooks; the rest is the library's.
"""
import ast
import functools
import math
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager
from torch import nn
from torch.nn import functional as F

import softmax_lib as sl

pytestmark = pytest.mark.usefixtures("afresh")
some = settings(max_examples=40, deadline=None, derandomize=True, database=None)


@functools.cache
def book(page):
    """The functions that the cells of an English page define and do not save, executed from its notebook."""
    names = {"torch": torch, "nn": nn, "F": F, "sl": sl}
    for cell in nbformat.read(Path(__file__).parents[1] / f"book/en/{page}.ipynb", 4).cells:
        if cell.cell_type == "code" and not cell.source.startswith("#@save"):
            tree = ast.parse(TransformerManager().transform_cell(cell.source))
            tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
            assert not {node.name for node in tree.body} & set(names), f"{page} defines a function twice"
            exec(compile(tree, page, "exec"), names)
    return SimpleNamespace(**names)


scratch, concise = book("softmax-regression-scratch"), book("softmax-regression-concise")


@st.composite
def scores(draw, largest, q=st.integers(1, 12)):
    """Logits, float64 (b, q), none beyond ±largest, and labels (b,)."""
    b, q = draw(st.integers(1, 8)), draw(q)
    rows = draw(st.lists(st.lists(st.floats(-largest, largest), min_size=q, max_size=q), min_size=b, max_size=b))
    y = draw(st.lists(st.integers(0, q - 1), min_size=b, max_size=b))
    return torch.tensor(rows, dtype=torch.float64), torch.tensor(y)


def same(mine, theirs, rtol=1e-12, atol=1e-12):
    torch.testing.assert_close(mine, theirs, rtol=rtol, atol=atol)
    return True


def truth(O, y):
    """The cross-entropy of each example by Python's own arithmetic."""
    tops = [max(row) for row in O.tolist()]
    return torch.tensor([top - row[label] + math.log(math.fsum(math.exp(o - top) for o in row))
                         for row, label, top in zip(O.tolist(), y.tolist(), tops)], dtype=torch.float64)


# -- softmax and cross-entropy, in the book and in the library --------------------------------------------

LOSSES = {
    "cross_entropy": lambda O, y: scratch.cross_entropy(scratch.softmax(O), y),
    "cross_entropy, stable": lambda O, y: scratch.cross_entropy(scratch.stable_softmax(O), y),
    "cross_entropy_full": lambda O, y: scratch.cross_entropy_full(scratch.softmax(O), y),
    "naive": lambda O, y: concise.naive(O, y),
    "shifted": lambda O, y: concise.shifted(O, y),
    "log_softmax": lambda O, y: -scratch.log_softmax(O)[range(len(y)), y],
    "fused": lambda O, y: concise.fused(O, y),
    "Classifier": lambda O, y: sl.Classifier().loss(O, y, averaged=False),
}
STABLE = ["log_softmax", "fused", "Classifier"]  # whatever the logits


@pytest.mark.parametrize("softmax, largest", [("softmax", 300), ("stable_softmax", 1e300)])
@some
@given(st.data())
def test_softmax(softmax, largest, data):
    O, _ = data.draw(scores(largest))
    probs = getattr(scratch, softmax)(O)
    assert same(probs, torch.softmax(O, dim=1)) and same(probs.sum(1), torch.ones(len(O), dtype=torch.float64))


@pytest.mark.parametrize("name, largest", [(name, 300) for name in LOSSES] + [(name, 1e300) for name in STABLE])
@some
@given(st.data())
def test_cross_entropy_and_its_gradient(name, largest, data):
    O, y = data.draw(scores(largest))
    loss, exact = LOSSES[name](O.requires_grad_(), y), truth(O, y)
    assert same(loss, exact)
    if name in STABLE or "stable" not in name and O.abs().max() < 30:  # rounded to 0, a probability has no gradient
        loss.sum().backward()
        assert same(O.grad, torch.softmax(O.detach(), 1) - F.one_hot(y, O.shape[1]))


def test_where_float32_ends():
    """Up to where each of the three ways can be used, as the text says: 88, 103, and everywhere."""
    s = torch.arange(1, 151, dtype=torch.float64)
    O, y = torch.stack([torch.zeros_like(s), s], dim=1), torch.zeros(150, dtype=torch.int64)
    exact = truth(O, y)
    for loss, last in (concise.naive, 88), (concise.shifted, 103), (concise.fused, 150):
        error = (loss(O.float(), y) - exact).abs() / exact
        assert torch.equal(error.isfinite(), s <= last) and error[:87].max() < 1e-6
    assert error.max() < 1e-6
    for shift, fine in (50, True), (100, False), (-110, False):
        probs = scratch.softmax(torch.tensor([[0.0, 1.0, 2.0]]) + shift)
        assert probs.isfinite().all() == fine == torch.allclose(probs, torch.tensor([0.0, 1.0, 2.0]).softmax(0))


# -- training loops ---------------------------------------------------------------------------------------

def regression():
    return sl.SyntheticRegressionData(torch.tensor([2, -3.4]), 4.2, num_train=100, num_val=50, batch_size=16)


class PerExample(sl.LinearRegressionScratch):
    """Its loss is one number per example; the trainer takes the mean."""
    loss = staticmethod(sl.squared_loss)


@pytest.mark.parametrize("make, factor", [
    (lambda: sl.LinearRegressionScratch(2, lr=0.1), 0.5), (lambda: PerExample(2, lr=0.1), 0.5),
    (lambda: sl.LinearRegression(lr=0.1), 1)])
def test_the_trainers_loop_is_the_plain_loop(make, factor):
    def loss(y_hat, y):
        return factor * F.mse_loss(y_hat, y)

    torch.manual_seed(5)
    model, data = make(), regression()
    sl.Trainer(max_epochs=4).fit(model, data)
    torch.manual_seed(5)
    plain, data = make(), regression()
    for epoch in range(4):
        for X, y in data.train_dataloader():
            for p, grad in zip(plain.parameters(), torch.autograd.grad(loss(plain(X), y), list(plain.parameters()))):
                p.data -= 0.1 * grad
        losses = [loss(plain(X), y).item() for X, y in data.val_dataloader()]
        assert model.board.data["val_loss"][epoch].y == pytest.approx(sum(losses) / len(losses), rel=1e-4)
    assert all(same(a, b, rtol=1e-5, atol=1e-6) for a, b in zip(model.parameters(), plain.parameters(), strict=True))
