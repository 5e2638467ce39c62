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
    Explained in “Linear regression from scratch”.
    Explained in “Linear regression from scratch”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/linear-regression-scratch.html
    """
    w = torch.as_tensor(w, dtype=torch.get_default_dtype()).reshape(-1, 1)
    b = torch.as_tensor(b).reshape(())  # fails unless it is one number
    X = torch.randn(num_examples, len(w))
    y = X @ w + b
    return X, y + 0.01 * torch.randn(y.shape)


# book/en/linear-regression-scratch.md, cell 9
def linreg(X, w, b):
    """The linear regression model: Xw + b.

    X: (n, d). w: (d, 1), or (d, q) for q outputs. b: a number, or one
    for each output. Returns (n, 1) or (n, q).
    Raises ValueError where b is neither.
    Explained in “Linear regression from scratch”.
    Explained in “Linear regression from scratch”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/linear-regression-scratch.html
    """
    q = w[0].numel()  # outputs: 1, as long as w is a single column
    shape = tuple(getattr(b, 'shape', ()))
    if shape not in [(), (1,), (q,), (1, q)]:
        raise ValueError(f'b must be one number per output ({q}), not {shape}')
    return X @ w + b


# book/en/linear-regression-scratch.md, cell 11
def squared_loss(y_hat, y):
    """The squared loss of each example: (y_hat - y)² / 2.

    y_hat, y: tensors with equally many elements; y takes y_hat's shape.
    Returns a tensor of that shape, in squared units of the label.
    Raises ValueError where the numbers of elements differ.
    Explained in “Linear regression from scratch”.
    Explained in “Linear regression from scratch”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/linear-regression-scratch.html
    """
    if y_hat.numel() != y.numel():
        raise ValueError(f'y_hat has {y_hat.numel()} elements, y {y.numel()}')
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


# book/en/linear-regression-scratch.md, cell 12
def sgd(params, lr, batch_size):
    """One step of minibatch stochastic gradient descent, in place.

    params: tensors whose .grad holds the gradient of a summed loss.
    lr: learning rate. batch_size: how many examples the sum ran over.
    Each parameter moves by -lr * gradient / batch_size; then the
    gradients are set to zero. Raises ValueError where params is empty
    or lacks a gradient, lr is below 0 or batch_size below 1; then
    nothing moves.
    Explained in “Linear regression from scratch”.
    Explained in “Linear regression from scratch”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/linear-regression-scratch.html
    """
    params, lr = list(params), float(lr)
    if not params or any(param.grad is None for param in params):
        raise ValueError('params must be tensors with gradients: call '
                         'backward() on the loss before the step')
    if not (lr >= 0 and batch_size >= 1):
        raise ValueError('lr must be at least 0 and batch_size at least 1, '
                         f'not {lr} and {batch_size}')
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()
