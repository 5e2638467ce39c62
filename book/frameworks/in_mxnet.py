# %% imports
import mxnet as mx
from fashion import W_start, lr, train
from mxnet import autograd, gluon, nd

print(f'MXNet {mx.__version__}')
# %% from scratch
W, b = nd.array(W_start), nd.zeros(10)
for param in (W, b):
    param.attach_grad()


def softmax(X):
    X_exp = nd.exp(X)
    return X_exp / X_exp.sum(1, keepdims=True)


def net(X):
    return softmax(nd.dot(X, W) + b)


def cross_entropy(y_hat, y):
    return -nd.log(nd.pick(y_hat, y))


def step(X, y):
    with autograd.record():
        loss = cross_entropy(net(nd.array(X)), nd.array(y)).mean()
    loss.backward()
    for param in (W, b):
        param -= lr * param.grad


train('from scratch', step, lambda X: net(nd.array(X)).asnumpy())
# %% concisely
layer = gluon.nn.Dense(10, in_units=784)
layer.initialize()
layer.weight.set_data(W_start.T)
layer.hybridize()
loss = gluon.loss.SoftmaxCrossEntropyLoss()
trainer = gluon.Trainer(layer.collect_params(), 'sgd', {'learning_rate': lr})


def concise_step(X, y):
    with autograd.record():
        losses = loss(layer(nd.array(X)), nd.array(y))
    losses.backward()
    trainer.step(len(y))


train('concisely', concise_step, lambda X: layer(nd.array(X)).asnumpy())
# %% the graph without numbers
graph = layer(mx.sym.var('X'))
print(type(graph), graph.list_arguments())
