"""Importance of features by what they contribute to the outputs for samples."""

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from trulysparse import Blocks, datasets

RNG = np.random.default_rng(0)
KINDS = ["path", "strength", "contribution"]


def trained(x, y, loss="cross_entropy", outputs=3, hidden=(12, 9), **how):
    model = ts.SparseMLP(
        [x.shape[1], *hidden, outputs], epsilon=6, loss=loss, dropout=0.1, seed=3, **how
    )
    model.fit(x, y, epochs=3, batch_size=16, progress=False)
    return model


def contributions(model, x):
    """The mean of |gradient of the log-odds * input|, in float64, for ReLU."""
    (*weights,), biases = model.to_scipy()
    z = np.asarray(x, np.float64)
    if model.standardize:
        z = (z - model.mean) * model.scale
    if model.clip is not None:
        z = z / np.sqrt(1 + (z / model.clip) ** 2)
    h, active = z, []
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        h = h @ weight.toarray().astype(np.float64) + bias
        active.append(h > 0)
        h = np.maximum(h, 0)
    logits = h @ weights[-1].toarray().astype(np.float64) + biases[-1]
    total = np.zeros(z.shape[1])
    for k in range(logits.shape[1]):
        of_logits = np.zeros_like(logits)
        of_logits[:, k] = 1
        if model.loss == "cross_entropy":
            # log(p / (1 - p)) by the logits: 1 for its own, minus the others' shares without it
            p = np.exp(logits - logits.max(axis=1, keepdims=True))
            p[:, k] = 0
            of_logits -= p / p.sum(axis=1, keepdims=True)
        g = of_logits
        for weight, on in zip(weights[:0:-1], active[::-1], strict=True):
            g = (g @ weight.toarray().astype(np.float64).T) * on
        total += np.abs(g @ weights[0].toarray().astype(np.float64).T * z).mean(axis=0)
    return total / logits.shape[1]


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy", "squared_error"])
@pytest.mark.parametrize("hidden", [(), (12,), (12, 9)])
def test_scores_are_those_of_an_oracle(loss, hidden):
    x = RNG.normal(size=(50, 20)).astype(np.float32)
    y = RNG.integers(0, 3, 50) if loss == "cross_entropy" else RNG.integers(0, 2, (50, 3))
    model = trained(
        x, y, loss, hidden=hidden, activation="relu", standardize=True, clip=2.0,
        standardize_targets=loss == "squared_error",
    )  # fmt: skip
    found = model.feature_importance("contribution", x)
    np.testing.assert_allclose(found, contributions(model, x), rtol=2e-4, atol=1e-7)
    assert found.dtype == np.float64


def test_sparse_samples_and_blocks_have_the_scores_of_arrays():
    x = RNG.normal(size=(40, 15)).astype(np.float32)
    x[RNG.random(x.shape) < 0.7] = 0
    model = trained(x, RNG.integers(0, 3, 40))
    dense = model.feature_importance("contribution", x)
    for other in (sp.csr_array(x), Blocks(x[:, :6], sp.csr_array(x[:, 6:]))):
        found = model.feature_importance("contribution", other)
        np.testing.assert_allclose(found, dense, rtol=1e-4, atol=1e-8)


def test_what_hardly_varies_is_not_important():
    """A pixel of a corner that differs in one of 300 samples is never near the top."""
    x = RNG.normal(size=(600, 30)).astype(np.float32)
    y = (x[:, 4] > 0).astype(int)
    x[:, 7] = 0
    x[[5, 300], 7] = 255
    model = trained(x, y, outputs=2, standardize=True)
    found = model.feature_importance("contribution", x)
    assert found.argmax() == 4
    assert (np.delete(found, 7) > found[7]).mean() > 0.8


def test_a_constant_feature_has_no_importance():
    x = RNG.normal(size=(60, 8)).astype(np.float32)
    x[:, 2] = 3
    model = trained(x, RNG.integers(0, 3, 60), standardize=True)
    assert model.feature_importance("contribution", x + 1)[2] == 0


def test_samples_and_threads_do_not_change_the_model():
    x = RNG.normal(size=(300, 10)).astype(np.float32)
    model = trained(x, RNG.integers(0, 3, 300))
    before = model.predict(x)
    found = [model.feature_importance("contribution", x) for model.threads in (1, 2)]
    assert np.array_equal(*found)
    assert np.array_equal(model.predict(x), before)
    one = model.feature_importance("contribution", x[:1])
    assert one.shape == (10,)


def test_samples_go_with_contributions_only():
    x = RNG.normal(size=(20, 5)).astype(np.float32)
    model = trained(x, RNG.integers(0, 3, 20))
    for kind in ("path", "strength"):
        with pytest.raises(ValueError, match=f"kind = '{kind}' with x"):
            model.feature_importance(kind, x)
    with pytest.raises(ValueError, match="kind = 'contribution' without x"):
        model.feature_importance("contribution")
    with pytest.raises(ValueError, match="kind"):
        model.feature_importance("gradient", x)
    with pytest.raises(ValueError, match="x"):
        model.feature_importance("contribution", x[:, :4])


@pytest.mark.skipif(
    not datasets.FASHION_MNIST_FOLDER.is_dir(),
    reason="needs Fashion-MNIST: apt-get install dataset-fashion-mnist",
)
def test_the_middle_of_images_stands_out():
    data = datasets.resolve("fashion-mnist")
    x, y = data.x_train[:2000], data.y_train[:2000]
    model = ts.SparseMLP([784, 200, 200, 10], epsilon=20, **ts.RECIPE.model, seed=0)
    model.fit(x, y, **(ts.RECIPE.fit | {"epochs": 3}), progress=False)
    found = model.feature_importance("contribution", x).reshape(28, 28)
    is_middle = np.zeros((28, 28), bool)
    is_middle[4:24, 4:24] = True
    assert found[is_middle].mean() > 1.3 * found[~is_middle].mean()
    corners = found[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners < np.median(found)).all()
