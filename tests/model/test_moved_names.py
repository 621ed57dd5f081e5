"""Names that have moved are found at their old places for one version, by pickles too."""

import pickle
import subprocess
import sys
from importlib import import_module

import pytest
import trulysparse as ts


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("rules", "EvolvingLayer"),
        ("rules", "TopologyRule"),
        ("pruning", "ImportancePruning"),
        ("recorder", "TopologyRecorder"),
        ("feature_selection", "SparseFeatureSelector"),
        ("schedules", "Constant"),
        ("schedules", "Cosine"),
        ("schedules", "ExponentialDecay"),
        ("schedules", "StepDecay"),
        ("augmentation", "ImageAugmentation"),
    ],
)
def test_an_old_place_gives_the_name_with_a_warning(module, name):
    old = import_module(f"trulysparse.{module}")
    with pytest.warns(DeprecationWarning, match=f"{module}.{name} has moved"):
        assert getattr(old, name) is getattr(ts, name)


def test_old_places_come_with_the_package():
    modules = ("augmentation", "pruning", "recorder", "rules", "schedules")
    code = "import trulysparse as ts; " + "; ".join(f"ts.{module}" for module in modules)
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_old_place_has_nothing_else():
    with pytest.raises(AttributeError, match=r"'trulysparse.rules' has no attribute 'other'"):
        import_module("trulysparse.rules").other  # noqa: B018


@pytest.mark.parametrize(
    "rule", [ts.SET(0.1), ts.GradientGrowth(samples=2), ts.ImportancePruning(3)]
)
def test_rules_come_back_from_pickles(rule):
    assert pickle.loads(pickle.dumps(rule)) == rule


def test_pickles_that_name_old_modules_load():
    text = pickle.dumps(ts.ImportancePruning(3), protocol=0)
    old = text.replace(b"trulysparse.topology.pruning", b"trulysparse.pruning")
    assert old != text
    with pytest.warns(DeprecationWarning, match="has moved"):
        assert pickle.loads(old) == ts.ImportancePruning(3)
    text = pickle.dumps(ts.SET(0.1), protocol=0)
    old = text.replace(b"trulysparse.topology.set", b"trulysparse.topology")
    assert old != text
    assert pickle.loads(old) == ts.SET(0.1)
