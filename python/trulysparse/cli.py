"""The command ``trulysparse``: train, evaluate, use, rank and describe sparse networks.

Exit codes: 0 done, 1 training failed or a plan does not fit, 2 a mistake in the arguments or the
data, 130 interrupted with Ctrl-C.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trulysparse import (
    WASAP,
    WASSP,
    Adam,
    History,
    PeerError,
    SparseMLP,
    TerminateOnNaN,
    _cli_pruning,
    _outcome,
    datasets,
    load,
    plan,
    presets,
)
from trulysparse._arguments import make_parser
from trulysparse._chosen import by_samples, combined, make_optimizer, make_topology, rates
from trulysparse._exports import save_state
from trulysparse._fit import CUT_OFF
from trulysparse._image_flags import augmentation
from trulysparse._predict import read_rows, write_table
from trulysparse._preset_help import flags
from trulysparse.datasets import Dataset
from trulysparse.plot import save_learning_curves

__all__ = ["main", "run"]

# The rows held out stay the same whatever --seed is: runs with different seeds are comparable,
# and `evaluate` scores the rows that training has not seen.
SPLIT_SEED = 0
_ALL_ROWS = (
    "note: this file has no test part, so all of its rows are scored; a model that `train` "
    "made of this very file learnt from four fifths of them"
)


def run() -> None:
    """Run the command line and exit: the entry point of the installed script."""
    sys.exit(main())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv
        The arguments after the program's name; ``sys.argv[1:]`` by default.

    Returns
    -------
    The exit code.

    Raises
    ------
    SystemExit
        From argparse, on ``--help``, ``--version`` and unknown flags.
    """
    args = make_parser().parse_args(argv)
    commands = {
        "train": _train,
        "evaluate": _evaluate,
        "predict": _predict,
        "importance": _importance,
        "prune": _prune,
        "export": _export,
        "info": _info,
        "plan": _plan,
    }
    command = commands[args.command]
    try:
        return command(args)
    except KeyboardInterrupt:
        print("trulysparse: interrupted", file=sys.stderr)
        return 130
    except (ValueError, TypeError, ImportError, OSError, MemoryError, PeerError) as error:
        print(f"trulysparse: error: {str(error) or 'not enough memory'}", file=sys.stderr)
        return 2


def _say(line: str) -> None:
    """Print at once, also into a pipe, and go on in silence when nobody reads it any more."""
    try:
        print(line, flush=True)
    except BrokenPipeError:  # `| head`: the files are what matters
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _communicator(parallel: str | None) -> Any:
    """All ranks if the command was started through mpi4py by mpiexec, or None."""
    if "mpi4py" not in sys.modules:
        counts = (os.environ.get(name, "1") for name in ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE"))
        if any(count != "1" for count in counts):
            raise ValueError(
                "started by mpiexec, but without mpi4py: expected `mpiexec -n N python -m mpi4py "
                "-m trulysparse train ...`"
            )
        return None
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    if comm.size == 1:
        return None
    if parallel is None:
        raise ValueError(
            f"started on {comm.size} ranks: expected --parallel wassp or wasap as well"
        )
    return comm


def _keep_silent(line: str) -> None:
    """Instead of `_say` on all ranks but one."""


def _batch_of_worker(size: int, whole: int | None, workers: int) -> str:
    why = "as given" if whole is None else f"{whole} divided by the workers"
    rows = "row" if size == 1 else "rows"
    return f"{workers} worker{'s' * (workers > 1)}: a batch of each has {size} {rows}, {why}"


def _train(args: argparse.Namespace) -> int:
    comm = _communicator(args.parallel)
    is_worker = comm is not None and comm.rank > 0
    say = _keep_silent if is_worker else _say
    given = vars(args)
    evolution = ("zeta", "grow_init", "grow", "zeta_schedule", "zeta_stop")
    if args.no_evolve and any(name in given for name in evolution):
        raise ValueError(
            "--no-evolve leaves nothing to do for --zeta, --zeta-schedule, --zeta-stop, --grow and "
            "--grow-init"
        )
    preset = presets.find(args.preset, args.data)
    chosen = combined(preset, given)
    args.epochs = chosen["epochs"]
    optimizer = make_optimizer(chosen, given)
    topology = None if args.no_evolve else make_topology(chosen, given)
    pruning = _cli_pruning.rule(args, args.epochs)
    strategy = _strategy(args, comm)
    _check_out(args.out)

    data = datasets.resolve(args.data, args.data_dir, args.label, SPLIT_SEED)
    if data.n_classes < 2:
        raise ValueError(f"{data.name}: expected two or more classes, got {data.n_classes}")
    say(
        f"data: {data.name}, {len(data.x_train)} training and {len(data.x_test)} test samples, "
        f"{data.n_features} features, {data.n_classes} classes"
    )
    augment = augmentation(args, data, preset.augment)
    trained_on = data
    if pruning is not None and pruning.tolerance is not None:
        trained_on = _cli_pruning.held_out(data, SPLIT_SEED)
        held = len(trained_on.x_test)
        say(f"held out of training, to measure the tolerance of pruning: {held} samples")
    optimizer = by_samples(preset, chosen, given, optimizer, len(trained_on.x_train), strategy)
    make = partial(
        SparseMLP,
        [data.n_features, *chosen["hidden"], data.n_classes],
        epsilon=chosen.get("epsilon"),
        density=args.density,
        allocation=args.allocation,
        loss="cross_entropy",
        **{key: chosen[key] for key in ("activation", "slope", "init", "fan", "dropout")},
        input_noise=args.input_noise,
        standardize=not args.no_standardize,
        seed=args.seed,
        threads=1 if comm is not None and args.threads is None else args.threads,
        progress=not args.quiet and not is_worker,
    )
    model = make()
    skipped = ("zeta", "zeta_schedule", "zeta_stop", "grow_init") if args.no_evolve else ()
    used = {
        key: chosen[key]
        for key in preset._flags()
        if chosen.get(key) is not None and key not in skipped
    }
    given_only = ("density", "optimizer", "l1", "warmup")
    used |= {key: given[key] for key in given_only if given[key] not in (None, "sgd", 0.0)}
    used |= {} if augment is None else {"augment": True}
    batch_size, line = chosen["batch_size"], None
    if strategy is not None:
        samples = len(trained_on.x_train)
        whole = None if "batch_size" in given else preset._for(samples).batch_size
        line = _batch_of_worker(batch_size, whole, strategy.workers)
    say(f"preset {preset.name}, with what was given: {flags(used)}")
    model.summary(print_fn=say)
    if line is not None:
        say(line)
    if not is_worker:
        args.out.mkdir(parents=True, exist_ok=True)
    checkpoint = None if strategy is None else strategy.checkpoint
    if checkpoint is not None and Path(checkpoint).exists():
        say(f"going on from {checkpoint}")

    problem = None
    # Ranks do not know of each other's divergence, and go on from a checkpoint.
    tries = [optimizer.learning_rate] if comm is not None else rates(preset, chosen, given)
    for rate in tries:
        if problem is not None:
            say(f"{problem}: starting again with --learning-rate {rate:g}")
            model = make()
        _write_metadata(model, data, args.label)
        interrupted = _fit(
            model,
            trained_on,
            epochs=args.epochs,
            batch_size=batch_size,
            optimizer=replace(optimizer, learning_rate=rate),
            topology=topology,
            pruning=pruning,
            strategy=strategy,
            memory=args.memory,
            progress=not args.quiet,
            augment=augment,
        )
        if is_worker:  # the rest is rank 0's
            return 130 if interrupted else 0
        last = rate == tries[-1]
        problem = _outcome.trouble(
            model, trained_on, args.epochs, interrupted=interrupted, last=last
        )
        if problem in (None, CUT_OFF) or interrupted:
            break
    if problem is not None:
        usual = preset.learning_rate if args.optimizer == "sgd" else Adam.learning_rate
        advice = "" if problem == CUT_OFF else f" {_outcome.advice(rate, usual)}"
        print(
            f"trulysparse: {problem}. Nothing was written to {args.out}.{advice}", file=sys.stderr
        )
        return 1
    done = len(model.history.epoch)
    if interrupted:
        _say(f"interrupted after {done} of {args.epochs} epochs, saving what there is")
    if pruning is not None:
        before = int(model.history.history.get("connections", [model.nnz])[0])
        _say(f"pruned: {before:,} -> {model.nnz:,} connections; {_left(model)}")
    if args.compact:
        model.compact()
        _say(f"compacted: {_sizes(model.original_layer_sizes)} to {_sizes(model.layer_sizes)}")
    held_out_name = "test" if trained_on is data else "held out"
    _save(model, model.history, args.out, held_out_name, progress=not args.quiet)
    if interrupted:
        return 130
    scores = model.evaluate(data.x_test, data.y_test)
    _say("test: " + _scores(scores))
    remark = _outcome.remark(data, scores["loss"])
    if remark is not None:
        _say(remark)
    return 0


def _fit(model: SparseMLP, data: Dataset, **settings: Any) -> bool:
    """Train; whether Ctrl-C ended it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "training has diverged", RuntimeWarning)  # said later
        warnings.filterwarnings("ignore", "no path from the inputs", RuntimeWarning)
        try:
            model.fit(
                data.x_train,
                data.y_train,
                validation_data=(data.x_test, data.y_test),
                callbacks=[TerminateOnNaN()],
                **settings,
            )
        except KeyboardInterrupt:
            return True
    return False


def _strategy(args: argparse.Namespace, comm: Any) -> WASSP | WASAP | None:
    if args.parallel is None:
        if args.workers is not None:
            raise ValueError("--workers: expected --parallel as well")
        return None
    kind: type[WASSP | WASAP] = {"wassp": WASSP, "wasap": WASAP}[args.parallel]
    if comm is None:
        return kind() if args.workers is None else kind(workers=args.workers)
    checkpoint = args.out / "checkpoint.safetensors"
    return kind(workers=args.workers, comm=comm, timeout=args.timeout, checkpoint=checkpoint)


def _left(model: SparseMLP) -> str:
    """How many hidden neurons have connections, and how many were pruned for good."""
    hidden = model.layers[:-1]
    connected = sum(int((np.diff(layer.weight.indptr) > 0).sum()) for layer in hidden)
    closed = sum(int(layer.pruned.sum()) for layer in hidden)
    return (
        f"{connected:,} of {sum(layer.n_out for layer in hidden):,} hidden neurons have incoming "
        f"connections, {closed:,} were closed by pruning"
    )


def _sizes(sizes: Sequence[int]) -> str:
    return "-".join(map(str, sizes))


def _check_out(out: Path) -> None:
    """Fail now and not after the training if ``out`` cannot be written; creates nothing."""
    place = out
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise ValueError(f"--out {out}: expected a folder, {place} is a file")
    if not os.access(place, os.W_OK | os.X_OK):
        raise ValueError(f"--out {out}: {place} is not writable")


def _save(model: SparseMLP, history: History, out: Path, held_out: str, *, progress: bool) -> None:
    model.save(out / "model.safetensors", progress=progress)
    _say(f"wrote {out / 'model.safetensors'}")
    history.to_csv(out / "history.csv")
    _say(f"wrote {out / 'history.csv'}")
    # An earlier run's picture beside this run's model would mislead.
    (out / "curves.png").unlink(missing_ok=True)
    if not history.epoch:
        return
    try:
        save_learning_curves(history, out / "curves.png", held_out=held_out)
    except ImportError:
        _say("no picture of the curves without matplotlib: pip install 'trulysparse[plot]'")
    else:
        _say(f"wrote {out / 'curves.png'}")


def _scores(scores: dict[str, float]) -> str:
    accuracy = f"accuracy {100 * scores['accuracy']:.2f} %, " if "accuracy" in scores else ""
    return f"{accuracy}loss {scores['loss']:.4f}"


def _write_metadata(model: SparseMLP, data: Dataset, label: str | None) -> None:
    model.metadata["dataset"] = json.dumps(data.name)
    entries = {
        "class_names": data.class_names,
        "feature_names": data.feature_names,
        "label": label,
    }
    for key, value in entries.items():
        if value is not None:
            model.metadata[key] = json.dumps(value)


def _names(model: SparseMLP, key: str) -> list[str] | None:
    """A list of names from the model's metadata, or None if it has none."""
    if key not in model.metadata:
        return None
    try:
        names = json.loads(model.metadata[key])
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"the model's metadata {key!r}: expected a JSON list of names")
    return names


def _model_and_data(args: argparse.Namespace) -> tuple[SparseMLP, Dataset]:
    """A saved model, and data all of whose rows are in the test part if they have none."""
    model = load(args.model, progress=True)
    if args.threads is not None:
        model.threads = args.threads
    label = args.label
    if label is None and args.data.lower().endswith(".csv") and "label" in model.metadata:
        label = json.loads(model.metadata["label"])
    return model, datasets.resolve(args.data, args.data_dir, label, SPLIT_SEED, hold_out=False)


def _evaluate(args: argparse.Namespace) -> int:
    model, data = _model_and_data(args)
    x, y = _match_features(model, data), _match_classes(model, data)
    _say_samples(data)
    _say(_scores(model.evaluate(x, y, batch_size=args.batch_size)))
    return 0


def _say_samples(data: Dataset) -> None:
    """Say how many samples are scored, and if a model may know some of them."""
    _say(f"data: {data.name}, {len(data.x_test)} samples")
    if len(data.x_train) == 0:
        _say(_ALL_ROWS)


def _feature_names(model: SparseMLP) -> list[str] | None:
    """The names of the features that the model takes; a compaction may have removed others."""
    names = _names(model, "feature_names")
    if names is None or len(names) != model.original_layer_sizes[0]:
        return names
    return [names[i] for i in model.units(0)]


def _remaining(model: SparseMLP, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Without the features that a compaction has removed, if they are there."""
    original = model.original_layer_sizes[0]
    if x.shape[1] != original or original == model.layer_sizes[0]:
        return x
    return x[:, model.units(0)]


def _match_features(model: SparseMLP, data: Dataset) -> npt.NDArray[Any]:
    """The test part with its columns in the order that the model was trained with."""
    original = _names(model, "feature_names")
    if original is None or data.feature_names is None or original == list(data.feature_names):
        return _remaining(model, data.x_test)
    trained = _feature_names(model) or []
    places = {name: place for place, name in enumerate(data.feature_names)}
    missing = [name for name in trained if name not in places]
    unknown = sorted(set(places) - set(original))
    for names, problem in ((missing, "lacks"), (unknown, "has, but the model does not know,")):
        if names:
            some = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
            raise ValueError(f"{data.name} {problem} {len(names)} column(s): {some}")
    return data.x_test[:, [places[name] for name in trained]]


def _match_classes(model: SparseMLP, data: Dataset) -> npt.NDArray[np.int64]:
    """The test part's labels as the model counts its classes.

    A file may lack some of the classes, so that its own count means nothing: names decide, or
    for a model that was saved without names the labels themselves, if they are numbers.
    """
    if data.class_names is None:
        return data.y_test
    trained = _names(model, "class_names")
    if trained is None:
        if not all(name.isdecimal() for name in data.class_names):
            return data.y_test
        # One sigmoid tells two classes apart.
        trained = [str(code) for code in range(max(model.layer_sizes[-1], 2))]
    codes = {name: code for code, name in enumerate(trained)}
    unknown = [name for name in data.class_names if name not in codes]
    if unknown:
        some = ", ".join(trained[:10]) + (", ..." if len(trained) > 10 else "")
        raise ValueError(f"{data.name}: unknown class {unknown[0]!r}, the model's are: {some}")
    return np.array([codes[name] for name in data.class_names], dtype=np.int64)[data.y_test]


def _predict(args: argparse.Namespace) -> int:
    model = load(args.model, progress=True)
    if args.threads is not None:
        model.threads = args.threads
    label = json.loads(model.metadata["label"]) if "label" in model.metadata else None
    x = _remaining(model, read_rows(args.data, _feature_names(model), label))
    if x.shape[1] != model.layer_sizes[0]:
        raise ValueError(
            f"{args.data} has {x.shape[1]} features, the model takes {model.layer_sizes[0]}"
        )
    classes = None
    if model.loss == "cross_entropy":
        count = model.layer_sizes[-1]
        classes = _names(model, "class_names") or [str(i) for i in range(count)]
        if len(classes) != count:
            raise ValueError(f"the model's metadata 'class_names': expected {count} names")
    write_table(args.out, model.predict(x, batch_size=args.batch_size), classes)
    _say(f"wrote {args.out}, {len(x)} rows")
    return 0


def _importance(args: argparse.Namespace) -> int:
    model = load(args.model, progress=True)
    if args.layer is None:
        what, layer = "feature", 0
        scores = model.feature_importance(args.kind or "path")
        names = _names(model, "feature_names")
    elif args.kind is not None:
        raise ValueError("--kind is for features: --layer ranks neurons by their incoming weights")
    else:
        what, layer, names = "neuron", args.layer, None
        scores = model.importance(layer).astype(np.float64)
    units = model.units(layer)  # what compaction left of them
    if names is not None and len(names) <= units[-1]:
        raise ValueError(
            f"the model's metadata 'feature_names': expected {units[-1] + 1} names or more"
        )
    rows = [
        (str(rank), str(units[place]) if names is None else names[units[place]], scores[place])
        for rank, place in enumerate(np.argsort(-scores, kind="stable"), start=1)
    ]
    shown = rows[: args.top]
    widths = [
        max(map(len, column))
        for column in (["rank", *(r[0] for r in shown)], [what, *(r[1] for r in shown)])
    ]
    _say(f"{'rank':>{widths[0]}}  {what:<{widths[1]}}  score")
    for rank, name, score in shown:
        _say(f"{rank:>{widths[0]}}  {name:<{widths[1]}}  {score:.6g}")
    if args.csv is not None:
        with open(args.csv, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["rank", what, "score"])
            writer.writerows((rank, name, repr(float(score))) for rank, name, score in rows)
        _say(f"wrote {args.csv}, {len(rows)} rows")
    return 0


def _prune(args: argparse.Namespace) -> int:
    _cli_pruning.check_out(args.out)
    _check_out(args.out.parent)
    model, data = _model_and_data(args)
    x, y = _match_features(model, data), _match_classes(model, data)
    _say_samples(data)
    _cli_pruning.run(args, model, x, y, _say)
    return 0


def _export(args: argparse.Namespace) -> int:
    torch = args.format == "torch"
    if args.dense and not torch:
        raise ValueError("--dense: expected --format torch as well, as SciPy's files are sparse")
    out = args.out or Path("model.pt" if torch else "trulysparse-export")
    model = load(args.model, progress=True)
    if torch:
        save_state(model.to_torch(dense=args.dense), out)
        _say(f"wrote {out}")
    else:
        model.export_npz(out)
        _say(f"wrote {out}, see {out / 'README.txt'}")
    return 0


def _plan(args: argparse.Namespace) -> int:
    sizes = [args.features, *chain.from_iterable(args.hidden), args.classes]
    memory = plan(
        sizes,
        epsilon=args.epsilon,
        density=args.density,
        allocation=args.allocation,
        batch_size=args.batch_size,
        dropout=args.dropout,
        evolves=not args.no_evolve,
        memory=args.memory,
        optimizer=Adam() if args.optimizer == "adam" else None,
    )
    _say(str(memory))
    return 0 if memory.fits else 1


def _info(args: argparse.Namespace) -> int:
    model = load(args.model, progress=True)
    model.summary(print_fn=_say)
    _say(f"loss: {model.loss}")
    _say(f"epochs trained: {model.epochs_trained}")
    _say(f"steps trained: {model.steps_trained}")
    _say(f"evolutions: {model.evolutions}")
    _say(f"pruning: {_left(model)}")
    if model.original_layer_sizes != model.layer_sizes:
        _say(f"compacted from: {_sizes(model.original_layer_sizes)}")
    _say(f"seed: {model.seed}")
    for key, value in sorted(model.metadata.items()):
        _say(f"{key}: {value if len(value) <= 100 else value[:97] + '...'}")
    return 0
