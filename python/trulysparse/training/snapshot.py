"""A network as it was, to go back to."""

from __future__ import annotations

from trulysparse import _core


class Snapshot:
    """What `SparseMLP.snapshot` gives: a copy of a network, for one `SparseMLP.restore`."""

    def __init__(self, core: _core.Network) -> None:
        self._copy: _core.Network | None = core.copy()

    def to(self, core: _core.Network) -> None:
        """Make a network what the copy is, which this gives away."""
        if self._copy is None:
            raise ValueError("snapshot was restored before: expected one that is not used up yet")
        core.become(self._copy)
        self._copy = None
