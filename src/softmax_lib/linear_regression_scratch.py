"""What the section “Linear regression from scratch” saves."""
# Made by `make sync` from book/en/linear-regression-scratch.md; do not edit it here.

import torch


def synthetic_data(w, b, num_examples):
    """Make examples of a linear relation: y = Xw + b + noise.

    w: tensor (d,), the true weights. b: number, the true bias.
    Returns X, float (num_examples, d), drawn from N(0, 1), and
    y, float (num_examples, 1), whose noise is drawn from N(0, 0.01²).
    Raises ValueError where num_examples is below 1 or b not one number.
    Explained in “Linear regression from scratch”.
    """
    if num_examples < 1:
        raise ValueError(f'num_examples must be at least 1, '
                         f'not {num_examples}')
    if torch.is_tensor(b) and b.numel() != 1:
        raise ValueError(f'b must be one number, not {b.numel()}')
    X = torch.randn(num_examples, len(w))
    y = X @ w.reshape(-1, 1) + b
    return X, y + 0.01 * torch.randn(y.shape)


def linreg(X, w, b):
    """The linear regression model: Xw + b.

    X: (n, d). w: (d, 1), or (d, q) for q outputs. b: a number, or one
    for each output. Returns (n, 1) or (n, q).
    Raises ValueError where X has not as many columns as w has rows,
    or b is not one number for each output.
    Explained in “Linear regression from scratch”.
    """
    if X.shape[-1] != w.shape[0]:
        raise ValueError(f'X has {X.shape[-1]} features, w has {w.shape[0]}')
    q = w[0].numel()  # outputs: 1, as long as w is a single column
    if torch.is_tensor(b) and b.shape not in [(), (1,), (q,), (1, q)]:
        raise ValueError(f'b must be one number per output ({q}), '
                         f'not {tuple(b.shape)}')
    return X @ w + b


def squared_loss(y_hat, y):
    """The squared loss of each example: (y_hat - y)² / 2.

    y_hat, y: tensors with equally many elements; y takes y_hat's shape.
    Returns a tensor of that shape, in squared units of the label.
    Raises ValueError where the numbers of elements differ.
    Explained in “Linear regression from scratch”.
    """
    if y_hat.numel() != y.numel():
        raise ValueError(f'y_hat has {y_hat.numel()} elements, y {y.numel()}')
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def sgd(params, lr, batch_size):
    """One step of minibatch stochastic gradient descent, in place.

    params: tensors whose .grad holds the gradient of a summed loss.
    lr: learning rate. batch_size: how many examples the sum ran over.
    Each parameter moves by -lr * gradient / batch_size; then the
    gradients are set to zero. Raises ValueError where batch_size is
    below 1, params is empty, or a parameter has no gradient; then
    nothing moves.
    Explained in “Linear regression from scratch”.
    """
    params = list(params)
    if not params:
        raise ValueError('params holds no parameter')
    if batch_size < 1:
        raise ValueError(f'batch_size must be at least 1, not {batch_size}')
    for i, param in enumerate(params):
        if param.grad is None:
            raise ValueError(f'params[{i}] has no gradient: call backward() '
                             'on the loss before the step')
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()
