"""What a fit that goes on lacks of the fit before."""

from __future__ import annotations

from trulysparse.parallel.strategies import local_from
from trulysparse.training.request import Request


def lacking(request: Request, *, taken_up: bool) -> list[str]:
    """Name what is missing for the result of one whole fit, with the remedy.

    `taken_up`: whether the fit goes on from the checkpoint of a strategy, which has the history and
    the networks of workers. Otherwise it goes on from a model at `initial_epoch`.
    """
    start, trained = request.epochs.start, request.core.counters().epochs
    if not request.epochs or not (taken_up or start > 0):
        return []
    missing = []
    if not taken_up and trained < start:
        done = "none" if trained == 0 else f"only {trained}"
        missing.append(f"the first {start} epochs, of which this model has {done}")
    elif not taken_up:
        missing += [*_workers(request, start), *_scores(request, start)]
    names = [type(callback).__name__ for callback in request.callbacks if callback._remembers]
    names += [
        type(callback).__name__
        for callback in request.callbacks
        if callback.sets_learning_rate and not callback._remembers and not callback._is_replayed
    ]
    if names:
        missing.append(f"what {' and '.join(names)} had seen, which begins anew")
    return missing


def _workers(request: Request, start: int) -> list[str]:
    strategy = request.strategy
    if (
        strategy is None
        or strategy.workers == 1
        or start <= local_from(strategy, request.epochs.stop)
    ):
        return []
    return [
        f"the networks of the {strategy.workers} workers, which train on their own by then and "
        "begin with their average now (checkpoint of the strategy keeps them)"
    ]


def _scores(request: Request, start: int) -> list[str]:
    rule = request.pruning
    if rule is None or rule.tolerance is None:
        return []
    epochs = range(1, request.epochs.stop)
    before = any(rule.is_due(epoch) for epoch in epochs if epoch <= start)
    later = any(rule.is_due(epoch) for epoch in epochs if epoch > start)
    if not (before and later):
        return []
    return [
        "the scores from before the first pruning, so that its tolerance is spent anew (give what "
        "is left of it)"
    ]
