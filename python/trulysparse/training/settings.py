"""The settings of a fit as the core takes them: one JSON text, with that of the optimiser."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any


def of_steps(batch_size: int, optimizer: str, total_steps: int) -> str:
    """Give how a fit takes its steps."""
    return json.dumps(_steps(batch_size, optimizer, total_steps))


@lru_cache(maxsize=64)
def of_trainer(
    batch_size: int,
    optimizer: str,
    total_steps: int,
    *,
    candidates: float | None = None,
    memory: str = "fast",
    growth_batch: int = 0,
) -> str:
    """Give the settings of a fit on one network.

    `candidates`: for growth, per connection; None if the topology does not evolve. `growth_batch`:
    samples whose gradients say where connections grow; 0 for those of a step.
    """
    return json.dumps(
        {
            "fit": _steps(batch_size, optimizer, total_steps),
            "candidates": candidates,
            "memory": memory,
            "growth_batch": growth_batch,
        }
    )


def of_workers(
    batch_size: int,
    optimizer: str,
    total_steps: int,
    *,
    strategy: dict[str, Any],
    workers: int,
    local_from: int,
) -> str:
    """Give the settings of a fit on several workers; epochs from `local_from` on are local."""
    return json.dumps(
        {
            "fit": _steps(batch_size, optimizer, total_steps),
            "strategy": strategy,
            "workers": workers,
            "local_from": local_from,
        }
    )


def _steps(batch_size: int, optimizer: str, total_steps: int) -> dict[str, Any]:
    return {
        "batch_size": batch_size,
        "optimizer": json.loads(optimizer),
        "total_steps": total_steps,
    }
