"""What the section “A small training framework” saves."""
# Made by `make sync` from book/en/training-framework.md; do not edit it here.

import collections
import functools
import inspect
import math
import warnings
import torch
from torch import nn
import softmax_lib as sl
from softmax_lib._display import LiveFigure, in_notebook

__all__ = ["add_to_class", "HyperParameters", "Point", "ProgressBoard", "Module", "DataModule", "SyntheticRegressionData", "Trainer", "SGD", "LinearRegressionScratch", "LinearRegression", "cpu", "gpu", "num_gpus", "FashionMNIST", "Classifier", "SoftmaxRegressionScratch", "SoftmaxRegression"]


# book/en/training-framework.md, cell 6
def add_to_class(Class):
    """A decorator that makes the function below it a method of Class.

    Objects made before have the method too; one of the same name is
    replaced.
    Explained in “A small training framework”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/training-framework.html
    """
    def register(function):
        setattr(Class, function.__name__, function)
        return function
    return register


# book/en/training-framework.md, cell 8
class HyperParameters:
    """A class whose constructor keeps its arguments in one line.

    Explained in “A small training framework”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/training-framework.html
    """
    def save_hyperparameters(self, ignore=[]):
        """Keep the arguments of the calling method as attributes.

        They stand in the dictionary hparams too, beside those that a
        parent's constructor has kept. Left out are the names in the list
        ignore, and those that begin with an underscore.
        """
        names, varargs, keywords, values = inspect.getargvalues(
            inspect.currentframe().f_back)
        self.hparams = dict(getattr(self, 'hparams', {}))
        for name in [*names[1:], varargs, keywords]:  # all but self
            if name in values and name not in ignore and name[0] != '_':
                self.hparams[name] = values[name]
                setattr(self, name, values[name])


# book/en/training-framework.md, cell 10
Point = collections.namedtuple('Point', ['x', 'y'])


class ProgressBoard(HyperParameters):
    """Curves, each with a name, that are redrawn as points are added.

    Labels, limits and scales as in `plot`, and they may be changed at
    any time; ls and colors: the curves' styles, used in turn; axes or
    fig: where to draw, by default a new figure of size figsize, in
    inches; display=False collects points in silence. The points of a
    curve stand in data[label], a list of Point(x, y).
    Explained in “A small training framework”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/training-framework.html
    """
    def __init__(self, xlabel=None, ylabel=None, xlim=None, ylim=None,
                 xscale='linear', yscale='linear',
                 ls=['-', '--', '-.', ':'], colors=['C0', 'C1', 'C2', 'C3'],
                 fig=None, axes=None, figsize=(3.5, 2.5), display=True):
        self.save_hyperparameters()
        self.ls, self.colors = list(ls), list(colors)  # not shared
        self.reset()

    def reset(self):
        """Forget all points; what is drawn next begins a new figure."""
        self.data, self.waiting, self.live = {}, {}, None

    def draw(self, x, y, label, every_n=1):
        """Add a point to a curve: every every_n-th call, the mean of them."""
        points = self.waiting.setdefault(label, [])
        points.append((float(x), float(y)))
        if len(points) >= every_n:
            mean = Point(*(sum(z) / len(z) for z in zip(*points)))
            self.data.setdefault(label, []).append(mean)
            points.clear()
            if self.display:
                self.redraw()


# book/en/training-framework.md, cell 11
@add_to_class(ProgressBoard)
def redraw(self):
    """Draw all curves as they are now."""
    if self.live is None:
        sl.use_svg_display()
        axes = self.axes or (self.fig and self.fig.gca())
        self.live = LiveFigure(figsize=self.figsize, axes=axes)
    axes = self.live.axes[0]
    axes.cla()
    for i, points in enumerate(self.data.values()):
        axes.plot(*zip(*points), linestyle=self.ls[i % len(self.ls)],
                  color=self.colors[i % len(self.colors)])
    sl.set_axes(axes, self.xlabel, self.ylabel, self.xlim, self.ylim,
                self.xscale, self.yscale, list(self.data))
    self.live.show()


# book/en/training-framework.md, cell 12
@add_to_class(ProgressBoard)
def report(self, title):
    """Where no figure is shown, print each curve's last point."""
    if self.display and not in_notebook():
        last = [f'{label} {points[-1].y:.4f}'
                for label, points in self.data.items()]
        print(f'{title}: ' + ', '.join(last), flush=True)


@add_to_class(ProgressBoard)
def __getstate__(self):
    """What is saved and copied: all but the figure on the screen."""
    return vars(self) | {'live': None}


# book/en/training-framework.md, cell 14
class Module(nn.Module, HyperParameters):
    """A model with its loss, its optimizer and its curves, for a Trainer.

    A subclass sets self.net or overrides `forward`, overrides `loss`,
    and sets self.lr or overrides `configure_optimizers`.
    plot_train_per_epoch, plot_valid_per_epoch: about how many points
    the curves get in an epoch of training and of validation.
    Explained in “A small training framework”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/training-framework.html
    """
    def __init__(self, plot_train_per_epoch=2, plot_valid_per_epoch=1):
        super().__init__()
        self.save_hyperparameters()
        self.board = ProgressBoard(xlabel='epoch')

    def forward(self, X):
        """The prediction for X, by default that of self.net."""
        return self.net(X)

    def loss(self, y_hat, y):
        """How wrong y_hat is: one loss per example, or their mean."""
        raise NotImplementedError('a model must define loss(y_hat, y)')

    def configure_optimizers(self):
        """The optimizer: by default SGD with learning rate self.lr."""
        return torch.optim.SGD(self.parameters(), lr=self.lr)


# book/en/training-framework.md, cell 15
@add_to_class(Module)
def training_step(self, batch):
    """The loss on a minibatch (features, ..., labels), also plotted."""
    l = self.loss(self(*batch[:-1]), batch[-1])
    self.plot('loss', l, train=True)
    return l


@add_to_class(Module)
def validation_step(self, batch):
    """Plot the loss on a minibatch of the validation data."""
    l = self.loss(self(*batch[:-1]), batch[-1])
    self.plot('loss', l, train=False)


# book/en/training-framework.md, cell 16
@add_to_class(Module)
def plot(self, key, value, train):
    """Add value to the curve 'train_' + key or 'val_' + key."""
    trainer = self.trainer
    y = torch.as_tensor(value).detach().cpu().double().mean()
    if train:
        x = trainer.train_batch_idx / trainer.num_train_batches
        n = trainer.num_train_batches / self.plot_train_per_epoch
    else:
        x = trainer.epoch + 1
        n = trainer.num_val_batches / self.plot_valid_per_epoch
        if key == 'loss':
            trainer.val_losses.append(float(y))
    self.board.draw(x, y, ('train_' if train else 'val_') + key, int(n))


# book/en/training-framework.md, cell 17
@add_to_class(Module)
def apply_init(self, inputs, init=None):
    """Run the net once on a list of inputs, then apply init to its layers."""
    with torch.no_grad():
        self.forward(*inputs)
    if init is not None:
        self.net.apply(init)


@add_to_class(Module)
def __getstate__(self):
    """What is saved and copied: all but the trainer and its data."""
    return vars(self) | {'trainer': None}


# book/en/training-framework.md, cell 18
class DataModule(HyperParameters):
    """Data with a loader for training and one for validation.

    A subclass overrides `get_dataloader`. root: the folder where the
    data lie, by default that of Fashion-MNIST, looked up when it is
    first asked for. num_workers: processes that read.
    Explained in “A small training framework”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/training-framework.html
    """
    num_workers = 0  # for a subclass that does not call __init__

    def __init__(self, root=None, num_workers=0):
        self.save_hyperparameters(ignore=[] if root else ['root'])

    @functools.cached_property
    def root(self):
        """The folder where the data lie."""
        return sl.fashion_mnist_root()

    def get_dataloader(self, train):
        """The loader for training (train=True) or for validation."""
        raise NotImplementedError('data must define get_dataloader(train)')

    def train_dataloader(self):
        """The loader for training."""
        return self.get_dataloader(train=True)

    def val_dataloader(self):
        """The loader for validation."""
        return self.get_dataloader(train=False)


# book/en/training-framework.md, cell 19
@add_to_class(DataModule)
def get_tensorloader(self, tensors, train, indices=slice(0, None)):
    """A loader over some rows of tensors, shuffled if train.

    indices: a slice, or a tensor or list of row numbers. The subclass
    sets self.batch_size.
    """
    tensors = [torch.as_tensor(tensor)[indices] for tensor in tensors]
    return sl.load_array(tensors, self.batch_size, train, self.num_workers)


# book/en/training-framework.md, cell 20
class SyntheticRegressionData(DataModule):
    """Examples of a linear relation, y = Xw + b + noise.

    w: d numbers, the true weights. b: one number, the true bias. noise:
    the standard deviation of the errors in y. num_train, num_val: how
    many examples there are for training and for validation; X, (n, d),
    and y, (n, 1), hold them in this order.
    Explained in “A small training framework”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/training-framework.html
    """
    def __init__(self, w, b, noise=0.01, num_train=1000, num_val=1000,
                 batch_size=32):
        super().__init__()
        self.save_hyperparameters()
        n = num_train + num_val
        w = torch.as_tensor(w, dtype=torch.get_default_dtype()).reshape(-1, 1)
        b = torch.as_tensor(b).reshape(())  # fails unless it is one number
        self.X = torch.randn(n, len(w))
        self.y = sl.linreg(self.X, w, b) + noise * torch.randn(n, 1)

    def get_dataloader(self, train):
        n = self.num_train
        rows = slice(0, n) if train else slice(n, None)
        return self.get_tensorloader((self.X, self.y), train, rows)


# book/en/training-framework.md, cell 22
class Trainer(HyperParameters):
    """Fits a Module to a DataModule, with live curves.

    max_epochs: how often to go through the training data. num_gpus: 1
    to train on a GPU (one is used even if it is more), where there is
    one. gradient_clip_val: the largest norm that the gradient may have,
    or 0 for no limit. patience: None, or after how many epochs without
    a better validation loss to stop, with the best parameters put back.
    Explained in “A small training framework”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/training-framework.html
    """
    def __init__(self, max_epochs, num_gpus=0, gradient_clip_val=0,
                 patience=None):
        self.save_hyperparameters()
        self.gpus, self.val_losses = [], []  # so far

    def fit(self, model, data):
        """Train model on data; an epoch that sets self.stop is the last."""
        self.prepare_data(data)
        self.prepare_model(model)
        self.optim = model.configure_optimizers()
        self.stop = False
        for self.epoch in range(self.max_epochs):
            self.val_losses = []
            self.fit_epoch()
            model.board.report(f'epoch {self.epoch + 1}')
            if self.patience is not None:
                self.watch()
            if self.stop:
                break


# book/en/training-framework.md, cell 23
@add_to_class(Trainer)
def prepare_data(self, data):
    """Get the loaders from data, and count their minibatches.

    Raises ValueError where max_epochs is below 1.
    """
    if self.max_epochs < 1:
        raise ValueError(f'max_epochs must be at least 1: {self.max_epochs}')
    self.train_dataloader = data.train_dataloader()
    self.val_dataloader = data.val_dataloader() or ()
    self.num_train_batches = len(self.train_dataloader)
    self.num_val_batches = len(self.val_dataloader)
    self.train_batch_idx = self.val_batch_idx = 0


@add_to_class(Trainer)
def prepare_model(self, model):
    """Tie the model to this trainer, and move it to the GPU if asked."""
    model.board.reset()
    model.board.xlim = [0, self.max_epochs]
    self.model, model.trainer = model, self
    self.gpus = []
    if self.num_gpus:
        self.move_to_gpu(model)


# book/en/training-framework.md, cell 24
@add_to_class(Trainer)
def fit_epoch(self):
    """One pass over the training data, then one over the others."""
    loss = None
    self.model.train()
    for batch in self.train_dataloader:
        loss = self.model.training_step(self.prepare_batch(batch))
        self.optim.zero_grad()
        loss.mean().backward()
        if self.gradient_clip_val:
            self.clip_gradients(self.gradient_clip_val, self.model)
        with torch.no_grad():
            self.optim.step()
        self.train_batch_idx += 1
    self.check_loss(loss)
    self.model.eval()
    with torch.no_grad():
        for batch in self.val_dataloader:
            self.model.validation_step(self.prepare_batch(batch))
            self.val_batch_idx += 1


# book/en/training-framework.md, cell 25
@add_to_class(Trainer)
def prepare_batch(self, batch):
    """The minibatch, on the GPU if there is one."""
    return [a.to(self.gpus[0]) for a in batch] if self.gpus else batch


@add_to_class(Trainer)
def check_loss(self, loss):
    """Stop where an epoch's last loss is not finite.

    Raises ValueError where there is none.
    """
    if loss is None:
        raise ValueError('the loader for training gave no minibatch')
    if not loss.isfinite().all():
        warnings.warn(f'the training loss is {loss.mean():g}: the learning '
                      'rate is too large, or the data hold NaN', stacklevel=4)
        self.stop = True


# book/en/training-framework.md, cell 26
class SGD(torch.optim.Optimizer):
    """Minibatch stochastic gradient descent, for a mean loss.

    params: the tensors to be moved, in a list. lr: the learning rate.
    Both stand in param_groups[0], and may be changed there.
    Explained in “A small training framework”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/training-framework.html
    """
    def __init__(self, params, lr):
        super().__init__(params, {'lr': lr})

    @torch.no_grad()
    def step(self):
        """Move each parameter by -lr * gradient, in place."""
        for group in self.param_groups:
            for param in group['params']:
                if param.grad is not None:
                    param -= group['lr'] * param.grad


# book/en/training-framework.md, cell 27
class LinearRegressionScratch(Module):
    """Linear regression from scratch: Xw + b with the squared loss.

    num_inputs: how many features. lr: the learning rate. sigma: the
    standard deviation of the weights at the start.
    X: (n, num_inputs). The parameters: w (num_inputs, 1), b (1,).
    Explained in “A small training framework”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/training-framework.html
    """
    def __init__(self, num_inputs, lr, sigma=0.01):
        super().__init__()
        self.save_hyperparameters()
        self.w = nn.Parameter(torch.normal(0, sigma, (num_inputs, 1)))
        self.b = nn.Parameter(torch.zeros(1))

    def forward(self, X):
        """The predictions (n, 1)."""
        return sl.linreg(X, self.w, self.b)

    def loss(self, y_hat, y):
        """The mean squared loss, with the factor 1/2."""
        return sl.squared_loss(y_hat, y).mean()

    def configure_optimizers(self):
        """Our own SGD."""
        return SGD([self.w, self.b], self.lr)


# book/en/training-framework.md, cell 32
class LinearRegression(Module):
    """Linear regression with PyTorch's layer, loss and optimizer.

    lr: the learning rate. X: (n, d), where the first minibatch decides
    what d is. The loss is nn.MSELoss, without the factor 1/2.
    Explained in “A small training framework”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/training-framework.html
    """
    def __init__(self, lr):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.LazyLinear(1)

    def loss(self, y_hat, y):
        """The mean squared error."""
        return nn.functional.mse_loss(y_hat, y.reshape(y_hat.shape))

    def get_w_b(self):
        """The weights (1, d) and the bias (1,), without gradients."""
        return self.net.weight.data, self.net.bias.data


# book/en/training-framework.md, cell 36
def cpu():
    """The processor as a torch.device.

    Explained in “A small training framework”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/training-framework.html
    """
    return torch.device('cpu')


def gpu(i=0):
    """The i-th GPU as a torch.device; on an Apple computer, its only one.

    Explained in “A small training framework”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/training-framework.html
    """
    apple = torch.backends.mps.is_available()
    return torch.device('mps' if apple else 'cuda', i)


def num_gpus():
    """How many GPUs PyTorch can use here.

    Explained in “A small training framework”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/training-framework.html
    """
    return torch.cuda.device_count() + torch.backends.mps.is_available()


# book/en/training-framework.md, cell 37
@add_to_class(Trainer)
def move_to_gpu(self, model):
    """Move the model to the first GPU, or say that there is none."""
    self.gpus = [gpu(i) for i in range(min(self.num_gpus, sl.num_gpus()))]
    if not self.gpus:
        print('No GPU was found here: training will run on the CPU.')
        return
    model.to(self.gpus[0])
    for value in vars(model).values():
        if torch.is_tensor(value):
            value.data, value.grad = value.data.to(self.gpus[0]), None


# book/en/training-framework.md, cell 39
@add_to_class(Trainer)
def clip_gradients(self, grad_clip_val, model):
    """Shorten the gradient to the norm grad_clip_val if it is longer.

    Raises ValueError where grad_clip_val is not above 0.
    """
    if not grad_clip_val > 0:
        raise ValueError(f'grad_clip_val must be above 0: {grad_clip_val}')
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    norm = torch.sqrt(sum((grad ** 2).sum() for grad in grads))
    for grad in grads:
        grad *= min(1, grad_clip_val / norm)


# book/en/training-framework.md, cell 42
@add_to_class(Trainer)
def watch(self):
    """Early stopping: keep the best parameters, know when to stop.

    best_epoch: the epoch they are from, counted from 0, or -1. Raises
    ValueError where there was no validation.
    """
    if not self.val_losses:
        raise ValueError('patience needs validation data')
    if self.epoch == 0:
        self.best, self.best_loss, self.best_epoch = [], math.inf, -1
    tensors = [*self.model.parameters(), *self.model.buffers()]
    loss = sum(self.val_losses) / len(self.val_losses)
    if loss < self.best_loss:  # never true for nan
        self.best_loss, self.best_epoch = loss, self.epoch
        self.best = [tensor.detach().clone() for tensor in tensors]
    elif self.epoch - self.best_epoch >= self.patience:
        self.stop = True
    if self.stop or self.epoch == self.max_epochs - 1:
        with torch.no_grad():
            for tensor, best in zip(tensors, self.best):
                tensor.copy_(best)


# book/en/training-framework.md, cell 46
class FashionMNIST(DataModule):
    """Fashion-MNIST as a DataModule: its datasets are .train, .val, .test.

    .train: the first 50,000 training images; .val: the last 10,000.
    batch_size: how many examples a batch has; the last may have fewer.
    resize: (height, width) of the images, or the side of a square. A batch
    is X, float32 (b, 1, height, width) in [0, 1], and y, int64 (b,).
    Explained in “A small training framework”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/training-framework.html
    """
    def __init__(self, batch_size=64, resize=(28, 28)):
        super().__init__()
        self.save_hyperparameters()
        images, labels = sl.fashion_mnist(train=True)
        n = len(images) * 5 // 6
        self.train = sl.ImageDataset(images[:n], labels[:n], resize)
        self.val = sl.ImageDataset(images[n:], labels[n:], resize)
        self.test = sl.ImageDataset(*sl.fashion_mnist(train=False), resize)

    def text_labels(self, indices):
        """The names of the classes for numeric labels, as a list."""
        return sl.get_fashion_mnist_labels(indices)

    def get_dataloader(self, train):
        """The loader over .train, shuffled, or over .val."""
        data = self.train if train else self.val
        return sl.batch_loader(data, self.batch_size, train, self.num_workers)

    def test_dataloader(self):
        """The loader over .test."""
        return sl.batch_loader(self.test, self.batch_size,
                               num_workers=self.num_workers)


# book/en/training-framework.md, cell 47
@add_to_class(FashionMNIST)
def visualize(self, batch, nrows=1, ncols=8, labels=[]):
    """Show the first images of a batch (X, y) in a grid with titles.

    X: (b, 1, height, width). labels: the titles, by default the names of
    the classes y.
    """
    X, y = batch
    sl.show_images(X, nrows, ncols, titles=labels or self.text_labels(y))


# book/en/training-framework.md, cell 48
class Classifier(Module):
    """A Module for classification: cross-entropy loss, and accuracy.

    Y_hat: logits, (b, q) or (..., q). Y: labels, (b,) or (...), from 0
    to q - 1, or -100 for unknown; or soft labels, shaped like Y_hat.
    Explained in “A small training framework”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/training-framework.html
    """
    def validation_step(self, batch):
        """Plot loss and accuracy on a minibatch of the validation data."""
        Y_hat = self(*batch[:-1])
        self.plot('loss', self.loss(Y_hat, batch[-1]), train=False)
        self.plot('acc', self.accuracy(Y_hat, batch[-1]), train=False)

    def accuracy(self, Y_hat, Y, averaged=True):
        """The fraction of correct predictions, a tensor.

        averaged=False: 1.0 or 0.0 for each known label, (n,).
        """
        if Y.shape == Y_hat.shape:  # soft labels
            Y = Y.argmax(dim=-1)
        known = Y != -100
        right = sl.correct(Y_hat[known], Y[known]).float()
        return right.mean() if averaged else right


# book/en/training-framework.md, cell 49
@add_to_class(Classifier)
def loss(self, Y_hat, Y, averaged=True):
    """The mean cross-entropy of logits Y_hat and labels Y.

    averaged=False: that of each label, (n,), 0 where it is unknown.
    """
    if Y.shape == Y_hat.shape:  # soft labels
        Y = Y.movedim(-1, 1)
    l = nn.functional.cross_entropy(Y_hat.movedim(-1, 1), Y,
                                    reduction='mean' if averaged else 'none')
    return l if averaged else l.flatten()


# book/en/training-framework.md, cell 50
@add_to_class(Classifier)
def layer_summary(self, X_shape):
    """Print the output shape of each layer of self.net, for X (b, ...)."""
    layers = self.net if isinstance(self.net, nn.Sequential) else [self.net]
    X = torch.zeros(X_shape).to(next(iter(self.parameters())))
    with sl.evaluation(self):
        for layer in layers:
            X = layer(X)
            print(f'{type(layer).__name__} output shape:', tuple(X.shape))


# book/en/training-framework.md, cell 51
class SoftmaxRegressionScratch(Classifier):
    """Softmax regression from scratch; its outputs are probabilities.

    num_inputs, num_outputs: how many features and classes. lr: the
    learning rate. sigma: the standard deviation of the weights at the
    start. X: (b, ...). The parameters: W (num_inputs, num_outputs), b.
    Explained in “A small training framework”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/training-framework.html
    """
    def __init__(self, num_inputs, num_outputs, lr, sigma=0.01):
        super().__init__()
        self.save_hyperparameters()
        self.W = nn.Parameter(
            torch.normal(0, sigma, (num_inputs, num_outputs)))
        self.b = nn.Parameter(torch.zeros(num_outputs))

    def forward(self, X):
        """The probabilities (b, num_outputs)."""
        O = X.flatten(1) @ self.W + self.b
        O_exp = torch.exp(O - O.max(1, keepdim=True).values)
        return O_exp / O_exp.sum(1, keepdim=True)

    def loss(self, y_hat, y):
        """The mean cross-entropy of probabilities and labels (b,)."""
        true = nn.functional.one_hot(y, y_hat.shape[1]).bool()
        return -torch.log(y_hat[true]).mean()


# book/en/training-framework.md, cell 53
class SoftmaxRegression(Classifier):
    """Softmax regression: flatten, then one linear layer to logits.

    X: (b, ...), where the first minibatch decides how many features
    there are; the logits are (b, num_outputs). lr: the learning rate.
    Explained in “A small training framework”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/training-framework.html
    """
    def __init__(self, num_outputs, lr):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Flatten(), nn.LazyLinear(num_outputs))
