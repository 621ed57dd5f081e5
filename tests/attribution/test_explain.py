"""Contributions of columns and sums of gradients, beside a float64 oracle."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers import oracle
from hypothesis import given
from hypothesis import strategies as st
from trulysparse import _core
from trulysparse.attribution import contributions
from trulysparse.data.samples import inputs_of

RNG = np.random.default_rng(7)
ACTIVATIONS = (*oracle.ACTIVATIONS, "srelu")
OF = contributions.OF


def network(sizes, activation="relu", loss="cross_entropy", *, seed=0, scaled=None, **options):
    """An untrained network with biases, and with `scaled`, means and scales, if there are some."""
    made = oracle.random_oracle(sizes, activation, loss, density=0.7, seed=seed)
    weights = [sp.csc_array(layer.weight / np.sqrt(len(layer.weight))) for layer in made.layers]
    biases = [layer.bias for layer in made.layers]
    options |= {"standardize": scaled is not None}
    model = ts.SparseMLP.from_scipy(
        weights, biases, activation=activation, loss=loss, seed=1, threads=1, **options
    )
    if scaled is not None:
        model._core.set_statistics(_core.Statistics(*scaled, 0.0), None)
    return model


class Clipped(oracle.Oracle):
    """The oracle, with what clips standardised inputs."""

    clip = None

    def standardise(self, x):
        z = super().standardise(x)
        return z if self.clip is None else z / np.sqrt(1 + (z / self.clip) ** 2)


def judge(model, of="logits"):
    """A function of inputs, (n, features), in float64."""
    made = oracle.from_model(model)
    made.__class__ = Clipped
    made.clip = model.clip

    def outputs(x):
        z = made.logits(x)
        if of == "logits" or model.loss in ("squared_error", "huber"):
            return z
        p = oracle.output(model.loss, z)
        if of == "outputs":
            return p
        if model.loss != "cross_entropy":
            return z
        most = z.max(axis=1, keepdims=True)
        e = np.exp(z - most)
        others = np.stack([np.delete(e, k, axis=1).sum(axis=1) for k in range(z.shape[1])], axis=1)
        return z - most - np.log(others)

    return outputs


def slopes(f, x, step=1e-6):
    """Gradients of f by central differences, (n, features, outputs)."""
    moves = step * np.eye(x.shape[1])
    return np.stack([(f(x + move) - f(x - move)) / (2 * step) for move in moves], axis=1)


def integrated(f, x, start, points=4000):
    """Integrated gradients of one sample, (features, outputs)."""
    alphas = (np.arange(points) + 0.5)[:, None] / points
    gradients = slopes(f, start + alphas * (x - start))
    return gradients.mean(axis=0) * (x - start)[:, None]


def close(found, expected, scale=None, tolerance=2e-3):
    scale = np.abs(expected).max() if scale is None else scale
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * max(scale, 1e-3))


sizes = st.tuples(
    st.integers(1, 6), st.lists(st.integers(1, 9), max_size=3), st.integers(2, 4)
).map(lambda s: [s[0], *s[1], s[2]])


def sums_of(model, x, of="logits", outputs=None, batch_size=5):
    core = model._core
    outputs = range(model.layer_sizes[-1]) if outputs is None else outputs
    data = _core.Data(core, inputs_of(core, "x", x))
    return core.gradient_sums(data, list(outputs), of, batch_size)


@given(
    sizes=sizes,
    activation=st.sampled_from(ACTIVATIONS),
    loss=st.sampled_from(oracle.LOSSES),
    of=st.sampled_from(OF),
    samples=st.integers(1, 9),
    seed=st.integers(0, 99),
)
def test_sums_of_gradients(sizes, activation, loss, of, samples, seed):
    model = network(sizes, activation, loss, seed=seed)
    x = np.random.default_rng(seed).normal(size=(samples, sizes[0])).astype(np.float32)
    g = slopes(judge(model, of), x.astype(float)).transpose(0, 2, 1)
    found = sums_of(model, x, of)
    assert found.samples == samples
    product = g * x[:, None]
    for name, expected in (
        ("gradient", g),
        ("gradient_size", abs(g)),
        ("product", product),
        ("product_size", abs(product)),
    ):
        close(getattr(found, name), expected.sum(axis=0), abs(expected).sum() + 1)


@pytest.mark.parametrize("of", OF)
@pytest.mark.parametrize("kind", ["dense", "wide", "sparse", "blocks"])
def test_sums_have_the_bits_of_any_batch_and_threads(kind, of):
    features = 300
    x = RNG.normal(size=(40, features)) * (RNG.random((40, features)) < 0.4)
    given = {
        "dense": x.astype(np.float32),
        "wide": x,
        "sparse": sp.csr_array(x),
        "blocks": ts.Blocks(x[:, :100], sp.csr_array(x[:, 100:])),
    }[kind]
    scaled = (np.full(features, 0.1), np.full(features, 1.5))
    model = network([features, 200, 60, 3], scaled=scaled)
    found = [sums_of(model, given, of, [0, 2], batch) for batch in (1, 7, 40)]
    model.threads = 3
    found += [sums_of(model, given, of, [0, 2], batch) for batch in (7, 40)]
    for name in ("gradient", "gradient_size", "product", "product_size"):
        first, *others = [getattr(sums, name) for sums in found]
        assert first.shape == (2, features)
        assert all(np.array_equal(first, other) for other in others)


def test_outputs_of_sums_are_checked():
    model = network([3, 4, 2])
    for outputs in ([], [2], [1, 0], [0, 0]):
        with pytest.raises(ValueError, match=r"outputs = \["):
            sums_of(model, np.ones((1, 3)), outputs=outputs)
    with pytest.raises(ValueError, match=r"of = probabilities"):
        sums_of(model, np.ones((1, 3)), "probabilities")
    with pytest.raises(ValueError, match="batch_size = 0"):
        sums_of(model, np.ones((1, 3)), batch_size=0)


@given(
    sizes=sizes,
    activation=st.sampled_from(ACTIVATIONS),
    loss=st.sampled_from(oracle.LOSSES),
    of=st.sampled_from(OF),
    clip=st.sampled_from([None, 0.5, 3.0]),
    is_sparse=st.booleans(),
    seed=st.integers(0, 99),
)
def test_contributions_are_integrated_gradients(sizes, activation, loss, of, clip, is_sparse, seed):
    rng = np.random.default_rng(seed)
    scaled = None
    if clip is not None or seed % 2:
        scaled = (
            rng.normal(size=sizes[0]),
            rng.uniform(0, 2, sizes[0]) * (rng.random(sizes[0]) < 0.9),
        )
    model = network(sizes, activation, loss, seed=seed, scaled=scaled, clip=clip)
    x = rng.normal(size=(3, sizes[0])) * 2 * (rng.random((3, sizes[0])) < 0.7)
    start = np.zeros(sizes[0]) if scaled is None or is_sparse else scaled[0]
    found = model.explain(sp.csr_array(x) if is_sparse else x, of=of)
    f = judge(model, of)
    np.testing.assert_allclose(found.outputs, f(x), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.base_values[0], f(start[None])[0], rtol=1e-4, atol=1e-5)
    values = found.values
    if is_sparse:
        assert all((part.toarray()[x == 0] == 0).all() for part in values)
        values = np.stack([part.toarray() for part in values], axis=2)
    assert values.shape == found.shape == (3, sizes[0], sizes[-1])
    for row, value in zip(x, values, strict=True):
        expected = integrated(f, row, start)
        close(value, expected, abs(expected).sum(axis=0).max(), 1e-2)
    missed(found, values)


def missed(found, values):
    """Contributions sum to the difference, up to 1 % of it or rounding."""
    gap = np.abs(values.sum(axis=1) - (found.outputs - found.base_values))
    allowed = 0.01 * np.abs(found.outputs - found.base_values)
    assert (gap <= allowed + 1e-5).all()


def test_outliers_that_are_clipped_sum_up():
    """In a part of the path so small that even points would miss it."""
    features = 12
    scaled = (np.zeros(features), np.ones(features))
    model = network([features, 30, 20, 3], "tanh", scaled=scaled, clip=3.0)
    x = RNG.normal(size=(20, features))
    x[::2, 0], x[1::2, 3] = 1e6, -400
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = model.explain(x)
        missed(found, found.values)
        assert (np.abs(found.values[::2, 0]) > 1e-3).any()
        backwards = model.explain(np.zeros((1, features)), baseline=x[0])
        missed(backwards, backwards.values)


@pytest.mark.parametrize("activation", ["relu", "gelu", "srelu"])
def test_a_row_has_the_bits_of_any_batch_and_threads(activation):
    features = 200
    scaled = (np.full(features, 0.1), np.full(features, 1.5))
    model = network([features, 150, 60, 3], activation, scaled=scaled, clip=2.0)
    x = RNG.normal(size=(30, features))
    whole = model.explain(x).values
    model.threads = 3
    assert np.array_equal(model.explain(x).values, whole)
    assert np.array_equal(model.explain(x[7:9]).values, whole[7:9])


def test_chunks_change_no_bit(monkeypatch):
    model = network([20, 15, 3])
    x = RNG.normal(size=(23, 20))
    for samples in (x, sp.csr_array(x), ts.Blocks(x[:, :5], sp.csr_array(x[:, 5:]))):
        whole = model.explain(samples).values
        with monkeypatch.context() as patch:
            patch.setattr(contributions, "_CHUNK", 20 * 3 * 8 * 4)
            again = model.explain(samples).values
        if isinstance(whole, tuple):
            whole, again = (np.stack([p.toarray() for p in v]) for v in (whole, again))
        assert np.array_equal(whole, again)


def test_nothing_of_the_model_changes(state_of):
    model = network([6, 9, 3], "srelu", scaled=(np.zeros(6), np.ones(6)), dropout=0.4)
    x = RNG.normal(size=(5, 6))
    before, outputs = state_of(model), model.predict(x)
    first = model.explain(x)
    assert np.array_equal(first.values, model.explain(x).values)
    assert np.array_equal(model.predict(x), outputs)
    assert state_of(model) == before


def test_outputs_are_those_of_predict():
    for loss in oracle.LOSSES:
        model = network([6, 9, 3], loss=loss)
        x = RNG.normal(size=(5, 6)).astype(np.float32)
        found = model.explain(x, of="outputs")
        np.testing.assert_allclose(found.outputs, model.predict(x), rtol=1e-6)


def test_targets_are_in_their_units():
    x = RNG.normal(size=(80, 5))
    y = 1000 + 50 * x[:, :2]
    model = ts.SparseMLP(
        [5, 16, 2], density=0.9, loss="squared_error", standardize=True, standardize_targets=True,
        dropout=0.0, seed=0, threads=1,
    )  # fmt: skip
    model.fit(x, y, epochs=100, batch_size=16, optimizer=ts.SGD(0.02), progress=False)
    found = model.explain(x)
    np.testing.assert_allclose(found.outputs, model.predict(x), rtol=1e-6)
    missed(found, found.values)
    assert abs(found.base_values[0] - 1000).max() < 30
    assert np.abs(found.values[:, 0, 0]).mean() > 2 * np.abs(found.values[:, 4, 0]).mean()


def test_some_outputs():
    model = network([6, 9, 4])
    x = RNG.normal(size=(5, 6))
    whole = model.explain(x)
    some, one = model.explain(x, outputs=[1, 3]), model.explain(x, outputs=2)
    # A path has the points that all outputs need that are asked for.
    close(some.values, whole.values[:, :, [1, 3]], tolerance=1e-2)
    assert some.output_names == ["1", "3"]
    close(one.values, whole.values[:, :, 2], tolerance=1e-2)
    assert one.outputs.shape == (5,)
    assert network([6, 9, 1], loss="squared_error").explain(x).shape == (5, 6)


def test_baselines():
    scaled = (np.arange(6.0), np.ones(6))
    model = network([6, 9, 3], scaled=scaled)
    x = RNG.normal(size=(5, 6))
    mean = model.explain(x)
    assert np.array_equal(model.explain(x, baseline=scaled[0]).values, mean.values)
    assert np.array_equal(model.explain(x, baseline=[scaled[0]]).values, mean.values)
    rows = np.stack([scaled[0] - 1, scaled[0] + 1])
    for means in (rows, sp.csr_array(rows), ts.Blocks(rows[:, :2], sp.csr_array(rows[:, 2:]))):
        assert np.array_equal(model.explain(x, baseline=means).values, mean.values)
    zero = model.explain(x, baseline="zero")
    assert np.array_equal(zero.values, model.explain(x, baseline=np.zeros(6)).values)
    own = model.explain(x[:1], baseline=x[:1])
    assert not own.values.any()
    blocks = model.explain(ts.Blocks(x[:, :2], sp.csr_array(x[:, 2:])))
    np.testing.assert_allclose(
        blocks.base_values, model.explain(x, baseline=[0.0, 1, 0, 0, 0, 0]).base_values
    )


def test_names_of_columns_and_classes():
    import pandas as pd

    x = pd.DataFrame(RNG.normal(size=(40, 4)), columns=list("dabc"))
    model = ts.SparseMLP([4, 8, 2], density=0.9, seed=0, threads=1)
    model.fit(x, RNG.integers(0, 2, 40), epochs=1, progress=False)
    model.metadata["class_names"] = '["no", "yes"]'
    found = model.explain(x[list("abcd")])
    assert found.columns == found.feature_names == list("dabc")
    assert found.output_names == ["no", "yes"]
    assert repr(found) == "Explanation(40 samples, 4 columns, logits of no, yes)"
    ranked = found.ranked(3, 1)
    assert ranked[0] == (
        found.columns[i := abs(found.values[3, :, 1]).argmax()],
        found.values[3, i, 1],
    )
    assert len(network([4, 8, 2]).explain(x.to_numpy()).ranked()) <= 4
    pruned = ts.SparseMLP.from_scipy([sp.csc_array([[1.0], [0], [1]]), sp.csc_array([[1.0, 2]])])
    pruned.compact(inputs=True)
    assert pruned.explain(np.ones((1, 2))).columns == ["x0", "x2"]


def test_errors():
    model = network([4, 8, 2], scaled=(np.zeros(4), np.ones(4)))
    x = np.ones((3, 4))
    for arguments, error, match in (
        ({"x": np.ones((3, 5))}, ValueError, r"x has shape \(3, 5\)"),
        ({"x": np.full((3, 4), np.nan)}, ValueError, "x = NaN in row 0, column 0"),
        ({"x": x, "baseline": "median"}, ValueError, "baseline = 'median'"),
        ({"x": x, "baseline": np.ones(5)}, ValueError, r"baseline has shape \(1, 5\)"),
        ({"x": x, "baseline": [np.inf, 0, 0, 0]}, ValueError, "baseline = inf in row 0, column 0"),
        ({"x": x, "of": "probability"}, ValueError, "of = 'probability'"),
        ({"x": x, "outputs": 2}, ValueError, "outputs = 2"),
        ({"x": x, "outputs": [1, 0]}, ValueError, "ascending"),
        ({"x": x, "outputs": []}, ValueError, "ascending"),
        ({"x": x, "outputs": "all"}, TypeError, "outputs = 'all': expected None"),
    ):
        with pytest.raises(error, match=match):
            model.explain(**arguments)


def test_memory_is_refused_before_it_is_taken(monkeypatch):
    model = network([50, 8, 2])
    monkeypatch.setattr(_core, "available_memory", lambda: 10_000)
    assert model.explain(np.ones((2, 50))).shape == (2, 50, 2)
    with pytest.raises(MemoryError, match="expected fewer samples"):
        model.explain(np.ones((200, 50)))


def test_what_is_not_finite_is_said():
    weights = [sp.csc_array(np.full((3, 4), 1e30)), sp.csc_array(np.full((4, 2), 1e30))]
    model = ts.SparseMLP.from_scipy(weights, threads=1)
    with pytest.warns(RuntimeWarning, match="no finite numbers for 2 of 2 rows"):
        model.explain(np.ones((2, 3)))
    fresh = ts.SparseMLP([3, 4, 2], standardize=True, seed=0)
    with pytest.warns(RuntimeWarning, match="explain takes inputs as they are"):
        fresh.explain(np.ones((2, 3)))


def test_a_path_that_is_too_coarse_is_said(monkeypatch):
    monkeypatch.setattr(contributions, "MOST_POINTS", 1)
    model = network([6, 30, 3], "tanh")
    with pytest.warns(RuntimeWarning, match=r"miss the difference of outputs by more than 1 %"):
        model.explain(4 * RNG.normal(size=(20, 6)))
