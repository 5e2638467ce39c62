"""What the section “Softmax regression from scratch” saves."""
# Made by `make sync` from book/en/softmax-regression-scratch.md; do not edit it here.

import math
import operator
import warnings
import torch
from torch import nn
import softmax_lib as sl
from softmax_lib._display import LiveFigure


def accuracy(y_hat, y):
    """The number of correct predictions, as a float.

    y_hat: scores (b, q), of which the largest counts, or classes (b,).
    y: labels (b,), from 0 to q - 1.
    Raises ValueError for other shapes, a single column of scores among
    them, and for labels that are no class.
    Explained in “Softmax regression from scratch”.
    """
    scores = y_hat.ndim == 2 and y_hat.shape[1] > 1
    if not (scores or y_hat.ndim == 1) or y_hat.shape[:1] != y.shape:
        raise ValueError(f'y_hat must be (b, q) with q > 1, or (b,), and '
                         f'y (b,), not {tuple(y_hat.shape)} and '
                         f'{tuple(y.shape)}')
    if scores:
        if len(y) and not 0 <= y.min() <= y.max() < y_hat.shape[1]:
            raise ValueError(f'y must be from 0 to {y_hat.shape[1] - 1}, not '
                             f'from {y.min()} to {y.max()}')
        y_hat = y_hat.argmax(dim=1)
    return float((y_hat == y).sum())


class Accumulator:
    """n running sums, all 0.0 at the beginning.

    Explained in “Softmax regression from scratch”.
    """
    def __init__(self, n):
        self.data = [0.0] * n

    def add(self, *args):
        """Add a number to each sum. Raises ValueError for too few or many."""
        if len(args) != len(self.data):
            raise ValueError(f'add takes {len(self.data)} numbers, '
                             f'not {len(args)}')
        self.data = [a + float(b) for a, b in zip(self.data, args)]

    def reset(self):
        """Set all sums back to 0.0."""
        self.data = [0.0] * len(self.data)

    def __getitem__(self, idx):
        return self.data[idx]


def evaluate_accuracy(net, data_iter):
    """The fraction of correct predictions of net on data_iter.

    net: a function or an nn.Module, which is put into evaluation mode
    for the time being. data_iter: yields pairs of X and labels (b,).
    No gradients are recorded. Raises ValueError where data_iter is empty.
    Explained in “Softmax regression from scratch”.
    """
    is_module = isinstance(net, nn.Module)
    was_training = is_module and net.training
    if is_module:
        net.eval()
    metric = Accumulator(2)  # correct predictions, predictions
    try:
        with torch.no_grad():
            for X, y in data_iter:
                metric.add(accuracy(net(X), y), len(y))
    finally:
        if is_module:
            net.train(was_training)
    if metric[1] == 0:
        raise ValueError('data_iter is empty: it gave no minibatch')
    return metric[0] / metric[1]


def train_epoch_ch3(net, train_iter, loss, updater):
    """Train for one epoch and return (mean loss, accuracy) over it.

    net: a function or an nn.Module. train_iter: yields pairs X, y.
    loss(y_hat, y): one loss per example, or their mean.
    X: (b, ...). y: labels (b,). net(X): scores (b, q).
    updater: a torch.optim.Optimizer, or a function of the batch size
    that moves the parameters by the gradient of the summed loss.
    Raises ValueError where train_iter is empty.
    Explained in “Softmax regression from scratch”.
    """
    if isinstance(net, nn.Module):
        net.train()
    metric = Accumulator(3)  # sum of losses, correct predictions, examples
    for X, y in train_iter:
        y_hat = net(X)
        num_correct = accuracy(y_hat.detach(), y)
        l = loss(y_hat, y)
        total = l.sum() if l.ndim else l * len(y)
        if isinstance(updater, torch.optim.Optimizer):
            updater.zero_grad()
            (total / len(y)).backward()
            updater.step()
        else:
            total.backward()
            updater(len(y))
        metric.add(total.detach(), num_correct, len(y))
    if metric[2] == 0:
        raise ValueError('train_iter is empty: it gave no minibatch')
    return metric[0] / metric[2], metric[1] / metric[2]


class Animator:
    """Live curves: add points while a computation runs.

    In a notebook the figure is redrawn in place; elsewhere a line of
    text is printed whenever x is a whole number. Limits, scales and
    labels as in `plot`; fmts holds styles, used in turn; figsize is
    (width, height) in inches.
    Explained in “Softmax regression from scratch”.
    """
    def __init__(self, xlabel=None, ylabel=None, legend=None, xlim=None,
                 ylim=None, xscale='linear', yscale='linear',
                 fmts=('-', 'm--', 'g-.', 'r:'), nrows=1, ncols=1,
                 figsize=(3.5, 2.5)):
        sl.use_svg_display()
        self.live = LiveFigure(nrows, ncols, figsize)
        self.fig, self.axes = self.live.figure, self.live.axes
        self.xlabel, self.legend = xlabel, legend or []
        self.style = dict(xlabel=xlabel, ylabel=ylabel, legend=legend,
                          xlim=xlim, ylim=ylim, xscale=xscale,
                          yscale=yscale, fmts=fmts, axes=self.axes[0])
        self.curves = []

    def add(self, x, y):
        """Add a point to each curve.

        y: a number, or one per curve, None where a curve gets no point.
        x: a number for all of them, or one per curve. Raises ValueError
        where x and y do not match.
        """
        y = list(y) if getattr(y, 'ndim', hasattr(y, '__len__')) else [y]
        x = (list(x) if getattr(x, 'ndim', hasattr(x, '__len__'))
             else [x] * len(y))
        if len(x) != len(y):
            raise ValueError(f'x has {len(x)} numbers, y has {len(y)}')
        self.curves += [([], []) for _ in y[len(self.curves):]]
        line = f'{self.xlabel or "x"} {x[0]:g}:'
        for i, (a, b) in enumerate(zip(x, y)):
            if a is not None and b is not None:
                self.curves[i][0].append(float(a))
                self.curves[i][1].append(float(b))
                name = self.legend[i] if i < len(self.legend) else f'y{i}'
                line += f' {name} {float(b):.4f}'
        sl.plot(*zip(*self.curves), **self.style)
        self.live.show(line if float(x[0]).is_integer() else '')


def train_ch3(net, train_iter, test_iter, loss, num_epochs, updater):
    """Train net for num_epochs epochs, with live curves.

    net, train_iter, loss, updater: as in `train_epoch_ch3`.
    Returns (train loss, train accuracy, test accuracy) of the last epoch.
    Warns where the loss is not finite. Raises ValueError where num_epochs
    is below 1 or one of the iterators is empty.
    Explained in “Softmax regression from scratch”.
    """
    if num_epochs < 1:
        raise ValueError(f'num_epochs must be at least 1, not {num_epochs}')
    for name, data in ('train_iter', train_iter), ('test_iter', test_iter):
        if operator.length_hint(data, 1) == 0:  # 1 where there is no length
            raise ValueError(f'{name} is empty: it gives no minibatch')
    animator = Animator(xlabel='epoch', xlim=[1, max(num_epochs, 2)],
                        legend=['train loss', 'train acc', 'test acc'])
    for epoch in range(num_epochs):
        train_metrics = train_epoch_ch3(net, train_iter, loss, updater)
        test_acc = evaluate_accuracy(net, test_iter)
        animator.add(epoch + 1, (*train_metrics, test_acc))
        if not math.isfinite(train_metrics[0]):
            warnings.warn(f'the training loss is {train_metrics[0]}: try a '
                          'smaller learning rate', stacklevel=2)
    return *train_metrics, test_acc


def predict_ch3(net, test_iter, n=6):
    """Show n images of the first minibatch with true and predicted labels.

    test_iter: yields pairs of images (b, 1, h, w) and labels (b,).
    Raises ValueError where n is not between 1 and b.
    Explained in “Softmax regression from scratch”.
    """
    for X, y in test_iter:
        break
    else:
        raise ValueError('test_iter is empty: it gave no minibatch')
    if not 1 <= n <= len(y):
        raise ValueError(f'n must be from 1 to {len(y)}, not {n}')
    was_training = isinstance(net, nn.Module) and net.training
    if was_training:
        net.eval()
    with torch.no_grad():
        y_hat = net(X).argmax(dim=1)
    if was_training:
        net.train()
    trues = sl.get_fashion_mnist_labels(y[:n])
    preds = sl.get_fashion_mnist_labels(y_hat[:n])
    titles = [f'{true}\n{pred}' for true, pred in zip(trues, preds)]
    sl.show_images(X[:n].squeeze(1), 1, n, titles=titles)


class Classifier(sl.Module):
    """A Module for classification: cross-entropy loss, and accuracy.

    forward(X) must return logits, (b, q) or (..., q), or scores that an
    overridden loss understands; labels are (b,) or (...), whole numbers
    from 0 to q - 1.
    Explained in “Softmax regression from scratch”.
    """
    def validation_step(self, batch):
        """Plot loss and accuracy on a minibatch of the validation data."""
        Y_hat = self(*batch[:-1])
        self.plot('loss', self.loss(Y_hat, batch[-1]), train=False)
        self.plot('acc', self.accuracy(Y_hat, batch[-1]), train=False)

    def accuracy(self, Y_hat, Y, averaged=True):
        """The fraction of correct predictions, a tensor.

        Y_hat: (b, q) or (..., q). Y: (b,) or (...). averaged=False: 1.0
        or 0.0 for each label, (n,). Raises ValueError as the function
        `accuracy` does.
        """
        if Y_hat.shape[:-1] != Y.shape:
            raise ValueError(f'Y_hat {tuple(Y_hat.shape)} must have one axis '
                             f'more than Y {tuple(Y.shape)}')
        Y_hat, Y = Y_hat.reshape(-1, Y_hat.shape[-1]), Y.reshape(-1)
        accuracy(Y_hat, Y)  # complains about what does not fit
        correct = (Y_hat.argmax(dim=1) == Y).float()
        return correct.mean() if averaged else correct

    def loss(self, Y_hat, Y, averaged=True):
        """The mean cross-entropy of logits Y_hat and labels Y.

        Y_hat: (b, q) or (..., q). Y: (b,) or (...). averaged=False: the
        loss of each label, (n,). Raises ValueError where their numbers
        differ or a label is no class.
        """
        q = Y_hat.shape[-1]
        if Y_hat.shape[:-1] != Y.shape:
            raise ValueError(f'Y_hat {tuple(Y_hat.shape)} must have one axis '
                             f'more than Y {tuple(Y.shape)}')
        if len(Y) and not 0 <= Y.min() <= Y.max() < q:
            raise ValueError(f'Y must be from 0 to {q - 1}, not from '
                             f'{Y.min()} to {Y.max()}')
        Y_hat, Y = Y_hat.reshape(-1, q), Y.reshape(-1)
        return nn.functional.cross_entropy(
            Y_hat, Y, reduction='mean' if averaged else 'none')

    def layer_summary(self, X_shape):
        """Print the shape of the output of each layer of self.net.

        X_shape: the shape of a minibatch, (b, ...).
        """
        layers = (self.net if isinstance(self.net, nn.Sequential)
                  else [self.net])
        like = next(iter(self.parameters()), torch.zeros(1))
        X = torch.zeros(*X_shape, device=like.device, dtype=like.dtype)
        was_training = self.training
        self.eval()
        try:
            with torch.no_grad():
                for layer in layers:
                    X = layer(X)
                    print(f'{type(layer).__name__} output shape:',
                          tuple(X.shape))
        finally:
            self.train(was_training)
