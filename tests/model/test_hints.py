"""Words of other libraries, and texts where a name is meant: what the messages say instead."""

import inspect
import pickle
import re
from itertools import chain
from typing import get_args

import numpy as np
import pytest
import trulysparse as ts
from helpers.small_model import SIZES, X, Y
from trulysparse import _hints, activations, attribution, config, losses, names
from trulysparse.attribution.contributions import OF
from trulysparse.callbacks.monitor import MODES
from trulysparse.estimators import _scaling
from trulysparse.importance import KINDS
from trulysparse.optim import optimizers, schedules
from trulysparse.topology import _magnitude, pruning


def make():
    return ts.SparseMLP(SIZES, epsilon=3, seed=0, threads=1)


CALLS = {
    "SparseMLP.__init__": lambda model, **words: ts.SparseMLP(SIZES, density=1, **words),
    "SparseMLP.fit": lambda model, **words: model.fit(X, Y, **words),
    "SparseMLP.train_on_batch": lambda model, **words: model.train_on_batch(X, Y, **words),
    "SparseMLP.evaluate": lambda model, **words: model.evaluate(X, Y, **words),
    "SparseMLP.predict": lambda model, **words: model.predict(X, **words),
}


@pytest.mark.parametrize("where", CALLS)
def test_each_word_has_a_message_and_changes_nothing(where):
    model = make()
    before = pickle.dumps(model)
    known = _hints._PARAMETERS[where]
    for word in {*_hints.ARGUMENTS, *chain(*_hints._PARAMETERS.values()), "colour"} - {*known}:
        said = re.escape(where.removesuffix(".__init__"))
        with pytest.raises(TypeError, match=rf"^{said} has no argument '{word}': expected \w"):
            CALLS[where](model, **{word: 0})
    assert pickle.dumps(model) == before


def test_some_messages():
    model = make()
    for call, message in (
        (lambda: model.fit(X, Y, verbose=0), "'verbose': expected progress=True or"),
        (lambda: model.fit(X, Y, epoch=3), "'epoch': expected epochs$"),
        (lambda: model.fit(X, Y, dropout=0.5), r"expected SparseMLP\(\.\.\., dropout=\.\.\.\)"),
        (lambda: ts.SparseMLP(SIZES, epochs=3), r"expected SparseMLP.fit\(\.\.\., epochs="),
        (lambda: ts.SparseMLP(SIZES, optimizer="adam"), r"optimizer=trulysparse.Adam\(\)"),
    ):
        with pytest.raises(TypeError, match=message):
            call()


def test_signatures_are_plain():
    of_model = [(k, v) for k, v in _hints._PARAMETERS.items() if k.startswith("SparseMLP.")]
    assert len(of_model) >= len(CALLS)
    for where, known in of_model:
        function = getattr(ts.SparseMLP, where.split(".")[1])
        assert tuple(inspect.signature(function).parameters)[1:] == known
        assert "unknown" not in known
    assert "unknown" not in inspect.signature(ts.SparseMLP).parameters


def test_what_is_named_instead_is_there():
    said = " ".join((*_hints.ARGUMENTS.values(), *_hints.ATTRIBUTES.values()))
    for name in re.findall(r"trulysparse\.(\w+)", said):
        assert hasattr(ts, name), name
    for kind, word in re.findall(r"trulysparse\.(\w+)\((\w+)=", said):
        assert word in inspect.signature(getattr(ts, kind)).parameters, (kind, word)
    for word in re.findall(r"fit\(\.\.\., (\w+)=", said):
        assert word in _hints._PARAMETERS["SparseMLP.fit"]
    tables = (activations.HIDDEN, losses.LOSSES, config.INITS, config.ALLOCATIONS)
    assert set(_hints.VALUES.values()) <= set(chain(*tables))


def test_attributes_of_other_libraries():
    model = make()
    for owner, words in ((model, _hints.ATTRIBUTES), (model.layers[0], _hints._OF_LAYERS)):
        for word, instead in words.items():
            assert not hasattr(owner, word), word
            with pytest.raises(AttributeError, match=re.escape(instead)):
                getattr(owner, word)
            with pytest.raises(AttributeError, match=f"no attribute '{word}': "):
                setattr(owner, word, 0)
        with pytest.raises(AttributeError, match=r"^'\w+' object has no attribute 'colour'$"):
            _ = owner.colour
        assert pickle.dumps(pickle.loads(pickle.dumps(owner)))
    empty = ts.SparseMLP.__new__(ts.SparseMLP)
    with pytest.raises(AttributeError, match="no attribute '_core'"):  # not that of threads
        _ = empty.threads


def test_names_that_mean_another():
    for setting, value, instead in (
        ("activation", "swish", "silu"),
        ("activation", "ReLU", "relu"),
        ("activation", ["rleu"], "relu"),
        ("loss", "mse", "squared_error"),
        ("loss", "cross-entropy", "cross_entropy"),
        ("init", "glorot_uniform", "xavier"),
        ("init", "he_normal", "he_uniform"),
    ):
        with pytest.raises(ValueError, match=f"expected one of .* may be '{instead}'$"):
            ts.SparseMLP(SIZES, **{setting: value})
    with pytest.raises(ValueError, match=r"'srelu'$"):
        ts.SparseMLP(SIZES, activation="zzz")


@pytest.mark.parametrize("text", ["100", b"100", "", np.str_("100")])
def test_a_text_is_not_its_letters(text):
    model = make()
    for name, call in (
        ("layer_sizes", lambda: ts.SparseMLP(text)),
        ("layer_sizes", lambda: ts.plan(text)),
        ("dropout", lambda: ts.SparseMLP(SIZES, dropout=text)),
        ("weights", lambda: ts.SparseMLP.from_scipy(text)),
        ("callbacks", lambda: model.fit(X, Y, callbacks=text)),
        ("percentiles", lambda: model.pruning_curve(X, Y, text)),
        ("outputs", lambda: model.explain(X, outputs=text)),
        ("shape", lambda: ts.ImageAugmentation(text)),
        ("layers", lambda: ts.TopologyRecorder(layers=text)),
        ("hidden_layer_sizes", lambda: ts.SparseMLPClassifier(text).fit(X, Y)),
    ):
        with pytest.raises((TypeError, ValueError), match=rf"^{name}( = | is )"):
            call()


def test_types_have_the_names_of_the_tables():
    for found, table in (
        (names.Activation, activations.HIDDEN),
        (names.Loss, losses.LOSSES),
        (names.Optimizer, optimizers.BY_NAME),
        (names.RateSchedule, schedules.BY_NAME),
        (names.Scale, _scaling.SCALES),
        (names.Importance, (*KINDS, attribution.importance.CONTRIBUTION)),
        (names.Explained, OF),
        (names.Mode, MODES),
        (names.Over, pruning.OVER),
        (names.ZetaSchedule, _magnitude.SCHEDULES),
    ):
        assert get_args(found) == tuple(table)
    for setting in ("allocation", "init", "fan"):
        for name in get_args(getattr(names, setting.capitalize())):
            assert ts.SparseMLP(SIZES, density=0.5, **{setting: name}).nnz > 0
    for name in get_args(names.Memory):
        assert ts.plan(SIZES, density=0.5, memory=name).total > 0


def test_the_default_says_if_it_makes_a_network_dense():
    with pytest.warns(UserWarning, match=r"layers of \[64, 10, 2\] dense: all 660 ") as caught:
        model = ts.SparseMLP([64, 10, 2])
    assert [w.filename for w in caught] == [__file__]
    lines = []
    model.summary(lines.append)
    assert lines[-1].startswith("dense: ")
    for options in ({"density": 1}, {"epsilon": 20}, {"epsilon": 5}):
        ts.SparseMLP([64, 10, 2], **options)
    ts.SparseMLP([784, 1000, 10]).summary(lines.append)  # the last layer alone is dense
    assert not lines[-1].startswith("dense: ")
    assert len(caught) == 1
