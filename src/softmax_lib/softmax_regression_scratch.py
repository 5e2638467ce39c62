"""What the section “Softmax regression from scratch” saves."""
# Made by `make sync` from book/en/softmax-regression-scratch.md; do not edit it here.

import contextlib
import math
import operator
import warnings
import torch
from torch import nn
import softmax_lib as sl
from softmax_lib._display import LiveFigure

__all__ = ["accuracy", "Accumulator", "device_of", "evaluation", "evaluate_accuracy", "evaluate_loss", "train_epoch_ch3", "Animator", "train_ch3", "predict_ch3", "Classifier"]


# book/en/softmax-regression-scratch.md, cell 12
def accuracy(y_hat, y):
    """The number of correct predictions, as a float.

    y_hat: scores (b, q), of which the largest counts, or classes (b,);
    scores with a NaN among them are wrong. y: labels (b,), 0 to q - 1.
    Raises ValueError for other shapes, a single column of scores among
    them, and for labels that are no class.
    Explained in “Softmax regression from scratch”.
    Explained in “Softmax regression from scratch”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/softmax-regression-scratch.html
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
        nan = y_hat.isnan().any(dim=1)
        y_hat = y_hat.argmax(dim=1).masked_fill(nan, -1)  # no class
    return float((y_hat == y).sum())


# book/en/softmax-regression-scratch.md, cell 14
class Accumulator:
    """n running sums, all 0.0 at the beginning.

    Explained in “Softmax regression from scratch”.
    Explained in “Softmax regression from scratch”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/softmax-regression-scratch.html
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


# book/en/softmax-regression-scratch.md, cell 15
def device_of(net):
    """The device of a module's parameters; None for a plain function.

    Explained in “Softmax regression from scratch”.
    Explained in “Softmax regression from scratch”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/softmax-regression-scratch.html
    """
    params = net.parameters() if isinstance(net, nn.Module) else []
    return next((param.device for param in params), None)


@contextlib.contextmanager
def evaluation(net):
    """A block in which net is in evaluation mode, without gradients.

    net: a function or an nn.Module, each part of which is afterwards in
    the mode in which it was. `with ... as` gives the net's device.
    Explained in “Softmax regression from scratch”.
    Explained in “Softmax regression from scratch”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/softmax-regression-scratch.html
    """
    is_module = isinstance(net, nn.Module)
    parts = list(net.modules()) if is_module else []
    modes = [part.training for part in parts]
    try:
        if is_module:
            net.eval()
        with torch.no_grad():
            yield device_of(net)
    finally:
        for part, mode in zip(parts, modes):
            part.training = mode


# book/en/softmax-regression-scratch.md, cell 16
def evaluate_accuracy(net, data_iter):
    """The fraction of correct predictions of net on data_iter.

    net: a function or an nn.Module, see `evaluation`. data_iter: yields
    pairs of X and labels (b,). Raises ValueError where it is empty.
    Explained in “Softmax regression from scratch”.
    Explained in “Softmax regression from scratch”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/softmax-regression-scratch.html
    """
    metric = Accumulator(2)  # correct predictions, predictions
    with evaluation(net) as device:
        for X, y in data_iter:
            metric.add(accuracy(net(X.to(device)), y.to(device)), len(y))
    if metric[1] == 0:
        raise ValueError('data_iter is empty: it gave no minibatch')
    return metric[0] / metric[1]


def evaluate_loss(net, data_iter, loss):
    """The mean loss per example of net on data_iter.

    loss(y_hat, y): one loss per example, or their mean. Otherwise as
    `evaluate_accuracy`. Explained in “Softmax regression from scratch”.
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


# book/en/softmax-regression-scratch.md, cell 19
def train_epoch_ch3(net, train_iter, loss, updater):
    """Train for one epoch and return (mean loss, accuracy) over it.

    net: a function or an nn.Module. train_iter: yields pairs X, y.
    loss(y_hat, y): one loss per example, or their mean.
    X: (b, ...). y: labels (b,), and net(X): scores (b, q); or y: floats
    to be predicted, and then the accuracy is nan.
    updater: a torch.optim.Optimizer, or a function of the batch size
    that moves the parameters by the gradient of the summed loss.
    Raises ValueError where train_iter is empty, TypeError where net is
    a class. Explained in “Softmax regression from scratch”.
    Explained in “Softmax regression from scratch”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/softmax-regression-scratch.html
    """
    if isinstance(net, type):
        raise TypeError(f'net must be a model, not a class: {net.__name__}()')
    if isinstance(net, nn.Module):
        net.train()
    optimizer = getattr(updater, '__self__', updater)  # of optimizer.step
    device = device_of(net)
    metric = Accumulator(3)  # sum of losses, correct predictions, examples
    for X, y in train_iter:
        X, y = X.to(device), y.to(device)
        y_hat = net(X)
        num_correct = (math.nan if y.is_floating_point()
                       else accuracy(y_hat.detach(), y))
        l = loss(y_hat, y)
        total = l.sum() if l.ndim else l * len(y)
        if isinstance(optimizer, torch.optim.Optimizer):
            optimizer.zero_grad()
            (total / len(y)).backward()
            optimizer.step()
        else:
            total.backward()
            updater(len(y))
        metric.add(total.detach(), num_correct, len(y))
    if metric[2] == 0:
        raise ValueError('train_iter is empty: it gave no minibatch')
    return metric[0] / metric[2], metric[1] / metric[2]


# book/en/softmax-regression-scratch.md, cell 20
class Animator:
    """Live curves: add points while a computation runs.

    In a notebook the figure is redrawn in place; elsewhere a line of
    text is printed whenever x is a whole number. Limits, scales and
    labels as in `plot`; fmts holds styles, used in turn; figsize is
    (width, height) in inches. The points stand in the lists X[i] and Y[i]
    of curve i.
    Explained in “Softmax regression from scratch”.
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
        self.xlabel, self.legend = xlabel, legend or []
        self.style = dict(xlabel=xlabel, ylabel=ylabel, legend=legend,
                          xlim=xlim, ylim=ylim, xscale=xscale,
                          yscale=yscale, fmts=fmts, axes=self.axes[0])
        self.X, self.Y = [], []

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
        for curves in (self.X, self.Y):
            curves += [[] for _ in y[len(curves):]]
        line = f'{self.xlabel or "x"} {x[0]:g}:'
        for i, (a, b) in enumerate(zip(x, y)):
            if a is not None and b is not None:
                self.X[i].append(float(a))
                self.Y[i].append(float(b))
                name = self.legend[i] if i < len(self.legend) else f'y{i}'
                line += f' {name} {float(b):.4f}'
        sl.plot(self.X, self.Y, **self.style)
        self.live.show(line if float(x[0]).is_integer() else '')


# book/en/softmax-regression-scratch.md, cell 21
def train_ch3(net, train_iter, test_iter, loss, num_epochs, updater):
    """Train net for num_epochs epochs, with live curves.

    net, train_iter, loss, updater: as in `train_epoch_ch3`.
    Returns (train loss, train accuracy, test accuracy) of the last epoch;
    then a module is in evaluation mode. Where the loss is not finite,
    training stops with a warning. Raises ValueError where num_epochs is
    below 1 or one of the iterators is empty.
    Explained in “Softmax regression from scratch”.
    Explained in “Softmax regression from scratch”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/softmax-regression-scratch.html
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
            warnings.warn(f'the training loss is {train_metrics[0]}: the '
                          'learning rate is too large, or the data hold NaN',
                          stacklevel=2)
            break
    if isinstance(net, nn.Module):
        net.eval()
    return *train_metrics, test_acc


# book/en/softmax-regression-scratch.md, cell 25
def predict_ch3(net, test_iter, n=6, labels=None):
    """Show n images of the first minibatch with true and predicted labels.

    test_iter: yields pairs of images (b, 1 or 3, h, w) and labels (b,).
    labels: the names of the classes, by default those of Fashion-MNIST.
    Raises ValueError where n is not between 1 and b.
    Explained in “Softmax regression from scratch”.
    Explained in “Softmax regression from scratch”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/softmax-regression-scratch.html
    """
    for X, y in test_iter:
        break
    else:
        raise ValueError('test_iter is empty: it gave no minibatch')
    if not 1 <= n <= len(y):
        raise ValueError(f'n must be from 1 to {len(y)}, not {n}')
    with evaluation(net) as device:
        y_hat = net(X.to(device)).argmax(dim=1)
    if labels is None:
        labels = sl.get_fashion_mnist_labels(range(10))
    names = dict(enumerate(labels))
    titles = [f'{names[true]}\n{names[pred]}'
              for true, pred in zip(y[:n].tolist(), y_hat[:n].tolist())]
    sl.show_images(X[:n].squeeze(1), 1, n, titles=titles)


# book/en/softmax-regression-scratch.md, cell 30
class Classifier(sl.Module):
    """A Module for classification: cross-entropy loss, and accuracy.

    forward(X) must return logits, (b, q) or (..., q), or scores that an
    overridden loss understands. Labels are (b,) or (...), whole numbers
    from 0 to q - 1, or -100 where there is none; or, shaped like the
    logits, soft labels: probabilities.
    Explained in “Softmax regression from scratch”.
    Explained in “Softmax regression from scratch”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/softmax-regression-scratch.html
    """
    def validation_step(self, batch):
        """Plot loss and accuracy on a minibatch of the validation data."""
        Y_hat = self(*batch[:-1])
        self.plot('loss', self.loss(Y_hat, batch[-1]), train=False)
        self.plot('acc', self.accuracy(Y_hat, batch[-1]), train=False)

    def accuracy(self, Y_hat, Y, averaged=True):
        """The fraction of correct predictions, a tensor.

        Y_hat: (b, q) or (..., q) with q > 1. Y: labels as above; a soft
        one stands for its largest entry, one of -100 does not count.
        averaged=False: 1.0 or 0.0 for each label that counts, (n,).
        Raises ValueError for other shapes.
        """
        if Y.shape == Y_hat.shape:
            Y = Y.argmax(dim=-1)
        if Y.shape != Y_hat.shape[:-1] or Y_hat.shape[-1] < 2:
            raise ValueError('Y_hat must be (..., q) with q > 1, and Y (...) '
                             f'or (..., q), not {tuple(Y_hat.shape)} and '
                             f'{tuple(Y.shape)}')
        nan = Y_hat.isnan().any(dim=-1)
        correct = (Y_hat.argmax(dim=-1) == Y) & ~nan
        correct = correct[Y != -100].float()
        return correct.mean() if averaged else correct

    def loss(self, Y_hat, Y, averaged=True):
        """The mean cross-entropy of logits Y_hat and labels Y.

        Y_hat: (b, q) or (..., q). Y: labels as above. averaged=False: the
        loss of each label, (n,), 0 where there is none.
        """
        if Y.shape == Y_hat.shape:
            Y = Y.movedim(-1, 1)  # PyTorch wants the classes on axis 1
        losses = nn.functional.cross_entropy(
            Y_hat.movedim(-1, 1), Y, reduction='mean' if averaged else 'none')
        return losses if averaged else losses.reshape(-1)

    def layer_summary(self, X_shape):
        """Print the shape of the output of each layer of self.net.

        X_shape: the shape of a minibatch, (b, ...).
        """
        layers = (self.net if isinstance(self.net, nn.Sequential)
                  else [self.net])
        like = next(iter(self.parameters()), torch.zeros(1))
        X = torch.zeros(*X_shape, device=like.device, dtype=like.dtype)
        with evaluation(self):
            for layer in layers:
                X = layer(X)
                print(f'{type(layer).__name__} output shape:', tuple(X.shape))
