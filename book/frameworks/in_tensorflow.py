# %% imports
import keras
import numpy as np
import tensorflow as tf
from fashion import W_start, lr, train

print(f'TensorFlow {tf.__version__}, Keras {keras.__version__}')
# %% from scratch
W, b = tf.Variable(W_start), tf.Variable(tf.zeros(10))


def softmax(X):
    X_exp = tf.exp(X)
    return X_exp / tf.reduce_sum(X_exp, 1, keepdims=True)


def net(X):
    return softmax(X @ W + b)


def cross_entropy(y_hat, y):
    true = tf.reduce_sum(y_hat * tf.one_hot(y, 10), 1)
    return -tf.math.log(true)


def step(X, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(cross_entropy(net(X), y))
    grads = tape.gradient(loss, (W, b))
    for param, grad in zip((W, b), grads):
        param.assign_sub(lr * grad)


train('from scratch', step, net)
# %% concisely
model = keras.Sequential([keras.Input([784]), keras.layers.Dense(10)])
model.set_weights([W_start, np.zeros(10)])
model.compile(
    optimizer=keras.optimizers.SGD(lr),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
train('concisely', model.train_on_batch, model)
# %% the same, traced
W.assign(W_start)
b.assign(tf.zeros(10))
train('the same, traced', tf.function(step), net)
