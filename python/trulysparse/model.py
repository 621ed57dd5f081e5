"""The sparse multilayer perceptron, as users read it; what its methods do is elsewhere."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt
import scipy

from trulysparse import _check, _core, _files, _hints, _progress, attribution, names, scoring
from trulysparse.callbacks import Callback
from trulysparse.config import MOST_THREADS, Config, Setting, say_if_dense, settings_of
from trulysparse.config import threads as threads_of
from trulysparse.data.augmentation import ImageAugmentation
from trulysparse.data.classes import counted
from trulysparse.data.columns import Columns, learnt, ordered
from trulysparse.data.samples import Samples, given, held_out, inputs_of
from trulysparse.export import npz, of_model
from trulysparse.export import scipy as from_matrices
from trulysparse.history import History
from trulysparse.layer import Layer, as_html, layers, read_only, table
from trulysparse.losses import scores
from trulysparse.memory import MemoryPlan
from trulysparse.optim import Optimizer
from trulysparse.parallel.mpi.session import session
from trulysparse.parallel.strategies import Strategy
from trulysparse.report.of_model import Reported
from trulysparse.streams import RowBlocks, as_rows, held
from trulysparse.topology import ImportancePruning, Rule
from trulysparse.topology.pruning import OVER, amount, core_rule, reported
from trulysparse.topology.tolerance import both_or_none, tolerated
from trulysparse.training import request, single
from trulysparse.training.snapshot import Snapshot
from trulysparse.training.start import start
from trulysparse.training.stream import gives_batches
from trulysparse.training.unchanged import unchanged


class ModelBusyError(RuntimeError):
    """A call that would change a model while a fit of it is running."""


class SparseMLP(Reported):
    """A multilayer perceptron that stores and trains only the connections that exist.

    The defaults are the paper's settings (arXiv 2102.01732). The example has those that we
    recommend, `RECIPE`.

    Threads may share a model. Reads beside a fit wait until its step ends; what would change the
    model raises `ModelBusyError`. Forked processes may use it too, unless another thread was
    changing it at the fork: then it raises RuntimeError. Pickles have the content of `save`.

    Parameters
    ----------
    layer_sizes
        Neurons of each layer: inputs, hidden layers, outputs. At least two numbers. Cross-entropy
        has an output per class, so two or more.
    epsilon
        The Erdos-Renyi control parameter, positive: a connection exists with probability
        ``epsilon * (n_in + n_out) / (n_in * n_out)``, at most 1. A number, or one per layer of
        weights. Default 20 if `density` is not given either; a UserWarning if that makes all layers
        of a network of 500 connections or more dense.
    density
        The probability of a connection, in (0, 1], instead of `epsilon`. One, or one per layer.
    allocation
        How `density`, which is then one number for the whole network, is spread over the layers.
        ``"uniform"``: evenly. ``"er"``: in proportion to ``(n_in + n_out) / (n_in * n_out)``, as
        `epsilon` does; others take what a full layer cannot. ``"erk"``: the same. Default None.
    activation
        Of hidden layers, one for all or one for each: ``"all_relu"`` (default), ``"relu"``,
        ``"leaky_relu"``, ``"sigmoid"``, ``"tanh"``, ``"silu"``, ``"gelu"`` (with the error
        function), ``"identity"`` or ``"srelu"``. The negative side of All-ReLU has the slope
        ``-slope`` in the first, third, ... hidden layer, and ``+slope`` in the others. SiLU and
        GELU take 4 bytes a neuron and sample more in training. `Layer.srelu` describes SReLU.
    slope
        The paper's alpha, for All-ReLU and leaky ReLU. Default 0.6.
    loss
        ``"cross_entropy"`` (default): softmax outputs. ``"binary_cross_entropy"``: sigmoid outputs,
        summed over outputs. ``"squared_error"``: identity outputs, ``1/2 sum (z - y)^2``; scale `y`
        to a standard deviation of about 1, as larger targets make training diverge. ``"huber"``:
        identity outputs, the sum of ``d^2 / 2`` where ``d = z - y`` is in [-1, 1], and of
        ``|d| - 1/2`` elsewhere (Huber, 1964), for `y` with outliers; scale `y` in the same way.
        ``"squared_error_sigmoid"``: sigmoid outputs p, ``1/2 sum (p - y)^2``, as in the paper's
        proof of concept; learns more slowly than binary cross-entropy where p saturates.
    label_smoothing
        With cross-entropy, training learns ``(1 - s) y + s / classes`` instead of the targets y
        (Szegedy et al., 2016): a number s in [0, 1), by default 0. `evaluate`, validation and
        accuracy take y itself, so that the losses of models with different s compare.
    init
        ``"he_uniform"`` (default): U(-+ sqrt(6 / fan_in)). ``"xavier"``:
        U(-+ sqrt(6 / (fan_in + fan_out))). ``"lecun_uniform"``: U(-+ sqrt(3 / fan_in)).
        ``"normal"``: N(0, 1) / 10. Biases start at 0.
    fan
        What fan_in and fan_out are. ``"layer"`` (default): the layer's sizes, as in the paper.
        ``"real"``: the connections that a neuron has (for fan_out the layer's mean), which makes
        learning start earlier.
    input_gain
        Factor of the first layer's initial weights, above 0. Default 1. Small ones, such as 0.1,
        leave little weight on features from which nothing is learnt.
    dropout
        The probability of dropping a hidden unit in training, in [0, 1): one for all hidden layers,
        or one for each. Default 0.3. Kept units are divided by the probability of being kept.
    input_noise
        The standard deviation of Gaussian noise, drawn anew and added to the inputs in each
        training step; in units of their own standard deviations if they are standardised. At least
        0; default 0. With a squared error against the inputs it makes a denoising autoencoder.
    standardize
        Standardise inputs with means and standard deviations of the first training data, saved with
        the model in float64. A feature with one value counts for nothing, until it varies in a
        later fit. The statistics follow batches of `train_on_batch` and iterators. ``"auto"``: of
        sparse samples only columns that half of them store; others are scaled to a typical size of
        1 if theirs is below 0.001 or above 8. Default False.
    clip
        Standardised inputs z become ``z / sqrt(1 + (z / clip)^2)``, which never exceeds this number
        (as in RealMLP, Holzmueller et al., 2024, with 3). Default None: they stay as they are.
    standardize_targets
        Learn targets in units of their own deviations from their mean, those of the first training
        data; losses are in these units, and `predict` gives the user's. Default False.
    seed
        From 0 to 2^64 - 1; drawn from the system if None. It fixes all bits, for any `threads`.
    threads
        Threads to use; all that the process may use if None.
    progress
        Draw a bar if making the model takes more than a second, where `fit` does. Default False.

    Attributes
    ----------
    metadata : dict of str to str
        Your notes, saved and pickled with the model. The command line keeps ``dataset``,
        ``class_names``, ``feature_names`` and ``label`` there, as JSON.
    history : History
        Of the last fit, or of the one that is running; after Ctrl-C, of the epochs that were done.
        Empty at first; not saved.
    stop_training : bool
        Set it to True in a callback to end the fit after the epoch. Every fit sets it to False.

    Raises
    ------
    ValueError, TypeError, MemoryError
        If an argument is out of its range (the message names it), or memory does not suffice.

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

    @_hints.plain
    def __init__(
        self,
        layer_sizes: Sequence[int],
        *,
        epsilon: float | Sequence[float] | None = None,
        density: float | Sequence[float] | None = None,
        allocation: names.Allocation | None = None,
        activation: names.Activation | Sequence[names.Activation] = Config.activation,
        slope: float = Config.slope,
        loss: names.Loss = Config.loss,
        label_smoothing: float = Config.label_smoothing,
        init: names.Init = Config.init,
        fan: names.Fan = Config.fan,
        input_gain: float = Config.input_gain,
        dropout: float | Sequence[float] = Config.dropout,
        input_noise: float = Config.input_noise,
        standardize: names.Standardize = Config.standardize,
        clip: float | None = Config.clip,
        standardize_targets: bool = Config.standardize_targets,
        seed: int | None = None,
        threads: int | None = None,
        progress: bool = False,
        **unknown: NoReturn,
    ) -> None:
        _hints.refuse("SparseMLP.__init__", unknown)
        config = Config.drawn(**settings_of(locals()))
        threads = threads_of(threads)
        enabled = _check.boolean("progress", progress)
        if epsilon is density is None:
            say_if_dense(config)
        with _progress.slow("making the model", enabled=enabled) as tick:
            core = _core.Network(config.to_json(), threads, tick)
        self._attach(core, {})

    def _attach(self, core: _core.Network, metadata: dict[str, str]) -> None:
        self._core = core
        self._lock = _core.CallLock()
        self._driver: Any = None  # what trains in a fit without a strategy
        self._ending: int | None = None  # the thread in which a fit ends
        self.metadata = metadata
        self.history = History()
        self.stop_training = False
        self._told_of_schedule = False  # by train_on_batch
        self._members: list[_core.Network] = []  # what a fit trains, if this is their mean

    def _exclusive(self, what: str) -> AbstractContextManager[None]:
        message = f"{what} would change the model while a fit or another change is running"
        return self._lock.hold(ModelBusyError(message))

    @classmethod
    def from_scipy(
        cls,
        weights: Sequence[Any],
        biases: Sequence[npt.ArrayLike] | None = None,
        *,
        activation: names.Activation | Sequence[names.Activation] = Config.activation,
        slope: float = Config.slope,
        loss: names.Loss = Config.loss,
        label_smoothing: float = Config.label_smoothing,
        init: names.Init = Config.init,
        fan: names.Fan = Config.fan,
        input_gain: float = Config.input_gain,
        dropout: float | Sequence[float] = Config.dropout,
        input_noise: float = Config.input_noise,
        standardize: names.Standardize = Config.standardize,
        clip: float | None = Config.clip,
        standardize_targets: bool = Config.standardize_targets,
        seed: int | None = None,
        threads: int | None = None,
    ) -> SparseMLP:
        """Build a model from weights, whose places are its connections.

        Wrong shapes, damaged matrices and values that are not finite: ValueError or TypeError.

        Parameters
        ----------
        weights
            A matrix of shape (n_in, n_out) per layer. SciPy's have any format; their stored zeros
            are connections, their duplicates are summed. Of dense ones 0 is no connection. Booleans
            are a mask: its connections get weights by `init`, as in the constructor.
        biases
            An array of shape (n_out,) per layer; zeros if None.
        activation, slope, loss, label_smoothing, init, fan, input_gain, dropout, input_noise, \
        standardize, clip, standardize_targets
            As in the constructor; `init` and `fan` also say how grown connections start.
        """
        settings = settings_of(locals())
        sizes, matrices = from_matrices.to_core(weights, biases)
        config = Config.given(sizes, **settings)
        threads = threads_of(threads)
        core = _core.Network.from_matrices(config.to_json(), threads, matrices)
        return of_core(core, {}, cls)

    @classmethod
    def from_npz(cls, folder: str | os.PathLike[str], *, threads: int | None = None) -> SparseMLP:
        """Build a model from the files that `export_npz` wrote, which may have been changed since.

        A file that is missing is a FileNotFoundError; files that are not as expected, or do not fit
        each other, are a ValueError or a TypeError. The model has no momentum and counts anew.
        """
        files = npz.read(_check.path("folder", folder))
        model = cls.from_scipy(files.weights, files.biases, threads=threads, **files.settings)
        files.complete(model._core)
        model.metadata = files.metadata
        return model

    # --- training ---------------------------------------------------------------------------------

    @_hints.plain
    def fit(
        self,
        x: Samples | Iterable[Any] | RowBlocks,
        y: Samples | None = None,
        *,
        epochs: int = 100,
        steps_per_epoch: int | None = None,
        batch_size: int = 128,
        sample_weight: npt.ArrayLike | None = None,
        validation_data: tuple[Samples, Samples] | RowBlocks | None = None,
        optimizer: Optimizer | names.Optimizer | None = None,
        topology: Rule | None = request.PAPER_SET,
        pruning: ImportancePruning | None = None,
        strategy: Strategy | None = None,
        memory: names.Memory = "fast",
        callbacks: Sequence[Callback] | None = (),
        progress: bool = True,
        initial_epoch: int = 0,
        augment: ImageAugmentation | None = None,
        **unknown: NoReturn,
    ) -> History:
        """Train.

        Every epoch uses every sample once, in a new order, the last, shorter batch included. Ctrl-C
        raises KeyboardInterrupt within a second or one step and leaves the model at its last
        completed step. The loop runs without the interpreter's lock.

        Parameters
        ----------
        x
            Samples, (samples, n_0), of any real dtype and order; computed with in float32. An array
            of float32 in C order is not copied, so one that is mapped from a file
            (``np.load(path, mmap_mode="r")``) need not fit into memory. Tensors on the CPU are
            read in place (DLPack), sparse ones of PyTorch as SciPy's. A SciPy sparse matrix or
            array is copied in compressed form, 8 bytes a stored value, and never becomes dense,
            also where the model standardises (the guide's "Text and one-hot tables"). Or an
            iterator of batches ``(x, y)`` or ``(x, y, sample_weight)`` without end, or an iterable
            that starts anew when it has ended: only one batch is in memory at a time, and
            statistics of standardisation follow them. Or `RowBlocks`, and data sets of h5py, which
            become them: rows of a file are read while training. The first frame that a model meets
            in training gives the columns' names, `metadata`'s ``feature_names``; from then on the
            columns of frames are put in that order, and arrays go by position.
        y
            Cross-entropy: class labels (samples,) from 0, or probabilities (samples, classes).
            Binary cross-entropy and squared error with a sigmoid: values in [0, 1], (samples,
            outputs). Squared error and Huber: values, (samples, outputs). With one output
            (samples,) will do. None with an iterator. A SciPy sparse matrix stays sparse. NaN, None
            and NA of several outputs are missing: they do not count (guide, "Several labels").
        epochs
            The epoch to train up to, as in Keras: ``epochs - initial_epoch`` are run. Default 100;
            0 trains nothing. A second fit without `initial_epoch` trains `epochs` more and starts
            the schedule anew; momentum, shuffling and dropout go on where they were.
        steps_per_epoch
            Batches of an iterator in an epoch. None (default): as many as it has, if it tells.
        batch_size
            Samples per step; with an iterator those of validation only. Default 128.
        sample_weight
            By what each sample's loss and gradient are multiplied, (samples,), at least 0; the mean
            divides by the number of samples, so give weights with a mean of about 1. Beyond 4 they
            may be limited (the guide's "Weights of samples"). Accuracy counts samples. Default
            None, 1 each; None with an iterator.
        validation_data
            ``(x, y)`` to evaluate after every epoch. Default None.
        optimizer
            One of `trulysparse.optim`, or ``"sgd"``, ``"adam"`` or ``"lion"`` with its defaults;
            ``SGD()``, with the paper's settings, if None. Files keep momentum, but no optimiser.
        topology
            How the topology evolves after every epoch but the last: a `SET`, the default, a
            `GradientGrowth`, or a `TopologyRule` that you write. None keeps it static.
        pruning
            When neurons are pruned, before the evolution after the same epoch: an
            `ImportancePruning`. None (default) prunes none.
        strategy
            How several workers train together: a `WASSP` or a `WASAP`, with batches of `batch_size`
            for each worker. None (default) trains on one batch at a time.
        memory
            What memory to spend beside the network's own; the results are the same bits.
            ``"fast"`` (default): 20 bytes a connection, momentum included, and all activations.
            ``"lean"``: no index of the transposed weights, 12 bytes a connection; backward products
            are slower. ``"least"``: also the activations of some layers only; the others are
            computed twice. `plan` tells what each takes. With a `strategy` ``"fast"`` only.
        callbacks
            `Callback` objects, such as `EarlyStopping` and `ModelCheckpoint`. Default none.
        progress
            Draw a progress bar in notebooks, and on terminals (standard error). Default True.
        initial_epoch
            The epoch to start at, for the schedule and the history of a fit that goes on: after 10
            epochs, ``epochs=30, initial_epoch=10`` runs 20 along a schedule over 30. Default 0. An
            evolution that was due after the epoch before, and was not made, comes first. What the
            result lacks for the bits of one whole fit is a RuntimeWarning.
        augment
            How samples that are images are turned, moved and mirrored in every step: an
            `ImageAugmentation` of their shape. Not for sparse samples. Default None.

        Raises
        ------
        ValueError, TypeError, ModelBusyError, MemoryError
            If an argument is wrong (the message names it), another fit of this model is running, or
            the buffers for `batch_size` samples do not fit into memory; nothing was changed. What
            shows later, such as a bad batch of an iterator, ends the fit at its last completed
            step, and the message says how many were completed.
        """
        _hints.refuse("SparseMLP.fit", unknown)
        with self._exclusive("fit"), session(strategy) as ranks, unchanged(self):
            epochs = _check.integer("epochs", epochs, 0, request.MOST_EPOCHS)
            initial_epoch = _check.integer("initial_epoch", initial_epoch, 0, request.MOST_EPOCHS)
            x, y, sample_weight = as_rows(x, y, sample_weight)
            columns, x = learnt(self, x)
            asked = request.Request(
                core=self._core,
                x=x,
                y=counted(self, y),
                batches=gives_batches(x),
                epochs=range(initial_epoch, epochs),
                steps_per_epoch=steps_per_epoch,
                batch_size=_check.integer("batch_size", batch_size, 1),
                sample_weight=sample_weight,
                validation_data=columns.pair(validation_data),
                optimizer=request.optimizer(optimizer, self._core),
                topology=request.topology(topology),
                pruning=request.pruning(pruning),
                strategy=request.strategy(strategy),
                memory=request.memory(memory),
                callbacks=request.callbacks(callbacks),
                progress=_check.boolean("progress", progress),
                augment=request.augmentation(augment),
                columns=columns,
            )
            started = start(asked, self, ranks, self._members)
            columns.keep()
            # Ctrl-C may come inside of __setattr__, but not here.
            self.__dict__["_driver"] = started.driver
            try:
                history = started.run()
                self._ending = threading.get_ident()
                started.end()
                return history
            finally:
                self.__dict__["_driver"] = self.__dict__["_ending"] = None

    @_hints.plain
    def train_on_batch(
        self,
        x: Samples,
        y: Samples,
        *,
        sample_weight: npt.ArrayLike | None = None,
        optimizer: Optimizer | names.Optimizer | None = None,
        memory: names.Memory = "fast",
        **unknown: NoReturn,
    ) -> dict[str, float]:
        """Take one training step on all of these samples; the topology does not change.

        The statistics of a standardising model take these samples in first. The step has the
        optimiser's `learning_rate`; a schedule has no effect, of which a UserWarning tells once per
        model. Arguments and errors are those of `fit`.

        Returns
        -------
        dict
            ``loss`` and ``accuracy`` of the samples before the step, with dropout.
        """
        _hints.refuse("SparseMLP.train_on_batch", unknown)
        with self._exclusive("train_on_batch"):
            columns, x = learnt(self, x)
            batch = given(self._core, x, counted(self, y), sample_weight=sample_weight, trains=True)
            memory, optimizer = request.memory(memory), request.optimizer(optimizer, self._core)
            if optimizer.schedule != "constant" and not self._told_of_schedule:
                self._told_of_schedule = single.say_without_schedule(optimizer)
            found = single.step(self._core, batch, optimizer, memory)
            columns.keep()
            return scoring.step(self._core, found)

    @property
    def learning_rate(self) -> float | None:
        """The learning rate of the fit that is running, before its schedule's factor.

        Callbacks may set it to any positive finite number, for the steps that follow. None where no
        fit is running, and in one with a strategy, where it cannot be set.
        """
        rate: float | None = getattr(self._driver, "learning_rate_before_schedule", None)
        return rate

    @learning_rate.setter
    def learning_rate(self, rate: float | None) -> None:
        rate = _check.real("learning_rate", rate, "a positive finite number", low=0, low_open=True)
        driver = self._driver  # another thread's fit may end meanwhile
        if not hasattr(driver, "learning_rate_before_schedule"):
            raise ValueError(
                f"learning_rate = {rate!r}: expected a fit that is running, without a strategy"
            )
        driver.learning_rate_before_schedule = rate

    def snapshot(self) -> Any:
        """Copy the network as it is now, for `restore`; takes up to 12 bytes a connection."""
        return Snapshot(self._core)

    def restore(self, snapshot: Any) -> None:
        """Go back to a network that `snapshot` copied: as if it had been saved then and loaded.

        It is used up: another time is a ValueError. A callback may call this in `on_train_end`;
        before, a fit that is running is a ModelBusyError. What is no snapshot is a TypeError.
        """
        _check.instance("snapshot", snapshot, Snapshot, "what SparseMLP.snapshot gave")
        if self._ending == threading.get_ident():
            snapshot.to(self._core)
            return
        with self._exclusive("restore"):
            snapshot.to(self._core)

    # --- scoring ----------------------------------------------------------------------------------

    @_hints.plain
    def evaluate(
        self,
        x: Samples | RowBlocks,
        y: Samples | None = None,
        *,
        batch_size: int = 128,
        sample_weight: npt.ArrayLike | None = None,
        **unknown: NoReturn,
    ) -> dict[str, float]:
        """Score every sample, without dropout; arguments and errors are those of `fit`.

        Integers in `y` are places of outputs, also where the metadata name other classes.

        Returns
        -------
        dict
            ``loss``, the mean over samples, and ``accuracy`` (with sigmoid outputs: over samples
            and outputs, p > 0.5 against y > 0.5; none for values). Missing labels do not count.
        """
        _hints.refuse("SparseMLP.evaluate", unknown)
        batch_size = _check.integer("batch_size", batch_size, 1)
        if (rows := held.rows_of(x, y, sample_weight)) is not None:
            return scores(self.loss, held.evaluate(self, rows, batch_size))
        y = counted(self, y)
        samples = given(self._core, ordered(self, x), y, sample_weight=sample_weight)
        return scoring.evaluate(self._core, samples, batch_size)

    def test_on_batch(self, x: Samples, y: Samples) -> dict[str, float]:
        """Score these samples as one batch; results and errors are those of `evaluate`."""
        samples = given(self._core, ordered(self, x), counted(self, y))
        return scoring.evaluate(self._core, samples, samples.samples)

    @_hints.plain
    def predict(
        self, x: Samples | RowBlocks, *, batch_size: int = 128, **unknown: NoReturn
    ) -> npt.NDArray[np.floating[Any]]:
        """Compute the outputs: probabilities, or values with an identity as the output.

        They are float32 of shape (samples, n_outputs), or float64 if the model standardises its
        targets. `x` and errors as in `fit`. `batch_size` samples are computed together, with the
        bits that each has alone. What is not finite comes with a RuntimeWarning.
        """
        _hints.refuse("SparseMLP.predict", unknown)
        batch_size = _check.integer("batch_size", batch_size, 1)
        if (rows := held.rows_of(x)) is not None:
            return held.predict(self, rows, batch_size)
        if (outputs := self._core.predict_at_once(x := ordered(self, x))) is not None:
            return outputs
        return scoring.predict(self._core, inputs_of(self._core, "x", x), batch_size)

    explain = attribution.explain

    def _follow(self, rate: float, x: Any, y: Any, sample_weight: Any) -> None:
        """Let the statistics take in samples that a step at this learning rate will be of."""
        batch = given(self._core, x, y, sample_weight=sample_weight, follows=True)
        self._core.follow(batch.data, rate)

    # --- neurons and connections ------------------------------------------------------------------

    @_hints.plain
    def evolve(
        self,
        topology: Rule | None = None,
        x: npt.ArrayLike | None = None,
        y: npt.ArrayLike | None = None,
        *,
        batch_size: int = 128,
        memory: names.Memory = "fast",
        **unknown: NoReturn,
    ) -> list[dict[str, int]]:
        """Evolve the topology of every layer but the last once.

        Errors are those of `fit`. If a `TopologyRule` makes a mistake, the network is as it was.

        Parameters
        ----------
        topology, memory
            As in `fit`; ``SET()`` if `topology` is None. Its `zeta` is taken without its schedule:
            `SET.at` gives the rule of an epoch.
        x, y, batch_size
            Samples and targets, as `fit` takes them, for rules that take gradients. `batch_size` of
            them are used if the rule does not say.

        Returns
        -------
        list of dict
            ``dropped`` and ``grown`` connections for each layer.
        """
        _hints.refuse("SparseMLP.evolve", unknown)
        with self._exclusive("evolve"):
            rule, x = request.topology(topology) or request.PAPER_SET, ordered(self, x)
            batch_size = _check.integer("batch_size", batch_size, 1)
            report = single.evolution(
                self._core, rule, x, y, batch_size=batch_size, memory=request.memory(memory)
            )
        return [{"dropped": layer.dropped, "grown": layer.grown} for layer in report]

    def importance(self, layer: int) -> npt.NDArray[np.float32]:
        """Sum the absolute values of the incoming weights of each neuron in a layer.

        These sums, float32 of shape (neurons,), are the importance of importance pruning (arXiv
        2102.01732). Layer 1 is the first hidden one, the last the outputs. Others: ValueError.
        """
        last = len(self.layer_sizes) - 1
        return scoring.importance(self._core, _check.integer("layer", layer, 1, last) - 1)

    feature_importance = attribution.feature_importance

    @_hints.plain
    def prune(
        self,
        *,
        percentile: float | None = None,
        threshold: float | None = None,
        tolerance: float | None = None,
        validation_data: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
        regrow: bool = False,
        over: names.Over = "all",
        batch_size: int = 128,
        **unknown: NoReturn,
    ) -> list[dict[str, int]]:
        """Remove all incoming connections of the hidden neurons that matter least, now.

        These are the neurons of each hidden layer whose `importance` is at or below a threshold
        (arXiv 2102.01732, "Importance pruning"). Weights go with their momentum, biases stay, so a
        pruned neuron's output is a constant, which `compact` takes out. `pruning_curve` helps to
        choose, and ``fit(pruning=ImportancePruning(...))`` prunes while training. A layer that
        pruning would ruin, as described there, or with an importance that is not finite is left
        alone with a RuntimeWarning. Errors are those of `fit`.

        Parameters
        ----------
        percentile, threshold, over
            As in `ImportancePruning`. Give one of `percentile`, `threshold` and `tolerance`.
        tolerance
            Prune as far as costs at most that much accuracy on `validation_data`, in [0, 1); 0.003
            is 0.3 points. First all layers alike, then each beside the others. Without accuracy
            (squared error) the loss may grow by that share.
        validation_data, batch_size
            ``(x, y)`` that `tolerance` is measured on, `batch_size` samples together: not those
            that are reported later.
        regrow
            Whether SET may grow connections to the pruned neurons again. Default False.

        Returns
        -------
        list of dict
            For each hidden layer ``layer``, its number from 1, and the ``neurons`` and their
            ``connections`` that were pruned.
        """
        _hints.refuse("SparseMLP.prune", unknown)
        percentile, threshold, tolerance = amount(percentile, threshold, tolerance, required=True)
        regrow = _check.boolean("regrow", regrow)
        over = _check.choice("over", over, OVER)
        batch_size = _check.integer("batch_size", batch_size, 1)
        both_or_none(tolerance, validation_data)
        with self._exclusive("prune"):
            percentiles: float | list[float] | None = percentile
            if tolerance is not None:
                data = held_out(self._core, Columns(self).pair(validation_data))
                percentiles = tolerated(self._core, data, tolerance, batch_size)
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

        The percentiles go from 0, the model as it is, to below 100. Each is pruned from a copy, so
        the model stays as it is. A layer that pruning would ruin is left alone, without a warning.
        Other arguments and errors are those of `evaluate`.

        Returns
        -------
        dict of arrays of shape (len(percentiles),)
            ``percentile`` (float64); what is left then, ``connections`` and ``neurons`` (int64;
            hidden neurons with incoming connections); ``refused`` (int64), how many layers were
            left alone; ``loss`` and ``accuracy`` (float64, those of `evaluate`).
        """
        batch_size = _check.integer("batch_size", batch_size, 1)
        data = given(self._core, ordered(self, x), counted(self, y)).data
        return scoring.pruning_curve(self._core, data, percentiles, batch_size)

    def gradient_norms(self, x: npt.ArrayLike, y: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Compute how strongly each layer is pulled, the Euclidean norms of its gradients.

        These norms, float64 of shape (layers,), are of the mean loss's gradients by the layer's
        weights, with smoothed labels as in training, but without dropout and noise. The samples are
        one batch, in memory as well. Arguments and errors are those of `evaluate`.
        """
        return scoring.gradient_norms(self._core, given(self._core, ordered(self, x), y).data)

    def compact(self, *, inputs: bool = False) -> list[dict[str, int]]:
        """Remove the neurons that cannot matter; the model computes the same without them.

        A hidden neuron without incoming connections has the constant output f(bias): the next
        layer's biases take it over. A hidden neuron without outgoing connections goes as it is. So
        do neurons that lose their last connections by this. A hidden layer keeps one at least.

        Predictions agree with those before to the rounding of the biases. Training can go on, with
        the momentum. Dropout draws anew, and no longer drops the constants. Errors as in `fit`.

        Parameters
        ----------
        inputs
            Also remove the inputs without outgoing connections, but for one if none has any. The
            model then takes the remaining columns only: ``x[:, model.units(0)]``. Default False.

        Returns
        -------
        list of dict
            For each layer ``layer``, its number (0 for the inputs), ``neurons`` removed,
            ``constant``, those of them without incoming connections, and ``connections``, the
            incoming ones of the layer that were removed.
        """
        inputs = _check.boolean("inputs", inputs)
        with self._exclusive("compact"):
            removed = self._core.compact(inputs)
        what = ("neurons", "constant", "connections")
        return [{"layer": i} | {k: getattr(of, k) for k in what} for i, of in enumerate(removed)]

    def units(self, layer: int) -> npt.NDArray[np.int64]:
        """Give the numbers, from 0, that a layer's neurons had before any compaction.

        They are ascending int64, (neurons,). Layer 0 has the inputs, the last the outputs. Without
        such a layer: ValueError.
        """
        layer = _check.integer("layer", layer, 0, len(self.layer_sizes) - 1)
        origin = self._core.origin()
        if origin is None or len(origin[1][layer]) == 0:
            return np.arange(self.layer_sizes[layer])
        return origin[1][layer].astype(np.int64)

    # --- what it is -------------------------------------------------------------------------------

    layer_sizes = Setting[list[int]]("Neurons of each layer.")
    epsilon = Setting[float | list[float] | None](
        "The Erdos-Renyi parameter, or one per layer, if the model was made with one."
    )
    allocation = Setting[names.Allocation | None](
        "How the model's density was spread over its layers, if it was made with a rule."
    )
    activation = Setting[names.Activation | list[names.Activation]](
        "The activation of hidden layers, or that of each."
    )
    slope = Setting[float]("The paper's alpha.")
    loss = Setting[names.Loss]("The loss.")
    label_smoothing = Setting[float]("How much of the targets training spreads over the classes.")
    init = Setting[names.Init]("The distribution of initial and grown weights.")
    fan = Setting[names.Fan]("What the initial distribution is scaled by.")
    input_gain = Setting[float]("Factor of the first layer's initial weights.")
    dropout = Setting[float | list[float]](
        "The probability of dropping a hidden unit, or that of each hidden layer."
    )
    input_noise = Setting[float]("The deviation of the noise that training adds to inputs.")
    standardize = Setting[names.Standardize]("Which inputs are standardised.")
    clip = Setting[float | None]("What standardised inputs never exceed.")
    standardize_targets = Setting[bool]("Whether targets are learnt in units of their own.")
    seed = Setting[int]("The seed, also if it was drawn from the system.")

    @property
    def original_layer_sizes(self) -> list[int]:
        """Neurons of each layer before `SparseMLP.compact` removed any."""
        origin = self._core.origin()
        return self.layer_sizes if origin is None else origin[0]

    @property
    def layers(self) -> list[Layer]:
        """The layers with weights: ``layers[0]`` leads to the first hidden layer."""
        return layers(self._core)

    @property
    def nnz(self) -> int:
        """All connections."""
        return sum(self._core.nnz())

    @property
    def density(self) -> float:
        """Connections as a fraction of all possible ones."""
        return self.nnz / sum(a * b for a, b in pairwise(self.layer_sizes))

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
        statistics = self._core.input_statistics()
        return None if statistics is None else read_only(statistics.mean)

    @property
    def scale(self) -> npt.NDArray[np.float64] | None:
        """One over the standard deviations of the inputs; 0 of those that had one value."""
        statistics = self._core.input_statistics()
        return None if statistics is None else read_only(statistics.scale)

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

    def plan(
        self,
        batch_size: int = 128,
        *,
        evolves: bool | Rule = True,
        memory: names.Memory = "fast",
        optimizer: Optimizer | names.Optimizer | None = None,
        stored: float | None = None,
    ) -> MemoryPlan:
        """Tell what a fit takes in memory, as `plan`, the function, does before a model."""
        fit = (batch_size, evolves, memory, optimizer, stored)
        return MemoryPlan.of(self._core.footprint, Config.of(self._core), *fit)

    def summary(self, print_fn: Callable[[str], object] = print) -> None:
        """Print a table of the layers, line by line with `print_fn`."""
        _check.function("print_fn", print_fn, "(line)")
        for line in table(self.layers):
            print_fn(line)

    if not TYPE_CHECKING:  # which would then take any name
        __getattr__, __setattr__, __call__ = _hints.attribute, _hints.assign, _hints.called

    def __repr__(self) -> str:
        sizes = "-".join(map(str, self.layer_sizes))
        return f"SparseMLP({sizes}, {self.nnz:,} connections, density {self.density:.4g})"

    def _repr_html_(self) -> str:
        return as_html(repr(self), self.layers)

    # --- other libraries --------------------------------------------------------------------------

    def to_scipy(self) -> tuple[list[scipy.sparse.csc_array], list[npt.NDArray[np.float32]]]:
        """Copy the weights and biases of all layers, for `from_scipy` or to change them.

        They are float32, (n_in, n_out) and (n_out,) for each layer. Statistics of standardisation
        are no part of them: a model with some computes with ``(x - model.mean) * model.scale``.
        """
        own = layers(self._core.copy())  # another thread may train it
        return [layer.weight.copy() for layer in own], [layer.bias.copy() for layer in own]

    export_npz = of_model.export_npz
    to_torch = of_model.to_torch

    # --- files ------------------------------------------------------------------------------------

    @_hints.plain
    def save(
        self, path: str | os.PathLike[str], *, progress: bool = False, **unknown: NoReturn
    ) -> None:
        """Save everything that the model is to one safetensors file.

        Structure, weights, the optimiser's state, biases, standardisation, configuration, counters
        and `metadata`. The file is written beside `path` and takes its place when it is complete,
        so Ctrl-C, a crash or a full disk leaves an old file as it was; of a symbolic link it takes
        the place of what that leads to. `progress` as in the constructor. Errors are an OSError; an
        ending that means another format, such as ``.h5``, is a ValueError.
        """
        _hints.refuse("SparseMLP.save", unknown)
        path, strings = _files.to_write("path", path), _check.strings("metadata", self.metadata)
        with _progress.slow("saving", enabled=_check.boolean("progress", progress)) as tick:
            self._core.save(path, strings, tick)

    def __reduce__(self) -> tuple[Any, ...]:
        """Support pickle and copy with the bytes that `save` writes."""
        return _from_bytes, (type(self), *self.__getstate__().values())

    def __getstate__(self) -> dict[str, Any]:
        """Give the content of a pickle, for libraries such as skops that make files of it."""
        data = self._core.to_bytes(_check.strings("metadata", self.metadata))
        return {"data": data, "threads": self.threads}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Become the model that `__getstate__` was asked of; ValueError if it is damaged."""
        if not isinstance(state, dict) or state.keys() != {"data", "threads"}:
            raise ValueError(f"the state of a SparseMLP = {_check.shown(state)}: expected its own")
        self._attach(*_core.Network.from_bytes(state["data"], threads_of(state["threads"])))


def of_core(
    core: _core.Network, metadata: dict[str, str], cls: type[SparseMLP] = SparseMLP
) -> SparseMLP:
    """Give the model of a network that was read."""
    model = SparseMLP.__new__(cls)
    model._attach(core, metadata)
    return model


def _from_bytes(cls: type[SparseMLP], data: bytes, threads: int) -> SparseMLP:
    model = SparseMLP.__new__(cls)
    model.__setstate__({"data": data, "threads": threads})
    return model
