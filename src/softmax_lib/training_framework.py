"""What the section “A small training framework” saves."""
# Made by `make sync` from book/en/training-framework.md; do not edit it here.

import collections
import functools
import inspect
import warnings
import torch
from torch import nn
import softmax_lib as sl
from softmax_lib._display import LiveFigure, in_notebook

__all__ = ["add_to_class", "HyperParameters", "ProgressBoard", "Module", "DataModule", "SyntheticRegressionData", "cpu", "gpu", "num_gpus", "Trainer", "SGD", "LinearRegressionScratch", "LinearRegression"]


# book/en/training-framework.md, cell 3
def add_to_class(Class):
    """A decorator that makes the function below it a method of Class.

    Objects made before have the method too; one of the same name is
    replaced. Raises TypeError where Class is not a class, or what is
    decorated not a function.
    Explained in “A small training framework”.
    Explained in “A small training framework”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/training-framework.html
    """
    if not isinstance(Class, type):
        raise TypeError(f'Class must be a class, not a '
                        f'{type(Class).__name__}')

    def register(function):
        if not inspect.isfunction(function):
            raise TypeError(f'only a function can become a method, not a '
                            f'{type(function).__name__}')
        setattr(Class, function.__name__, function)
        return function

    return register


# book/en/training-framework.md, cell 5
class HyperParameters:
    """A class whose constructor keeps its arguments in one line.

    Explained in “A small training framework”.
    Explained in “A small training framework”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/training-framework.html
    """
    def save_hyperparameters(self, ignore=[]):
        """Keep the arguments of the calling method as attributes.

        They also stand in the dictionary `hparams`, with those that a
        parent's constructor has kept. ignore: a list of names to leave
        out; names that begin with an underscore are left out as well.
        Raises TypeError where ignore is a single string.
        """
        if isinstance(ignore, str):
            raise TypeError(f'ignore must be a list of names: [{ignore!r}]')
        names, varargs, keywords, values = inspect.getargvalues(
            inspect.currentframe().f_back)
        names = [*names[1:], varargs, keywords]  # without self
        kept = {name: values[name] for name in names
                if name in values and name not in ignore
                and not name.startswith('_')}
        self.hparams = {**getattr(self, 'hparams', {}), **kept}
        for name, value in kept.items():
            setattr(self, name, value)


# book/en/training-framework.md, cell 7
class ProgressBoard(HyperParameters):
    """Curves, each with a name, that are redrawn as points are added.

    Labels, limits and scales as in `plot`, and they may be changed at
    any time; ls and colors hold the curves' styles, used in turn; axes
    or fig: where to draw, by default a new figure of size figsize,
    (width, height) in inches; display=False collects points in silence.
    The points of a curve stand in data[label], a list of Point(x, y).
    Explained in “A small training framework”.
    Explained in “A small training framework”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/training-framework.html
    """
    Point = collections.namedtuple('Point', ['x', 'y'])
    Point.__qualname__ = 'ProgressBoard.Point'  # where pickle finds it

    def __init__(self, xlabel=None, ylabel=None, xlim=None, ylim=None,
                 xscale='linear', yscale='linear',
                 ls=['-', '--', '-.', ':'], colors=['C0', 'C1', 'C2', 'C3'],
                 fig=None, axes=None, figsize=(3.5, 2.5), display=True):
        self.save_hyperparameters()
        self.ls, self.colors = list(ls), list(colors)
        self.reset()

    def reset(self):
        """Forget all points; what is drawn next begins a new figure."""
        self.data, self.waiting, self.live = {}, {}, None

    def __getstate__(self):
        """What is saved and copied: all but the figure on the screen."""
        return vars(self) | {'live': None}

    def draw(self, x, y, label, every_n=1):
        """Add a point to the curve called label.

        x, y: numbers. Every every_n-th call adds one point, the mean of
        the last every_n; 0 counts as 1. Raises ValueError where every_n is
        negative.
        """
        if every_n < 0:
            raise ValueError(f'every_n must not be negative: {every_n}')
        points = self.waiting.setdefault(label, [])
        points.append([float(z.item() if hasattr(z, 'item') else z)
                       for z in (x, y)])
        if len(points) < every_n:
            return
        mean = self.Point(*(sum(z) / len(z) for z in zip(*points)))
        self.data.setdefault(label, []).append(mean)
        points.clear()
        if self.display:
            self.redraw()

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

    def report(self, title):
        """Where no figure is shown, print each curve's last point."""
        if self.display and self.data and not in_notebook():
            last = [f'{label} {points[-1].y:.4f}'
                    for label, points in self.data.items()]
            print(f'{title}: ' + ', '.join(last), flush=True)


# book/en/training-framework.md, cell 9
class Module(nn.Module, HyperParameters):
    """A model with its loss, its optimizer and its curves, for a Trainer.

    plot_train_per_epoch, plot_valid_per_epoch: about how many points
    the curves get in an epoch of training and of validation.
    A subclass sets self.net or overrides `forward`, overrides `loss`,
    and sets self.lr or overrides `configure_optimizers`.
    Explained in “A small training framework”.
    Explained in “A small training framework”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/training-framework.html
    """
    def __init__(self, plot_train_per_epoch=2, plot_valid_per_epoch=1):
        super().__init__()
        self.save_hyperparameters()
        self.board = ProgressBoard(xlabel='epoch')

    def __getstate__(self):
        """What is saved and copied: all but the trainer and its data."""
        return {name: value for name, value in vars(self).items()
                if name != 'trainer'}

    def loss(self, y_hat, y):
        """How wrong y_hat is: one loss per example, or their mean."""
        raise NotImplementedError(
            f'{type(self).__name__} has no loss: define loss(y_hat, y)')

    def forward(self, X):
        """The prediction for X, by default that of self.net."""
        if not hasattr(self, 'net'):
            raise NotImplementedError(f'{type(self).__name__} has no net: '
                                      'set self.net or define forward(X)')
        return self.net(X)

    def plot(self, key, value, train):
        """Add value to the curve 'train_' + key or 'val_' + key.

        Raises ValueError where no Trainer has the model in hand.
        """
        if not hasattr(self, 'trainer'):
            raise ValueError('plot needs a trainer: call Trainer.fit')
        trainer = self.trainer
        if train:
            x = trainer.train_batch_idx / trainer.num_train_batches
            n = trainer.num_train_batches / self.plot_train_per_epoch
        else:
            x = trainer.epoch + 1
            n = trainer.num_val_batches / self.plot_valid_per_epoch
        if torch.is_tensor(value):
            value = value.detach().cpu().double().mean()
        label = ('train_' if train else 'val_') + key
        self.board.draw(x, value, label, every_n=max(1, int(n)))

    def training_step(self, batch):
        """The loss on a minibatch (features, ..., labels), also plotted."""
        l = self.loss(self(*batch[:-1]), batch[-1])
        self.plot('loss', l, train=True)
        return l

    def validation_step(self, batch):
        """Plot the loss on a minibatch of the validation data."""
        l = self.loss(self(*batch[:-1]), batch[-1])
        self.plot('loss', l, train=False)

    def configure_optimizers(self):
        """The optimizer: by default SGD with learning rate self.lr."""
        if not hasattr(self, 'lr'):
            raise ValueError(f'{type(self).__name__} has no learning rate: '
                             'set self.lr or define configure_optimizers()')
        return torch.optim.SGD(self.parameters(), lr=self.lr)

    def apply_init(self, inputs, init=None):
        """Run the net once on a list of inputs, then apply init to it.

        The run gives lazy layers their shapes. init: a function of a
        layer, applied to every layer of self.net. Raises TypeError
        where inputs is a single tensor.
        """
        if torch.is_tensor(inputs):
            raise TypeError('inputs must be a list of tensors, not one')
        with torch.no_grad():
            self.forward(*inputs)
        if init is not None:
            self.net.apply(init)


# book/en/training-framework.md, cell 10
class DataModule(HyperParameters):
    """Data with a loader for training and one for validation.

    root: the folder where the data lie; by default the one that holds
    Fashion-MNIST, looked up when it is first asked for. num_workers:
    processes that read, for the loaders that a subclass makes: it
    overrides `get_dataloader`, and sets self.batch_size if it uses
    `get_tensorloader`.
    Explained in “A small training framework”.
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
        raise NotImplementedError(
            f'{type(self).__name__} has no data: define '
            'get_dataloader(train)')

    def train_dataloader(self):
        """The loader for training."""
        return self.get_dataloader(train=True)

    def val_dataloader(self):
        """The loader for validation."""
        return self.get_dataloader(train=False)

    def get_tensorloader(self, tensors, train, indices=slice(0, None)):
        """A loader over some rows of tensors, shuffled if train.

        tensors: equally many rows each. indices: a slice, or a tensor
        or list of row numbers.
        """
        tensors = [torch.as_tensor(tensor)[indices] for tensor in tensors]
        return sl.load_array(tensors, self.batch_size, train,
                             self.num_workers)


# book/en/training-framework.md, cell 11
class SyntheticRegressionData(DataModule):
    """Examples of a linear relation, y = Xw + b + noise.

    w: tensor (d,), the true weights. b: number, the true bias. noise:
    the standard deviation of the errors in y. num_train, num_val: how
    many examples there are for training and for validation; X, (n, d),
    and y, (n, 1), hold them in this order. batch_size: rows in a
    minibatch. Raises ValueError where num_train or batch_size is below
    1, noise or num_val below 0.
    Explained in “A small training framework”.
    Explained in “A small training framework”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/training-framework.html
    """
    def __init__(self, w, b, noise=0.01, num_train=1000, num_val=1000,
                 batch_size=32):
        super().__init__()
        for name, value, least in (
                ('noise', noise, 0), ('num_train', num_train, 1),
                ('num_val', num_val, 0), ('batch_size', batch_size, 1)):
            if value < least:
                raise ValueError(f'{name} must be at least {least}, '
                                 f'not {value}')
        self.save_hyperparameters()
        n = num_train + num_val
        weights = torch.as_tensor(w, dtype=torch.get_default_dtype())
        self.X = torch.randn(n, weights.numel())
        self.y = (sl.linreg(self.X, weights.reshape(-1, 1), b)
                  + noise * torch.randn(n, 1))

    def get_dataloader(self, train):
        rows = (slice(0, self.num_train) if train
                else slice(self.num_train, None))
        return self.get_tensorloader((self.X, self.y), train, rows)


# book/en/training-framework.md, cell 12
def cpu():
    """The processor as a torch.device.

    Explained in “A small training framework”.
    Explained in “A small training framework”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/training-framework.html
    """
    return torch.device('cpu')


def gpu(i=0):
    """The i-th GPU as a torch.device; on an Apple computer, its only one.

    Explained in “A small training framework”.
    Explained in “A small training framework”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/training-framework.html
    """
    apple = torch.backends.mps.is_available()
    return torch.device('mps' if apple else 'cuda', i)


def num_gpus():
    """How many GPUs PyTorch can use here.

    Explained in “A small training framework”.
    Explained in “A small training framework”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/training-framework.html
    """
    apple = torch.backends.mps.is_available()
    return 1 if apple else torch.cuda.device_count()


# book/en/training-framework.md, cell 13
class Trainer(HyperParameters):
    """Fits a Module to a DataModule, with live curves.

    max_epochs: how often to go through the training data. num_gpus: 1
    to train on a GPU (one is used even if it is more); where there is
    none, a sentence says so and the CPU is used. gradient_clip_val: the
    largest norm that the gradient may have, or 0 for no limit.
    Raises ValueError where max_epochs is below 1, one of the others
    below 0, or a number of epochs or GPUs not whole.
    Explained in “A small training framework”.
    Explained in “A small training framework”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/training-framework.html
    """
    def __init__(self, max_epochs, num_gpus=0, gradient_clip_val=0):
        for name, value, least in (('max_epochs', max_epochs, 1),
                                   ('num_gpus', num_gpus, 0)):
            if value < least or value % 1:
                raise ValueError(f'{name} must be a whole number, at least '
                                 f'{least}, not {value}')
        if not gradient_clip_val >= 0:
            raise ValueError('gradient_clip_val must be at least 0, not '
                             f'{gradient_clip_val}')
        self.save_hyperparameters()
        self.gpus = [gpu(i) for i in range(min(int(num_gpus), sl.num_gpus()))]
        if num_gpus and not self.gpus:
            print('No GPU was found here: training will run on the CPU.')

    def fit(self, model, data):
        """Train model on data; then the model is in evaluation mode.

        An epoch that sets self.stop is the last. Raises ValueError where
        data has no minibatch to train on and TypeError where model or
        data is a class, or without the methods of a Module or DataModule.
        Warns where there is nothing but validation data, and where the
        loss is not finite: then training stops.
        """
        for name, given, method in (('model', model, 'training_step'),
                                    ('data', data, 'train_dataloader')):
            if isinstance(given, type) or not hasattr(given, method):
                raise TypeError(f'{name} must be an object, not a class, '
                                f'with a method {method}; it is a '
                                f'{type(given).__name__}')
        self.prepare_data(data)
        self.prepare_model(model)
        self.optim = model.configure_optimizers()
        self.train_batch_idx = self.val_batch_idx = 0
        self.stop = False
        for self.epoch in range(int(self.max_epochs)):
            self.fit_epoch()
            model.board.report(f'epoch {self.epoch + 1}')
            if self.stop:
                break
        model.eval()

    def prepare_data(self, data):
        """Get the loaders from data; None stands for one it lacks."""
        def loader(get):
            try:
                return get()
            except NotImplementedError:
                return None

        self.train_dataloader = loader(data.train_dataloader)
        self.val_dataloader = loader(data.val_dataloader)
        self.num_train_batches = len(self.train_dataloader or ())
        self.num_val_batches = len(self.val_dataloader or ())
        if self.train_dataloader is None and self.num_val_batches:
            warnings.warn('data has no loader for training: the model is '
                          'only validated', stacklevel=3)
        elif not self.num_train_batches:
            raise ValueError('data has no minibatch for training: see its '
                             'get_dataloader(train)')

    def prepare_model(self, model):
        """Tie the model to this trainer, and move it to the GPU if any."""
        model.trainer = self
        model.board.reset()
        model.board.xlim = [0, self.max_epochs]
        if self.gpus:
            model.to(self.gpus[0])
            for value in vars(model).values():
                if torch.is_tensor(value):  # a tensor, but no nn.Parameter
                    value.data = value.data.to(self.gpus[0])
                    value.grad = None
        self.model = model

    def prepare_batch(self, batch):
        """The minibatch, on the GPU if there is one."""
        return [a.to(self.gpus[0]) for a in batch] if self.gpus else batch

    def fit_epoch(self):
        """One pass over the training data, then one over the others."""
        if self.train_dataloader is not None:
            self.model.train()
            loss = None
            for batch in self.train_dataloader:
                loss = self.model.training_step(self.prepare_batch(batch))
                self.optim.zero_grad()
                loss.mean().backward()
                if self.gradient_clip_val > 0:
                    self.clip_gradients(self.gradient_clip_val, self.model)
                with torch.no_grad():
                    self.optim.step()
                self.train_batch_idx += 1
            if loss is None:
                raise ValueError('the loader for training has no minibatch '
                                 f'in epoch {self.epoch + 1}: it must give '
                                 'them all in every epoch')
            if not loss.isfinite().all():
                warnings.warn(f'the training loss is {loss.mean():g}: the '
                              'learning rate is too large, or the data hold '
                              'NaN', stacklevel=3)
                self.stop = True
        if self.val_dataloader is not None:
            self.model.eval()
            for batch in self.val_dataloader:
                with torch.no_grad():
                    self.model.validation_step(self.prepare_batch(batch))
                self.val_batch_idx += 1

    def clip_gradients(self, grad_clip_val, model):
        """Shorten the gradient to the norm grad_clip_val if it is longer.

        The norm is that of all the parameters' gradients, laid end to
        end. Raises ValueError where grad_clip_val is below 0.
        """
        if not grad_clip_val >= 0:
            raise ValueError('grad_clip_val must be at least 0, not '
                             f'{grad_clip_val}')
        params = [p for p in model.parameters() if p.grad is not None]
        norm = torch.sqrt(sum((p.grad ** 2).sum() for p in params))
        if norm > grad_clip_val:
            for p in params:
                p.grad *= grad_clip_val / norm


# book/en/training-framework.md, cell 14
class SGD:
    """Minibatch stochastic gradient descent, for a mean loss.

    params: the tensors to be moved, in a list. lr: the learning rate.
    Both stand in param_groups[0], and may be changed there.
    Raises ValueError where params is empty or lr below 0, TypeError
    where params is a tensor.
    Explained in “A small training framework”.
    Explained in “A small training framework”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/training-framework.html
    """
    def __init__(self, params, lr):
        if torch.is_tensor(params):
            raise TypeError('params must be a list of tensors, not one')
        params = list(params)
        if not params or not lr >= 0:
            raise ValueError('params must not be empty, nor lr below 0; '
                             f'they are {len(params)} tensors and {lr}')
        self.param_groups = [{'params': params, 'lr': lr}]

    def step(self):
        """Move each parameter by -lr * gradient, in place."""
        with torch.no_grad():
            for group in self.param_groups:
                for param in group['params']:
                    if param.grad is not None:
                        param -= group['lr'] * param.grad

    def zero_grad(self):
        """Set the gradients to zero."""
        for group in self.param_groups:
            for param in group['params']:
                if param.grad is not None:
                    param.grad.zero_()


# book/en/training-framework.md, cell 15
class LinearRegressionScratch(Module):
    """Linear regression from scratch: Xw + b with the squared loss.

    num_inputs: how many features. lr: the learning rate. sigma: the
    standard deviation of the weights at the start.
    X: (n, num_inputs). The parameters: w (num_inputs, 1), b (1,).
    Explained in “A small training framework”.
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


# book/en/training-framework.md, cell 21
class LinearRegression(Module):
    """Linear regression with PyTorch's layer, loss and optimizer.

    lr: the learning rate. X: (n, d), where the first minibatch decides
    what d is. The loss is nn.MSELoss, without the factor 1/2.
    Explained in “A small training framework”.
    Explained in “A small training framework”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/training-framework.html
    """
    def __init__(self, lr):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.LazyLinear(1)

    def loss(self, y_hat, y):
        """The mean squared error. Raises ValueError where shapes differ."""
        if y_hat.shape != y.shape:
            raise ValueError(f'y_hat is {tuple(y_hat.shape)}, '
                             f'y is {tuple(y.shape)}: they must be alike')
        return nn.functional.mse_loss(y_hat, y)

    def get_w_b(self):
        """The weights (1, d) and the bias (1,), without gradients."""
        return self.net.weight.data, self.net.bias.data
