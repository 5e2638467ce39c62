"""`plt`, loaded when it is first used."""

from matplotlib import pyplot as plt

__all__ = ["plt"]
