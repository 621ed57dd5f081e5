"""Rows of arrays in files: the same fit as on the array, whatever the reader does."""

import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import trulysparse as ts
from hypothesis import given
from hypothesis import strategies as st
from trulysparse.streams import reader, source

ROWS, FEATURES = 3000, 12


def saved(folder: Path, x: np.ndarray) -> np.ndarray:
    np.save(folder / "x.npy", x)
    return np.load(folder / "x.npy", mmap_mode="r")


def table(seed: int = 0, dtype: type = np.float32) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of different size, one of them a constant."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS, FEATURES)) * np.logspace(0, 2, FEATURES) + 30
    x[:, 3] = 7
    return x.astype(dtype), (x[:, 0] > 30).astype(np.int64)


def fitted(x, y=None, *, loss="cross_entropy", threads=1, epochs=2, **how):
    outputs = 2 if loss == "cross_entropy" else 1
    model = ts.SparseMLP(
        [FEATURES, 15, outputs],
        standardize=True,
        standardize_targets=outputs == 1,
        loss=loss,
        seed=5,
        threads=threads,
    )
    how = {"batch_size": 32, "progress": False, "epochs": epochs} | how
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ts.ExplosionWarning)
        losses = model.fit(x, y, **how).history["loss"]
    return model, losses


def same(one: ts.SparseMLP, other: ts.SparseMLP, x: np.ndarray) -> bool:
    return np.array_equal(one.predict(x), other.predict(x))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.uint8])
def test_one_buffer_gives_the_bits_of_the_array(dtype, tmp_path):
    x, y = table(dtype=dtype)
    whole, losses = fitted(x, y)
    streamed, found = fitted(ts.RowBlocks(saved(tmp_path, x), y, buffer_rows=ROWS))
    assert found == losses
    assert same(whole, streamed, x)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("buffer_rows", [100, 700])
def test_statistics_are_those_of_the_whole_array(weighted, buffer_rows, tmp_path):
    x, y = table(seed=3)
    y = x[:, 0] * 1000 + y
    weight = np.random.default_rng(1).exponential(size=ROWS).astype(np.float32)
    weight[::50] *= 30  # more than counts
    weight[:40] = 0
    weight = weight if weighted else None
    whole, _ = fitted(x, y, loss="squared_error", sample_weight=weight)
    rows = ts.RowBlocks(saved(tmp_path, x), y, sample_weight=weight, buffer_rows=buffer_rows)
    streamed, _ = fitted(rows, loss="squared_error")
    assert np.array_equal(whole.mean, streamed.mean)
    assert np.array_equal(whole.scale, streamed.scale)
    assert whole.scale[3] == 0
    ours, theirs = (m._core.target_statistics() for m in (whole, streamed))
    assert np.array_equal(ours.mean, theirs.mean)
    assert np.array_equal(ours.scale, theirs.scale)


def test_a_constant_that_varies_later_is_taken_up_as_from_an_array(tmp_path):
    x, y = table()
    later = x.copy()
    later[:, 3] = np.arange(ROWS) % 5
    whole, streamed = fitted(x, y)[0], fitted(x, y)[0]
    rows = ts.RowBlocks(saved(tmp_path, later), y, buffer_rows=ROWS)
    for model, given_x, given_y in ((whole, later, y), (streamed, rows, None)):
        model.fit(given_x, given_y, epochs=1, batch_size=32, progress=False)
    assert whole.scale[3] > 0
    assert np.array_equal(whole.scale, streamed.scale)
    assert same(whole, streamed, later)


def test_threads_and_the_readers_speed_change_no_bit(tmp_path, monkeypatch):
    x, y = table()
    rows = ts.RowBlocks(saved(tmp_path, x), y, buffer_rows=400)
    model, losses = fitted(rows)
    read = source.ArraySource.read

    def slow(self, start, stop):
        time.sleep(0.001 * (start % 7))
        return read(self, start, stop)

    monkeypatch.setattr(source.ArraySource, "read", slow)
    for threads in (1, 2):
        again, found = fitted(rows, threads=threads)
        assert found == losses
        assert same(model, again, x)
    assert not same(model, fitted(ts.RowBlocks(rows._source._x, y, buffer_rows=200))[0], x)


def test_a_quarter_of_the_rows_is_held_at_most(tmp_path, monkeypatch):
    """Rows that were read and not yet trained on, or dropped."""
    x, y = table()
    rows = ts.RowBlocks(saved(tmp_path, x), y, buffer_rows=ROWS // 10)
    held, most, lock = [0], [0], threading.Lock()

    class Counted(np.ndarray):
        def __array_finalize__(self, of):
            self.counts = 0

        def __del__(self):
            with lock:
                held[0] -= self.counts

    joined = reader.Reader._joined

    def counted(self, left, chosen):
        found = joined(self, left, chosen)
        array = found.x.view(Counted)
        array.counts = len(array)
        with lock:
            held[0] += len(array)
            most[0] = max(most[0], held[0])
        return reader.Rows(array, found.y, found.weight)

    monkeypatch.setattr(reader.Reader, "_joined", counted)
    fitted(rows, epochs=3)
    assert ROWS // 10 < most[0] <= ROWS // 4
    assert held[0] == 0


def test_every_epoch_takes_every_row_once(tmp_path):
    x = np.arange(ROWS * 2, dtype=np.float32).reshape(ROWS, 2)
    rows = ts.RowBlocks(saved(tmp_path, x), np.arange(ROWS), buffer_rows=250)
    read = rows._reader(32, wide=False)
    orders = []
    for epoch in range(2):
        buffers = list(read.epoch(1, epoch))
        assert all(len(b.rows) % 32 == 0 for b in buffers[:-1])
        assert [b.is_last for b in buffers] == [False] * (len(buffers) - 1) + [True]
        for buffer in buffers:
            assert np.array_equal(buffer.rows.x[:, 0], 2 * buffer.rows.y)
        orders.append(np.concatenate([b.rows.y for b in buffers]))
        assert np.array_equal(np.sort(orders[-1]), np.arange(ROWS))
    assert not np.array_equal(*orders)
    first = next(iter(read.epoch(1, 0))).rows.y
    assert first.max() - first.min() > ROWS // 2  # from different places


@given(
    st.integers(1, 400),
    st.integers(0, 50),
    st.integers(1, 90),
    st.integers(1, 40),
    st.integers(1, 60),
    st.integers(1, 80),
)
def test_blocks_and_buffers_of_any_size_have_all_rows(
    count, start, size, step, batch_size, buffer_rows
):
    cut = reader.blocks(start, start + count, size, step)
    assert [row for a, b in cut for row in range(a, b)] == [*range(start, start + count)]
    assert all(a % step == 0 for a, _ in cut[1:]) or step > size

    def read(a, b):
        return reader.Rows(np.arange(a, b, dtype=np.float32)[:, None], np.arange(a, b), None)

    made = reader.Reader(read, cut, cut, buffer_rows, batch_size)
    found = [buffer.rows for buffer in made.epoch(0, 0)]
    assert np.array_equal(
        np.sort(np.concatenate([r.y for r in found])), np.arange(start, start + count)
    )
    assert all(np.array_equal(r.x[:, 0], r.y) for r in found)
    assert all(len(r) % batch_size == 0 for r in found[:-1])
    assert all(map(len, found))
    most = max(buffer_rows, batch_size) + max(b - a for a, b in cut) + batch_size
    assert max(map(len, found)) <= most
    assert sum(-(-len(r) // batch_size) for r in found) == -(-count // batch_size)


@pytest.mark.parametrize(
    "how",
    [
        {"topology": ts.GradientGrowth(0.3)},
        {"topology": ts.SET(0.2), "pruning": ts.ImportancePruning(percentile=20, start=1, every=1)},
        {"optimizer": ts.Adam(0.003, schedule="cosine"), "memory": "least"},
        {"augment": ts.ImageAugmentation((3, 4, 1), shift=1)},
        {"callbacks": [ts.LearningRateScheduler(lambda epoch, rate: rate / (1 + epoch))]},
    ],
    ids=lambda how: next(iter(how)),
)
def test_whatever_a_fit_is_asked_is_done_with_rows_too(how, tmp_path):
    x, y = table()
    mapped = saved(tmp_path, x)
    whole, losses = fitted(x, y, epochs=4, **how)
    streamed, found = fitted(ts.RowBlocks(mapped, y, buffer_rows=ROWS), epochs=4, **how)
    assert found == losses
    assert same(whole, streamed, x)
    assert whole.nnz == streamed.nnz
    many = ts.RowBlocks(mapped, y, buffer_rows=500)
    model, found = fitted(many, epochs=4, **how)
    again, repeated = fitted(many, epochs=4, threads=2, **how)
    assert found == repeated
    assert same(model, again, x)
    assert model.steps_trained == whole.steps_trained
    assert model.epochs_trained == 4


def test_a_fit_goes_on_with_its_bits(tmp_path):
    x, y = table()
    rows = ts.RowBlocks(saved(tmp_path, x), y, buffer_rows=500)
    whole, _ = fitted(rows, epochs=4)
    parts, _ = fitted(rows, epochs=4, callbacks=[_Ends(2)])
    parts.save(tmp_path / "model")
    parts = ts.load(tmp_path / "model")
    how = {"epochs": 4, "initial_epoch": 2, "batch_size": 32, "optimizer": ts.SGD()}
    parts.fit(rows, progress=False, **how)
    assert same(whole, parts, x)


class _Ends(ts.Callback):
    def __init__(self, epoch: int) -> None:
        self._last = epoch

    def on_epoch_end(self, epoch, logs):
        self.model.stop_training = epoch + 1 == self._last


# --- predictions, scores, held-out rows -----------------------------------------------------------


def test_rows_are_predicted_and_scored_as_the_array(tmp_path):
    x, y = table()
    rows = ts.RowBlocks(saved(tmp_path, x), y, buffer_rows=300)
    model, _ = fitted(x, y)
    assert np.array_equal(model.predict(rows), model.predict(x))
    assert np.array_equal(model.predict(rows[100:350]), model.predict(x[100:350]))
    ours, theirs = model.evaluate(rows), model.evaluate(x, y)
    assert ours == pytest.approx(theirs, rel=1e-12)
    history = model.fit(x, y, epochs=1, validation_data=rows, progress=False).history
    assert history["val_loss"][0] == pytest.approx(model.evaluate(x, y)["loss"], rel=1e-12)


def test_text_labels_keep_their_places_in_parts(tmp_path):
    x, _ = table()
    x[:, 0] = np.arange(ROWS) // 1000  # sorted: no part has all classes
    names = np.array(["b", "c", "a"], object)[np.arange(ROWS) // 1000]
    rows = ts.RowBlocks(saved(tmp_path, x), names, buffer_rows=500)
    assert rows.classes.tolist() == rows[:1000].classes.tolist() == ["a", "b", "c"]
    model = ts.SparseMLP([FEATURES, 30, 3], standardize=True, dropout=0, seed=0)
    model.fit(rows, epochs=10, validation_data=rows[2000:], progress=False)
    assert model.metadata["class_names"] == '["a", "b", "c"]'
    codes = np.searchsorted(["a", "b", "c"], names.astype(str))
    assert model.evaluate(rows[:1000]) == model.evaluate(x[:1000], codes[:1000])
    assert model.evaluate(x, codes)["accuracy"] > 0.8
    other = ts.RowBlocks(saved(tmp_path, x), np.array(["a", "z"])[np.arange(ROWS) % 2])
    with pytest.raises(ValueError, match="y has the classes \\['z'\\]"):
        model.evaluate(other)


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["longer", "touched", "replaced", "gone"])
def test_a_file_that_changes_is_an_error(how, tmp_path):
    x, y = table()
    rows = ts.RowBlocks(saved(tmp_path, x), y, buffer_rows=300)
    path = tmp_path / "x.npy"

    class Changes(ts.Callback):
        def on_epoch_end(self, epoch, logs):
            if how == "longer":
                with open(path, "ab") as file:
                    file.write(b"more")
            elif how == "touched":
                with open(path, "r+b") as file:
                    file.seek(1000)
                    file.write(b"x")
            elif how == "replaced":
                path.rename(tmp_path / "old")
                np.save(path, x)
            else:
                path.unlink()

    what = "is gone" if how == "gone" else "has changed"
    with pytest.raises(ValueError, match=f"x.npy {what} since it was opened"):
        fitted(rows, callbacks=[Changes()])


@pytest.mark.parametrize("standardize", [False, True])
def test_what_is_not_finite_is_named_by_its_row_in_the_file(standardize, tmp_path):
    x, y = table()
    x[1234, 5] = np.nan
    rows = ts.RowBlocks(saved(tmp_path, x), y, buffer_rows=300)
    model = ts.SparseMLP([FEATURES, 5, 2], standardize=standardize, seed=0)
    with pytest.raises(ValueError, match=r"x\[1234, 5\] = nan: expected finite numbers"):
        model.fit(rows, epochs=1, progress=False)
    assert standardize is False or model.mean is None


def test_mistakes_are_named(tmp_path):
    x, y = table()
    mapped = saved(tmp_path, x)
    model = ts.SparseMLP([FEATURES, 5, 2], seed=0)
    rows = ts.RowBlocks(mapped, y)
    for call, message in (
        (lambda: ts.RowBlocks(mapped, y[:-1]), "y has 2999 samples: expected 3000"),
        (lambda: ts.RowBlocks([[1.0]], [1]), "x is a builtins.list: expected an array that is"),
        (lambda: ts.RowBlocks(mapped[0], y), "x has shape \\(12,\\)"),
        (lambda: ts.RowBlocks(mapped, y, buffer_rows=0), "buffer_rows = 0"),
        (lambda: ts.RowBlocks(mapped, y, sample_weight=[1.0]), "sample_weight has shape"),
        (lambda: rows[::2], "expected a range of rows"),
        (lambda: rows[5:5], "none of the 3,000 rows"),
        (lambda: model.fit(rows, y), "y: expected None, as the rows x have their targets"),
        (lambda: model.fit(rows, sample_weight=y), "sample_weight: expected None, as the rows"),
        (lambda: model.evaluate(rows, y), "y: expected None, as the rows have theirs"),
        (lambda: model.evaluate(x), "y is missing: expected targets beside the samples"),
        (lambda: model.fit(rows, validation_data=(rows, y)), "y: expected None, as the rows"),
        (lambda: model.fit(rows, steps_per_epoch=3), "steps_per_epoch = 3"),
        (lambda: model.fit(rows, strategy=ts.WASSP(2)), "strategy: expected None"),
        (lambda: model.fit(ts.RowBlocks(mapped)), "the rows have no labels"),
        (lambda: model.fit(ts.RowBlocks(mapped, np.full(ROWS, None))), "y is missing in row 0"),
        (lambda: np.asarray(rows), "rows of a file are no array"),
        (lambda: model.train_on_batch(rows, y), "rows of a file are no array"),
        (lambda: ts.open_table("x.csv"), "read_table reads others"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            call()


def test_a_reader_that_fails_or_is_left_ends_its_thread(tmp_path):
    x, y = table()
    x[-1, 0] = np.inf
    rows = ts.RowBlocks(saved(tmp_path, x), y, buffer_rows=100)

    class Stops(ts.Callback):
        def on_epoch_end(self, epoch, logs):
            raise KeyboardInterrupt

    with pytest.raises(ValueError, match="inf"):
        fitted(rows)
    with pytest.raises(KeyboardInterrupt):
        fitted(rows[:2000], callbacks=[Stops()])
    assert not [t for t in threading.enumerate() if t.name.startswith("trulysparse-reader")]


# --- estimators -----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{}, {"class_weight": "balanced"}, {"class_weight": {"no": 3}}])
def test_a_classifier_is_that_of_the_array(how, tmp_path):
    x, y = table(dtype=np.float64)
    names = np.where(y, "yes", "no")
    settings = {"max_iter": 3, "random_state": 1} | how
    whole = ts.SparseMLPClassifier(**settings).fit(x, names)
    rows = ts.RowBlocks(saved(tmp_path, x), names, buffer_rows=ROWS)
    streamed = ts.SparseMLPClassifier(**settings).fit(rows)
    assert streamed.loss_curve_ == whole.loss_curve_
    assert streamed.classes_.tolist() == ["no", "yes"]
    assert np.array_equal(streamed.predict(rows), whole.predict(x))
    assert streamed.score(rows) == whole.score(x, names)


def test_a_regressor_is_that_of_the_array(tmp_path):
    x, y = table()
    y = 1e5 + 300 * (x[:, 0] + y)
    whole = ts.SparseMLPRegressor(max_iter=3, random_state=1).fit(x, y)
    rows = ts.RowBlocks(saved(tmp_path, x), y, buffer_rows=ROWS)
    streamed = ts.SparseMLPRegressor(max_iter=3, random_state=1).fit(rows)
    assert streamed.loss_curve_ == whole.loss_curve_
    assert np.array_equal(streamed.predict(rows), whole.predict(x))
    assert streamed.score(rows) == whole.score(x, y)
    assert np.array_equal(streamed.y_mean_, whole.y_mean_)


def test_held_out_rows_end_a_fit(tmp_path):
    x, y = table()
    rows = ts.RowBlocks(saved(tmp_path, x), y, buffer_rows=500)
    model = ts.SparseMLPClassifier(max_iter=30, early_stopping=True, n_iter_no_change=2, tol=0.1)
    with pytest.raises(ValueError, match="expected X_val with rows of a file"):
        model.fit(rows)
    model.set_params(random_state=0).fit(rows[:2500], X_val=rows[2500:])
    assert len(model.validation_scores_) < 30
    assert model.score(rows[2500:]) == model.best_validation_score_
    again = ts.SparseMLPClassifier(max_iter=2).fit(rows[:2500], X_val=x[2500:], y_val=y[2500:])
    assert again.validation_scores_[-1] == again.score(x[2500:], y[2500:])


def test_estimators_refuse_what_rows_do_not_give(tmp_path):
    x, y = table()
    rows = ts.RowBlocks(saved(tmp_path, x), y)
    for call, message in (
        (lambda: ts.SparseMLPClassifier(warm_start=True).fit(rows), "warm_start = True"),
        (lambda: ts.SparseMLPClassifier(class_weight={7: 1}).fit(rows), "class_weight has \\[7\\]"),
        (lambda: ts.SparseMLPClassifier().fit(rows, y), "y: expected None, as the rows have"),
        (lambda: ts.SparseMLPClassifier().fit(x), "requires y to be passed"),
        (lambda: ts.SparseMLPClassifier().fit(rows[:1]), "y has one class"),
        (lambda: ts.SparseMLPClassifier().partial_fit(rows, y), "rows of a file are no array"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            call()
