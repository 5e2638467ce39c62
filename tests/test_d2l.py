"""Code as readers of Dive into Deep Learning paste it, with `import softmax_lib as d2l` for their import line.

First the function style (editions 0.x), then the class style (1.x), chapter by chapter. The code is our own; what it
takes from theirs is how it calls things. Each test looks at what was learned, not only that nothing was raised.
"""
import inspect
import math
import random
import struct

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
true_w, true_b = torch.tensor([2, -3.4]), 4.2


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
    raw, parts = root / "FashionMNIST" / "raw", {}
    raw.mkdir(parents=True)
    for train, name, n in (True, "train", 2000), (False, "t10k", 500):
        X, y = parts[train] = [part[:n].clone() for part in d2l.fashion_mnist(train)]
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


def classifies(model):
    """Whether it got most of the images right, if not at the end of each epoch."""
    return max(point.y for point in model.board.data["val_acc"]) > 0.25


def learned(w, b):
    """Whether these are the parameters of the data: no error reaches 0.01."""
    return all(error.abs().max() < 0.01 for error in (true_w - d2l.reshape(w, true_w.shape), true_b - b))


# -- the function style, 0.x ----------------------------------------------------------------------------

def minibatches(batch_size, features, labels):
    indices = list(range(len(features)))
    random.shuffle(indices)
    for i in range(0, len(features), batch_size):
        j = d2l.tensor(indices[i:min(i + batch_size, len(features))])
        yield features[j], labels[j]


def test_linear_regression_from_scratch():
    features, labels = d2l.synthetic_data(true_w, true_b, 1000)
    d2l.set_figsize()
    d2l.plt.scatter(d2l.numpy(features[:, 1]), d2l.numpy(labels), 1)
    w = d2l.normal(0, 0.01, size=(2, 1), requires_grad=True)
    b = d2l.zeros(1, requires_grad=True)
    lr, num_epochs, batch_size, net, loss = 0.03, 3, 10, d2l.linreg, d2l.squared_loss
    for epoch in range(num_epochs):
        for X, y in minibatches(batch_size, features, labels):
            l = loss(net(X, w, b), y)
            l.sum().backward()
            d2l.sgd([w, b], lr, batch_size)
    with torch.no_grad():
        train_l = loss(net(features, w, b), labels)
    assert 3e-5 < float(d2l.reduce_mean(train_l)) < 7e-5 and learned(w, b)


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")
def test_weight_decay():
    n_train, n_test, num_inputs, batch_size, num_epochs, lr = 20, 100, 200, 5, 50, 0.003
    decayed_w, decayed_b = d2l.ones((num_inputs, 1)) * 0.01, 0.05
    train_iter = d2l.load_array(d2l.synthetic_data(decayed_w, decayed_b, n_train), batch_size)
    test_iter = d2l.load_array(d2l.synthetic_data(decayed_w, decayed_b, n_test), batch_size, is_train=False)

    def train(lambd):
        w, b = d2l.normal(0, 1, size=(num_inputs, 1), requires_grad=True), d2l.zeros(1, requires_grad=True)
        net, loss = lambda X: d2l.linreg(X, w, b), d2l.squared_loss
        animator = d2l.Animator("epochs", "loss", yscale="log", xlim=[5, num_epochs], legend=["train", "test"])
        for epoch in range(num_epochs):
            for X, y in train_iter:
                l = loss(net(X), y) + lambd * torch.sum(w.pow(2)) / 2
                l.sum().backward()
                d2l.sgd([w, b], lr, batch_size)
            if (epoch + 1) % 5 == 0:
                animator.add(epoch + 1, (d2l.evaluate_loss(net, train_iter, loss), d2l.evaluate_loss(net, test_iter, loss)))
        return torch.norm(w).item(), [y[-1] for y in animator.Y]

    (free, (train_loss, test_loss)), (decayed, (_, tamed)) = train(lambd=0), train(lambd=3)
    assert train_loss < 0.1 < 10 < test_loss and tamed < test_loss / 10 and decayed < free / 5


def test_polynomial_regression():
    features = np.random.default_rng(0).normal(size=(200, 1))
    poly_features = np.power(features, np.arange(20).reshape(1, -1)) / np.array([math.gamma(i + 1) for i in range(20)])
    labels = np.dot(poly_features, np.array([5, 1.2, -3.4, 5.6] + [0] * 16))
    poly_features, labels = [d2l.tensor(x, dtype=d2l.float32) for x in (poly_features, labels)]

    def train(degrees):
        X, y = poly_features[:, :degrees], labels.reshape(-1, 1)
        net, loss = nn.Sequential(nn.Linear(degrees, 1, bias=False)), nn.MSELoss(reduction="none")
        train_iter, test_iter = d2l.load_array((X[:100], y[:100]), 10), d2l.load_array((X[100:], y[100:]), 10, is_train=False)
        trainer = torch.optim.SGD(net.parameters(), lr=0.01)
        for epoch in range(100):
            d2l.train_epoch_ch3(net, train_iter, loss, trainer)
        return d2l.evaluate_loss(net, test_iter, loss), net[0].weight.data.numpy()[0]

    (right, weights), (too_few, _) = train(4), train(2)
    assert right < 0.5 < too_few and abs(weights[0] - 5) < 0.3 > abs(weights[2] + 3.4)


def test_image_classification_dataset(fashion):
    d2l.use_svg_display()
    theirs = torchvision.datasets.FashionMNIST(root=d2l.fashion_mnist_root(), train=True, transform=transforms.ToTensor())
    X, y = next(iter(torch_data.DataLoader(theirs, batch_size=18, num_workers=d2l.get_dataloader_workers())))
    d2l.show_images(X.reshape(18, 28, 28), 2, 9, titles=d2l.get_fashion_mnist_labels(y))
    assert titles() == [theirs.classes[int(i)].lower().split("/")[0] for i in y]
    X, y = next(iter(d2l.load_data_fashion_mnist(32, resize=64)[0]))
    assert X.shape == (32, 1, 64, 64) and X.dtype == torch.float32 and y.dtype == torch.int64


def softmax(X):
    X_exp = d2l.exp(X)
    return X_exp / d2l.reduce_sum(X_exp, 1, keepdim=True)


def cross_entropy(y_hat, y):
    return -d2l.log(y_hat[range(len(y_hat)), y])


def accuracy(y_hat, y):
    if len(y_hat.shape) > 1 and y_hat.shape[1] > 1:
        y_hat = d2l.argmax(y_hat, axis=1)
    cmp = d2l.astype(y_hat, y.dtype) == y
    return float(d2l.reduce_sum(d2l.astype(cmp, y.dtype)))


def test_softmax_regression_from_scratch(fashion):
    train_iter, test_iter = d2l.load_data_fashion_mnist(64)
    W = torch.normal(0, 0.01, size=(784, 10), requires_grad=True)
    b = torch.zeros(10, requires_grad=True)

    def net(X):
        return softmax(d2l.matmul(d2l.reshape(X, (-1, W.shape[0])), W) + b)

    def updater(batch_size):
        return d2l.sgd([W, b], 0.1, batch_size)

    assert d2l.evaluate_accuracy(net, test_iter) < 0.4
    result = d2l.train_ch3(net, train_iter, test_iter, cross_entropy, 4, updater)
    assert result[0] < 1.8 and result[1] > 0.25 and d2l.evaluate_accuracy(net, test_iter) == result[2] > 0.2
    X, y = next(iter(test_iter))
    assert accuracy(net(X), y) == d2l.accuracy(net(X), y)
    trues, preds = d2l.get_fashion_mnist_labels(y), d2l.get_fashion_mnist_labels(d2l.argmax(net(X), axis=1))
    d2l.predict_ch3(net, test_iter, n=20)
    assert trues[:20] != preds[:20] and titles() == [true + "\n" + pred for true, pred in zip(trues, preds)][:20]


@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_softmax_regression_concise(fashion, reduction):
    train_iter, test_iter = d2l.load_data_fashion_mnist(64)
    net, loss = nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), nn.CrossEntropyLoss(reduction=reduction)
    net.apply(lambda m: nn.init.normal_(m.weight, std=0.01) if type(m) == nn.Linear else None)
    trainer = torch.optim.SGD(net.parameters(), lr=0.1)
    train_loss, train_acc, test_acc = d2l.train_ch3(net, train_iter, test_iter, loss, 4, trainer)
    assert train_loss < 1.8 and train_acc > 0.25 and test_acc > 0.2


# -- the class style, 1.x ---------------------------------------------------------------------------------

def fit_epoch(self):
    self.model.train()
    for batch in self.train_dataloader:
        loss = self.model.training_step(self.prepare_batch(batch))
        self.optim.zero_grad()
        with torch.no_grad():
            loss.backward()
            self.optim.step()
        self.train_batch_idx += 1
    self.model.eval()
    for batch in self.val_dataloader:
        with torch.no_grad():
            self.model.validation_step(self.prepare_batch(batch))
        self.val_batch_idx += 1


class SGD(d2l.HyperParameters):
    """It relies on the trainer's no_grad."""
    def __init__(self, params, lr):
        self.save_hyperparameters()

    def step(self):
        for param in self.params:
            param -= self.lr * param.grad

    def zero_grad(self):
        for param in self.params:
            if param.grad is not None:
                param.grad.zero_()


def scratch():
    """The reader's LinearRegressionScratch, defined over several cells: parameters are plain tensors."""
    class LinearRegressionScratch(d2l.Module):
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
        return d2l.reduce_mean((y_hat - d2l.reshape(y, y_hat.shape)) ** 2 / 2)

    @d2l.add_to_class(LinearRegressionScratch)
    def configure_optimizers(self):
        return SGD([self.w, self.b], self.lr)

    return LinearRegressionScratch


def fitted(Model, trainer, data=None):
    """The parameters that a model has learned, always from the same start."""
    torch.manual_seed(2)
    data, model = data or d2l.SyntheticRegressionData(w=true_w, b=true_b), Model(2, lr=0.1)
    model.board.yscale = "log"
    trainer.fit(model, data)
    assert len(model.board.data["val_loss"]) == 3 and len(model.board.data["train_loss"]) == 6
    assert model.board.data["val_loss"][-1].y < 1e-4 and learned(model.w, model.b)
    return torch.cat([model.w.flatten(), model.b]).detach()


def test_trainer_methods_and_models_by_the_reader():
    trainer, calls = d2l.Trainer(max_epochs=3), []
    runs = [fitted(d2l.LinearRegressionScratch, trainer), fitted(scratch(), trainer)]

    @d2l.add_to_class(d2l.Trainer)
    def prepare_batch(self, batch):
        calls.append(len(batch[0]))
        return batch

    runs.append(fitted(scratch(), trainer))
    d2l.add_to_class(d2l.Trainer)(fit_epoch)
    runs += [fitted(scratch(), trainer), fitted(d2l.LinearRegressionScratch, trainer)]
    torch.testing.assert_close(runs[1:], runs[:1] * 4, rtol=1e-5, atol=1e-5)  # whoever wrote the loop
    assert len(calls) == 3 * 3 * (32 + 32) and sum(calls) == 3 * 3 * 2000
    assert (trainer.train_batch_idx, trainer.val_batch_idx, trainer.epoch) == (96, 96, 2)


def test_synthetic_regression_data():
    class Data(d2l.DataModule):
        def __init__(self, w, b, noise=0.01, num_train=1000, num_val=1000, batch_size=32):
            super().__init__()
            self.save_hyperparameters()
            n = num_train + num_val
            self.X = d2l.randn(n, len(w))
            self.y = d2l.matmul(self.X, d2l.reshape(w, (-1, 1))) + b + d2l.randn(n, 1) * noise

        def get_dataloader(self, train):
            indices = list(range(0, self.num_train) if train else range(self.num_train, self.num_train + self.num_val))
            for i in range(0, len(indices), self.batch_size):
                batch_indices = d2l.tensor(indices[i:i + self.batch_size])
                yield self.X[batch_indices], self.y[batch_indices]

    data = Data(w=true_w, b=true_b)
    assert next(iter(data.train_dataloader()))[0].shape == (32, 2)
    assert torch.equal(torch.cat([X for X, _ in data.val_dataloader()]), data.X[1000:])

    @d2l.add_to_class(Data)
    def get_dataloader(self, train):
        return self.get_tensorloader((self.X, self.y), train, slice(0, 1000) if train else slice(1000, None))

    fitted(d2l.LinearRegressionScratch, d2l.Trainer(max_epochs=3), data)


def test_linear_regression_with_a_lazy_layer():
    model = d2l.LinearRegression(lr=0.03)
    model.net.weight.data.normal_(0, 0.01)
    model.net.bias.data.fill_(0)
    d2l.Trainer(max_epochs=5).fit(model, d2l.SyntheticRegressionData(w=true_w, b=true_b))
    assert learned(*model.get_w_b())


def test_weight_decay_with_classes():
    class Data(d2l.DataModule):
        def __init__(self, num_train, num_val, num_inputs, batch_size):  # without super().__init__()
            self.save_hyperparameters()
            self.X = d2l.randn(num_train + num_val, num_inputs)
            self.y = d2l.matmul(self.X, d2l.ones((num_inputs, 1)) * 0.01) + 0.05 + d2l.randn(num_train + num_val, 1) * 0.01

        def get_dataloader(self, train):
            return self.get_tensorloader([self.X, self.y], train, slice(0, 20) if train else slice(20, None))

    class WeightDecayScratch(d2l.LinearRegressionScratch):
        def __init__(self, num_inputs, lambd, lr, sigma=0.01):
            super().__init__(num_inputs, lr, sigma)
            self.save_hyperparameters()

        def loss(self, y_hat, y):
            return super().loss(y_hat, y) + self.lambd * d2l.reduce_sum(self.w**2) / 2

    class WeightDecay(d2l.LinearRegression):
        def __init__(self, wd, lr):
            super().__init__(lr)
            self.save_hyperparameters()

        def configure_optimizers(self):
            return torch.optim.SGD([{"params": self.net.weight, "weight_decay": self.wd},
                                    {"params": self.net.bias}], lr=self.lr)

    data, trainer = Data(num_train=20, num_val=100, num_inputs=200, batch_size=5), d2l.Trainer(max_epochs=10)
    for make in lambda decay: WeightDecayScratch(200, decay, lr=0.01), lambda decay: WeightDecay(decay, lr=0.01):
        free, decayed = make(0), make(3)
        trainer.fit(free, data), trainer.fit(decayed, data)
        small, large = (d2l.reduce_sum(next(model.parameters()) ** 2) for model in (decayed, free))
        assert small < large / 4 and free.board.data["train_loss"][0].y > 5 * free.board.data["train_loss"][-1].y


def text_labels(self, indices):
    labels = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"]
    return [labels[int(i)] for i in indices]


def get_dataloader(self, train):
    data = self.train if train else self.val
    return torch.utils.data.DataLoader(data, self.batch_size, shuffle=train, num_workers=self.num_workers)


def test_fashion_mnist_defined_by_the_reader(fashion):
    class FashionMNIST(d2l.DataModule):
        def __init__(self, batch_size=64, resize=(28, 28)):
            super().__init__()
            self.save_hyperparameters()
            trans = transforms.Compose([transforms.Resize(resize), transforms.ToTensor()])
            self.train = torchvision.datasets.FashionMNIST(root=self.root, train=True, transform=trans, download=True)
            self.val = torchvision.datasets.FashionMNIST(root=self.root, train=False, transform=trans, download=True)

    data, mine = FashionMNIST(resize=(32, 32)), d2l.FashionMNIST(resize=(32, 32))
    for Class in FashionMNIST, d2l.FashionMNIST:
        for method in text_labels, get_dataloader:
            d2l.add_to_class(Class)(method)
    for (X, y), (X0, y0) in zip(data.val_dataloader(), mine.test_dataloader(), strict=True):
        assert (X - X0).abs().max() < 0.02 and torch.equal(y, y0)  # PIL rounds to whole bytes
    for source in data, mine:
        assert next(iter(source.train_dataloader()))[0].shape == (64, 1, 32, 32)
        d2l.FashionMNIST.visualize(source, batch := next(iter(source.val_dataloader())))
        assert titles() == d2l.get_fashion_mnist_labels(batch[1])[:8]
    mine.val = torch_data.random_split(mine.val, [300, 34])[0]
    X, y = next(iter(mine.val_dataloader()))
    assert X.shape == (64, 1, 32, 32) and torch.allclose(X[3], mine.val[3][0]) and y[3] == mine.val[3][1]
    model = d2l.SoftmaxRegression(num_outputs=10, lr=0.1)
    d2l.Trainer(max_epochs=3).fit(model, FashionMNIST())
    assert classifies(model)


def test_softmax_regression_scratch_with_classes(fashion):
    class SoftmaxRegressionScratch(d2l.Classifier):
        def __init__(self, num_inputs, num_outputs, lr, sigma=0.01):
            super().__init__()
            self.save_hyperparameters()
            self.W = torch.normal(0, sigma, size=(num_inputs, num_outputs), requires_grad=True)
            self.b = torch.zeros(num_outputs, requires_grad=True)

        def parameters(self):
            return [self.W, self.b]

        def forward(self, X):
            return softmax(d2l.matmul(d2l.reshape(X, (-1, self.W.shape[0])), self.W) + self.b)

        def loss(self, y_hat, y):
            return d2l.reduce_mean(cross_entropy(y_hat, y))

    data, model = d2l.FashionMNIST(batch_size=64), SoftmaxRegressionScratch(num_inputs=784, num_outputs=10, lr=0.1)
    d2l.Trainer(max_epochs=4, gradient_clip_val=5).fit(model, data)
    curves = model.board.data
    assert set(curves) == {"train_loss", "val_loss", "val_acc"} and classifies(model)
    X, y = next(iter(data.val_dataloader()))
    preds = d2l.argmax(model(X), axis=1)
    wrong = d2l.astype(preds, y.dtype) != y
    labels = [a + "\n" + b for a, b in zip(data.text_labels(y[wrong]), data.text_labels(preds[wrong]))]
    data.visualize([X[wrong], y[wrong]], labels=labels)
    assert titles() == (labels + [""] * 8)[:8]


def test_classifier_defined_by_the_reader(fashion):
    def run():
        torch.manual_seed(3)
        model = d2l.SoftmaxRegression(num_outputs=10, lr=0.1)
        d2l.Trainer(max_epochs=2).fit(model, d2l.FashionMNIST(batch_size=64))
        return model

    library = run()

    @d2l.add_to_class(d2l.Classifier)
    def accuracy(self, Y_hat, Y, averaged=True):
        Y_hat = d2l.reshape(Y_hat, (-1, Y_hat.shape[-1]))
        preds = d2l.astype(d2l.argmax(Y_hat, axis=1), Y.dtype)
        compare = d2l.astype(preds == d2l.reshape(Y, -1), d2l.float32)
        return d2l.reduce_mean(compare) if averaged else compare

    @d2l.add_to_class(d2l.Classifier)
    def loss(self, Y_hat, Y, averaged=True):
        Y_hat = d2l.reshape(Y_hat, (-1, Y_hat.shape[-1]))
        return F.cross_entropy(Y_hat, d2l.reshape(Y, (-1,)), reduction="mean" if averaged else "none")

    own = run()
    assert own.board.data.keys() == library.board.data.keys() and classifies(own)
    for curve, points in own.board.data.items():
        torch.testing.assert_close(torch.tensor(points), torch.tensor(library.board.data[curve]), rtol=1e-3, atol=1e-3)


def test_softmax_regression_concise_with_classes(fashion, capsys):
    def init_weights(layer):
        if type(layer) == nn.Linear:
            nn.init.normal_(layer.weight, std=0.01)

    data, model = d2l.FashionMNIST(batch_size=64), d2l.SoftmaxRegression(num_outputs=10, lr=0.1)
    model.apply_init([next(iter(data.get_dataloader(True)))[0]], init_weights)
    assert model.net[1].weight.shape == (10, 784) and 0.009 < model.net[1].weight.std() < 0.011
    model.layer_summary((2, 1, 28, 28))
    assert "(2, 10)" in capsys.readouterr().out
    d2l.Trainer(max_epochs=3).fit(model, data)
    assert classifies(model) and d2l.evaluate_accuracy(model, data.val_dataloader()) > 0.4
