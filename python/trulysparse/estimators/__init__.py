"""A classifier and a regressor in scikit-learn's interface (extra ``sklearn``)."""

from trulysparse.estimators._classifier import SparseMLPClassifier
from trulysparse.estimators._regressor import SparseMLPRegressor

__all__ = ["SparseMLPClassifier", "SparseMLPRegressor"]
