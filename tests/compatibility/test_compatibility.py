"""What version 0.1.0 saved loads, predicts and trains on with the same bits.

`make.py` beside this made the files, once, and `make_format_2.py` saved the same models again. How
training goes on may change by a commit that says so, and then changes "after" in expected.json; the
other numbers stay.
"""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import trulysparse as ts
from compatibility.small import CLASSES, parameters, predicted, samples, training

HERE = Path(__file__).parent
EXPECTED = json.loads((HERE / "expected.json").read_text())
MODELS = ["sgd", "adam", "srelu"]


def loaded(name: str, kind: str) -> Any:
    if kind == "format 2":
        return ts.load(HERE / "format_2" / f"{name}.safetensors")
    path = HERE / f"{name}.{kind}"
    return ts.load(path) if kind == "safetensors" else pickle.loads(path.read_bytes())


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("kind", ["safetensors", "pickle", "format 2"])
@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_0_1_0_goes_on_with_the_same_bits(name: str, kind: str, threads: int) -> None:
    model, expected = loaded(name, kind), EXPECTED[name]
    model.threads = threads
    assert model.metadata == {"note": name}
    assert predicted(model) == expected["predictions"]
    assert parameters(model) == expected["before"]
    model.fit(*samples(), **training(name))
    assert parameters(model) == expected["after"]


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_classifier_of_0_1_0_goes_on_with_the_same_bits(jobs: int) -> None:
    classifier, expected = loaded("classifier", "pickle"), EXPECTED["classifier"]
    assert predicted(classifier) == expected["predictions"]
    assert parameters(classifier.model_) == expected["before"]
    assert classifier.classes_.tolist() == CLASSES.tolist()
    assert classifier.optimizer == ts.SGD(0.05)
    assert classifier.topology == ts.SET(0.3)
    x, y = samples()
    classifier.set_params(warm_start=True, max_iter=2, n_jobs=jobs).fit(x, CLASSES[y])
    assert parameters(classifier.model_) == expected["after"]


def test_the_files_hold_what_they_are_for() -> None:
    """Moments, trained SReLU and pruned neurons are in them."""
    sgd, adam, srelu = (loaded(name, "safetensors").layers for name in MODELS)
    assert sgd[0].second_moment is None
    assert adam[0].second_moment is not None
    assert srelu[0].srelu is not None
    assert any(layer.pruned.size for layer in srelu)
