"""Thin neutral names for PyTorch calls, for code that spells them this way."""

from torch import arange, exp, float32, log, matmul, normal, ones, rand, randn, tensor, zeros
from torch.nn import Module as nn_Module

__all__ = [
    "tensor", "reduce_sum", "reduce_mean", "exp", "log", "normal", "rand", "randn", "matmul",
    "reshape", "argmax", "astype", "size", "zeros", "ones", "arange", "float32", "numpy", "to",
    "nn_Module",
]


def reduce_sum(x, *args, **kwargs):
    """`x.sum(...)`, for instance `reduce_sum(X, 0, keepdim=True)`."""
    return x.sum(*args, **kwargs)


def reduce_mean(x, *args, **kwargs):
    """`x.mean(...)`."""
    return x.mean(*args, **kwargs)


def reshape(x, *args, **kwargs):
    """`x.reshape(...)`."""
    return x.reshape(*args, **kwargs)


def argmax(x, *args, **kwargs):
    """`x.argmax(...)`, for instance `argmax(y_hat, axis=1)`."""
    return x.argmax(*args, **kwargs)


def astype(x, dtype):
    """`x` with another type of number, for instance `astype(y_hat, y.dtype)`."""
    return x.type(dtype)


def size(x):
    """The number of elements of `x`, an int."""
    return x.numel()


def numpy(x):
    """`x` as a NumPy array, detached from the graph of gradients and on the CPU."""
    return x.detach().cpu().numpy()


def to(x, *args, **kwargs):
    """`x.to(...)`: on another device or of another type."""
    return x.to(*args, **kwargs)
