"""The picture that compares runs."""

import matplotlib as mpl
import numpy as np
import pytest
import trulysparse as ts
from trulysparse import plot

mpl.use("agg")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 4))
Y = (X[:, 0] > 0).astype(int)
RUNS = {
    "low": [{"val_accuracy": [0.2, 0.3, 0.5]}, {"val_accuracy": [0.4, 0.5, 0.3]}],
    "high": {"val_accuracy": [0.5, 0.9]},
}


def test_lines_are_means_and_bands_reach_over_all_runs():
    ax = plot.compare_runs(RUNS)
    lines = {line.get_label(): line for line in ax.lines}
    assert list(lines) == ["high", "low, 2 runs"]  # by the last means
    np.testing.assert_allclose(lines["low, 2 runs"].get_ydata(), [0.3, 0.4, 0.4])
    np.testing.assert_array_equal(lines["low, 2 runs"].get_xdata(), [1, 2, 3])
    (band,) = ax.collections
    box = band.get_paths()[0].get_extents()
    np.testing.assert_allclose([box.y0, box.y1], [0.2, 0.5])
    assert band.get_facecolor()[0][:3] == pytest.approx(
        mpl.colors.to_rgb(lines["low, 2 runs"].get_color())
    )
    assert ax.get_title(loc="left") == "Held-out accuracy"


def test_histories_and_estimators_are_runs():
    model = ts.SparseMLP([4, 5, 2], seed=0)
    history = model.fit(X, Y, epochs=3, progress=False)
    estimator = ts.SparseMLPClassifier(max_iter=3, random_state=0).fit(X, Y)
    ax = plot.compare_runs({"a": [history], "b": estimator, "c": history.history}, "loss")
    assert len(ax.lines) == 3
    given = mpl.figure.Figure().subplots()
    assert plot.compare_runs({"a": history}, "loss", given) is given
    assert plot.learning_curves(estimator).lines[0].get_ydata().tolist() == estimator.loss_curve_


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: plot.compare_runs([]), TypeError, r"^runs = \[\]: expected a dict"),
        (lambda: plot.compare_runs({}), ValueError, "^runs has no names"),
        (lambda: plot.compare_runs({"a": []}), ValueError, r"^runs\['a'\] has no runs"),
        (lambda: plot.compare_runs({"a": 3}), TypeError, r"^runs\['a'\] = 3: expected what fit"),
        (
            lambda: plot.compare_runs({"a": {"loss": [1.0]}}),
            ValueError,
            r"^runs\['a'\] has no 'val_accuracy': expected one of loss$",
        ),
        (
            lambda: plot.compare_runs({"a": [{"loss": [1.0]}, {"loss": [1.0, 2.0]}]}, "loss"),
            ValueError,
            r"^runs\['a'\] has runs of \[1, 2\] epochs: expected as many in each",
        ),
        (lambda: plot.compare_runs(RUNS, 3), TypeError, "^metric = 3: expected a string"),
        (
            lambda: plot.learning_curves({"a": ts.History()}),
            TypeError,
            "several runs: expected one; plot.compare_runs",
        ),
    ],
)
def test_errors_name_the_run(call, error, words):
    with pytest.raises(error, match=words):
        call()
