"""What the section “Fashion-MNIST: an image classification dataset” saves."""
# Made by `make sync` from book/en/image-classification-dataset.md; do not edit it here.

import multiprocessing
import os
import torch
from torch.nn import functional as F
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler, TensorDataset
import softmax_lib as sl

__all__ = ["get_fashion_mnist_labels", "show_images", "get_dataloader_workers", "ImageDataset", "batch_loader", "load_data_fashion_mnist"]


# book/en/image-classification-dataset.md, cell 8
def get_fashion_mnist_labels(labels):
    """The names of Fashion-MNIST's classes for numeric labels, as a list.

    labels: a tensor (n,) or n whole numbers from 0 to 9; any other
    number is a KeyError.
    Explained in “Fashion-MNIST: an image classification dataset”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/image-classification-dataset.html
    """
    name = dict(enumerate(['t-shirt', 'trouser', 'pullover', 'dress', 'coat',
                           'sandal', 'shirt', 'sneaker', 'bag', 'ankle boot']))
    return [name[float(label)] for label in labels]


# book/en/image-classification-dataset.md, cell 10
def show_images(imgs, num_rows, num_cols, titles=None, scale=1.5):
    """Show images in a grid; returns the array of axes, row by row.

    imgs: PIL images or tensors (height, width) or (c, height, width) with
    c = 1 or 3; those beyond num_rows * num_cols are left out. titles: a
    string for each image. scale: the size of one cell in inches.
    Explained in “Fashion-MNIST: an image classification dataset”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/image-classification-dataset.html
    """
    figsize = (num_cols * scale, num_rows * scale)
    _, axes = sl.plt.subplots(num_rows, num_cols, figsize=figsize,
                              squeeze=False)
    axes = axes.flatten()
    for ax in axes:
        ax.axis('off')
    for ax, img in zip(axes, imgs):
        if torch.is_tensor(img):
            img = img.detach().cpu().numpy()
            img = img.transpose(1, 2, 0) if img.ndim == 3 else img
        ax.imshow(img, cmap='gray')
    for ax, title in zip(axes, titles or []):
        ax.set_title(title)
    return axes


# book/en/image-classification-dataset.md, cell 12
def get_dataloader_workers():
    """How many worker processes a DataLoader can use in a notebook.

    At most 4 and at most the number of cores that this process may use;
    0 where workers are not forked and so know no class of the notebook.
    Explained in “Fashion-MNIST: an image classification dataset”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/image-classification-dataset.html
    """
    method = (multiprocessing.get_start_method(allow_none=True)
              or multiprocessing.get_all_start_methods()[0])
    forks = method == 'fork' and hasattr(os, 'sched_getaffinity')
    return min(4, len(os.sched_getaffinity(0))) if forks else 0


# book/en/image-classification-dataset.md, cell 15
class ImageDataset(TensorDataset):
    """Images, uint8 (n, height, width) or (n, c, height, width), with labels.

    resize: None, a side, or (height, width). An element: float32
    (c, height, width) in [0, 1] and a label; for a list of b, (b, c, ...).
    Explained in “Fashion-MNIST: an image classification dataset”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/image-classification-dataset.html
    """
    def __init__(self, images, labels, resize=None):
        self.images, self.labels = map(torch.as_tensor, (images, labels))
        if self.images.dtype != torch.uint8:
            raise TypeError(f'images must be uint8, not {self.images.dtype}')
        super().__init__(self.images, self.labels)
        size = self.images.shape[-2:] if resize is None else resize
        self.size = torch.tensor(size).expand(2).tolist()

    def __getitem__(self, i):
        X = self.images[i] / 255
        if self.images.ndim == 3:
            X = X.unsqueeze(-3)  # the axis of the channel
        if self.size != list(X.shape[-2:]):
            Z = F.interpolate(X.reshape(-1, 1, *X.shape[-2:]), self.size,
                              mode='bilinear', antialias=True).clamp(0, 1)
            X = Z.reshape(*X.shape[:-2], *self.size)
        return X, self.labels[i]


# book/en/image-classification-dataset.md, cell 16
def batch_loader(dataset, batch_size, shuffle=False, num_workers=0):
    """A DataLoader that asks dataset for a whole batch at once.

    dataset: it must accept a list of numbers, as ImageDataset does.
    Explained in “Fashion-MNIST: an image classification dataset”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/image-classification-dataset.html
    """
    order = RandomSampler(dataset) if shuffle else SequentialSampler(dataset)
    batches = BatchSampler(order, batch_size, drop_last=False)
    return DataLoader(dataset, sampler=batches, batch_size=None,
                      num_workers=num_workers)


# book/en/image-classification-dataset.md, cell 20
def load_data_fashion_mnist(batch_size, resize=None):
    """Load Fashion-MNIST: (train_iter, test_iter).

    resize: None, or the side r of the square that the images become.
    A batch is X, float32 (b, 1, 28, 28) or (b, 1, r, r) in [0, 1], and
    y, int64 (b,); the training data are shuffled anew in every epoch.
    Explained in “Fashion-MNIST: an image classification dataset”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/image-classification-dataset.html
    """
    train = ImageDataset(*sl.fashion_mnist(train=True), resize)
    test = ImageDataset(*sl.fashion_mnist(train=False), resize)
    return (batch_loader(train, batch_size, shuffle=True),
            batch_loader(test, batch_size))
