"""`Explanation`: what the columns of some samples contribute to outputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from trulysparse import _check, _html

Values = Any  # an array, a csr_array, or a tuple of these for several outputs
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """What each column contributed to the outputs of some samples.

    ``base_values + values.sum(axis=1)`` are the `outputs`, up to 1 % of the difference. Names and
    shapes are those of ``shap.Explanation``, which takes `values`, `base_values`, `data` and
    `feature_names`.

    Attributes
    ----------
    values : float64 array of shape (n_samples, n_columns) or (n_samples, n_columns, n_outputs)
        The contributions; two dimensions if one output is explained. Of sparse samples they are a
        ``csr_array`` (n_samples, n_columns), or a tuple of them, one for each output.
    base_values : float64 array of shape (n_samples,) or (n_samples, n_outputs)
        The outputs of the baseline, the same in each row.
    outputs : float64 array of shape (n_samples,) or (n_samples, n_outputs)
        The outputs of the samples.
    data
        The samples, as they were given.
    columns : list of str
        Names of the columns; ``x0``, ``x1``, ... without names.
    output_names : list of str
        Names of the outputs that are explained, such as classes.
    of : str
        What is explained of an output: ``"logits"``, ``"log_odds"`` or ``"outputs"``.
    levels : Explanation or None
        The same for each feature that columns of a table became: levels of a category, a number,
        that a number is missing. None unless they were asked for.
    """

    values: Values
    base_values: Doubles
    outputs: Doubles
    data: Any
    columns: list[str]
    output_names: list[str]
    of: str
    levels: Explanation | None = field(default=None)

    @property
    def feature_names(self) -> list[str]:
        """The same as `columns`."""
        return self.columns

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of `values`, (n_samples, n_columns) or (n_samples, n_columns, n_outputs)."""
        count = len(self.output_names)
        shape = (len(self.outputs), len(self.columns))
        return shape if self.outputs.ndim == 1 else (*shape, count)

    def ranked(self, row: int = 0, output: int | None = None) -> list[tuple[str, float]]:
        """Give the columns of one sample that contribute something, the largest first.

        Parameters
        ----------
        row
            The sample, counted from 0.
        output
            The number of the output among those that are explained. None (default): the one with
            the largest value.

        Returns
        -------
        list of (str, float)
            Names, and signed contributions by falling size.

        Raises
        ------
        ValueError, TypeError
            If there is no such sample or output.
        """
        row = _check.integer("row", row, 0, len(self.outputs) - 1)
        at = 0
        if output is not None:
            at = _check.integer("output", output, 0, len(self.output_names) - 1)
        elif self.outputs.ndim == 2:
            at = int(self.outputs[row].argmax())
        found = self._row(row, at)
        order = np.argsort(-np.abs(found), kind="stable")
        return [(self.columns[i], float(found[i])) for i in order.tolist() if found[i] != 0]

    def _row(self, row: int, output: int) -> Doubles:
        values = self.values[output] if isinstance(self.values, tuple) else self.values
        if scipy.sparse.issparse(values):
            dense: Doubles = values[[row]].toarray()[0]
            return dense
        found: Doubles = values[row] if values.ndim == 2 else values[row, :, output]
        return found

    def _sizes(self) -> Doubles:
        """Give the mean absolute contribution of each column."""
        parts = self.values if isinstance(self.values, tuple) else (self.values,)
        means = [abs(part).mean(axis=0) for part in parts]
        means = [mean.mean(axis=-1) if mean.ndim > 1 else mean for mean in means]
        found: Doubles = np.mean(means, axis=0)
        return found

    def _repr_html_(self) -> str:
        """Show the columns that contribute most in a notebook."""
        sizes = self._sizes()
        order = np.argsort(-sizes, kind="stable")[: _html.MOST_ROWS].tolist()
        most = max(float(sizes.max(initial=0)), np.finfo(float).tiny)
        rows = [(self.columns[i], f"{sizes[i]:.4g}", _html.bar(sizes[i] / most)) for i in order]
        names = ("column", "mean absolute contribution", "")
        return _html.titled(repr(self), _html.table(names, rows))

    def __repr__(self) -> str:
        """Say how much is explained."""
        samples, columns = self.shape[:2]
        outputs = ", ".join(self.output_names[:3]) + (", ..." if len(self.output_names) > 3 else "")
        return f"Explanation({samples:,} samples, {columns:,} columns, {self.of} of {outputs})"
