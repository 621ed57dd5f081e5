"""One evolution of a model's topology, by whatever rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trulysparse import _core
from trulysparse.rules import EvolvingLayer, TopologyRule, array, indices
from trulysparse.topology import SET, GradientGrowth

if TYPE_CHECKING:
    from trulysparse._described import Described


def evolve(
    rule: SET | TopologyRule, model: Described, trainer: _core.Trainer | None
) -> list[tuple[int, int]]:
    """Evolve every layer but the last; dropped and grown connections per layer.

    `trainer`: has the samples that gradients are taken on, if there are some.
    """
    if isinstance(rule, TopologyRule):
        return _by_rule(rule, model, trainer)
    if isinstance(rule, GradientGrowth):
        assert trainer is not None
        replaced = trainer.evolve_by_gradient(rule.zeta, rule.grow_init, rule.samples)
    else:
        replaced = model._core.evolve(rule.zeta, rule.grow_init)
    return [(count, count) for count in replaced]


def _by_rule(
    rule: TopologyRule, model: Described, trainer: _core.Trainer | None
) -> list[tuple[int, int]]:
    name = type(rule).__name__
    changes = []
    for index in range(len(model.layer_sizes) - 2):
        layer = EvolvingLayer(model, index, trainer)
        change = rule.evolve(layer)
        changes.append(
            None if change is None else _checked(f"{name}, layer {index + 1}", layer, change)
        )
    try:
        return model._core.rewire(changes)
    except ValueError as error:
        raise ValueError(f"{name}, {error}") from None


def _checked(name: str, layer: EvolvingLayer, change: Any) -> tuple[Any, Any, Any, Any]:
    """What a rule has returned, as the core takes it."""
    if not isinstance(change, tuple | list) or len(change) not in (3, 4):
        raise TypeError(
            f"{name}: evolve returned {type(change).__name__}: expected None, "
            "(drop, rows, columns) or (drop, rows, columns, values)"
        )
    drop, rows, columns, *rest = change
    inputs = indices(f"{name}: rows", rows, layer.n_in)
    outputs = indices(f"{name}: columns", columns, layer.n_out)
    if len(inputs) != len(outputs):
        raise ValueError(
            f"{name}: {len(inputs)} rows and {len(outputs)} columns: expected as many of each"
        )
    values = np.zeros(len(inputs), np.float32)
    if rest:
        values = array(f"{name}: values", rest[0])
        if values.shape != inputs.shape:
            raise ValueError(
                f"{name}: values has shape {values.shape}: expected {inputs.shape}, that of rows"
            )
        if values.size and values.dtype.kind not in "iufb":
            raise TypeError(f"{name}: values has dtype {values.dtype}: expected real numbers")
        with np.errstate(over="ignore"):  # infinite then, which the core refuses
            values = values.astype(np.float32)
    return _flags(name, drop, layer.nnz), inputs, outputs, values


def _flags(name: str, drop: Any, nnz: int) -> npt.NDArray[np.bool_]:
    """Flags of the connections that go, from flags or positions."""
    drop = array(f"{name}: drop", drop)
    if drop.dtype == bool:
        if drop.shape != (nnz,):
            raise ValueError(
                f"{name}: drop has shape {drop.shape}: expected ({nnz},), a flag per connection"
            )
        return np.ascontiguousarray(drop)
    positions = indices(f"{name}: drop", drop, nnz)
    flags = np.zeros(nnz, dtype=bool)
    flags[positions] = True
    if np.count_nonzero(flags) != len(positions):
        raise ValueError(f"{name}: drop has positions twice: expected each once")
    return flags
