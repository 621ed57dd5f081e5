"""The scores that the command line prints, beside scikit-learn's."""

import numpy as np
import polars as pl
import pytest
import trulysparse as ts
from helpers.houses import MODEL, QUICK, houses, said


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


class TestScores:
    def test_of_classes_are_scikit_learns(self, capsys):
        from sklearn import metrics

        frame = (
            houses()
            .with_columns(kind=pl.Series(np.array(["a", "b", "c"])[np.arange(200) % 3]))
            .drop("price")
        )
        frame.write_csv("kinds.csv")
        said(capsys, 0, "train", "--data", "kinds.csv", *QUICK)
        out, _ = said(capsys, 0, "evaluate", MODEL, "--data", "kinds.csv")
        estimator = ts.load(MODEL)
        x, y = frame.drop("kind"), frame["kind"].to_numpy()
        p = estimator.predict_proba(x).astype(np.float64)
        guess = estimator.predict(x)
        balanced = metrics.balanced_accuracy_score(y, guess)
        area = metrics.roc_auc_score(y, p / p.sum(axis=1, keepdims=True), multi_class="ovr")
        loss = metrics.log_loss(y, p / p.sum(axis=1, keepdims=True))
        accuracy = metrics.accuracy_score(y, guess)
        assert f"accuracy {100 * accuracy:.2f} %, loss {loss:.4f}\n" in out
        assert f"balanced accuracy {100 * balanced:.2f} %, AUC {area:.4f}\n" in out
        table = metrics.confusion_matrix(y, guess)
        lines = out.split("predicted one:\n")[1].splitlines()[1:4]
        assert [line.split()[1:] for line in lines] == [list(map(str, row)) for row in table]

    def test_of_numbers_are_scikit_learns(self, capsys):
        from sklearn import metrics

        frame = houses()
        frame.write_csv("houses.csv")
        said(capsys, 0, "train", "--data", "houses.csv", *QUICK)
        out, _ = said(capsys, 0, "evaluate", MODEL, "--data", "houses.csv")
        guess, y = ts.load(MODEL).predict(frame.drop("price")), frame["price"].to_numpy()
        r2, mae = metrics.r2_score(y, guess), metrics.mean_absolute_error(y, guess)
        root = metrics.root_mean_squared_error(y, guess)
        assert f"R2 {r2:.4f}, RMSE {root:.6g}, MAE {mae:.6g}" in out

    def test_of_many_classes_name_the_mistakes(self, capsys):
        frame = (
            houses(300)
            .with_columns(kind=pl.Series([f"k{i % 20:02}" for i in range(300)]))
            .drop("price")
        )
        frame.write_csv("kinds.csv")
        said(capsys, 0, "train", "--data", "kinds.csv", *QUICK)
        out, _ = said(capsys, 0, "evaluate", MODEL, "--data", "kinds.csv")
        assert "most frequent mistakes:\n" in out
