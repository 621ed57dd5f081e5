"""A user's samples and targets as the core's ``Data``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy

from trulysparse import _check, _core
from trulysparse.config import Config
from trulysparse.data import arrays
from trulysparse.data.augmentation import ImageAugmentation
from trulysparse.data.blocks import Blocks, CsrArrays, DoubleArray, FloatArray
from trulysparse.data.digits import Names, say_coarse, say_rounded, say_standardised
from trulysparse.data.missing import refuse_empty_columns, say_empty_columns
from trulysparse.data.precision import refuse_tiny, say_blurred
from trulysparse.data.tensors import as_numpy
from trulysparse.losses import LOSSES

# A string, as SciPy imports `sparse` when it is first used, which takes longer than all else here.
Samples: TypeAlias = "npt.ArrayLike | scipy.sparse.sparray | scipy.sparse.spmatrix | Blocks"


# Types that may be too coarse for a model's statistics.
_COARSE = (np.float32, np.int64, np.uint64)


class Given(NamedTuple):
    """Samples as the core has them, as arrays, how many there are, and their targets."""

    data: _core.Data
    inputs: Any
    samples: int
    targets: Any


def inputs_of(
    core: _core.Network, name: str, x: Any, *, changes: bool = False, begins: bool = False
) -> arrays.Inputs:
    """Check samples for a network, as arrays; in float32 if training `changes` them.

    If training `begins` with them, columns of which it does not tell the values apart are said.
    """
    x = as_numpy(name, x)
    wide = not changes and core.takes_float64()
    is_sparse = isinstance(x, Blocks) or scipy.sparse.issparse(x)
    dtype = getattr(x, "dtype", None)
    is_coarse = isinstance(dtype, np.dtype) and dtype.type in _COARSE
    statistics = core.input_statistics() if wide and (is_coarse or is_sparse) else None
    scale = None if statistics is None else statistics.scale
    features = Config.of(core).layer_sizes[0]
    inputs = arrays.samples(name, x, features, wide=wide, scale=scale, begins=begins)
    if is_coarse:
        say_coarse(name, dtype, statistics)
    if is_sparse and not wide:
        sparse = x.sparse if isinstance(x, Blocks) else x
        say_blurred(name, sparse, remedy(core, changes=changes))
    return inputs


def limits(config: Config, statistics: _core.Statistics | None) -> DoubleArray | None:
    """Give what each standardised feature never exceeds, inf for those that are not clipped."""
    if config.clip is None or statistics is None:
        return None
    is_kept = (statistics.mean == 0) & (statistics.scale == 1) & (config.standardize == "auto")
    found: DoubleArray = np.where(is_kept, np.inf, config.clip)
    return found


def in_units(units: _core.Statistics | None, outputs: FloatArray) -> npt.NDArray[np.floating[Any]]:
    """Give outputs of a network, (samples, outputs), in the units of its targets."""
    if units is None:
        return outputs
    decoded: DoubleArray = outputs / np.where(units.scale > 0, units.scale, 1.0) + units.mean
    return decoded


def given(
    core: _core.Network,
    x: Any,
    y: Any,
    names: tuple[str, str] = ("x", "y"),
    *,
    sample_weight: Any = None,
    trains: bool = False,
    begins: bool = False,
    follows: bool = False,
    whole: bool = False,
    augment: ImageAugmentation | None = None,
) -> Given:
    """Check samples and their targets for a network, and hand them to the core.

    Parameters
    ----------
    core
        The network that they are for.
    x, y, sample_weight, augment
        As in `SparseMLP.fit`.
    names
        What errors call `x` and `y`.
    trains
        Whether they are trained on, which the noise of a network forbids for sparse ones.
    begins
        Whether a fit begins with them, or training: columns whose values it does not tell apart
        are said.
    follows
        Whether the network takes their statistics without training.
    whole
        Whether they are all samples of a fit.

    Raises
    ------
    ValueError, TypeError
        If they do not fit the network or each other.
    """
    x, y = as_numpy(names[0], x), as_numpy(names[1], y)
    config = Config.of(core)
    begins = begins or (trains and core.counters().steps == 0)
    inputs = inputs_of(core, names[0], x, changes=augment is not None, begins=begins)
    if trains and config.input_noise > 0 and not isinstance(inputs, np.ndarray):
        raise ValueError(
            f"{names[0]} is sparse and input_noise = {config.input_noise}: expected dense "
            "samples, as noise would leave none of them zero"
        )
    count, outputs = inputs.shape[0], config.layer_sizes[-1]
    units = config.standardize_targets
    targets = arrays.targets(names[1], y, count, outputs, config.loss, wide=units)
    if units and (trains or follows) and core.target_statistics() is None:
        refuse_tiny(names[1], targets)
        if not whole:
            refuse_empty_columns(names[1], targets)
    if whole:
        say_empty_columns(names[1], targets)
    if trains:
        _say_what_is_lost(core, names, x, inputs, y, targets, changes=augment is not None)
    dense = arrays.dense_part(inputs)
    if begins and dense is not None and dense.dtype == np.float32:
        say_rounded(Names(names[0]), x.dense if isinstance(x, Blocks) else x)
    is_narrow = isinstance(targets, np.ndarray) and targets.dtype == np.float32
    if begins and is_narrow:
        say_rounded(Names(names[1]), y)
    weights = arrays.sample_weights(sample_weight, count)
    images = None if augment is None else augment._core()
    data = _core.Data(core, inputs, targets, weights, names=names, augment=images)
    return Given(data, inputs, count, targets)


def say_indistinct(
    core: _core.Network,
    inputs: Any,
    targets: Any,
    columns: Sequence[str] | None = None,
    *,
    whole: bool = True,
    names: tuple[str, str] = ("x", "y"),
) -> None:
    """Warn of columns that were trained on, and of which the network's statistics leave too little.

    Parameters
    ----------
    core
        The network, with its statistics.
    inputs, targets
        As `say_standardised` takes them; no targets if they are the inputs.
    columns
        The names of the inputs' columns, if they have some.
    whole
        As in `say_standardised`.
    """
    statistics, units = core.input_statistics(), core.target_statistics()
    if statistics is None and units is None:
        return
    said = Names(names[0], columns)
    most = limits(Config.of(core), statistics)
    say_standardised(said, inputs, statistics, whole=whole, limits=most)
    if targets is not None and units is not None:
        said = Names(names[1], is_one=len(units.mean) == 1)
        say_standardised(said, targets, units, whole=whole)


def _say_what_is_lost(
    core: _core.Network,
    names: tuple[str, str],
    x: Any,
    inputs: Any,
    y: Any,
    targets: Any,
    *,
    changes: bool,
) -> None:
    dense = arrays.dense_part(inputs)
    if dense is not None and dense.dtype == np.float32:
        x = x.dense if isinstance(x, Blocks) else x
        say_blurred(names[0], x, remedy(core, changes=changes))
    is_sparse = isinstance(targets, CsrArrays)
    if targets.exact is None if is_sparse else targets.dtype == np.float32:
        learns_units = LOSSES[Config.of(core).loss].output == "identity"
        say_blurred(names[1], y, "standardize_targets=True" if learns_units else "")


def remedy(core: _core.Network, *, changes: bool = False) -> str:
    """Say with what samples of a network would keep all of their digits."""
    if changes:  # images are changed in float32
        return ""
    if not Config.of(core).standardize:
        return "standardize=True"
    if core.takes_float64():
        return ""
    return "a new model, as this one's file has statistics of float32 (version 1),"


def held_out(core: _core.Network, validation_data: Any) -> _core.Data:
    """Check ``(x, y)`` that a fit or a pruning is judged by."""
    if not isinstance(validation_data, tuple | list) or len(validation_data) != 2:
        raise TypeError(
            f"validation_data = {_check.shown(validation_data)}: expected a tuple (x, y)"
        )
    x, y = validation_data
    return given(core, x, y, ("validation_data[0] (x)", "validation_data[1] (y)")).data
