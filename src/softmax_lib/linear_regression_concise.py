"""What the section “Linear regression, the concise way” saves."""
# Made by `make sync` from book/en/linear-regression-concise.md; do not edit it here.

import torch


def load_array(data_arrays, batch_size, is_train=True):
    """A DataLoader over tensors, in shuffled order when training.

    data_arrays: tensors with equally many rows, for instance features
    (n, d) and labels (n, 1). batch_size: rows in a minibatch; the last
    one may have fewer. Each minibatch is a list, one tensor per array.
    Raises ValueError where batch_size is below 1 or the numbers of rows
    differ. Explained in “Linear regression, the concise way”.
    """
    if batch_size < 1:
        raise ValueError(f'batch_size must be at least 1, not {batch_size}')
    rows = [len(array) for array in data_arrays]
    if len(set(rows)) != 1:
        raise ValueError('data_arrays must have equally many rows, '
                         f'not {rows}')
    dataset = torch.utils.data.TensorDataset(*data_arrays)
    return torch.utils.data.DataLoader(dataset, batch_size, shuffle=is_train)
