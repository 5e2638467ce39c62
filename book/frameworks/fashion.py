"""What all frameworks share: the images, their order, the first weights, the loop."""
# %% the images
import gzip
import time
import urllib.request
from pathlib import Path

import numpy as np

MIRROR = ('https://raw.githubusercontent.com/zalandoresearch/'
          'fashion-mnist/master/data/fashion/')
SYSTEM_COPY = '/usr/share/datasets/fashion-mnist'


def read(name, start):
    path = Path(SYSTEM_COPY, name + '-ubyte.gz')
    if not path.exists():
        path = Path(path.name)
    if not path.exists():
        urllib.request.urlretrieve(MIRROR + path.name, path)
    return np.frombuffer(gzip.open(path).read(), np.uint8, offset=start)


X_train, X_test = (
    read(f'{part}-images-idx3', 16).reshape(-1, 784) / np.float32(255)
    for part in ('train', 't10k'))
y_train, y_test = (
    read(f'{part}-labels-idx1', 8).astype(np.int32)
    for part in ('train', 't10k'))
# %% the start and the loop
rng = np.random.default_rng(42)
W_start = rng.normal(0, 0.01, (784, 10)).astype(np.float32)
orders = [rng.permutation(60_000) for epoch in range(5)]
lr = 0.1


def train(way, step, logits):
    start = time.process_time()
    for order in orders:
        for i in range(0, 60_000, 256):
            rows = order[i:i + 256]
            step(X_train[rows], y_train[rows])
    y_hat = np.asarray(logits(X_test)).argmax(1)
    seconds = time.process_time() - start
    accuracy = (y_hat == y_test).mean()
    print(f'{way}: test accuracy {accuracy:.4f}, {seconds:.1f} s')
    assert accuracy > 0.8
