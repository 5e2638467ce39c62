# Made by `make sync` from the sections in book/en; do not edit it here.

from .linear_regression import use_svg_display as use_svg_display, set_figsize as set_figsize, set_axes as set_axes, plot as plot, Timer as Timer
from .linear_regression_scratch import synthetic_data as synthetic_data, linreg as linreg, squared_loss as squared_loss, sgd as sgd
from .linear_regression_concise import load_array as load_array
from .image_classification_dataset import get_fashion_mnist_labels as get_fashion_mnist_labels, show_images as show_images, get_dataloader_workers as get_dataloader_workers, ImageDataset as ImageDataset, batch_loader as batch_loader, load_data_fashion_mnist as load_data_fashion_mnist
from .softmax_regression_scratch import correct as correct, accuracy as accuracy, Accumulator as Accumulator, device_of as device_of, evaluation as evaluation, evaluate_loss as evaluate_loss, evaluate_accuracy as evaluate_accuracy, train_epoch_ch3 as train_epoch_ch3, Animator as Animator, train_ch3 as train_ch3, predict_ch3 as predict_ch3
from .training_framework import add_to_class as add_to_class, HyperParameters as HyperParameters, Point as Point, ProgressBoard as ProgressBoard, Module as Module, DataModule as DataModule, SyntheticRegressionData as SyntheticRegressionData, Trainer as Trainer, SGD as SGD, LinearRegressionScratch as LinearRegressionScratch, LinearRegression as LinearRegression, cpu as cpu, gpu as gpu, num_gpus as num_gpus, FashionMNIST as FashionMNIST, Classifier as Classifier, SoftmaxRegressionScratch as SoftmaxRegressionScratch, SoftmaxRegression as SoftmaxRegression
from ._data import fashion_mnist_root as fashion_mnist_root, fashion_mnist as fashion_mnist, is_stand_in as is_stand_in
from ._neutral import tensor as tensor, reduce_sum as reduce_sum, reduce_mean as reduce_mean, exp as exp, log as log, normal as normal, rand as rand, randn as randn, matmul as matmul, reshape as reshape, argmax as argmax, astype as astype, size as size, zeros as zeros, ones as ones, arange as arange, float32 as float32, numpy as numpy, to as to, nn_Module as nn_Module
from ._plt import plt as plt
