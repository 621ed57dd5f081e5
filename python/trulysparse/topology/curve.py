"""What a network would score with ever more neurons pruned."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from trulysparse import _check, _core
from trulysparse.config import Config
from trulysparse.losses import scores
from trulysparse.topology.pruning import core_rule


def pruning_curve(
    network: _core.Network, data: _core.Data, percentiles: Iterable[float], batch_size: int
) -> dict[str, npt.NDArray[Any]]:
    """Score copies of a network, pruned at each percentile; see `SparseMLP.pruning_curve`."""
    listed = _check.sequence("percentiles", percentiles, "a sequence of numbers")
    if not listed:
        raise ValueError("percentiles is empty: expected at least one number")
    expected = "a number from 0 to below 100"
    checked = [
        _check.real(f"percentiles[{i}]", p, expected, low=0, high=100, high_open=True)
        for i, p in enumerate(listed)
    ]
    curve: dict[str, list[float]] = {}
    whole = network.copy()  # the same for every percentile, though other threads may train
    loss = Config.of(whole).loss
    for percentile in checked:
        core = whole.copy()
        report: list[_core.Pruned] = []
        if percentile > 0:
            report = core.prune(core_rule(percentile=percentile, regrow=False))
        row = {
            "percentile": percentile,
            "connections": sum(core.nnz()),
            "neurons": sum(core.connected_neurons()[:-1]),
            "refused": sum(layer.refusal is not None for layer in report),
            **scores(loss, core.evaluate(data, batch_size)),
        }
        for name, value in row.items():
            curve.setdefault(name, []).append(value)
    return {name: np.array(values) for name, values in curve.items()}
