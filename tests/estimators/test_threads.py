"""Estimators that one thread fits and others ask."""

import threading

import numpy as np
from trulysparse.estimators import SparseMLPClassifier


def test_what_is_predicted_beside_a_fit_is_of_one_fit():
    x = np.random.default_rng(0).normal(size=(60, 4))
    targets = [np.where(x[:, 0] > 0, *names) for names in (("good", "bad"), ("a", "z"))]
    options = {"hidden_layer_sizes": (10,), "max_iter": 2, "random_state": 0}
    known = [SparseMLPClassifier(**options).fit(x, y).predict(x).tolist() for y in targets]
    classifier, found, done = SparseMLPClassifier(**options).fit(x, targets[0]), [], False

    def predict() -> None:
        while not done:
            found.append(classifier.predict(x).tolist())

    threads = [threading.Thread(target=predict) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for k in range(120):
            classifier.fit(x, targets[k % 2])
    finally:
        done = True
        for thread in threads:
            thread.join()
    assert len(found) > 10
    assert all(labels in known for labels in found)
