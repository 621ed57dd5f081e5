"""Training on several workers: WASAP-SGD and WASSP-SGD (arXiv 2102.01732)."""

from trulysparse.parallel.strategies import WASAP, WASSP, Strategy

__all__ = ["WASAP", "WASSP", "Strategy"]
