"""The sparse multilayer perceptron, as users read it; what its methods do is elsewhere."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from copy import copy
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import scipy.sparse

from trulysparse import _check, _core, _progress
from trulysparse.callbacks import Callback
from trulysparse.config import MOST_THREADS, Config
from trulysparse.config import threads as threads_of
from trulysparse.data import arrays
from trulysparse.data.augmentation import ImageAugmentation
from trulysparse.data.samples import Samples, given, held_out
from trulysparse.export import npz
from trulysparse.export import scipy as from_matrices
from trulysparse.history import History
from trulysparse.importance import KINDS
from trulysparse.layer import Layer, table
from trulysparse.losses import LOSSES, scores
from trulysparse.memory import MemoryPlan
from trulysparse.optim import Optimizer
from trulysparse.parallel.mpi.session import session
from trulysparse.parallel.strategies import Strategy
from trulysparse.topology import ImportancePruning, Rule
from trulysparse.topology.curve import pruning_curve
from trulysparse.topology.pruning import OVER, amount, core_rule, reported
from trulysparse.topology.tolerance import Tolerance, furthest
from trulysparse.training import request, single
from trulysparse.training.start import start
from trulysparse.training.stream import gives_batches

_T = TypeVar("_T")


class ModelBusyError(RuntimeError):
    """A call that would change a model while a fit of it is running."""


class SparseMLP:
    """A multilayer perceptron of which only the existing connections are stored and trained.

    The defaults are the paper's settings (arXiv 2102.01732). The example has those that we
    recommend, `RECIPE`.

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
    >>> model = ts.SparseMLP([20, 100, 100, 2], epsilon=10, **ts.RECIPE.model, seed=0)
    >>> history = model.fit(x, y, epochs=5, **ts.RECIPE.fit, progress=False)
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
        threads = threads_of(threads)
        enabled = _check.boolean("progress", progress)
        with _progress.slow("making the model", enabled=enabled) as tick:
            core = _core.Network(config.to_json(), threads, tick)
        self._attach(core, {})

    def _attach(self, core: _core.Network, metadata: dict[str, str]) -> None:
        self._core = core
        self._turn = _core.Turn()
        self._driver: Any = None  # what trains in a fit without a strategy
        self._ending: int | None = None  # the thread in which a fit ends
        self.metadata = metadata
        self.history = History()
        self.stop_training = False

    def _exclusive(self, what: str) -> AbstractContextManager[None]:
        return self._turn.take(
            ModelBusyError(
                f"{what} would change the model while a fit or another change is running"
            )
        )

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
        sizes, matrices = from_matrices.to_core(weights, biases)
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
        threads = threads_of(threads)
        model = cls.__new__(cls)
        model._attach(_core.Network.from_matrices(config.to_json(), threads, matrices), {})
        return model

    @classmethod
    def from_npz(cls, folder: str | os.PathLike[str], *, threads: int | None = None) -> SparseMLP:
        """Build a model from the files that `export_npz` wrote; they may have been changed since.

        Parameters
        ----------
        folder
            The folder.
        threads
            Threads to use; all that the process may use if None.

        Raises
        ------
        FileNotFoundError
            If one of the files is missing.
        ValueError, TypeError
            If a file is not as expected, or the files do not fit each other.
        """
        files = npz.read(_check.path("folder", folder))
        model = cls.from_scipy(files.weights, files.biases, threads=threads, **files.settings)
        files.standardize(model._core)
        return model

    # --- training ---------------------------------------------------------------------------------

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
        topology: Rule | None = request.PAPER_SET,
        pruning: ImportancePruning | None = None,
        strategy: Strategy | None = None,
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
            epochs = _check.integer("epochs", epochs, 0, request.MOST_EPOCHS)
            initial_epoch = _check.integer("initial_epoch", initial_epoch, 0, request.MOST_EPOCHS)
            asked = request.Request(
                core=self._core,
                x=x,
                y=y,
                batches=gives_batches(x),
                epochs=range(initial_epoch, epochs),
                steps_per_epoch=steps_per_epoch,
                batch_size=_check.integer("batch_size", batch_size, 1),
                sample_weight=sample_weight,
                validation_data=validation_data,
                optimizer=request.optimizer(optimizer),
                topology=request.topology(topology),
                pruning=request.pruning(pruning),
                strategy=request.strategy(strategy),
                memory=request.memory(memory),
                callbacks=request.callbacks(callbacks),
                progress=_check.boolean("progress", progress),
                augment=request.augmentation(augment),
            )
            started = start(asked, self, ranks)
            self._driver = started.driver
            try:
                history = started.run()
                self._ending = threading.get_ident()
                started.end()
                return history
            finally:
                self._driver = self._ending = None

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
            batch = given(self._core, x, y, sample_weight=sample_weight, trains=True)
            loss, accuracy = single.step(
                self._core, batch, request.optimizer(optimizer), request.memory(memory)
            )
        return scores(self.loss, loss, accuracy)

    @property
    def learning_rate(self) -> float | None:
        """The learning rate of the fit that is running, before its schedule's factor.

        Callbacks may set it, to any positive finite number; the steps that follow have it. None
        where no fit is running, and in one with a strategy, where it cannot be set.
        """
        rate: float | None = getattr(self._driver, "learning_rate_before_schedule", None)
        return rate

    @learning_rate.setter
    def learning_rate(self, rate: float | None) -> None:
        expected = "a positive finite number"
        rate = _check.real("learning_rate", rate, expected, low=0, low_open=True)
        if self.learning_rate is None:
            raise ValueError(
                f"learning_rate = {rate!r}: expected a fit that is running, without a strategy"
            )
        self._driver.learning_rate_before_schedule = rate

    def snapshot(self) -> Any:
        """Copy the network as it is now, for `restore`; up to 12 bytes a connection.

        Raises
        ------
        MemoryError
            If there is no memory for the copy.
        """
        return self._core.copy()

    def restore(self, snapshot: Any) -> None:
        """Go back to a network that `snapshot` copied: as if it had been saved then and loaded.

        The snapshot is used up. A callback may call this in `Callback.on_train_end`.

        Raises
        ------
        TypeError
            If it is no snapshot.
        ModelBusyError
            If a fit of this model is running and does not end.
        """
        expected = "what SparseMLP.snapshot gave"
        snapshot = _check.instance("snapshot", snapshot, _core.Network, expected)
        if self._ending == threading.get_ident():
            self._core.become(snapshot)
            return
        with self._exclusive("restore"):
            self._core.become(snapshot)

    # --- scoring ----------------------------------------------------------------------------------

    def evaluate(
        self,
        x: Samples,
        y: npt.ArrayLike,
        *,
        batch_size: int = 128,
        sample_weight: npt.ArrayLike | None = None,
    ) -> dict[str, float]:
        """Score every sample, without dropout; `x` and `sample_weight` as in `fit`.

        Returns
        -------
        dict
            ``loss``, the mean over samples, and ``accuracy`` (with sigmoid outputs: over samples
            and outputs, p > 0.5 against y > 0.5; none with ``"squared_error"``).

        Raises
        ------
        ValueError, TypeError
            If an argument is wrong; the message names it.
        MemoryError
            If the buffers for `batch_size` samples do not fit into memory.
        """
        batch_size = _check.integer("batch_size", batch_size, 1)
        data = given(self._core, x, y, sample_weight=sample_weight).data
        return scores(self.loss, *self._core.evaluate(data, batch_size))

    def test_on_batch(self, x: Samples, y: npt.ArrayLike) -> dict[str, float]:
        """Score these samples as one batch.

        Returns
        -------
        dict
            As `evaluate`.

        Raises
        ------
        ValueError, TypeError, MemoryError
            As `evaluate`.
        """
        data, _, count = given(self._core, x, y)
        return scores(self.loss, *self._core.evaluate(data, count))

    def predict(self, x: Samples, *, batch_size: int = 128) -> npt.NDArray[np.float32]:
        """Compute the outputs: probabilities, or values with ``"squared_error"``.

        Parameters
        ----------
        x
            Samples, (samples, n_0); dense or sparse, mapped from a file or not, as in `fit`.
        batch_size
            Samples that are computed together; a sample's bits do not depend on it. Default 128.

        Returns
        -------
        float32 array of shape (samples, n_outputs)

        Raises
        ------
        ValueError, TypeError, MemoryError
            As `evaluate`.
        """
        batch_size = _check.integer("batch_size", batch_size, 1)
        inputs = arrays.samples("x", x, self.layer_sizes[0])
        out = np.empty((inputs.shape[0], self.layer_sizes[-1]), dtype=np.float32)
        self._core.predict(_core.Data(self._core, inputs), batch_size, out)
        return out

    # --- neurons and connections ------------------------------------------------------------------

    def evolve(
        self,
        topology: Rule | None = None,
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
            rule = request.topology(topology) or request.PAPER_SET
            batch_size = _check.integer("batch_size", batch_size, 1)
            report = single.evolution(
                self._core, rule, x, y, batch_size=batch_size, memory=request.memory(memory)
            )
        return [{"dropped": layer.dropped, "grown": layer.grown} for layer in report]

    def importance(self, layer: int) -> npt.NDArray[np.float32]:
        """Give the importance of a layer's neurons (importance pruning, arXiv 2102.01732).

        Parameters
        ----------
        layer
            1 is the first hidden layer; the last is the output layer.

        Returns
        -------
        float32 array of shape (neurons,)
            The incoming strength: the sum of the absolute values of a neuron's incoming weights.

        Raises
        ------
        ValueError, TypeError
            If there is no such layer.
        """
        last = len(self.layer_sizes) - 1
        return self._core.importance(_check.integer("layer", layer, 1, last) - 1)

    def feature_importance(self, kind: str = "path") -> npt.NDArray[np.float64]:
        """Score the input features by the weights that leave them.

        Weights multiply features, so the scores of two features can be compared only if both were
        standardised (``standardize=True``, or before `fit`); a feature in a small unit needs, and
        gets, large weights. A feature that is constant in training keeps the random weights that
        it was given, as it has no gradients: leave such columns out.

        Parameters
        ----------
        kind
            ``"path"`` (default): the absolute values of the weights multiplied along every path
            from the feature to an output, and summed over the paths. It tells a strong connection
            to a neuron that matters from one to a neuron that does not, as the relative
            importances of Garson (1991) and the sensitivity of synapses in SynFlow (Tanaka et
            al., 2020) do; activations and signs are left out. ``"strength"``: the sum of the
            absolute values of the feature's own weights, the neuron strength of QuickSelection
            (Atashgahi et al., 2022). Of Madelon's 20 features with signal the 20 best by path were
            17.6 on pruned networks, by strength 16.4, by mean absolute gradients 17.2; on networks
            that were not pruned 13.4, 12.0 and 14.8 (``experiments/importance.py``).

        Returns
        -------
        float64 array of shape (n_0,)
            At least 0; 0 for a feature without connections. After ``compact(inputs=True)`` of the
            features that remain: ``units(0)`` says which.

        Raises
        ------
        ValueError, TypeError
            If there is no such kind.
        """
        score = KINDS[_check.choice("kind", kind, tuple(KINDS))]
        return score(self._core)

    def prune(
        self,
        *,
        percentile: float | None = None,
        threshold: float | None = None,
        tolerance: float | None = None,
        validation_data: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
        regrow: bool = False,
        over: str = "all",
        batch_size: int = 128,
    ) -> list[dict[str, int]]:
        """Remove all incoming connections of the hidden neurons that matter least, now.

        These are the neurons of each hidden layer whose `importance` is at or below the threshold
        (arXiv 2102.01732, "Importance pruning"). Weights go with their momentum, biases stay, so a
        pruned neuron's output is a constant, which `compact` takes out. `pruning_curve` helps to
        choose, and ``fit(pruning=ImportancePruning(...))`` prunes while training.

        Parameters
        ----------
        percentile
            The threshold as a percentile, above 0 and below 100, of the importances of the layer's
            neurons, interpolated linearly as by `numpy.percentile`.
        threshold
            The threshold itself, at least 0.
        tolerance
            Prune as far as costs at most that much accuracy on `validation_data`, in [0, 1); 0.003
            is 0.3 points. First all layers alike, then each beside the others. Without accuracy
            (squared error) the loss may grow by that share. Exactly one of `percentile`,
            `threshold` and `tolerance` must be given.
        validation_data
            ``(x, y)`` that `tolerance` is measured on: not those that are reported later. None
            (default) without it.
        regrow
            Whether SET may grow connections to the pruned neurons again. Default False.
        over
            As of `ImportancePruning`. Default ``"all"``.
        batch_size
            Samples of `validation_data` that are computed together. Default 128.

        Returns
        -------
        list of dict
            For each hidden layer ``layer``, its number from 1, and the ``neurons`` and their
            ``connections`` that were pruned.

        Raises
        ------
        ValueError, TypeError
            If an argument is wrong; nothing was changed.
        ModelBusyError
            If a fit of this model is running.
        MemoryError
            If the new layers do not fit into memory beside the old ones; nothing was changed.

        Warns
        -----
        RuntimeWarning
            If a layer is left alone: fewer than two connected neurons would be left, or fewer than
            both the number of outputs and a tenth of the layer; an output would no longer depend
            on any input; or an importance is not finite.
        """
        percentile, threshold, tolerance = amount(percentile, threshold, tolerance, required=True)
        regrow = _check.boolean("regrow", regrow)
        over = _check.choice("over", over, OVER)
        batch_size = _check.integer("batch_size", batch_size, 1)
        if (tolerance is None) != (validation_data is None):
            shown = "None" if validation_data is None else "(x, y)"
            raise ValueError(
                f"tolerance = {tolerance!r} and validation_data = {shown}: expected both or none"
            )
        with self._exclusive("prune"):
            percentiles: float | list[float] | None = percentile
            if tolerance is not None:
                data = held_out(self._core, validation_data)
                limit = Tolerance(tolerance, has_accuracy=LOSSES[self.loss].has_accuracy)
                percentiles = furthest(self._core, data, batch_size, limit) or 0.0
                over = "connected"
            rule = core_rule(percentile=percentiles, threshold=threshold, over=over, regrow=regrow)
            return reported(self._core.prune(rule), stacklevel=3)

    def pruning_curve(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        percentiles: Iterable[float] = tuple(range(0, 100, 5)),
        *,
        batch_size: int = 128,
    ) -> dict[str, npt.NDArray[Any]]:
        """Score the model as it would be after ``prune(percentile=p)``, for each p.

        The model stays as it is; every percentile is pruned from it anew. It takes the memory of
        a copy. A layer that pruning would ruin is left alone, without a warning.

        Parameters
        ----------
        x, y
            Samples and targets, as `evaluate` takes them.
        percentiles
            Numbers from 0 to below 100; 0 stands for the model as it is. Default 0, 5, ..., 95.
        batch_size
            Samples that are computed together. Default 128.

        Returns
        -------
        dict of arrays of shape (len(percentiles),)
            ``percentile`` (float64); what is left then, ``connections`` and ``neurons`` (int64;
            hidden neurons with incoming connections); ``refused`` (int64), how many layers were
            left alone; ``loss`` and ``accuracy`` (float64, as
            `evaluate` has them; no accuracy with a squared error).

        Raises
        ------
        ValueError, TypeError
            If an argument is wrong; the message names it.
        MemoryError
            If the copy or the buffers for `batch_size` samples do not fit into memory.
        """
        batch_size = _check.integer("batch_size", batch_size, 1)
        return pruning_curve(self._core, given(self._core, x, y).data, percentiles, batch_size)

    def gradient_norms(self, x: npt.ArrayLike, y: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """How strongly each layer is pulled: Euclidean norms of gradients.

        Of the mean loss over these samples, without dropout and noise, by the weights of each
        layer. The samples are one batch, and memory is taken for its activations. The model stays
        as it is.

        Parameters
        ----------
        x, y
            Samples and targets, as `fit` takes them.

        Returns
        -------
        float64 array of shape (layers,)

        Raises
        ------
        ValueError, TypeError, MemoryError
            As `evaluate`.
        """
        return np.array(self._core.gradient_norms(given(self._core, x, y).data))

    def compact(self, *, inputs: bool = False) -> list[dict[str, int]]:
        """Remove the neurons that cannot matter; the model computes the same without them.

        A hidden neuron without incoming connections has the constant output f(bias): its
        contribution is added to the next layer's biases and it goes. A hidden neuron without
        outgoing connections goes as it is. Both go on until there are none left, so removals
        travel through the layers. Outputs stay, and a hidden layer that would lose all of its
        neurons keeps one, without connections.

        Predictions agree with those before to the rounding of the biases. Training can go on, in a
        smaller network: momentum is kept, and dropout, which draws by the neurons' numbers, draws
        anew. It also no longer drops the constants: a neuron without connections that dropout
        switched on and off was noise in training, and is none once its output is in the biases.

        Parameters
        ----------
        inputs
            Also remove the inputs without outgoing connections (but for one, if none has any).
            The model then takes the remaining columns only: ``x[:, model.units(0)]``. Default
            False.

        Returns
        -------
        list of dict
            For each layer ``layer``, its number (0 for the inputs), ``neurons`` removed,
            ``constant``, those of them without incoming connections, and ``connections``, the
            incoming ones of the layer that were removed.

        Raises
        ------
        TypeError
            If `inputs` is not True or False.
        ModelBusyError
            If a fit of this model is running.
        MemoryError
            If the new layers do not fit into memory beside the old ones; nothing was changed.
        """
        inputs = _check.boolean("inputs", inputs)
        with self._exclusive("compact"):
            removed = self._core.compact(inputs)
        return [
            {"layer": layer, "neurons": neurons, "constant": constant, "connections": connections}
            for layer, (neurons, constant, connections) in enumerate(removed)
        ]

    def units(self, layer: int) -> npt.NDArray[np.int64]:
        """Give the numbers that a layer's neurons had before any compaction.

        Parameters
        ----------
        layer
            0 for the inputs, 1 for the first hidden layer; the last is the output layer.

        Returns
        -------
        int64 array of shape (neurons,)
            Ascending, from 0; all of them if the layer was never compacted.

        Raises
        ------
        ValueError, TypeError
            If there is no such layer.
        """
        layer = _check.integer("layer", layer, 0, len(self.layer_sizes) - 1)
        origin = self._core.origin()
        if origin is None or len(origin[1][layer]) == 0:
            return np.arange(self.layer_sizes[layer])
        return origin[1][layer].astype(np.int64)

    # --- what it is -------------------------------------------------------------------------------

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
        return [Layer(self._core, index) for index in range(len(self.layer_sizes) - 1)]

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
        return self._core.counters()[0]

    @property
    def steps_trained(self) -> int:
        """Completed training steps over the model's life."""
        return self._core.counters()[1]

    @property
    def evolutions(self) -> int:
        """Completed evolutions over the model's life."""
        return self._core.counters()[2]

    def plan(
        self,
        batch_size: int = 128,
        *,
        evolves: bool | Rule = True,
        memory: str = "fast",
        optimizer: Optimizer | None = None,
    ) -> MemoryPlan:
        """What a fit with batches of `batch_size` samples takes in memory, and what there is.

        `evolves`: with a topology that evolves, or by what it does; `optimizer`: as of `fit`. The
        function `plan` tells it of a model that is yet to be made.
        """
        return MemoryPlan.of(self._core.plan, self._config, batch_size, evolves, memory, optimizer)

    def summary(self, print_fn: Callable[[str], object] = print) -> None:
        """Print a table of the layers, line by line with `print_fn`."""
        for line in table(self.layers):
            print_fn(line)

    def __repr__(self) -> str:
        sizes = "-".join(map(str, self.layer_sizes))
        return f"SparseMLP({sizes}, {self.nnz:,} connections, density {self.density:.4g})"

    # --- other libraries --------------------------------------------------------------------------

    def to_scipy(self) -> tuple[list[scipy.sparse.csc_array], list[npt.NDArray[np.float32]]]:
        """The weights and biases of all layers, as copies that can be changed.

        `SparseMLP.from_scipy` takes both. Statistics of standardisation are not part of them: a
        model that has some computes with ``(x - model.mean) * model.scale``.

        Returns
        -------
        weights : list of csc_array
            float32, (n_in, n_out) each.
        biases : list of arrays
            float32, (n_out,) each.
        """
        layers = self.layers
        return [layer.weight.copy() for layer in layers], [layer.bias.copy() for layer in layers]

    def export_npz(self, folder: str | os.PathLike[str]) -> None:
        """Write the model to a folder as files that NumPy and SciPy read.

        For each layer ``weight_0.npz`` (`scipy.sparse.save_npz`, (n_in, n_out)) and ``bias_0.npy``;
        ``mean.npy`` and ``scale.npy`` if the model has statistics of standardisation;
        ``settings.json``; and a ``README.txt`` that says how outputs are computed from them.
        `from_npz` reads them again. Momentum, counters, what was pruned and the user's metadata are
        in `SparseMLP.save`'s files only.

        Parameters
        ----------
        folder
            Made if it does not exist. Files of an earlier export are replaced.

        Raises
        ------
        OSError
            If a file cannot be written.
        ValueError
            If the model has SReLU layers.
        """
        npz.write(self._core, _check.path("folder", folder))

    def to_torch(self, *, dense: bool = False, logits: bool = False) -> Any:
        """A PyTorch module that computes the same outputs; needs the extra ``torch``.

        Its layers have sparse CSR weights of the connections that exist; the values and the biases
        are parameters, which PyTorch's optimisers can train, and can be saved with `state_dict`.
        Standardisation is part of it; dropout and noise on the inputs are not. Inputs are float32,
        (samples, n_0).

        Parameters
        ----------
        dense
            Make the weights dense, `torch.nn.Linear`: n_in * n_out numbers a layer, for devices and
            tools that know no sparse tensors. Default False.
        logits
            Return what goes into the softmax or sigmoid of the output, as PyTorch's losses take it,
            instead of the probabilities that `predict` returns. Default False.

        Returns
        -------
        torch.nn.Module

        Raises
        ------
        ImportError
            If PyTorch is not installed.
        ValueError
            If the model has an activation that the module does not know.
        """
        dense, logits = _check.boolean("dense", dense), _check.boolean("logits", logits)
        try:
            from trulysparse.export import torch
        except ImportError as error:
            raise ImportError("to_torch needs PyTorch: pip install 'trulysparse[torch]'") from error
        return torch.network(self._core, dense=dense, logits=logits)

    # --- files ------------------------------------------------------------------------------------

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
    path, threads = _check.path("path", path), threads_of(threads)
    with _progress.slow("loading", enabled=_check.boolean("progress", progress)) as tick:
        core, metadata = _core.Network.load(path, threads, tick)
    model = SparseMLP.__new__(SparseMLP)
    model._attach(core, metadata)
    return model


def _copied(setting: _T) -> _T:
    """A setting, which the reader of a list may change without changing the model's."""
    return copy(setting)
