"""scikit-learn's MLPClassifier, dense."""

from itertools import cycle

import common
import numpy as np
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits


class Bench(common.SteppedPeer):
    """partial_fit of one batch."""

    label = "scikit-learn"
    note = "dense float32; ReLU, no dropout (it offers neither)"
    needs_dense = True
    same_start = False

    def __init__(self, work: common.Work, threads: int) -> None:
        self.limits = threadpool_limits(threads)
        self.classes = np.arange(work.shape.sizes[-1])
        self.model = MLPClassifier(
            work.shape.sizes[1:-1],
            solver="sgd",
            alpha=common.WEIGHT_DECAY,
            batch_size=work.shape.batch,
            learning_rate_init=work.rate,
            momentum=common.MOMENTUM,
            nesterovs_momentum=False,
            shuffle=False,
            random_state=0,
        )
        self.work = work
        self.next = cycle(work.batches())
        self.model.partial_fit(*next(self.next), classes=self.classes)

    def step(self) -> None:
        self.model.partial_fit(*next(self.next))

    def loss(self) -> float:
        return log_loss(self.work.y, self.model.predict_proba(self.work.x), labels=self.classes)
