"""trulysparse."""

import common
import trulysparse
from trulysparse import _core
from trulysparse.data.samples import given
from trulysparse.training.settings import of_trainer


class Bench(common.Peer):
    """The core's epoch, without the facade's checks of arguments, as for the other libraries."""

    label = "trulysparse"
    note = "All-ReLU, dropout; shuffles and gathers its own batches"

    def __init__(self, work: common.Work, threads: int) -> None:
        self.model = trulysparse.SparseMLP.from_scipy(
            [w.T for w in work.weights],
            slope=work.shape.slope,
            dropout=common.DROPOUT,
            seed=0,
            threads=threads,
        )
        sgd = trulysparse.SGD(
            learning_rate=work.rate,
            momentum=common.MOMENTUM,
            weight_decay=common.WEIGHT_DECAY,
        )
        self.batch = work.shape.batch
        core, rates = self.model._core, sgd._core()
        self.data = given(core, work.x, work.y).data
        self.trainer = _core.Trainer(
            core, self.data, of_trainer(self.batch, rates, 1, candidates=0)
        )
        # To rebuild what an evolution leaves to the next step, at no other cost.
        one = given(core, work.x[:1], work.y[:1]).data
        self.rebuild = lambda: _core.Trainer(core, one, of_trainer(1, rates, 1, candidates=0))

    def epoch(self) -> None:
        """Take all steps in one call: `step` of the others has no validation of data either."""
        self.trainer.epoch(0)

    def loss(self) -> float:
        return self.model._core.evaluate(self.data, self.batch).loss

    def evolve(self) -> None:
        self.model._core.evolve(trulysparse.SET(common.ZETA)._core())
        self.rebuild()  # prepares training: the transpose index


def products(n_in: int, n_out: int, density: float, batch: int, threads: int) -> common.Turn:
    """Kernels timed inside the core, as calling them from Python copies."""
    time_products = _core.kernels.time_products  # AttributeError: a core without it

    def turn() -> dict[str, list[float]]:
        times = time_products(n_in, n_out, density, batch, threads, 5)
        return dict(zip(("forward", "dX", "dW"), times, strict=True))

    return turn
