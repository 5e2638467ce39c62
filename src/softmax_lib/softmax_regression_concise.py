"""What the section “Softmax regression, the concise way” saves."""
# Made by `make sync` from book/en/softmax-regression-concise.md; do not edit it here.

from torch import nn
import softmax_lib as sl

__all__ = ["SoftmaxRegression"]


# book/en/softmax-regression-concise.md, cell 14
class SoftmaxRegression(sl.Classifier):
    """Softmax regression: flatten, then one linear layer to logits.

    X: (b, ...), where the first minibatch decides how many features
    there are; the logits are (b, num_outputs). lr: the learning rate.
    Explained in “Softmax regression, the concise way”:
    https://softmax-step-by-step.github.io/softmax-step-by-step/softmax-regression-concise.html
    """
    def __init__(self, num_outputs, lr):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Flatten(), nn.LazyLinear(num_outputs))
