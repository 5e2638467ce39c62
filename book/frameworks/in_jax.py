# %% imports
from functools import partial

import flax
import jax
import jax.numpy as jnp
import optax
from fashion import W_start, lr, train
from flax import nnx

print(f'JAX {jax.__version__}, Flax {flax.__version__}, '
      f'Optax {optax.__version__}')
# %% from scratch
params = [jnp.array(W_start), jnp.zeros(10)]


def softmax(X):
    X_exp = jnp.exp(X)
    return X_exp / X_exp.sum(1, keepdims=True)


def net(params, X):
    W, b = params
    return softmax(X @ W + b)


def mean_loss(params, X, y):
    print('Python reads mean_loss, X is', X)
    y_hat = net(params, X)
    return -jnp.log(y_hat[jnp.arange(len(y)), y]).mean()


@jax.jit
def sgd(params, X, y):
    grads = jax.grad(mean_loss)(params, X, y)
    return [param - lr * grad for param, grad in zip(params, grads)]


def step(X, y):
    global params
    params = sgd(params, X, y)


train('from scratch', step, lambda X: net(params, X))
# %% concisely
layer = nnx.Linear(784, 10, rngs=nnx.Rngs(0))
layer.kernel[...] = W_start
optimizer = nnx.Optimizer(layer, optax.sgd(lr), wrt=nnx.Param)


def layer_loss(layer, X, y):
    losses = optax.softmax_cross_entropy_with_integer_labels(layer(X), y)
    return losses.mean()


@nnx.jit
def concise_step(layer, optimizer, X, y):
    optimizer.update(layer, nnx.grad(layer_loss)(layer, X, y))


train('concisely', partial(concise_step, layer, optimizer), layer)
# %% the traced program
print(jax.make_jaxpr(softmax)(jnp.zeros((256, 10))))
# %% no assignment
W, b = params
try:
    W[0, 0] = 1.0
except TypeError as error:
    print('TypeError:', str(error).partition('.')[0])
W_new = W.at[0, 0].set(1.0)
print(W[0, 0], W_new[0, 0])
