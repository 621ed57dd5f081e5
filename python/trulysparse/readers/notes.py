"""What a reader found out and did, in sentences."""

from __future__ import annotations


class Notes:
    """Sentences; those of one kind, of many columns, become one."""

    def __init__(self) -> None:
        self._kinds: dict[str, list[str]] = {}

    def add(self, kind: str, sentence: str) -> None:
        """Add a sentence; only the first of its kind is shown, and how many there are."""
        self._kinds.setdefault(kind, []).append(sentence)

    def say(self, sentence: str) -> None:
        """Add a sentence that is of no kind."""
        self.add(sentence, sentence)

    def sentences(self) -> list[str]:
        """Give all, in the order in which their kinds came."""
        return [
            first + (f"; so in {len(more)} more" if more else "")
            for first, *more in self._kinds.values()
        ]

    def extend(self, other: Notes) -> None:
        """Add all of another."""
        for kind, sentences in other._kinds.items():
            self._kinds.setdefault(kind, []).extend(sentences)
