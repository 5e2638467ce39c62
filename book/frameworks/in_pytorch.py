# %% imports
import torch
from fashion import W_start, lr, train
from torch import nn

print(f'PyTorch {torch.__version__.partition("+")[0]}')
# %% from scratch
W = torch.tensor(W_start, requires_grad=True)
b = torch.zeros(10, requires_grad=True)


def softmax(X):
    X_exp = torch.exp(X)
    partition = X_exp.sum(1, keepdim=True)
    return X_exp / partition


def net(X):
    return softmax(X.reshape(-1, W.shape[0]) @ W + b)


def cross_entropy(y_hat, y):
    return -torch.log(y_hat[range(len(y_hat)), y])


def step(X, y):
    X, y = torch.tensor(X), torch.tensor(y)
    loss = cross_entropy(net(X), y).mean()
    loss.backward()
    with torch.no_grad():
        for param in (W, b):
            param -= lr * param.grad
            param.grad.zero_()


train('from scratch', step, lambda X: net(torch.tensor(X)).detach())
# %% concisely
layer = nn.Linear(784, 10)
with torch.no_grad():
    layer.weight.copy_(torch.tensor(W_start.T))
    layer.bias.zero_()
loss = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(layer.parameters(), lr=lr)


def concise_step(X, y):
    optimizer.zero_grad()
    loss(layer(torch.tensor(X)), torch.tensor(y).long()).backward()
    optimizer.step()


train('concisely', concise_step, lambda X: layer(torch.tensor(X)).detach())
