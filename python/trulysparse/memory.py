"""What a model takes in memory, before it is made."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

from trulysparse import _check, _core, _hints, _html, names
from trulysparse.config import Config, settings_of
from trulysparse.optim import Optimizer
from trulysparse.topology import Rule
from trulysparse.training import request

__all__ = ["MemoryPlan", "plan"]

# Between two of them nothing is gained: lanes are padded to these.
_BATCHES = (1, 4, 8, *range(16, 4097, 16))


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes of a model and of its training; ``str()`` is a table.

    Data, and about 100 MB for Python and its libraries, come on top.

    Attributes
    ----------
    batch_size
        The batch that it is for.
    connections, neurons
        Of all layers; connections are the expected number if the model is yet to be made.
    parts
        Bytes by what they are for.
    taken
        Bytes that an existing model has already; they are among the parts.
    available
        Bytes that the process can still take: the system's available memory or, if that is less,
        what is left of the container's limit; None if the system does not say.
    largest_batch_size
        The largest batch that fits, up to 4096; 0 if none does.
    """

    batch_size: int
    connections: int
    neurons: int
    parts: Mapping[str, int]
    taken: int
    available: int | None
    largest_batch_size: int

    @classmethod
    def of(
        cls,
        footprint: Callable[..., _core.Footprint],
        config: Config,
        batch_size: int,
        evolves: Any,
        memory: Any,
        optimizer: Optimizer | names.Optimizer | None,
        stored: float | None,
    ) -> MemoryPlan:
        """Make the plan of a fit; `footprint` is the core's, of a network or of settings."""
        if stored is not None:
            features = config.layer_sizes[0]
            expected = f"None, or a number of at least 0 and at most {features}, the features"
            stored = _check.real("stored", stored, expected, low=0, high=features)
        batch_size = _check.integer("batch_size", batch_size, 1)
        candidates = _candidates(evolves)
        memory = request.memory(memory)
        how = request.optimizer(optimizer)
        request.check(request.StepRequest(config, how), [request.NO_SRELU])

        def footprint_for(batch: int) -> _core.Footprint:
            return footprint(batch, candidates, memory, how._state_per_parameter, stored)

        own = footprint_for(batch_size)

        def fits(batch: int) -> bool:
            needed = sum(part for _, part in footprint_for(batch).parts)
            return own.available is None or needed - own.taken <= own.available

        # From the largest, as most networks fit with it.
        largest = next(filter(fits, reversed(_BATCHES)), 0)
        return cls(
            batch_size,
            round(own.connections),
            own.neurons,
            {name: math.ceil(part) for name, part in own.parts},
            math.ceil(own.taken),
            own.available,
            largest,
        )

    @property
    def total(self) -> int:
        """All parts together, in bytes."""
        return sum(self.parts.values())

    @property
    def fits(self) -> bool:
        """Whether the machine has what is not yet taken."""
        return self.available is None or self.total - self.taken <= self.available

    def _rows(self) -> list[tuple[str, str]]:
        rows = [(name, _shown(part)) for name, part in self.parts.items()]
        rows.append((f"total, at batch {self.batch_size:,}", _shown(self.total)))
        if self.taken:
            rows.append(("taken already", _shown(self.taken)))
        if self.available is not None:
            rows.append(("available", _shown(self.available)))
        rows.append(("largest batch that fits", f"{self.largest_batch_size:,}"))
        return rows

    def _head(self) -> str:
        return f"{self.neurons:,} neurons, {self.connections:,} connections"

    def __str__(self) -> str:
        rows = self._rows()
        wide = max(len(name) for name, _ in rows)
        lines = [f"{name:<{wide}}  {value:>10}" for name, value in rows]
        return "\n".join([self._head(), *lines])

    def __repr__(self) -> str:
        available = "" if self.available is None else f" of {_shown(self.available)} available"
        return (
            f"MemoryPlan({self._head()}; {_shown(self.total)}{available} at batch "
            f"{self.batch_size:,}, largest batch {self.largest_batch_size:,})"
        )

    def _repr_html_(self) -> str:
        """Show the table in a notebook, with what each part takes of all."""
        rows: list[Sequence[object]] = []
        for name, value in self._rows():
            part = self.parts.get(name)
            rows.append((name, value, "" if part is None else _html.bar(part / self.total)))
        return _html.titled(f"MemoryPlan: {self._head()}", _html.table(("", "", ""), rows))


@_hints.plain
def plan(
    layer_sizes: Sequence[int],
    *,
    epsilon: float | Sequence[float] | None = None,
    density: float | Sequence[float] | None = None,
    allocation: names.Allocation | None = None,
    batch_size: int = 128,
    evolves: bool | Rule = True,
    memory: names.Memory = "fast",
    optimizer: Optimizer | names.Optimizer | None = None,
    stored: float | None = None,
    activation: names.Activation | Sequence[names.Activation] = Config.activation,
    slope: float = Config.slope,
    loss: names.Loss = Config.loss,
    dropout: float | Sequence[float] = Config.dropout,
    **unknown: NoReturn,
) -> MemoryPlan:
    """Tell what a `SparseMLP` and its training would take in memory; nothing is allocated.

    Parameters
    ----------
    layer_sizes, epsilon, density, allocation
        As in `SparseMLP`.
    batch_size
        The batch size of the fit. Default 128.
    evolves
        Whether its topology evolves, or by what: a `GradientGrowth` has candidates. Default True.
    memory
        As in `SparseMLP.fit`: ``"fast"`` (default), ``"lean"`` or ``"least"``.
    optimizer
        As in `SparseMLP.fit`: an `Adam` takes 4 bytes a connection more than an `SGD`, the default.
    stored
        For sparse samples: the values that one stores, on average, ``x.nnz / x.shape[0]``. None
        (default) for dense ones.
    activation, slope, loss, dropout
        As in `SparseMLP`, with the same defaults.

    Raises
    ------
    ValueError, TypeError
        If an argument is wrong.
    """
    _hints.refuse("plan", unknown)
    config = Config.drawn(**settings_of(locals()))
    footprint = partial(_core.expected_footprint, config.to_json())
    return MemoryPlan.of(footprint, config, batch_size, evolves, memory, optimizer, stored)


def _candidates(evolves: Any) -> float | None:
    """Give the candidates for growth per connection; None without evolution."""
    try:
        return 0.0 if _check.boolean("evolves", evolves) else None
    except TypeError:
        expected = "True or False, or a rule of topology"
        rule: Rule = _check.instance("evolves", evolves, Rule, expected)
        return rule._candidates


def _shown(size: float) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:.2f} {unit}"
    return f"{math.ceil(size / 1e3)} kB"
