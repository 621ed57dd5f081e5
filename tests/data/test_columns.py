"""Columns of frames, matched by name: the same numbers in any order, or an error."""

import json

import numpy as np
import pytest
import trulysparse as ts
from helpers import cases
from hypothesis import given, settings
from hypothesis import strategies as st

pd = pytest.importorskip("pandas", reason="pip install pandas")

RNG = np.random.default_rng(17)
NAMES = ["north", "east", "height", "depth"]
TABLE = pd.DataFrame(
    {
        "north": RNG.normal(size=60),
        "east": RNG.integers(0, 9, size=60),
        "height": RNG.normal(size=60).astype(np.float32),
        "depth": RNG.random(60) < 0.5,
    }
)
Y = (TABLE.north > TABLE.height).astype(int).to_numpy()
ARRAY = TABLE.to_numpy(np.float64)
ORDERS = st.permutations(NAMES)


def make_model(**options):
    return ts.SparseMLP([4, 12, 2], **({"seed": 2, "threads": 1} | options))


def fit(model, x=TABLE, **options):
    model.fit(x, Y, **({"epochs": 3, "batch_size": 16, "progress": False} | options))
    return model


def content(model):
    return model._core.to_bytes({})


def polars():
    pl = pytest.importorskip("polars", reason="pip install polars")
    return pl.DataFrame({name: TABLE[name].to_numpy() for name in NAMES})


@pytest.fixture(scope="module")
def trained():
    return fit(make_model())


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_frame_trains_as_its_array(library):
    frame = TABLE if library == "pandas" else polars()
    model = fit(make_model(), frame)
    assert content(model) == content(fit(make_model(), ARRAY))
    assert json.loads(model.metadata["feature_names"]) == NAMES
    assert model.predict(frame[NAMES[::-1]]).tobytes() == model.predict(ARRAY).tobytes()


@given(ORDERS)
def test_every_call_puts_columns_in_order(trained, order):
    frame = TABLE[order]
    for call in (
        lambda x: trained.predict(x),
        lambda x: trained.evaluate(x, Y),
        lambda x: trained.test_on_batch(x, Y),
        lambda x: trained.gradient_norms(x, Y),
        lambda x: trained.pruning_curve(x, Y, [0, 20]),
    ):
        np.testing.assert_equal(call(frame), call(ARRAY))


@given(ORDERS, ORDERS)
def test_training_puts_columns_in_order(first, second):
    def run(columns, others):
        model = make_model()
        model.train_on_batch(columns, Y)
        model.fit(others, Y, epochs=2, validation_data=(columns, Y), progress=False)
        model.evolve(ts.GradientGrowth(), others, Y)
        model.prune(tolerance=0.5, validation_data=(others, Y))
        return content(model), model.history.history["val_loss"]

    arrays = TABLE[first].to_numpy(np.float64)
    assert run(TABLE[first], TABLE[second]) == run(arrays, arrays)


def test_columns_of_validation_data_follow_a_first_fit():
    plain = fit(make_model(), ARRAY, validation_data=(ARRAY, Y))
    model = fit(make_model(), validation_data=(TABLE[NAMES[::-1]], Y))
    assert model.history.history["val_loss"] == plain.history.history["val_loss"]


def test_batches_of_frames():
    def batches(*tables):
        return [(table[start : start + 20], Y[start : start + 20]) for table, start in tables]

    frames = batches((TABLE, 0), (TABLE[NAMES[::-1]], 20), (TABLE[NAMES[2:] + NAMES[:2]], 40))
    arrays = batches((ARRAY, 0), (ARRAY, 20), (ARRAY, 40))
    models = [make_model(), make_model()]
    for model, stream in zip(models, (frames, arrays), strict=True):
        model.fit(stream_of(stream), epochs=3, progress=False)
    assert content(models[0]) == content(models[1])
    assert json.loads(models[0].metadata["feature_names"]) == NAMES
    with pytest.raises(ValueError, match=r"batch 1 of x: x lacks columns.*'east'"):
        models[0].fit(stream_of([(frames[0][0].drop(columns="east"), Y[:20])]), epochs=1)


class stream_of:
    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)

    def __len__(self):
        return len(self.batches)


def test_other_columns_are_named(trained):
    before = content(trained), dict(trained.metadata)
    for frame, match in (
        (TABLE.drop(columns=["east", "depth"]), r"x\)? lacks columns.*'east', 'depth'"),
        (TABLE.rename(columns={"east": "west"}), r"x\)? lacks columns.*'east'"),
        (TABLE.assign(label=Y), r"x\)? has columns.*not trained on: 'label'"),
        (TABLE.set_axis(["north", "east", "east", "depth"], axis=1), r"x\)? lacks.*'height'"),
        (pd.concat([TABLE[NAMES[::-1]], TABLE[["north"]]], axis=1), r"of one name: 'north'"),
    ):
        for call in (
            lambda x=frame: trained.predict(x),
            lambda x=frame: fit(trained, x),
            lambda x=frame: fit(trained, validation_data=(x, Y)),
            lambda x=frame: trained.train_on_batch(x, Y),
        ):
            with pytest.raises(ValueError, match=match):
                call()
    with pytest.raises(TypeError, match=r"x has column 7 beside names"):
        trained.predict(TABLE.rename(columns={"east": 7}))
    assert (content(trained), dict(trained.metadata)) == before


def test_many_names_are_listed_in_part():
    wide = pd.DataFrame(RNG.normal(size=(20, 30)), columns=[f"c{i}" for i in range(30)])
    model = ts.SparseMLP([30, 5, 2], seed=0)
    model.fit(wide, Y[:20], epochs=1, progress=False)
    with pytest.raises(ValueError, match=r"'c0', 'c1', 'c2', 'c3', 'c4' and 5 more; expected"):
        model.predict(wide.iloc[:, 10:])


def test_arrays_and_numbered_columns_go_by_position(trained):
    expected = trained.predict(ARRAY).tobytes()
    assert trained.predict(TABLE.set_axis(range(4), axis=1)).tobytes() == expected
    numbered = fit(make_model(), TABLE.set_axis(range(4), axis=1))
    assert "feature_names" not in numbered.metadata
    assert numbered.predict(TABLE).tobytes() == expected
    fit(numbered, epochs=1)
    assert json.loads(numbered.metadata["feature_names"]) == NAMES


@pytest.mark.parametrize("labels", [[7, 3, 5, 9], [3, 1, 0, 2], ["several levels"]])
def test_labels_that_are_no_text_are_names_too(labels):
    if not all(isinstance(label, int) for label in labels):
        labels = pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1), ("b", 2)])
    table = TABLE.set_axis(labels, axis=1)
    model = fit(make_model(), table)
    expected = model.predict(ARRAY).tobytes()
    assert model.predict(table.iloc[:, ::-1]).tobytes() == expected
    if list(labels) != [3, 1, 0, 2]:
        assert model.predict(TABLE.set_axis(range(4), axis=1)).tobytes() == expected
    with pytest.raises(ValueError, match="lacks columns"):
        model.predict(TABLE)


def test_numbered_columns_in_another_order():
    numbered = TABLE.set_axis(range(4), axis=1)
    model = fit(make_model(), numbered)
    with pytest.raises(ValueError, match="numbered in another order, '3', '2', '1', '0'"):
        model.predict(numbered.iloc[:, ::-1])
    other = fit(make_model(), numbered.iloc[:, ::-1])
    assert other.predict(numbered).tobytes() == other.predict(ARRAY[:, ::-1]).tobytes()


def test_a_refused_fit_leaves_no_names():
    model = make_model()
    for wrong in ({"optimizer": "rms"}, {"batch_size": 0}, {"validation_data": (ARRAY[:, :3], Y)}):
        with pytest.raises((ValueError, TypeError)):
            fit(model, **wrong)
    with pytest.raises(ValueError, match="y has 59 samples"):
        model.train_on_batch(TABLE, Y[:59])
    with pytest.raises(ValueError, match=r"x has shape \(60, 3\)"):
        fit(model, TABLE[NAMES[:3]])
    assert model.metadata == {}


def test_names_of_the_user_stay():
    model = make_model()
    model.metadata["feature_names"] = json.dumps(NAMES[::-1])
    fit(model)
    assert json.loads(model.metadata["feature_names"]) == NAMES[::-1]
    assert content(model) == content(fit(make_model(), ARRAY[:, ::-1]))
    model.metadata["feature_names"] = "see the paper"
    with pytest.raises(ValueError, match=r"metadata\['feature_names'\] = 'see the paper'"):
        model.predict(TABLE)
    assert model.predict(ARRAY).shape == (60, 2)


def test_names_go_through_files_and_compactions(tmp_path):
    mask = np.ones((4, 12), bool)
    mask[1] = False
    model = ts.SparseMLP.from_scipy([mask, np.ones((12, 2), bool)], seed=2)
    fit(model, topology=None)
    model.compact(inputs=True)
    kept = model.units(0)
    assert kept.tolist() == [0, 2, 3]
    model.save(tmp_path / "model.safetensors")
    again = ts.load(tmp_path / "model.safetensors")
    expected = again.predict(ARRAY[:, kept]).tobytes()
    names = [NAMES[i] for i in kept]
    assert again.predict(TABLE[names[::-1]]).tobytes() == expected
    assert again.predict(TABLE[NAMES[::-1]]).tobytes() == expected
    with pytest.raises(ValueError, match=f"lacks.*{names[0]!r}"):
        again.predict(TABLE.drop(columns=names[0]))


def test_the_network_of_an_estimator_knows_the_names():
    classifier = ts.SparseMLPClassifier(max_iter=2, random_state=0).fit(TABLE, Y)
    expected = classifier.predict_proba(TABLE)
    np.testing.assert_array_equal(classifier.model_.predict(TABLE[NAMES[::-1]]), expected)


def test_a_fit_that_goes_on_from_a_checkpoint_has_its_order(tmp_path):
    class Stop(ts.Callback):
        def on_epoch_end(self, epoch, logs):
            if epoch == 1:
                raise KeyboardInterrupt

    def strategy():
        return ts.WASSP(workers=2, checkpoint=tmp_path / "fit.safetensors")

    def run(x, **options):
        model = make_model()
        fit(model, x, strategy=strategy(), epochs=4, **options)
        return model

    with pytest.raises(KeyboardInterrupt):
        run(TABLE, callbacks=[Stop()])
    with pytest.raises(ValueError, match=r"x has the columns 'depth'.*its checkpoint, 'north'"):
        run(TABLE.set_axis(NAMES[::-1], axis=1))
    with pytest.raises(ValueError, match="of a fit with a hash of samples"):
        run(TABLE[NAMES[::-1]])
    whole = run(TABLE)
    assert json.loads(whole.metadata["feature_names"]) == NAMES
    assert content(whole) == content(fit(make_model(), strategy=ts.WASSP(workers=2), epochs=4))


def test_validation_targets_in_another_order_are_refused():
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(12, 3)), pd.DataFrame(rng.normal(size=(12, 2)), columns=["km", "kg"])
    model = ts.SparseMLP([3, 4, 2], loss="squared_error", seed=0)
    with pytest.raises(ValueError, match=r"^validation_data\[1\] \(y\) has the columns in another"):
        model.fit(x, y, epochs=1, validation_data=(x, y[["kg", "km"]]), progress=False)
    model.fit(x, y, epochs=1, validation_data=(x, y), progress=False)
    model.fit(x, y, epochs=1, validation_data=(x, y.to_numpy()), progress=False)


def test_a_whole_frame_in_the_first_order_predicts_after_a_compaction():
    rng = np.random.default_rng(7)
    table = pd.DataFrame(rng.normal(size=(60, 6)), columns=list("abcdef"))
    model = ts.SparseMLP([6, 5, 2], epsilon=1, seed=0)
    model.fit(table, (table["a"] > 0).astype(int), epochs=1, progress=False)
    model.prune(percentile=40)
    before = model.predict(table)
    model.compact(inputs=True)
    assert model.layer_sizes[0] < 6
    for order in (list("abcdef"), list("fedcba")):
        np.testing.assert_allclose(model.predict(table[order]), before, rtol=1e-5)


@given(st.permutations([*NAMES[:3], "east"]))
@settings(max_examples=cases.drawn(20))
def test_two_columns_of_one_name_are_refused(names):
    frame = TABLE.set_axis(names, axis=1).astype(float)
    numbered = frame.rename(columns={name: i for i, name in enumerate(NAMES)})
    for table, name in ((frame, "east"), (numbered, "1")):
        match = rf"[xX] has 2 columns named '{name}'"
        model = make_model()
        for call in (
            lambda x=table, model=model: fit(model, x),
            lambda x=table, model=model: model.train_on_batch(x, Y),
            lambda x=table, model=model: model.fit(iter([(x, Y)]), steps_per_epoch=1, epochs=1),
            lambda x=table: ts.SparseMLPClassifier(max_iter=1).fit(x, Y),
            lambda x=table: ts.SparseMLPClassifier(max_iter=1).partial_fit(x, Y),
            lambda x=table: ts.SparseFeatureSelector(epochs=1).fit(x, Y),
        ):
            with pytest.raises(ValueError, match=match):
                call()
        assert model.steps_trained == 0
        assert "feature_names" not in model.metadata
