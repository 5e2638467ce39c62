"""What the section “Fashion-MNIST: an image classification dataset” saves."""
# Made by `make sync` from book/en/image-classification-dataset.md; do not edit it here.

import multiprocessing
import os
import torch
from torch.nn import functional as F
import softmax_lib as sl

__all__ = ["get_fashion_mnist_labels", "show_images", "get_dataloader_workers", "ImageDataset", "batch_loader", "FashionMNIST", "load_data_fashion_mnist"]


# book/en/image-classification-dataset.md, cell 8
def get_fashion_mnist_labels(labels):
    """The names of Fashion-MNIST's classes for numeric labels.

    labels: a tensor (n,) or n whole numbers from 0 to 9.
    Returns a list of n strings. Raises ValueError for any other number.
    Explained in “Fashion-MNIST: an image classification dataset”.
    Explained in “Fashion-MNIST: an image classification dataset”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/image-classification-dataset.html
    """
    names = ['t-shirt', 'trouser', 'pullover', 'dress', 'coat',
             'sandal', 'shirt', 'sneaker', 'bag', 'ankle boot']
    labels = list(labels)
    for label in labels:
        if label not in range(len(names)):
            raise ValueError('labels must be whole numbers from 0 to 9, '
                             f'not {label}')
    return [names[int(label)] for label in labels]


# book/en/image-classification-dataset.md, cell 10
def show_images(imgs, num_rows, num_cols, titles=None, scale=1.5):
    """Show images in a grid.

    imgs: images, of which the first num_rows * num_cols are shown, each
    a PIL image or a tensor (height, width), (1, height, width) or
    (3, height, width).
    titles: a string for each image. scale: size of one cell in inches.
    Returns the array of axes, in rows. Raises ValueError where
    an image lacks its title.
    Explained in “Fashion-MNIST: an image classification dataset”.
    Explained in “Fashion-MNIST: an image classification dataset”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/image-classification-dataset.html
    """
    imgs = imgs[:num_rows * num_cols]
    if titles is not None and len(titles) < len(imgs):
        raise ValueError(f'titles: {len(titles)} for {len(imgs)} images')
    figsize = (num_cols * scale, num_rows * scale)
    _, axes = sl.plt.subplots(num_rows, num_cols, figsize=figsize,
                              squeeze=False)
    axes = axes.flatten()
    for ax in axes:
        ax.axis('off')
    for i, (ax, img) in enumerate(zip(axes, imgs)):
        if torch.is_tensor(img):
            img = img.detach().cpu()
            if img.ndim == 3:
                img = img[0] if len(img) == 1 else img.permute(1, 2, 0)
            img = img.numpy()
        ax.imshow(img, cmap='gray')
        if titles is not None:
            ax.set_title(titles[i])
    return axes


# book/en/image-classification-dataset.md, cell 12
def get_dataloader_workers():
    """How many worker processes a DataLoader can safely use here.

    At most 4 and at most the number of cores that this process may use;
    0 where workers cannot be forked (Windows, macOS, recent Pythons).
    Explained in “Fashion-MNIST: an image classification dataset”.
    Explained in “Fashion-MNIST: an image classification dataset”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/image-classification-dataset.html
    """
    method = (multiprocessing.get_start_method(allow_none=True)
              or multiprocessing.get_all_start_methods()[0])
    forks = method == 'fork' and hasattr(os, 'sched_getaffinity')
    return min(4, len(os.sched_getaffinity(0))) if forks else 0


# book/en/image-classification-dataset.md, cell 14
class ImageDataset(torch.utils.data.Dataset):
    """Images and labels in memory, served one by one or many at once.

    images: bytes, uint8 (n, height, width), or (n, c, height, width) with
    c channels. labels: int64 (n,). resize: None, or the side of the square
    that the images become, or (height, width).
    dataset[i] is a pair: float32 (c, height, width) in [0, 1], and a label;
    for a list i of b numbers, float32 (b, c, height, width) and b labels.
    Raises TypeError for other images, ValueError where there are not as
    many labels, or a side of resize is not a whole number from 1 on.
    Explained in “Fashion-MNIST: an image classification dataset”.
    Explained in “Fashion-MNIST: an image classification dataset”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/image-classification-dataset.html
    """
    def __init__(self, images, labels, resize=None):
        self.images, self.labels = map(torch.as_tensor, (images, labels))
        if self.images.dtype != torch.uint8 or self.images.ndim not in (3, 4):
            raise TypeError('images must be uint8 (n, h, w) or (n, c, h, w), '
                            f'not {self.images.dtype} '
                            f'{tuple(self.images.shape)}')
        if len(images) != len(labels):
            raise ValueError(f'images: {len(images)} for {len(labels)} labels')
        sides = torch.tensor(self.images.shape[-2:] if resize is None
                             else resize)
        if sides.is_floating_point() or sides.min() < 1:
            raise ValueError('resize must be one or two whole numbers, at '
                             f'least 1, not {resize}')
        self.size = tuple(sides.expand(2).tolist())

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        X = self.images[i] / 255
        if self.images.ndim == 3:
            X = X.unsqueeze(-3)  # the axis of the channel
        if self.size != X.shape[-2:]:
            shape = (*X.shape[:-2], *self.size)
            X = F.interpolate(X.reshape(-1, 1, *X.shape[-2:]), self.size,
                              mode='bilinear', antialias=True)
            X = X.clamp(0, 1).reshape(shape)  # may have been 1.0000001
        return X, self.labels[i]


# book/en/image-classification-dataset.md, cell 15
def batch_loader(dataset, batch_size, shuffle=False, num_workers=0):
    """A DataLoader that asks dataset for a whole batch at once.

    dataset: it must accept a list of numbers, as ImageDataset does.
    batch_size: examples in a batch; the last one may have fewer.
    num_workers: processes that read.
    Explained in “Fashion-MNIST: an image classification dataset”.
    Explained in “Fashion-MNIST: an image classification dataset”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/image-classification-dataset.html
    """
    order = (torch.utils.data.RandomSampler(dataset) if shuffle
             else torch.utils.data.SequentialSampler(dataset))
    batches = torch.utils.data.BatchSampler(order, batch_size,
                                            drop_last=False)
    return torch.utils.data.DataLoader(dataset, sampler=batches,
                                       batch_size=None,
                                       num_workers=num_workers)


# book/en/image-classification-dataset.md, cell 19
class FashionMNIST(sl.DataModule):
    """Fashion-MNIST as a DataModule: .train and .val are its datasets.

    batch_size: how many examples a batch has; the last may have fewer.
    resize: (height, width) of the images, or the side of a square. A batch
    is X, float32 (b, 1, height, width) in [0, 1], and y, int64 (b,).
    Raises ValueError where resize does not fit, as ImageDataset does.
    Explained in “Fashion-MNIST: an image classification dataset”.
    Explained in “Fashion-MNIST: an image classification dataset”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/image-classification-dataset.html
    """
    def __init__(self, batch_size=64, resize=(28, 28)):
        super().__init__()
        self.save_hyperparameters()
        self.train = ImageDataset(*sl.fashion_mnist(train=True), resize)
        self.val = ImageDataset(*sl.fashion_mnist(train=False), resize)

    def text_labels(self, indices):
        """The names of the classes for numeric labels, as a list."""
        return get_fashion_mnist_labels(indices)

    def get_dataloader(self, train):
        """The loader over .train, shuffled, or over .val."""
        return batch_loader(self.train if train else self.val,
                            self.batch_size, shuffle=train,
                            num_workers=self.num_workers)

    def visualize(self, batch, nrows=1, ncols=8, labels=[]):
        """Show the first images of a batch (X, y) in a grid with titles.

        X: (b, 1, height, width). labels: the titles, by default the
        names of the classes y. Raises ValueError where they are fewer
        than the images shown.
        """
        X, y = batch
        n = min(len(y), nrows * ncols)
        titles = list(labels)[:n] or self.text_labels(y[:n])
        show_images(X[:n], nrows, ncols, titles=titles)


# book/en/image-classification-dataset.md, cell 21
def load_data_fashion_mnist(batch_size, resize=None):
    """Load Fashion-MNIST: (train_iter, test_iter).

    batch_size: how many examples a batch has; the last may have fewer.
    resize: None, or the side r of the square that the images become.
    Each loader yields X, float32 (b, 1, 28, 28) or (b, 1, r, r) in
    [0, 1], and y, int64 (b,), and can be run through again and again;
    the training data are shuffled anew each time.
    Raises ValueError where resize is below 1.
    Explained in “Fashion-MNIST: an image classification dataset”.
    Explained in “Fashion-MNIST: an image classification dataset”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/image-classification-dataset.html
    """
    data = FashionMNIST(batch_size, resize)
    return data.train_dataloader(), data.val_dataloader()
