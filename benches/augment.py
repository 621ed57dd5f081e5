"""What augmenting images costs: `python benches/augment.py`, CIFAR-10's shapes on random images.

Epochs with and without it take turns; printed are the medians, and the part of the epoch that is
added. ``--shape 28 28 1 --hidden 1000 1000 1000`` is that of Fashion-MNIST, and ``--strategy
wassp`` or ``wasap`` trains on ``--workers``.
"""

import argparse
import statistics

import numpy as np
import trulysparse as ts

PAPER = {"activation": "all_relu", "slope": 0.75, "epsilon": 20, "dropout": 0.3, "seed": 0}


def main() -> None:
    """Print the seconds of epochs without and with augmentation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=int, nargs=3, default=(32, 32, 3))
    parser.add_argument("--hidden", type=int, nargs="+", default=[4000, 1000, 4000])
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--strategy", choices=["wassp", "wasap"])
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    augment = ts.ImageAugmentation(options.shape)
    rng = np.random.default_rng(0)
    x = rng.random((options.samples, int(np.prod(options.shape))), np.float32)
    y = rng.integers(0, 10, options.samples)
    model = ts.SparseMLP(
        [x.shape[1], *options.hidden, 10], standardize=True, threads=options.threads, **PAPER
    )
    strategy = None
    if options.strategy is not None:
        kind = {"wassp": ts.WASSP, "wasap": ts.WASAP}[options.strategy]
        strategy = kind(workers=options.workers, local_fraction=0)

    def seconds(chosen: ts.ImageAugmentation | None) -> float:
        history = model.fit(
            x,
            y,
            epochs=1,
            batch_size=options.batch_size,
            topology=None,
            strategy=strategy,
            progress=False,
            augment=chosen,
        )
        return history.history["seconds"][0]

    seconds(augment)  # as memory is touched for the first time
    rounds = [(seconds(None), seconds(augment)) for _ in range(options.rounds)]
    without, augmented = (statistics.median(column) for column in zip(*rounds, strict=True))
    share = statistics.median(b / a - 1 for a, b in rounds)
    print(
        f"{model.threads} threads, {options.samples:,} images of {tuple(options.shape)}: an epoch "
        f"takes {without:.3f} s, with augmentation {augmented:.3f} s, {100 * share:.1f} % more "
        f"(least of all: {min(a for a, _ in rounds):.3f} and {min(b for _, b in rounds):.3f} s)"
    )


if __name__ == "__main__":
    main()
