"""The side of a model whose topology changes when it is told to."""

from __future__ import annotations

import numpy.typing as npt

from trulysparse import _check, _core, _evolution, _fit_settings, _settings
from trulysparse._neurons import Neurons
from trulysparse.rules import TopologyRule
from trulysparse.topology import SET, GradientGrowth


class Evolving(Neurons):
    """The side of a model that drops and grows connections."""

    def evolve(
        self,
        topology: SET | TopologyRule | None = None,
        x: npt.ArrayLike | None = None,
        y: npt.ArrayLike | None = None,
        *,
        batch_size: int = 128,
        memory: str = "fast",
    ) -> list[dict[str, int]]:
        """Evolve the topology of every layer but the last once.

        Parameters
        ----------
        topology
            A `SET`, a `GradientGrowth` or a `TopologyRule`; ``SET()`` if None. Its `zeta` is taken
            as it is, whatever its schedule: `SET.at` has that of an epoch.
        x, y
            Samples and targets, as `fit` takes them, for rules that take gradients.
        batch_size
            Samples whose gradients are taken if the rule does not say. Default 128, as in `fit`.
        memory
            As in `fit`.

        Returns
        -------
        list of dict
            ``dropped`` and ``grown`` connections for each layer.

        Raises
        ------
        ValueError, TypeError
            If an argument is wrong, or a rule of your own makes a mistake; the network is as it
            was.
        ModelBusyError
            If a fit of this model is running.
        MemoryError
            If there is not enough memory for it.
        """
        with self._exclusive("evolve"):
            rule = _settings.topology(topology) or _settings.PAPER_SET
            batch_size = _check.integer("batch_size", batch_size, 1)
            memory = _settings.memory(memory)
            trainer, fresh, before = None, False, self.evolutions
            if x is not None and y is not None:
                gradients = not isinstance(rule, SET) or isinstance(rule, GradientGrowth)
                data = self._data(x, y, trains=gradients).data
                if gradients:
                    settings = _fit_settings.of_trainer(
                        batch_size,
                        _settings.PAPER_SGD._core(),
                        1,
                        candidates=_settings.candidates(rule),
                        memory=memory,
                        growth_batch=_settings.growth_batch(rule),
                    )
                    trainer = _core.Trainer(self._core, data, settings)
                    fresh = self._core.standardizer() is None
            elif x is not None or y is not None or isinstance(rule, GradientGrowth):
                missing = "x" if x is None else "y"
                raise ValueError(f"{missing} = None: expected samples x and their targets y")
            try:
                if trainer is not None:
                    self._core.standardize_on(data)
                report = _evolution.evolve(rule, self, trainer)
            except BaseException:
                # Ctrl-C may also come just after the evolution, which then is complete.
                if fresh and self.evolutions == before:
                    self._core.forget_standardizer()
                raise
        return [{"dropped": dropped, "grown": grown} for dropped, grown in report]
