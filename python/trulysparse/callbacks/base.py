"""What a callback is, and what it can do with the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from trulysparse import _check, _hints, names
from trulysparse.history import History
from trulysparse.layer import Layer

Logs: TypeAlias = dict[str, float]
Snapshot: TypeAlias = Any
"""What `SparseMLP.snapshot` gives and `SparseMLP.restore` takes."""


class Model(Protocol):
    """The model as a callback meets it: `SparseMLP`, by its public names."""

    history: History
    learning_rate: float | None
    metadata: dict[str, str]
    stop_training: bool

    @property
    def layer_sizes(self) -> list[int]: ...
    @property
    def layers(self) -> list[Layer]: ...
    @property
    def epochs_trained(self) -> int: ...
    def evaluate(self, x: Any, y: Any) -> dict[str, float]: ...
    def predict(self, x: Any) -> npt.NDArray[np.floating[Any]]: ...
    def test_on_batch(self, x: Any, y: Any) -> dict[str, float]: ...
    def gradient_norms(self, x: Any, y: Any) -> npt.NDArray[np.float64]: ...
    def importance(self, layer: int) -> npt.NDArray[np.floating[Any]]: ...
    def feature_importance(
        self, kind: names.Importance = ..., x: Any = ...
    ) -> npt.NDArray[np.float64]: ...
    def save(self, path: Any) -> None: ...
    def snapshot(self) -> Snapshot: ...
    def restore(self, snapshot: Snapshot) -> None: ...


class Callback(_hints.Worded):
    """Base class of callbacks, with Keras's names; override what you need.

    A fit refuses a callback that has another method whose name begins with ``on_``: it would never
    be called.

    ``self.model`` is the model in training. A callback may read, evaluate, predict with and save
    it. Calls that would change it raise `ModelBusyError`, but for `SparseMLP.restore` in
    `on_train_end`. Set ``self.model.stop_training = True`` to end the fit after the current epoch,
    and ``self.model.learning_rate`` to train on with another rate.

    ``self.params`` says what the fit will do: ``"epochs"``, the epoch to train up to, and
    ``"metrics"``, a list of the names that the logs of its epochs will have.

    What `on_epoch_end` puts into its `logs` under a new name stands in the history, and in the
    `logs` of the callbacks that come later. It has to be a number.

    Attributes
    ----------
    sets_learning_rate : bool
        Whether the callback sets `SparseMLP.learning_rate`. `fit` then refuses a strategy, and a
        schedule that is not constant. Default False; a class attribute, to be overridden.
    metrics : sequence of str
        Names of the numbers that the callback puts into the logs of every epoch, so that others,
        such as `EarlyStopping`, can be asked to watch them. Default none.
    """

    model: Model
    params: Mapping[str, Any]
    sets_learning_rate: bool = False
    metrics: Sequence[str] = ()
    # Whether it decides by epochs before, of which a fit that goes on knows nothing.
    _remembers: bool = False
    # Whether it looks at the network after an epoch, and not at the logs only.
    _looks: bool = True
    # Whether one that sets the rate finds by itself where it was in a fit that goes on.
    _is_replayed: bool = False

    if not TYPE_CHECKING:  # which would then take any argument

        def __new__(cls, *args: Any, **settings: Any) -> Callback:
            """Note what it is made with, to say so."""
            made = super().__new__(cls, *args, **settings)
            given = [("", value) for value in args]
            given += [(f"{name}=", value) for name, value in settings.items()]
            made._made_with = ", ".join(
                f"{name}{_check.shown(_check.plain(value))}" for name, value in given
            )
            return made

        _hints.hides_arguments(__new__)

    _made_with: str = ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._made_with})"

    def set_model(self, model: Model) -> None:
        """Take the model; called before anything else."""
        self.model = model

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Take what the fit will do; an error here comes before the fit has changed anything."""
        self.params = params

    def on_train_begin(self, logs: Logs) -> None:
        """Run before the first epoch; `logs` is empty."""

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Run before an epoch, counted from 0; `logs` is empty."""

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Run after an epoch, before pruning and evolution; `logs` has the numbers of `History`.

        It is a dict of the callback's; a number under a new name is kept.
        """

    def on_train_end(self, logs: Logs) -> None:
        """Run after the last epoch; `logs` is that of the last epoch."""

    def __getstate__(self) -> dict[str, Any]:
        """Leave the model out of pickles and copies."""
        return {name: value for name, value in vars(self).items() if name != "model"}
