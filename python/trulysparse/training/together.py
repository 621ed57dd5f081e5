"""Several networks that are trained together, and the network that is their mean.

Where a batch does not depend on the network it is gathered once a step, and every network makes its
step on it; their order of samples is then that of the first. Otherwise each has an epoch by itself,
in its own order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trulysparse import _core
from trulysparse.topology import Rule
from trulysparse.training.driver import Tick
from trulysparse.training.loop import Loop
from trulysparse.training.request import Request
from trulysparse.training.sequential import Sequential


class Together(Sequential):
    """Networks that are trained on the same samples, each on all of its threads.

    Scores of training are means of the networks'; all others are those of their mean.

    Parameters
    ----------
    core
        What becomes the mean of the networks.
    members
        The networks.
    data
        The samples.
    settings
        Of the fit, as `_core.Trainer` takes them.
    request
        What was asked for.
    """

    def __init__(
        self,
        core: _core.Network,
        members: Sequence[_core.Network],
        data: _core.Data,
        settings: str,
        request: Request,
    ) -> None:
        self._members = list(members)
        self._trainers = [_core.Trainer(member, data, settings) for member in members]
        super().__init__(core, self._trainers[0], data)
        self.prune = self._pruned
        self._batch_size = request.batch_size
        self._is_mean = False
        # Whether something looks at the mean after every epoch.
        self._is_looked_at = (
            request.validation_data is not None
            or request.pruning is not None
            or any(callback._looks for callback in request.callbacks)
        )

    @property
    def learning_rate_before_schedule(self) -> float:
        """The learning rate before the schedule's factor; can be set."""
        return self._trainer.base_rate

    @learning_rate_before_schedule.setter
    def learning_rate_before_schedule(self, rate: float) -> None:
        for trainer in self._trainers:
            trainer.set_base_rate(rate)

    @property
    def multiply_adds(self) -> int:
        """The multiply-adds of all epochs and networks of the fit so far."""
        return sum(trainer.multiply_adds for trainer in self._trainers)

    @property
    def limited(self) -> int:
        """The steps of all networks so far in which weights of samples were limited."""
        return sum(trainer.limited for trainer in self._trainers)

    def connections(self) -> int:
        """Give the connections of all networks."""
        return sum(sum(member.nnz()) for member in self._members)

    def neurons(self) -> int:
        """Give the hidden neurons of all networks that have connections."""
        return sum(sum(member.connected_neurons()[:-1]) for member in self._members)

    def merge(self) -> None:
        """Make the network the mean of the others as they are now."""
        if not self._is_mean:
            self._core.become(_core.Network.merged(self._members))
            self._is_mean = True

    def measure(self, most: int | None) -> _core.Measured:
        """Measure the loss of the training samples, or of at most `most` of them."""
        self.merge()
        return self._core.measure(self._data, self._batch_size, most)

    def epoch(self, epoch: int, first_step: int, tick: Tick) -> _core.Scores:
        """Train all networks for an epoch; give their mean scores."""
        if not self._begun:
            for core in (self._core, *self._members):
                core.take_up_constants(self._data)
            self._begun = True
        self._is_mean = False
        others = self._members[1:]
        if self._trainer.shares(others):
            found = self._trainer.epoch_with(others, first_step, tick=tick)
        else:
            found = self._one_by_one(first_step, tick)
        if self._is_looked_at:
            self.merge()
        return found

    def _one_by_one(self, first_step: int, tick: Tick) -> _core.Scores:
        count, whole = len(self._trainers), self._data.samples()
        found = []
        for number, trainer in enumerate(self._trainers):

            def shared(samples: int, loss: float, accuracy: float, before: int = number) -> None:
                tick((before * whole + samples) // count, loss, accuracy)

            found.append(trainer.epoch(first_step, tick=shared))
        loss, accuracy, counted = (
            sum(getattr(scores, name) for scores in found) / count
            for name in ("loss", "accuracy", "counted")
        )
        return _core.Scores(loss, accuracy, counted)

    def evolve(self, rule: Rule) -> object:
        """Evolve the topology of each network."""
        self._is_mean = False
        pairs = zip(self._members, self._trainers, strict=True)
        return [rule._apply(member, trainer) for member, trainer in pairs]

    def _pruned(self, rule: str) -> list[_core.Pruned]:
        """Prune each network; give what went from each layer of all."""
        self._is_mean = False
        found = zip(*(member.prune(rule) for member in self._members), strict=True)
        return [
            _core.Pruned(
                sum(layer.neurons for layer in layers),
                sum(layer.connections for layer in layers),
                next((layer.refusal for layer in layers if layer.refusal is not None), None),
            )
            for layers in found
        ]

    def evaluate(self, data: _core.Data, batch_size: int) -> _core.Scores:
        """Score held-out samples by the mean."""
        return self._core.evaluate(data, batch_size)


@dataclass
class TogetherLoop(Loop):
    """The loop over epochs of several networks, at whose end the model is their mean."""

    driver: Together

    frames = Loop.frames + 1

    def end(self) -> None:
        """Make the model the mean, and tell callbacks of the end."""
        self.driver.merge()
        super().end()

    def _connections(self) -> int:
        return self.driver.connections()

    def _neurons(self) -> int:
        return self.driver.neurons()
