"""Callbacks and scorers of an estimator's fit: what they see, what they keep, what they refuse."""

import pickle
import re

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
import trulysparse as ts
from sklearn.metrics import (
    f1_score,
    get_scorer,
    log_loss,
    make_scorer,
    mean_squared_error,
    r2_score,
    roc_auc_score,
)
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

RNG = np.random.default_rng(0)
X = RNG.normal(size=(160, 6))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
HALF = {"X_val": X[80:], "y_val": Y[80:]}
QUICK = {"hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0}


class Seen(ts.Callback):
    """Note what it is told."""

    def __init__(self):
        self.epochs, self.models = [], []

    def on_train_begin(self, logs):
        self.models.append(self.model)

    def on_epoch_end(self, epoch, logs):
        self.epochs.append(epoch)
        logs["connections_of_model"] = self.model.nnz

    def on_train_end(self, logs):
        if self.model.layer_sizes[0] == X.shape[1]:
            self.last = self.model.predict(X[:9])


def classifier(**options):
    return ts.SparseMLPClassifier(**QUICK | options)


def test_callbacks_see_the_network_that_is_kept_and_change_nothing():
    seen = Seen()
    fitted = classifier().fit(X, Y, callbacks=[seen])
    assert seen.epochs == [0, 1, 2]
    assert seen.models == [fitted.model_]
    np.testing.assert_array_equal(seen.last, fitted.predict_proba(X[:9]))
    np.testing.assert_array_equal(seen.last, classifier().fit(X, Y).predict_proba(X[:9]))
    assert fitted.history_.history["connections_of_model"][-1] == fitted.model_.nnz


def test_networks_that_choose_are_not_seen():
    few = np.hstack([X, RNG.normal(size=(160, 20))])
    seen = Seen()
    options = {"max_iter": "auto", "label_smoothing": "auto", "feature_selection": True}
    fitted = classifier(**options).fit(few, Y, callbacks=[seen])
    assert seen.models == [fitted.model_]
    assert seen.epochs == list(range(fitted.n_iter_))


SEVERAL = [{"n_members": 2}, {"n_snapshots": 2}, {"early_stopping": True}]


@pytest.mark.parametrize("options", SEVERAL)
def test_several_networks_and_the_best_one(options):
    seen = Seen()
    fitted = classifier(**options).fit(X, Y, callbacks=[seen])
    assert seen.models == [fitted.model_]
    assert seen.epochs == [0, 1, 2]
    if "n_snapshots" not in options:  # which become one afterwards
        np.testing.assert_array_equal(seen.last, fitted.predict_proba(X[:9]))


def test_a_fit_that_starts_anew_says_so():
    x = np.random.default_rng(4).normal(size=(300, 10))
    x, y = np.exp(3 * x), np.exp(x[:, 0] + x[:, 1])
    seen = Seen()
    how = {"scale": "standard", "optimizer": "sgd", "dropout": 0.2, "input_gain": 1}
    fitted = ts.SparseMLPRegressor(max_iter=60, random_state=0, **how)
    fitted.fit(x, y, callbacks=[seen])
    assert len(seen.models) == fitted.n_retries_ + 1 > 1
    assert seen.models[-1] is fitted.model_
    assert seen.epochs[-60:] == list(range(60))


def test_what_a_callback_raises_comes_out_and_nothing_has_changed():
    class Pruned(Exception):
        pass

    def prune(epoch, numbers):
        if epoch == 1:
            raise Pruned

    for made in (classifier(), classifier().fit(X, Y), classifier(warm_start=True).fit(X, Y)):
        before = pickle.dumps(made)
        with pytest.raises(Pruned):
            made.fit(X, 1 - Y, callbacks=[ts.MetricsLogger(prune)])
        assert pickle.dumps(made) == before


SCORING = [
    ("roc_auc", ["roc_auc"]),
    (["neg_log_loss", "accuracy"], ["neg_log_loss", "accuracy"]),
    ({"auc": make_scorer(roc_auc_score, response_method="predict_proba")}, ["auc"]),
    (lambda estimator, x, y: estimator.score(x, y), ["score"]),
]


@pytest.mark.parametrize(("scoring", "names"), SCORING)
def test_scores_are_those_of_scikit_learn(scoring, names):
    fitted = classifier().fit(X[:80], Y[:80], **HALF, scoring=scoring)
    for name in names:
        known = {"auc": "roc_auc", "score": "accuracy"}.get(name, name)
        expected = get_scorer(known)(fitted, X[80:], Y[80:])
        found = fitted.history_.history[f"val_{name}"]
        assert len(found) == 3
        assert found[-1] == pytest.approx(expected, rel=1e-12)


def table(rows):
    return pd.DataFrame({"a": X[rows, 0], "b": np.where(X[rows, 1] > 0, "p", "q")})


def amounts(estimator, x, y):
    return x["a"].to_numpy() @ (estimator.predict(x) == y)


@pytest.mark.parametrize("stops", [True, False])
def test_functions_get_the_rows_of_a_table(stops):
    made = classifier(early_stopping=stops, max_iter=2)
    held = {} if stops else {"X_val": table(slice(80, 160)), "y_val": Y[80:]}
    fitted = made.fit(table(slice(0, 80)), Y[:80], **held, scoring={"amount": amounts})
    found = fitted.history_.history["val_amount"]
    assert len(found) == 2
    if not stops:
        assert found[-1] == amounts(fitted, *held.values())


def test_rows_of_files_sparse_labels_and_regression():
    rows = ts.RowBlocks(X, Y)
    fitted = classifier().fit(rows[:80], X_val=rows[80:], scoring=["roc_auc"])
    expected = roc_auc_score(Y[80:], fitted.predict_proba(X[80:])[:, 1])
    assert fitted.history_.history["val_roc_auc"][-1] == expected
    labels = sp.csr_array(np.stack([Y, 1 - Y, Y], axis=1))
    held = {"X_val": X[80:], "y_val": labels[80:]}
    fitted = classifier().fit(X[:80], labels[:80], **held, scoring="f1_macro")
    expected = get_scorer("f1_macro")(fitted, X[80:], labels[80:])
    assert fitted.history_.history["val_f1_macro"][-1] == expected
    options = QUICK | {"early_stopping": True, "n_iter_no_change": 9}
    fitted = ts.SparseMLPRegressor(**options).fit(X, X[:, 0], scoring="r2")
    assert fitted.history_.history["val_r2"] == fitted.validation_scores_


def test_scores_can_be_watched():
    stopping = ts.EarlyStopping("val_roc_auc", mode="max", patience=1)
    made = classifier(max_iter=30)
    made.fit(X[:80], Y[:80], **HALF, callbacks=[stopping], scoring="roc_auc")
    assert made.n_iter_ < 30
    assert stopping.best == max(made.history_.history["val_roc_auc"])


BAD = [
    ({"scoring": "roc_auc"}, ValueError, "scoring = 'roc_auc': expected rows that are held out"),
    ({"scoring": "none", **HALF}, ValueError, "scoring = 'none': expected a name of sklearn"),
    ({"scoring": 3, **HALF}, TypeError, "scoring = 3: expected the name of a scorer"),
    ({"scoring": [], **HALF}, ValueError, "scoring = []: expected one scorer or more"),
    ({"scoring": [len], **HALF}, TypeError, "scoring = <built-in function len>: expected the name"),
    ({"scoring": {3: "r2"}, **HALF}, TypeError, "scoring has the key 3: expected a name"),
    ({"scoring": {"loss": "r2"}, **HALF}, ValueError, "scoring has 'loss': expected another name"),
    ({"scoring": {"accuracy": "r2"}, **HALF}, ValueError, "scoring has 'accuracy': expected"),
    ({"scoring": lambda *_: "a", **HALF}, TypeError, "scoring: score gave 'a': expected a number"),
    ({"callbacks": 3}, TypeError, "callbacks = 3: expected a sequence of trulysparse.Callback"),
    ({"callbacks": [3]}, TypeError, "callbacks has 3: expected trulysparse.Callback objects"),
    (
        {"callbacks": [ts.LearningRateScheduler(lambda epoch, rate: rate)]},
        ValueError,
        "learning_rate = 'cosine': expected 'constant' with a LearningRateScheduler",
    ),
]


@pytest.mark.parametrize(("arguments", "kind", "words"), BAD)
def test_what_is_refused(arguments, kind, words):
    made = classifier()
    with pytest.raises(kind, match="^" + re.escape(words)):
        made.fit(X[:80], Y[:80], **arguments)
    assert vars(made) == vars(classifier())


def test_pipelines_and_routing_pass_them_on():
    seen = Seen()
    pipeline = make_pipeline(StandardScaler(), classifier())
    pipeline.fit(X, Y, sparsemlpclassifier__callbacks=[seen])
    assert seen.epochs == [0, 1, 2]
    with sklearn.config_context(enable_metadata_routing=True):
        made = classifier().set_fit_request(callbacks=True, scoring=False)
        cross_val_score(made, X, Y, cv=2, params={"callbacks": [seen]})
    assert seen.epochs == [0, 1, 2] * 3


def own_metric(y_true, y_pred, sample_weight=None):
    return 1.0


@pytest.mark.parametrize(
    ("metric", "also"),
    [
        (f1_score, ", or 'f1'$"),
        (roc_auc_score, ", or 'roc_auc', or 'roc_auc_ovr'$"),
        (r2_score, ", or 'r2'$"),
        (mean_squared_error, ", or 'neg_mean_squared_error'$"),
        (log_loss, ", or 'neg_log_loss'$"),
        (own_metric, "$"),
        (lambda y, p: 1.0, "$"),
    ],
)
def test_metrics_are_no_scorers(metric, also):
    name = re.escape(metric.__name__)
    message = rf"^scoring has {name}, .*: expected sklearn.metrics.make_scorer\({name}\){also}"
    for scoring in (metric, {"mine": metric}, *([[metric]] if "lambda" not in name else [])):
        with pytest.raises(TypeError, match=message):
            classifier().fit(X, Y, **HALF, scoring=scoring)
