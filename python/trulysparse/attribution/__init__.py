"""What columns contribute to a prediction."""

from trulysparse.attribution.explanation import Explanation
from trulysparse.attribution.importance import feature_importance
from trulysparse.attribution.of_model import explain

__all__ = ["Explanation", "explain", "feature_importance"]
