"""Which samples a step takes: order, batches and the mean over an epoch."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts


class Orders(ts.Callback):
    """Reads, from the weights alone, at which step of an epoch each sample was used.

    Sample i is the i-th unit vector and every target is 1, so its step adds about the learning
    rate to weight i, and each later step takes a tenth of it away again (weight_decay = 0.1).
    """

    SGD = ts.SGD(1e-3, momentum=0.0, weight_decay=0.1)

    def __init__(self, n, batch_size):
        self.n, self.batch_size = n, batch_size
        self.steps, self.orders = math.ceil(n / batch_size), []

    def weight(self):
        return self.model.layers[0].weight.toarray()[:, 0].astype(np.float64)

    def on_epoch_begin(self, epoch, logs=None):
        self.before = self.weight()

    def on_epoch_end(self, epoch, logs=None):
        added = self.weight() - self.before * 0.9**self.steps
        sizes = [self.batch_size] * (self.steps - 1)
        sizes.append(self.n - sum(sizes))
        expected = [1e-3 / m * 0.9 ** (self.steps - 1 - t) for t, m in enumerate(sizes)]
        # Nearest step by ratio; targets minus outputs stay within 2 % of 1.
        ratio = np.abs(np.log(added[:, None] / np.array(expected)))
        assert ratio.min(axis=1).max() < 0.03
        self.orders.append(ratio.argmin(axis=1).tolist())


def read_orders(n, batch_size, seed, epochs=2, fits=1):
    weight = sp.csc_array(np.full((n, 1), 1e-30, np.float32))
    model = ts.SparseMLP.from_scipy([weight], loss="squared_error", seed=seed, dropout=0.3)
    orders = Orders(n, batch_size)
    for _ in range(fits):
        model.fit(
            np.eye(n), np.ones(n), epochs=epochs, batch_size=batch_size, topology=None,
            optimizer=Orders.SGD, callbacks=[orders], progress=False,
        )  # fmt: skip
    assert model.steps_trained == fits * epochs * math.ceil(n / batch_size)
    return orders.orders


@pytest.mark.parametrize(("n", "batch_size"), [(12, 1), (12, 5), (13, 4), (7, 7), (7, 9)])
def test_every_sample_is_used_once_an_epoch_and_the_last_batch_may_be_short(n, batch_size):
    expected = [i // batch_size for i in range(n)]
    for order in read_orders(n, batch_size, seed=3):
        assert sorted(order) == expected


def test_shuffling_follows_the_seed_and_differs_by_epoch_and_fit():
    first = read_orders(12, 1, seed=3, fits=2)
    assert first == read_orders(12, 1, seed=3, fits=2)
    assert first == read_orders(12, 1, seed=3, epochs=4)
    assert len({tuple(order) for order in first}) == 4
    assert first[0] != read_orders(12, 1, seed=4)[0]
