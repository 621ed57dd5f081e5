"""Pickles in which something else stands than was written: refused, and nothing is changed."""

import dataclasses
import math
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 4)), np.arange(20) % 2
QUIET = {"epochs": 3, "batch_size": 8, "progress": False}
BAD = [
    None, -1, 0, 2, 1.5, math.nan, math.inf, 1e308, 2**70, True, "x", b"x", [1], {}, object(),
    np.zeros(3), sp.csr_array(np.eye(3)),
]  # fmt: skip
OPTIONS = {
    "optimizer": [ts.SGD(), ts.Adam(), ts.Lion()],
    "topology": [ts.SET(), ts.GradientGrowth()],
    "pruning": [ts.ImportancePruning(start=1, every=1, percentile=5.0)],
    "strategy": [ts.WASSP(2), ts.WASAP(1)],
    "augment": [ts.ImageAugmentation((2, 2, 1))],
}
SCHEDULES = [ts.Constant(), ts.Cosine(), ts.StepDecay(0.5, 0.5), ts.ExponentialDecay(0.5)]
# Looked at by MPI, and files that a fit writes.
ELSEWHERE = {"comm", "checkpoint", "record", "replay"}


def unpickled(value, **state):
    """A pickle of `value` in which some of its fields were overwritten."""
    made = pickle.loads(pickle.dumps(value))
    vars(made).update(state)
    return made


def refuses(kind, fields):
    try:
        kind(**fields)
    except (ValueError, TypeError):
        return True
    return False


def spoilt(option):
    """The option with each field as its constructor would refuse it."""
    whole = {f.name: getattr(option, f.name) for f in dataclasses.fields(option)}
    for name in whole.keys() - ELSEWHERE:
        for value in BAD:
            if refuses(type(option), whole | {name: value}):
                yield f"{name} = {value!r}", unpickled(option, **{name: value})


@pytest.fixture(scope="module")
def model():
    return ts.SparseMLP([4, 5, 2], density=0.8, seed=0, threads=1)


def check_refused(model, options):
    before, count = pickle.dumps(model), 0
    for argument, (said, option) in options:
        with pytest.raises((ValueError, TypeError)):
            model.fit(X, Y, **QUIET, **{argument: option})
        assert pickle.dumps(model) == before, (type(option).__name__, said)
        count += 1
    assert count > 10


@pytest.mark.parametrize("argument", OPTIONS)
def test_what_a_constructor_refuses_is_refused_from_a_pickle(model, argument):
    check_refused(
        model, [(argument, bad) for option in OPTIONS[argument] for bad in spoilt(option)]
    )


def test_schedules_within_an_optimizer(model):
    bad = [(said, ts.SGD(schedule=s)) for schedule in SCHEDULES for said, s in spoilt(schedule)]
    check_refused(model, [("optimizer", pair) for pair in bad])


def test_a_models_pickle(model):
    make, (kind, data, threads) = model.__reduce__()
    for bad in (0, -1, 10**6, 2**70, True, 1.5, "1"):
        with pytest.raises((ValueError, TypeError), match="threads"):
            make(kind, data, bad)
    for bad in (b"", data[:-1], data + b"0", "x", None, np.frombuffer(data, np.uint8)):
        with pytest.raises((ValueError, TypeError)):
            make(kind, bad, threads)
    for bad in (int, dict, None, 3):
        with pytest.raises(TypeError):
            make(bad, data, threads)


def test_an_estimators_pickle_harms_nothing():
    fitted = ts.SparseMLPClassifier((5,), max_iter=1, random_state=0).fit(X, Y)
    small = ts.SparseMLP([2, 2], seed=0, threads=1)
    whole, before = fitted.__getstate__(), pickle.dumps(fitted)
    for name in whole:
        for value in [*BAD, np.ones(99, bool), small]:
            made = ts.SparseMLPClassifier()
            try:
                made.__setstate__(whole | {name: value})
            except (ValueError, TypeError):
                continue
            for x in (X, sp.csr_array(X)):
                try:
                    found = made.predict_proba(x)
                except Exception:  # whatever it is: it is no crash
                    continue
                assert found.shape == (20, 2)
    assert pickle.dumps(fitted) == before


@pytest.mark.parametrize("kind", [ts.WASSP, ts.WASAP])
@pytest.mark.parametrize(
    "comm", [3, "world", object(), np.zeros(3), dataclasses.make_dataclass("Comm", ["size"])(3)]
)
def test_what_is_no_communicator_is_named(model, kind, comm):
    with pytest.raises(TypeError, match=r"comm = .*expected an mpi4py communicator or None"):
        kind(comm=comm)
    before = model._core.to_bytes({})
    with pytest.raises(TypeError, match=r"comm = .*expected an mpi4py communicator or None"):
        model.fit(X, Y, strategy=unpickled(kind(2), comm=comm), **QUIET)
    assert model._core.to_bytes({}) == before


@pytest.mark.parametrize(("field", "good"), [("l1", 1.0), ("nesterov", False), ("momentum", 0.0)])
def test_an_option_that_equals_one_that_was_checked_is_checked(field, good):
    model = ts.SparseMLP([3, 4, 2], seed=0)
    x, y = np.ones((4, 3)), np.array([0, 1, 0, 1])
    optimizer = ts.SGD(**{field: good})
    for _ in range(2):
        model.train_on_batch(x, y, optimizer=optimizer)
    before = model.layers[0].weight.copy()
    object.__setattr__(optimizer, field, "0" if field == "nesterov" else bool(good))
    with pytest.raises(TypeError, match=f"{field} = "):
        model.train_on_batch(x, y, optimizer=optimizer)
    assert (model.layers[0].weight != before).nnz == 0
