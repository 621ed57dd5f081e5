"""What the tests of the command line share."""

import csv
import re

import numpy as np
from trulysparse import cli
from trulysparse.loading import network

QUICK = ["--hidden", "2x20", "--epochs", "2"]
RNG = np.random.default_rng(0)


def train(*arguments, out="out"):
    """Train quickly and load what was saved."""
    assert cli.main(["train", *QUICK, "--out", out, *map(str, arguments)]) == 0
    return network(f"{out}/model.safetensors")


def accuracy_in(text):
    return float(re.search(r"accuracy ([\d.]+) %, loss [\d.]+", text)[1])


def write_csv(path, x, labels, names):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([*row, label] for row, label in zip(x.tolist(), labels, strict=True))
    return path
