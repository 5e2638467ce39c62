"""The library of the book “Softmax, Step by Step”: each function is explained in the section that saves it.

Nothing is loaded before it is used: a name's module is imported when the name is first asked for.
"""
# Made by `make sync` from the sections in book/en; do not edit it here.

from importlib import import_module

__version__ = '0.1.0'

_MODULES = {
    "plt": "matplotlib.pyplot",
    "use_svg_display": ".linear_regression",
    "set_figsize": ".linear_regression",
    "Timer": ".linear_regression",
    "set_axes": ".linear_regression",
    "plot": ".linear_regression",
    "synthetic_data": ".linear_regression_scratch",
    "linreg": ".linear_regression_scratch",
    "squared_loss": ".linear_regression_scratch",
    "sgd": ".linear_regression_scratch",
    "load_array": ".linear_regression_concise",
    "add_to_class": ".training_framework",
    "HyperParameters": ".training_framework",
    "Point": ".training_framework",
    "ProgressBoard": ".training_framework",
    "Module": ".training_framework",
    "DataModule": ".training_framework",
    "SyntheticRegressionData": ".training_framework",
    "Trainer": ".training_framework",
    "cpu": ".training_framework",
    "gpu": ".training_framework",
    "num_gpus": ".training_framework",
    "SGD": ".training_framework",
    "LinearRegressionScratch": ".training_framework",
    "LinearRegression": ".training_framework",
    "get_fashion_mnist_labels": ".image_classification_dataset",
    "show_images": ".image_classification_dataset",
    "get_dataloader_workers": ".image_classification_dataset",
    "ImageDataset": ".image_classification_dataset",
    "batch_loader": ".image_classification_dataset",
    "FashionMNIST": ".image_classification_dataset",
    "load_data_fashion_mnist": ".image_classification_dataset",
    "accuracy": ".softmax_regression_scratch",
    "Accumulator": ".softmax_regression_scratch",
    "device_of": ".softmax_regression_scratch",
    "evaluation": ".softmax_regression_scratch",
    "evaluate_accuracy": ".softmax_regression_scratch",
    "evaluate_loss": ".softmax_regression_scratch",
    "train_epoch_ch3": ".softmax_regression_scratch",
    "Animator": ".softmax_regression_scratch",
    "train_ch3": ".softmax_regression_scratch",
    "predict_ch3": ".softmax_regression_scratch",
    "Classifier": ".softmax_regression_scratch",
    "SoftmaxRegression": ".softmax_regression_concise",
    "fashion_mnist_root": "._data",
    "fashion_mnist": "._data",
    "is_stand_in": "._data",
    "tensor": "._neutral",
    "reduce_sum": "._neutral",
    "reduce_mean": "._neutral",
    "exp": "._neutral",
    "log": "._neutral",
    "normal": "._neutral",
    "rand": "._neutral",
    "randn": "._neutral",
    "matmul": "._neutral",
    "reshape": "._neutral",
    "argmax": "._neutral",
    "astype": "._neutral",
    "size": "._neutral",
    "zeros": "._neutral",
    "ones": "._neutral",
    "arange": "._neutral",
    "float32": "._neutral",
    "numpy": "._neutral",
    "to": "._neutral",
    "nn_Module": "._neutral",
}

__all__ = list(_MODULES)


def __getattr__(name):
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(_MODULES[name], __name__)
    value = module if name == "plt" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_MODULES})
