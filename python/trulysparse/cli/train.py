"""``trulysparse train``: train a network and save it."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trulysparse.callbacks import Callback, TerminateOnNaN
from trulysparse.cli import metadata, outcome
from trulysparse.cli import presets as preset_flags
from trulysparse.cli.common import (
    MODEL,
    add_memory,
    add_threads,
    check_folder,
    left,
    positive,
    refuse_overwriting,
    say,
    sizes,
    whole,
)
from trulysparse.cli.flags import (
    data,
    evolution,
    images,
    many,
    network,
    optimizer,
    pruning,
    workers,
)
from trulysparse.cli.flags import tables as table_flags
from trulysparse.cli.parser import add_command
from trulysparse.cli.presets import Chosen
from trulysparse.cli.scores import say_scores
from trulysparse.cli.tables import described, estimator, problem
from trulysparse.cli.tables.problem import Problem
from trulysparse.data.augmentation import ImageAugmentation
from trulysparse.estimators import SparseMLPRegressor
from trulysparse.estimators import _many as several
from trulysparse.estimators._making import drawn
from trulysparse.estimators._scaling import Scaling, fill_of
from trulysparse.explosion import ExplosionWarning
from trulysparse.history import History
from trulysparse.model import SparseMLP
from trulysparse.optim import Optimizer
from trulysparse.parallel import WASAP, WASSP
from trulysparse.plot import save_learning_curves
from trulysparse.presets import SHARED, TABLE, Preset, find
from trulysparse.selection.features import Indices
from trulysparse.topology import Rule
from trulysparse.topology.pruning import ImportancePruning
from trulysparse.training.loop import CUT_OFF

_Say = Callable[[str], None]
_FILES = _MODEL, _HISTORY, _CURVES = MODEL, "history.csv", "curves.png"


def add(commands: Any) -> None:
    """Add the command."""
    train = add_command(
        commands,
        "train",
        run,
        summary="train a network and save it",
        description="Train a sparse network on a table, on images, or on a known data set, by "
        "default scikit-learn's digits. It finds out what the columns of a table are, and says so. "
        "A fifth of the rows is held out and scored.",
        usage="[--data FILE] [options]",
        examples=_EXAMPLES,
    )
    _add_most_used(train.add_argument_group("most used"))
    columns = train.add_argument_group("which columns and rows", table_flags.COLUMNS)
    table_flags.add_columns(columns, trains=True)
    table_flags.add_labels_from(columns)
    table_flags.add_rows(columns)
    network.add_standardize(columns)
    data.add_folder(columns)
    table_flags.add_reading(train)
    network.add_flags(train.add_argument_group("the network"))
    _add_training(train.add_argument_group("training"))
    topology = train.add_argument_group("how connections are replaced (topology)")
    evolution.add_flags(topology)
    evolution.add_no_evolve(topology)
    pruning.add_flags(train.add_argument_group("pruning"))
    many.add_flags(train.add_argument_group("several networks"))
    images.add_flags(train.add_argument_group("images"))
    parallel = train.add_argument_group("parallel")
    add_threads(parallel)
    workers.add_flags(parallel)
    _add_output(train.add_argument_group("output"))
    train.exclude("--epsilon", "--density")
    train.exclude(*pruning.AMOUNTS)
    others = train.add_argument_group("help")
    train.help_in(others)
    preset_flags.add_help(others)


_EXAMPLES = """
    trulysparse train --data table.csv --label churn --out run
    trulysparse train --data table.csv --label churn --group patient --epochs 20
    trulysparse train --data table.csv --hidden 2x50 --epochs 20 --prune
    trulysparse train --data digits --epochs 2 --hidden 2x50 --out digits-run
"""


def _add_most_used(first: Any) -> None:
    data.add_data(first, default="digits")
    data.add_label(first, trains=True)
    table_flags.add_task(first)
    network.add_size(first)
    preset_flags.of_preset(first, "--epochs", "passes over the data", type=positive, metavar="N")
    preset_flags.add_preset(first)
    pruning.add_prune(first)
    first.add_argument(
        "--seed",
        type=whole,
        default=0,
        metavar="N",
        help="of everything random (default: %(default)s)",
    )
    first.add_argument(
        "--out",
        type=Path,
        default=Path("trulysparse-run"),
        metavar="DIR",
        help="folder for model, history and curves; replaces those of an earlier run (default: "
        "%(default)s)",
    )


def _add_training(training: Any) -> None:
    preset_flags.of_preset(
        training,
        "--batch-size",
        "rows per step, with --parallel those of each worker",
        "; with --parallel divided by the workers",
        type=positive,
        metavar="N",
    )
    optimizer.add_flags(training)
    add_memory(training)


def _add_output(output: Any) -> None:
    output.add_argument(
        "--compact",
        action="store_true",
        help="remove hidden neurons that cannot matter from the trained model",
    )
    output.add_argument(
        "--quiet", action="store_true", help="print the score and warnings, and nothing else"
    )


def run(args: argparse.Namespace) -> int:
    """Train, save and score."""
    comm = workers.communicator(args.parallel)
    is_worker = comm is not None and comm.rank > 0  # of an MPI job: rank 0 speaks and writes
    tell = _keep_silent if is_worker or args.quiet else say
    job = _job(args, comm, tell)
    model = job.model(is_worker)
    job.describe(model, tell)
    if not is_worker:
        args.out.mkdir(parents=True, exist_ok=True)
    checkpoint = None if job.strategy is None else job.strategy.checkpoint
    if checkpoint is not None and Path(checkpoint).exists():
        tell(f"going on from {checkpoint}")
    # Ranks do not know of each other's divergence, and go on from a checkpoint.
    rates = optimizer.tries(job.chosen) if comm is None else [job.optimizer.learning_rate]
    found = None
    for rate in rates:
        if found is not None:
            tell(f"{found}: starting again with --learning-rate {rate:g}")
            model = job.model(is_worker)
        interrupted = job.fit(model, rate)
        if is_worker:
            return 130 if interrupted else 0
        found = outcome.trouble(
            model,
            job.trained_on,
            job.chosen["epochs"],
            interrupted=interrupted,
            last=rate == rates[-1],
        )
        if found in (None, CUT_OFF) or interrupted:
            break
    if found is not None:
        usual, losses = optimizer.usual_rate(job.chosen), model.history.history.get("loss", [])
        advice = "" if found == CUT_OFF else f" {outcome.advice(rate, usual, losses)}"
        print(f"trulysparse: {found}. Nothing was written to {args.out}.{advice}", file=sys.stderr)
        return 1
    return _finish(job, model, interrupted)


def _keep_silent(line: str) -> None:
    """Say nothing: takes the place of `say` on all ranks but one."""


@dataclass(frozen=True)
class _Job:
    """A training that was asked for, every setting of it checked, and its data."""

    args: argparse.Namespace
    chosen: Chosen
    optimizer: Optimizer
    topology: Rule | None
    pruning: ImportancePruning | None
    strategy: WASSP | WASAP | None
    augment: ImageAugmentation | None
    data: Problem
    # Without the training rows that are held out, which are the test part here.
    trained_on: Problem
    scaling: Scaling
    # What held-out training rows said: the features to connect, and the factor of what the softmax
    # gets.
    features: Indices | None
    sharpness: float

    def model(self, is_worker: bool) -> SparseMLP:
        """Make the network."""
        args, in_mpi = self.args, getattr(self.strategy, "comm", None) is not None
        sizes = [self.data.n_features, *network.hidden(self.chosen), self.data.n_outputs]
        settings: dict[str, Any] = {
            "loss": self.data.loss,
            "standardize_targets": self.data.loss == "squared_error",
            **network.settings(self.chosen),
            "standardize": self.scaling.standardize,
            "clip": self.scaling.clip,
            "seed": args.seed,
            "threads": 1 if in_mpi and args.threads is None else args.threads,
        }

        def make(seed: int) -> SparseMLP:
            if self.features is None:
                progress = not args.quiet and not is_worker
                model = SparseMLP(sizes, **settings | {"seed": seed}, progress=progress)
            else:
                model = drawn(sizes, self.features, **settings | {"seed": seed})
            self.scaling.apply(model, self.trained_on.x_train, None)
            return model

        model = several.together(make, args.seed, args.members)
        metadata.write(model, self.data, str(args.label[0]) if args.label else None)
        return model

    def describe(self, model: SparseMLP, tell: _Say) -> None:
        """Say what is trained, and how."""
        chosen = self.chosen
        used = {
            **network.said(chosen),
            **optimizer.said(chosen),
            **evolution.said(chosen),
            **{name: chosen[name] for name in ("epochs", "batch_size")},
            **({} if self.augment is None else {"augment": True}),
            **many.said(self.args),
        }
        for line in chosen.said(used).split("\n"):
            tell(line)
        model.summary(print_fn=tell)
        if self.strategy is not None:
            samples = len(self.trained_on.y_train)
            given = "batch_size" in chosen.given
            preset = find(self.args.preset, self.args.data)
            whole = None if given else preset._for(samples).batch_size
            size, count = chosen["batch_size"], self.strategy.workers
            tell(workers.batch_of_worker(size, whole, count))

    def fit(self, model: SparseMLP, rate: float) -> bool:
        """Train; whether Ctrl-C ended it."""
        data = self.trained_on
        callbacks: list[Callback] = [TerminateOnNaN()]
        made, snapshots = replace(self.optimizer, learning_rate=rate), None
        if self.args.snapshots > 1:
            snapshots = several.Snapshots(self.args.snapshots, self.chosen["epochs"])
            made = replace(made, schedule=snapshots.schedule)
            callbacks.append(snapshots)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExplosionWarning)  # said later
            warnings.filterwarnings("ignore", "no path from the inputs", RuntimeWarning)
            try:
                model.fit(
                    data.x_train,
                    data.y_train,
                    validation_data=(data.x_test, data.y_test),
                    callbacks=callbacks,
                    epochs=self.chosen["epochs"],
                    batch_size=self.chosen["batch_size"],
                    optimizer=made,
                    topology=self.topology if self.features is None else None,
                    pruning=self.pruning,
                    strategy=self.strategy,
                    memory=self.args.memory,
                    progress=not self.args.quiet,
                    augment=self.augment,
                )
            except KeyboardInterrupt:
                return True
            finally:
                model._members = []  # from now on they are one
        if snapshots is not None:
            snapshots.merge(model)
        return False


def _job(args: argparse.Namespace, comm: Any, tell: _Say) -> _Job:
    """Check all flags, then read the data."""
    preset = find(args.preset, args.data)
    strategy = workers.strategy(args, comm)
    chosen = Chosen(preset._for(1), vars(args))
    if preset is TABLE and (strategy is not None or optimizer.needs_sgd(chosen)):
        preset = SHARED
        chosen = Chosen(preset._for(1), vars(args))
    optimizer.make(chosen)
    evolution.make(chosen)
    network.check(chosen)
    wanted = network.asked(chosen)
    many.check(args, chosen, pruning.make(args, chosen["epochs"]))
    check_folder(args.out)
    refuse_overwriting(args, [args.out / name for name in (*_FILES, workers.CHECKPOINT)])

    is_worker = comm is not None and comm.rank > 0
    found = problem.read(args, fill_of(wanted), silent=is_worker)
    if found.has_classes and found.n_classes < 2:
        raise ValueError(f"{found.name}: expected two or more classes, got {found.n_classes}")
    augment = images.augmentation(args, found, preset.augment)
    chosen = _suited(preset, args, found, strategy)
    pruned = pruning.make(args, chosen["epochs"])
    trained_on = found
    held = 0
    if pruned is not None and pruned.tolerance is not None:
        trained_on = pruning.held_out(found)
        held = len(trained_on.y_test)
    scaling = estimator.scaling(wanted, trained_on)
    described.say(found, scaling, tell)
    if held:
        tell(f"held out of training, to measure the tolerance of pruning: {held} samples")
    remark = None if is_worker else outcome.untrained(found, trained_on)
    if remark is not None:
        warnings.warn(remark, UserWarning, stacklevel=1)
    made, topology = optimizer.make(chosen), evolution.make(chosen)
    features, sharpness = None, 1.0
    if preset is TABLE and pruned is None and topology is not None and augment is None:
        features, sharpness = estimator.choose(trained_on, chosen, scaling, args)
    if features is not None:
        tell(
            f"features: {len(features)} of {found.n_features} are connected, as held-out training "
            "rows are predicted better with as many (--all-features connects all)"
        )
    return _Job(
        args, chosen, made, topology, pruned, strategy, augment, found, trained_on, scaling,
        features, sharpness,
    )  # fmt: skip


def _suited(
    preset: Preset, args: argparse.Namespace, found: Problem, strategy: WASSP | WASAP | None
) -> Chosen:
    """Give the settings for a table: those of the preset that go by it filled in."""
    if found.loss == "squared_error" and preset.optimizer == "sgd":
        rate = min(preset.learning_rate, SparseMLPRegressor._RATE)
        preset = replace(preset, learning_rate=rate)
    chosen = Chosen(preset, vars(args))
    return chosen.sized(len(found.y_train), strategy, sparse=found.is_sparse, loss=found.loss)


def _finish(job: _Job, model: SparseMLP, interrupted: bool) -> int:
    """Save and score a network that is worth it."""
    args, done = job.args, len(model.history.epoch)
    tell = _keep_silent if args.quiet else say
    if job.sharpness != 1:
        model._core.sharpen(job.sharpness)
    if interrupted:
        epochs = job.chosen["epochs"]
        say(f"interrupted after {done} of {epochs} epochs, saving what there is")
    if job.pruning is not None:
        before = int(model.history.history.get("connections", [model.nnz])[0])
        tell(f"pruned: {before:,} -> {model.nnz:,} connections; {left(model)}")
    if args.compact:
        model.compact()
        tell(f"compacted: {sizes(model.original_layer_sizes)} to {sizes(model.layer_sizes)}")
    held_out = "test" if job.trained_on is job.data else "held out"
    estimator.write(model, job.data, job.scaling, args, job.chosen, job.features)
    _save(model, model.history, args.out, held_out, tell)
    if interrupted:
        return 130
    test = job.data
    scores = say_scores(
        say,
        model,
        test.x_test,
        test.y_test,
        test.class_names or test.label or None,
        before="test: ",
        only_first=args.quiet,
    )
    remark = outcome.remark(test, scores["loss"])
    if remark is not None:
        say(remark)
    warning = outcome.warning(model)
    if warning is None:
        return 0
    print(f"trulysparse: warning: {warning}", file=sys.stderr)
    if outcome.learnt_nothing(model):
        say("learnt: next to nothing, the network is as good as a constant prediction")
        return 0
    return 1


def _save(model: SparseMLP, history: History, out: Path, held_out: str, tell: _Say) -> None:
    model.save(out / _MODEL, progress=tell is say)
    tell(f"wrote {out / _MODEL}")
    history.to_csv(out / _HISTORY)
    tell(f"wrote {out / _HISTORY}")
    # An earlier run's picture beside this run's model would mislead.
    (out / _CURVES).unlink(missing_ok=True)
    if not history.epoch:
        return
    try:
        save_learning_curves(history, out / _CURVES, held_out=held_out)
    except ImportError:
        tell("no picture of the curves without matplotlib: pip install 'trulysparse[plot]'")
    else:
        tell(f"wrote {out / _CURVES}")
