"""A short soak; tests/helpers/soak.py is the long one."""

import pytest
from helpers import soak
from helpers.soak_operations import ILLEGAL, LEGAL

SEED = 25
LIVES = 8
LIFE, LENGTH = 8, 20  # a life in which the second test finds something late


def test_what_must_hold_after_each_of_many_operations():
    problem, tally = soak.soak(SEED, range(LIVES), float("inf"))
    assert problem is None, problem
    assert tally["lives"] == LIVES
    # Every operation was done, and what is refused mostly is not.
    for name in LEGAL:
        assert tally[f"{name} done"] > tally[f"{name} refused"], name
    for name in ILLEGAL:
        assert tally[f"{name} refused"] > 0, name


def test_a_failure_is_shortened_to_what_matters(monkeypatch):
    """Of all operations only two matter: one that writes a note, one that cannot stand it."""
    done = []

    def checked(world):
        assert not (world.model.metadata and done[-1:] == ["look"]), "noted, and looked at"

    def watched(world, action, name, tally, **options):
        done.append(name)
        return step(world, action, name, tally, **options)

    step = soak.step
    monkeypatch.setattr(soak, "LENGTH", LENGTH)
    monkeypatch.setattr(soak, "check", checked)
    monkeypatch.setattr(soak, "step", watched)
    with pytest.raises(soak.Failure) as found:
        soak.live(SEED, LIFE, None, soak.Counter())
    kept, failure = soak.shortened(SEED, LIFE, found.value)
    assert failure.name == "look"
    assert len(kept) == 2
    assert f"--life {LIFE} --only {kept[0]} {kept[1]}" in soak.report(SEED, LIFE, found.value)
