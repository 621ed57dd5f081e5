"""Fits on the ranks of an MPI job: the bits of threads, start-up, and what happens at failures."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trulysparse as ts
from helpers import faults, mpi_launch
from helpers.mpi_job import FITS, ONE_WORKER, REFUSED, data_of_shares
from helpers.parallel_fit import content, fitted, numbers
from trulysparse import datasets

pytestmark = pytest.mark.skipif(
    mpi_launch.missing() is not None, reason=mpi_launch.missing() or "never"
)


class Outcome:
    """What the ranks of a job have written of one fit."""

    def __init__(self, folder: Path, name: str, ranks: int) -> None:
        paths = [folder / f"{name}-{rank}" for rank in range(ranks)]
        self.found = [json.loads(path.with_suffix(".json").read_text()) for path in paths]
        self.errors = [found["error"] for found in self.found]
        self.paths = paths

    def model(self) -> ts.SparseMLP:
        """The model, which is the same on all ranks, with its history."""
        assert not any(self.errors)
        assert all(path.read_bytes() == self.paths[0].read_bytes() for path in self.paths)
        assert all(found == self.found[0] for found in self.found)
        model = ts.load(self.paths[0], threads=2)
        model.history.epoch, model.history.history = (
            self.found[0]["epochs"],
            self.found[0]["history"],
        )
        return model


def job(folder: Path, ranks: int | None, group: str) -> Path:
    done = mpi_launch.run(ranks, "mpi_job.py", folder, group)
    assert done.returncode == 0, done.stdout
    return folder


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A server and three workers, one fit after the other."""
    return job(tmp_path_factory.mktemp("several"), 4, "several")


@pytest.fixture(scope="module", params=[2, 1, None], ids=["2 ranks", "1 rank", "no mpiexec"])
def one_worker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    ranks = request.param
    return job(tmp_path_factory.mktemp("one"), ranks, "one"), ranks or 1


def assert_same(found: ts.SparseMLP, expected: ts.SparseMLP, folder: Path) -> None:
    assert content(found, folder / "a") == content(expected, folder / "b")
    assert found.history.epoch == expected.history.epoch
    assert numbers(found) == numbers(expected)


# --- bits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FITS)
def test_ranks_have_the_bits_of_threads(name: str, several: Path, tmp_path: Path) -> None:
    assert_same(Outcome(several, name, 4).model(), FITS[name](None), tmp_path)


@pytest.mark.parametrize("name", ONE_WORKER)
def test_one_worker_is_the_sequential_fit(name: str, one_worker: Any, tmp_path: Path) -> None:
    folder, ranks = one_worker
    assert_same(Outcome(folder, name, ranks).model(), fitted(None), tmp_path)


def test_an_asynchronous_fit_is_replayed_on_threads(several: Path, tmp_path: Path) -> None:
    found = Outcome(several, "recorded", 4).model()
    replayed = fitted(ts.WASAP(workers=3, replay=several / "record", local_fraction=0.3))
    assert_same(found, replayed, tmp_path)
    for key in ("updates", "refused", "staleness", "dropped"):
        assert found.history.history[key] == replayed.history.history[key]
    assert all(idle > 0 for idle in found.history.history["idle"][:4])


# --- shares that only their rank has --------------------------------------------------------------


def test_every_rank_can_have_its_own_samples(several: Path) -> None:
    model = Outcome(several, "sharded", 4).model()
    x, y = data_of_shares()
    expected = ts.SparseMLP([10, 5, 2], standardize=True, seed=0)
    expected.fit(x, y, epochs=1, progress=False)
    assert np.allclose(model.mean, expected.mean, rtol=1e-5, atol=1e-6)
    assert np.allclose(model.scale, expected.scale, rtol=1e-5)
    assert (model.mean[3], model.scale[3]) == (np.float32(0.1), 0)
    assert max(model.history.history["val_accuracy"]) > 0.85


def test_a_column_that_varies_on_some_ranks_becomes_a_feature_on_all(several: Path) -> None:
    model = Outcome(several, "sharded-again", 4).model()
    assert 0.1 < model.mean[3] < 0.5
    assert 0.2 < 1 / model.scale[3] < 0.5


# --- disagreements --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REFUSED)
def test_what_ranks_disagree_about_is_named_on_all(name: str, several: Path) -> None:
    for rank, error in enumerate(Outcome(several, f"refused-{name}", 4).errors):
        assert error is not None
        for part in REFUSED[name][1]:
            # The rank whose own arguments are wrong has them named as without a communicator.
            own = part.startswith(f"rank {rank}: ")
            assert (part.split(": ")[-1] if own else part).removeprefix("ValueError: ") in error


def test_a_job_goes_on_after_what_was_refused(several: Path, tmp_path: Path) -> None:
    found = Outcome(several, "after-refusals", 4).model()
    assert_same(found, FITS["synchronous"](None), tmp_path)


# --- learning -------------------------------------------------------------------------------------


@pytest.mark.skipif(
    not datasets.FASHION_MNIST_FOLDER.is_dir(), reason="apt-get install dataset-fashion-mnist"
)
def test_two_workers_learn_fashion_mnist(tmp_path: Path) -> None:
    model = Outcome(job(tmp_path, 3, "fashion"), "fashion", 3).model()
    assert (
        model.history.history["val_accuracy"][-1] > 0.6
    )  # 0.1 is chance; the order of updates decides


# --- failures; all of them are in faults.py -------------------------------------------------------


# How a rank fails decides how the job ends, and only the phase decides how it goes on: it does once
# from each phase.
@pytest.mark.parametrize(
    ("fault", "phase", "rank", "run_by_mpi4py", "goes_on"),
    [
        ("killed", "phase 1", 0, False, True),
        ("stopped", "phase 2", 0, False, False),
        ("hangs", "phase 1", 1, True, False),
        ("raises", "phase 2", 1, False, True),
        ("sys.exit(0)", "evolution", 0, True, True),
        ("sys.exit(3)", "evolution", 1, False, False),
    ],
)
def test_a_job_with_a_failed_rank_ends_and_goes_on(
    fault: str, phase: str, rank: int, run_by_mpi4py: bool, goes_on: bool, tmp_path: Path
) -> None:
    found = faults.broken(tmp_path, fault, phase, rank, run_by_mpi4py=run_by_mpi4py)
    assert found.status != 0
    assert found.named_by(rank) != "nobody", found.output
    assert not found.left
    if goes_on:
        assert faults.resumed(tmp_path)["begun"][0] > 0


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize(
    ("rank", "strategy", "phase"),
    [(0, "wasap", "phase 1"), (1, "wasap", "phase 2"), (3, "wassp", "phase 1")],
)
def test_survivors_name_the_rank_that_is_lost(
    rank: int, strategy: str, phase: str, tmp_path: Path
) -> None:
    found = faults.lost(tmp_path, rank, strategy, phase, shielded=True)
    assert found.blamed() == {rank}, found.output
    pid = (tmp_path / f"pid-{rank}").read_text()
    assert f"rank {rank} is lost: its process {pid} is gone" in found.output
    assert found.status != 0


def test_the_local_phase_goes_on_with_its_bits_on_ranks(tmp_path: Path) -> None:
    (tmp_path / "job").mkdir()
    # After the first epoch of phase 2.
    faults.broken(tmp_path / "job", "sys.exit(3)", "evolution", 1, strategy="wassp")
    assert len(list((tmp_path / "job").glob("checkpoint.*worker-*"))) == 2
    begun = faults.resumed(tmp_path / "job", strategy="wassp")["begun"]
    assert begun[0] == 4
    options = {"epochs": faults.EPOCHS, "batch_size": 4, "pruning": None}
    strategy = ts.WASSP(workers=2, local_fraction=0.5)
    expected = content(fitted(strategy, **options), tmp_path / "expected")
    assert (tmp_path / "job" / "model").read_bytes() == expected


def test_an_interrupted_server_can_save(tmp_path: Path) -> None:
    found = faults.broken(tmp_path, "Ctrl-C", "phase 1", 0, signalled=signal.SIGINT)
    assert found.status != 0
    assert not found.left
    assert (tmp_path / "checkpoint").exists()
    # Open MPI gives a fifth of a second, and machines are slow at times.
    if not mpi_launch.library().startswith("Open MPI"):
        assert ts.load(tmp_path / "saved").epochs_trained > 0


@pytest.mark.parametrize("shards", [False, True])
def test_the_server_says_that_a_fit_has_exploded(several: Path, shards: bool) -> None:
    """It has no samples itself if they are in shards: the workers measure theirs."""
    (message,) = json.loads((several / f"said-{shards}").read_text())
    assert "has exploded" in message
    assert "far above 0.69" in message
