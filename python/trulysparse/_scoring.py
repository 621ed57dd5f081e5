"""The side of a model that takes samples and scores them."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse

from trulysparse import _check, _core, _settings
from trulysparse._exports import Exports
from trulysparse._plan import MemoryPlan
from trulysparse.augmentation import ImageAugmentation
from trulysparse.data import arrays as _arrays
from trulysparse.optim import Optimizer
from trulysparse.topology import SET

Samples: TypeAlias = npt.ArrayLike | scipy.sparse.sparray | scipy.sparse.spmatrix


class _Given(NamedTuple):
    """Samples as the core has them, as arrays, and how many."""

    data: _core.Data
    inputs: Any
    samples: int


class Scoring(Exports):
    """The side of a model that takes samples and scores them."""

    def _data(
        self,
        x: Any,
        y: Any,
        names: tuple[str, str] = ("x", "y"),
        *,
        sample_weight: Any = None,
        trains: bool = False,
        augment: ImageAugmentation | None = None,
    ) -> _Given:
        inputs = _arrays.samples(names[0], x, self.layer_sizes[0])
        if trains and self.input_noise > 0 and isinstance(inputs, _arrays.CsrArrays):
            raise ValueError(
                f"{names[0]} is sparse and input_noise = {self.input_noise}: expected dense "
                "samples, as noise would leave none of them zero"
            )
        count, outputs = inputs.shape[0], self.layer_sizes[-1]
        classes, rows = _arrays.targets(names[1], y, count, outputs, self.loss)
        targets = rows if classes is None else classes
        weights = _arrays.sample_weights(sample_weight, count)
        images = None if augment is None else augment._core()
        data = _core.Data(self._core, inputs, targets, weights, names=names, augment=images)
        return _Given(data, inputs, count)

    def plan(
        self,
        batch_size: int = 128,
        *,
        evolves: bool | SET = True,
        memory: str = "fast",
        optimizer: Optimizer | None = None,
    ) -> MemoryPlan:
        """What a fit with batches of `batch_size` samples takes in memory, and what there is.

        `evolves`: with a topology that evolves, or by what it does; `optimizer`: as of `fit`. The
        function `plan` tells it of a model that is yet to be made.
        """
        batch_size = _check.integer("batch_size", batch_size, 1)
        candidates = _settings.evolves(evolves)
        memory = _settings.memory(memory)
        adam = _settings.is_adam(optimizer, self.activation)
        return MemoryPlan.of(
            lambda batch: self._core.footprint(batch, candidates, memory, adam), batch_size
        )

    def _scores(self, scores: _core.Scores) -> dict[str, float]:
        if self.loss == "squared_error":
            return {"loss": scores.loss}
        return {"loss": scores.loss, "accuracy": scores.accuracy}

    def _evaluate(self, data: _core.Data, batch_size: int) -> dict[str, float]:
        return self._scores(self._core.evaluate(data, batch_size))

    def evaluate(
        self,
        x: Samples,
        y: npt.ArrayLike,
        *,
        batch_size: int = 128,
        sample_weight: npt.ArrayLike | None = None,
    ) -> dict[str, float]:
        """Score every sample, without dropout; `x` and `sample_weight` as in `fit`.

        Returns
        -------
        dict
            ``loss``, the mean over samples, and ``accuracy`` (with sigmoid outputs: over samples
            and outputs, p > 0.5 against y > 0.5; none with ``"squared_error"``).

        Raises
        ------
        ValueError, TypeError
            If an argument is wrong; the message names it.
        MemoryError
            If the buffers for `batch_size` samples do not fit into memory.
        """
        batch_size = _check.integer("batch_size", batch_size, 1)
        return self._evaluate(self._data(x, y, sample_weight=sample_weight).data, batch_size)

    def test_on_batch(self, x: Samples, y: npt.ArrayLike) -> dict[str, float]:
        """Score these samples as one batch.

        Returns
        -------
        dict
            As `evaluate`.

        Raises
        ------
        ValueError, TypeError, MemoryError
            As `evaluate`.
        """
        data, _, count = self._data(x, y)
        return self._evaluate(data, count)

    def predict(self, x: Samples, *, batch_size: int = 128) -> npt.NDArray[np.float32]:
        """Compute the outputs: probabilities, or values with ``"squared_error"``.

        Parameters
        ----------
        x
            Samples, (samples, n_0); dense or sparse, mapped from a file or not, as in `fit`.
        batch_size
            Samples that are computed together; a sample's bits do not depend on it. Default 128.

        Returns
        -------
        float32 array of shape (samples, n_outputs)

        Raises
        ------
        ValueError, TypeError, MemoryError
            As `evaluate`.
        """
        batch_size = _check.integer("batch_size", batch_size, 1)
        inputs = _arrays.samples("x", x, self.layer_sizes[0])
        out = np.empty((inputs.shape[0], self.layer_sizes[-1]), dtype=np.float32)
        self._core.predict(_core.Data(self._core, inputs), batch_size, out)
        return out
