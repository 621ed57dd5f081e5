"""Made the files in this folder, with version 0.1.0. Never run it again.

The files stand for what users have saved, so a later version must read these very bytes. A later
version that saves otherwise gets files beside these, from a script beside this one.
"""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import trulysparse as ts
from small import CLASSES, SIZES, parameters, predicted, samples, training

HERE = Path(__file__).parent


def model(name: str) -> ts.SparseMLP:
    activation = ["srelu", "all_relu"] if name == "srelu" else "all_relu"
    made = ts.SparseMLP(
        SIZES, epsilon=4, activation=activation, dropout=0.2, standardize=True, seed=11, threads=2
    )
    made.metadata["note"] = name
    made.fit(*samples(), **(training(name) | {"epochs": 3}))
    return made


def main() -> None:
    """Write the models, their pickles, an estimator's pickle, and what is expected of each."""
    if (HERE / "expected.json").exists() or ts.__version__ != "0.1.0":
        raise SystemExit("these are the files of version 0.1.0, which are not made again")
    expected = {}
    x, y = samples()
    for name in ("sgd", "adam", "srelu"):
        made = model(name)
        made.save(HERE / f"{name}.safetensors")
        (HERE / f"{name}.pickle").write_bytes(pickle.dumps(made, protocol=4))
        before = {"predictions": predicted(made), "before": parameters(made)}
        made.fit(x, y, **training(name))
        expected[name] = before | {"after": parameters(made)}
    classifier = ts.SparseMLPClassifier(
        (30, 20),
        optimizer=ts.SGD(0.05),
        topology=ts.SET(0.3),
        max_iter=3,
        random_state=11,
        n_jobs=2,
    )
    classifier.fit(x, CLASSES[y])
    (HERE / "classifier.pickle").write_bytes(pickle.dumps(classifier, protocol=4))
    before = {"predictions": predicted(classifier), "before": parameters(classifier.model_)}
    classifier.set_params(warm_start=True, max_iter=2).fit(x, CLASSES[y])
    expected["classifier"] = before | {"after": parameters(classifier.model_)}
    (HERE / "expected.json").write_text(json.dumps(expected, indent=2) + "\n")


if __name__ == "__main__":
    main()
