"""What the tests of bad input share."""

import math

import numpy as np
import pytest
import trulysparse as ts

SIZES = [4, 6, 3]
X = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)
Y = np.arange(10) % 3
NAN, INF = math.nan, math.inf


def make_model(**options):
    options = {"density": 0.7, "seed": 1, "standardize": True} | options
    return ts.SparseMLP(SIZES, **options)


def with_value(array, value, dtype=np.float32):
    array = np.array(array, dtype=dtype)
    array[np.unravel_index(array.size - 1, array.shape)] = value  # .flat would unpack an array
    return array


def check_raises(argument, kind, call):
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    assert type(caught.value) in kind, repr(caught.value)
    assert argument in str(caught.value), str(caught.value)


VALUE, TYPE, EITHER = (ValueError,), (TypeError,), (ValueError, TypeError)
