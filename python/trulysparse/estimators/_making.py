"""The network of an estimator and its training, by the parameters and what suits the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trulysparse import _check
from trulysparse.config import Config
from trulysparse.estimators import _automatic, _going_on, _many, _support
from trulysparse.estimators._learnt import Learnt
from trulysparse.estimators._targets import Array
from trulysparse.estimators._weighted import WeightedSamples
from trulysparse.history import History
from trulysparse.model import SparseMLP
from trulysparse.optim import SGD
from trulysparse.optim.optimizers import BY_NAME
from trulysparse.optim.schedules import Schedule
from trulysparse.presets import TABLE, Preset
from trulysparse.selection.features import Indices, spread
from trulysparse.streams import RowBlocks


def of(estimator: Any, samples: WeightedSamples, learnt: Learnt, *, whole: bool) -> Making:
    """Find what suits these data; `whole` if they are all samples that there will be."""
    facts = _automatic.Facts(samples.X.shape[0], learnt.is_sparse, learnt.target.loss, whole)
    return Making(estimator, learnt, _automatic.suited(estimator, facts), whole)


@dataclass(frozen=True)
class Making:
    """What a network of an estimator is made and trained with.

    Attributes
    ----------
    estimator
        With the parameters.
    learnt
        Of the first training data.
    preset
        What suits the data, where parameters are ``"auto"``.
    whole
        Whether these are all samples that there will be, or a batch.
    """

    estimator: Any
    learnt: Learnt
    preset: Preset
    whole: bool

    def network(
        self,
        samples: WeightedSamples,
        seed: int,
        *,
        goes_on: bool = False,
        features: Indices | None = None,
    ) -> SparseMLP:
        """Give the network to train, with connections from some features only if they are given."""
        count = 1 if goes_on or not self.whole else _many.counts(self.estimator)[0]

        def make(seed: int) -> SparseMLP:
            return self._network(samples, seed, goes_on=goes_on, features=features)

        return _many.together(make, seed, count)

    def _network(
        self, samples: WeightedSamples, seed: int, *, goes_on: bool, features: Indices | None
    ) -> SparseMLP:
        estimator, X, scaling = self.estimator, samples.X, self.learnt.scaling
        made = Config.of(estimator.model_._core) if goes_on else None
        old: SparseMLP | None = estimator.model_ if goes_on else None
        sizes = estimator.hidden_layer_sizes
        hidden = _automatic.hidden(sizes, self.preset, old)
        layer_sizes = [X.shape[1], *hidden, self.learnt.target.outputs]
        settings: dict[str, Any] = {
            "epsilon": estimator.epsilon if estimator.density is None else None,
            "density": estimator.density,
            "activation": estimator.activation,
            "slope": estimator.slope,
            **_automatic.network(estimator, self.preset, made),
            "input_noise": estimator.input_noise,
            "standardize": scaling.standardize,
            "clip": scaling.clip,
        }
        if old is not None:
            _going_on.refuse_changed(
                old, sizes, layer_sizes, settings, is_scaled=estimator._robust is not None
            )
            old.threads = _support.threads(estimator.n_jobs)
            estimator._take_up(X)
            return old
        # A network without statistics leaves features with one value out by fixed ones.
        standardize = settings["standardize"]
        is_table = self.whole and not isinstance(X, RowBlocks)
        fixed = None if standardize or not is_table else _support.leaving_constants_out(X)
        model = drawn(
            layer_sizes,
            features,
            **settings | {"standardize": standardize or fixed is not None},
            loss=self.learnt.target.loss,
            init=TABLE.init,
            fan=TABLE.fan,
            standardize_targets=self.learnt.target.loss == "squared_error",
            seed=seed,
            threads=_support.threads(estimator.n_jobs),
        )
        model._core.set_statistics(fixed, None)
        scaling.apply(model, X, samples.weight)
        return model

    def train(
        self,
        model: SparseMLP,
        samples: WeightedSamples,
        encoded: Array,
        *,
        rate: float,
        schedule: str,
        **settings: Any,
    ) -> History:
        """Train the network, at a rate."""
        count, snapshots = samples.X.shape[0], None
        how: str | Schedule = schedule
        if self.whole and _many.counts(self.estimator)[1] > 1:
            snapshots = _many.Snapshots(_many.counts(self.estimator)[1], settings["epochs"])
            how = snapshots.schedule
            settings["callbacks"] = [*settings.get("callbacks", ()), snapshots]
        with _support.silent_divergence():
            history = model.fit(
                samples.X,
                encoded,
                sample_weight=samples.weight,
                batch_size=_automatic.batch_size(self.estimator.batch_size, count),
                optimizer=self._optimizer(rate, how, count),
                **settings,
            )
        model._members = []  # from now on they are one
        if snapshots is not None:
            snapshots.merge(model)
        return history

    def topology(self) -> Any:
        """Give the rule by which connections evolve."""
        given = self.estimator
        return _automatic.topology(
            given.topology,
            given.zeta,
            given.grow_init,
            self.preset,
            is_sparse=self.learnt.is_sparse,
        )

    def rates(self, *, retry: bool) -> list[float]:
        """Give the learning rates to try, each if training diverged with the one before."""
        given = self.estimator
        return _automatic.rates(
            given.learning_rate_init, given._RATE, self.preset, named=self._named(), retry=retry
        )

    def _named(self) -> str:
        given = self.estimator
        return _automatic.solver(
            given.optimizer, given.activation, self.preset, is_sparse=self.learnt.is_sparse
        )

    def _optimizer(self, rate: float, schedule: str | Schedule, samples: int) -> Any:
        given, named = self.estimator, self._named()
        if not named:
            return given.optimizer
        size = _automatic.batch_size(given.batch_size, samples)
        decay = _automatic.weight_decay(given.weight_decay, self.preset, samples, size, named=named)
        nesterov = _check.boolean("nesterovs_momentum", given.nesterovs_momentum)
        kind: Any = BY_NAME[named]
        settings = {"weight_decay": decay, "schedule": schedule}
        if kind is SGD:
            return kind(rate, momentum=given.momentum, nesterov=nesterov, **settings)
        momentum = _check.real(
            "momentum", given.momentum, "a number in [0, 1)", low=0, high=1, high_open=True
        )
        return kind(rate, beta_1=momentum, **settings)


def drawn(layer_sizes: list[int], features: Indices | None, **settings: Any) -> SparseMLP:
    """Make a network; with features given, a small one whose inputs are spread over all places."""
    if features is None:
        return SparseMLP(layer_sizes, **settings)
    inputs, *others = layer_sizes
    (first, *weights), biases = SparseMLP([len(features), *others], **settings).to_scipy()
    first = spread(first, features, inputs)
    drawn_by = ("epsilon", "density", "allocation")
    known = {name: settings[name] for name in settings if name not in drawn_by}
    return SparseMLP.from_scipy([first, *weights], biases, **known)
