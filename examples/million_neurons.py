"""
A network of a million neurons, on a laptop
===========================================

How large may a network be on this machine? Ask first, then train, stop in the middle, and go on
as if nothing had happened. The weights of a dense network of this shape would take 888 GB, 444 for
each of the two layers between hidden neurons.
"""

import time
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import trulysparse as ts
from trulysparse import datasets

SIZES = [1024, 333_000, 333_000, 333_000, 2]
data = datasets.load_synthetic(1024, 2000, seed=0)
x, y = data.x_train, data.y_train
print(f"{len(x):,} samples with {x.shape[1]:,} features; {sum(SIZES):,} neurons")

# %%
# Plan
# ----
# The plan counts bytes before anything is allocated. A network that does not fit into the memory
# of the machine, or of its container, is refused at once. The plan is of the network: Python, its
# libraries and the samples take some 100 MB more, which the peak below has too.

SGD = ts.SGD(0.3, nesterov=True, schedule="cosine", weight_decay=0, layer_rates="fan_in")
print(ts.plan(SIZES, epsilon=1, activation="leaky_relu", dropout=0, batch_size=32, optimizer=SGD))
dense = sum(a * b for a, b in pairwise(SIZES)) * 4
print(f"the weights alone of a dense network of this shape: {dense / 1e9:,.0f} GB")

# %%
# Train
# -----
# A hidden neuron has two connections here, and an output hundreds of thousands. So the initial
# weights depend on the connections that a neuron has (``fan="real"``), and the rates of the
# layers too (``layer_rates="fan_in"``).

start = time.perf_counter()
model = ts.SparseMLP(
    SIZES,
    epsilon=1,
    activation="leaky_relu",
    init="lecun_uniform",
    fan="real",
    dropout=0,
    seed=0,
)
print(f"{model.nnz:,} connections, created in {time.perf_counter() - start:.1f} s")

settings = {
    "epochs": 4,
    "batch_size": 32,
    "optimizer": SGD,
    "topology": ts.SET(grow_init=0.1),
    "validation_data": (data.x_test[:200], data.y_test[:200]),
    "progress": False,
}
keep = ts.ModelCheckpoint("million-{epoch}.safetensors")
history = model.fit(x, y, callbacks=[keep], **settings)
for i, epoch in enumerate(history.epoch):
    loss, right = history.history["loss"][i], history.history["val_accuracy"][i]
    seconds = history.history["seconds"][i]
    print(f"epoch {epoch + 1}: loss {loss:.3f}, held-out accuracy {right:.3f}, {seconds:.1f} s")
print(f"peak memory {history.history['peak_memory'][-1] / 1e9:.2f} GB")

# %%
# Go on
# -----
# Suppose that the power fails after the second epoch. The saved network goes on, and ends with
# the same bits as the training that was not interrupted: connections, momentum and the random
# numbers are in the file.

saved = ts.load("million-2.safetensors")
saved.fit(x, y, initial_epoch=2, **settings)
same = np.array_equal(saved.predict(x[:100]), model.predict(x[:100]))
print(f"{Path('million-2.safetensors').stat().st_size / 1e6:.0f} MB on disk; the same bits: {same}")

# %%
# What became of it
# -----------------
# How many connections the features have in the end. By chance alone their standard deviation would
# be the root of the mean, and it still is about that: three evolutions are few. The page
# "A network that learns where to look" shows what more of them do.

degrees = np.diff(model.layers[0].weight.tocsr().indptr)
print(f"{degrees.min()} to {degrees.max()} connections of a feature, mean {degrees.mean():.0f}")
print(f"standard deviation {degrees.std():.1f}, by chance {np.sqrt(degrees.mean()):.1f}")
fig, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
width = 1 + (degrees.max() - degrees.min()) // 25  # whole numbers: each bar has as many of them
ax.hist(degrees, bins=np.arange(degrees.min(), degrees.max() + width + 1, width) - 0.5)
ax.set(xlabel="connections of a feature", ylabel="features", title="The first layer after training")
fig.savefig("million-degrees.png")
