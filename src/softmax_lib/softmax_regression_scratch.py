"""What the section “Softmax regression from scratch” saves."""
# Made by `make sync` from book/en/softmax-regression-scratch.md; do not edit it here.

import torch
import softmax_lib as sl
import contextlib
import math
import warnings
import numpy as np
from torch import nn
from softmax_lib._display import LiveFigure

__all__ = ["correct", "accuracy", "Accumulator", "device_of", "evaluation", "evaluate_loss", "evaluate_accuracy", "train_epoch_ch3", "Animator", "train_ch3", "predict_ch3"]


# book/en/softmax-regression-scratch.md, cell 16
def correct(y_hat, y):
    """Which predictions are right: one truth value for each example.

    y_hat: scores (b, q), of which the largest counts, or classes (b,).
    y: labels (b,), from 0 to q - 1. Raises ValueError for anything else.
    Explained in “Softmax regression from scratch”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/softmax-regression-scratch.html
    """
    if y_hat.ndim == 2 and y_hat.shape[1] > 1:
        if not ((y >= 0) & (y < y_hat.shape[1])).all():
            raise ValueError(f'y must be from 0 to {y_hat.shape[1] - 1}')
        nan = y_hat.isnan().any(dim=1)
        y_hat = y_hat.argmax(dim=1).masked_fill(nan, -1)  # no class
    if y_hat.ndim != 1 or y_hat.shape != y.shape:
        raise ValueError('y_hat must be (b, q) with q > 1, or (b,); y (b,)')
    return y_hat == y


# book/en/softmax-regression-scratch.md, cell 17
def accuracy(y_hat, y):
    """The number of correct predictions, a float; see `correct`.

    Explained in “Softmax regression from scratch”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/softmax-regression-scratch.html
    """
    return float(correct(y_hat, y).sum())


# book/en/softmax-regression-scratch.md, cell 19
class Accumulator(list):
    """A list of n running sums, all 0.0 at the beginning.

    Explained in “Softmax regression from scratch”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/softmax-regression-scratch.html
    """
    def __init__(self, n):
        super().__init__([0.0] * n)

    def add(self, *args):
        """Add one number to each sum."""
        self[:] = [a + float(b) for a, b in zip(self, args, strict=True)]

    def reset(self):
        """Set all sums back to 0.0."""
        self[:] = [0.0] * len(self)


# book/en/softmax-regression-scratch.md, cell 20
def device_of(net):
    """The device of a module's parameters; None for a plain function.

    Explained in “Softmax regression from scratch”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/softmax-regression-scratch.html
    """
    params = net.parameters() if isinstance(net, nn.Module) else []
    return next((param.device for param in params), None)


# book/en/softmax-regression-scratch.md, cell 21
@contextlib.contextmanager
def evaluation(net):
    """A block in which net is in evaluation mode, without gradients.

    net: a function or an nn.Module. `with ... as` gives its device.
    Explained in “Softmax regression from scratch”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/softmax-regression-scratch.html
    """
    parts = net.modules() if isinstance(net, nn.Module) else []
    training = [part for part in parts if part.training]
    for part in training:
        part.training = False
    try:
        with torch.no_grad():
            yield device_of(net)
    finally:
        for part in training:
            part.training = True


# book/en/softmax-regression-scratch.md, cell 22
def evaluate_loss(net, data_iter, loss):
    """The mean loss per example of net on data_iter.

    net: a function or an nn.Module. data_iter: yields pairs of X and y.
    loss(y_hat, y): one loss per example, or their mean.
    Explained in “Softmax regression from scratch”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/softmax-regression-scratch.html
    """
    metric = Accumulator(2)  # sum of losses, examples
    with evaluation(net) as device:
        for X, y in data_iter:
            l = loss(net(X.to(device)), y.to(device))
            metric.add(l.sum() if l.ndim else l * len(y), len(y))
    if metric[1] == 0:
        raise ValueError('data_iter is empty: it gave no minibatch')
    return metric[0] / metric[1]


# book/en/softmax-regression-scratch.md, cell 23
def evaluate_accuracy(net, data_iter):
    """The fraction of correct predictions of net on data_iter.

    Explained in “Softmax regression from scratch”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/softmax-regression-scratch.html
    """
    return evaluate_loss(net, data_iter, correct)


# book/en/softmax-regression-scratch.md, cell 26
def train_epoch_ch3(net, train_iter, loss, updater):
    """Train for one epoch and return (mean loss, accuracy) over it.

    net, loss: as in `evaluate_loss`. train_iter: yields pairs of X and
    y, labels (b,) or floats; for floats the accuracy is nan.
    updater: a torch.optim.Optimizer, or a function of the batch size
    that moves the parameters by the gradient of the summed loss.
    Explained in “Softmax regression from scratch”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/softmax-regression-scratch.html
    """
    if isinstance(net, nn.Module):
        net.train()
    optimizer = getattr(updater, '__self__', updater)  # of optimizer.step
    device, metric = device_of(net), Accumulator(3)  # loss, right, examples
    for X, y in train_iter:
        X, y = X.to(device), y.to(device)
        y_hat = net(X)
        right = math.nan if y.is_floating_point() else accuracy(y_hat, y)
        l = loss(y_hat, y)
        total = l.sum() if l.ndim else l * len(y)
        if isinstance(optimizer, torch.optim.Optimizer):
            optimizer.zero_grad()
            (total / len(y)).backward()
            optimizer.step()
        else:
            total.backward()
            updater(len(y))
        metric.add(total.detach(), right, len(y))
    if metric[2] == 0:
        raise ValueError('train_iter is empty: it gave no minibatch')
    return metric[0] / metric[2], metric[1] / metric[2]


# book/en/softmax-regression-scratch.md, cell 27
class Animator:
    """Live curves: add points while a computation runs.

    In a notebook the figure is redrawn in place; elsewhere a line of
    text is printed whenever x is a whole number. The arguments are those
    of `plot`; figsize in inches. The points of curve i are X[i], Y[i].
    Explained in “Softmax regression from scratch”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/softmax-regression-scratch.html
    """
    def __init__(self, xlabel=None, ylabel=None, legend=None, xlim=None,
                 ylim=None, xscale='linear', yscale='linear',
                 fmts=('-', 'm--', 'g-.', 'r:'), nrows=1, ncols=1,
                 figsize=(3.5, 2.5)):
        sl.use_svg_display()
        self.live = LiveFigure(nrows, ncols, figsize)
        self.fig, self.axes = self.live.figure, self.live.axes
        self.xlabel, self.legend, self.X, self.Y = xlabel, legend, [], []
        self.style = (xlabel, ylabel, legend, xlim, ylim, xscale, yscale,
                      fmts, figsize, self.axes[0])

    def add(self, x, y):
        """Add a point to each curve.

        y: a number, or one per curve, None where a curve gets no point.
        x: a number for all of them, or one per curve.
        """
        y = y if np.iterable(y) else [y]
        x = x if np.iterable(x) else [x] * len(y)
        self.X, self.Y = self.X or [[] for _ in y], self.Y or [[] for _ in y]
        for xs, ys, a, b in zip(self.X, self.Y, x, y, strict=True):
            if a is not None and b is not None:
                xs.append(float(a))
                ys.append(float(b))
        sl.plot(self.X, self.Y, *self.style)
        self.live.show(self.text(x[0], y) if x[0] % 1 == 0 else '')

    def text(self, x, y):
        """The line for a point of each curve, 'epoch 1: train loss 0.6'."""
        named = zip(self.legend or [''] * len(y), y)
        return f'{self.xlabel or "x"} {x:g}:' + ''.join(
            f' {name} {a:.4f}' for name, a in named if a is not None)


# book/en/softmax-regression-scratch.md, cell 28
def train_ch3(net, train_iter, test_iter, loss, num_epochs, updater):
    """Train net for num_epochs epochs, with live curves.

    net, train_iter, loss, updater: as in `train_epoch_ch3`.
    Returns (train loss, train accuracy, test accuracy) of the last epoch.
    Warns and stops where the loss is not finite.
    Explained in “Softmax regression from scratch”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/softmax-regression-scratch.html
    """
    if num_epochs < 1:
        raise ValueError(f'num_epochs must be at least 1, not {num_epochs}')
    animator = Animator(xlabel='epoch', xlim=[1, max(num_epochs, 2)],
                        legend=['train loss', 'train acc', 'test acc'])
    for epoch in range(num_epochs):
        train_metrics = train_epoch_ch3(net, train_iter, loss, updater)
        test_acc = evaluate_accuracy(net, test_iter)
        animator.add(epoch + 1, (*train_metrics, test_acc))
        if not math.isfinite(train_metrics[0]):
            warnings.warn(f'the loss is {train_metrics[0]}: too large a '
                          'learning rate, or NaN in the data', stacklevel=2)
            break
    if isinstance(net, nn.Module):
        net.eval()
    return *train_metrics, test_acc


# book/en/softmax-regression-scratch.md, cell 32
def predict_ch3(net, test_iter, n=6, labels=None):
    """Show n images of the first minibatch with true and predicted labels.

    test_iter: yields pairs of images (b, 1 or 3, h, w) and labels (b,).
    labels: the names of the classes, by default those of Fashion-MNIST.
    Explained in “Softmax regression from scratch”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/softmax-regression-scratch.html
    """
    X, y = next(iter(test_iter))
    with evaluation(net) as device:
        y_hat = net(X.to(device)).argmax(dim=1)
    names = dict(enumerate(labels or sl.get_fashion_mnist_labels(range(10))))
    titles = [f'{names[true]}\n{names[pred]}'
              for true, pred in zip(y[:n].tolist(), y_hat.tolist())]
    sl.show_images(X[:n].squeeze(1), 1, n, titles=titles)
