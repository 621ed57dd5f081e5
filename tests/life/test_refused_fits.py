"""A fit that is refused leaves the model alone, or says what it keeps."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trulysparse as ts
from helpers.parallel_fit import content, fitted, make_model
from hypothesis import given
from hypothesis import strategies as st

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 12)).astype(np.float32), np.arange(60) % 3
OPTIONS: dict[str, Any] = {"validation_data": None, "epochs": 4, "pruning": None}


@pytest.fixture(scope="module", params=[None, 1], ids=["any", "stale"])
def record(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("record") / "record"
    options = {"workers": 3, "local_fraction": 0.25, "max_staleness": request.param}
    model = fitted(ts.WASAP(**options, record=path), **OPTIONS)
    return path, options, content(model, path.with_name("model"))


def damaged(lines: list[list[int]], draw: random.Random) -> list[list[int]]:
    """The events with one or two of them changed, lost, repeated, moved or made up."""
    lines = [list(line) for line in lines]
    for _ in range(draw.choice([1, 1, 2])):
        line = draw.choice(lines)
        place = draw.randrange(len(line)) if line else 0
        match draw.choice(["change", "lose", "repeat", "swap", "cut", "line", "add"]):
            case "change" if line:
                line[place] = draw.choice([0, 1, 5, 6, 7, 2**32 - 1])
            case "lose" if line:
                del line[place]
            case "repeat" if line:
                line.insert(place, line[place])
            case "swap" if line:
                line[place], line[-1] = line[-1], line[place]
            case "cut":
                del line[place:]
            case "line":
                lines.remove(line)
                return lines
            case "add":
                line += [4, 5]
    return lines


@given(seed=st.integers(0, 2**32))
def test_a_damaged_record_is_refused_whole(record: Any, state_of: Any, seed: int) -> None:
    path, options, _ = record
    head, *lines = path.read_text().splitlines()
    broken = damaged([json.loads(line) for line in lines], random.Random(seed))
    copy = path.with_name("damaged")
    copy.write_text("\n".join([head, *map(json.dumps, broken)]))
    model = make_model()
    before = state_of(model)
    refusal = None
    try:
        fitted(ts.WASAP(**options, replay=copy), model=model, **OPTIONS)
    except ValueError as error:
        refusal = str(error)
    if refusal is not None:
        assert refusal.startswith(f"replay = {str(copy)!r}: ")
        assert state_of(model) == before
    else:
        # The events of another order that a fit could have had.
        assert model.epochs_trained == 4


def test_an_undamaged_record_is_replayed(record: Any, tmp_path: Path) -> None:
    path, options, expected = record
    model = fitted(ts.WASAP(**options, replay=path), **OPTIONS)
    assert content(model, tmp_path / "model") == expected


def make(**options: Any) -> ts.SparseMLP:
    return ts.SparseMLP([12, 20, 3], **{"epsilon": 3, "seed": 0, "threads": 2, **options})


def batches(bad: Any, at: int) -> Iterator[Any]:
    """The batch `at`, from 1, is a bad one, and the end if that is None."""
    for number in range(1, at):
        yield X[number::7], Y[number::7]
    if bad is not None:
        yield bad


NAN = X.copy()
NAN[3, 4] = np.nan
BAD = {
    "nan": ((NAN, Y), ValueError),
    "columns": ((X[:, :5], Y), ValueError),
    "labels": ((X, Y + 1), ValueError),
    "length": ((X, Y[:7]), ValueError),
    "items": ((X,), ValueError),
    "type": (3, TypeError),
    "end": (None, ValueError),
}


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("at", [1, 2, 6, 7])
@pytest.mark.parametrize("name", BAD)
def test_a_bad_batch_leaves_the_steps_before_it(
    name: str, at: int, standardize: bool, state_of: Any
) -> None:
    bad, error = BAD[name]
    model, twin = make(standardize=standardize), make(standardize=standardize)
    before = state_of(model)
    options: dict[str, Any] = {"steps_per_epoch": 3, "topology": None, "progress": False}
    with pytest.raises(error) as caught:
        model.fit(batches(bad, at), epochs=4, **options)
    text = str(caught.value)
    assert "batch" in text
    if at == 1:
        assert state_of(model) == before
        assert "keeps" not in text
        return
    epochs, steps = divmod(at - 1, 3)
    kept = f"keeps the {epochs} epochs and {steps} steps that were completed"
    assert kept in text
    # As by a fit that asks for no more.
    if epochs:
        twin.fit(batches(None, 3 * epochs + 1), epochs=epochs, **options)
    assert (model.epochs_trained, model.steps_trained) == (epochs, at - 1)
    assert steps > 0 or state_of(model) == state_of(twin)
    assert np.isfinite(model.predict(X)).all()
    model.fit(X, Y, epochs=1, progress=False)  # not busy


def test_what_an_iterator_raises_is_raised() -> None:
    class LostError(OSError):
        pass

    def failing() -> Iterator[Any]:
        yield X, Y
        yield X, Y
        raise LostError("the disk has gone")

    model = make()
    with pytest.raises(LostError, match=r"^the disk has gone") as caught:
        model.fit(failing(), epochs=2, steps_per_epoch=3, progress=False)
    notes = getattr(caught.value, "__notes__", None)
    expected = "trulysparse: the model keeps the 0 epochs and 2 steps that were completed"
    assert notes in (None, [expected])
    assert model.steps_trained == 2


def test_an_array_that_changes_between_epochs_says_what_is_kept() -> None:
    class Cut(ts.Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            if epoch == 1:
                x.resize((30, 12), refcheck=False)

    x = np.array(X)
    model = make()
    kept = "x = an array that was changed.*keeps the 2 epochs and 0 steps"
    with pytest.raises(ValueError, match=kept):
        model.fit(x, Y, epochs=4, callbacks=[Cut()], progress=False)
    assert model.epochs_trained == 2
