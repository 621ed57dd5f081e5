"""Images and pictures of what the network learnt: `python examples/images.py FOLDER [EPOCHS]`.

Trains on Fashion-MNIST if Debian's package dataset-fashion-mnist is installed, and on
scikit-learn's small digits otherwise. The pictures need matplotlib.
"""

import sys
from pathlib import Path

import matplotlib as mpl
import trulysparse as ts
from trulysparse import datasets, plot


def main(folder, epochs=5, images=10_000):
    """Train with the recipe, see what pruning would cost, and draw four pictures."""
    mpl.use("agg")  # no windows, files only
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    fashion = datasets.FASHION_MNIST_FOLDER.is_dir()
    data = datasets.resolve("fashion-mnist" if fashion else "digits")
    shape, hidden = ((28, 28), [1000] * 3) if fashion else ((8, 8), [200] * 3)
    # A part of them, so that this takes seconds on any machine; use all in earnest.
    x, y = data.x_train[:images], data.y_train[:images]
    test = (data.x_test[: images // 5], data.y_test[: images // 5])
    print(f"data: {data.name}, {len(x):,} images for training")

    model = ts.SparseMLP(
        [data.n_features, *hidden, data.n_classes],
        epsilon=20,
        **ts.RECIPE.model,
        seed=0,
    )
    recorder = ts.TopologyRecorder()
    history = model.fit(
        x,
        y,
        epochs=epochs,
        validation_data=test,
        callbacks=[recorder],
        **ts.RECIPE.fit,
    )
    accuracy = history.history["val_accuracy"][-1]
    print(f"accuracy {accuracy:.3f} with {model.nnz:,} connections after {epochs} epochs")

    # How accurate the network is without its least important neurons; the model stays as it is.
    curve = model.pruning_curve(*test, percentiles=(0, 20, 40, 60))
    pictures = {
        "learning": plot.learning_curves(history, held_out="test"),
        "pixels": plot.input_connections_heatmap(
            model.feature_importance("contribution", x[:2000]),
            shape,
            label="Contribution of the pixel",
        ),
        "degrees": plot.degree_distributions(recorder, 0, kind="out"),
        "pruning": plot.accuracy_against_parameters(curve),
    }
    for name, ax in pictures.items():
        ax.figure.savefig(folder / f"{name}.png")
        print(f"wrote {folder / name}.png")
    return model, recorder


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(sys.argv[1], *map(int, sys.argv[2:]))
