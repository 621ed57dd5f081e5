"""What a model says to those who come from Keras, scikit-learn or PyTorch."""

import inspect
import pickle
import warnings

import numpy as np
import pytest
import trulysparse as ts
from helpers.small_model import SIZES, X, Y
from trulysparse import words

CALLS = {
    "__init__": lambda model, **given: ts.SparseMLP(SIZES, epsilon=3, **given),
    "fit": lambda model, **given: model.fit(X, Y, epochs=1, progress=False, **given),
    "evaluate": lambda model, **given: model.evaluate(X, Y, **given),
    "predict": lambda model, **given: model.predict(X, **given),
}


@pytest.fixture
def model():
    return ts.SparseMLP(SIZES, epsilon=3, seed=0)


@pytest.mark.parametrize(
    ("method", "name"), [(m, n) for m, table in words.ARGUMENTS.items() for n in table]
)
def test_an_argument_of_others_has_a_word_here(model, method, name):
    before = pickle.dumps(model)
    with pytest.raises(TypeError) as caught:
        CALLS[method](model, **{name: 1})
    where = "SparseMLP" if method == "__init__" else f"SparseMLP.{method}"
    instead = words.ARGUMENTS[method][name].format(name=name)
    expected = f"{where} has no argument {name}: instead of it there is {instead}"
    assert str(caught.value) == expected
    assert pickle.dumps(model) == before


@pytest.mark.parametrize("method", CALLS)
def test_what_is_meant_exists(method):
    for name, instead in words.ARGUMENTS[method].items():
        assert name not in inspect.signature(getattr(ts.SparseMLP, method)).parameters
        first = instead.split("=")[0].split(",")[0]
        known = {p for m in CALLS for p in inspect.signature(getattr(ts.SparseMLP, m)).parameters}
        assert first.isidentifier() is False or first in known or first == "nothing", instead


@pytest.mark.parametrize("method", CALLS)
def test_a_typing_error_names_what_is_near(model, method):
    near = {"__init__": "epsilon", "fit": "epochs"}.get(method, "batch_size")
    with pytest.raises(TypeError, match=f"did you mean {near}\\?"):
        CALLS[method](model, **{near + "s": 1})
    with pytest.raises(TypeError, match="has no argument qqq"):
        CALLS[method](model, qqq=1)


@pytest.mark.parametrize("method", CALLS)
def test_signatures_show_no_others(method):
    kinds = [p.kind for p in inspect.signature(getattr(ts.SparseMLP, method)).parameters.values()]
    assert inspect.Parameter.VAR_KEYWORD not in kinds


@pytest.mark.parametrize("name", words.METHODS)
def test_a_method_of_others_has_a_word_here(model, name):
    with pytest.raises(AttributeError, match="has no attribute") as caught:
        getattr(model, name)
    assert str(caught.value).endswith(words.METHODS[name])
    assert not hasattr(model, name)
    assert not hasattr(model, "no_word")


@pytest.mark.parametrize("name", ["adam", "SGD", "lion"])
def test_an_optimizer_by_name_has_its_class_named(model, name):
    with pytest.raises(TypeError, match=r"such as optimizer=trulysparse\.\w+\(\)$"):
        model.fit(X, Y, optimizer=name)
    with pytest.raises(TypeError, match=r"such as topology=trulysparse\.SET\(\)$"):
        model.fit(X, Y, topology="set")


def test_text_is_no_sequence():
    for given in ("784", b"784"):
        with pytest.raises(TypeError, match=r"layer_sizes = b?'784': expected a sequence"):
            ts.SparseMLP(given)
    with pytest.raises(TypeError, match="hidden_layer_sizes = '100': expected an integer or"):
        ts.SparseMLPClassifier("100").fit(X, np.arange(len(X)) % 2)


def test_a_network_that_is_dense_by_default_is_said():
    with pytest.warns(UserWarning, match="all 660 possible connections exist") as caught:
        ts.SparseMLP([64, 10, 2])
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ts.SparseMLP([64, 10, 2], density=1)
        ts.SparseMLP([64, 10, 2], epsilon=20)
        ts.SparseMLP([640, 100, 2])


def test_a_mask_has_connections_of_weight_0(model):
    weights, biases = model.to_scipy()
    weights[0].data[::2] = 0
    layer = ts.SparseMLP.from_scipy(weights, biases).layers[0]
    mask = layer.mask
    assert mask.dtype == bool
    assert mask.shape == (layer.n_in, layer.n_out)
    assert mask.nnz == layer.nnz
    assert mask.data.all()
    np.testing.assert_array_equal(mask.indices, layer.weight.indices)
    np.testing.assert_array_equal(mask.indptr, layer.weight.indptr)
    assert (layer.weight != 0).nnz < layer.nnz
    assert not mask.data.flags.writeable
