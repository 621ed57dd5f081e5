"""Images that training turns, moves and mirrors."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trulysparse import _check, _core, _hints
from trulysparse.data import arrays
from trulysparse.data.numeric import numeric

# Places between pixels are computed in float32.
_MOST = 2**16


@_hints.frozen
@dataclass(frozen=True)
class ImageAugmentation(_hints.Worded):
    """Images that are turned, moved and mirrored a little, anew whenever training uses one.

    An image is turned about its centre by an angle, moved by a part of its height and of its
    width, and mirrored left to right or not. All of it is drawn for each image and each step:
    angle and shifts uniformly, the mirror with probability 1/2. Values between pixels are
    bilinear; what comes from outside has the value of the nearest edge. The defaults but for
    `shape` are those of the CIFAR-10 experiment of arXiv 2102.01732.

    Given to `SparseMLP.fit` as ``augment=``, it changes the samples of every training step, and
    those whose gradients say where connections grow. Validation, `evaluate` and `predict` see the
    samples as they are, and so do the statistics of a standardising model. What is drawn depends on
    the model's seed, its number of steps and the sample's place in `x`: it is the same for any
    number of threads, and a saved model goes on with what it would have drawn without the save.

    While a step computes, the images of the next one are changed by those of the model's threads
    that have nothing else to do; with one thread, and in each worker of a `strategy`, between two
    steps. It takes ``4 * batch_size * height * width * channels`` bytes, for each worker.

    Parameters
    ----------
    shape
        Height, width and channels of an image, each at least 1 and the first two at most 65536.
        A sample is an image row by row, the channels of a pixel together, as ``image.reshape(-1)``
        of a (height, width, channels) array gives it. Default (32, 32, 3), that of CIFAR-10.
    rotation
        The largest angle in degrees, either way; in [0, 180]. Default 10.
    shift
        The largest shift as a part of the height and of the width, either way; in [0, 1]. It need
        not come to whole pixels. Default 0.1.
    mirror
        Whether half of the images are mirrored. Default True.

    Raises
    ------
    ValueError, TypeError
        If a value is out of its range.
    """

    shape: Sequence[int] = (32, 32, 3)
    rotation: float = 10.0
    shift: float = 0.1
    mirror: bool = True

    def __post_init__(self) -> None:
        """Check every value."""
        expected = "height, width and channels of an image"
        shape = _check.sequence("shape", self.shape, expected)
        if len(shape) != 3:
            raise ValueError(f"shape = {_check.shown(self.shape)}: expected {expected}")
        height = _check.integer("shape[0]", shape[0], 1, _MOST)
        width = _check.integer("shape[1]", shape[1], 1, _MOST)
        channels = _check.integer("shape[2]", shape[2], 1, 2**32)
        object.__setattr__(self, "shape", (height, width, channels))
        degrees = "degrees, a number in [0, 180]"
        rotation = _check.real("rotation", self.rotation, degrees, low=0, high=180)
        object.__setattr__(self, "rotation", rotation)
        part = "a part of the image, a number in [0, 1]"
        object.__setattr__(self, "shift", _check.real("shift", self.shift, part, low=0, high=1))
        object.__setattr__(self, "mirror", _check.boolean("mirror", self.mirror))

    def _core(self) -> str:
        height, width, channels = self.shape
        frame = {"height": height, "width": width, "channels": channels}
        about = {"rotation": self.rotation, "shift": self.shift, "mirror": self.mirror}
        return json.dumps({"frame": frame, **about})

    def preview(self, x: npt.ArrayLike, seed: int = 0, step: int = 0) -> npt.NDArray[np.float32]:
        """Give images as a training step would see them, to look at.

        Parameters
        ----------
        x
            Images, (samples, height, width, channels), or in rows as for `SparseMLP.fit`,
            (samples, height * width * channels).
        seed, step
            The model's seed and its number of steps before; at least 0. Default 0.

        Returns
        -------
        float32 array of the shape of `x`
            A new one. Row i is what that step makes of sample i.

        Raises
        ------
        ValueError, TypeError
            If an argument is wrong.
        """
        images = numeric("x", x)
        values = math.prod(self.shape)
        if len(images.shape) == 4 and images.shape[1:] == self.shape:
            rows = images.reshape(-1, values)
        else:
            rows = images
        if len(rows.shape) != 2 or rows.shape[1] != values:
            height, width, channels = self.shape
            raise ValueError(
                f"x has shape {images.shape}: expected (samples, {height}, {width}, {channels}) or "
                f"(samples, {values})"
            )
        rows = arrays.as_float32("x", rows)
        seed = _check.integer("seed", seed, 0, 2**64 - 1)
        step = _check.integer("step", step, 0, 2**64 - 1)
        return _core.augmented(rows, self._core(), seed, step, 1).reshape(images.shape)
