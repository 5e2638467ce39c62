"""What the section “Linear regression, the concise way” saves."""
# Made by `make sync` from book/en/linear-regression-concise.md; do not edit it here.

import torch

__all__ = ["load_array"]


# book/en/linear-regression-concise.md, cell 4
def load_array(data_arrays, batch_size, is_train=True, num_workers=0):
    """A DataLoader over tensors, in shuffled order when training.

    data_arrays: a tuple of tensors, arrays or lists with equally many
    rows, for instance features (n, d) and labels (n, 1). batch_size:
    rows in a minibatch; the last one may have fewer. num_workers:
    processes that read. Each minibatch is a list, one tensor per array.
    A single tensor in place of the tuple is a TypeError.
    Explained in “Linear regression, the concise way”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/linear-regression-concise.html
    """
    if hasattr(data_arrays, 'shape'):
        raise TypeError('data_arrays must be a tuple: (X, y) or (X,), not X')
    tensors = [torch.as_tensor(array) for array in data_arrays]
    return torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(*tensors), batch_size,
        shuffle=is_train, num_workers=num_workers)
