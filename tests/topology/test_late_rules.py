"""Rules of the topology that are due after no epoch of a fit."""

import warnings

import numpy as np
import pytest
import trulysparse as ts
from helpers import cases
from hypothesis import given, settings
from hypothesis import strategies as st

X = np.random.default_rng(2).normal(size=(30, 5))
Y = np.arange(30) % 2
NEVER = "the topology (never )?evolves"


def evolutions(rule, epochs):
    """Fit; give how often the topology evolved, and what was said of it."""
    model = ts.SparseMLP([5, 12, 2], seed=0, threads=1)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model.fit(X, Y, epochs=epochs, topology=rule, progress=False)
    return model.evolutions, [str(w.message) for w in said if "topology" in str(w.message)]


@given(
    st.sampled_from([ts.SET, ts.GradientGrowth]),
    st.integers(1, 7),
    st.none() | st.floats(0.01, 0.99),
    st.integers(1, 4),
    st.integers(2, 7),
)
@settings(max_examples=cases.drawn(40))
def test_a_rule_that_never_evolves_is_said(kind, start, stop, every, epochs):
    made, said = evolutions(kind(0.3, start=start, stop=stop, every=every), epochs)
    assert bool(said) == (made == 0)


def test_the_epoch_is_named():
    for start, match in ((50, "from epoch 50 on, and this fit ends"), (4, "the last of this fit")):
        with pytest.warns(RuntimeWarning, match=match):
            ts.SparseMLP([5, 12, 2], seed=0).fit(
                X, Y, epochs=4, topology=ts.SET(start=start), progress=False
            )


def test_fits_without_an_evolution_by_intention_are_silent():
    for rule, epochs in ((ts.SET(), 1), (None, 3), (ts.SET(start=50), 0), (ts.SET(stop=0.5), 1)):
        assert evolutions(rule, epochs) == (0, [])


def test_rules_of_a_users_own_are_said():
    class Late(ts.TopologyRule):
        start = 8

        def evolve(self, layer):
            return None

    assert len(evolutions(Late(), 3)[1]) == 1
    assert evolutions(Late(), 9)[1] == []
