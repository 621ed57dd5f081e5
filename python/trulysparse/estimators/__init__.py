"""A classifier, a regressor and a feature selector in scikit-learn's interface."""

from typing import TYPE_CHECKING

from trulysparse import _hints
from trulysparse.estimators import _saved
from trulysparse.estimators._classifier import SparseMLPClassifier
from trulysparse.estimators._regressor import SparseMLPRegressor
from trulysparse.estimators._saved import KEY as KEY
from trulysparse.estimators._saved import described as described
from trulysparse.estimators._selector import SparseFeatureSelector
from trulysparse.model import SparseMLP


def restored(model: SparseMLP) -> SparseMLPClassifier | SparseMLPRegressor:
    """Give the estimator whose file this network is from."""
    kinds = {kind.__name__: kind for kind in (SparseMLPClassifier, SparseMLPRegressor)}
    found: SparseMLPClassifier | SparseMLPRegressor = _saved.restored(model, kinds)
    return found


__all__ = ["SparseFeatureSelector", "SparseMLPClassifier", "SparseMLPRegressor"]

if not TYPE_CHECKING:  # which would then take any name
    __getattr__ = _hints.of_module(__name__, __all__)
