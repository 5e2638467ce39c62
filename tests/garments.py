"""Write the images of the figure `garment`: .venv/bin/python tests/garments.py

They are the first 200 of each class of Fashion-MNIST's training set, the classes in turn, so that image i is of
class i % 10. A pixel keeps 4 of its 8 bits. It is a script, not JSON, because a page opened as a file may load no data.
"""

import base64
from pathlib import Path

import torch

import softmax_lib as sl

FILE = Path(__file__).resolve().parents[1] / "book/static/touch/garments.js"
HEAD = "// 2,000 images of Fashion-MNIST, (c) 2017 Zalando SE, MIT License; made by tests/garments.py\n"


def images():
    """The 2,000 images, (2000, 784), as whole numbers from 0 to 15."""
    X, y = sl.fashion_mnist(train=True)
    rows = torch.stack([(y == label).nonzero().flatten()[:200] for label in range(10)], dim=1).flatten()
    return (X[rows].reshape(-1, 784) / 17).round().to(torch.uint8)


def script():
    X = images()
    pairs = (16 * X[:, 0::2] + X[:, 1::2]).numpy().tobytes()  # two pixels to a byte
    return f'{HEAD}window.garments = "{base64.b64encode(pairs).decode()}";\n'


if __name__ == "__main__":
    FILE.write_text(script())
