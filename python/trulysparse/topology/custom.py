"""Rules of your own by which a topology evolves, written with NumPy."""

from __future__ import annotations

from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from trulysparse import _check, _core
from trulysparse.layer import Layer
from trulysparse.topology._rule import Rule

__all__ = ["EvolvingLayer", "TopologyRule"]

Change: TypeAlias = (
    tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike]
    | tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike, npt.ArrayLike]
)


class EvolvingLayer(Layer):
    """A layer as a `TopologyRule` sees it: a `Layer` with what a rule needs to decide.

    Attributes
    ----------
    number : int
        1 is the first hidden layer.
    epoch, evolutions : int
        Epochs and evolutions that the model has been through.
    rng : numpy.random.Generator
        Seeded by the model's seed, the layer's number and the number of evolutions, so that the
        same fit draws the same numbers, also when it goes on from a checkpoint.
    """

    def __init__(self, core: _core.Network, index: int, trainer: _core.Trainer | None) -> None:
        super().__init__(core, index)
        self._trainer = trainer
        self.number = index + 1
        counters = core.counters()
        self.epoch, self.evolutions = counters.epochs, counters.evolutions
        self.rng = np.random.default_rng([self._config.seed, self.number, self.evolutions])

    @property
    def vacancies(self) -> int:
        """Places without a connection, those of neurons that were pruned for good left out."""
        return int(np.count_nonzero(~self.pruned)) * self.n_in - self.nnz

    def empty(self, count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Draw distinct places that hold no connection, every set of them equally likely.

        Those of neurons that were pruned for good are left out. Time and memory are proportional
        to the layer's connections and to `count`.

        Parameters
        ----------
        count
            How many, at most `vacancies`.

        Returns
        -------
        rows, columns : int64 arrays of shape (count,)
            Input and output neurons, in the order of storage: by columns, then by rows.

        Raises
        ------
        ValueError, TypeError
            If `count` is out of its range.
        """
        count = _check.integer("count", count, 0, self.vacancies)
        seed = int(self.rng.integers(2**64, dtype=np.uint64))
        ranks = _core.kernels.sample_distinct(self.vacancies, count, seed)
        weight, n_in = self.weight, np.uint64(self.n_in)
        opened = np.flatnonzero(~self.pruned)
        # The number of empty places before each connection.
        numbers = (np.cumsum(~self.pruned) - 1).astype(np.uint64)
        gaps = np.repeat(numbers, np.diff(weight.indptr)) * n_in + weight.indices.astype(np.uint64)
        gaps -= np.arange(len(gaps), dtype=np.uint64)
        places = ranks + np.searchsorted(gaps, ranks, side="right").astype(np.uint64)
        return (places % n_in).astype(np.int64), opened[(places // n_in).astype(np.int64)]

    def gradient(self, rows: npt.ArrayLike, columns: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Compute the gradients that connections have, or would have, at some places.

        They are those of the mean loss on a batch of the training samples, `batch_size` of the
        rule, that is drawn for each evolution; with dropout. A call takes about as long as a
        training step.

        Parameters
        ----------
        rows, columns
            Input and output neurons, integers of shape (places,).

        Returns
        -------
        float32 array of shape (places,)

        Raises
        ------
        ValueError, TypeError
            If a place does not exist, or `SparseMLP.evolve` was given no samples.
        """
        if self._trainer is None:
            raise ValueError("gradients need samples: expected model.evolve(rule, x, y)")
        inputs = _indices("rows", rows, self.n_in)
        outputs = _indices("columns", columns, self.n_out)
        if len(inputs) != len(outputs):
            raise ValueError(
                f"{len(inputs)} rows, {len(outputs)} columns: expected as many of each"
            )
        n_in = np.uint64(self.n_in)
        places = outputs.astype(np.uint64) * n_in + inputs
        unique, inverse = np.unique(places, return_inverse=True)
        ends = np.arange(self.n_out + 1, dtype=np.uint64) * n_in
        indptr = np.searchsorted(unique, ends).astype(np.int64)
        found = self._trainer.gradient_at(self._index, indptr, (unique % n_in).astype(np.uint32))
        gradients: npt.NDArray[np.float32] = found[inverse]
        return gradients


class TopologyRule(Rule):
    """A rule of your own: subclass it, write `evolve`, and give it to ``fit(topology=...)``.

    The rule decides layer by layer, the output layer excepted, what is dropped and what grows; the
    core checks that and does it, all layers at once. Survivors keep their momentum, and the number
    of connections may change. A mistake is a ValueError or TypeError that names it and leaves the
    model as it was; what `evolve` raises ends the fit at the completed epoch. A fit with a strategy
    refuses it.

    Memory beside that of the layers: 12 bytes a connection of all layers together and 16 one that
    grows, and what the rule takes itself: keep that proportional to the connections.

    Attributes
    ----------
    start, stop, every : int
        When the topology evolves, as in `SET`. Default 1, None and 1. Class attributes, to be
        overridden in the subclass or in its `__init__`.
    batch_size : int or None
        Samples that `EvolvingLayer.gradient` takes gradients of. None (default): as many as a step
        takes.
    """

    start: int = 1
    stop: int | float | None = None
    every: int = 1
    batch_size: int | None = None

    _takes_samples: ClassVar[bool] = True

    def evolve(self, layer: EvolvingLayer) -> Change | None:
        """Decide what is dropped and what grows in a layer.

        Parameters
        ----------
        layer
            The layer before this evolution; it shows no changes of layers decided on before.

        Returns
        -------
        None to leave the layer as it is, or a tuple
            ``(drop, rows, columns)`` or ``(drop, rows, columns, values)``. `drop`: booleans of
            shape (nnz,), or positions, both in the order of ``layer.weight.data``. `rows`,
            `columns`: the input and the output neuron of each connection that grows, in any
            order, at places that hold none after the drop, each place once, and not to neurons in
            ``layer.pruned``. `values`: their weights; 0 if left out.
        """
        raise NotImplementedError(f"{type(self).__name__}.evolve: expected it to be written")

    def at(self, epoch: int, epochs: int) -> TopologyRule | None:
        """Give the rule itself, or None if the topology does not evolve after an epoch.

        As `SET.at`.
        """
        return super().at(epoch, epochs)

    def check(self) -> None:
        """Check the attributes; a fit does so before it begins."""
        super().check()

    def _apply(
        self, core: _core.Network, trainer: _core.Trainer | None
    ) -> list[_core.LayerTurnover]:
        name = type(self).__name__
        changes = []
        for index in range(len(core.nnz()) - 1):
            layer = EvolvingLayer(core, index, trainer)
            change = self.evolve(layer)
            changes.append(
                None if change is None else _checked(f"{name}, layer {index + 1}", layer, change)
            )
        try:
            return core.rewire(changes)
        except ValueError as error:
            raise ValueError(f"{name}, {error}") from None


def _checked(name: str, layer: EvolvingLayer, change: Any) -> tuple[Any, Any, Any, Any]:
    """Convert what a rule has returned to what the core takes."""
    if not isinstance(change, tuple | list) or len(change) not in (3, 4):
        raise TypeError(
            f"{name}: evolve returned {type(change).__name__}: expected None, "
            "(drop, rows, columns) or (drop, rows, columns, values)"
        )
    drop, rows, columns, *rest = change
    inputs = _indices(f"{name}: rows", rows, layer.n_in)
    outputs = _indices(f"{name}: columns", columns, layer.n_out)
    if len(inputs) != len(outputs):
        raise ValueError(
            f"{name}: {len(inputs)} rows and {len(outputs)} columns: expected as many of each"
        )
    values = np.zeros(len(inputs), np.float32)
    if rest:
        values = _array(f"{name}: values", rest[0])
        if values.shape != inputs.shape:
            raise ValueError(
                f"{name}: values has shape {values.shape}: expected {inputs.shape}, that of rows"
            )
        if values.size and values.dtype.kind not in "iufb":
            raise TypeError(f"{name}: values has dtype {values.dtype}: expected real numbers")
        with np.errstate(over="ignore"):  # infinite then, which the core refuses
            values = values.astype(np.float32)
    return _flags(name, drop, layer.nnz), inputs, outputs, values


def _flags(name: str, drop: Any, nnz: int) -> npt.NDArray[np.bool_]:
    """Give flags of the connections that go, from flags or positions."""
    drop = _array(f"{name}: drop", drop)
    if drop.dtype == bool:
        if drop.shape != (nnz,):
            raise ValueError(
                f"{name}: drop has shape {drop.shape}: expected ({nnz},), a flag per connection"
            )
        return np.ascontiguousarray(drop)
    positions = _indices(f"{name}: drop", drop, nnz)
    flags = np.zeros(nnz, dtype=bool)
    flags[positions] = True
    if np.count_nonzero(flags) != len(positions):
        raise ValueError(f"{name}: drop has positions twice: expected each once")
    return flags


def _indices(name: str, values: Any, below: int) -> npt.NDArray[np.uint32]:
    """Check neurons: integers of shape (n,) from 0 to below a number."""
    found = _array(name, values)
    if found.ndim != 1:
        raise ValueError(f"{name} has shape {found.shape}: expected one axis")
    if found.size and found.dtype.kind not in "iu":
        raise TypeError(f"{name} has dtype {found.dtype}: expected integers")
    wrong = np.flatnonzero((found < 0) | (found >= below))
    if len(wrong):
        at = int(wrong[0])
        raise ValueError(f"{name}[{at}] = {found[at]}: expected numbers from 0 to {below - 1}")
    return found.astype(np.uint32)


def _array(name: str, values: Any) -> npt.NDArray[Any]:
    """Give what a rule has returned as an array; NumPy's own error does not say of what."""
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name}: expected an array: {error}") from None
