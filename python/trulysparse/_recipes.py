"""What suits tables of one's own: the defaults of the estimators and of ``trulysparse train``.

Nothing here asks what a table is about: numbers go by its samples only.
"""

from __future__ import annotations

import math

HIDDEN = (100,)
EPSILON = 7
ACTIVATION = "relu"
SLOPE = 0.6  # of the activations that have one
INIT, FAN = "lecun_uniform", "real"
DROPOUT = 0.2
# With classes and labels, with numbers as targets, and of Adam.
CLASSES_RATE, NUMBERS_RATE, ADAM_RATE = 0.05, 0.02, 0.001
SCHEDULE = "cosine"
MOMENTUM, NESTEROV = 0.9, True
ZETA, GROW_INIT = 0.3, 0.1
EPOCHS = 100

# The share of every parameter that SGD's weight decay takes away in an epoch.
DECAY = 0.005
# The steps per epoch at which batches aim, and the sizes between which they stay.
STEPS = 40
SMALLEST, LARGEST = 16, 128
# How often training starts again with a quarter of the rate, after a divergence.
RETRIES = 4


def batch_size(samples: int) -> int:
    """Samples per step; may be more than there are."""
    return min(max(samples // STEPS, SMALLEST), LARGEST)


def weight_decay(samples: int, size: int) -> float:
    """The weight decay of SGD, per step, with batches of this size."""
    return DECAY / math.ceil(samples / size)


def rates(first: float, retries: int = RETRIES) -> list[float]:
    """Learning rates to try, each if training diverged with that before."""
    return [first / 4**k for k in range(retries + 1)]
