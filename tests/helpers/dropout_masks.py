"""What dropout drew in a step, read off the gradient."""

import numpy as np
import scipy.sparse as sp
import trulysparse as ts


def one_connection_each(n_hidden, n_out, hidden_layers, rate, seed, output_weight=1e-30):
    """Each hidden unit passes on one unit of the layer below; outputs see every hidden unit."""
    weights = [sp.csc_array(np.ones((1, n_hidden), np.float32))]
    weights += [sp.csc_array(sp.eye_array(n_hidden, dtype=np.float32))] * (hidden_layers - 1)
    weights.append(sp.csc_array(np.full((n_hidden, n_out), output_weight, np.float32)))
    return ts.SparseMLP.from_scipy(
        weights, activation="identity", loss="squared_error", dropout=rate, seed=seed
    )


def drawn_masks(model, batch):
    """(batch, hidden) multipliers of dropout in the model's next step, read off its gradient.

    The output weights are too small to matter, so with targets -I the output deltas are I and
    output weight (j, k) moves by hidden activation j of sample k alone.
    """
    x, y = np.ones((batch, 1)), -np.eye(batch)
    model.train_on_batch(x, y, optimizer=ts.SGD(1.0, momentum=0.0, weight_decay=0.0))
    mask = -batch * model.layers[-1].weight.toarray().T.astype(np.float64)
    return np.where(np.abs(mask) < 1e-20, 0.0, mask)  # what the tiny weights themselves left
