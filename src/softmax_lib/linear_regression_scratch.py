"""What the section “Linear regression from scratch” saves."""
# Made by `make sync` from book/en/linear-regression-scratch.md; do not edit it here.

import torch

__all__ = ["synthetic_data", "linreg", "squared_loss", "sgd"]


# book/en/linear-regression-scratch.md, cell 3
def synthetic_data(w, b, num_examples):
    """Make examples of a linear relation: y = Xw + b + noise.

    w: d numbers, the true weights. b: one number, the true bias.
    Returns X, float (num_examples, d), drawn from N(0, 1), and
    y, float (num_examples, 1), whose noise is drawn from N(0, 0.01²).
    Explained in “Linear regression from scratch”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/linear-regression-scratch.html
    """
    w = torch.as_tensor(w, dtype=torch.get_default_dtype()).reshape(-1, 1)
    b = torch.as_tensor(b).reshape(())  # fails unless it is one number
    X = torch.randn(num_examples, len(w))
    y = X @ w + b
    return X, y + 0.01 * torch.randn(y.shape)


# book/en/linear-regression-scratch.md, cell 15
def linreg(X, w, b):
    """The linear regression model: Xw + b.

    X: (n, d). w: (d, 1), or (d, q) for q outputs. b: a number, or one
    for each output. Returns (n, 1) or (n, q).
    Explained in “Linear regression from scratch”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/linear-regression-scratch.html
    """
    return X @ w + b


# book/en/linear-regression-scratch.md, cell 16
def squared_loss(y_hat, y):
    """The squared loss of each example: (y_hat - y)² / 2.

    y_hat, y: tensors with equally many elements. Returns a tensor of
    y_hat's shape, in squared units of the label.
    Explained in “Linear regression from scratch”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/linear-regression-scratch.html
    """
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


# book/en/linear-regression-scratch.md, cell 17
def sgd(params, lr, batch_size):
    """One step of minibatch stochastic gradient descent, in place.

    params: tensors whose .grad holds the gradient of a summed loss.
    lr: learning rate. batch_size: how many examples the sum ran over.
    Each parameter moves by -lr * gradient / batch_size; then the
    gradients are set to zero.
    Explained in “Linear regression from scratch”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/linear-regression-scratch.html
    """
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()
