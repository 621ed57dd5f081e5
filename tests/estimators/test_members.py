"""Several networks in one: members trained side by side, and snapshots of one run."""

import pickle
import warnings

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers import oracle
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from trulysparse.estimators import _many
from trulysparse.training.settings import of_trainer

CLASSIFIER, REGRESSOR = ts.SparseMLPClassifier, ts.SparseMLPRegressor
RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 12))
Y = (X[:, 0] * X[:, 1] > 0) + (X[:, 2] > 1).astype(int)
NUMBERS = X[:, 0] - 2 * X[:, 3] + 0.1 * RNG.normal(size=90)
LABELS = np.column_stack([X[:, 0] > 0, X[:, 1] > 0.3]).astype(int)
FAST = {
    "max_iter": 8, "hidden_layer_sizes": (10,), "learning_rate_init": 0.05, "random_state": 0
}  # fmt: skip


def logits(model, x):
    """What the softmax or the sigmoid gets, in float64."""
    return oracle.from_model(model).logits(x)


def averaged(models, x):
    """The mean of what the models give, in float64."""
    return oracle.output(models[0].loss, np.mean([logits(model, x) for model in models], axis=0))


# --- the merged network -----------------------------------------------------------------------


@given(
    hidden=st.lists(st.lists(st.integers(1, 9), min_size=3, max_size=3), max_size=3),
    count=st.integers(1, 3),
    loss=st.sampled_from(oracle.LOSSES),
    activation=st.sampled_from([*oracle.ACTIVATIONS, "srelu"]),
    density=st.sampled_from([0.05, 0.5, 1.0]),
    seed=st.integers(0, 2**32),
    rows=st.integers(1, 5),
    standardize=st.booleans(),
)
def test_the_output_is_the_mean(hidden, count, loss, activation, density, seed, rows, standardize):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 4)) + 3
    models = []
    for k in range(count):
        model = ts.SparseMLP(
            [4, *(sizes[k] for sizes in hidden), 3], density=density, loss=loss,
            activation=activation, standardize=standardize, seed=k, threads=1,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(
                x,
                np.arange(rows) % 2 if loss == "cross_entropy" else rng.integers(0, 2, (rows, 3)),
                epochs=1,
                progress=False,
                topology=None,
            )
        models.append(model)
    if count > 1 and models[0].standardize:
        assert models[0].mean.tolist() == models[1].mean.tolist()
    merged = _many.merged(models)
    np.testing.assert_allclose(merged.predict(x), averaged(models, x), rtol=1e-4, atol=1e-5)
    assert merged.nnz <= sum(model.nnz for model in models)
    if hidden:
        mean = np.mean([model.feature_importance() for model in models], axis=0)
        np.testing.assert_allclose(merged.feature_importance(), mean, rtol=1e-5, atol=1e-12)
        total = np.sum([model.feature_importance("strength") for model in models], axis=0)
        np.testing.assert_allclose(merged.feature_importance("strength"), total, rtol=1e-5)
        assert merged.nnz == sum(model.nnz for model in models)
    again = pickle.loads(pickle.dumps(merged))
    assert again.predict(x).tolist() == merged.predict(x).tolist()


def two(**options):
    return [
        ts.SparseMLP([4, 6, 5, 2], **{"density": 0.8, "threads": 1, **options}, seed=seed)
        for seed in (1, 2)
    ]


def test_a_member_that_lost_neurons():
    models = two()
    models[1].prune(percentile=60)
    x = RNG.normal(size=(7, 4))
    merged = _many.merged(models)
    np.testing.assert_allclose(merged.predict(x), averaged(models, x), rtol=1e-5, atol=1e-6)
    compact = pickle.loads(pickle.dumps(merged))
    compact.compact()
    assert compact.layer_sizes[1] < merged.layer_sizes[1]
    np.testing.assert_allclose(compact.predict(x), merged.predict(x), rtol=1e-5, atol=1e-6)
    # What was closed for good stays closed.
    before = np.flatnonzero(np.diff(merged.layers[0].weight.tocsc().indptr) == 0)
    merged.evolve(ts.SET())
    after = np.flatnonzero(np.diff(merged.layers[0].weight.tocsc().indptr) == 0)
    assert set(before) <= set(after)


def test_contributions_are_the_mean_of_the_members():
    models = two(loss="squared_error", activation="tanh")
    x = RNG.normal(size=(5, 4))
    merged = _many.merged(models).explain(x, baseline=np.zeros(4))
    each = [model.explain(x, baseline=np.zeros(4)) for model in models]
    mean = np.mean([explained.values for explained in each], axis=0)
    np.testing.assert_allclose(merged.values, mean, rtol=1e-2, atol=1e-4)


def test_what_a_merged_network_keeps():
    models = two(dropout=[0.1, 0.2], label_smoothing=0.1, slope=0.4, standardize=True, clip=3.0)
    for model in models:
        model.fit(X[:, :4], Y % 2, epochs=1, progress=False)
    merged = _many.merged(models)
    names = ("activation", "slope", "loss", "label_smoothing", "dropout", "standardize", "clip")
    for name in names:
        assert getattr(merged, name) == getattr(models[0], name)
    assert merged.layer_sizes == [4, 12, 10, 2]
    assert merged.epsilon is None
    assert merged.seed == models[0].seed
    assert merged.threads == models[0].threads
    np.testing.assert_array_equal(merged.mean, models[0].mean)
    merged.fit(X[:, :4], Y % 2, epochs=1, progress=False)  # it is a network like others


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"layer_sizes": [5, 6, 5, 2]}, "other inputs, outputs or layers"),
        ({"layer_sizes": [4, 6, 2]}, "other inputs, outputs or layers"),
        ({"slope": 0.1}, "other settings"),
        ({"dropout": 0.0}, "other settings"),
    ],
)
def test_networks_that_differ_are_refused(other, message):
    given = {"layer_sizes": [4, 6, 5, 2], "seed": 3, **other}
    with pytest.raises(ValueError, match=message):
        _many.merged([two()[0], ts.SparseMLP(**given)])


def test_other_statistics_and_compacted_networks_are_refused():
    one, other = two(standardize=True)
    one.fit(X[:, :4], Y % 2, epochs=1, progress=False)
    other.fit(X[:50, :4], Y[:50] % 2, epochs=1, progress=False)
    with pytest.raises(ValueError, match="other statistics"):
        _many.merged([one, other])
    one, other = two()
    other.prune(percentile=60)
    other.compact()
    with pytest.raises(ValueError, match=r"networks\[1\] = compacted"):
        _many.merged([one, other])
    with pytest.raises(ValueError, match="networks"):
        ts._core.Network.merged([])


# --- members ----------------------------------------------------------------------------------


def blocks(model, count, width):
    """The members of a merged network with one hidden layer: weights and biases of each."""
    (first, last), (bias, end) = model.to_scipy()
    first, last = first.toarray(), last.toarray()
    for k in range(count):
        at = slice(k * width, (k + 1) * width)
        yield first[:, at], bias[at], last[at] * count, end


def test_the_first_member_is_the_network_alone():
    alone = CLASSIFIER(**FAST).fit(X, Y).model_
    many = CLASSIFIER(n_members=3, **FAST).fit(X, Y).model_
    assert many.layer_sizes == [12, 30, 3]
    first, second, _ = blocks(many, 3, 10)
    (weight, last), (bias, _) = alone.to_scipy()
    np.testing.assert_array_equal(first[0], weight.toarray())
    np.testing.assert_array_equal(first[1], bias)
    np.testing.assert_allclose(first[2], last.toarray(), rtol=1e-6)
    assert first[0].tolist() != second[0].tolist()


@pytest.mark.parametrize(
    ("kind", "x", "y", "options"),
    [
        (CLASSIFIER, X, Y, {}),
        (CLASSIFIER, X, Y, {"input_noise": 0.1}),
        (CLASSIFIER, sp.csr_array(np.where(X > 2, X, 0)), Y, {"n_snapshots": 2}),
        (CLASSIFIER, sp.csr_array(np.where(X > 0, X, 0)), Y, {}),
        (CLASSIFIER, X, LABELS, {}),
        (CLASSIFIER, X, np.where(X[:, :2] > 1, np.nan, LABELS), {}),
        (CLASSIFIER, X, Y, {"hidden_layer_sizes": ()}),
        (CLASSIFIER, X, Y, {"hidden_layer_sizes": (7, 6, 5), "activation": "all_relu"}),
        (CLASSIFIER, X, Y, {"activation": "srelu", "n_snapshots": 2}),
        (CLASSIFIER, X, Y, {"class_weight": "balanced"}),
        (CLASSIFIER, X, Y, {"pruning": ts.ImportancePruning(start=4, every=2, percentile=10)}),
        (REGRESSOR, X, NUMBERS, {"feature_selection": True}),
        (REGRESSOR, X, np.column_stack([NUMBERS, -NUMBERS]), {"scale": "robust"}),
    ],
)
def test_members_of_all_kinds(kind, x, y, options):
    made = kind(n_members=2, **FAST | options)
    weight = np.linspace(0.5, 1.5, 90)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = made.fit(x, y, weight)
        other = clone(made).set_params(n_jobs=2).fit(x, y, weight)
    dense = x.toarray() if sp.issparse(x) else x
    once = clone(made).set_params(n_members=1, n_snapshots=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        once = once.fit(x, y, weight)
    count = 2 * fitted.n_snapshots
    sizes = once.model_.layer_sizes
    assert fitted.model_.layer_sizes == [sizes[0], *(count * n for n in sizes[1:-1]), sizes[-1]]
    np.testing.assert_array_equal(fitted.predict(x), other.predict(x))
    assert len(fitted.loss_curve_) == 8
    assert fitted.predict(dense).shape == fitted.predict(x).shape
    assert fitted.score(dense, y) > (0.3 if kind is CLASSIFIER else -1)
    assert fitted.feature_importances_.shape == (12,)


def test_tables_of_columns():
    table = pl.DataFrame({"number": X[:, 0], "text": np.where(X[:, 1] > 0, "a", "b")})
    fitted = CLASSIFIER(n_members=2, **FAST).fit(table, np.where(X[:, 1] > 0, "yes", "no"))
    assert fitted.score(table, np.where(X[:, 1] > 0, "yes", "no")) > 0.9


def test_held_out_rows_are_scored_by_the_mean():
    made = CLASSIFIER(n_members=3, **FAST)
    fitted = clone(made).fit(X[:60], Y[:60], X_val=X[60:], y_val=Y[60:])
    assert len(fitted.validation_scores_) == 8
    assert fitted.validation_scores_[-1] == pytest.approx(fitted.score(X[60:], Y[60:]))
    loss = fitted.history_.history["val_loss"][-1]
    proba = fitted.predict_proba(X[60:])[np.arange(30), Y[60:]]
    assert loss == pytest.approx(-np.log(proba).mean(), rel=1e-4)
    stopped = clone(made).set_params(early_stopping=True, n_iter_no_change=2, max_iter=40)
    stopped.fit(X[:60], Y[:60], X_val=X[60:], y_val=Y[60:])
    assert stopped.n_iter_ < 40
    assert stopped.score(X[60:], Y[60:]) == pytest.approx(stopped.best_validation_score_)


def test_probabilities_are_calibrated_as_a_whole():
    # The temperature is told by held-out rows, and only if max_iter is left to the data.
    rng = np.random.default_rng(3)
    x = rng.normal(size=(60, 5))
    y = (x[:, 0] + 2 * rng.normal(size=60) > 0).astype(int)
    fitted = CLASSIFIER(n_members=2, hidden_layer_sizes=(10,), random_state=0).fit(x, y)
    one = CLASSIFIER(hidden_layer_sizes=(10,), random_state=0).fit(x, y)
    assert fitted.model_.layer_sizes == [5, 20, 2]
    for model in (fitted, one):
        assert np.abs(model.predict_proba(x).sum(axis=1) - 1).max() < 1e-5
    first, *_ = blocks(fitted.model_, 2, 10)
    np.testing.assert_array_equal(first[0], one.model_.to_scipy()[0][0].toarray())


def test_networks_that_share_no_batch():
    models = two(standardize=True)
    data = ts._core.Data(models[0]._core, X[:, :4].copy(), (Y % 2).astype(np.uint32))
    for model in models:
        model._core.standardize_on(data)
    text = of_trainer(16, ts.SGD()._core(), 6)
    trainer = ts._core.Trainer(models[0]._core, data, text)
    own, other = (model._core for model in models)
    assert trainer.shares([other])
    assert trainer.shares([])
    smaller = ts.SparseMLP([4, 5, 5, 2], seed=0, standardize=True, threads=1)._core
    for others in ([own], [other, other], [smaller]):
        assert not trainer.shares(others)
        with pytest.raises(ValueError, match="expected networks that take the same batches"):
            trainer.epoch_with(others, 0)
    assert own.counters().steps == other.counters().steps == 0
    trainer.epoch_with([other], 0)
    assert own.counters().steps == other.counters().steps == 6
    assert own.counters().epochs == other.counters().epochs == 1


# --- snapshots --------------------------------------------------------------------------------


def test_snapshots_are_points_of_one_run():
    fitted = CLASSIFIER(n_snapshots=3, **FAST | {"max_iter": 13}).fit(X, Y)
    assert fitted.model_.layer_sizes == [12, 30, 3]
    history = fitted.history_.history
    assert len(history["loss"]) == 13
    rates = np.array(history["learning_rate"])
    # Four epochs at the full rate, and three cycles of three.
    np.testing.assert_allclose(rates[:4], rates[0])
    assert (rates[[6, 9, 12]] < 0.03 * rates[0]).all()
    assert (rates[[4, 7, 10]] > 0.5 * rates[0]).all()
    assert history["connections"][-1] < fitted.model_.nnz
    last, *_ = reversed(list(blocks(fitted.model_, 3, 10)))
    one = CLASSIFIER(n_snapshots=1, **FAST).fit(X, Y)
    assert last[0].shape == one.model_.to_scipy()[0][0].shape


def test_the_last_snapshot_is_the_run_at_its_end(monkeypatch):
    kept = []
    merge = _many.Snapshots.merge

    def keep(self, model):
        kept.append(pickle.loads(pickle.dumps(model)))
        merge(self, model)

    monkeypatch.setattr(_many.Snapshots, "merge", keep)
    fitted = REGRESSOR(n_snapshots=2, **FAST).fit(X, NUMBERS)
    *_, last = blocks(fitted.model_, 2, 10)
    np.testing.assert_array_equal(last[0], kept[0].to_scipy()[0][0].toarray())
    assert fitted.score(X, NUMBERS) > 0


# --- what one network can do --------------------------------------------------------------------


@pytest.fixture(scope="module", params=[{"n_members": 2}, {"n_snapshots": 2}])
def fitted(request):
    return CLASSIFIER(**FAST, **request.param).fit(X, Y)


def test_files_pickles_and_pruning(fitted, tmp_path):
    fitted.save(tmp_path / "many.safetensors")
    for other in (ts.load(tmp_path / "many.safetensors"), pickle.loads(pickle.dumps(fitted))):
        np.testing.assert_array_equal(other.predict_proba(X), fitted.predict_proba(X))
        assert (other.n_members, other.n_snapshots) == (fitted.n_members, fitted.n_snapshots)
        with pytest.raises(ValueError, match="expected 1 with partial_fit"):
            other.partial_fit(X, Y)
    model = pickle.loads(pickle.dumps(fitted.model_))
    before = model.predict(X)
    model.compact()
    np.testing.assert_allclose(model.predict(X), before, rtol=1e-4, atol=1e-5)
    model.prune(percentile=50)
    assert model.nnz < fitted.model_.nnz


def test_explanations_and_reports(fitted, tmp_path):
    assert np.isfinite(fitted.explain(X[:5]).values).all()
    if fitted.n_members > 1:
        fitted.report(X, Y, tmp_path / "page.html", resamples=100)
        assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!")
    assert fitted.model_.summary(print_fn=lambda line: None) is None


def test_training_goes_on_as_one(fitted):
    other = pickle.loads(pickle.dumps(fitted)).set_params(n_members=1, n_snapshots=1)
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        other.partial_fit(X, Y)
    other.set_params(hidden_layer_sizes=(20,), dropout=0.5, label_smoothing=0.1)
    other.partial_fit(X, Y)
    assert other.model_.layer_sizes == [12, 20, 3]


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_members": 0}, "n_members = 0"),
        ({"n_members": 1.5}, "n_members"),
        ({"n_snapshots": -1}, "n_snapshots = -1"),
        ({"n_snapshots": 9}, "n_snapshots = 9: expected no more than the epochs"),
        ({"n_members": 2, "warm_start": True}, "warm_start = True and n_members = 2"),
        ({"n_snapshots": 2, "warm_start": True}, "warm_start = True and n_snapshots = 2"),
        ({"n_snapshots": 2, "early_stopping": True}, "early_stopping = True and n_snapshots"),
        ({"n_snapshots": 2, "learning_rate": "constant"}, "learning_rate = 'constant' and n_sn"),
        ({"n_snapshots": 2, "optimizer": ts.Adam()}, "optimizer = .* and n_snapshots = 2"),
        (
            {
                "n_members": 2,
                "early_stopping": True,
                "pruning": ts.ImportancePruning(tolerance=0.1),
            },
            "pruning with a tolerance",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    made = CLASSIFIER(**FAST | options)
    before = dict(vars(made))
    with pytest.raises((ValueError, TypeError), match=message):
        made.fit(X, Y)
    assert vars(made) == before


def test_rows_of_a_file():
    rows = ts.RowBlocks(X.astype(np.float32), Y)
    with pytest.raises(ValueError, match="n_members = 2: expected 1 with rows of a file"):
        CLASSIFIER(n_members=2, **FAST).fit(rows)
    fitted = CLASSIFIER(n_snapshots=2, **FAST).fit(rows)
    assert fitted.model_.layer_sizes == [12, 20, 3]


@pytest.mark.parametrize("options", [{"n_members": 2}, {"n_snapshots": 2}])
def test_batches_are_refused(options):
    made = REGRESSOR(**FAST | options)
    with pytest.raises(ValueError, match="expected 1 with partial_fit"):
        made.partial_fit(X, NUMBERS)
    assert not hasattr(made, "model_")
