"""The sparse multilayer perceptron."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from trulysparse import (
    _batches,
    _check,
    _core,
    _drivers,
    _fit_settings,
    _progress,
    _settings,
)
from trulysparse._evolving import Evolving
from trulysparse._mpi.session import session
from trulysparse._scoring import Samples
from trulysparse.augmentation import ImageAugmentation
from trulysparse.callbacks import Callback
from trulysparse.config import Config
from trulysparse.config import threads as config_threads
from trulysparse.export import scipy as _scipy
from trulysparse.history import History
from trulysparse.optim import Optimizer
from trulysparse.parallel import WASAP, WASSP
from trulysparse.pruning import ImportancePruning
from trulysparse.rules import TopologyRule
from trulysparse.topology import SET

_MOST_EPOCHS = 2**31


class ModelBusyError(RuntimeError):
    """A call that would change a model while a fit of it is running."""


class SparseMLP(Evolving):
    """A multilayer perceptron of which only the existing connections are stored and trained.

    The defaults are the paper's settings (arXiv 2102.01732). The recipe that
    we recommend, which the example uses, is explained in the README under "On the command line".

    Threads may share a model: reads beside a fit wait for a moment between two of its steps, and
    what would change the model raises `ModelBusyError`. It can be pickled and copied, with the
    content of `save`. A forked process can use it too, unless another thread was changing it at
    the moment of the fork: then its calls raise RuntimeError in the child.

    Parameters
    ----------
    layer_sizes
        Neurons of each layer: inputs, hidden layers, outputs; at least two numbers. With
        cross-entropy there is an output per class, so two or more.
    epsilon
        The Erdos-Renyi control parameter: a connection exists with probability
        ``epsilon * (n_in + n_out) / (n_in * n_out)``, at most 1, so a layer has about
        ``epsilon * (n_in + n_out)`` of them. Positive; 20 if `density` is not given either. Or a
        sequence of one per layer of weights.
    density
        The probability of a connection itself, in (0, 1], instead of `epsilon`: in all layers of
        weights, or a sequence of one for each.
    allocation
        Makes `density`, one number, that of the whole network and spreads it over the layers:
        ``"er"`` in proportion to ``(n_in + n_out) / (n_in * n_out)``, as one `epsilon` for all
        does, but what would be beyond a dense layer goes to the others; ``"erk"`` is the same (it
        differs for convolutions only, by their kernels); ``"uniform"`` evenly. Default None.
    activation
        Of hidden layers, one for all or a sequence of one for each: ``"all_relu"`` (default; its
        negative side has the slope ``-slope`` in the first, third, ... hidden layer and ``+slope``
        in the others, whatever those have), ``"relu"``, ``"leaky_relu"``, ``"sigmoid"``,
        ``"tanh"``, ``"identity"`` or ``"srelu"``. SReLU (Jin et al., 2016) has four trained numbers
        per neuron: it is z between its two thresholds, continued with one slope below the lower and
        another above the upper one. They start as 0 and 1 with slopes of 0.2 and 1, and take the
        optimiser's steps without its weight decay; see `Layer.srelu`.
    slope
        The paper's alpha, for All-ReLU and leaky ReLU. Default 0.6.
    loss
        ``"cross_entropy"`` (default, softmax output), ``"binary_cross_entropy"`` (sigmoid outputs,
        summed over outputs), ``"squared_error"`` (identity outputs, ``1/2 sum (z - y)^2``; scale
        `y` to a standard deviation of about 1 first, as larger targets make training diverge) or
        ``"squared_error_sigmoid"`` (sigmoid outputs p, ``1/2 sum (p - y)^2``, as the paper's proof
        of concept has it for Madelon; where p saturates the gradient vanishes, so binary
        cross-entropy learns faster).
    init
        ``"he_uniform"`` (default, U(-+ sqrt(6 / fan_in))), ``"xavier"``
        (U(-+ sqrt(6 / (fan_in + fan_out)))), ``"lecun_uniform"`` (U(-+ sqrt(3 / fan_in))) or
        ``"normal"`` (N(0, 1) / 10). Biases start at 0.
    fan
        What fan_in and fan_out are: ``"layer"`` (default) takes the layer's sizes, as the paper
        does; ``"real"`` the connections that a neuron has (for fan_out the layer's mean), which
        makes learning start earlier.
    dropout
        The probability with which a hidden unit is dropped in training, in [0, 1): in all hidden
        layers, or a sequence of one for each. Default 0.3. Kept units are scaled by the inverse of
        the probability of being kept.
    input_noise
        The standard deviation of Gaussian noise that is added to every input in training, newly
        drawn in each step; in units of the inputs' own standard deviations if they are
        standardised. At least 0; default 0. With a squared error against the inputs themselves
        this makes a denoising autoencoder.
    standardize
        Standardise inputs with the means and standard deviations of the first training data, which
        are saved with the model. A feature with one value becomes 0: its mean is that value, its
        scale is 1. Default False.
    seed
        Of everything random, from 0 to 2^64 - 1; drawn from the system if None. The same seed
        gives the same bits for any number of threads.
    threads
        Threads to use; all that the process may use if None.
    progress
        Draw a progress bar if it takes more than a second to make the model, on the standard error
        stream if that is a terminal, or in a notebook. Default False.

    Attributes
    ----------
    metadata : dict of str to str
        Yours: notes such as the names of classes, saved and pickled with the model. The command
        line keeps ``dataset``, ``class_names``, ``feature_names`` and ``label`` there, as JSON.
    history : History
        Of the last fit, or of the one that is running; what a fit that Ctrl-C ended got done is
        here. Empty at first; not saved.
    stop_training : bool
        Set it to True in a callback to end the fit after the current epoch; every fit starts
        with False.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of its range; the message names it.
    MemoryError
        If the connections do not fit into memory.

    Examples
    --------
    >>> import numpy as np, trulysparse as ts
    >>> x = np.random.default_rng(0).normal(size=(500, 20))
    >>> y = (x[:, 0] * x[:, 1] > 0).astype(int)
    >>> model = ts.SparseMLP([20, 100, 100, 2], epsilon=10, init="lecun_uniform", fan="real",
    ...                      dropout=0.2, standardize=True, seed=0)
    >>> sgd = ts.SGD(0.05, nesterov=True, weight_decay=2e-5, schedule="cosine")
    >>> history = model.fit(x, y, epochs=5, optimizer=sgd, topology=ts.SET(grow_init=0.1),
    ...                     progress=False)
    >>> model.predict(x[:3]).shape
    (3, 2)
    """

    def __init__(
        self,
        layer_sizes: Sequence[int],
        *,
        epsilon: float | Sequence[float] | None = None,
        density: float | Sequence[float] | None = None,
        allocation: str | None = None,
        activation: str | Sequence[str] = Config.activation,
        slope: float = Config.slope,
        loss: str = Config.loss,
        init: str = Config.init,
        fan: str = Config.fan,
        dropout: float | Sequence[float] = Config.dropout,
        input_noise: float = Config.input_noise,
        standardize: bool = Config.standardize,
        seed: int | None = None,
        threads: int | None = None,
        progress: bool = False,
    ) -> None:
        config = Config.drawn(
            layer_sizes,
            epsilon=epsilon,
            density=density,
            allocation=allocation,
            activation=activation,
            slope=slope,
            loss=loss,
            init=init,
            fan=fan,
            dropout=dropout,
            input_noise=input_noise,
            standardize=standardize,
            seed=seed,
        )
        threads = config_threads(threads)
        enabled = _check.boolean("progress", progress)
        with _progress.slow("making the model", enabled=enabled) as tick:
            core = _core.Network(config.to_json(), threads, tick)
        self._attach(core, {})

    def _attach(self, core: _core.Network, metadata: dict[str, str]) -> None:
        self._core = core
        self._lock = _core.CallLock()
        self.metadata = metadata
        self.history = History()
        self.stop_training = False

    @classmethod
    def from_scipy(
        cls,
        weights: Sequence[Any],
        biases: Sequence[npt.ArrayLike] | None = None,
        *,
        activation: str | Sequence[str] = Config.activation,
        slope: float = Config.slope,
        loss: str = Config.loss,
        init: str = Config.init,
        fan: str = Config.fan,
        dropout: float | Sequence[float] = Config.dropout,
        input_noise: float = Config.input_noise,
        standardize: bool = Config.standardize,
        seed: int | None = None,
        threads: int | None = None,
    ) -> SparseMLP:
        """Build a model whose connections and weights are given.

        Parameters
        ----------
        weights
            A SciPy sparse matrix or array of shape (n_in, n_out) per layer, in any format. Stored
            zeros are connections; duplicates are summed.
        biases
            An array of shape (n_out,) per layer; zeros if None.
        activation, slope, loss, init, fan, dropout, input_noise, standardize, seed, threads
            As in the constructor; `init` and `fan` say how grown connections start.

        Raises
        ------
        ValueError, TypeError
            If shapes do not fit each other, a matrix is damaged or a value is not finite.
        """
        sizes, matrices = _scipy.to_core(weights, biases)
        config = Config.given(
            sizes,
            activation=activation,
            slope=slope,
            loss=loss,
            init=init,
            fan=fan,
            dropout=dropout,
            input_noise=input_noise,
            standardize=standardize,
            seed=seed,
        )
        threads = config_threads(threads)
        model = cls.__new__(cls)
        model._attach(_core.Network.from_matrices(config.to_json(), threads, matrices), {})
        return model

    # --- training -----------------------------------------------------------------------------

    def _exclusive(self, what: str) -> AbstractContextManager[None]:
        return self._lock.hold(
            ModelBusyError(
                f"{what} would change the model while a fit or another change is running"
            )
        )

    def fit(
        self,
        x: Samples | Iterable[Any],
        y: npt.ArrayLike | None = None,
        *,
        epochs: int = 100,
        steps_per_epoch: int | None = None,
        batch_size: int = 128,
        sample_weight: npt.ArrayLike | None = None,
        validation_data: tuple[Samples, npt.ArrayLike] | None = None,
        optimizer: Optimizer | None = None,
        topology: SET | TopologyRule | None = _settings.PAPER_SET,
        pruning: ImportancePruning | None = None,
        strategy: WASSP | WASAP | None = None,
        memory: str = "fast",
        callbacks: Sequence[Callback] = (),
        progress: bool = True,
        initial_epoch: int = 0,
        augment: ImageAugmentation | None = None,
    ) -> History:
        """Train.

        Every epoch uses every sample once, in a new order; the last, shorter batch included.
        Ctrl-C raises KeyboardInterrupt within a second or one step and leaves the model at its
        last completed step. The loop runs without holding the interpreter's lock.

        Parameters
        ----------
        x
            Samples, (samples, n_0): any real dtype and order; computed with in float32. An array of
            float32 in C order is not copied, so one that is mapped from a file
            (``np.load(path, mmap_mode="r")``) need not fit into memory. A SciPy sparse matrix or
            array is copied in compressed form, 8 bytes a stored value, and never becomes dense: a
            step costs what its samples' features and the first layer's connections cost. A
            standardising model then only scales stored values, and moves the pre-activations
            instead of the zeros, at the price of digits where a feature's mean is ten thousand
            deviations or more from 0. Or an iterator of batches ``(x, y)`` or
            ``(x, y, sample_weight)`` without end, or an iterable that starts anew when it has
            ended: only one batch is in memory at a time, and a standardising model takes its
            statistics from the first.
        y
            Cross-entropy: class labels (samples,) from 0, or probabilities (samples, classes).
            Binary cross-entropy and squared error with a sigmoid: values in [0, 1], (samples,
            outputs). Squared error: values, (samples, outputs). With one output (samples,) will
            do. None with an iterator.
        epochs
            The epoch to train up to, counted from 1, as in Keras: ``epochs - initial_epoch`` of
            them are run. Default 100. Zero trains nothing. A second fit without `initial_epoch`
            trains `epochs` more and starts the schedule anew; momentum, shuffling and dropout go
            on where they were.
        steps_per_epoch
            How many batches of an iterator make an epoch; by default as many as `x` has, if it has
            a length. None (default) with arrays.
        batch_size
            Samples per step; with an iterator those of validation only. Default 128.
        sample_weight
            How much each sample counts, (samples,), at least 0: its loss and its gradient are
            multiplied by it. The mean over a batch divides by the number of samples, not by their
            weights, so give weights with a mean of about 1. Accuracy counts samples. Default None,
            1 each; None with an iterator.
        validation_data
            ``(x, y)`` that is evaluated after every epoch.
        optimizer
            An `SGD` or an `Adam`; ``SGD()``, the paper's settings, if None.
        topology
            How the topology evolves after every epoch but the last: a `SET`, the default, a
            `GradientGrowth`, or a `TopologyRule` of your own. None keeps it static.
        pruning
            When neurons are pruned, as an `ImportancePruning`; None (default) prunes none. It comes
            before the evolution after the same epoch, also when one goes on from a checkpoint.
        strategy
            How several workers train together, as a `WASSP` or a `WASAP`; with these `batch_size`
            is that of a worker. None (default) trains on one batch at a time. A parallel fit that
            goes on from a checkpoint in its last, local phase goes on from the average of the
            workers.
        memory
            What memory to spend beside the network's own; the results are the same bits.
            ``"fast"`` (default): 20 bytes a connection, momentum included, and all activations.
            ``"lean"``: no index of the transposed weights, 12 bytes a connection; backward products
            are slower. ``"least"``: also the activations of some layers only; the others are
            computed twice. `plan` tells what each takes. With a `strategy` ``"fast"`` only.
        callbacks
            `Callback` objects, such as `EarlyStopping` and `ModelCheckpoint`.
        progress
            Draw a progress bar on the standard error stream if that is a terminal, or in a
            notebook. Default True.
        initial_epoch
            The epoch to start at, for the schedule and the history of a fit that goes on: after a
            fit of 10 epochs, ``epochs=30, initial_epoch=10`` runs 20 along a schedule over 30.
            Default 0. The user guide has the recipe for going on from a checkpoint.
        augment
            How the samples, which are images then, are turned, moved and mirrored whenever a step
            uses them, as an `ImageAugmentation` of their shape; also with a `strategy` and with an
            iterator of batches. Not for sparse samples. None (default) leaves them as they are.

        Returns
        -------
        History

        Raises
        ------
        ValueError, TypeError
            If an argument is wrong; nothing was changed.
        ModelBusyError
            If another fit of this model is running.
        MemoryError
            If the buffers for `batch_size` samples do not fit into memory; nothing was changed.
        """
        with self._exclusive("fit"), session(strategy) as ranks:
            epochs = _check.integer("epochs", epochs, 0, _MOST_EPOCHS)
            initial_epoch = _check.integer("initial_epoch", initial_epoch, 0, _MOST_EPOCHS)
            batch_size = _check.integer("batch_size", batch_size, 1)
            progress = _check.boolean("progress", progress)
            listed = _settings.callbacks(callbacks, optimizer, strategy)
            augment = _settings.augmentation(augment)
            stream = _batches.stream(self, x, y, steps_per_epoch, strategy, augment)
            inputs, data, array = None, None, cast(Any, x)
            if stream is not None:
                if sample_weight is not None:
                    raise TypeError("sample_weight: expected None, as batches of x can have some")
            elif _drivers.serves(ranks) and np.shape(array)[:1] == (0,):
                inputs = np.empty((0, self.layer_sizes[0]), np.float32)
            else:
                data, inputs, _ = self._data(
                    x, y, sample_weight=sample_weight, trains=True, augment=augment
                )
            validation = None
            if validation_data is not None:
                validation = self._validation(validation_data)
            job = _drivers.Job(
                model=self,
                data=data,
                inputs=inputs,
                samples=0 if inputs is None else inputs.shape[0],
                epochs=range(initial_epoch, epochs),
                batch_size=batch_size,
                optimizer=_settings.optimizer(optimizer, strategy, self.activation),
                topology=_settings.topology(topology, strategy),
                pruning=_settings.pruning(
                    pruning, epochs, strategy, validated=validation is not None
                ),
                strategy=_settings.strategy(strategy),
                memory=_settings.memory(memory, strategy),
                stream=stream,
                augment=augment,
                validated=validation is not None,
            )
            try:
                return _drivers.run(job, ranks, validation, listed, progress=progress)
            finally:
                self._driver = None

    def train_on_batch(
        self,
        x: Samples,
        y: npt.ArrayLike,
        *,
        sample_weight: npt.ArrayLike | None = None,
        optimizer: Optimizer | None = None,
        memory: str = "fast",
    ) -> dict[str, float]:
        """Take one training step on all of these samples; the topology does not change.

        A standardising model that has no statistics yet takes them from these samples. Every call
        uses the optimiser's `learning_rate`: give each its own ``SGD`` or ``Adam`` to have another.
        `x`, `sample_weight` and `memory` as in `fit`.

        Returns
        -------
        dict
            ``loss`` and ``accuracy`` of the samples before the step, with dropout.

        Raises
        ------
        ValueError, TypeError, ModelBusyError, MemoryError
            As `fit`.
        """
        with self._exclusive("train_on_batch"):
            data, _, count = self._data(x, y, sample_weight=sample_weight, trains=True)
            rates = _settings.optimizer(optimizer, None, self.activation)._core()
            memory = _settings.memory(memory)
            settings = _fit_settings.of_trainer(count, rates, 1, memory=memory)
            trainer = _core.Trainer(self._core, data, settings)
            self._core.standardize_on(data)
            return self._scores(trainer.step())

    # --- files --------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str], *, progress: bool = False) -> None:
        """Save everything that the model is to one safetensors file.

        Structure, weights, the optimiser's state, biases, standardisation, configuration, counters
        and `metadata`. The file is written beside `path` and takes its place when it is complete:
        whatever ends the saving before, Ctrl-C or a crash, leaves the old file as it was.

        Parameters
        ----------
        path
            The file.
        progress
            Draw a progress bar if it takes more than a second. Default False.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        path, strings = _check.path("path", path), _check.strings("metadata", self.metadata)
        with _progress.slow("saving", enabled=_check.boolean("progress", progress)) as tick:
            self._core.save(path, strings, tick)

    def __reduce__(self) -> tuple[Any, ...]:
        """Support pickle and copy with the bytes that `save` writes."""
        return _from_bytes, (
            type(self),
            self._core.to_bytes(_check.strings("metadata", self.metadata)),
            self.threads,
        )


def _from_bytes(cls: type[SparseMLP], data: bytes, threads: int) -> SparseMLP:
    model = cls.__new__(cls)
    model._attach(*_core.Network.from_bytes(data, threads))
    return model


def load(
    path: str | os.PathLike[str], *, threads: int | None = None, progress: bool = False
) -> SparseMLP:
    """Load a model that `SparseMLP.save` wrote; training goes on as if it had not been saved.

    Parameters
    ----------
    path
        The file.
    threads
        Threads to use; all that the process may use if None.
    progress
        Draw a progress bar if it takes more than a second. Default False.

    Raises
    ------
    OSError
        If the file cannot be read (`FileNotFoundError` if there is none).
    ValueError
        If it is not a valid model file.
    MemoryError
        If the model does not fit into memory.
    """
    path, threads = _check.path("path", path), config_threads(threads)
    with _progress.slow("loading", enabled=_check.boolean("progress", progress)) as tick:
        core, metadata = _core.Network.load(path, threads, tick)
    model = SparseMLP.__new__(SparseMLP)
    model._attach(core, metadata)
    return model
