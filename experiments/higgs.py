"""HIGGS with the paper's settings beside LightGBM: ``python experiments/higgs.py --data-dir FILE``.

The settings of ``--preset paper`` (500 epochs) and of the table preset, five seeds, and LightGBM
with its defaults (``pip install lightgbm``). Each run keeps a row in ``results/higgs.csv``.
"""

import argparse
import statistics
from typing import Any

import numpy as np
import trulysparse as ts
from rows import Rows
from sklearn.metrics import roc_auc_score
from trulysparse import datasets


def scores(data: datasets.Dataset, probability: np.ndarray) -> dict[str, Any]:
    """Accuracy and area under the curve on the test rows."""
    accuracy = ((probability > 0.5) == data.y_test).mean()
    area = roc_auc_score(data.y_test, probability)
    return {"accuracy": f"{100 * accuracy:.2f}", "auc": f"{area:.4f}"}


def ours(data: datasets.Dataset, name: str, seed: int, epochs: int | None) -> dict[str, Any]:
    """A network with the settings of a preset."""
    preset = ts.preset(name, "higgs", samples=len(data.x_train))
    layers = [data.n_features, *preset.hidden, data.n_classes]
    model = ts.SparseMLP(layers, **preset.model, seed=seed)
    fit = preset.fit if epochs is None else {**preset.fit, "epochs": epochs}
    model.fit(data.x_train, data.y_train, **fit, progress=False)
    return scores(data, model.predict(data.x_test)[:, 1]) | {"connections": model.nnz}


def lightgbm(data: datasets.Dataset, seed: int) -> dict[str, Any]:
    """LightGBM with its defaults."""
    from lightgbm import LGBMClassifier

    model = LGBMClassifier(random_state=seed, verbose=-1).fit(data.x_train, data.y_train)
    return scores(data, model.predict_proba(data.x_test)[:, 1]) | {"connections": ""}


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", required=True, help="as `trulysparse train` takes")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="of our networks, instead of their presets'")
    options = parser.parse_args()
    data = datasets.load_higgs(options.data_dir)
    keys = ["trainer", "rows", "epochs", "seed"]
    table = Rows("higgs", keys, ["accuracy", "auc", "connections"])
    for trainer in ("paper", "table", "lightgbm"):
        rows = []
        for seed in range(options.seeds):
            key = {"trainer": trainer, "rows": len(data.x_train), "seed": seed}
            key["epochs"] = options.epochs or ""
            if trainer == "lightgbm":
                rows.append(table.run(lambda seed=seed: lightgbm(data, seed), **key))
            else:
                job = lambda seed=seed, name=trainer: ours(data, name, seed, options.epochs)  # noqa: E731
                rows.append(table.run(job, **key))
        means = [statistics.mean(float(row[name]) for row in rows) for name in ("accuracy", "auc")]
        print(f"{trainer}: accuracy {means[0]:.2f} %, AUC {means[1]:.4f}", flush=True)


if __name__ == "__main__":
    main()
