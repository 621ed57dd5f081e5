"""A mixed table of houses, and what tests of the command line do with it."""

import csv

import numpy as np
import polars as pl
from trulysparse import cli

MODEL = "out/model.safetensors"
QUICK = ["--hidden", "12", "--epochs", "3", "--out", "out"]
LONGER = [*QUICK, "--epochs", "30"]


def houses(rows=200, seed=0):
    """Numbers, a few missing, levels, some rare, dates, a name for each row, and a price."""
    rng = np.random.default_rng(seed)
    area = rng.uniform(30, 200, rows).round(1)
    town = rng.choice(["Delft", "Leiden", "Gouda"], rows)
    price = (3000 * area + 50_000 * (town == "Delft") + rng.normal(size=rows) * 5000).round(2)
    day = np.datetime64("2024-01-01") + rng.integers(0, 700, rows)
    return pl.DataFrame(
        {
            "name": [f"house {i}" for i in range(rows)],
            "owner": [f"o{i % 20}" for i in range(rows)],
            "area": [None if i % 9 == 0 else a for i, a in enumerate(area)],
            "town": [None if i % 13 == 0 else t for i, t in enumerate(town.tolist())],
            "built": pl.Series(day).cast(pl.Date),
            "garden": (rng.random(rows) < 0.5).tolist(),
            "price": price,
        }
    )


def said(capsys, code, *arguments):
    capsys.readouterr()
    found = cli.main(list(map(str, arguments)))
    out, err = capsys.readouterr()
    assert found == code, err
    return out, err


def rows_of(path="predictions.csv"):
    with open(path, newline="") as file:
        header, *rows = csv.reader(file)
    return header, rows
