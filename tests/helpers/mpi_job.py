"""Fits on the ranks of an MPI job, started by `parallel/test_mpi.py`: ``mpi_job.py FOLDER GROUP``.

Each rank writes what became of each fit to ``FOLDER/NAME-RANK.json``, and its model beside it.
Without a communicator `FITS` are the same fits on threads.
"""

import faulthandler
import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import trulysparse as ts
from trulysparse import datasets
from trulysparse.parallel.mpi import link

from helpers.parallel_fit import data, fitted, make_model

Fit = Callable[[Any], ts.SparseMLP]


class Stop(ts.Callback):
    def __init__(self, after: int) -> None:
        self.after = after

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        self.model.stop_training = epoch == self.after


def first_epoch_is_best() -> ts.EarlyStopping:
    """Brings the network back to where it was before the first pruning."""
    return ts.EarlyStopping("connections", mode="max", patience=9, restore_best_weights=True)


def strategy(kind: Any, comm: Any, workers: int = 3, **more: Any) -> Any:
    """The same on ranks and on threads."""
    return kind(**({"workers": workers} if comm is None else {"comm": comm, "timeout": 30}), **more)


def synchronous(comm: Any, **more: Any) -> ts.SparseMLP:
    return fitted(strategy(ts.WASSP, comm, warmup_epochs=2), **more)


def in_pieces(comm: Any) -> ts.SparseMLP:
    usual, link.PIECE = link.PIECE, 1000
    try:
        return synchronous(comm)
    finally:
        link.PIECE = usual


def goes_on(comm: Any) -> ts.SparseMLP:
    model = fitted(None, epochs=2, pruning=None)
    return synchronous(comm, model=model, initial_epoch=2)


def later_feature(comm: Any) -> ts.SparseMLP:
    """A column that had one value in a fit on threads varies on the ranks."""
    x, _ = data()
    x[:, 3] = 7.25
    return synchronous(comm, model=fitted(None, epochs=1, x=x, pruning=None))


def regression(comm: Any) -> ts.SparseMLP:
    x, _ = data()
    y = np.stack([x[:, 0] * x[:, 1], x[:, 2]], axis=1)
    model = make_model(loss="squared_error")
    return synchronous(comm, model=model, x=x, y=y, validation_data=(x, y))


def images(**changed: Any) -> ts.ImageAugmentation:
    """For samples of ten values."""
    return ts.ImageAugmentation((5, 2, 1), **changed)


def augmented(comm: Any) -> ts.SparseMLP:
    return synchronous(comm, augment=images())


CORRECTED = {"momentum_correction": True, "scale_local_rate": True}

# The same bits on ranks and on threads.
FITS: dict[str, Fit] = {
    "synchronous": synchronous,
    "in-pieces": in_pieces,
    "corrected": lambda comm: fitted(strategy(ts.WASSP, comm, warmup_epochs=2, **CORRECTED)),
    "corrected-falling": lambda comm: fitted(
        strategy(ts.WASSP, comm, warmup_epochs=3, momentum_correction=True)
    ),
    "corrected-in-phase-2": lambda comm: fitted(
        strategy(ts.WASSP, comm, warmup_epochs=5, local_fraction=0.8, **CORRECTED),
        model=make_model(activation="srelu"),
    ),
    "phase-1-only": lambda comm: fitted(strategy(ts.WASSP, comm, local_fraction=0)),
    "phase-2-only": lambda comm: fitted(strategy(ts.WASSP, comm, local_fraction=1)),
    "asynchronous-phase-2-only": lambda comm: fitted(strategy(ts.WASAP, comm, local_fraction=1)),
    "no-epochs": lambda comm: synchronous(comm, epochs=0),
    "goes-on": goes_on,
    "later-feature": later_feature,
    "goes-on-in-phase-2": lambda comm: synchronous(comm, model=fitted(None), initial_epoch=5),
    "stopped-in-phase-1": lambda comm: synchronous(comm, callbacks=[Stop(1)]),
    "stopped-in-phase-2": lambda comm: synchronous(comm, callbacks=[Stop(4)]),
    "restored": lambda comm: synchronous(comm, callbacks=[first_epoch_is_best()]),
    "srelu": lambda comm: synchronous(comm, model=make_model(activation="srelu")),
    "static": lambda comm: synchronous(comm, topology=None, pruning=None),
    "regression": regression,
    "augmented": augmented,
    "large-batch": lambda comm: synchronous(comm, batch_size=1000),
}


def one_worker(kind: Any, fraction: float) -> Fit:
    return lambda comm: fitted(strategy(kind, comm, workers=1, local_fraction=fraction))


# The bits of the sequential fit.
ONE_WORKER: dict[str, Fit] = {
    f"{kind.__name__}-{fraction}".replace(".", "-"): one_worker(kind, fraction)
    for kind in (ts.WASSP, ts.WASAP)
    for fraction in (0, 0.5)
}


def different(rank: int, **changed: Any) -> Fit:
    """A fit one of whose arguments is another one on a rank."""
    return lambda comm: synchronous(comm, **(changed if comm.rank == rank else {}))


def other_seed(comm: Any) -> ts.SparseMLP:
    return synchronous(comm, model=make_model(seed=5 if comm.rank == 2 else 4))


def wrong_y(comm: Any) -> ts.SparseMLP:
    x, y = data()
    return synchronous(comm, x=x, y=y + 5 * (comm.rank == 2))


def fewer_samples(comm: Any) -> ts.SparseMLP:
    x, y = data(200 if comm.rank == 1 else 203)
    return synchronous(comm, x=x, y=y)


def not_all_corrected(comm: Any) -> ts.SparseMLP:
    return fitted(strategy(ts.WASSP, comm, momentum_correction=comm.rank == 1))


def not_all_scaled(comm: Any) -> ts.SparseMLP:
    return fitted(strategy(ts.WASSP, comm, scale_local_rate=comm.rank == 1))


def too_few_samples(comm: Any) -> ts.SparseMLP:
    x, y = data(2)
    return synchronous(comm, x=x, y=y)


def rows_on_the_server(comm: Any) -> ts.SparseMLP:
    return fitted(strategy(ts.WASSP, comm, sharded=True))


def not_all_sharded(comm: Any) -> ts.SparseMLP:
    return fitted(strategy(ts.WASSP, comm, sharded=comm.rank == 3))


# What is refused on all ranks, and what the message has to name.
REFUSED: dict[str, tuple[Fit, list[str]]] = {
    "seed": (other_seed, ["model.seed: 5 on rank 2 and 4 on rank 0"]),
    "epochs": (different(3, epochs=7), ["epochs", "rank 3"]),
    "batch-size": (different(1, batch_size=17), ["batch_size: 17 on rank 1 and 16 on rank 0"]),
    "optimizer": (
        different(2, optimizer=ts.SGD(0.3, nesterov=True, schedule="cosine")),
        ["optimizer.learning_rate: 0.3 on rank 2 and 0.02 on rank 0"],
    ),
    "topology": (different(1, topology=None), ["topology: None on rank 1"]),
    "augment": (
        different(2, augment=images(shift=0.5)),
        ["augment: {", "on rank 2 and None on rank 0"],
    ),
    "samples": (fewer_samples, ["x: 200 samples on rank 1 and 203 on rank 0"]),
    "y": (wrong_y, ["rank 2: ValueError: y[0] = 5: expected integer class labels"]),
    "y-of-the-server": (different(0, y=[1, 2]), ["rank 0: ValueError: y has 2 samples"]),
    "too-few-samples": (too_few_samples, ["workers = 3", "2 samples"]),
    "rows-on-the-server": (rows_on_the_server, ["x: 203 samples on rank 0, expected none"]),
    "correction": (not_all_corrected, ["momentum_correction: True on rank 1 and False on rank 0"]),
    "local-rate": (not_all_scaled, ["scale_local_rate: True on rank 1 and False on rank 0"]),
    "sharded": (not_all_sharded, ["sharded: True on rank 3 and False on rank 0"]),
}


def data_of_shares() -> tuple[Any, Any]:
    x, y = data(2000)
    x[:, 3] = 0.1  # constant, and no float64 sum of it is exact
    x[:, 4] += 1000
    return x, y


def sharded(comm: Any) -> ts.SparseMLP:
    """Each rank but the server has its rows, each a different number of them."""
    x, y = data_of_shares()
    ends = [0, 0, 900, 1400, 2000]
    part = slice(ends[comm.rank], ends[comm.rank + 1])
    return fitted(
        strategy(ts.WASAP, comm, sharded=True),
        epochs=8,
        x=x[part],
        y=y[part],
        validation_data=(x, y),
        pruning=None,
    )


def sharded_again(comm: Any) -> ts.SparseMLP:
    """As `sharded`, and then a fit in which the constant column varies on some ranks only."""
    x, y = data_of_shares()
    x[1000:, 3] += y[1000:]
    ends = [0, 0, 900, 1400, 2000]
    part = slice(ends[comm.rank], ends[comm.rank + 1])
    workers = strategy(ts.WASSP, comm, sharded=True)
    options = {"epochs": 1, "validation_data": (x, y), "pruning": None, "y": y[part]}
    model = fitted(workers, x=data_of_shares()[0][part], **options)
    return fitted(workers, x=x[part], model=model, **options)


def exploding(folder: Path, *, shards: bool) -> Fit:
    """A fit on columns that are not scaled; the server writes what it says of it."""

    def fit(comm: Any) -> ts.SparseMLP:
        x, y = data()
        x, y = (1000 * x, y) if not shards or comm.rank else (x[:0], y[:0])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ts.ExplosionWarning)
            model = ts.SparseMLP([10, 30, 2], dropout=0.0, seed=1, threads=1)
            workers = strategy(ts.WASSP, comm, sharded=shards)
            model.fit(x, y, epochs=1, batch_size=32, strategy=workers, progress=False)
        if comm.rank == 0:
            said = [str(warning.message) for warning in caught]
            (folder / f"said-{shards}").write_text(json.dumps(said))
        return model

    return fit


def fashion(comm: Any) -> ts.SparseMLP:
    images = datasets.load_fashion_mnist()
    x, y = images.x_train[:4000], images.y_train[:4000]
    model = ts.SparseMLP(
        [784, 200, 10], init="lecun_uniform", fan="real", standardize=True, seed=0, threads=1
    )
    model.fit(
        x,
        y,
        epochs=3,
        batch_size=32,
        validation_data=(images.x_test[:1000], images.y_test[:1000]),
        optimizer=ts.SGD(0.05, nesterov=True),
        strategy=ts.WASAP(comm=comm, timeout=30),
    )
    return model


def groups(folder: Path) -> dict[str, dict[str, Fit]]:
    def recorded(comm: Any) -> ts.SparseMLP:
        return fitted(ts.WASAP(comm=comm, record=folder / "record", local_fraction=0.3))

    refused = {f"refused-{name}": fit for name, (fit, _) in REFUSED.items()}
    return {
        "several": {
            **FITS,
            "recorded": recorded,
            "sharded": sharded,
            "sharded-again": sharded_again,
            "exploding": exploding(folder, shards=False),
            "exploding-shards": exploding(folder, shards=True),
            **refused,
            "after-refusals": synchronous,
        },
        "one": ONE_WORKER,
        "fashion": {"fashion": fashion},
    }


def main() -> None:
    from mpi4py import MPI

    faulthandler.dump_traceback_later(100, exit=True)
    comm, folder = MPI.COMM_WORLD, Path(sys.argv[1])
    for name, fit in groups(folder)[sys.argv[2]].items():
        found: dict[str, Any] = {"error": None}
        try:
            model = fit(comm)
        except ValueError as error:
            found["error"] = str(error)
        else:
            model.save(folder / f"{name}-{comm.rank}")
            found["history"] = model.history.history
            found["epochs"] = model.history.epoch
        (folder / f"{name}-{comm.rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
