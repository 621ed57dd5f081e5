"""Images that are turned, moved and mirrored while training: pixels, draws, and fits with them."""

import itertools
import math

import numpy as np
import pytest
import scipy.sparse
import trulysparse as ts
from helpers.bad_input import EITHER, TYPE, VALUE, check_raises
from helpers.command_line import train
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates
from trulysparse import _core, cli

SHAPE = (6, 5, 3)
SMALL = ts.ImageAugmentation(SHAPE)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 90)).astype(np.float32)
Y = RNG.integers(0, 4, len(X))


def motions(augment, samples, seed=0, step=0):
    """The angle, the shifts in rows and columns and the mirror that are drawn for samples."""
    numbers = np.asarray(samples, np.uint32)
    return _core.kernels.motions(augment._core(), seed, step, numbers)


def twin(image, motion):
    """What Keras makes of an image: sources of pixels in float64, and SciPy's interpolation."""
    angle, down, right, mirror = motion
    height, width, _ = image.shape
    theta = np.deg2rad(angle)
    turn = [[np.cos(theta), -np.sin(theta), 0], [np.sin(theta), np.cos(theta), 0], [0, 0, 1]]
    move = [[1, 0, down], [0, 1, right], [0, 0, 1]]
    y, x = (height - 1) / 2, (width - 1) / 2
    centre, back = [[1, 0, y], [0, 1, x], [0, 0, 1]], [[1, 0, -y], [0, 1, -x], [0, 0, 1]]
    rows, columns = np.mgrid[:height, :width]
    pixels = np.stack([rows.ravel(), columns.ravel(), np.ones(height * width)])
    sources = (np.array(centre) @ turn @ move @ back @ pixels)[:2]
    channels = [
        map_coordinates(channel.astype(np.float64), sources, order=1, mode="nearest")
        for channel in np.moveaxis(image, 2, 0)
    ]
    moved = np.stack(channels, axis=1).reshape(image.shape)
    return moved[:, ::-1] if mirror else moved


def make_model(**options):
    defaults = {"density": 0.3, "dropout": 0.2, "seed": 3, "threads": 2}
    return ts.SparseMLP([90, 30, 20, 4], **(defaults | options))


def fit(model, **options):
    defaults = {"epochs": 4, "batch_size": 16, "progress": False, "augment": SMALL}
    model.fit(X, Y, **(defaults | options))
    return model


# --- pixels ---------------------------------------------------------------------------------------


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    channels=st.integers(1, 5),
    rotation=st.sampled_from([0, 10, 90, 180]),
    shift=st.sampled_from([0, 0.1, 1]),
    mirror=st.booleans(),
    seed=st.integers(0, 2**64 - 1),
    step=st.integers(0, 2**64 - 1),
)
def test_pixels_are_those_of_an_independent_twin(
    height, width, channels, rotation, shift, mirror, seed, step
):
    shape = (height, width, channels)
    augment = ts.ImageAugmentation(shape, rotation=rotation, shift=shift, mirror=mirror)
    x = np.random.default_rng(seed).normal(size=(3, *shape)).astype(np.float32)
    found = augment.preview(x, seed, step)
    assert found.shape == x.shape
    assert found.dtype == np.float32
    for image, motion, result in zip(x, motions(augment, range(3), seed, step), found, strict=True):
        # Places are in float32: to 2^-17 or so of a pixel, times what a pixel's width changes.
        np.testing.assert_allclose(result, twin(image, motion), rtol=0, atol=2e-4)


def test_larger_images_are_as_near():
    augment = ts.ImageAugmentation((301, 200, 3), rotation=30)
    x = RNG.random((1, 301, 200, 3), np.float32)
    np.testing.assert_allclose(
        augment.preview(x)[0], twin(x[0], motions(augment, [0])[0]), rtol=0, atol=5e-4
    )


@pytest.mark.parametrize("shape", [(7, 40, 1), (6, 5, 2), (4, 33, 3), (3, 3, 4), (1, 1, 3)])
def test_pixels_that_come_from_pixels_are_exact(shape):
    x = RNG.normal(size=(20, *shape)).astype(np.float32)
    still = ts.ImageAugmentation(shape, rotation=0, shift=0, mirror=False)
    assert still.preview(x).tobytes() == x.tobytes()
    mirror = ts.ImageAugmentation(shape, rotation=0, shift=0)
    drawn = motions(mirror, range(20))[:, 3]
    assert 0 < drawn.sum() < 20
    for image, mirrored, found in zip(x, drawn, mirror.preview(x), strict=True):
        assert np.array_equal(found, image[:, ::-1] if mirrored else image)


def test_rows_are_images_and_the_input_stays_as_it_is():
    before = X.copy()
    found = SMALL.preview(X, 5, 6)
    assert np.array_equal(found, SMALL.preview(X.reshape(-1, *SHAPE), 5, 6).reshape(X.shape))
    assert np.array_equal(X, before)
    assert not np.array_equal(found, X)
    whole = SMALL.preview((X > 0).astype(np.uint8))
    assert np.array_equal(whole, SMALL.preview((X > 0).astype(np.float32)))


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_pixels_are_the_same_on_any_threads(threads):
    shape = (32, 32, 3)
    x = RNG.random((40, 3072), np.float32)
    augment = ts.ImageAugmentation(shape)._core()
    expected = _core.augmented(x, augment, 1, 2, 1)
    assert np.array_equal(_core.augmented(x, augment, 1, 2, threads), expected)


# --- draws ----------------------------------------------------------------------------------------


def test_draws_are_uniform_and_independent():
    count = 20_000
    augment = ts.ImageAugmentation((20, 50, 1), rotation=30, shift=0.2)
    drawn = motions(augment, range(count), seed=8)
    for column, most in zip(drawn.T[:3], (30, 4, 10), strict=True):
        assert np.abs(column).max() < most
        shares = np.histogram(column, 10, (-most, most))[0] / count
        assert np.abs(shares - 0.1).max() < 5 * math.sqrt(0.09 / count)
    assert set(drawn[:, 3]) == {0, 1}
    assert abs(drawn[:, 3].mean() - 0.5) < 5 * math.sqrt(0.25 / count)
    correlations = np.corrcoef(drawn.T) - np.eye(4)
    assert np.abs(correlations).max() < 5 / math.sqrt(count)


def test_draws_depend_on_seed_step_and_sample_alone():
    drawn = [motions(SMALL, range(50), seed, step) for seed in (0, 1) for step in (0, 1)]
    for one, other in itertools.combinations(drawn, 2):
        assert (one[:, :3] != other[:, :3]).all()
    assert len(np.unique(drawn[0][:, 0])) == 50
    assert np.array_equal(motions(SMALL, [7, 3]), drawn[0][[7, 3]])


# --- fits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("standardize", [False, True])
def test_every_step_sees_what_preview_shows(standardize, state_of):
    """A fit with `augment` is one on images that `preview` has changed for each step."""
    model = make_model(standardize=standardize)
    expected = make_model(standardize=standardize)
    if standardize:  # by given statistics, which do not follow the samples
        given = _core.Statistics(X.mean(axis=0).astype(float), np.full(X.shape[1], 3.0), 0.0)
        for each in (model, expected):
            each._core.set_statistics(given, None)
    options = {"epochs": 3, "steps_per_epoch": 2, "progress": False}
    starts = [0, 16, 32, 48, 64, 80]
    batches = [(X[start : start + 16], Y[start : start + 16]) for start in starts]
    model.fit(iter(batches), augment=SMALL, **options)
    changed = [(SMALL.preview(x, seed=3, step=step), y) for step, (x, y) in enumerate(batches)]
    expected.fit(iter(changed), **options)
    assert state_of(model) == state_of(expected)


def test_an_epoch_of_arrays_sees_it_too(state_of):
    options = {"epochs": 1, "batch_size": len(X), "progress": False}
    model, expected = make_model(), make_model()
    model.fit(X, Y, augment=SMALL, **options)
    expected.fit(SMALL.preview(X, seed=3), Y, **options)
    assert state_of(model) == state_of(expected)


def test_bits_are_the_same_on_any_threads(state_of):
    expected = state_of(fit(make_model(threads=1, standardize=True)))
    assert expected != state_of(fit(make_model(threads=1, standardize=True), augment=None))
    for threads in (2, 3, 7):
        assert state_of(fit(make_model(threads=threads, standardize=True))) == expected


def test_memory_makes_no_difference(state_of):
    expected = state_of(fit(make_model()))
    for memory in ("lean", "least"):
        assert state_of(fit(make_model(), memory=memory)) == expected


@pytest.mark.parametrize("strategy", [None, ts.WASSP(workers=2)])
def test_settings_that_change_nothing_have_the_bits_of_a_fit_without(strategy, state_of):
    still = ts.ImageAugmentation(SHAPE, rotation=0, shift=0, mirror=False)
    expected = state_of(fit(make_model(), augment=None, strategy=strategy))
    assert state_of(fit(make_model(), augment=still, strategy=strategy)) == expected


def test_statistics_and_scores_are_those_of_the_samples_as_they_are():
    model = fit(make_model(standardize=True), validation_data=(X, Y))
    plain = fit(make_model(standardize=True), augment=None)
    assert np.array_equal(model.mean, plain.mean)
    assert model.evaluate(X, Y)["loss"] == model.history.history["val_loss"][-1]


def test_a_saved_model_goes_on(tmp_path, state_of):
    options = {"topology": None}
    expected = fit(make_model(), epochs=4, **options)
    model = fit(make_model(), epochs=2, **options)
    model.save(tmp_path / "model")
    model = ts.load(tmp_path / "model")
    fit(model, epochs=4, initial_epoch=2, **options)
    assert state_of(model) == state_of(expected)


def test_growth_by_gradients_sees_changed_images(state_of):
    """The step after an epoch of one step draws with step 1."""
    rule = ts.GradientGrowth(0.3, batch_size=len(X))
    options = {"epochs": 2, "batch_size": len(X), "topology": rule}
    model = fit(make_model(dropout=0), **options)
    seen = [SMALL.preview(X, 3, step) for step in (0, 1)]
    expected = make_model(dropout=0)
    expected.fit(seen[0], Y, epochs=1, batch_size=len(X), progress=False)
    expected.evolve(rule, seen[1], Y, batch_size=len(X))
    expected.fit(seen[1], Y, epochs=2, initial_epoch=1, batch_size=len(X), progress=False)
    assert state_of(model) == state_of(expected)


@pytest.mark.parametrize("kind", [ts.WASSP, ts.WASAP])
@pytest.mark.parametrize("fraction", [0, 0.5, 1])
def test_one_worker_is_the_sequential_fit(kind, fraction, state_of):
    found = fit(make_model(), strategy=kind(workers=1, local_fraction=fraction))
    assert state_of(found) == state_of(fit(make_model()))


def test_synchronous_workers_have_the_same_bits_on_any_threads(state_of):
    strategy = ts.WASSP(workers=3, warmup_epochs=1, local_fraction=0.5)
    expected = state_of(fit(make_model(threads=1), strategy=strategy))
    assert expected != state_of(fit(make_model(threads=1), strategy=strategy, augment=None))
    for threads in (1, 2, 3, 7):
        assert state_of(fit(make_model(threads=threads), strategy=strategy)) == expected


def test_an_asynchronous_fit_is_replayed_bit_for_bit(tmp_path, state_of):
    path = tmp_path / "record"
    recorded = fit(make_model(), strategy=ts.WASAP(workers=3, record=path))
    replayed = fit(make_model(), strategy=ts.WASAP(workers=3, replay=path))
    assert state_of(recorded) == state_of(replayed)
    plain = fit(make_model(), strategy=ts.WASAP(workers=3, replay=path), augment=None)
    assert state_of(recorded) != state_of(plain)


def test_a_checkpoint_of_other_settings_is_not_gone_on_from(tmp_path):
    class Stop(ts.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    strategy = ts.WASSP(workers=2, checkpoint=tmp_path / "checkpoint")
    with pytest.raises(KeyboardInterrupt):
        fit(make_model(), strategy=strategy, callbacks=[Stop()])
    for other in (None, ts.ImageAugmentation(SHAPE, rotation=5)):
        with pytest.raises(ValueError, match="augment"):
            fit(make_model(), strategy=strategy, augment=other)
    fit(make_model(), strategy=strategy)


def test_it_learns_what_positions_alone_do_not_tell():
    """A bright spot at the left or the right edge, up or down: mirrors make left and right one."""
    rng = np.random.default_rng(1)
    place = rng.integers(0, 4, 400)
    images = rng.normal(size=(400, 8, 8, 1)) * 0.3
    images[np.arange(400), place // 2 * 5 + 1, place % 2 * 5 + 1] += 4
    x = images.reshape(400, -1)
    model = ts.SparseMLP([64, 40, 2], density=0.5, dropout=0, seed=0)
    left = place % 2 == 0
    augment = ts.ImageAugmentation((8, 8, 1))
    settings = {"epochs": 40, "batch_size": 16, "progress": False, "optimizer": ts.SGD(0.05)}
    model.fit(x[left], place[left] // 2, augment=augment, **settings)
    right = x[~left], place[~left] // 2
    assert model.evaluate(*right)["accuracy"] > 0.9


# --- the command line -----------------------------------------------------------------------------


def test_the_command_line_augments(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rate = ["--learning-rate", 0.005]
    one = train("--augment", "--augment-shape", 8, 8, 1, *rate)
    other = train(*rate)
    assert not np.array_equal(one.layers[0].weight.data, other.layers[0].weight.data)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--augment"], "--augment with --data digits: expected cifar10 or fashion-mnist, a"),
        (["--augment-shape", "8", "8", "1"], "--augment-shape: expected --augment as well"),
        (
            ["--augment", "--augment-shape", "8", "8", "3"],
            "--augment-shape 8 8 3: expected a product of 64, the features",
        ),
        (["--augment", "--augment-shape", "-8", "-8", "1"], "shape[0]"),
    ],
)
def test_the_command_line_names_what_is_wrong(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_fashion_mnist_needs_no_shape(fashion_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = ["--data", "fashion-mnist", "--data-dir", fashion_folder, "--epochs", "1"]
    one, other = train(*data, "--augment"), train(*data)
    assert not np.array_equal(one.layers[0].weight.data, other.layers[0].weight.data)


# --- what is refused ------------------------------------------------------------------------------

BAD = [
    ("shape", EITHER, {"shape": 32}),
    ("shape", VALUE, {"shape": (32, 32)}),
    ("shape[0]", VALUE, {"shape": (0, 32, 3)}),
    ("shape[1]", VALUE, {"shape": (32, 2**16 + 1, 3)}),
    ("shape[2]", TYPE, {"shape": (32, 32, 3.5)}),
    ("rotation", VALUE, {"rotation": -1}),
    ("rotation", VALUE, {"rotation": 181}),
    ("rotation", VALUE, {"rotation": math.nan}),
    ("rotation", TYPE, {"rotation": "10"}),
    ("shift", VALUE, {"shift": 1.5}),
    ("shift", TYPE, {"shift": (0.1, 0.1)}),
    ("mirror", TYPE, {"mirror": 2}),
]


@pytest.mark.parametrize(("argument", "kind", "options"), BAD)
def test_wrong_settings_are_named(argument, kind, options):
    check_raises(argument, kind, lambda: ts.ImageAugmentation(**options))


@pytest.mark.parametrize(
    ("argument", "kind", "call"),
    [
        ("x has shape (90,)", VALUE, lambda: SMALL.preview(np.zeros(90))),
        ("x has shape (2, 91)", VALUE, lambda: SMALL.preview(np.zeros((2, 91)))),
        ("x has shape (2, 5, 6, 3)", VALUE, lambda: SMALL.preview(np.zeros((2, 5, 6, 3)))),
        ("x is a sparse", TYPE, lambda: SMALL.preview(scipy.sparse.csr_array(X))),
        ("x has dtype", TYPE, lambda: SMALL.preview(np.full((2, 90), "a"))),
        ("seed", VALUE, lambda: SMALL.preview(X, -1)),
        ("step", TYPE, lambda: SMALL.preview(X, 0, 1.5)),
    ],
)
def test_a_wrong_preview_is_named(argument, kind, call):
    check_raises(argument, kind, call)


def test_no_images_give_none():
    assert SMALL.preview(X[:0]).shape == (0, 90)


@pytest.mark.parametrize("strategy", [None, ts.WASSP(workers=2), ts.WASAP(workers=2)])
def test_a_fit_that_cannot_be_names_augment(strategy, state_of):
    model = make_model()
    before = state_of(model)
    sparse = scipy.sparse.csr_array(X)
    cases = [
        ("augment = True", TYPE, {"augment": True}),
        ("(32, 32, 3): expected images of 90 values", VALUE, {"augment": ts.ImageAugmentation()}),
        ("(90, 2, 1)", VALUE, {"augment": ts.ImageAugmentation((90, 2, 1))}),
    ]
    for message, kind, options in cases:
        check_raises(message, kind, lambda o=options: fit(model, strategy=strategy, **o))
    arguments = {"augment": SMALL, "strategy": strategy, "progress": False}
    check_raises("augment = an Image", VALUE, lambda: model.fit(sparse, Y, **arguments))
    assert state_of(model) == before


def test_a_batch_of_an_iterator_that_cannot_be_is_named():
    batches = iter([(scipy.sparse.csr_array(X), Y)])
    with pytest.raises(ValueError, match=r"augment = .*batch 1 of x"):
        make_model().fit(batches, steps_per_epoch=1, epochs=1, augment=SMALL, progress=False)
