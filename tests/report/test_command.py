"""`trulysparse report`."""

import numpy as np
import polars as pl
import pytest
import trulysparse as ts
from helpers.command_line import train
from helpers.html_page import parsed, section
from trulysparse import cli

pytestmark = pytest.mark.usefixtures("without_pictures")
LONGER = ("--epochs", "12")  # or else it may learn nothing, which is an exit code


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    """So that the default --out is a fresh folder too."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def customers():
    """A table of two classes, and new rows."""
    rows = 120
    random = np.random.default_rng(4)
    fee = random.normal(size=rows)
    frame = pl.DataFrame(
        {
            "fee": fee,
            "plan": random.choice(["basic", "plus"], rows),
            "churn": np.where(fee > 0, "leaves", "stays"),
        }
    )
    frame[:80].write_csv("old.csv")
    frame[80:].write_csv("new.csv")
    train("--data", "old.csv", "--label", "churn", *LONGER)
    return frame


def report(*arguments):
    return cli.main(["report", "out", "--resamples", "100", *map(str, arguments)])


def page(name="report.html"):
    with open(name, encoding="utf-8") as file:
        text = file.read()
    parsed(text)
    return text


def test_a_page_about_new_rows(customers, drawn, capsys):
    assert report("--data", "new.csv") == 0
    assert "wrote report.html" in capsys.readouterr().out
    text = page()
    assert "Predicting churn" in text
    assert "40 rows of the table are scored" in text
    assert "has not been trained on rows of this table" in text
    assert "held out" in section(text, "training")


def test_rows_that_were_trained_on_are_known(customers):
    assert report("--data", "old.csv", "--out", "old.html") == 0
    assert "on 64 of 80 rows of this table" in page("old.html")


def test_trained_again_as_it_was(customers):
    model = ts.load("out/model.safetensors")
    assert (model.max_iter, model.batch_size) == (12, "auto")
    assert report("--data", "new.csv", "--refit", 2) == 0
    assert "was trained 2 times" in page()


def test_missing_labels_and_none(customers):
    frame = customers[80:].with_columns(
        churn=pl.when(pl.int_range(40) < 5).then(None).otherwise("churn")
    )
    frame.write_csv("some.csv")
    assert report("--data", "some.csv") == 0
    assert "35 rows of the table are scored" in page()
    frame.drop("churn").write_csv("none.csv")
    assert report("--data", "none.csv", "--unlabelled") == 0
    assert "no labels, so nothing can be scored" in page()


def test_numbers(customers):
    customers.write_csv("all.csv")
    train("--data", "all.csv", "--label", "fee", *LONGER, out="numbers")
    assert cli.main(["report", "numbers", "--data", "all.csv", "--title", "What <fees> are"]) == 0
    assert "What &lt;fees&gt; are" in page()


def test_a_known_data_set_and_a_plain_network():
    train("--data", "digits")
    assert report("--data", "digits") == 0
    assert "360 rows of the table are scored" in page()
    model = ts.load("out/model.safetensors")
    assert not hasattr(model, "predict_proba")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--resamples", "10"], "--resamples = 10: expected"),
        (["--refit", "1"], "--refit = 1: expected"),
        (["--top", "500"], "--top = 500: expected"),
        (["--out", "no/folder.html"], "there is no folder 'no'"),
        (["--out", "new.csv"], "new.csv would be written over --data new.csv"),
    ],
)
def test_mistakes(customers, capsys, flags, message):
    assert cli.main(["report", "out", "--data", "new.csv", *flags]) == 2
    assert message in capsys.readouterr().err


def test_a_known_data_set_is_not_trained_again(capsys):
    train("--data", "digits")
    assert report("--data", "digits", "--refit") == 2
    assert "--refit: expected the model of a table" in capsys.readouterr().err
