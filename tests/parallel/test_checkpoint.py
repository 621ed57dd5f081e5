"""Parallel fits that were broken off go on from their checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trulysparse as ts
from helpers.parallel_fit import content, data, fitted, make_model, numbers


class BreakOff(ts.Callback):
    """The fit fails at the beginning of an epoch, as if the process had been killed there."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.begun: list[int] = []

    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        self.begun.append(epoch)
        if epoch == self.at:
            raise RuntimeError("broken off")


def broken_off(strategy: Any, at: int, **more: Any) -> None:
    with pytest.raises(RuntimeError, match="broken off"):
        fitted(strategy, callbacks=[BreakOff(at)], **more)
    assert Path(strategy.checkpoint).exists()


@pytest.mark.parametrize("at", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("local_fraction", [0.3, 0.5, 1])
def test_a_synchronous_fit_goes_on_with_its_bits(
    at: int, local_fraction: float, tmp_path: Path
) -> None:
    options: dict[str, Any] = {
        "workers": 3,
        "warmup_epochs": 3,
        "momentum_correction": True,
        "local_fraction": local_fraction,
    }
    strategy = ts.WASSP(**options, checkpoint=tmp_path / "fit")
    expected = fitted(ts.WASSP(**options))
    broken_off(strategy, at)
    begun = BreakOff(-1)
    found = fitted(strategy, callbacks=[begun], threads=3)
    assert begun.begun == list(range(at, 6))
    assert content(found, tmp_path / "a") == content(expected, tmp_path / "b")
    assert found.history.epoch == expected.history.epoch
    assert numbers(found) == numbers(expected)
    assert not (tmp_path / "fit").exists()


def test_a_fit_can_be_broken_off_again_and_again(tmp_path: Path) -> None:
    strategy = ts.WASSP(workers=2, local_fraction=0, checkpoint=tmp_path / "fit")
    for at in (1, 2, 3, 5):
        broken_off(strategy, at)
    expected = fitted(ts.WASSP(workers=2, local_fraction=0))
    assert content(fitted(strategy), tmp_path / "a") == content(expected, tmp_path / "b")


@pytest.mark.parametrize("kind", [ts.WASSP, ts.WASAP])
def test_one_worker_goes_on_with_the_bits_of_the_sequential_fit(kind: Any, tmp_path: Path) -> None:
    strategy = kind(workers=1, local_fraction=0, checkpoint=tmp_path / "fit")
    broken_off(strategy, 3)
    assert content(fitted(strategy), tmp_path / "a") == content(fitted(None), tmp_path / "b")


@pytest.mark.parametrize("kind", [ts.WASSP, ts.WASAP])
def test_the_local_phase_is_broken_off_again_and_again(kind: Any, tmp_path: Path) -> None:
    # Without the asynchronous phase, whose order of updates is another one in every fit.
    strategy = kind(workers=4, local_fraction=1, checkpoint=tmp_path / "fit")
    expected = fitted(kind(workers=4, local_fraction=1))
    for at in (1, 2, 3, 4, 5):
        broken_off(strategy, at)
        beside = {f"fit.epoch-{at - 1}.worker-{worker}" for worker in range(4)}
        assert {path.name for path in tmp_path.iterdir()} == {"fit", *beside}
    found = fitted(strategy, threads=3)
    assert not list(tmp_path.iterdir())
    assert content(found, tmp_path / "a") == content(expected, tmp_path / "b")
    assert numbers(found) == numbers(expected)


def test_an_asynchronous_fit_goes_on_with_the_bits_of_its_local_phase(tmp_path: Path) -> None:
    class Copies(BreakOff):
        """Keeps the files as they are when the first epoch of phase 2 has ended."""

        def on_epoch_begin(self, epoch: int, logs: Any) -> None:
            if epoch == self.at:
                kept.update({path.name: path.read_bytes() for path in tmp_path.iterdir()})

    kept: dict[str, bytes] = {}
    strategy = ts.WASAP(workers=3, local_fraction=0.5, checkpoint=tmp_path / "fit")
    expected = fitted(strategy, callbacks=[Copies(4)])
    assert len(kept) == 4
    for name, file in kept.items():
        (tmp_path / name).write_bytes(file)
    found = fitted(strategy)
    assert found.history.epoch == list(range(6))
    assert numbers(found) == numbers(expected)
    assert content(found, tmp_path / "a") == content(expected, tmp_path / "b")


@pytest.mark.parametrize("damage", ["missing", "cut off", "of another model"])
def test_a_workers_file_that_is_no_good_is_named(
    damage: str, tmp_path: Path, state_of: Any
) -> None:
    strategy = ts.WASSP(workers=2, local_fraction=1, checkpoint=tmp_path / "fit")
    broken_off(strategy, 3)
    path = tmp_path / "fit.epoch-2.worker-1"
    if damage == "missing":
        path.unlink()
    elif damage == "cut off":
        path.write_bytes(path.read_bytes()[:-9])
    else:
        ts.SparseMLP([10, 41, 30, 2], seed=0).save(path)
    model = make_model()
    before = state_of(model)
    with pytest.raises((ValueError, FileNotFoundError), match=r"fit\.epoch-2\.worker-1"):
        fitted(strategy, model=model)
    assert state_of(model) == before


def test_a_later_fit_of_a_model_goes_on_too(tmp_path: Path) -> None:
    def model() -> ts.SparseMLP:
        return fitted(None, epochs=2, pruning=None)

    plain = ts.WASSP(workers=2)
    strategy = ts.WASSP(workers=2, checkpoint=tmp_path / "fit")
    broken_off(strategy, 3, model=model(), initial_epoch=2)
    found = fitted(strategy, model=model(), initial_epoch=2)
    expected = fitted(plain, model=model(), initial_epoch=2)
    assert content(found, tmp_path / "a") == content(expected, tmp_path / "b")
    assert found.history.epoch == [2, 3, 4, 5]


def test_a_fit_from_before_a_setting_was_added_goes_on(tmp_path: Path) -> None:
    strategy = ts.WASSP(workers=2, checkpoint=tmp_path / "fit")
    broken_off(strategy, 2)
    file = ts.load(tmp_path / "fit")
    fit = json.loads(file.metadata["trulysparse.fit"])
    del fit["about"]["model"]["label_smoothing"]
    file.metadata["trulysparse.fit"] = json.dumps(fit)
    file.save(tmp_path / "fit")
    expected = fitted(ts.WASSP(workers=2))
    assert content(fitted(strategy), tmp_path / "a") == content(expected, tmp_path / "b")


def test_the_users_strings_are_kept(tmp_path: Path) -> None:
    strategy = ts.WASSP(workers=2, checkpoint=tmp_path / "fit")
    model = make_model()
    model.metadata["classes"] = "no, yes"
    broken_off(strategy, 2, model=model)
    found = fitted(strategy)
    assert found.metadata == {"classes": "no, yes"}


def test_a_fit_that_a_callback_stops_leaves_no_file(tmp_path: Path) -> None:
    class Stop(ts.Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            self.model.stop_training = epoch == 2

    fitted(ts.WASAP(workers=2, checkpoint=tmp_path / "fit"), callbacks=[Stop()])
    assert not (tmp_path / "fit").exists()


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"epochs": 7}, r"epochs = \[0, 6\], not \[0, 7\]"),
        ({"batch_size": 20}, "batch_size = 16, not 20"),
        ({"model": {"seed": 5}}, "model.seed = 4, not 5"),
        ({"optimizer": ts.SGD(0.5)}, "optimizer.learning_rate = 0.02, not 0.5"),
        ({"topology": ts.SET(0.1)}, "topology.zeta = 0.3, not 0.1"),
        ({"pruning": None}, "pruning = "),
        ({"strategy": {"workers": 2}}, "workers = 3, not 2"),
        ({"strategy": {"momentum_correction": True}}, "momentum_correction = False, not True"),
        ({"strategy": {"scale_local_rate": True}}, "scale_local_rate = False, not True"),
        ({"strategy": {"local_fraction": 0.5}}, "local_fraction = 0.3, not 0.5"),
        ({"samples": 200}, "samples = 203, not 200"),
        ({"validation_data": None}, "validation_data = True, not False"),
        ({"x": data()[0] * 2}, "a hash of samples, targets and weights = '"),
        ({"y": 1 - data()[1]}, "a hash of samples, targets and weights = '"),
        ({"sample_weight": np.r_[2, np.ones(202)]}, "a hash of samples, targets and weights = '"),
    ],
)
def test_the_file_of_another_fit_is_refused(
    changed: dict[str, Any], named: str, tmp_path: Path, state_of: Any
) -> None:
    path = tmp_path / "fit"
    broken_off(ts.WASSP(workers=3, checkpoint=path), 2)
    model = make_model(**changed.pop("model", {}))
    before, file = state_of(model), path.read_bytes()
    strategy = ts.WASSP(**({"workers": 3, "checkpoint": path} | changed.pop("strategy", {})))
    if "samples" in changed:
        changed = dict(zip("xy", data(changed["samples"]), strict=True))
    with pytest.raises(ValueError, match=rf"checkpoint = .*: is of a fit with {named}"):
        fitted(strategy, model=model, **changed)
    assert state_of(model) == before
    assert path.read_bytes() == file


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, state_of: Any) -> None:
    model, path = make_model(), tmp_path / "fit"
    before = state_of(model)
    model.save(path)
    with pytest.raises(ValueError, match=r"checkpoint = .*is no checkpoint of a fit"):
        fitted(ts.WASSP(checkpoint=path), model=model)
    path.write_text("nonsense")
    with pytest.raises(ValueError, match="fit"):
        fitted(ts.WASSP(checkpoint=path), model=model)
    with pytest.raises(FileNotFoundError, match="no folder"):
        fitted(ts.WASSP(checkpoint=tmp_path / "none" / "fit"), model=model)
    assert state_of(model) == before
    with pytest.raises(ValueError, match="checkpoint: expected None with record"):
        ts.WASAP(record="a", checkpoint="b")
    with pytest.raises(TypeError, match="checkpoint = 3"):
        ts.WASSP(checkpoint=3)  # type: ignore[arg-type]
