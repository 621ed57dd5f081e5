"""
A network that learns where to look
===================================

The connections of a sparse network start at random: a corner pixel that is black in every image
has as many as any other. While the network trains, weak connections leave and others grow. Where
do they go?

The images are Fashion-MNIST, clothes of 28 x 28 pixels, if Debian's package
``dataset-fashion-mnist`` is installed, and scikit-learn's small digits otherwise.
"""

import matplotlib.pyplot as plt
import numpy as np
import trulysparse as ts
from matplotlib.animation import FuncAnimation, PillowWriter
from trulysparse import datasets, plot

fashion = datasets.FASHION_MNIST_FOLDER.is_dir()
data = datasets.resolve("fashion-mnist" if fashion else "digits")
side, hidden, count = (28, 1000, 20_000) if fashion else (8, 200, 1437)
x, y = data.x_train[:count], data.y_train[:count]
print(f"{data.name}: {len(x):,} images to train on, {len(data.x_test):,} to test")

# %%
# Three choices let the topology say something:
#
# - Pixels stay as they are (``standardize=False``), so a pixel that is always black passes
#   nothing on.
# - The initial weights are small (``input_gain=0.1``), so an untrained weight is among the
#   weakest and leaves.
# - Connections grow where the gradient is large, not at random.
#
# ``schedule_decay=True`` lets the decay of weights fall with the learning rate. Without it the loss
# rises again from epoch 20 on, as weights shrink while the rate is too small to mend them.

settings = ts.RECIPE.model | {"standardize": False, "input_gain": 0.1}
model = ts.SparseMLP([side * side, hidden, hidden, 10], epsilon=20, **settings, seed=0)
print(model)

look = ts.TopologyRecorder(layers=[0])
history = model.fit(
    x,
    y,
    epochs=30,
    validation_data=(data.x_test, data.y_test),
    optimizer=ts.SGD(0.05, nesterov=True, schedule="cosine", schedule_decay=True),
    topology=ts.GradientGrowth(zeta=0.3, schedule="cosine", stop=0.75),
    callbacks=[look],
    progress=False,
)
print(f"test accuracy {history.history['val_accuracy'][-1]:.3f}, {model.nnz:,} connections")

# %%
# The connections of each pixel, before training and after 2, 5 and 30 epochs. Nothing told the
# network where the clothes are.

panels = plot.input_connections_over_epochs(look, (side, side), epochs=[0, 2, 5, 30])
figure = panels[0].figure
figure.suptitle("How many connections each pixel has, while the network trains")
figure.savefig("where-to-look.png", dpi=150)

# %%
# The mean number of connections of a pixel in the middle, and of one in the frame of four pixels
# around it:

degrees = np.array(look.out_degrees[0]).reshape(-1, side, side)
inner = np.zeros((side, side), bool)
inner[side // 7 : -(side // 7), side // 7 : -(side // 7)] = True
for record in (0, 2, 5, 30):
    middle, frame = degrees[record][inner].mean(), degrees[record][~inner].mean()
    print(f"after {record:2d} epochs: {middle:.1f} in the middle, {frame:.1f} in the frame")

# %%
# The same as an animation:

film, axis = plt.subplots(figsize=(3.2, 3.4), layout="constrained")
shown = axis.imshow(degrees[0], vmin=0, vmax=np.percentile(degrees, 99))
axis.set_axis_off()


def frame_of(record):
    """Show the degrees after an epoch."""
    shown.set_data(degrees[record])
    axis.set_title(f"epoch {record}", fontsize="medium")


movie = FuncAnimation(film, frame_of, frames=[*range(31), *[30] * 8], interval=150)
movie.save("where-to-look.gif", PillowWriter(fps=7), dpi=90)

# %%
# What the pixels say
# -------------------
# A pixel with many connections need not matter. This is what each pixel contributes to the
# outputs, for a part of the images:

worth = model.feature_importance("contribution", x[:2000])
axes = plot.input_connections_heatmap(worth, (side, side), label="contribution of the pixel")
axes.figure.savefig("pixels.png")

# %%
# For one image: red pixels speak for its class, blue pixels against it.

reasons = model.explain(data.x_test[:1], of="log_odds")
top = int(np.argmax(reasons.outputs[0]))
one, (left, right) = plt.subplots(1, 2, figsize=(6, 3), layout="constrained")
left.imshow(data.x_test[0].reshape(side, side), cmap="gray_r")
values = reasons.values[0, :, top].reshape(side, side)
limit = np.abs(values).max()
right.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit)
left.set_title("the image")
right.set_title(f"what speaks for class {top}")
for panel in (left, right):
    panel.set_axis_off()
one.savefig("reasons.png")

# %%
# What it costs
# -------------
# A step computes with the connections that exist, and with no others.

dense = side * side * hidden + hidden * hidden + hidden * 10
spent, seconds = history.history["multiply_adds"][-1], sum(history.history["seconds"])
print(f"{model.nnz:,} connections, where a dense network has {dense:,}")
print(f"{spent:.1e} multiply-adds in {len(history.epoch)} epochs, which took {seconds:.1f} s")

# %%
# The losses and accuracies, epoch by epoch:

curves = plot.learning_curves(history, held_out="test")
curves.figure.savefig("learning.png")
