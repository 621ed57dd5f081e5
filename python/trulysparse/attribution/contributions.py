"""Contributions of a network's features, chunk by chunk, and what they are added up to."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import scipy

from trulysparse import _check, _core, names
from trulysparse.attribution.explanation import Explanation
from trulysparse.config import Config
from trulysparse.data.arrays import Inputs
from trulysparse.data.blocks import BlockArrays, CsrArrays, DoubleArray

OF: tuple[str, ...] = get_args(names.Explained)
"""What may be explained of an output, by its name in the core."""

MOST_POINTS = 4096
"""Points of a sample's path, at most."""

_CHUNK = 2**26  # bytes of the contributions of some samples
_LANES = 2**26  # bytes of a batch of points
_FEWEST, _MOST = 16, 128  # points of a batch
_AIM = 0.005  # the part of a difference that contributions may miss, before there are more points
_GAP = 0.01  # and before something is said
_ROUNDING = 2e-6  # of float32's outputs
_SHARED = 1e-2  # and of each contribution, which it is shared out to


Places: TypeAlias = Sequence[Sequence[int]]
"""The features of each column."""


class Asked(NamedTuple):
    """What is to be explained."""

    of: str
    outputs: list[int]
    """Numbers of outputs."""
    is_single: bool
    """Whether results have no dimension of outputs."""


class Found(NamedTuple):
    """What was computed besides the contributions, in the units of targets."""

    base: DoubleArray
    """(outputs,)."""
    ends: DoubleArray
    """(samples, outputs)."""


class Taker(Protocol):
    """What takes the contributions of some samples."""

    def take(self, start: int, values: DoubleArray) -> None:
        """Take those from sample `start` on, (samples, outputs, features)."""

    def result(self) -> Any:
        """Give all of them, as `Explanation.values` has them."""


def asked(core: _core.Network, of: Any, outputs: Any) -> Asked:
    """Check what is asked for.

    Raises
    ------
    ValueError, TypeError
        If there is no such quantity or output.
    """
    of, count = _check.choice("of", of, OF), Config.of(core).layer_sizes[-1]
    if outputs is None:
        return Asked(of, list(range(count)), count == 1)
    if _check.is_number(outputs):
        return Asked(of, [_check.integer("outputs", outputs, 0, count - 1)], True)
    expected = "None, a number of an output, or a sequence of such numbers"
    if isinstance(outputs, str):
        raise TypeError(f"outputs = {_check.shown(outputs)}: expected {expected}")
    given = _check.sequence("outputs", outputs, expected)
    numbers = [_check.integer(f"outputs[{i}]", k, 0, count - 1) for i, k in enumerate(given)]
    if not numbers or sorted(set(numbers)) != numbers:
        raise ValueError(
            f"outputs = {_check.shown(outputs)}: expected ascending numbers, one or more"
        )
    return Asked(of, numbers, count == 1)


def compute(
    core: _core.Network,
    inputs: Inputs,
    baseline: DoubleArray,
    wanted: Asked,
    takers: Sequence[Taker],
    units: tuple[DoubleArray, DoubleArray] | None = None,
) -> Found:
    """Compute contributions, and hand them to those who take them.

    Memory goes by the features and by the samples of a chunk. `units` are a factor and a centre of
    each output of the network, if it does not know them.
    """
    samples, features = inputs.shape
    count = len(wanted.outputs)
    _refuse_size("contributions of one sample", 8 * count * features)
    _say_without_statistics(core)
    size = max(1, min(samples, _CHUNK // (8 * count * features)))
    points = _LANES // (16 * features) // _FEWEST * _FEWEST
    along = (wanted.of, min(max(points, _FEWEST), _MOST), MOST_POINTS, _AIM)
    factor, centre = _units(core) if units is None else units
    factor, centre = factor[wanted.outputs], centre[wanted.outputs]
    base, ends, gaps = np.empty(count), np.empty((samples, count)), np.empty((samples, count))
    for start in range(0, samples, size):
        part = rows_of(inputs, start, min(start + size, samples))
        values = np.zeros((part.shape[0], count, features))
        data = _core.Data(core, part)
        base_found, found = core.contributions(data, baseline, wanted.outputs, along, values)
        values *= factor[:, None]
        base, chunk = base_found * factor + centre, slice(start, start + len(values))
        ends[chunk] = found * factor + centre
        rounding = _ROUNDING * factor * (np.abs(found) + np.abs(base_found))
        gaps[chunk] = _share_out(values, ends[chunk] - base, rounding)
        for taker in takers:
            taker.take(start, values)
    _say_gaps(ends - base, gaps)
    return Found(base, ends)


def explained(
    taker: Taker,
    found: Found,
    wanted: Asked,
    data: Any,
    columns: list[str],
    output_names: Sequence[str],
    levels: Explanation | None = None,
) -> Explanation:
    """Make the explanation of what was computed; `output_names` are those of all outputs."""
    ends = found.ends
    base = np.tile(found.base, (len(ends), 1))
    if wanted.is_single:
        base, ends = base[:, 0], ends[:, 0]
    names = [output_names[k] for k in wanted.outputs]
    return Explanation(taker.result(), base, ends, data, columns, names, wanted.of, levels)


def rows_of(inputs: Inputs, start: int, stop: int) -> Inputs:
    """Give some of the samples."""
    if isinstance(inputs, BlockArrays):
        sparse = rows_of(inputs.sparse, start, stop)
        assert isinstance(sparse, CsrArrays)
        return BlockArrays(inputs.dense[start:stop], sparse)
    if isinstance(inputs, CsrArrays):
        at = slice(inputs.indptr[start], inputs.indptr[stop])
        exact = None if inputs.exact is None else inputs.exact[at]
        indptr = inputs.indptr[start : stop + 1] - inputs.indptr[start]
        return CsrArrays(indptr, inputs.indices[at], inputs.data[at], inputs.features, exact)
    return inputs[start:stop]


def _units(core: _core.Network) -> tuple[DoubleArray, DoubleArray]:
    """Give what outputs are multiplied by, and what is added, for the user's units."""
    units, count = core.target_statistics(), Config.of(core).layer_sizes[-1]
    if units is None:
        return np.ones(count), np.zeros(count)
    return 1 / np.where(units.scale > 0, units.scale, 1.0), units.mean


def _share_out(values: DoubleArray, differences: DoubleArray, rounding: DoubleArray) -> DoubleArray:
    """Add what little contributions miss to each of them by its size; give what is missed then.

    `values`: (samples, outputs, features), changed in place; others (samples, outputs).
    """
    with np.errstate(invalid="ignore", over="ignore"):
        gaps = differences - values.sum(axis=2)
        sizes = np.abs(values).sum(axis=2)
        is_little = (np.abs(gaps) <= _SHARED * sizes) & (sizes > 0)
        share = np.divide(gaps, sizes, out=np.zeros_like(gaps), where=is_little)
        values += np.abs(values) * share[:, :, None]
        return np.where(is_little | (np.abs(gaps) <= rounding), 0.0, np.abs(gaps))


# --- takers ---------------------------------------------------------------------------------------


class Dense:
    """Keeps them as an array, of features or of the columns that these are added up to."""

    def __init__(self, wanted: Asked, shape: tuple[int, int], places: Places | None = None) -> None:
        samples, columns = shape[0], shape[1] if places is None else len(places)
        _refuse_size("contributions", 8 * samples * columns * len(wanted.outputs))
        self._values = np.zeros((samples, columns, len(wanted.outputs)))
        self._is_single, self._sums = wanted.is_single, _sums(places, shape[1])

    def take(self, start: int, values: DoubleArray) -> None:
        if self._sums is not None:
            flat = values.reshape(-1, values.shape[2]) @ self._sums
            values = flat.reshape(*values.shape[:2], -1)
        self._values[start : start + len(values)] = values.transpose(0, 2, 1)

    def result(self) -> DoubleArray:
        return self._values[:, :, 0] if self._is_single else self._values


class Sparse:
    """Keeps those that are not 0."""

    def __init__(self, wanted: Asked, shape: tuple[int, int], places: Places | None = None) -> None:
        self._is_single, self._sums = wanted.is_single, _sums(places, shape[1])
        self._parts: list[list[Any]] = [[] for _ in wanted.outputs]

    def take(self, start: int, values: DoubleArray) -> None:
        for k, parts in enumerate(self._parts):
            part = scipy.sparse.csr_array(values[:, k])
            parts.append(part if self._sums is None else part @ self._sums)
        # Those to come are as many for each sample, and all are copied once.
        done = sum(12 * part.nnz for parts in self._parts for part in parts)
        _refuse_size("contributions that are not 0", 2 * done)

    def result(self) -> Any:
        found = [scipy.sparse.vstack(parts, format="csr") for parts in self._parts]
        return found[0] if self._is_single else tuple(found)


def _sums(places: Places | None, features: int) -> scipy.sparse.csr_array | None:
    """Give the matrix, (features, columns), that adds the features of each column up."""
    if places is None:
        return None
    columns = np.repeat(np.arange(len(places)), [len(at) for at in places])
    rows = np.concatenate([np.asarray(at, np.int64) for at in places])
    shape = (features, len(places))
    return scipy.sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)


# --- what is said ---------------------------------------------------------------------------------


def _refuse_size(what: str, size: int) -> None:
    available = _core.available_memory()
    if available is not None and size > available:
        raise MemoryError(
            f"explain: the {what} take {size / 2**30:.1f} GiB, and {available / 2**30:.1f} GiB are "
            "available: expected fewer samples, or `outputs` to explain some outputs only"
        )


def _say_without_statistics(core: _core.Network) -> None:
    if Config.of(core).standardize and core.input_statistics() is None:
        warnings.warn(
            "explain takes inputs as they are: the model has standardize=True, but no statistics "
            "before its first training",
            RuntimeWarning,
            stacklevel=4,
        )


def _say_gaps(differences: DoubleArray, gaps: DoubleArray) -> None:
    """Warn of contributions that do not sum up, or are no numbers."""
    bad = ~np.isfinite(gaps)
    if bad.any():
        rows: npt.NDArray[np.int64] = np.flatnonzero(bad.any(axis=1))
        warnings.warn(
            f"explain gives no finite numbers for {len(rows)} of {len(gaps)} rows; the first of "
            f"them is row {rows[0]}, counted from 0: inputs or weights are too large for float32",
            RuntimeWarning,
            stacklevel=4,
        )
    off = gaps > _GAP * np.abs(differences)
    if off.any():
        row, output = np.unravel_index(np.argmax(np.where(off, gaps, 0)), gaps.shape)
        warnings.warn(
            f"explain: the contributions of {int(off.any(axis=1).sum())} of {len(gaps)} rows miss "
            f"the difference of outputs by more than 1 % after {MOST_POINTS} points of the path; "
            f"most in row {row}: by {gaps[row, output]:.3g} of {differences[row, output]:.3g}",
            RuntimeWarning,
            stacklevel=4,
        )
