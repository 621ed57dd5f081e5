"""What users write, for `mypy --strict`: it passes but where a comment says which error is due.

An ignore that is not needed is an error too. Nothing runs this file.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import trulysparse as ts
from trulysparse import names

X, Y = np.zeros((8, 4), dtype=np.float32), np.zeros(8, dtype=int)


class LikeKeras(ts.Callback):
    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        super().on_train_begin(logs or {})

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if logs is not None:
            logs["twice"] = 2 * logs["loss"]
        if self.model.epochs_trained > 3:
            self.model.stop_training = True


class LikeOurs(ts.Callback):
    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        print(epoch, logs["loss"], self.model.learning_rate)


def network(activation: names.Activation) -> ts.SparseMLP:
    return ts.SparseMLP([4, 8, 2], activation=activation)


def fitted() -> ts.History:
    model = ts.SparseMLP(
        [4, 8, 8, 2], activation=["relu", "silu"], init="xavier", **ts.RECIPE.model
    )
    model = ts.SparseMLP(model.layer_sizes, activation=model.activation, loss=model.loss)
    layer = model.layers[0]
    print(layer.mask.nnz, layer.weight, model.evaluate(X, Y)["loss"])
    callbacks = [LikeKeras(), ts.EarlyStopping(mode="min")]
    return model.fit(X, Y, optimizer="adam", memory="lean", callbacks=callbacks, progress=False)


def estimated() -> None:
    pairs: dict[str, float] = {"a": 1.0, "b": 2.0}
    ts.SparseMLPClassifier((20,), "relu", class_weight=pairs, scale=None, dropout=0.1).fit(X, Y)
    ts.SparseMLPClassifier(class_weight="balanced", topology="gradient", batch_size=32)
    ts.SparseMLPRegressor("auto", optimizer=ts.Adam(), clip=None, standardize=False).fit(X, X)
    ts.SparseFeatureSelector(3, task="regression", activation="tanh").fit(X, Y)


def mistaken(model: ts.SparseMLP) -> None:
    ts.SparseMLP([4, 8, 2], activation="rleu")  # type: ignore[arg-type]
    ts.SparseMLP([4, 8, 2], activation=["relu", "rleu"])  # type: ignore[list-item]
    ts.SparseMLP([4, 8, 2], loss="mse", init="he", fan="in")  # type: ignore[arg-type]
    ts.SparseMLP([4, 8, 2], density=0.1, allocation="erdos")  # type: ignore[arg-type]
    ts.SGD(schedule="linear")  # type: ignore[arg-type]
    ts.SET(schedule="step")  # type: ignore[arg-type]
    ts.plan([4, 2], memory="low")  # type: ignore[arg-type]
    model.fit(X, Y, optimizer="adamw")  # type: ignore[arg-type]
    model.fit(X, Y, memory="low")  # type: ignore[arg-type]
    model.fit(X, Y, verbose=0)  # type: ignore[arg-type]
    model.predict(X, verbose=0)  # type: ignore[arg-type]
    model.feature_importance("paths")  # type: ignore[arg-type]
    model.explain(X, of="probability")  # type: ignore[arg-type]
    model.compile()  # type: ignore[attr-defined]
    ts.SparseMLPClassifier(activation="rleu", scale="minmax")  # type: ignore[arg-type]
    ts.SparseMLPRegressor(optimizer="adamw", topology="rigl")  # type: ignore[arg-type]
    ts.SparseMLPClassifier(class_weight="balance", max_iter="all")  # type: ignore[arg-type]
    ts.SparseFeatureSelector(task="regress")  # type: ignore[arg-type]
