"""Where live plots appear: redrawn in place in a notebook, as lines of text elsewhere."""

import sys

__all__ = []


def in_notebook():
    """True when the code runs in a Jupyter kernel, so that figures can be shown in place."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython
    return hasattr(get_ipython(), "kernel")


class LiveFigure:
    """A figure that is shown once and then redrawn in the same place.

    It belongs to no window system, so it works without a display. Draw on `.figure` and `.axes`
    (a list, row by row), then call `show`. axes: where to draw, if not on a figure of its own.
    """

    def __init__(self, nrows=1, ncols=1, figsize=(3.5, 2.5), axes=None):
        if axes is None:
            from matplotlib.figure import Figure
            self.figure = Figure(figsize=figsize)
            self.axes = list(self.figure.subplots(nrows, ncols, squeeze=False).flat)
        else:
            self.figure, self.axes = axes.figure, [axes]
        self.handle = None

    def show(self, line=""):
        """Redraw in a notebook; elsewhere print `line`, unless it is empty."""
        if not in_notebook():
            if line:
                print(line, flush=True)
        elif self.handle is None:
            if pyplot := sys.modules.get("matplotlib.pyplot"):
                pyplot.close(self.figure)  # which would show a figure of its own again, after the cell
            from IPython.display import display
            self.handle = display(self.figure, display_id=True)
        else:
            self.handle.update(self.figure)
