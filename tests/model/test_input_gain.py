"""`input_gain`: the factor of the first layer's initial weights."""

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from hypothesis import given
from hypothesis import strategies as st


@given(st.floats(1e-6, 1e6), st.sampled_from([(), (5,), (5, 4)]))
def test_the_first_layer_is_scaled_and_no_other(gain, hidden):
    sizes = [7, *hidden, 3]
    one, other = (ts.SparseMLP(sizes, input_gain=g, seed=3) for g in (1, gain))
    for number, (a, b) in enumerate(zip(one.layers, other.layers, strict=True)):
        factor = gain if number == 0 else 1.0
        expected = (a.weight.data.astype(np.float64) * factor).astype(np.float32)
        np.testing.assert_array_equal(b.weight.data, expected)
        np.testing.assert_array_equal(b.weight.indices, a.weight.indices)
    assert other.input_gain == gain


def test_weights_of_a_mask_too_but_not_those_that_are_given():
    mask = sp.csr_array(np.eye(4, dtype=bool))
    one, other = (
        ts.SparseMLP.from_scipy([mask, mask], input_gain=g, seed=0).layers for g in (1, 0.5)
    )
    np.testing.assert_array_equal(other[0].weight.data, 0.5 * one[0].weight.data)
    np.testing.assert_array_equal(other[1].weight.data, one[1].weight.data)
    given_weights = ts.SparseMLP.from_scipy([sp.csr_array(np.eye(4))], input_gain=0.5)
    np.testing.assert_array_equal(given_weights.layers[0].weight.data, np.ones(4))


def test_files_keep_it(tmp_path):
    path = tmp_path / "m.safetensors"
    ts.SparseMLP([4, 3], input_gain=0.25, seed=0).save(path)
    assert ts.load(path).input_gain == 0.25
    ts.SparseMLP([4, 3], seed=0).save(path)
    assert ts.load(path).input_gain == 1
    assert b"input_gain" not in path.read_bytes()


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), 1e7, "x", None, True])
def test_what_is_no_factor(value):
    with pytest.raises((ValueError, TypeError), match="input_gain"):
        ts.SparseMLP([4, 3], input_gain=value)
