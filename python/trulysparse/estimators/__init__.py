"""A classifier, a regressor and a feature selector in scikit-learn's interface."""

from trulysparse.estimators._classifier import SparseMLPClassifier
from trulysparse.estimators._regressor import SparseMLPRegressor
from trulysparse.estimators._selector import SparseFeatureSelector

__all__ = ["SparseFeatureSelector", "SparseMLPClassifier", "SparseMLPRegressor"]
