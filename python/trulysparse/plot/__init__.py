"""Pictures of networks and of their training.

Need matplotlib: ``pip install 'trulysparse[plot]'``. Each function draws into the `ax` that it is
given, or into a new pyplot figure, and returns its Axes; write a picture to a file with
``ax.figure.savefig("picture.png")``.
"""

from typing import TYPE_CHECKING

from trulysparse import _hints
from trulysparse.plot._gradients import gradient_flow
from trulysparse.plot._importance import feature_importance_bars, importance_histogram
from trulysparse.plot._inputs import input_connections_heatmap, input_connections_over_epochs
from trulysparse.plot._parallel import (
    accuracy_over_workers,
    speedup_over_workers,
    staleness_histogram,
)
from trulysparse.plot._pruning import accuracy_against_parameters
from trulysparse.plot._runs import compare_runs
from trulysparse.plot._selection import selection_path
from trulysparse.plot._topology import degree_distributions, size_over_epochs
from trulysparse.plot._training import learning_curves, save_learning_curves

__all__ = [
    "accuracy_against_parameters",
    "accuracy_over_workers",
    "compare_runs",
    "degree_distributions",
    "feature_importance_bars",
    "gradient_flow",
    "importance_histogram",
    "input_connections_heatmap",
    "input_connections_over_epochs",
    "learning_curves",
    "save_learning_curves",
    "selection_path",
    "size_over_epochs",
    "speedup_over_workers",
    "staleness_histogram",
]

if not TYPE_CHECKING:  # which would then take any name
    __getattr__ = _hints.of_module(__name__, __all__)
