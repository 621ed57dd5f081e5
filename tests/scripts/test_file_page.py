"""What docs/file.md says of the model file."""

import re
from pathlib import Path

import numpy as np
import pytest
import trulysparse as ts
from helpers.small_model import X, Y, make_model

PAGE = Path(__file__).parents[2] / "docs" / "file.md"


@pytest.fixture
def read(tmp_path, monkeypatch):
    """What the page's example finds in the file of a model."""
    monkeypatch.chdir(tmp_path)

    def run(model):
        model.save("model.safetensors")
        found = {}
        exec(
            re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1], found
        )
        return found

    return run


@pytest.mark.parametrize("optimizer", [ts.SGD(), ts.Adam(), ts.Lion()])
def test_the_example_reads_the_weights(optimizer, read):
    model = make_model(standardize=True)
    model.fit(X, Y, epochs=2, optimizer=optimizer, progress=False)
    found = read(model)
    layer, tensors = model.layers[0], found["tensors"]
    weight = layer.weight.tocoo()
    order = np.lexsort((weight.row, weight.col))
    assert np.array_equal(tensors["layers.0.indices"], weight.row[order])
    assert np.array_equal(found["to"], weight.col[order])
    assert np.array_equal(tensors["layers.0.data"], weight.data[order])
    assert np.array_equal(tensors["layers.0.bias"], layer.bias)
    assert found["about"]["config"]["layer_sizes"] == list(model.layer_sizes)


def test_every_name_of_a_file_is_on_the_page(read):
    text = PAGE.read_text(encoding="utf-8").replace("`, `.scale`", "`, `standardizer.scale`")
    model = make_model(activation="srelu", standardize=True)
    model.fit(X, Y, epochs=1, progress=False)
    model.prune(percentile=40)
    adam = make_model(standardize=True)
    adam.fit(X, Y, epochs=1, optimizer=ts.Adam(), progress=False)
    adam.prune(percentile=40)
    adam.compact()
    lion = make_model()
    lion.fit(X, Y, epochs=1, optimizer=ts.Lion(), progress=False)
    for found in (read(model), read(adam), read(lion)):
        about = found["about"]
        names = {*about, *about["config"], *about["counters"], *(about["state"] or ())}
        names |= {re.sub(r"^(layers)\.\d+", r"\1.i", name) for name in found["tensors"]}
        names = {re.sub(r"^(units)\.\d+", r"\1.l", name) for name in names}
        assert {name for name in names if f"`{name}`" not in text} == set()
