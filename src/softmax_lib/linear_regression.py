"""What the section “Linear regression: the ideas” saves."""
# Made by `make sync` from book/en/linear-regression.md; do not edit it here.

import itertools
import time
import numpy as np
import softmax_lib as sl
from softmax_lib._display import in_notebook

__all__ = ["use_svg_display", "set_figsize", "set_axes", "plot", "Timer"]


# book/en/linear-regression.md, cell 14
def use_svg_display():
    """Draw a notebook's figures as SVG; outside a notebook do nothing.

    Words stay words, and the same plot always gives the same file: it
    carries no date, and its inner names come from a fixed salt.
    Explained in “Linear regression: the ideas”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/linear-regression.html
    """
    if in_notebook():
        from matplotlib_inline import backend_inline
        sl.plt.rcParams.update({'svg.fonttype': 'none',
                                'svg.hashsalt': 'softmax'})
        backend_inline.set_matplotlib_formats('svg', metadata={'Date': None})


# book/en/linear-regression.md, cell 15
def set_figsize(figsize=(3.5, 2.5)):
    """Set the size of the figures that follow: (width, height) in inches.

    Explained in “Linear regression: the ideas”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/linear-regression.html
    """
    use_svg_display()
    sl.plt.rcParams['figure.figsize'] = figsize


# book/en/linear-regression.md, cell 16
def set_axes(axes, xlabel, ylabel, xlim, ylim, xscale, yscale, legend):
    """Set the labels, limits, scales and legend of axes, and add a grid.

    A limit that is None is what suits the curves drawn so far.
    Explained in “Linear regression: the ideas”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/linear-regression.html
    """
    axes.set(xlabel=xlabel, ylabel=ylabel, xscale=xscale, yscale=yscale,
             xlim=xlim, ylim=ylim)
    if legend:
        axes.legend(legend)
    axes.grid(True)


# book/en/linear-regression.md, cell 17
def plot(X, Y=None, xlabel=None, ylabel=None, legend=[], xlim=None,
         ylim=None, xscale='linear', yscale='linear',
         fmts=('-', 'm--', 'g-.', 'r:'), figsize=(3.5, 2.5), axes=None):
    """Plot one curve or several.

    X, Y: a sequence of numbers (one curve) or a sequence of those (one
    per curve); one X serves all Y. Without Y, X is plotted against
    0, 1, 2, ... The styles in fmts are used in turn. figsize: (width,
    height) in inches. axes: where to draw, or None for a new figure.
    Explained in “Linear regression: the ideas”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/linear-regression.html
    """
    def curves(Z):
        return list(Z) if len(Z) and np.ndim(Z[0]) else [Z]

    if Y is None:
        X, Y = [range(len(y)) for y in curves(X)], X
    X, Y = curves(X), curves(Y)
    X = X * len(Y) if len(X) == 1 else X
    if axes is None:
        set_figsize(figsize)
        axes = sl.plt.gca()
    axes.cla()
    for (x, y), fmt in zip(zip(X, Y, strict=True), itertools.cycle(fmts)):
        axes.plot(x, y, fmt)
    set_axes(axes, xlabel, ylabel, xlim, ylim, xscale, yscale, legend)


# book/en/linear-regression.md, cell 22
class Timer:
    """A stopwatch that remembers its laps, in seconds; it starts when made.

    Explained in “Linear regression: the ideas”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/linear-regression.html
    """
    def __init__(self):
        self.times = []
        self.start()

    def start(self):
        """Begin a lap."""
        self.started = time.perf_counter()

    def stop(self):
        """End the lap and return how long it took."""
        self.times.append(time.perf_counter() - self.started)
        return self.times[-1]

    def avg(self):
        """The mean of the laps."""
        return sum(self.times) / len(self.times)

    def sum(self):
        """The total of the laps."""
        return sum(self.times)

    def cumsum(self):
        """The total after each lap, as a list."""
        return list(itertools.accumulate(self.times))
