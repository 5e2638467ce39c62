"""Code as readers of Dive into Deep Learning paste it, with `import softmax_lib as d2l` for their import line.

First the function style (editions 0.x), then the class style (1.x), chapter by chapter. The code is our own; what it
takes from theirs is how it calls things. Each test looks at what was learned, not only that nothing was raised.
"""
import inspect
import math
import random
import struct
import time

import matplotlib
import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torch.utils import data as torch_data
from torchvision import transforms

import softmax_lib as d2l

matplotlib.use("agg")

CLASSES = [thing for name in d2l.__all__ if inspect.isclass(thing := getattr(d2l, name))]


@pytest.fixture(autouse=True)
def afresh():
    """A seed before each test; after it, the library's classes as they were, whatever was added to them."""
    torch.manual_seed(0)
    random.seed(0)
    before = [(Class, dict(vars(Class))) for Class in CLASSES]
    with matplotlib.rc_context():
        yield
    d2l.plt.close("all")
    for Class, members in before:
        for name in set(vars(Class)) - set(members):
            if not name.startswith("__"):
                delattr(Class, name)
        for name, member in members.items():
            if vars(Class)[name] is not member:
                setattr(Class, name, member)


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """2,000 images to train on and 500 to test on, and a folder that holds just these as torchvision wants them."""
    root = tmp_path_factory.mktemp("data")
    raw = root / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    parts = {}
    for train, name, n in (True, "train", 2000), (False, "t10k", 500):
        X, y = (part[:n].clone() for part in d2l.fashion_mnist(train))
        parts[train] = X, y
        (raw / f"{name}-images-idx3-ubyte").write_bytes(struct.pack(">4i", 0x803, n, 28, 28) + X.numpy().tobytes())
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 0x801, n) + y.byte().numpy().tobytes())
    return str(root), parts


@pytest.fixture
def fashion(small, monkeypatch):
    """The library serves the small dataset."""
    monkeypatch.setattr(d2l, "fashion_mnist_root", lambda: small[0])
    monkeypatch.setattr(d2l, "fashion_mnist", lambda train: small[1][train])


def titles():
    return [axes.get_title() for axes in d2l.plt.gcf().axes]


def tiny(*errors):
    """Whether parameters were learned: no error reaches 0.01."""
    return all(error.abs().max() < 0.01 for error in errors)


# -- the function style, 0.x ----------------------------------------------------------------------------

def test_linear_regression_the_ideas():
    n = 1000
    a, b, c = d2l.ones([n]), d2l.ones([n]), d2l.zeros(n)
    timer = d2l.Timer()
    for i in range(n):
        c[i] = a[i] + b[i]
    slow = float(f"{timer.stop():.5f} sec".split()[0])
    timer.start()
    d = a + b
    assert torch.equal(c, d) and 0 < timer.stop() < slow < timer.sum() + 1e-4

    def normal(x, mu, sigma):
        p = 1 / math.sqrt(2 * math.pi * sigma**2)
        return p * np.exp(-0.5 / sigma**2 * (x - mu) ** 2)

    x = np.arange(-7, 7, 0.01)
    params = [(0, 1), (0, 2), (3, 1)]
    d2l.plot(x, [normal(x, mu, sigma) for mu, sigma in params], xlabel="x", ylabel="p(x)", figsize=(4.5, 2.5),
             legend=[f"mean {mu}, std {sigma}" for mu, sigma in params])
    lines = d2l.plt.gca().lines
    assert [round(float(np.argmax(line.get_ydata()) * 0.01 - 7), 2) for line in lines] == [0, 0, 3]
    assert all(abs(line.get_ydata().sum() * 0.01 - 1) < 1e-3 for line in lines)  # each encloses an area of 1


def minibatches(batch_size, features, labels):
    num_examples = len(features)
    indices = list(range(num_examples))
    random.shuffle(indices)
    for i in range(0, num_examples, batch_size):
        j = d2l.tensor(indices[i:min(i + batch_size, num_examples)])
        yield features[j], labels[j]


def test_linear_regression_from_scratch():
    def synthetic_data(w, b, num_examples):
        X = d2l.normal(0, 1, (num_examples, len(w)))
        y = d2l.matmul(X, w) + b
        y += d2l.normal(0, 0.01, y.shape)
        return X, d2l.reshape(y, (-1, 1))

    true_w = d2l.tensor([2, -3.4])
    true_b = 4.2
    for make in synthetic_data, d2l.synthetic_data:
        features, labels = make(true_w, true_b, 1000)
        d2l.set_figsize()
        d2l.plt.scatter(d2l.numpy(features[:, 1]), d2l.numpy(labels), 1)
        w = torch.normal(0, 0.01, size=(2, 1), requires_grad=True)
        b = torch.zeros(1, requires_grad=True)
        lr, num_epochs, batch_size = 0.03, 3, 10
        net, loss = d2l.linreg, d2l.squared_loss
        losses = []
        for epoch in range(num_epochs):
            for X, y in minibatches(batch_size, features, labels):
                l = loss(net(X, w, b), y)
                l.sum().backward()
                d2l.sgd([w, b], lr, batch_size)
            with torch.no_grad():
                train_l = loss(net(features, w, b), labels)
                losses.append(float(d2l.reduce_mean(train_l)))
        assert losses[0] > losses[2] and 3e-5 < losses[2] < 7e-5
        assert tiny(true_w - d2l.reshape(w, true_w.shape), true_b - b)


def test_linear_regression_concise():
    true_w, true_b = d2l.tensor([2, -3.4]), 4.2
    features, labels = d2l.synthetic_data(true_w, true_b, 1000)
    batch_size = 10
    data_iter = d2l.load_array((features, labels), batch_size)
    X, y = next(iter(data_iter))
    assert X.shape == (10, 2) and y.shape == (10, 1)
    net = nn.Sequential(nn.Linear(2, 1))
    net[0].weight.data.normal_(0, 0.01)
    net[0].bias.data.fill_(0)
    loss = nn.MSELoss()
    trainer = torch.optim.SGD(net.parameters(), lr=0.03)
    for epoch in range(3):
        for X, y in data_iter:
            l = loss(net(X), y)
            trainer.zero_grad()
            l.backward()
            trainer.step()
    l = loss(net(features), labels)
    w, b = net[0].weight.data, net[0].bias.data
    assert float(f"{l:f}") < 2e-4 and tiny(true_w - d2l.reshape(w, true_w.shape), true_b - b)


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")
def test_weight_decay():
    n_train, n_test, num_inputs, batch_size = 20, 100, 200, 5
    true_w, true_b = d2l.ones((num_inputs, 1)) * 0.01, 0.05
    train_data = d2l.synthetic_data(true_w, true_b, n_train)
    train_iter = d2l.load_array(train_data, batch_size)
    test_data = d2l.synthetic_data(true_w, true_b, n_test)
    test_iter = d2l.load_array(test_data, batch_size, is_train=False)

    def train(lambd):
        w = torch.normal(0, 1, size=(num_inputs, 1), requires_grad=True)
        b = torch.zeros(1, requires_grad=True)
        net, loss = lambda X: d2l.linreg(X, w, b), d2l.squared_loss
        num_epochs, lr = 50, 0.003
        animator = d2l.Animator(xlabel="epochs", ylabel="loss", yscale="log", xlim=[5, num_epochs],
                                legend=["train", "test"])
        for epoch in range(num_epochs):
            for X, y in train_iter:
                l = loss(net(X), y) + lambd * torch.sum(w.pow(2)) / 2
                l.sum().backward()
                d2l.sgd([w, b], lr, batch_size)
            if (epoch + 1) % 5 == 0:
                animator.add(epoch + 1, (d2l.evaluate_loss(net, train_iter, loss),
                                         d2l.evaluate_loss(net, test_iter, loss)))
        return torch.norm(w).item(), [y[-1] for y in animator.Y]

    (free, (train_loss, test_loss)), (decayed, (_, tamed)) = train(lambd=0), train(lambd=3)
    assert train_loss < 0.1 < 10 < test_loss and tamed < test_loss / 10 and decayed < free / 5


def test_polynomial_regression():
    max_degree, n_train, n_test = 20, 100, 100
    true_w = np.zeros(max_degree)
    true_w[0:4] = np.array([5, 1.2, -3.4, 5.6])
    features = np.random.default_rng(0).normal(size=(n_train + n_test, 1))
    poly_features = np.power(features, np.arange(max_degree).reshape(1, -1))
    for i in range(max_degree):
        poly_features[:, i] /= math.gamma(i + 1)
    labels = np.dot(poly_features, true_w)
    poly_features, labels = [d2l.tensor(x, dtype=d2l.float32) for x in (poly_features, labels)]

    def train(degrees, num_epochs=100):
        X, y = poly_features[:, :degrees], labels.reshape(-1, 1)
        net, loss = nn.Sequential(nn.Linear(degrees, 1, bias=False)), nn.MSELoss(reduction="none")
        train_iter = d2l.load_array((X[:n_train], y[:n_train]), 10)
        test_iter = d2l.load_array((X[n_train:], y[n_train:]), 10, is_train=False)
        trainer = torch.optim.SGD(net.parameters(), lr=0.01)
        animator = d2l.Animator(xlabel="epoch", ylabel="loss", yscale="log", xlim=[1, num_epochs],
                                legend=["train", "test"])
        for epoch in range(num_epochs):
            d2l.train_epoch_ch3(net, train_iter, loss, trainer)
            if epoch == 0 or (epoch + 1) % 20 == 0:
                animator.add(epoch + 1, (d2l.evaluate_loss(net, train_iter, loss),
                                         d2l.evaluate_loss(net, test_iter, loss)))
        assert animator.X == [[1, 20, 40, 60, 80, 100]] * 2
        return animator.Y[1][-1], net[0].weight.data.numpy()[0]

    (right, weights), (too_few, _) = train(4), train(2)
    assert right < 0.5 < too_few and abs(weights[0] - 5) < 0.3 > abs(weights[2] + 3.4)


def test_image_classification_dataset(fashion):
    d2l.use_svg_display()

    def load_data_fashion_mnist(batch_size, resize=None):
        trans = [transforms.ToTensor()]
        if resize:
            trans.insert(0, transforms.Resize(resize))
        trans = transforms.Compose(trans)
        train, test = (torchvision.datasets.FashionMNIST(root=d2l.fashion_mnist_root(), train=train, transform=trans,
                                                         download=True) for train in (True, False))
        return (torch_data.DataLoader(train, batch_size, shuffle=True, num_workers=d2l.get_dataloader_workers()),
                torch_data.DataLoader(test, batch_size, shuffle=False, num_workers=d2l.get_dataloader_workers()))

    timer = d2l.Timer()
    theirs, ours = load_data_fashion_mnist(256), d2l.load_data_fashion_mnist(256)
    for data_iter, other in zip(theirs, ours):
        assert len(data_iter) == len(other) and [len(y) for _, y in data_iter] == [len(y) for _, y in other]
    assert all(torch.allclose(X, X0) and torch.equal(y, y0) for (X, y), (X0, y0) in zip(theirs[1], ours[1]))
    assert float(f"{timer.stop():.2f} sec".split()[0]) >= 0

    X, y = next(iter(torch_data.DataLoader(theirs[0].dataset, batch_size=18)))
    d2l.show_images(X.reshape(18, 28, 28), 2, 9, titles=d2l.get_fashion_mnist_labels(y))
    assert titles() == [theirs[0].dataset.classes[int(i)].lower().split("/")[0] for i in y]
    train_iter, test_iter = d2l.load_data_fashion_mnist(32, resize=64)
    for X, y in train_iter:
        assert X.shape == (32, 1, 64, 64) and X.dtype == torch.float32 and y.dtype == torch.int64
        break


def softmax(X):
    X_exp = d2l.exp(X)
    partition = d2l.reduce_sum(X_exp, 1, keepdim=True)
    return X_exp / partition


def test_softmax_operations():
    X = d2l.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert d2l.reduce_sum(X, 0, keepdim=True).tolist() == [[5, 7, 9]]
    assert d2l.reduce_sum(X, 1, keepdim=True).tolist() == d2l.reduce_sum(X, 1, keepdims=True).tolist() == [[6], [15]]
    X_prob = softmax(d2l.normal(0, 1, (2, 5)))
    assert X_prob.min() > 0 and torch.allclose(d2l.reduce_sum(X_prob, 1), d2l.ones(2))
    y = d2l.tensor([0, 2])
    y_hat = d2l.tensor([[0.1, 0.3, 0.6], [0.3, 0.2, 0.5]])
    assert torch.equal(y_hat[[0, 1], y], d2l.tensor([0.1, 0.5])) and d2l.accuracy(y_hat, y) / len(y) == 0.5


class Reader:
    """Softmax regression from scratch with functions, and a reader's own copies of the library's."""
    def __init__(self, num_inputs=784, num_outputs=10, lr=0.1):
        self.W = torch.normal(0, 0.01, size=(num_inputs, num_outputs), requires_grad=True)
        self.b = torch.zeros(num_outputs, requires_grad=True)

        def net(X):
            return softmax(d2l.matmul(d2l.reshape(X, (-1, self.W.shape[0])), self.W) + self.b)

        def cross_entropy(y_hat, y):
            return -d2l.log(y_hat[range(len(y_hat)), y])

        def updater(batch_size):
            return d2l.sgd([self.W, self.b], lr, batch_size)

        self.net, self.loss, self.updater = net, cross_entropy, updater

    @staticmethod
    def accuracy(y_hat, y):
        if len(y_hat.shape) > 1 and y_hat.shape[1] > 1:
            y_hat = d2l.argmax(y_hat, axis=1)
        cmp = d2l.astype(y_hat, y.dtype) == y
        return float(d2l.reduce_sum(d2l.astype(cmp, y.dtype)))

    def evaluate_accuracy(self, net, data_iter):
        metric = d2l.Accumulator(2)
        with torch.no_grad():
            for X, y in data_iter:
                metric.add(self.accuracy(net(X), y), d2l.size(y))
        return metric[0] / metric[1]

    def train_epoch_ch3(self, net, train_iter, loss, updater):
        metric = d2l.Accumulator(3)
        for X, y in train_iter:
            y_hat = net(X)
            l = loss(y_hat, y)
            if isinstance(updater, torch.optim.Optimizer):
                updater.zero_grad()
                l.mean().backward()
                updater.step()
            else:
                l.sum().backward()
                updater(X.shape[0])
            metric.add(float(l.sum()), self.accuracy(y_hat, y), y.numel())
        return metric[0] / metric[2], metric[1] / metric[2]

    def train_ch3(self, net, train_iter, test_iter, loss, num_epochs, updater):
        animator = d2l.Animator(xlabel="epoch", xlim=[1, num_epochs], ylim=[0.3, 0.9],
                                legend=["train loss", "train acc", "test acc"])
        for epoch in range(num_epochs):
            train_metrics = self.train_epoch_ch3(net, train_iter, loss, updater)
            test_acc = self.evaluate_accuracy(net, test_iter)
            animator.add(epoch + 1, train_metrics + (test_acc,))
        return *train_metrics, test_acc


def test_softmax_regression_from_scratch(fashion):
    train_iter, test_iter = d2l.load_data_fashion_mnist(64)
    runs = []
    for mine in False, True:  # the library's functions, then the reader's own copies of them
        torch.manual_seed(1)
        reader = Reader()
        assert d2l.evaluate_accuracy(reader.net, test_iter) < 0.4
        train_ch3 = reader.train_ch3 if mine else d2l.train_ch3
        result = train_ch3(reader.net, train_iter, test_iter, reader.loss, 4, reader.updater)
        runs.append((result, reader.W.detach()))
    assert runs[0][0] == pytest.approx(runs[1][0], rel=1e-6) and torch.allclose(runs[0][1], runs[1][1], atol=1e-6)
    assert result[0] < 1.8 and min(result[1:]) > 0.25
    train_loss, train_acc = d2l.train_epoch_ch3(reader.net, train_iter, reader.loss, reader.updater)
    assert train_loss < result[0] and train_acc > 0.25

    for X, y in test_iter:
        break
    trues = d2l.get_fashion_mnist_labels(y)
    preds = d2l.get_fashion_mnist_labels(d2l.argmax(reader.net(X), axis=1))
    assert trues[:20] != preds[:20]
    d2l.predict_ch3(reader.net, test_iter, n=20)
    assert titles() == [true + "\n" + pred for true, pred in zip(trues, preds)][:20]
    d2l.predict_ch3(reader.net, test_iter)
    assert len(titles()) == 6


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(reduction="none"), nn.CrossEntropyLoss()], ids=["none", "mean"])
def test_softmax_regression_concise(fashion, loss):
    train_iter, test_iter = d2l.load_data_fashion_mnist(64)
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))

    def init_weights(m):
        if type(m) == nn.Linear:
            nn.init.normal_(m.weight, std=0.01)

    net.apply(init_weights)
    trainer = torch.optim.SGD(net.parameters(), lr=0.1)
    d2l.train_ch3(net, train_iter, test_iter, loss, 4, trainer)
    assert d2l.evaluate_accuracy(net, test_iter) > 0.25
    train_loss, train_acc = d2l.train_epoch_ch3(net, train_iter, loss, trainer)
    assert train_loss < 1.8 and train_acc > 0.25


def test_a_training_loop_with_points_between_the_epochs(fashion):
    train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size=64)
    net, loss, num_epochs = nn.Sequential(nn.Flatten(), nn.LazyLinear(10)), nn.CrossEntropyLoss(), 2
    net(next(iter(test_iter))[0])
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    animator = d2l.Animator(xlabel="epoch", xlim=[1, num_epochs], legend=["train loss", "train acc", "test acc"])
    timer, num_batches = d2l.Timer(), len(train_iter)
    for epoch in range(num_epochs):
        metric = d2l.Accumulator(3)
        for i, (X, y) in enumerate(train_iter):
            timer.start()
            optimizer.zero_grad()
            y_hat = net(X)
            l = loss(y_hat, y)
            l.backward()
            optimizer.step()
            with torch.no_grad():
                metric.add(l * X.shape[0], d2l.accuracy(y_hat, y), X.shape[0])
            timer.stop()
            train_l, train_acc = metric[0] / metric[2], metric[1] / metric[2]
            if (i + 1) % (num_batches // 5) == 0 or i == num_batches - 1:
                animator.add(epoch + (i + 1) / num_batches, (train_l, train_acc, None))
        test_acc = d2l.evaluate_accuracy(net, test_iter)
        animator.add(epoch + 1, (None, None, test_acc))
    assert metric[2] * num_epochs / timer.sum() > 0 and train_l < 2 and min(train_acc, test_acc) > 0.25
    loss_line, _, test_line = animator.axes[0].lines
    assert len(loss_line.get_xdata()) == 12 and list(test_line.get_xdata()) == [1, 2]


# -- the class style, 1.x ---------------------------------------------------------------------------------

def test_utilities():
    class A:
        def __init__(self):
            self.b = 1

    a = A()

    @d2l.add_to_class(A)
    def do(self):
        return self.b

    assert a.do() == 1

    class B(d2l.HyperParameters):
        def __init__(self, a, b, c):
            self.save_hyperparameters(ignore=["c"])

    b = B(a=1, b=2, c=3)
    assert (b.a, b.b, hasattr(b, "c"), b.hparams) == (1, 2, False, {"a": 1, "b": 2})

    board = d2l.ProgressBoard("x")
    for x in np.arange(0, 10, 0.5):
        board.draw(x, np.sin(x), "sin", every_n=2)
        board.draw(x, np.cos(x), "cos", every_n=10)
    assert (len(board.data["sin"]), len(board.data["cos"])) == (10, 2)
    assert board.data["sin"][1].x == 1.25 and board.data["sin"][1].y == pytest.approx((math.sin(1) + math.sin(1.5)) / 2)


class Module(d2l.nn_Module, d2l.HyperParameters):
    """The framework's three classes as a reader defines them again."""
    def __init__(self, plot_train_per_epoch=2, plot_valid_per_epoch=1):
        super().__init__()
        self.save_hyperparameters()
        self.board = d2l.ProgressBoard()

    def loss(self, y_hat, y):
        raise NotImplementedError

    def forward(self, X):
        assert hasattr(self, "net"), "Neural network is defined"
        return self.net(X)

    def plot(self, key, value, train):
        assert hasattr(self, "trainer"), "Trainer is not inited"
        self.board.xlabel = "epoch"
        if train:
            x = self.trainer.train_batch_idx / self.trainer.num_train_batches
            n = self.trainer.num_train_batches / self.plot_train_per_epoch
        else:
            x = self.trainer.epoch + 1
            n = self.trainer.num_val_batches / self.plot_valid_per_epoch
        self.board.draw(x, d2l.numpy(d2l.to(value, d2l.cpu())), ("train_" if train else "val_") + key, every_n=int(n))

    def training_step(self, batch):
        l = self.loss(self(*batch[:-1]), batch[-1])
        self.plot("loss", l, train=True)
        return l

    def validation_step(self, batch):
        l = self.loss(self(*batch[:-1]), batch[-1])
        self.plot("loss", l, train=False)

    def configure_optimizers(self):
        raise NotImplementedError


class DataModule(d2l.HyperParameters):
    def __init__(self, root="../data", num_workers=4):
        self.save_hyperparameters()

    def get_dataloader(self, train):
        raise NotImplementedError

    def train_dataloader(self):
        return self.get_dataloader(train=True)

    def val_dataloader(self):
        return self.get_dataloader(train=False)


class Trainer(d2l.HyperParameters):
    def __init__(self, max_epochs, num_gpus=0, gradient_clip_val=0):
        self.save_hyperparameters()
        assert num_gpus == 0, "No GPU support yet"

    def prepare_data(self, data):
        self.train_dataloader = data.train_dataloader()
        self.val_dataloader = data.val_dataloader()
        self.num_train_batches = len(self.train_dataloader)
        self.num_val_batches = len(self.val_dataloader) if self.val_dataloader is not None else 0

    def prepare_model(self, model):
        model.trainer = self
        model.board.xlim = [0, self.max_epochs]
        self.model = model

    def fit(self, model, data):
        self.prepare_data(data)
        self.prepare_model(model)
        self.optim = model.configure_optimizers()
        self.epoch = 0
        self.train_batch_idx = 0
        self.val_batch_idx = 0
        for self.epoch in range(self.max_epochs):
            self.fit_epoch()

    def fit_epoch(self):
        raise NotImplementedError


def prepare_batch(self, batch):
    return batch


def fit_epoch(self):
    self.model.train()
    for batch in self.train_dataloader:
        loss = self.model.training_step(self.prepare_batch(batch))
        self.optim.zero_grad()
        with torch.no_grad():
            loss.backward()
            if self.gradient_clip_val > 0:
                self.clip_gradients(self.gradient_clip_val, self.model)
            self.optim.step()
        self.train_batch_idx += 1
    if self.val_dataloader is None:
        return
    self.model.eval()
    for batch in self.val_dataloader:
        with torch.no_grad():
            self.model.validation_step(self.prepare_batch(batch))
        self.val_batch_idx += 1


class SGD(d2l.HyperParameters):
    """A reader's optimizer: it relies on the trainer's no_grad."""
    def __init__(self, params, lr):
        self.save_hyperparameters()

    def step(self):
        for param in self.params:
            param -= self.lr * param.grad

    def zero_grad(self):
        for param in self.params:
            if param.grad is not None:
                param.grad.zero_()


def scratch(Module):
    """The reader's LinearRegressionScratch, defined over several cells: parameters are plain tensors."""
    class LinearRegressionScratch(Module):
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
        l = (y_hat - d2l.reshape(y, y_hat.shape)) ** 2 / 2
        return d2l.reduce_mean(l)

    @d2l.add_to_class(LinearRegressionScratch)
    def configure_optimizers(self):
        return SGD([self.w, self.b], self.lr)

    return LinearRegressionScratch


def fitted(Model, Trainer, data=None, max_epochs=3):
    """The parameters that a model has learned, always from the same start."""
    torch.manual_seed(2)
    data = data or d2l.SyntheticRegressionData(w=d2l.tensor([2, -3.4]), b=4.2)
    model = Model(2, lr=0.1)
    model.board.yscale = "log"
    Trainer(max_epochs=max_epochs).fit(model, data)
    assert len(model.board.data["val_loss"]) == max_epochs and len(model.board.data["train_loss"]) == 2 * max_epochs
    assert model.board.data["val_loss"][-1].y < 1e-4
    assert tiny(data.w - d2l.reshape(model.w, data.w.shape), data.b - model.b)
    return torch.cat([model.w.flatten(), model.b]).detach()


def test_readers_classes_and_the_librarys_fit_together():
    Own = type("Own", (Trainer,), dict(prepare_batch=prepare_batch, fit_epoch=fit_epoch))
    runs = [fitted(Model, Fitter) for Fitter in (d2l.Trainer, Own)
            for Model in (d2l.LinearRegressionScratch, scratch(d2l.Module), scratch(Module))]
    torch.testing.assert_close(runs[1:], runs[:1] * 5, rtol=1e-5, atol=1e-5)  # whoever wrote the loop


@pytest.mark.parametrize("whole_loop", [False, True])
def test_trainer_methods_replaced_after_construction(whole_loop):
    torch.manual_seed(2)
    trainer, calls = d2l.Trainer(max_epochs=3), []
    data = d2l.SyntheticRegressionData(w=d2l.tensor([2, -3.4]), b=4.2)
    model = scratch(d2l.Module)(2, lr=0.1)

    @d2l.add_to_class(d2l.Trainer)
    def prepare_batch(self, batch):
        calls.append(len(batch[0]))
        return batch

    if whole_loop:
        d2l.add_to_class(d2l.Trainer)(fit_epoch)
    trainer.fit(model, data)
    with torch.no_grad():
        error_w, error_b = data.w - d2l.reshape(model.w, data.w.shape), data.b - model.b
    assert tiny(error_w, error_b) and len(calls) == 3 * (32 + 32) and sum(calls) == 3 * 2000
    assert (trainer.train_batch_idx, trainer.val_batch_idx, trainer.epoch) == (96, 96, 2)


def test_the_patches_of_one_test_are_gone_in_the_next():
    assert d2l.Trainer.fit_epoch is not fit_epoch and d2l.Trainer.prepare_batch.__module__.startswith("softmax_lib")


def test_synthetic_regression_data():
    class SyntheticRegressionData(d2l.DataModule):
        def __init__(self, w, b, noise=0.01, num_train=1000, num_val=1000, batch_size=32):
            super().__init__()
            self.save_hyperparameters()
            n = num_train + num_val
            self.X = d2l.randn(n, len(w))
            noise = d2l.randn(n, 1) * noise
            self.y = d2l.matmul(self.X, d2l.reshape(w, (-1, 1))) + b + noise

    for Data in SyntheticRegressionData, d2l.SyntheticRegressionData:
        data = Data(w=d2l.tensor([2, -3.4]), b=4.2)
        assert (data.noise, data.num_val, data.batch_size, data.b) == (0.01, 1000, 32, 4.2)

        @d2l.add_to_class(Data)
        def get_dataloader(self, train):
            indices = list(range(0, self.num_train) if train else range(self.num_train, self.num_train + self.num_val))
            if train:
                random.shuffle(indices)
            for i in range(0, len(indices), self.batch_size):
                batch_indices = d2l.tensor(indices[i:i + self.batch_size])
                yield self.X[batch_indices], self.y[batch_indices]

        X, y = next(iter(data.train_dataloader()))
        assert X.shape == (32, 2) and y.shape == (32, 1)
        assert torch.equal(torch.cat([X for X, _ in data.val_dataloader()]), data.X[1000:])
        assert sorted(torch.cat([y for _, y in data.train_dataloader()]).tolist()) == sorted(data.y[:1000].tolist())

        @d2l.add_to_class(Data)  # and back
        def get_dataloader(self, train):
            i = slice(0, self.num_train) if train else slice(self.num_train, None)
            return self.get_tensorloader((self.X, self.y), train, i)

        assert len(data.train_dataloader()) == 32 and len(next(iter(data.train_dataloader()))[1]) == 32
        fitted(d2l.LinearRegressionScratch, d2l.Trainer, data)


def test_linear_regression_with_a_lazy_layer():
    class LinearRegression(d2l.Module):
        def __init__(self, lr):
            super().__init__()
            self.save_hyperparameters()
            self.net = nn.LazyLinear(1)
            self.net.weight.data.normal_(0, 0.01)
            self.net.bias.data.fill_(0)

    @d2l.add_to_class(LinearRegression)
    def forward(self, X):
        return self.net(X)

    @d2l.add_to_class(LinearRegression)
    def loss(self, y_hat, y):
        fn = nn.MSELoss()
        return fn(y_hat, y)

    @d2l.add_to_class(LinearRegression)
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), self.lr)

    for Model in LinearRegression, d2l.LinearRegression:
        model = Model(lr=0.03)
        data = d2l.SyntheticRegressionData(w=d2l.tensor([2, -3.4]), b=4.2)
        trainer = d2l.Trainer(max_epochs=5)
        trainer.fit(model, data)

        @d2l.add_to_class(Model)
        def get_w_b(self):
            return (self.net.weight.data, self.net.bias.data)

        w, b = model.get_w_b()
        assert tiny(data.w - d2l.reshape(w, data.w.shape), data.b - b)


def test_weight_decay_with_classes():
    class Data(d2l.DataModule):
        def __init__(self, num_train, num_val, num_inputs, batch_size):  # without super().__init__()
            self.save_hyperparameters()
            n = num_train + num_val
            self.X = d2l.randn(n, num_inputs)
            noise = d2l.randn(n, 1) * 0.01
            w, b = d2l.ones((num_inputs, 1)) * 0.01, 0.05
            self.y = d2l.matmul(self.X, w) + b + noise

        def get_dataloader(self, train):
            i = slice(0, self.num_train) if train else slice(self.num_train, None)
            return self.get_tensorloader([self.X, self.y], train, i)

    def l2_penalty(w):
        return d2l.reduce_sum(w**2) / 2

    class WeightDecayScratch(d2l.LinearRegressionScratch):
        def __init__(self, num_inputs, lambd, lr, sigma=0.01):
            super().__init__(num_inputs, lr, sigma)
            self.save_hyperparameters()

        def loss(self, y_hat, y):
            return super().loss(y_hat, y) + self.lambd * l2_penalty(self.w)

    class WeightDecay(d2l.LinearRegression):
        def __init__(self, wd, lr):
            super().__init__(lr)
            self.save_hyperparameters()
            self.wd = wd

        def configure_optimizers(self):
            return torch.optim.SGD([{"params": self.net.weight, "weight_decay": self.wd},
                                    {"params": self.net.bias}], lr=self.lr)

    data = Data(num_train=20, num_val=100, num_inputs=200, batch_size=5)
    trainer = d2l.Trainer(max_epochs=10)
    norms = []
    for make in (lambda lambd: WeightDecayScratch(num_inputs=200, lambd=lambd, lr=0.01),
                 lambda wd: WeightDecay(wd=wd, lr=0.01)):
        for decay in 0, 3:
            model = make(decay)
            model.board.yscale = "log"
            trainer.fit(model, data)
            w = model.w if isinstance(model, WeightDecayScratch) else model.get_w_b()[0]
            norms.append(float(l2_penalty(w)))
            assert model.board.data["train_loss"][0].y > 5 * model.board.data["train_loss"][-1].y
            assert model.hparams["lr"] == 0.01 and (model.plot_train_per_epoch, model.plot_valid_per_epoch) == (2, 1)
    assert norms[1] < norms[0] / 4 and norms[3] < norms[2] / 4


def pasted_fashion_mnist():
    class FashionMNIST(d2l.DataModule):
        def __init__(self, batch_size=64, resize=(28, 28)):
            super().__init__()
            self.save_hyperparameters()
            trans = transforms.Compose([transforms.Resize(resize), transforms.ToTensor()])
            self.train = torchvision.datasets.FashionMNIST(root=self.root, train=True, transform=trans, download=True)
            self.val = torchvision.datasets.FashionMNIST(root=self.root, train=False, transform=trans, download=True)

    return FashionMNIST


def text_labels(self, indices):
    labels = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"]
    return [labels[int(i)] for i in indices]


def get_dataloader(self, train):
    data = self.train if train else self.val
    return torch.utils.data.DataLoader(data, self.batch_size, shuffle=train, num_workers=self.num_workers)


def visualize(self, batch, nrows=1, ncols=8, labels=[]):
    X, y = batch
    if not labels:
        labels = self.text_labels(y)
    d2l.show_images(X.squeeze(1), nrows, ncols, titles=labels)


def test_fashion_mnist_defined_by_the_reader(fashion):
    FashionMNIST = pasted_fashion_mnist()
    data = FashionMNIST(resize=(32, 32))
    d2l.add_to_class(FashionMNIST)(text_labels)
    d2l.add_to_class(FashionMNIST)(get_dataloader)
    assert (len(data.train), len(data.val)) == (2000, 500) and data.train[0][0].shape == (1, 32, 32)
    X, y = next(iter(data.train_dataloader()))
    assert X.shape == (64, 1, 32, 32) and X.dtype == torch.float32 and y.dtype == torch.int64
    mine = d2l.FashionMNIST(resize=(32, 32))
    for (X, y), (X0, y0) in zip(data.val_dataloader(), mine.val_dataloader(), strict=True):
        assert (X - X0).abs().max() < 0.02 and torch.equal(y, y0)  # PIL rounds to whole bytes
    assert data.text_labels(y) == mine.text_labels(y)

    tic = time.time()
    for X, y in mine.train_dataloader():
        continue
    assert f"{time.time() - tic:.2f} sec" and len(y) == 2000 % 64
    batch = next(iter(mine.val_dataloader()))
    mine.visualize(batch)
    assert titles() == mine.text_labels(batch[1][:8])
    model = d2l.SoftmaxRegression(num_outputs=10, lr=0.1)
    d2l.Trainer(max_epochs=3).fit(model, FashionMNIST())
    assert model.board.data["val_acc"][-1].y > 0.25


def test_fashion_mnists_visualize_defined_by_the_reader(fashion):
    d2l.add_to_class(d2l.FashionMNIST)(text_labels)
    d2l.add_to_class(d2l.FashionMNIST)(visualize)
    data = d2l.FashionMNIST()
    batch = next(iter(data.val_dataloader()))
    data.visualize(batch)
    assert titles() == data.text_labels(batch[1][:8])


@pytest.mark.parametrize("part", [lambda dataset: dataset, lambda dataset: torch_data.Subset(dataset, range(100)),
                                  lambda dataset: torch_data.random_split(dataset, [400, 100])[0]])
def test_fashion_mnists_datasets_in_a_readers_loader(fashion, part):
    d2l.add_to_class(d2l.FashionMNIST)(get_dataloader)
    data = d2l.FashionMNIST(batch_size=64)
    data.val = part(data.val)
    X, y = next(iter(data.val_dataloader()))
    assert X.shape == (64, 1, 28, 28) and y.shape == (64,)
    assert torch.allclose(X[3], data.val[3][0]) and y[3] == data.val[3][1]


def test_softmax_regression_scratch_with_classes(fashion):
    class SoftmaxRegressionScratch(d2l.Classifier):
        def __init__(self, num_inputs, num_outputs, lr, sigma=0.01):
            super().__init__()
            self.save_hyperparameters()
            self.W = torch.normal(0, sigma, size=(num_inputs, num_outputs), requires_grad=True)
            self.b = torch.zeros(num_outputs, requires_grad=True)

        def parameters(self):
            return [self.W, self.b]

    @d2l.add_to_class(SoftmaxRegressionScratch)
    def forward(self, X):
        X = d2l.reshape(X, (-1, self.W.shape[0]))
        return softmax(d2l.matmul(X, self.W) + self.b)

    @d2l.add_to_class(SoftmaxRegressionScratch)
    def loss(self, y_hat, y):
        return -d2l.reduce_mean(d2l.log(y_hat[list(range(len(y_hat))), y]))

    data = d2l.FashionMNIST(batch_size=64)
    model = SoftmaxRegressionScratch(num_inputs=784, num_outputs=10, lr=0.1)
    trainer = d2l.Trainer(max_epochs=4, gradient_clip_val=5)
    trainer.fit(model, data)
    curves = model.board.data
    assert set(curves) == {"train_loss", "val_loss", "val_acc"} and curves["val_acc"][-1].y > 0.25
    assert curves["val_loss"][-1].y < 1.1 and (model.W.grad is not None) and len(curves["val_acc"]) == 4

    X, y = next(iter(data.val_dataloader()))
    preds = d2l.argmax(model(X), axis=1)
    assert preds.shape == (64,)
    wrong = d2l.astype(preds, y.dtype) != y
    X, y, preds = X[wrong], y[wrong], preds[wrong]
    labels = [a + "\n" + b for a, b in zip(data.text_labels(y), data.text_labels(preds))]
    data.visualize([X, y], labels=labels)
    assert titles() == labels[:8] + [""] * (8 - len(labels)) and all(len(set(t.split("\n"))) != 1 for t in labels)


def test_classifier_defined_by_the_reader(fashion):
    def run():
        torch.manual_seed(3)
        model = d2l.SoftmaxRegression(num_outputs=10, lr=0.1)
        d2l.Trainer(max_epochs=2).fit(model, d2l.FashionMNIST(batch_size=64))
        return model

    library = run()

    @d2l.add_to_class(d2l.Module)
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr)

    @d2l.add_to_class(d2l.Classifier)
    def validation_step(self, batch):
        Y_hat = self(*batch[:-1])
        self.plot("loss", self.loss(Y_hat, batch[-1]), train=False)
        self.plot("acc", self.accuracy(Y_hat, batch[-1]), train=False)

    @d2l.add_to_class(d2l.Classifier)
    def accuracy(self, Y_hat, Y, averaged=True):
        Y_hat = d2l.reshape(Y_hat, (-1, Y_hat.shape[-1]))
        preds = d2l.astype(d2l.argmax(Y_hat, axis=1), Y.dtype)
        compare = d2l.astype(preds == d2l.reshape(Y, -1), d2l.float32)
        return d2l.reduce_mean(compare) if averaged else compare

    @d2l.add_to_class(d2l.Classifier)
    def loss(self, Y_hat, Y, averaged=True):
        Y_hat = d2l.reshape(Y_hat, (-1, Y_hat.shape[-1]))
        Y = d2l.reshape(Y, (-1,))
        return F.cross_entropy(Y_hat, Y, reduction="mean" if averaged else "none")

    own = run()
    torch.testing.assert_close([*own.parameters()], [*library.parameters()], rtol=1e-3, atol=1e-4)
    assert own.board.data.keys() == library.board.data.keys() and own.board.data["val_acc"][-1].y > 0.25
    for curve, points in own.board.data.items():
        torch.testing.assert_close(torch.tensor(points), torch.tensor(library.board.data[curve]), rtol=1e-3, atol=1e-3)


def test_softmax_regression_concise_with_classes(fashion, capsys):
    class SoftmaxRegression(d2l.Classifier):
        def __init__(self, num_outputs, lr):
            super().__init__()
            self.save_hyperparameters()
            self.net = nn.Sequential(nn.Flatten(), nn.LazyLinear(num_outputs))

        def forward(self, X):
            return self.net(X)

    def init_weights(module):
        if type(module) == nn.Linear:
            nn.init.normal_(module.weight, std=0.01)

    for Model in SoftmaxRegression, d2l.SoftmaxRegression:
        data = d2l.FashionMNIST(batch_size=64)
        model = Model(num_outputs=10, lr=0.1)
        model.apply_init([next(iter(data.get_dataloader(True)))[0]], init_weights)
        assert model.net[1].weight.shape == (10, 784) and 0.009 < model.net[1].weight.std() < 0.011
        model.layer_summary((2, 1, 28, 28))
        assert "(2, 10)" in capsys.readouterr().out
        trainer = d2l.Trainer(max_epochs=3)
        trainer.fit(model, data)
        assert model.board.data["val_acc"][-1].y > 0.25 and d2l.evaluate_accuracy(model, data.val_dataloader()) > 0.25
        X, y = next(iter(data.val_dataloader()))
        assert torch.allclose(model(X), F.linear(X.flatten(1), model.net[1].weight, model.net[1].bias))  # logits


def test_trainer_for_gpus_defined_by_the_reader(fashion, capsys):
    def run(gradient_clip_val):
        torch.manual_seed(4)
        model = d2l.SoftmaxRegression(num_outputs=10, lr=0.5)
        d2l.Trainer(max_epochs=1, num_gpus=1, gradient_clip_val=gradient_clip_val).fit(model, d2l.FashionMNIST(256))
        return torch.cat([p.detach().flatten().cpu() for p in model.parameters()]), model.board.data["val_acc"][-1].y

    library = run(0.5)

    @d2l.add_to_class(d2l.Trainer)
    def __init__(self, max_epochs, num_gpus=0, gradient_clip_val=0):
        self.save_hyperparameters()
        self.gpus = [d2l.gpu(i) for i in range(min(num_gpus, d2l.num_gpus()))]

    @d2l.add_to_class(d2l.Trainer)
    def prepare_batch(self, batch):
        if self.gpus:
            batch = [d2l.to(a, self.gpus[0]) for a in batch]
        return batch

    @d2l.add_to_class(d2l.Trainer)
    def prepare_model(self, model):
        model.trainer = self
        model.board.xlim = [0, self.max_epochs]
        if self.gpus:
            model.to(self.gpus[0])
        self.model = model

    @d2l.add_to_class(d2l.Trainer)
    def clip_gradients(self, grad_clip_val, model):
        params = [p for p in model.parameters() if p.requires_grad]
        norm = torch.sqrt(sum(torch.sum((p.grad ** 2)) for p in params))
        if norm > grad_clip_val:
            for param in params:
                param.grad[:] *= grad_clip_val / norm

    own = run(0.5)
    assert torch.allclose(library[0], own[0], atol=1e-6) and library[1] == pytest.approx(own[1]) and own[1] > 0.3
    assert not torch.allclose(run(0)[0], own[0], atol=1e-3)


def test_a_readers_plot_with_fewer_batches_than_points():
    data = d2l.SyntheticRegressionData(w=d2l.tensor([2, -3.4]), b=4.2, batch_size=1000)  # one minibatch in an epoch
    model = scratch(Module)(2, lr=0.1)
    d2l.Trainer(max_epochs=80).fit(model, data)
    assert tiny(data.w - d2l.reshape(model.w, data.w.shape), data.b - model.b)
