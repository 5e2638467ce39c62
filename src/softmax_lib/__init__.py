"""The library of the book “Softmax, Step by Step”: each function is explained in the section that saves it.

Nothing is loaded before it is used: `__init__.pyi` says which module holds a name.
"""
# Made by `make sync` from the sections in book/en; do not edit it here.

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
