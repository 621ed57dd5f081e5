"""Named settings of a network and its training, by data set."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, NoReturn

from trulysparse import _check, _hints, names
from trulysparse.config import EPSILON, Config
from trulysparse.data.augmentation import ImageAugmentation
from trulysparse.losses import LOSSES
from trulysparse.optim import SGD, Optimizer, schedules
from trulysparse.optim.optimizers import BY_NAME
from trulysparse.recipe import RECIPE, Recipe
from trulysparse.topology import SET, GradientGrowth


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Settings of a network and its training; `preset` gives them by name.

    Attributes
    ----------
    name : str
        Of the preset.
    hidden : tuple of int
        Neurons of the hidden layers.
    epsilon, activation, slope, init, fan, input_gain, dropout, label_smoothing
        Of the network, as `SparseMLP` takes them; smoothing is for classes.
    optimizer : str
        ``"sgd"``, ``"adam"`` or ``"lion"``.
    learning_rate, schedule, momentum, nesterov, weight_decay, schedule_decay
        Of the optimiser, as `SGD` takes them; `momentum` is the `beta_1` of others.
    grow : str
        How connections grow: ``"random"`` is `SET`, ``"gradient"`` is `GradientGrowth`.
    zeta, zeta_schedule, zeta_stop, grow_init, evolve_every
        Of the evolution, as `SET` takes `zeta`, `schedule`, `stop`, `grow_init` and `every`.
    epochs, batch_size : int
        Of the training, as `SparseMLP.fit` takes them.
    augment : ImageAugmentation or None
        How images are changed while training.
    retries : int
        How often ``trulysparse train`` starts again with a quarter of the rate after a divergence.
    """

    name: str
    hidden: tuple[int, ...] | None  # None: by samples
    epsilon: float
    activation: names.Activation = Config.activation  # type: ignore[assignment]  # one for all layers
    slope: float
    init: str
    fan: str
    input_gain: float = Config.input_gain
    dropout: float
    label_smoothing: float = Config.label_smoothing
    optimizer: str = SGD._name
    learning_rate: float
    schedule: Literal["constant", "cosine"]
    momentum: float
    nesterov: bool
    weight_decay: float | None  # None: by samples
    schedule_decay: bool = False
    grow: str = "random"
    zeta: float
    zeta_schedule: str = "constant"
    zeta_stop: float | None = None
    grow_init: float
    evolve_every: int | None = 1  # None: by samples
    epochs: int | None  # None: by samples
    batch_size: int | None  # None: by samples
    augment: ImageAugmentation | None = None
    retries: int = 0

    @property
    def model(self) -> dict[str, Any]:
        """Keyword arguments of `SparseMLP`; features are standardised in every preset."""
        names = ("epsilon", "activation", "slope", "init", "fan", "dropout")
        found = {name: getattr(self, name) for name in names} | {"standardize": True}
        # Smoothing is for classes only, and most presets have none.
        others = {name: getattr(self, name) for name in ("input_gain", "label_smoothing")}
        return found | {k: v for k, v in others.items() if v != getattr(Config, k)}

    @property
    def fit(self) -> dict[str, Any]:
        """Keyword arguments of `SparseMLP.fit`: optimiser, evolution, epochs and batch size."""
        augment = {} if self.augment is None else {"augment": self.augment}
        return augment | {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "optimizer": self._optimizer(),
            "topology": self._rule(),
        }

    def _optimizer(self) -> Optimizer:
        names = ["learning_rate", "schedule", "weight_decay"]
        kind: Any = BY_NAME[self.optimizer]
        if kind is SGD:
            names += ["momentum", "nesterov", "schedule_decay"]
        given = {name: getattr(self, name) for name in names}
        made: Optimizer = kind(**given if kind is SGD else given | {"beta_1": self.momentum})
        return made

    def _rule(self) -> SET | GradientGrowth:
        given: dict[str, Any] = {
            "zeta": self.zeta,
            "schedule": self.zeta_schedule,
            "stop": self.zeta_stop,
            "every": self.evolve_every,
        }
        if self.grow == "gradient":
            return GradientGrowth(**given)
        return SET(grow_init=self.grow_init, **given)

    def _flags(self) -> dict[str, Any]:
        """What flags of the command line can override, by their names."""
        others = ("name", "augment", "retries")
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in others}

    def _for(
        self,
        samples: int,
        size: int | None = None,
        *,
        sparse: bool = False,
        loss: str = Config.loss,
    ) -> Preset:
        """With what goes by the data filled in; `size` is a batch size that was given."""
        size = size or self.batch_size or batch_size(samples)
        found = replace(self, batch_size=size)
        if self.name == TABLE.name:
            found = suited(found, samples, sparse=sparse, loss=loss)
        steps = math.ceil(samples / min(size, samples))
        if found.hidden is None:
            found = replace(found, hidden=hidden(samples))
        if found.weight_decay is None:
            found = replace(found, weight_decay=DECAY / steps)
        if found.epochs is None:
            found = replace(found, epochs=epochs(steps))
        if found.evolve_every is None:
            found = replace(found, evolve_every=evolve_every(steps))
        return found


# The share of every parameter that the decay takes away in an epoch, if it goes by samples.
DECAY = 0.005
# The steps per epoch at which batches aim, if they go by samples, and the sizes between which they
# stay.
STEPS = 40
SMALLEST, LARGEST = 16, 128
# How often training starts again with a quarter of the rate, after a divergence.
RETRIES = 4
# The least that "table" trains: steps, of which few rows need as many as many rows do, and epochs.
FEWEST_STEPS, FEWEST_EPOCHS = 1500, 30
# The steps between two evolutions of "table". In fewer, what has grown has not learnt anything yet.
EVOLVE_STEPS = 20
# The decay of "table" for sparse samples of classes, times the learning rate.
SPARSE_DECAY = 1.0
# Rows from which "table" has more neurons, and no smoothing; and the neurons below.
MANY = 1000
FEW = (100,)


def batch_size(samples: int) -> int:
    """Samples per step; may be more than there are."""
    return min(max(samples // STEPS, SMALLEST), LARGEST)


def weight_decay(samples: int, size: int) -> float:
    """The weight decay of SGD, per step, with batches of this size."""
    return DECAY / math.ceil(samples / size)


def rates(first: float, retries: int = RETRIES) -> list[float]:
    """Learning rates to try, each if training diverged with that before."""
    return [first / 4**k for k in range(retries + 1)]


def hidden(samples: int) -> tuple[int, ...]:
    """Neurons of the hidden layers."""
    return (300,) if samples >= MANY else FEW


def epochs(steps: int) -> int:
    """Passes over the samples, by the steps of one."""
    return max(math.ceil(FEWEST_STEPS / steps), FEWEST_EPOCHS)


def evolve_every(steps: int) -> int:
    """Epochs between two evolutions, by the steps of one."""
    return max(round(EVOLVE_STEPS / steps), 1)


def suited(table: Preset, samples: int, *, sparse: bool, loss: str) -> Preset:
    """Give what suits this number of samples, sparse ones, and other targets than classes."""
    of_classes = LOSSES[loss].output == "softmax"
    if not of_classes or samples >= MANY:
        table = replace(table, label_smoothing=0.0)
    if sparse and table.hidden is None:
        table = replace(table, hidden=FEW)  # more are slower there, and no better
    # Rare features have small gradients, so that weights that are not needed stay long. SGD's decay
    # is a fraction per step instead.
    decays = sparse and of_classes and table.optimizer == TABLE.optimizer
    return replace(table, weight_decay=SPARSE_DECAY) if decays else table


def _preset(name: str, recipe: Recipe, **sizes: Any) -> Preset:
    """A preset with a recipe's settings, and those that a recipe leaves open."""
    optimizer, topology = recipe.optimizer, recipe.topology
    names = ("learning_rate", "momentum", "nesterov", "weight_decay", "schedule_decay")
    return Preset(
        name=name,
        init=recipe.init,
        fan=recipe.fan,
        dropout=recipe.dropout,
        schedule=schedules.resolved(optimizer.schedule)._name,  # type: ignore[arg-type]
        **{name: getattr(optimizer, name) for name in names},
        zeta=topology.zeta,
        zeta_schedule=topology.schedule,
        zeta_stop=topology.stop,
        grow_init=topology.grow_init,
        **sizes,
    )


_IMAGES = ImageAugmentation((32, 32, 3))
_RECIPE = _preset(
    "recipe",
    RECIPE,
    hidden=(500, 500, 500),
    epsilon=EPSILON,
    slope=Config.slope,
    epochs=100,
    batch_size=128,
)

# The defaults of the estimators and of ``trulysparse train`` for tables. Chosen by cross-validation
# within training rows: `experiments/defaults.py` has what each changes. Nothing here asks what a
# table is about.
TABLE = Preset(
    name="table",
    hidden=None,
    epsilon=7,
    activation="relu",
    slope=Config.slope,
    init=RECIPE.init,
    fan=RECIPE.fan,
    input_gain=0.1,  # what was drawn for a feature counts less than what was learnt
    dropout=0.5,
    label_smoothing=0.1,
    optimizer="adam",
    learning_rate=0.004,
    schedule="cosine",
    momentum=0.9,
    nesterov=True,
    weight_decay=0.3,
    grow="gradient",
    zeta=0.3,
    grow_init=0.1,
    evolve_every=None,
    epochs=None,
    batch_size=None,
    retries=RETRIES,
)

# What Truly Sparse Neural Networks at Scale (arXiv 2102.01732) has in common; the rest are
# Fashion-MNIST's. The paper's settings are the defaults of `SparseMLP`, `SGD` and `SET`.
_PAPER = _preset(
    "paper",
    Recipe(
        init=Config.init,
        fan=Config.fan,
        dropout=Config.dropout,  # type: ignore[arg-type]  # one for all layers
        standardize=True,
        optimizer=SGD(),
        topology=SET(),
    ),
    hidden=(1000, 1000, 1000),
    epsilon=EPSILON,
    slope=Config.slope,
    epochs=500,
    batch_size=128,
)

# "table" for what Adam and growth by gradients are not for: several workers, SReLU.
SHARED = replace(
    _RECIPE,
    name=TABLE.name,
    hidden=TABLE.hidden,
    epsilon=TABLE.epsilon,
    activation=TABLE.activation,
    weight_decay=None,
    schedule_decay=False,
    zeta_schedule="constant",
    zeta_stop=None,
    batch_size=None,
    retries=RETRIES,
)

# Of batches that are seen once, where the number of steps is not known: `partial_fit`.
BATCHES = replace(
    _RECIPE,
    name="batches",
    hidden=(100,),
    epsilon=7,
    activation="relu",
    weight_decay=None,
    schedule="constant",
    schedule_decay=False,
    zeta_schedule="constant",
    zeta_stop=None,
    epochs=1,
    batch_size=None,
)

PRESETS: Mapping[str, Mapping[str | None, Preset]] = {
    "table": {None: TABLE},
    "recipe": {
        "digits": replace(_RECIPE, hidden=(200, 200, 200)),
        "fashion-mnist": replace(_RECIPE, hidden=(1000, 1000, 1000)),
        # The rate was chosen on 5,000 training images: experiments/cifar.py.
        "cifar10": replace(
            _RECIPE,
            hidden=(4000, 1000, 4000),
            dropout=0.1,
            learning_rate=0.1,
            augment=_IMAGES,
        ),
        "madelon": replace(_RECIPE, hidden=(400, 100, 400)),
        "synthetic": _RECIPE,
        None: replace(_RECIPE, batch_size=None, retries=RETRIES),
    },
    "paper": {
        "fashion-mnist": _PAPER,
        "cifar10": replace(_PAPER, hidden=(4000, 1000, 4000), slope=0.75, augment=_IMAGES),
        "higgs": replace(_PAPER, epsilon=10, slope=0.05, init="xavier"),
        "madelon": replace(
            _PAPER, hidden=(400, 100, 400), epsilon=10, slope=0.5, init="normal", batch_size=32
        ),
        "leukemia": replace(
            _PAPER,
            hidden=(27500, 27500),
            epsilon=10,
            slope=0.75,
            init="normal",
            learning_rate=0.005,
            batch_size=5,
        ),
    },
}
"""By name and data set; None stands for all other data."""


@_hints.plain
def preset(
    name: str, data: str | None = None, *, samples: int | None = None, **unknown: NoReturn
) -> Preset:
    """Give the settings that ``trulysparse train --preset`` has for a data set.

    Parameters
    ----------
    name
        ``"paper"``: the settings of *Truly Sparse Neural Networks at Scale* (arXiv 2102.01732).
        ``"recipe"``: what we recommend for images and large networks. ``"table"``: the estimators'
        defaults, which suit tables of one's own.
    data
        For ``"paper"``: ``"fashion-mnist"``, ``"cifar10"``, ``"higgs"``, ``"madelon"`` or
        ``"leukemia"``. For ``"recipe"``: ``"digits"``, ``"fashion-mnist"``, ``"cifar10"``,
        ``"madelon"`` or ``"synthetic"``; others share one. ``"table"`` is the same for all.
        Default None, other data.
    samples
        How many there are to train on, at least 1: ``"table"``, and ``"recipe"`` for other data,
        take the batch size and the decay from it and need it.

    Returns
    -------
    Preset
        `hidden`, the sizes of the hidden layers, `model` for `SparseMLP` and `fit` for its `fit`.

    Raises
    ------
    ValueError, TypeError
        If there is no such preset, or none for these data, or `samples` is missing or wrong.

    Examples
    --------
    >>> import trulysparse as ts
    >>> paper = ts.preset("paper", "madelon")
    >>> model = ts.SparseMLP([500, *paper.hidden, 2], **paper.model, seed=0)
    >>> model.layer_sizes, paper.fit["epochs"]  # model.fit(x, y, **paper.fit)
    ([500, 400, 100, 400, 2], 500)
    """
    _hints.refuse("preset", unknown)
    _check.choice("preset", name, tuple(PRESETS))
    if data is not None and not isinstance(data, str):
        raise TypeError(f"data = {_check.shown(data)}: expected the name of a data set, or None")
    chosen = find(name, data)
    if samples is not None:
        return chosen._for(_check.integer("samples", samples, 1))
    if chosen.batch_size is None or chosen.weight_decay is None:
        raise ValueError(
            f"preset {name!r} goes by the number of training samples here: expected samples=..."
        )
    return chosen


def find(name: str | None, data: str | None) -> Preset:
    """The preset of that name, or the default one for these data if it is None."""
    key = data if data is None else data.partition(":")[0]
    if name is None:
        name = "recipe" if key in PRESETS["recipe"] else "table"
    by_data = PRESETS[name]
    if key not in by_data and None not in by_data:
        names = ", ".join(str(known) for known in by_data)
        raise ValueError(
            f"preset {name!r} is for {names}, not for other data: got {_check.shown(data)}"
        )
    return by_data[key if key in by_data else None]
