"""Pages about ordinary and odd tables: what is on them, and what is said not to be."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers.html_page import QUICK, classifier, numbers, parsed, regressor, section
from trulysparse.report import effects, html, subject
from trulysparse.report.sections.calibration import bins

pytestmark = pytest.mark.usefixtures("without_pictures")
RNG = np.random.default_rng(1)
SECTIONS = [
    "scores", "mistakes", "calibration", "columns", "correlations", "data", "training", "pruning",
    "connections",
]  # fmt: skip
FEW = {"resamples": 100}


def made(fitted, *table, **options):
    """A page that is in order, with all sections."""
    text = fitted.report(*table, **(FEW | options))
    page = parsed(text)
    assert [i for i in page.ids() if i in SECTIONS] == SECTIONS
    assert "nan" not in page.text.lower().split()
    return text


@pytest.fixture(scope="module")
def fitted():
    x, y = numbers(60)
    frame = pl.DataFrame(x, schema=["first", "second", "third", "fourth", "fifth"])
    return classifier(frame, y, max_iter=30, epsilon=30), frame, y


def test_a_page_is_the_same_for_the_same_seed(fitted, drawn):
    model, x, y = fitted
    one, other, another = (made(model, x, y, seed=seed) for seed in (0, 0, 1))
    assert one == other != another


def test_a_report_leaves_the_model_as_it_is(fitted):
    model, x, y = fitted
    before = model.model_._core.to_bytes(model.model_.metadata)
    made(model, x, y, folds=2)
    assert model.model_._core.to_bytes(model.model_.metadata) == before


def test_the_page_has_the_scores_of_the_estimator(fitted):
    model, x, y = fitted
    text = made(model, x, y)
    assert f"{100 * model.score(x, y):.1f} %" in section(text, "scores")
    assert "The model was trained on all rows of this table" in text
    assert "first" in section(text, "columns")
    assert "No cell is missing." in section(text, "data")


def test_a_column_that_decides_speaks_for_the_class_that_it_is(fitted):
    model, x, y = fitted
    found = _subject(model, x, y)
    probe = effects.Probe(found, _options())
    effect = probe.of([0], ["first"], is_number=True)
    assert effect.change > 0.2  # of the second class, "yes"
    assert effect.correlation > 0.5


def _options():
    from trulysparse.report.sections.options import Options

    return Options(resamples=100)


def _subject(model, x, y):
    from trulysparse.estimators import _reported
    from trulysparse.report.making import asked

    return _reported.of_tables(model, x, y, asked())


def test_rows_that_are_new_are_said_to_be(fitted):
    model, x, y = fitted
    assert "has not been trained on rows of this table" in made(model, x * 2 + 1, y)
    half = pl.concat([x[:20], x[:20] * 2 + 1])
    assert "on 20 of 40 rows of this table" in made(model, half, np.tile(y[:20], 2))
    x, y = numbers()
    unknown = ts.SparseMLPClassifier(**QUICK).partial_fit(x, y)
    assert "It is not known whether the model was trained on" in made(unknown, x, y)


def test_a_saved_estimator_has_its_curves_and_its_rows(fitted, tmp_path):
    model, x, y = fitted
    model.save(tmp_path / "model")
    text = made(ts.load(tmp_path / "model"), x, y)
    assert "The accuracy by epoch" in text
    assert "The model was trained on all rows" in text


@pytest.mark.parametrize(
    "history", [{"loss": [1.0], "val_loss": []}, {"loss": ["a"]}, {"other": [1.0]}, [1.0]]
)
def test_altered_curves_are_refused(fitted, tmp_path, history):
    model = fitted[0]
    model.save(tmp_path / "model")
    network = ts.loading.network(tmp_path / "model")
    said = json.loads(network.metadata["estimator"]) | {"history": history}
    network.metadata["estimator"] = json.dumps(said)
    network.save(tmp_path / "model")
    with pytest.raises(ValueError, match="no estimator of this version"):
        ts.load(tmp_path / "model")


# --- odd tables -----------------------------------------------------------------------------------


def test_a_table_without_labels():
    x, y = numbers()
    text = made(classifier(x, y), x)
    assert "no labels, so nothing can be scored" in section(text, "scores")
    assert "No row can be scored" in section(text, "mistakes")


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_missing_labels_are_left_out_of_scores(missing):
    x, y = numbers()
    some = y.astype(object)
    some[:10] = missing
    text = made(classifier(x, y), x, some)
    assert "30 rows of the table are scored" in text
    assert "10 rows have no label" in text
    nothing = np.full(len(y), missing, object)
    assert "No row of the table has a label" in made(classifier(x, y), x, nothing)


def test_missing_numbers_are_left_out_of_scores():
    x, _ = numbers()
    y = x[:, 0].copy()
    model = regressor(x, y)
    y[:5] = np.nan
    text = made(model, x, y)
    assert "35 rows of the table are scored" in text
    assert "5 rows have no label" in text


def test_one_class_and_one_row():
    x, y = numbers()
    model = classifier(x, y)
    text = made(model, x[y == "yes"], y[y == "yes"])
    assert "These rows have no AUC: they are all of one class." in section(text, "scores")
    text = made(model, x[:1], y[:1])
    assert "One row of the table is scored" in section(text, "scores")
    assert "Calibration takes 20 scored rows" in section(text, "calibration")
    numbers_of = regressor(x, x[:, 0])
    text = made(numbers_of, x[:1], x[:1, 0])
    assert "These rows have no R2: their targets have one value." in text


def test_many_classes(drawn):
    y = np.arange(400) % 100
    x = RNG.normal(size=(400, 8)) + y[:, None]
    text = made(classifier(x, y), x, y)
    assert "One of 100 classes" in text
    assert "The most frequent mistakes" in text
    assert len(text) < 400_000


def test_several_labels_of_which_some_are_missing():
    x, _ = numbers()
    y = (x[:, :3] > 0).astype(float)
    model = classifier(x, y)
    y[::3, 1] = np.nan
    text = made(model, x, y)
    assert "All labels right" in text
    assert "14 labels are missing" in text
    assert "Wrongly given" in text


def test_sparse_labels():
    x, _ = numbers()
    y = sp.csr_array((x[:, :3] > 0).astype(float))
    assert "All labels right" in made(classifier(x, y), x, y, folds=2)


def test_several_numbers(drawn):
    x, _ = numbers()
    y = x[:, :2] * [1, 1000]
    y[3, 0] = np.nan
    text = made(regressor(x, y), x, y, folds=2)
    assert "output_0: R2" in text
    assert "output_1: R2" in text


def test_sparse_samples_of_many_columns():
    x = sp.random_array((60, 100_000), density=1e-4, rng=RNG, format="csr")
    y = np.arange(60) % 2
    text = made(classifier(x, y), x, y)
    assert "100,000 columns" in section(text, "data")
    assert section(text, "columns").count("x") >= 20
    assert len(text) < 500_000


def test_two_blocks():
    x, y = numbers()
    blocks = ts.Blocks(x[:, :2], sp.csr_array(np.eye(4)[np.arange(40) % 4]))
    made(classifier(blocks, y), blocks, y, folds=2)


def test_missing_cells_of_an_array_are_counted():
    x, y = numbers()
    x[:7, 2] = np.nan
    text = made(classifier(x, y), x, y)
    assert "7 cells are missing (3.50 %), in 1 column." in section(text, "data")


def test_a_mixed_table(drawn):
    rows = 80
    frame = pd.DataFrame(
        {
            "when": pd.date_range("2020-01-01", periods=rows, freq="36h"),
            "plan": pd.Categorical(["basic", "plus", None, "business"] * (rows // 4)),
            "fee": np.where(np.arange(rows) % 5 == 0, np.nan, np.arange(rows) % 13),
            "same": "one",
        }
    )
    y = np.where(np.arange(rows) % 4 == 0, "leaves", "stays")
    text = made(classifier(frame, y, max_iter=30), frame, y)
    data = section(text, "data")
    assert "36 cells are missing" in data
    for kind in ("time", "category", "number", "left out"):
        assert kind in data
    assert "basic" in section(text, "columns")


def test_columns_without_connections():
    x, y = numbers()
    flat = ts.SparseMLP.from_scipy([sp.csc_array((5, 4)), sp.csc_array((4, 2))])
    text = made(flat, x, (y == "yes").astype(int))
    assert "No column has a connection to an output" in text


def test_a_network_whose_outputs_are_not_finite():
    with np.errstate(all="ignore"):
        huge = ts.SparseMLP.from_scipy(
            [sp.csc_array(np.full((5, 4), 3e38, np.float32)), sp.csc_array(np.ones((4, 2)))],
        )
        with pytest.warns(RuntimeWarning, match="no finite numbers"):
            text = made(huge, np.full((40, 5), 3e38), np.arange(40) % 2)
    assert "no finite numbers, so nothing can be scored" in text


# --- networks without an estimator ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "outputs", "y"),
    [
        ("cross_entropy", 3, np.arange(40) % 3),
        ("cross_entropy", 3, np.eye(3)[np.arange(40) % 3]),
        ("binary_cross_entropy", 1, np.arange(40) % 2),
        ("binary_cross_entropy", 4, np.eye(4)[np.arange(40) % 4]),
        ("squared_error_sigmoid", 2, np.eye(2)[np.arange(40) % 2]),
        ("squared_error", 2, RNG.normal(size=(40, 2))),
        ("huber", 1, RNG.normal(size=40)),
    ],
)
def test_networks_of_every_loss(loss, outputs, y):
    x, _ = numbers()
    model = ts.SparseMLP([5, 6, outputs], density=0.9, loss=loss, seed=0)
    model.fit(x, y, epochs=2, progress=False, validation_data=(x, y))
    text = made(model, x, y)
    assert "40 rows of the table are scored" in text
    assert "held out" in section(text, "training")


def test_networks_without_hidden_neurons_and_of_frames():
    x, y = numbers()
    frame = pd.DataFrame(x, columns=list("abcde"))
    model = ts.SparseMLP([5, 2], density=1.0, seed=0)
    model.fit(frame, (y == "yes").astype(int), epochs=2, progress=False)
    text = made(model, frame[list("edcba")], (y == "yes").astype(int))
    assert "no hidden neurons that could be pruned" in text


# --- folds ----------------------------------------------------------------------------------------


def test_folds_are_trained_with_the_same_parameters(fitted):
    model, x, y = fitted
    text = made(model, x, y, folds=3)
    assert "was trained 3 times" in section(text, "scores")
    assert "of 3" in section(text, "columns")


def test_folds_know_columns_by_name(fitted):
    model, x, y = fitted
    text = section(made(model, x[:, ::-1], y, folds=3, top=1), "columns")
    assert "first" in text
    assert "3 of 3" in text
    assert "a column matters most" in text


def test_of_few_columns_fewer_count_as_those_that_matter_most(fitted):
    text = section(made(*fitted, folds=2), "columns")
    assert "a column is among the 2 that matter most" in text


def test_folds_that_cannot_be_trained_are_said():
    x, y = numbers()
    y[1:] = "yes"
    y[0] = "no"
    text = made(classifier(*numbers()), x, y, folds=2)
    assert "was not trained: y has one class" in text
    few = made(classifier(*numbers()), x[:3], y[:3], folds=2)
    assert "Nothing was trained again: 2 folds take 4 rows" in few


# --- text that a user gave ------------------------------------------------------------------------

HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "'onmouseover='alert(1)",
    "</style></svg></title><h1>",
    "$x_{1}$ & \\frac{1}{2}",
    "\0\a\x1b[31m",
    "\u202egnp.exe",
    "&lt;b&gt;",
    "=cmd|' /C calc'!A0",
    "long " * 300,
    "",
    " ",
]  # fmt: skip


@pytest.mark.parametrize("kind", [classifier, regressor])
def test_names_mean_nothing_in_html(kind, drawn):
    names = [*HOSTILE, "\ud800 half a letter"]
    x = RNG.normal(size=(60, len(names)))
    labels = np.array([HOSTILE[k % 4] for k in range(60)], object)
    y = pd.Series(labels if kind is classifier else x[:, 0], name=HOSTILE[0])
    frame = pd.DataFrame(x, columns=names)
    model = kind(frame, y, epsilon=100)
    model.notes_ = [*model.notes_, HOSTILE[1]]
    text = made(model, frame, y, title=HOSTILE[3], name=HOSTILE[1], folds=2)
    text.encode("utf-8")
    page = parsed(text)
    assert HOSTILE[0] in page.text
    assert HOSTILE[3] in page.text
    assert "\0" not in text
    assert "\u202e" not in text
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"img", "script"}
    assert sum(tag == "h1" for tag, _ in page.elements) == 1


def test_levels_mean_nothing_in_html():
    frame = pl.DataFrame({"<b>": [HOSTILE[0], HOSTILE[1], "plain"] * 20, "n": np.arange(60) % 7})
    y = np.arange(60) % 2
    text = made(classifier(frame, y), frame, y)
    shown = section(text, "columns") + section(text, "correlations")
    assert any(level in shown for level in HOSTILE[:2])


# --- arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"top": 0}, ValueError, "top = 0"),
        ({"top": 201}, ValueError, "top = 201"),
        ({"resamples": 99}, ValueError, "resamples = 99"),
        ({"seed": -1}, ValueError, "seed = -1"),
        ({"folds": 1}, ValueError, "folds = 1"),
        ({"title": 3}, TypeError, "title = 3"),
        ({"name": None}, TypeError, "name = None"),
        ({"path": "no/such/folder.html"}, FileNotFoundError, "no folder 'no/such'"),
        ({"path": "."}, IsADirectoryError, "path = '.' is a folder: expected a file"),
        ({"path": ""}, ValueError, "path = '': expected the name of a file"),
        ({"y": ["yes"]}, ValueError, "y has 1 labels: expected 60"),
        ({"y": ["maybe"] * 60}, ValueError, "maybe"),
    ],
)
def test_wrong_arguments_are_refused(fitted, options, error, message):
    model, x, y = fitted
    with pytest.raises(error, match=message):
        model.report(**({"X": x, "y": y} | options))


def test_rows_of_a_file_are_refused(fitted):
    model, x, _ = fitted
    with pytest.raises(TypeError, match="expected a table in memory"):
        model.report(ts.RowBlocks(x.to_numpy(), np.zeros(60)))


def test_without_matplotlib_the_error_says_how_to_get_it(tmp_path):
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "import numpy as np, trulysparse as ts\n"
        "model = ts.SparseMLP([3, 2], density=1.0)\n"
        "try:\n    model.report(np.ones((4, 3)))\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'trulysparse[plot]'" in done.stdout


def test_the_file_is_the_page(fitted, tmp_path):
    model, x, y = fitted
    text = made(model, x, y, path=tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == text


# --- small things ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (1234.5, "1,234"), (0.012346, "0.01235"), (-2.5, "\N{MINUS SIGN}2.500"),
        (1e-9, "1.000e\N{MINUS SIGN}09"), (None, "\N{EN DASH}"), (float("nan"), "\N{EN DASH}"),
        (123456789.0, "123,456,789"),
    ],
)  # fmt: skip
def test_numbers_are_short(value, text):
    assert html.number(value) == text


def test_sizes_have_units():
    assert [html.size(v) for v in (12, 1234, 123_456, 5e9, 5e12)] == [
        "12 bytes", "1.2 kB", "123 kB", "5.0 GB", "5,000 GB",
    ]  # fmt: skip


def test_bins_keep_ties_together():
    said = np.repeat([0.1, 0.5, 0.9], 30)
    place = bins(said)
    assert all(len(set(place[said == v])) == 1 for v in (0.1, 0.5, 0.9))
    assert len(set(bins(np.full(50, 0.5)))) == 1


def test_correlations_are_numpys():
    values = RNG.normal(size=(30, 4))
    np.testing.assert_allclose(effects.correlations(values), np.corrcoef(values.T))
    values[:, 1] = 3
    assert not effects.correlations(values)[1].any()


def test_values_of_every_container():
    x = RNG.normal(size=(6, 5))
    for one in (x, sp.csr_array(x), ts.Blocks(x[:, :2], sp.csr_array(x[:, 2:]))):
        np.testing.assert_array_equal(
            subject.values_of(one, [4, 0, 2], np.array([1, 3])), x[[1, 3]][:, [4, 0, 2]]
        )


def test_how_often_columns_were_selected_is_shown(fitted):
    model, x, y = fitted
    model.selection_frequency_ = np.array([1.0, 0.25, 0.5, 0.5, 0.5])
    try:
        assert "25 %" in section(made(model, x, y), "columns")
    finally:
        del model.selection_frequency_
