"""A user's samples and targets as the core's ``Data``."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy.typing as npt
import scipy

from trulysparse import _core
from trulysparse.config import Config
from trulysparse.data import arrays
from trulysparse.data.augmentation import ImageAugmentation

# A string, as SciPy imports `sparse` when it is first used, which takes longer than all else here.
Samples: TypeAlias = "npt.ArrayLike | scipy.sparse.sparray | scipy.sparse.spmatrix"


class Given(NamedTuple):
    """Samples as the core has them, as arrays, and how many there are."""

    data: _core.Data
    inputs: Any
    samples: int


def given(
    core: _core.Network,
    x: Any,
    y: Any,
    names: tuple[str, str] = ("x", "y"),
    *,
    sample_weight: Any = None,
    trains: bool = False,
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

    Raises
    ------
    ValueError, TypeError
        If they do not fit the network or each other.
    """
    config = Config.of(core)
    inputs = arrays.samples(names[0], x, config.layer_sizes[0])
    if trains and config.input_noise > 0 and isinstance(inputs, arrays.CsrArrays):
        raise ValueError(
            f"{names[0]} is sparse and input_noise = {config.input_noise}: expected dense "
            "samples, as noise would leave none of them zero"
        )
    count, outputs = inputs.shape[0], config.layer_sizes[-1]
    classes, rows = arrays.targets(names[1], y, count, outputs, config.loss)
    targets = rows if classes is None else classes
    weights = arrays.sample_weights(sample_weight, count)
    images = None if augment is None else augment._core()
    data = _core.Data(core, inputs, targets, weights, names=names, augment=images)
    return Given(data, inputs, count)


def held_out(core: _core.Network, validation_data: Any) -> _core.Data:
    """Check ``(x, y)`` that a fit or a pruning is judged by."""
    if not isinstance(validation_data, tuple | list) or len(validation_data) != 2:
        raise TypeError("validation_data: expected a tuple (x, y)")
    x, y = validation_data
    return given(core, x, y, ("validation_data[0] (x)", "validation_data[1] (y)")).data
