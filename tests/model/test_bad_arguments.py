"""Bad arguments: the right exception, a message that names the argument, an unchanged model."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers import limits
from helpers.bad_input import (
    EITHER,
    INF,
    NAN,
    SIZES,
    TYPE,
    VALUE,
    X,
    Y,
    check_raises,
    make_model,
    with_value,
)

NOT_COUNTS = [(-1, VALUE), (True, TYPE), (1.5, TYPE), ("1", TYPE), (None, TYPE), (NAN, TYPE)]
NOT_REALS = [(NAN, VALUE), (INF, VALUE), (-INF, VALUE), ("0.1", TYPE), ([0.1], TYPE), (1j, TYPE)]
# One for all layers, or a list with one for each.
NO_LAYERS = [({0.1}, TYPE), ([0.1] * 9, VALUE), ([[0.1], 0.1], TYPE), ([], VALUE)]
NOT_PER_LAYER = [*(pair for pair in NOT_REALS if pair != ([0.1], TYPE)), *NO_LAYERS]
NOT_NAMES = [("nonsense", VALUE), ("", VALUE), (3, EITHER), (None, EITHER)]

CONSTRUCTOR = [
    *[("layer_sizes", v, VALUE) for v in ([], [4], [4, 0, 3], [0, 3], [4, 6, 0], [4, -6, 3])],
    *[("layer_sizes", [4, v, 3], k) for v, k in NOT_COUNTS],
    *[("layer_sizes", v, EITHER) for v in (5, "46", None, [[4, 6, 3]])],
    *[("layer_sizes", [2**k, 3], VALUE) for k in (33, 63, 64, 200)],
    *[("epsilon", v, k) for v, k in [*NOT_PER_LAYER, (0, VALUE), (-1.0, VALUE), (True, TYPE)]],
    *[("density", v, k) for v, k in [*NOT_PER_LAYER, (0, VALUE), (-0.1, VALUE), (1.01, VALUE)]],
    *[("dropout", v, k) for v, k in [*NOT_PER_LAYER, (1.0, VALUE), (-0.1, VALUE), (True, TYPE)]],
    *[("input_noise", v, k) for v, k in [*NOT_REALS, (1e39, VALUE), (-0.1, VALUE), (True, TYPE)]],
    *[
        ("label_smoothing", v, k)
        for v, k in [*NOT_REALS, (1.0, VALUE), (-0.1, VALUE), (True, TYPE)]
    ],
    *[("slope", v, k) for v, k in NOT_REALS],
    *[(a, v, k) for a in ("activation", "loss", "init", "fan") for v, k in NOT_NAMES],
    *[("seed", v, k) for v, k in [(-1, VALUE), (2**64, VALUE), (1.5, TYPE), ("1", TYPE)]],
    *[("threads", v, k) for v, k in [(0, VALUE), *NOT_COUNTS] if v is not None],
    ("standardize", "yes", VALUE),
]


@pytest.mark.parametrize(("argument", "value", "kind"), CONSTRUCTOR)
def test_constructor(argument, value, kind):
    options = {"layer_sizes": SIZES, argument: value}
    check_raises(argument, kind, lambda: ts.SparseMLP(**options))


class Own(ts.TopologyRule):
    """A rule of a user's."""


@pytest.mark.parametrize(
    ("argument", "kind", "given"),
    [
        ("topology", Own, Own),
        ("topology", ts.SET, ts.SET),
        ("optimizer", ts.Lion, ts.Lion),
        ("strategy", ts.WASAP, ts.WASAP),
        ("pruning", ts.ImportancePruning, ts.ImportancePruning),
        ("augment", ts.ImageAugmentation, ts.ImageAugmentation),
        ("callbacks", ts.TerminateOnNaN, [ts.TerminateOnNaN]),
    ],
)
def test_a_class_is_not_an_object_of_it(argument, kind, given):
    with pytest.raises(TypeError, match=rf"^{argument} .*give an object of it, {kind.__name__}\("):
        make_model().fit(X, Y, **{argument: given})


def test_another_class_is_only_refused():
    with pytest.raises(TypeError, match="topology = <class") as raised:
        make_model().fit(X, Y, topology=ts.Adam)
    assert "give an object of it" not in str(raised.value)
    with pytest.raises(TypeError, match=r"schedule = .*give an object of it, Cosine\("):
        ts.SGD(0.1, schedule=ts.Cosine)


@pytest.mark.parametrize("loss", ["binary_cross_entropy", "squared_error", "huber"])
def test_label_smoothing_is_of_cross_entropy(loss):
    message = rf"label_smoothing = 0\.1 and loss = '{loss}': expected loss='cross_entropy'"
    for make in (
        lambda s: ts.SparseMLP(SIZES, loss=loss, label_smoothing=s),
        lambda s: ts.SparseMLP.from_scipy(
            [sp.csc_array(np.ones((4, 2)))], loss=loss, label_smoothing=s
        ),
    ):
        with pytest.raises(ValueError, match=message):
            make(0.1)
        assert make(0).label_smoothing == 0


def test_cross_entropy_with_one_output():
    advice = r"layer_sizes .*loss = 'cross_entropy': expected loss='binary_cross_entropy', or two"
    with pytest.raises(ValueError, match=advice):
        ts.SparseMLP([4, 6, 1])
    with pytest.raises(ValueError, match=advice):
        ts.SparseMLP.from_scipy([sp.csc_array(np.ones((4, 1)))])
    for loss in ("binary_cross_entropy", "squared_error", "squared_error_sigmoid", "huber"):
        assert ts.SparseMLP([4, 6, 1], loss=loss).layer_sizes == [4, 6, 1]


def test_epsilon_and_density_exclude_each_other():
    check_raises("epsilon", VALUE, lambda: ts.SparseMLP(SIZES, epsilon=3, density=0.5))
    check_raises("density", VALUE, lambda: ts.SparseMLP(SIZES, epsilon=3, density=0.5))


RATES = [*NOT_REALS, (0.0, VALUE), (-0.1, VALUE), (None, TYPE), (True, TYPE)]
FRACTIONS = [*NOT_REALS, (1.0, VALUE), (-0.1, VALUE), (None, TYPE)]
OPTIMIZER = [
    *[("learning_rate", v, k) for v, k in RATES],
    *[("momentum", v, k) for v, k in FRACTIONS],
    *[("weight_decay", v, k) for v, k in [*NOT_REALS, (-1e-9, VALUE)]],
    *[("schedule", v, k) for v, k in NOT_NAMES],
    ("nesterov", "no", TYPE),
    ("schedule_decay", 2, TYPE),
]


@pytest.mark.parametrize(("argument", "value", "kind"), OPTIMIZER)
def test_optimizer(argument, value, kind):
    check_raises(argument, kind, lambda: ts.SGD(**{argument: value}))


@pytest.mark.parametrize(
    ("argument", "value", "kind"),
    [
        *[("zeta", v, k) for v, k in FRACTIONS],
        *[("grow_init", v, k) for v, k in [*NOT_REALS, (-0.1, VALUE)]],
    ],
)
def test_set(argument, value, kind):
    check_raises(argument, kind, lambda: ts.SET(**{argument: value}))


BAD_X = {
    "NaN": (with_value(X, NAN), VALUE),
    "infinity": (with_value(X, INF), VALUE),
    "beyond float32": (with_value(X, 1e39, np.float64), VALUE),
    "too few features": (X[:, :3], VALUE),
    "too many features": (np.ones((10, 5)), VALUE),
    "one sample without its axis": (X[0], VALUE),
    "three axes": (X[None], VALUE),
    "a number": (1.0, EITHER),
    "no rows": (X[:0], VALUE),
    "no columns": (X[:, :0], VALUE),
    "None": (None, EITHER),
    "strings": (X.astype(str), TYPE),
    "objects with text": (with_value(X, "1.5", object), TYPE),
    "objects with None": (with_value(X, None, object), TYPE),
    "objects with NaN": (with_value(X, NAN, object), VALUE),
    "objects with infinity": (with_value(X, INF, object), VALUE),
    "objects with a complex number": (with_value(X, 1j, object), TYPE),
    "objects with an array": (with_value(X, np.ones(3), object), TYPE),
    "objects beyond float32": (with_value(X, 10**39, object), VALUE),
    "objects beyond float64": (with_value(X, 10**400, object), VALUE),
    "masked": (np.ma.masked_array(X, X > 1), VALUE),
    "complex": (X.astype(complex), TYPE),
    "dates": (np.zeros((10, 4), "datetime64[s]"), TYPE),
    "ragged": ([[1.0], [1.0, 2.0]], EITHER),
}
LABELS = {
    "negative": (with_value(Y, -1, np.int64), VALUE),
    "equal to n_out": (with_value(Y, 3, np.int64), VALUE),
    "far too large": (with_value(Y, 2**40, np.int64), VALUE),
    "unsigned far too large": (with_value(Y, 2**64 - 1, np.uint64), VALUE),
    "not whole": (Y + 0.5, EITHER),
    "NaN": (with_value(Y, NAN), EITHER),
    "strings": (Y.astype(str), TYPE),
    "objects with text": (Y.astype(str).astype(object), TYPE),
    "objects with None": (with_value(Y, None, object), VALUE),
    "masked": (np.ma.masked_array(Y, Y == 1), VALUE),
    "complex": (Y.astype(complex), TYPE),
    "None": (None, EITHER),
    "a number": (1, EITHER),
    "too few": (Y[:9], VALUE),
    "too many": (np.append(Y, 0), VALUE),
    "empty": (Y[:0], VALUE),
}
ROWS = np.full((10, 3), 1 / 3, np.float32)
DENSE = {
    "NaN only": (ROWS * NAN, VALUE),
    "infinity": (with_value(ROWS, INF), VALUE),
    "too few columns": (ROWS[:, :2], VALUE),
    "too few rows": (ROWS[:9], VALUE),
    "three axes": (ROWS[None], VALUE),
    "strings": (ROWS.astype(str), TYPE),
    "complex": (ROWS.astype(complex), TYPE),
}
PROBABILITIES = DENSE | {
    "negative": (with_value(ROWS, -0.01), VALUE),
    "above one": (with_value(ROWS, 1.01), VALUE),
}
BAD_Y = {
    "cross_entropy": LABELS
    | {f"rows: {name}": case for name, case in PROBABILITIES.items()}
    | {"rows: NaN": (with_value(ROWS, NAN), VALUE)}
    | {"rows: not summing to one": (ROWS / 2, VALUE)},
    "binary_cross_entropy": PROBABILITIES | {"a vector for three outputs": (Y * 1.0, VALUE)},
    "squared_error": DENSE | {"a vector for three outputs": (Y * 1.0, VALUE)},
    "huber": DENSE | {"a vector for three outputs": (Y * 1.0, VALUE)},
    "squared_error_sigmoid": PROBABILITIES | {"a vector for three outputs": (Y * 1.0, VALUE)},
}
Y_CASES = [(loss, name) for loss, cases in BAD_Y.items() for name in cases]
VERBS = {
    "fit": lambda model, x, y: model.fit(x, y, epochs=1, progress=False),
    "validation": lambda model, x, y: model.fit(
        X, good_y(model.loss), epochs=1, progress=False, validation_data=(x, y)
    ),
    "train_on_batch": lambda model, x, y: model.train_on_batch(x, y),
    "test_on_batch": lambda model, x, y: model.test_on_batch(x, y),
    "evaluate": lambda model, x, y: model.evaluate(x, y),
}


def good_y(loss):
    return Y if loss == "cross_entropy" else ROWS


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("name", BAD_X)
def test_bad_x(state_of, name, trained):
    model = make_model()
    if trained:
        model.train_on_batch(X, Y)
    before = state_of(model)
    bad, kind = BAD_X[name]
    for verb, call in VERBS.items():
        check_raises("validation_data" if verb == "validation" else "x", kind,
                     lambda call=call: call(model, bad, Y))  # fmt: skip
        assert state_of(model) == before
    check_raises("x", kind, lambda: model.predict(bad))
    assert state_of(model) == before


@pytest.mark.parametrize(("loss", "name"), Y_CASES)
def test_bad_y(state_of, loss, name):
    model = make_model(loss=loss)
    before = state_of(model)
    bad, kind = BAD_Y[loss][name]
    for verb, call in VERBS.items():
        check_raises("validation_data" if verb == "validation" else "y", kind,
                     lambda call=call: call(model, X, bad))  # fmt: skip
        assert state_of(model) == before


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (
            with_value(X, "red", object),
            r"^x\[9, 3\] = 'red' \(x has dtype object\): expected an arr",
        ),
        (with_value(X, None, object), r"^x\[9, 3\] = None \(x has dtype object\): expected a real"),
        (np.ma.masked_array(X, X > 1), r"^x is a masked array .* \(use x\.filled\(\.\.\.\)\)$"),
    ],
)
def test_messages_about_samples(x, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make_model().predict(x)


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
@pytest.mark.parametrize("dtype", [str, object])
def test_text_labels_are_told_how_to_become_numbers(loss, dtype):
    y = np.array(["cat", "dog"] * 5, dtype=dtype)
    model = make_model(loss=loss)
    advice = r"^y.*expected integer class labels, which classes, y = np\.unique\(y, return_inverse="
    with pytest.raises(TypeError, match=advice):
        model.fit(X, y, progress=False)
    _, y = np.unique(y, return_inverse=True)
    make_model().fit(X, y, epochs=1, progress=False)


FIT = [
    *[("batch_size", v, k) for v, k in [(0, VALUE), *NOT_COUNTS]],
    *[("epochs", v, k) for v, k in NOT_COUNTS],
    *[("initial_epoch", v, k) for v, k in NOT_COUNTS],
    *[("optimizer", v, EITHER) for v in ("adamw", 0.01, ts.SGD)],
    *[("topology", v, EITHER) for v in ("nonsense", 0.3, ts.SET, ts.SGD())],
    *[("callbacks", v, TYPE) for v in (3, [print], ["x"])],
    *[("validation_data", v, EITHER) for v in (X, (X,), (X, Y, X, Y), 3, "xy")],
]


@pytest.mark.parametrize(("argument", "value", "kind"), FIT)
def test_fit_arguments(state_of, argument, value, kind):
    model = make_model()
    before = state_of(model)
    options = {"epochs": 2, "progress": False, argument: value}
    check_raises(argument, kind, lambda: model.fit(X, Y, **options))
    assert state_of(model) == before


def test_arguments_of_the_other_methods(state_of):
    model = make_model()
    before = state_of(model)
    for value, kind in [(0, VALUE), *NOT_COUNTS]:
        for call in (
            lambda v: model.predict(X, batch_size=v),
            lambda v: model.evaluate(X, Y, batch_size=v),
        ):
            check_raises("batch_size", kind, lambda call=call, v=value: call(v))
    for value, kind in [(0, VALUE), (3, VALUE), *NOT_COUNTS]:
        check_raises("layer", kind, lambda v=value: model.importance(v))
    for value in (0, -1, True, 1.5, "2"):
        check_raises("threads", EITHER, lambda v=value: setattr(model, "threads", v))
    check_raises("optimizer", TYPE, lambda: model.train_on_batch(X, Y, optimizer=[]))
    check_raises("topology", EITHER, lambda: model.evolve(0.3))
    assert state_of(model) == before


def test_bad_metadata_is_refused_at_the_latest_when_saving(state_of, tmp_path):
    model = make_model()

    def set_and_save():
        model.metadata["classes"] = 3
        model.save(tmp_path / "model.safetensors")

    check_raises("metadata", EITHER, set_and_save)
    assert list(tmp_path.iterdir()) == []


GOOD = [sp.csc_array(np.ones((4, 6))), sp.csc_array(np.ones((6, 3)))]
FROM_SCIPY = {
    "no layers": ("weights", [], None, VALUE),
    "one matrix": ("weights", GOOD[0], None, TYPE),
    "one array": ("weights", GOOD[0].toarray(), None, TYPE),
    "arrays with three axes": ("weights", [np.ones((2, 4, 6)), GOOD[1]], None, VALUE),
    "text": ("weights", ["GOOD", GOOD[1]], None, EITHER),
    "not a list": ("weights", 3, None, TYPE),
    "shapes that do not chain": ("weights", [GOOD[0], GOOD[0]], None, VALUE),
    "NaN": ("weights", [GOOD[0] * NAN, GOOD[1]], None, VALUE),
    "beyond float32": ("weights", [GOOD[0] * 1e39, GOOD[1]], None, VALUE),
    "complex": ("weights", [GOOD[0] * 1j, GOOD[1]], None, TYPE),
    "no inputs": ("weights", [sp.csc_array((0, 6)), GOOD[1]], None, VALUE),
    "too few biases": ("biases", GOOD, [np.zeros(6)], VALUE),
    "bias of the wrong length": ("biases", GOOD, [np.zeros(6), np.zeros(4)], VALUE),
    "bias with two axes": ("biases", GOOD, [np.zeros((1, 6)), np.zeros(3)], VALUE),
    "bias with NaN": ("biases", GOOD, [np.full(6, NAN), np.zeros(3)], VALUE),
    "bias of strings": ("biases", GOOD, [np.array(["a"] * 6), np.zeros(3)], TYPE),
}


@pytest.mark.parametrize("name", FROM_SCIPY)
def test_from_scipy(name):
    argument, weights, biases, kind = FROM_SCIPY[name]
    check_raises(argument, kind, lambda: ts.SparseMLP.from_scipy(weights, biases))


# Under a limit, so that a failing implementation cannot take the machine with it; a Rust
# allocation that fails without being checked aborts the process, which fails the test too.
HUGE = """
import resource
import trulysparse as ts
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

def asked(request):
    before = peak()
    try:
        request()
    except (ValueError, MemoryError) as error:
        print(type(error).__name__, peak() - before, flush=True)

asked(lambda: ts.SparseMLP([10**7, 10**7], density=1.0, threads=2))
asked(lambda: ts.SparseMLP([2**32, 2**32], density=1e-12, threads=2))
asked(lambda: ts.SparseMLP([2**40, 3], epsilon=1e-9, threads=2))
asked(lambda: ts.SparseMLP([4 * 10**9, 3], density=1.0, threads=2))
asked(lambda: ts.SparseMLP([10, 4 * 10**9, 3], epsilon=100.0, threads=2))
asked(lambda: ts.SparseMLP([4 * 10**9, 4 * 10**9], epsilon=1e9, threads=2))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits and reads memory as Linux does")
def test_huge_requests_fail_without_allocating():
    command = [sys.executable, "-c", HUGE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=limits.CHILD)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 6, lines
    for line in lines:
        name, kib = line.split()
        assert name in ("ValueError", "MemoryError")
        assert int(kib) < 50 * 1024, line
