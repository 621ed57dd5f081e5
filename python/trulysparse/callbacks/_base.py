"""The base class of callbacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trulysparse.model import SparseMLP

Logs = Mapping[str, float]


class Callback:
    """Base class of callbacks, with Keras's names; override what you need.

    ``self.model`` is the model in training. A callback may read, evaluate, predict with and save
    it. Calls that would change it raise `ModelBusyError`. Set ``self.model.stop_training = True``
    to end the fit after the current epoch.

    ``self.params`` says what the fit will do: ``"epochs"``, the epoch to train up to, and
    ``"metrics"``, a list of the names that the logs of its epochs will have.
    """

    model: SparseMLP
    params: Mapping[str, Any]

    def set_model(self, model: SparseMLP) -> None:
        """Take the model; called before anything else."""
        self.model = model

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Take what the fit will do; an error here comes before the fit has changed anything."""
        self.params = params

    def on_train_begin(self, logs: Logs) -> None:
        """Before the first epoch; `logs` is empty."""

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Before an epoch, counted from 0; `logs` is empty."""

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """After an epoch; `logs` has the numbers of `History`. Pruning and evolution come after."""

    def on_train_end(self, logs: Logs) -> None:
        """After the last epoch; `logs` is that of the last epoch."""
