"""
A topology rule, compared over seeds
====================================

How should connections come and go? A rule is a class with one method, in NumPy. This page writes
one, and compares it with SET, with growth by gradients, and with a topology that stays as it is.
One seed says little, so each rule gets five.
"""

import numpy as np
import trulysparse as ts
from sklearn.datasets import load_digits
from trulysparse import plot

# %%
# The rule
# --------
# ``layer`` has the weights as a SciPy matrix, empty places to choose from, and the gradient of
# each place. The rule returns the connections to drop, the rows and columns of the new ones, and
# their initial weights.


class GradientSign(ts.TopologyRule):
    """Drop the weights closest to zero; grow against the gradient where that is large."""

    def __init__(self, fraction=0.3, step=0.01):
        self.fraction, self.step = fraction, step

    def evolve(self, layer):
        """Replace a fraction of the connections, and let new ones begin with a small step."""
        count = int(self.fraction * layer.nnz)
        drop = np.argsort(np.abs(layer.weight.data), kind="stable")[:count]
        rows, columns = layer.empty(min(3 * count, layer.vacancies))
        gradient = layer.gradient(rows, columns)
        best = np.argsort(-np.abs(gradient), kind="stable")[:count]
        values = -self.step * np.sign(gradient[best])
        return drop, rows[best], columns[best], values


# %%
# The comparison
# --------------
# Small digits, and a network with 2 % of the connections of a dense one: there the choice
# matters. All rules have the same seeds, so with one seed they start from the same network.

x, y = load_digits(return_X_y=True)
x_train, y_train, x_test, y_test = x[:-360], y[:-360], x[-360:], y[-360:]
RULES = {
    "stays as it is": None,
    "SET": ts.SET(grow_init=0.1),
    "gradients": ts.GradientGrowth(),
    "GradientSign": GradientSign(),
}
EPOCHS, SEEDS = 30, range(5)


def trained(rule, seed):
    """Train once, and give the history."""
    model = ts.SparseMLP(
        [64, 300, 300, 10], density=0.02, fan="real", dropout=0, standardize=True, seed=seed
    )
    return model.fit(
        x_train,
        y_train,
        epochs=EPOCHS,
        batch_size=32,
        optimizer=ts.SGD(0.05, nesterov=True, schedule="cosine"),
        topology=rule,
        validation_data=(x_test, y_test),
        progress=False,
    )


runs = {name: [trained(rule, seed) for seed in SEEDS] for name, rule in RULES.items()}
ends = {name: np.array([one.history["val_accuracy"][-1] for one in runs[name]]) for name in runs}
for name, last in ends.items():
    print(f"{name:15s} {last.mean():.3f} ± {last.std(ddof=1) / np.sqrt(len(last)):.3f}")

# %%
# A difference counts if it is large beside its standard error. Comparing pairs with the same seed
# takes out the influence of the start:

for name in ("stays as it is", "SET", "gradients"):
    paired = ends["GradientSign"] - ends[name]
    error = paired.std(ddof=1) / np.sqrt(len(paired))
    print(f"GradientSign less {name}: {paired.mean():+.3f} ± {error:.3f}")

# %%
# Lines are means over the seeds. Bands reach from the worst seed to the best.

ax = plot.compare_runs(runs)
ax.set_ylim(0.5, None)
ax.figure.savefig("rules.png")
