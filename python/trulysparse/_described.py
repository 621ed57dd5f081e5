"""What a model tells about itself."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from trulysparse import _check, _core
from trulysparse.config import MOST_THREADS, Config
from trulysparse.layer import Layer

_T = TypeVar("_T")


class Described:
    """The read-only side of a model; only `SparseMLP.compact` changes a setting, the sizes."""

    _core: _core.Network
    _driver: Any = None
    """What trains the model in a fit without a strategy."""

    @property
    def _config(self) -> Config:
        return Config.of(self._core)

    @property
    def layer_sizes(self) -> list[int]:
        """Neurons of each layer."""
        return list(self._config.layer_sizes)

    @property
    def original_layer_sizes(self) -> list[int]:
        """Neurons of each layer before `SparseMLP.compact` removed any."""
        origin = self._core.origin()
        return self.layer_sizes if origin is None else origin[0]

    @property
    def layers(self) -> list[Layer]:
        """The layers with weights: ``layers[0]`` leads to the first hidden layer."""
        return [Layer(self, index) for index in range(len(self.layer_sizes) - 1)]

    @property
    def nnz(self) -> int:
        """All connections."""
        return sum(self._core.nnz())

    @property
    def density(self) -> float:
        """Connections as a fraction of all possible ones."""
        sizes = self.layer_sizes
        return self.nnz / sum(a * b for a, b in pairwise(sizes))

    @property
    def epsilon(self) -> float | list[float] | None:
        """The Erdos-Renyi parameter, or one per layer, if the model was made with one."""
        return _copied(self._config.epsilon)

    @property
    def allocation(self) -> str | None:
        """How the model's density was spread over its layers, if it was made with a rule."""
        return self._config.allocation

    @property
    def activation(self) -> str | list[str]:
        """The activation of hidden layers, or that of each."""
        return _copied(self._config.activation)

    @property
    def slope(self) -> float:
        """The paper's alpha."""
        return self._config.slope

    @property
    def loss(self) -> str:
        """The loss."""
        return self._config.loss

    @property
    def init(self) -> str:
        """The distribution of initial and grown weights."""
        return self._config.init

    @property
    def fan(self) -> str:
        """What the initial distribution is scaled by."""
        return self._config.fan

    @property
    def dropout(self) -> float | list[float]:
        """The probability of dropping a hidden unit, or that of each hidden layer."""
        return _copied(self._config.dropout)

    @property
    def input_noise(self) -> float:
        """The standard deviation of the noise that training adds to inputs."""
        return self._config.input_noise

    @property
    def standardize(self) -> bool:
        """Whether inputs are standardised."""
        return self._config.standardize

    @property
    def seed(self) -> int:
        """The seed, also if it was drawn from the system."""
        return self._config.seed

    @property
    def threads(self) -> int:
        """Threads in use; can be set. Results do not depend on it."""
        return self._core.threads

    @threads.setter
    def threads(self, threads: int) -> None:
        self._core.set_threads(_check.integer("threads", threads, 1, MOST_THREADS))

    @property
    def mean(self) -> npt.NDArray[np.float64] | None:
        """Means of the inputs, float64 of shape (n_0,), once there were data to standardise by."""
        statistics = self._core.standardizer()
        return None if statistics is None else statistics[0]

    @property
    def scale(self) -> npt.NDArray[np.float64] | None:
        """One over the standard deviations of the inputs, beside `mean`."""
        statistics = self._core.standardizer()
        return None if statistics is None else statistics[1]

    @property
    def epochs_trained(self) -> int:
        """Completed epochs over the model's life."""
        return self._core.counters().epochs

    @property
    def steps_trained(self) -> int:
        """Completed training steps over the model's life."""
        return self._core.counters().steps

    @property
    def evolutions(self) -> int:
        """Completed evolutions over the model's life."""
        return self._core.counters().evolutions

    def summary(self, print_fn: Callable[[str], object] = print) -> None:
        """Print a table of the layers, line by line with `print_fn`."""
        rows = [("layer", "shape", "activation", "connections", "density")]
        for index, layer in enumerate(self.layers, start=1):
            slope = layer.slope
            name = layer.activation if slope is None else f"{layer.activation} ({slope:+.3g})"
            shape = f"{layer.n_in:,} -> {layer.n_out:,}"
            rows.append((str(index), shape, name, f"{layer.nnz:,}", f"{layer.density:.3%}"))
        rows.append(
            (
                "all",
                f"{sum(self.layer_sizes):,} neurons",
                "",
                f"{self.nnz:,}",
                f"{self.density:.3%}",
            )
        )
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        for number, row in enumerate(rows):
            cells = [
                c.rjust(w) if i > 2 else c.ljust(w)
                for i, (c, w) in enumerate(zip(row, widths, strict=True))
            ]
            print_fn("  ".join(cells).rstrip())
            if number in (0, len(rows) - 2):
                print_fn("  ".join("-" * w for w in widths))

    def __repr__(self) -> str:
        sizes = "-".join(map(str, self.layer_sizes))
        return f"SparseMLP({sizes}, {self.nnz:,} connections, density {self.density:.4g})"


def _copied(setting: _T) -> _T:
    """A setting, which the reader of a list may change without changing the model's."""
    return copy(setting)
