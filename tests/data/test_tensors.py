"""Tensors of other libraries as samples, targets and weights: read in place, or refused clearly."""

import re

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers.small_model import SIZES, X, Y
from trulysparse.data.tensors import as_numpy

WEIGHT = np.linspace(0.5, 1.5, len(X)).astype(np.float32)
QUICK = {"hidden_layer_sizes": (8,), "max_iter": 2, "random_state": 0}


class OnlyDLPack:
    """What any library's array is by the standard."""

    def __init__(self, array):
        self._array = array

    def __dlpack__(self, **how):
        return self._array.__dlpack__(**how)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


class Elsewhere(OnlyDLPack):
    """An array in the memory of a GPU."""

    def __dlpack__(self, **how):
        raise BufferError("not on this device")

    def __dlpack_device__(self):
        return 2, 1


class Implicit(Elsewhere):
    """One that refuses to be copied from there unasked, as CuPy's do."""

    def __array__(self, *_, **__):
        raise TypeError("Implicit conversion is not allowed")


class OnlyInterface:
    def __init__(self, array):
        self.__array_interface__ = array.__array_interface__
        self._array = array


def made():
    return ts.SparseMLP(SIZES, epsilon=4, seed=0, threads=1)


def bits(of):
    """What calls give for samples, targets and weights that `of` makes of arrays."""
    x, y, weight = of(X), of(Y), of(WEIGHT)
    model = made()
    held_out = {"validation_data": (x, y)}
    history = model.fit(x, y, epochs=2, sample_weight=weight, progress=False, **held_out)
    found = [history.history["loss"], history.history["val_loss"], model.predict(x)]
    found += [model.train_on_batch(x, y, sample_weight=weight), model.test_on_batch(x, y)]
    found += [model.evaluate(x, y), model.gradient_norms(x, y), model.explain(x).values]
    batches = iter([(x, y, weight)] * 2)
    found += [model.fit(batches, epochs=1, steps_per_epoch=2, progress=False).history["loss"]]
    classifier = ts.SparseMLPClassifier(**QUICK).fit(x, y, weight, X_val=x, y_val=y)
    found += [classifier.predict_proba(x), classifier.predict_proba(of(X[:1]))]
    found += [classifier.score(x, y, weight), classifier.validation_scores_]
    found += [classifier.partial_fit(x, y, sample_weight=weight).predict(x)]
    regressor = ts.SparseMLPRegressor(**QUICK).fit(x, of(X[:, :2]))
    found += [regressor.predict(x)]
    selector = ts.SparseFeatureSelector(epochs=1, random_state=0).fit(x, y, weight)
    return [*found, selector.transform(x)]


def same(found, expected):
    for one, other in zip(found, expected, strict=True):
        if isinstance(one, dict):
            assert one == other
        else:
            np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


@pytest.fixture(scope="module")
def expected():
    return bits(lambda array: array)


@pytest.mark.filterwarnings("ignore::trulysparse.ExplosionWarning")
@pytest.mark.parametrize("of", [OnlyDLPack, OnlyInterface])
def test_what_is_no_array_gives_the_bits_of_one(of, expected):
    same(bits(of), expected)


def test_nothing_is_copied():
    assert np.shares_memory(as_numpy("x", OnlyDLPack(X)), X)
    assert as_numpy("x", X) is X
    assert as_numpy("x", frame := [[1, 2]]) is frame


CALLS = {
    "x": lambda tensor: made().fit(tensor, Y, progress=False),
    "y": lambda tensor: made().fit(X, tensor, progress=False),
    "sample_weight": lambda tensor: made().fit(X, Y, sample_weight=tensor, progress=False),
    "validation_data[1] (y)": lambda tensor: made().fit(
        X, Y, validation_data=(X, tensor), progress=False
    ),
    "X": lambda tensor: ts.SparseMLPClassifier().fit(tensor, Y),
    "y_val": lambda tensor: ts.SparseMLPClassifier().fit(X, Y, X_val=X, y_val=tensor),
}


@pytest.mark.parametrize("kind", [Elsewhere, Implicit])
@pytest.mark.parametrize("name", CALLS)
def test_other_devices_are_named(name, kind):
    words = f"{name} is a {kind.__name__} on the device CUDA:1: expected one in the CPU's memory"
    with pytest.raises(TypeError, match="^" + re.escape(words)):
        CALLS[name](kind(X))


def test_what_cannot_be_read_says_why():
    class Broken(OnlyDLPack):
        def __dlpack__(self, **how):
            raise BufferError("strides")

    with pytest.raises(TypeError, match=r"^x is a Broken that NumPy cannot read \(strides\)"):
        made().predict(Broken(X))
    with pytest.raises(TypeError, match=r"^x has dtype complex64: expected real numbers"):
        made().predict(OnlyDLPack(X.astype(np.complex64)))


@pytest.mark.filterwarnings("ignore::trulysparse.ExplosionWarning")
@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support")
def test_tensors_of_pytorch(expected):
    torch = pytest.importorskip("torch", reason="pip install torch")
    same(bits(torch.from_numpy), expected)

    def learnt(array):
        found = torch.from_numpy(array)
        return torch.nn.Parameter(found) if found.is_floating_point() else found

    same(bits(learnt), expected)
    assert np.shares_memory(as_numpy("x", torch.nn.Parameter(torch.from_numpy(X))), X)
    model = made()
    for dtype in (torch.bfloat16, torch.float16):
        narrow = torch.from_numpy(X).to(dtype)
        np.testing.assert_array_equal(model.predict(narrow), model.predict(narrow.float().numpy()))
    dense = torch.from_numpy(np.where(X > 0.5, X, 0))
    by_scipy = model.predict(sp.csr_array(dense.numpy()))
    for sparse in (dense.to_sparse_csr(), dense.to_sparse_csc(), dense.to_sparse()):
        np.testing.assert_array_equal(model.predict(sparse), by_scipy)
    with pytest.raises(TypeError, match=r"^x is a tensor on the device meta: expected one in the"):
        model.predict(dense.to("meta"))
    with pytest.raises(TypeError, match=r"^x is a tensor of the layout sparse_bsr: expected spars"):
        model.predict(dense.to_sparse_bsr((1, 1)))
    with pytest.raises(TypeError, match=r"^x is a sparse tensor of shape \(50, 6\): expected two"):
        model.predict(dense.to_sparse(1))
