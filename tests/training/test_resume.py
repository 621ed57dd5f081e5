"""The user guide's recipe for going on from a checkpoint."""

import numpy as np
import pytest
import trulysparse as ts

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 6)).astype(np.float32)
Y = RNG.integers(0, 4, size=len(X))


class Checkpoint(ts.Callback):
    def __init__(self, folder):
        self.folder = folder

    def on_epoch_end(self, epoch, logs):
        self.model.save(self.folder / f"{epoch}.safetensors")


@pytest.mark.parametrize("topology", [ts.SET(0.2, grow_init=0.1), None])
@pytest.mark.parametrize("epoch", [0, 2, 3])
def test_a_checkpoint_goes_on_with_the_bits_of_the_uninterrupted_run(
    tmp_path, state_of, topology, epoch
):
    options = {
        "epochs": 5,
        "batch_size": 16,
        "topology": topology,
        "optimizer": ts.SGD(0.05, schedule="cosine"),
        "progress": False,
    }
    whole = ts.SparseMLP([6, 20, 15, 4], density=0.5, standardize=True, seed=3)
    history = whole.fit(X, Y, callbacks=[Checkpoint(tmp_path)], **options)
    model = ts.load(tmp_path / f"{epoch}.safetensors")
    assert model.epochs_trained == epoch + 1
    if topology is not None:
        model.evolve(topology)
    rest = model.fit(X, Y, initial_epoch=model.epochs_trained, **options)
    assert state_of(model) == state_of(whole)
    assert rest.epoch == history.epoch[epoch + 1 :]
    assert rest.history["loss"] == history.history["loss"][epoch + 1 :]
