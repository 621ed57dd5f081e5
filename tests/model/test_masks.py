"""Models from masks and dense arrays: connections as given, weights as the constructor draws."""

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from hypothesis import given
from hypothesis import strategies as st

from_scipy = ts.SparseMLP.from_scipy
RNG = np.random.default_rng(11)
DENSE = [RNG.normal(size=shape) * (RNG.random(shape) < 0.4) for shape in ((7, 5), (5, 3))]


def as_mask(weight, kind):
    mask = (weight != 0) if sp.issparse(weight) else sp.csc_array(weight) != 0
    return mask.toarray() if kind == "dense" else getattr(sp, f"{kind}_array")(mask)


def same_weights(one, other):
    pairs = zip(one.layers, other.layers, strict=True)
    return all(
        (a.weight.data.tobytes(), a.weight.indices.tobytes(), a.weight.indptr.tobytes())
        == (b.weight.data.tobytes(), b.weight.indices.tobytes(), b.weight.indptr.tobytes())
        for a, b in pairs
    )


@given(
    st.sampled_from(["csr", "csc", "coo", "lil", "dok", "dia", "bsr", "dense"]),
    st.sampled_from(["he_uniform", "xavier", "lecun_uniform", "normal"]),
    st.sampled_from(["layer", "real"]),
    st.integers(0, 2**64 - 1),
    st.integers(1, 3),
)
def test_a_mask_is_drawn_as_the_constructor_draws(kind, init, fan, seed, threads):
    about = {"init": init, "fan": fan, "seed": seed}
    drawn = ts.SparseMLP([9, 14, 6, 2], density=0.3, **about)
    masks = [as_mask(layer.weight, kind) for layer in drawn.layers]
    assert same_weights(from_scipy(masks, threads=threads, **about), drawn)


def test_only_true_is_a_connection():
    stored = sp.csr_array(([True, False, True], [0, 1, 2], [0, 2, 3]), shape=(2, 3))
    before = stored.data.copy()
    model = from_scipy([stored, np.array([[True, False]] * 3)], seed=4)
    assert (model.layers[0].weight.toarray() != 0).tolist() == [[1, 0, 0], [0, 0, 1]]
    assert model.nnz == 5
    assert (stored.data == before).all()
    assert not same_weights(model, from_scipy([stored, np.array([[True, False]] * 3)], seed=5))


def test_a_layer_may_have_weights_beside_a_mask():
    model = from_scipy([DENSE[0], DENSE[1] != 0], [RNG.normal(size=5), np.ones(3)], seed=1)
    np.testing.assert_array_equal(model.layers[0].weight.toarray(), DENSE[0].astype(np.float32))
    assert len(np.unique(model.layers[1].weight.data)) == model.layers[1].nnz > 1
    assert (model.layers[1].bias == 1).all()
    model.fit(RNG.normal(size=(20, 7)), np.arange(20) % 3, epochs=2, progress=False)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ">f8", np.int16, object])
def test_dense_arrays_are_taken(dtype):
    dense = [(8 * weight).astype(dtype) for weight in DENSE]
    given = [dense[0].tolist(), np.asfortranarray(dense[1])]
    for layer, weight in zip(from_scipy(given).layers, dense, strict=True):
        assert layer.nnz == np.count_nonzero(weight)
        np.testing.assert_array_equal(layer.weight.toarray(), weight.astype(np.float32))


def test_small_numbers_are_connections():
    assert from_scipy([np.full((3, 2), 1e-300)]).nnz == 6


def test_integers_that_are_all_one_are_no_weights():
    mask = (DENSE[0] != 0).astype(np.int8)
    for matrix in (mask, sp.coo_array(mask), sp.lil_array(mask), sp.dok_array(mask)):
        with pytest.raises(ValueError, match=r"weights\[0\] has integers that are all 1.*booleans"):
            from_scipy([matrix, DENSE[1]])
    assert from_scipy([mask.astype(float), DENSE[1]]).nnz


def test_swapped_shapes_are_named():
    swapped = [weight.T for weight in DENSE]
    for matrix in (swapped, [sp.csr_array(weight) for weight in swapped]):
        with pytest.raises(ValueError, match=r"\(5, 7\), \(3, 5\).*\(n_out, n_in\).*transpose"):
            from_scipy(matrix)
    with pytest.raises(ValueError, match=r"biases\[0\].*expected \(7,\).*weights\[0\].*transpose"):
        from_scipy(swapped[:1], [np.zeros(5)])
    with pytest.raises(ValueError, match=r"weights\[1\] has shape \(6, 2\): expected 5 rows"):
        from_scipy([DENSE[0], np.ones((6, 2))])


def test_missing_weights_are_named():
    weight = DENSE[0].copy()
    weight[2, 1] = np.nan
    with pytest.raises(ValueError, match=r"weights\[0\].*nan: expected finite"):
        from_scipy([weight, DENSE[1]])


def test_the_mask_of_a_layer_has_connections_of_weight_0():
    model = ts.SparseMLP([9, 14, 6, 2], density=0.3, seed=0)
    model.evolve(ts.SET(zeta=0.5, grow_init=0))
    layer = model.layers[0]
    assert layer.mask.dtype == bool
    assert layer.mask.data.all()
    assert layer.mask.shape == (9, 14)
    assert layer.mask.nnz == layer.nnz > (layer.weight != 0).nnz
    places = layer.weight.tocoo()
    assert set(zip(*layer.mask.nonzero(), strict=True)) == set(zip(*places.coords, strict=True))
    assert not layer.mask.data.flags.writeable
    again = from_scipy([layer.mask for layer in model.layers])
    assert [layer.nnz for layer in again.layers] == [layer.nnz for layer in model.layers]
