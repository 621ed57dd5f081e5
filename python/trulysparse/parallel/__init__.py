"""Training on several workers: WASAP-SGD and WASSP-SGD (arXiv 2102.01732)."""

from typing import TYPE_CHECKING

from trulysparse import _hints
from trulysparse.parallel.strategies import WASAP, WASSP, Strategy

__all__ = ["WASAP", "WASSP", "Strategy"]

if not TYPE_CHECKING:  # which would then take any name
    __getattr__ = _hints.of_module(__name__, __all__)
