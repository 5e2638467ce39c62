"""Code as readers of Dive into Deep Learning paste it, with `import softmax_lib as d2l` for their import line.

It is of the class style (editions 1.x); the book's own pages are written in the function style of 0.x, and nbval runs
them. The code is our own; what it takes from theirs is how it calls things. Each test looks at what was learned, not
only that nothing was raised.
"""
import inspect

import pytest
import torch
import torchvision
from torch.utils import data as torch_data
from torchvision import transforms

import softmax_lib as d2l

pytestmark = pytest.mark.usefixtures("afresh")
true_w, true_b = torch.tensor([2, -3.4]), 4.2


@pytest.fixture(autouse=True)
def methods(monkeypatch):
    """After each test, the library's classes as they were, whatever was put in the place of their methods."""
    for Class in d2l.Trainer, d2l.Classifier, d2l.FashionMNIST:
        for name, method in list(vars(Class).items()):
            if inspect.isfunction(method):
                monkeypatch.setattr(Class, name, method)


@pytest.fixture
def fashion(monkeypatch):
    """The library serves 2,000 images to train on and 500 to test on."""
    whole = d2l.fashion_mnist
    monkeypatch.setattr(d2l, "fashion_mnist", lambda train: [part[:2000 if train else 500] for part in whole(train)])


def titles():
    return [axes.get_title() for axes in d2l.plt.gcf().axes]


def classifies(model):
    """Whether it got most of the images right, if not at the end of each epoch."""
    return max(point.y for point in model.board.data["val_acc"]) > 0.25


def learned(w, b):
    """Whether these are the parameters of the data: no error reaches 0.01."""
    return all(error.abs().max() < 0.01 for error in (true_w - d2l.reshape(w, true_w.shape), true_b - b))


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


class Data(d2l.DataModule):
    """It does without super().__init__(), and serves its minibatches itself."""
    def __init__(self, w, b, num_train=1000, num_val=1000, batch_size=32):
        self.save_hyperparameters()
        self.X = d2l.randn(num_train + num_val, len(w))
        self.y = d2l.matmul(self.X, d2l.reshape(w, (-1, 1))) + b + d2l.randn(num_train + num_val, 1) * 0.01

    def get_dataloader(self, train):
        indices = list(range(0, self.num_train) if train else range(self.num_train, self.num_train + self.num_val))
        for i in range(0, len(indices), self.batch_size):
            batch_indices = d2l.tensor(indices[i:i + self.batch_size])
            yield self.X[batch_indices], self.y[batch_indices]


class TensorData(Data):
    def get_dataloader(self, train):
        return self.get_tensorloader([self.X, self.y], train, slice(0, self.num_train) if train else slice(self.num_train, None))


def test_data_defined_by_the_reader():
    data = Data(w=true_w, b=true_b)
    assert next(iter(data.train_dataloader()))[0].shape == (32, 2)
    assert torch.equal(torch.cat([X for X, _ in data.val_dataloader()]), data.X[1000:])
    fitted(d2l.LinearRegressionScratch, d2l.Trainer(max_epochs=3), TensorData(true_w, true_b))


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
            self.train, self.val = (torch_data.Subset(torchvision.datasets.FashionMNIST(
                root=self.root, train=train, transform=trans, download=True), range(n)) for train, n in ((True, 2000), (False, 500)))

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


def softmax(X):
    X_exp = d2l.exp(X)
    return X_exp / d2l.reduce_sum(X_exp, 1, keepdim=True)


def test_softmax_regression_from_scratch(fashion):
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
            return d2l.reduce_mean(-d2l.log(y_hat[range(len(y_hat)), y]))

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
