"""The user guide's recipe for going on from a checkpoint."""

import re
import warnings
from pathlib import Path

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


def saved_and_gone_on(folder, settings, epoch):
    """The whole fit, the one that goes on from its file, and what the latter says."""

    def make():
        return ts.SparseMLP([6, 20, 15, 4], density=0.5, standardize=True, seed=3, threads=1)

    options = {"epochs": 6, "batch_size": 16, "progress": False} | settings
    callbacks = options.pop("callbacks", list)
    whole = make()
    keep = ts.ModelCheckpoint(folder / "{epoch}.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole.fit(X, Y, callbacks=[*callbacks(), keep], **options)
    path = folder / f"{epoch}.safetensors"
    if not path.exists():  # the fit was ended before
        return None
    model = ts.load(path, threads=1)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model.fit(X, Y, callbacks=callbacks(), initial_epoch=epoch, **options)
    return (
        whole,
        model,
        " ".join(str(one.message) for one in said if one.category is not ts.ExplosionWarning),
    )


SAME = {
    "gradient": {"topology": ts.GradientGrowth(0.3)},
    "adam": {"optimizer": ts.Adam(0.01)},
    "pruning": {"pruning": ts.ImportancePruning(percentile=20, start=1, every=2)},
    "rate": {"callbacks": lambda: [ts.LearningRateScheduler(lambda e, rate: 0.1 / (e + 1))]},
    "phase 1": {"strategy": ts.WASSP(workers=3, local_fraction=0, warmup_epochs=3)},
    "one worker": {"strategy": ts.WASSP(workers=1, local_fraction=0.5)},
    "least memory": {"memory": "least"},
}


@pytest.mark.parametrize("epoch", [1, 3, 5])
@pytest.mark.parametrize("name", SAME)
def test_other_settings_go_on_with_their_bits(tmp_path, state_of, name, epoch):
    whole, model, said = saved_and_gone_on(tmp_path, SAME[name], epoch)
    assert state_of(model) == state_of(whole)
    assert not said


def improves_once():
    return ts.EarlyStopping("loss", patience=3, min_delta=10.0)


LACKS = {
    "networks of the 3 workers.*checkpoint of the strategy keeps them": [
        {"strategy": ts.WASSP(workers=3, local_fraction=0.5)},
        {"strategy": ts.WASSP(workers=3, local_fraction=0.5), "topology": None},
        {"strategy": ts.WASAP(workers=3, local_fraction=1)},
    ],
    "what EarlyStopping had seen": [{"callbacks": lambda: [improves_once()]}],
    "what ReduceLROnPlateau had seen": [
        {"callbacks": lambda: [ts.ReduceLROnPlateau("loss", patience=1, min_delta=10.0)]}
    ],
    "scores from before the first pruning.*tolerance": [
        {
            "pruning": ts.ImportancePruning(tolerance=0.2, start=2, every=2),
            "validation_data": (X, Y),
        }
    ],
}


@pytest.mark.parametrize("epoch", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    ("missing", "settings"), [(key, each) for key, some in LACKS.items() for each in some]
)
def test_what_the_file_does_not_hold_is_said(tmp_path, state_of, missing, settings, epoch):
    found = saved_and_gone_on(tmp_path, settings, epoch)
    if found is None:
        return
    whole, model, said = found
    assert said or state_of(model) == state_of(whole)
    if (epoch == 4 and "pruning" not in settings) or (epoch == 3 and "pruning" in settings):
        assert re.search(f"without.*{missing}", said)


def test_a_best_model_that_is_forgotten_is_said(tmp_path):
    model = ts.SparseMLP([6, 20, 4], density=0.5, seed=3)
    keep = ts.ModelCheckpoint(tmp_path / "best", monitor="loss", save_best_only=True)
    options = {"batch_size": 16, "progress": False, "callbacks": [keep]}
    model.fit(X, Y, epochs=2, **options)
    with pytest.warns(RuntimeWarning, match="what ModelCheckpoint had seen"):
        model.fit(X, Y, epochs=3, initial_epoch=2, **options)


@pytest.mark.parametrize("pruning", [None, ts.ImportancePruning(percentile=5.0, start=2, every=1)])
def test_a_model_that_was_trained_before_goes_on_too(pruning, tmp_path):
    model = ts.SparseMLP([6, 20, 4], density=0.5, seed=3)
    model.fit(X, Y, epochs=3, progress=False)
    keep = ts.ModelCheckpoint(tmp_path / "{epoch}")
    options = {"epochs": 4, "pruning": pruning, "progress": False}
    model.fit(X, Y, callbacks=[keep], **options)
    for epoch in (1, 2, 3):
        saved = ts.load(tmp_path / f"{epoch}")
        saved.fit(X, Y, initial_epoch=epoch, **options)
        np.testing.assert_array_equal(saved.predict(X), model.predict(X))


def test_what_was_evolved_since_the_last_epoch_is_not_evolved_again():
    model = ts.SparseMLP([6, 20, 4], density=0.5, seed=3)
    model.fit(X, Y, epochs=3, progress=False)
    model.evolve()
    was = model.evolutions
    model.fit(X, Y, epochs=4, initial_epoch=3, progress=False)
    assert model.evolutions == was


def test_of_a_model_of_version_1_it_says_what_cannot_be_told():
    model = ts.load(Path(__file__).parents[1] / "compatibility" / "sgd.safetensors")
    x, y = np.zeros((8, model.layer_sizes[0])), np.zeros(8, int)
    start, was = model.epochs_trained, model.evolutions
    model.fit(x, y, epochs=1, progress=False)
    with pytest.warns(RuntimeWarning, match=r"evolution is due.*left out.*SparseMLP\.evolve"):
        model.fit(x, y, epochs=start + 1, initial_epoch=start, progress=False)
    assert model.evolutions == was


def test_a_scheduler_goes_on_where_its_rate_was(tmp_path):
    def halved() -> ts.Callback:
        return ts.LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else rate)

    options = {"epochs": 5, "batch_size": 16, "progress": False}
    model = ts.SparseMLP([6, 20, 4], density=0.5, seed=3)
    keep = ts.ModelCheckpoint(tmp_path / "{epoch}")
    whole = model.fit(X, Y, callbacks=[halved(), keep], **options)
    for epoch in (1, 3):
        scheduler = halved()
        for _ in range(2):  # the same object twice
            again = ts.load(tmp_path / f"{epoch}")
            with warnings.catch_warnings():
                warnings.simplefilter("error", RuntimeWarning)
                warnings.simplefilter("ignore", ts.ExplosionWarning)  # labels are random
                found = again.fit(X, Y, initial_epoch=epoch, callbacks=[scheduler], **options)
            rates = whole.history["learning_rate"][epoch:]
            assert found.history["learning_rate"] == rates
            np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_an_own_setter_of_the_rate_is_said():
    class Own(ts.Callback):
        sets_learning_rate = True

    model = ts.SparseMLP([6, 20, 4], density=0.5, seed=3)
    model.fit(X, Y, epochs=2, progress=False)
    with pytest.warns(RuntimeWarning, match="what Own had seen"):
        model.fit(X, Y, epochs=3, initial_epoch=2, callbacks=[Own()], progress=False)


def test_epochs_that_were_not_trained_are_said():
    model = ts.SparseMLP([6, 20, 4], density=0.5, seed=3)
    with pytest.warns(RuntimeWarning, match="the first 2 epochs, of which this model has none"):
        model.fit(X, Y, epochs=3, initial_epoch=2, progress=False)
    with pytest.warns(RuntimeWarning, match="no epoch is left: initial_epoch = 20 and epochs = 10"):
        model.fit(X, Y, epochs=10, initial_epoch=20, progress=False)
