"""A sparse matrix that is none is refused by every argument of every public call."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import cases, limits

pytestmark = pytest.mark.cases
TESTS = Path(__file__).parents[1]
PARTS = cases.some(1, 3)
EVERY = cases.some(8, 1)

# Arguments that are looked at as true or false, or are text.
ANYTHING = {
    "SparseFeatureSelector.get_params(deep)",
    "SparseFeatureSelector.get_support(indices)",
    "SparseMLPClassifier.get_params(deep)",
    "SparseMLPRegressor.get_params(deep)",
    "datasets.resolve(hold_out)",
}
# Whose dictionaries have numbers as keys, which is what is taken of them.
KEYS = {
    "SparseMLP.explain(outputs)",
    "SparseMLP.pruning_curve(percentiles)",
    "SparseMLPClassifier.explain(outputs)",
    "SparseMLPRegressor.explain(outputs)",
    "TopologyRecorder(layers)",
    "plot.degree_distributions(epochs)",
    "plot.input_connections_over_epochs(epochs)",
}


@pytest.mark.parametrize("part", range(PARTS))
def test_every_argument_of_every_public_call(part):
    pytest.importorskip("matplotlib", reason="plots are tried too: pip install matplotlib")
    script = [sys.executable, "-m", "helpers.broken_anywhere", *map(str, (part, PARTS, EVERY))]
    done = subprocess.run(
        script, capture_output=True, text=True, cwd=TESTS, timeout=limits.CHILD, check=False
    )
    (watch, *lines) = map(json.loads, done.stdout.splitlines() or ["{}"])
    tried, outcomes = lines[::2], lines[1::2]
    assert done.returncode == 0, f"{tried[-1:]} ended the process: {done.stderr[-2000:]}"
    # As much of SciPy and scikit-learn as would be the first to crash.
    assert {"csr_tocsc", "coo_tocsr", "csr_sort_indices", "_csr_mean_var_axis0"} <= set(
        watch["watched"]
    )
    assert len(tried) == len(outcomes) > 1000
    wrong = []
    for case, outcome in zip(tried, outcomes, strict=True):
        call, damage = case["case"].split(": ")
        taken = call in ANYTHING or (call in KEYS and damage == "csr in dictionary")
        fine = outcome["refused"] or (taken and outcome["refused"] is None)
        if not fine or outcome["touched"] or outcome["harmed"]:
            wrong.append((case["case"], outcome))
    assert not wrong, wrong


def test_a_new_call_is_found_and_has_to_be_described(monkeypatch):
    from helpers import entrances  # which trains what is called

    def fresh(samples, other=None):
        """A function that no table knows."""

    monkeypatch.setattr(entrances.ts, "fresh", fresh, raising=False)
    monkeypatch.setattr(entrances.ts, "__all__", ["fresh"])
    with pytest.raises(AssertionError, match=r"fresh needs \['samples'\]"):
        list(entrances.calls())
    monkeypatch.setitem(entrances.REQUIRED, "fresh", {"samples": 1})
    found = {call.name: call.parameters for call in entrances.calls()}
    assert found["fresh"] == ("samples", "other")
