"""Models that standardise and have no statistics yet, and statistics that cannot be written to."""

import warnings

import numpy as np
import pytest
import trulysparse as ts

X = np.random.default_rng(3).normal(50.0, 9.0, size=(30, 4))
Y = X[:, :1] * 3 + 20
MATCH = "has standardize.*=True, but no statistics"


def drawn(**options):
    return ts.SparseMLP([4, 8, 1], loss="squared_error", seed=0, threads=1, **options)


def of_matrices(**options):
    return ts.SparseMLP.from_scipy(drawn().to_scipy()[0], loss="squared_error", **options)


CALLS = {
    "predict": lambda model: model.predict(X),
    "evaluate": lambda model: model.evaluate(X, Y),
    "test_on_batch": lambda model: model.test_on_batch(X, Y),
    "gradient_norms": lambda model: model.gradient_norms(X, Y),
    "pruning_curve": lambda model: model.pruning_curve(X, Y, [50]),
}


@pytest.mark.parametrize("make", [drawn, of_matrices])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", ["standardize", "standardize_targets"])
def test_a_model_without_statistics_says_so(make, call, name, tmp_path):
    model = make(**{name: True})
    model.save(tmp_path / "new.safetensors")
    for new in (model, ts.load(tmp_path / "new.safetensors")):
        with pytest.warns(RuntimeWarning, match=MATCH) as said:
            CALLS[call](new)
        assert {w.filename for w in said} == {__file__}
    model.fit(X, Y, epochs=1, progress=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", MATCH)
        CALLS[call](model)
        CALLS[call](make())


def test_callbacks_of_the_first_fit_do_not_say_it():
    with warnings.catch_warnings():
        warnings.filterwarnings("error", MATCH)
        drawn(standardize=True).fit(
            X,
            Y,
            epochs=1,
            validation_data=(X, Y),
            callbacks=[ts.GradientNorms(X, Y)],
            progress=False,
        )


def test_copies_of_statistics_cannot_be_written_to():
    model = drawn(standardize=True)
    model.fit(X, Y, epochs=1, progress=False)
    regressor = ts.SparseMLPRegressor((8,), max_iter=2, random_state=0).fit(X, Y[:, 0])
    layer = model.layers[0]
    for copy in (
        model.mean,
        model.scale,
        layer.bias,
        layer.bias_momentum,
        layer.weight.data,
        layer.momentum.data,
        layer.pruned,
        regressor.y_mean_,
        regressor.y_scale_,
        regressor.coefs_[0].data,
        regressor.intercepts_[0],
    ):
        with pytest.raises(ValueError, match="read-only"):
            copy[:] = 1
