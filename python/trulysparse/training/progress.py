"""The progress bar of a fit."""

from __future__ import annotations

import math

from trulysparse import _progress

# What is looked at most comes first, as a narrow terminal has room for some of it only.
_NAMES = {
    "val_accuracy": "val_acc",
    "val_loss": "val_loss",
    "accuracy": "acc",
    "loss": "loss",
}
_BAR = 35  # characters of a short bar, the share that is done, and two times


class EpochBar:
    """A progress bar over epochs that moves within them."""

    def __init__(self, epochs: range, samples: int, connections: int, *, enabled: bool) -> None:
        self._epochs = epochs
        self._samples = samples
        self._connections = connections
        self._scores: dict[str, float] = {}
        self._bar = _progress.bar(enabled=enabled and len(epochs) > 0, total=len(epochs))

    def __enter__(self) -> EpochBar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def epoch_starts(self, epoch: int) -> None:
        self._done = epoch - self._epochs.start
        self._bar.set_description_str(f"epoch {epoch + 1}/{self._epochs.stop}", refresh=False)

    def does(self, what: str, epoch: int) -> None:
        """Say what takes its time after the steps of an epoch."""
        self._bar.set_description_str(f"epoch {epoch + 1}/{self._epochs.stop}, {what}")

    def tick(self, samples: int, logs: dict[str, float]) -> None:
        self._bar.midway = True
        self._show(logs)
        self._move(self._done + samples / self._samples)

    def epoch_done(self, epoch: int, logs: dict[str, float]) -> None:
        self._connections = int(logs["connections"])
        self._bar.midway = False
        self._bar.set_description_str(f"epoch {epoch + 1}/{self._epochs.stop}", refresh=False)
        self._show(logs)
        self._move(epoch + 1 - self._epochs.start)

    def _show(self, logs: dict[str, float]) -> None:
        if self._bar.disable:
            return
        # Validation scores stay in sight until the next ones; a squared error has no accuracy.
        shown = {k: v for k, v in logs.items() if k in _NAMES and (math.isfinite(v) or "loss" in k)}
        self._scores = {**self._scores, **shown}
        parts = [f"{name} {self._scores[k]:.4f}" for k, name in _NAMES.items() if k in self._scores]
        if logs.get("limited"):
            parts.insert(
                "val_accuracy" in self._scores, f"weights limited in {logs['limited']:,.0f} steps"
            )
        if logs.get("updates"):  # of an asynchronous server, in this epoch
            parts.append(f"{logs['updates'] / logs['seconds']:,.0f} updates/s")
            parts.append(f"staleness {logs['staleness']:.1f}, idle {logs['idle']:.1f} s")
        parts.append(f"{self._connections:,} connections")
        self._bar.set_postfix_str(", ".join(self._that_fit(parts)), False)

    def _that_fit(self, parts: list[str]) -> list[str]:
        """Give the first of some texts, as many as leave room for a bar, and at least one."""
        width = self._bar.columns()
        if width is None:
            return parts
        room = width - len(str(self._bar.desc)) - _BAR
        counts = [len(", ".join(parts[: k + 1])) <= room for k in range(len(parts))]
        return parts[: max(1, sum(counts))]

    def _move(self, position: float) -> None:
        if not self._bar.disable:
            self._bar.n = round(position, 3)
            self._bar.refresh()
