"""What can be looked at in a fitted estimator."""

from __future__ import annotations

import os
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from scipy.sparse import csc_array
from sklearn.utils.validation import check_is_fitted

from trulysparse import _hints
from trulysparse.attribution import Explanation
from trulysparse.estimators import (
    _explaining,
    _importances,
    _reported,
    _scaling,
    _support,
    _words,
)
from trulysparse.estimators._tables import Encoder
from trulysparse.model import SparseMLP
from trulysparse.report.bootstrap import RESAMPLES
from trulysparse.report.making import TOP, asked, made
from trulysparse.tables.parts import Part


class Looks:
    """Weights and importances of an estimator, by the names of its table."""

    model_: SparseMLP
    _constant: _support.Mask | None
    _encoder: Encoder | None

    @property
    def coefs_(self) -> list[csc_array]:
        """The weights of each layer, (n_in, n_out)."""
        check_is_fitted(self, "model_")
        return [layer.weight for layer in self.model_.layers]

    @property
    def intercepts_(self) -> list[npt.NDArray[np.float32]]:
        """The biases of each layer."""
        check_is_fitted(self, "model_")
        return [layer.bias for layer in self.model_.layers]

    @property
    def feature_importances_(self) -> npt.NDArray[np.float64]:
        """What each feature is worth, by the name that scikit-learn's tools look for.

        Of a column that became several features, it is the root of the sum of their squares. Levels
        of a category count by the deviation that they had in training: one with few rows is worth
        little.
        """
        check_is_fitted(self, "model_")
        return _importances.of_columns(self)

    @property
    def level_importances_(self) -> dict[str, dict[str, float]]:
        """What each feature of a column is worth: its levels, its number, that it is missing."""
        check_is_fitted(self, "model_")
        if self._encoder is None:
            raise AttributeError("level_importances_: expected a fit to a table with categories")
        scores, names = _importances.of_features(self), self._encoder.feature_names_
        columns = zip(self._encoder.columns_, self._encoder.places(), strict=True)
        return {part.name: {names[i]: float(scores[i]) for i in at} for part, at in columns}

    @_hints.plain
    def explain(
        self,
        X: Any,
        *,
        baseline: Any = "mean",
        of: str = "logits",
        outputs: Any = None,
        levels: bool = False,
        **unknown: NoReturn,
    ) -> Explanation:
        """Tell what each column contributes to the prediction for samples.

        Contributions are integrated gradients, as `SparseMLP.explain` computes them: they sum to
        the output of a sample less that of a baseline. What became several features, such as the
        levels of a category, or a number and that it is missing, is added up to its column. The
        estimator stays as it is.

        Parameters
        ----------
        X
            Samples, (n_samples, n_features), as `predict` takes them.
        baseline
            What contributions are counted from. ``"mean"`` (default): of numbers the mean of the
            training data, or the median where `scale` takes it, of levels the share of rows that
            have them; of sparse `X`, and of levels of a fit to rows of a file, 0. If features are
            not scaled it is 0 for numbers. ``"zero"``: 0 for all, and no level. Or rows with the
            columns of `X`, whose mean it is, such as the training data.
        of
            What is explained of an output. ``"logits"`` (default): the output before its softmax
            or sigmoid. ``"log_odds"``: log(p / (1 - p)) of a probability p. ``"outputs"``: the
            probability. Of a regressor all three are the predicted numbers.
        outputs
            Numbers of the outputs to explain, in the order of `classes_`, ascending; or one
            number. None (default): all.
        levels
            Whether `Explanation.levels` has the contributions of the features that columns became.

        Returns
        -------
        Explanation
            Its `values` are float64 of shape (n_samples, n_columns, n_outputs), or (n_samples,
            n_columns) for one output. Of sparse `X` they are sparse.

        Raises
        ------
        ValueError, TypeError
            As `predict` does, and for an argument out of its range.
        MemoryError
            If the contributions do not fit into memory.
        """
        _words.refuse(self, "explain", unknown)
        check_is_fitted(self, "model_")
        return _explaining.explain(self, X, baseline, of, outputs, levels)

    @property
    def columns_(self) -> tuple[Part, ...]:
        """What became of each column of the table that `fit` saw, and how it is scaled."""
        check_is_fitted(self, "model_")
        return _scaling.columns(self)

    @property
    def best_epoch_(self) -> int | None:
        """The epoch of `best_validation_score_`, counted from 0; None without validation data."""
        check_is_fitted(self, "model_")
        scores = getattr(self, "validation_scores_", None)
        return scores.index(max(scores)) if scores else None

    @property
    def neuron_importances_(self) -> list[npt.NDArray[np.float32]]:
        """What the neurons of each hidden layer are worth."""
        check_is_fitted(self, "model_")
        return [self.model_.importance(i) for i in range(1, len(self.model_.layer_sizes) - 1)]

    @_hints.plain
    def report(
        self,
        X: Any,
        y: Any = None,
        path: str | os.PathLike[str] | None = None,
        *,
        title: str | None = None,
        name: str = "the table",
        top: int = TOP,
        folds: int = 0,
        resamples: int = RESAMPLES,
        seed: int = 0,
        batch_size: int = 128,
        **unknown: NoReturn,
    ) -> str:
        """Make a page of HTML that shows the network and how it does on a table.

        The page stands alone: no scripts, and nothing is fetched. It has scores with intervals,
        mistakes, calibration, the columns that matter most and what they speak for, the table,
        learning curves, pruning and connections. What cannot be computed, such as a score without
        labels, is said there. Needs matplotlib: ``pip install 'trulysparse[plot]'``.

        Parameters
        ----------
        X, y
            A table, (n_samples, n_features), and its targets, as `fit` takes them, in memory. Rows
            without a target are not scored; y may be None (default).
        path
            The file to write, or None (default).
        title, name
            The page's title, by default made of `name`, which is what the table is called.
        top
            Columns that are shown, from 1 to 200. Default 20.
        folds
            Train the same estimator again so often, each time without one part of the rows of the
            table, and show the mean and spread of its scores. 0 (default): not at all.
        resamples
            Resamples of the rows for intervals, from 100 to 10,000; fewer are taken where they
            would take minutes, and the page says so. Default 1000.
        seed
            Of what is drawn: the same seed gives the same page on the same day. Default 0.
        batch_size
            Samples that are predicted together. Default 128.

        Returns
        -------
        str
            The page.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        OSError
            If the file cannot be written.
        ValueError, TypeError
            If an argument is wrong, or the table is not one of the estimator's.
        """
        _words.refuse(self, "report", unknown)
        wanted = asked(path, title=title, name=name, top=top, folds=folds, resamples=resamples,
                       seed=seed, batch_size=batch_size)  # fmt: skip
        return made(_reported.of_tables(self, X, y, wanted), wanted)
