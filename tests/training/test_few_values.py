"""Samples that store few values train by these: as dense ones do, up to rounding."""

import copy
import pickle
import threading

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from hypothesis import given
from hypothesis import strategies as st

FEATURES, CLASSES = 400, 3
OPTIONS = {"batch_size": 16, "epochs": 3, "topology": None, "progress": False}


def table(samples=90, each=3, seed=0):
    """CSR samples of few values, some of them without any, and labels that depend on them."""
    rng = np.random.default_rng(seed)
    columns = rng.integers(0, FEATURES, (samples, each)) ** 2 // FEATURES  # some often, most rarely
    rows = np.repeat(np.arange(samples), each)
    values = rng.normal(size=samples * each)
    x = sp.csr_array((values, (rows, columns.ravel())), shape=(samples, FEATURES), dtype=np.float32)
    x.sum_duplicates()
    x = x[np.arange(samples) % 10 != 7]
    empty = sp.csr_array((samples // 10 + 1, FEATURES), dtype=np.float32)
    x = sp.csr_array(sp.vstack([x, empty])[:samples])
    y = np.asarray(x @ rng.normal(size=(FEATURES, CLASSES))).argmax(1)
    return x, y


def make(**options):
    sizes = options.pop("sizes", [FEATURES, 30, CLASSES])
    return ts.SparseMLP(sizes, **({"density": 0.3, "seed": 1, "threads": 2} | options))


def arrays(model):
    """All parameters and moments."""
    found = []
    for layer in model.layers:
        found += [layer.weight.data, layer.weight.indices, layer.momentum.data]
        found += [layer.bias, layer.bias_momentum]
    return found


def same(model, other):
    return all(
        np.array_equal(a, b, equal_nan=True)
        for a, b in zip(arrays(model), arrays(other), strict=True)
    )


def close(model, other, tolerance=2e-5):
    for a, b in zip(arrays(model), arrays(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(1, np.abs(b).max(initial=0)))


RULES = {
    "sgd": ts.SGD(0.05, weight_decay=0),
    "sgd without momentum": ts.SGD(0.05, momentum=0),
    "nesterov, cosine": ts.SGD(0.05, nesterov=True, schedule="cosine"),
    "long momentum": ts.SGD(0.01, momentum=0.99, weight_decay=1e-2),
    "sgd with l1": ts.SGD(0.05, l1=1e-3),
    "adam": ts.Adam(0.01),
    "adam, decay, cosine": ts.Adam(0.01, weight_decay=0.5, schedule="cosine"),
    "adam with l1": ts.Adam(0.01, l1=1e-3),
    "adam without means": ts.Adam(0.01, beta_1=0, beta_2=0.5),
    "adam whose quotients stay": ts.Adam(0.003, beta_1=0.95, beta_2=0.9),
    "lion": ts.Lion(0.002),
    "lion without a mean in its moves": ts.Lion(0.002, beta_1=0),
    "lion that forgets": ts.Lion(0.002, beta_2=0.5),
    "adam with a tiny epsilon": ts.Adam(0.01, epsilon=1e-39),
    "lion, decay": ts.Lion(0.002, weight_decay=1),
    "lion with l1": ts.Lion(0.002, l1=1e-2),
}


@pytest.mark.parametrize("rule", RULES)
def test_every_update_rule_agrees_with_dense_samples(rule):
    x, y = table()
    few, dense = make(), make()
    options = OPTIONS | {"optimizer": RULES[rule], "epochs": 10}
    found = few.fit(x, y, validation_data=(x, y), **options).history
    expected = dense.fit(x.toarray(), y, validation_data=(x.toarray(), y), **options).history
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5)
    assert found["accuracy"] == expected["accuracy"]
    close(few, dense)
    assert not same(few, dense) or rule == "sgd without momentum"  # it is the other way


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ({}, {"topology": ts.SET(0.3)}),
        ({}, {"topology": ts.GradientGrowth(0.3)}),
        ({"sizes": [FEATURES, CLASSES]}, {}),
        ({"sizes": [FEATURES, 20, 15, CLASSES], "dropout": 0.3, "activation": "gelu"}, {}),
        ({"activation": "srelu"}, {"optimizer": ts.SGD(0.05)}),
        ({"standardize": True}, {"optimizer": ts.SGD(0.02)}),
        ({"loss": "squared_error", "sizes": [FEATURES, 20, 1]}, {}),
        ({}, {"pruning": ts.ImportancePruning(start=1, every=1, percentile=10)}),
        ({}, {"strategy": ts.WASSP(workers=2), "optimizer": ts.SGD(0.05)}),
        ({}, {"strategy": ts.WASAP(workers=1), "optimizer": ts.SGD(0.05)}),
    ],
)
@pytest.mark.parametrize("memory", ["fast", "lean", "least"])
def test_all_that_trains_agrees_with_dense_samples(settings, options, memory):
    if memory != "fast" and "strategy" in options:
        options = options | {"strategy": None}
    x, y = table(seed=2)
    if settings.get("loss") == "squared_error":
        y = y / 2.0
    options = {"optimizer": ts.Adam(0.01), "memory": memory} | options
    models = [make(**settings), make(**settings)]
    for model, samples in zip(models, (x, x.toarray()), strict=True):
        model.fit(samples, y, **(OPTIONS | options))
    close(*models, tolerance=1e-4)
    np.testing.assert_allclose(models[0].predict(x), models[1].predict(x.toarray()), atol=1e-4)


@pytest.mark.parametrize("memory", ["lean", "least"])
@pytest.mark.parametrize("standardize", [False, True])
def test_memory_modes_have_the_same_bits(memory, standardize):
    x, y = table(seed=3)
    models = [make(sizes=[FEATURES, 20, 15, 12, CLASSES], standardize=standardize) for _ in "ab"]
    for model, mode in zip(models, ("fast", memory), strict=True):
        model.fit(x, y, **(OPTIONS | {"memory": mode, "topology": ts.SET(0.3)}))
    assert same(*models)


@given(
    seed=st.integers(0, 2**32),
    each=st.integers(0, 8),
    batch_size=st.integers(1, 60),
    threads=st.integers(2, 3),
    rule=st.sampled_from(sorted(RULES)),
    hidden=st.sampled_from([[], [7], [30, 20]]),
)
def test_bits_do_not_depend_on_threads(seed, each, batch_size, threads, rule, hidden):
    x, y = table(samples=40, each=each, seed=seed)
    options = OPTIONS | {"batch_size": batch_size, "optimizer": RULES[rule]}
    models = [make(sizes=[FEATURES, *hidden, CLASSES], threads=n) for n in (1, threads)]
    for model in models:
        model.fit(x, y, **options)
    assert same(*models)
    assert np.array_equal(models[0].predict(x), models[1].predict(x, batch_size=batch_size))


def single_steps(model, x, y, between=lambda model: None, optimizer=None):
    for start in range(0, 80, 8):
        model.train_on_batch(x[start : start + 8], y[start : start + 8], optimizer=optimizer)
        between(model)


def looks(model, tmp_path, x, y):
    model.layers[0].weight  # noqa: B018 (the look is the point)
    model.save(tmp_path / "model.safetensors")
    model.evaluate(x, y)
    model.predict(x.toarray())
    model.predict(x[:1])
    model.importance(layer=1)
    pickle.dumps(model)
    copy.deepcopy(model)
    model.summary()


@pytest.mark.parametrize("rule", RULES)
def test_whoever_looks_changes_no_bit(rule, tmp_path):
    x, y = table(seed=4)
    looked_at, alone = make(), make()
    single_steps(looked_at, x, y, lambda m: looks(m, tmp_path, x, y), RULES[rule])
    single_steps(alone, x, y, optimizer=RULES[rule])
    assert same(looked_at, alone)
    # What is looked at is what there would be.
    dense = make()
    single_steps(dense, x.toarray(), y, optimizer=RULES[rule])
    close(looked_at, dense)
    for other in (ts.load(tmp_path / "model.safetensors"), pickle.loads(pickle.dumps(alone))):
        assert same(other, alone)
        assert np.array_equal(other.predict(x), alone.predict(x))


def test_another_thread_may_look_in_the_middle_of_an_epoch():
    x, y = table(samples=400, each=2, seed=5)
    watched, alone = make(), make()
    done = threading.Event()
    sums = []

    def look():
        while not done.is_set():
            sums.append(float(watched.layers[0].weight.data.sum()))
            watched.predict(x[:3])

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        options = OPTIONS | {"batch_size": 1, "optimizer": ts.Adam(0.01)}
        watched.fit(x, y, **options)
    finally:
        done.set()
        watcher.join()
    alone.fit(x, y, **options)
    assert same(watched, alone)
    assert len(set(sums)) > 1


def test_steps_of_other_kinds_come_in_between():
    x, y = table(seed=6)
    few, dense = make(), make()
    kinds = [ts.Adam(0.01), ts.Adam(0.01, beta_1=0.8), ts.SGD(0.05), ts.Lion(0.001), ts.SGD(0.05)]
    for i in range(20):
        part = slice(4 * i, 4 * i + 4)
        optimizer = kinds[i // 4 % len(kinds)]
        samples = x[part].toarray() if i % 3 == 2 else x[part]
        few.train_on_batch(samples, y[part], optimizer=optimizer)
        dense.train_on_batch(x[part].toarray(), y[part], optimizer=optimizer)
        if i == 9:
            few.evolve(ts.SET(0.2))
            dense.evolve(ts.SET(0.2))
        if i == 13:
            few.prune(percentile=10)
            dense.prune(percentile=10)
    close(few, dense)


def test_an_epoch_may_have_more_steps_than_are_remembered():
    x, y = table(samples=5000, each=2, seed=7)
    few, dense = make(), make()
    options = OPTIONS | {"batch_size": 1, "epochs": 1, "optimizer": ts.Adam(0.001)}
    few.fit(x, y, **options)
    dense.fit(x.toarray(), y, **options)
    close(few, dense)


def test_a_fit_that_is_broken_off_owes_nothing():
    x, y = table(samples=300, seed=8)

    class Stop(ts.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise RuntimeError("broken off")

    few, dense = make(), make()
    for model, samples in ((few, x), (dense, x.toarray())):
        with pytest.raises(RuntimeError, match="broken off"):
            model.fit(samples, y, **(OPTIONS | {"callbacks": [Stop()]}))
    close(few, dense)


def test_streams_agree_with_dense_ones():
    x, y = table(seed=9)
    few, dense = make(), make()

    def stream(samples):
        while True:
            for start in range(0, 80, 10):
                yield samples[start : start + 10], y[start : start + 10]

    for model, samples in ((few, x), (dense, x.toarray())):
        model.fit(
            stream(samples), steps_per_epoch=8, epochs=3, progress=False, topology=ts.SET(0.1)
        )
    close(few, dense)


def test_all_kinds_of_rows_are_right():
    x, y = table(seed=10)
    full = sp.csr_array(np.random.default_rng(1).normal(size=(1, FEATURES)).astype(np.float32))
    x = sp.csr_array(sp.vstack([x, full, sp.csr_array((1, FEATURES), dtype=np.float32)]))
    y = np.append(y, [0, 1])
    model, other = make(), make()
    model.fit(x, y, **OPTIONS)
    zeros = x.copy()  # explicit zeros, and every other value in two halves, in descending order
    coo = zeros.tocoo()
    rows = np.concatenate([coo.row, coo.row, np.arange(len(y))])
    columns = np.concatenate([coo.col, coo.col, np.zeros(len(y), int)])
    data = np.concatenate([coo.data / 2, coo.data / 2, np.zeros(len(y))]).astype(np.float32)
    order = np.lexsort((-columns, rows))
    messy = sp.csr_array((len(y), FEATURES), dtype=np.float32)
    messy.indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(y)))])
    messy.indices, messy.data = columns[order], data[order]
    assert (messy.toarray() == x.toarray()).all()
    other.fit(messy, y, **OPTIONS)
    close(model, other)
    expected = model.predict(x.toarray())
    assert np.array_equal(model.predict(x), expected)
    assert np.array_equal(model.predict(messy), expected)
    for row in (0, 7, len(y) - 2, len(y) - 1):
        assert np.array_equal(model.predict(x[[row]]), expected[[row]])


def test_features_far_from_zero_are_shifted():
    x, y = table(seed=11)
    rows = x.toarray()
    rows[:, 5] = np.where(np.arange(len(y)) % 9 == 0, 0, 1000 + np.arange(len(y)) % 2)
    rows[:, 6] = 1000 + np.arange(len(y)) % 2  # far from 0 by its deviation
    x = sp.csr_array(rows)
    models = [make(standardize=True), make(standardize=True)]
    for model, samples in zip(models, (x, rows), strict=True):
        model.fit(samples, y, **(OPTIONS | {"optimizer": ts.SGD(0.01)}))
    close(*models, tolerance=1e-4)


def test_products_count_stored_values():
    x, y = table(seed=12)
    model = make()
    history = model.fit(x, y, **(OPTIONS | {"epochs": 1})).history
    out = np.diff(model.layers[0].weight.tocsr().indptr)  # connections of each feature
    first = 2 * int(out[x.indices].sum())
    assert history["multiply_adds"] == [first + 3 * len(y) * model.layers[1].nnz]


def test_gradients_on_few_values_agree_with_dense_ones():
    x, y = table(seed=13)
    model = make()
    model.fit(x, y, **OPTIONS)
    norms = model.gradient_norms(x, y)
    np.testing.assert_allclose(norms, model.gradient_norms(x.toarray(), y), rtol=1e-5)


def test_estimators_take_few_values():
    x, y = table(samples=200, seed=14)
    few = ts.SparseMLPClassifier((20,), max_iter=5, random_state=0, standardize=False)
    same = {"optimizer": "adam", "topology": "set", "weight_decay": 0.3}
    few.set_params(**same).fit(x, y)
    dense = ts.SparseMLPClassifier((20,), max_iter=5, random_state=0, standardize=False)
    dense.set_params(**same).fit(x.toarray(), y)
    np.testing.assert_allclose(few.predict_proba(x), dense.predict_proba(x.toarray()), atol=1e-4)
    assert np.array_equal(few.predict_proba(x), few.predict_proba(x.toarray()))
    assert np.array_equal(few.predict_proba(x[:1]), few.predict_proba(x)[:1])
    few.partial_fit(x[:50], y[:50])
    dense.partial_fit(x[:50].toarray(), y[:50])
    np.testing.assert_allclose(few.predict_proba(x), dense.predict_proba(x), atol=1e-4)
