"""Columns of frames, matched by name with those that a model was trained on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Protocol

from trulysparse import _check, _core
from trulysparse.data import frames

KEY = "feature_names"
"""Where a model's metadata have the names, as JSON; the command line reads them too."""

_MOST = 5  # names in an error


class Named(Protocol):
    """A model, as far as names matter."""

    metadata: dict[str, str]
    _core: _core.Network


class Columns:
    """The names of a model's columns; `keep` gives it those that `learn` has met."""

    def __init__(self, model: Named) -> None:
        self._model = model
        self._learnt: list[str] | None = None

    def learn(self, name: str, x: Any) -> Any:
        """Do as `ordered`; if the model has no names, those of this frame will be its names.

        Two columns of one name are refused: exchanged, they would not be told apart later.
        """
        if not frames.is_frame(x):
            return x
        if self._learnt is None and KEY not in self._model.metadata:
            found = names(name, x)
            if found != _numbers(found):
                self._learnt = found
        array = self.ordered(name, x)
        refuse_alike(name, x)
        if array.dtype.kind == "f":
            frames.say_integers(name, x)
        return array

    def take(self, name: str, names: list[str] | None) -> None:
        """Take names as the model's, or compare them with those that it has."""
        if KEY not in self._model.metadata:
            self._learnt = names
        self.compare(name, names)

    def compare(self, name: str, names: list[str] | None) -> None:
        """Raise ValueError if the model's names are others; None are any."""
        known = self.known
        if names is None or known is None:
            return
        known = known if known is self._learnt else self._remaining(known)
        if known != names:
            raise ValueError(
                f"{name} has the columns {_some(names)}: expected those that the model was trained "
                f"on, {_some(known)} (metadata[{KEY!r}])"
            )

    @property
    def known(self) -> list[str] | None:
        """The names, if there are some."""
        if self._learnt is not None or KEY not in self._model.metadata:
            return self._learnt
        return self._read()

    @property
    def remaining(self) -> list[str] | None:
        """The names of the columns that compactions have left, if there are some."""
        known = self.known
        return None if known is None else self._remaining(known)

    def keep(self) -> None:
        """Write what was learnt to the model's metadata.

        Raises
        ------
        ValueError
            If it has other names, those of a checkpoint that the fit goes on from.
        """
        if self._learnt is None:
            return
        if KEY not in self._model.metadata:
            self._model.metadata[KEY] = json.dumps(self._learnt)
        elif (known := self._read()) != self._learnt:
            raise ValueError(
                f"x has the columns {_some(self._learnt)}: expected the order of the fit that goes "
                f"on from its checkpoint, {_some(known)}"
            )

    def ordered(self, name: str, x: Any) -> Any:
        """Give the numbers of a frame in the order of the model's columns; others as they are.

        Raises
        ------
        ValueError, TypeError
            If columns are missing, or others than the model knows; or if a value is no number.
        """
        if not frames.is_frame(x):
            return x
        found = names(name, x)
        if found is not None:
            x = self._in_order(name, x, found)
        return frames.as_array(name, x)

    def pair(self, validation_data: Any) -> Any:
        """Do as `ordered` with the samples of ``(x, y)``; anything else is refused later."""
        if not isinstance(validation_data, tuple | list) or len(validation_data) != 2:
            return validation_data
        x, y = validation_data
        return self.ordered("validation_data[0] (x)", x), y

    def _in_order(self, name: str, x: Any, found: list[str]) -> Any:
        known = self._learnt if KEY not in self._model.metadata else self._read()
        numbers = _numbers(found)
        if known is None and found != numbers and set(found) == set(numbers):
            raise ValueError(
                f"{name} has columns numbered in another order, {_some(found)}, and the model has "
                f"no names of columns: expected {_some(numbers)}"
            )
        if known is None or (found == numbers and set(found) != set(known)):
            return x
        trained = self._remaining(known)
        if trained == found:
            return x
        set_of_found, set_of_known = set(found), set(known)
        missing = [column for column in trained if column not in set_of_found]
        unknown = [column for column in found if column not in set_of_known]
        twice = [column for column, count in (Counter(found) | Counter(known)).items() if count > 1]
        for columns, problem in (
            (missing, "lacks columns that the model was trained on"),
            (unknown, "has columns that the model was not trained on"),
            (twice, "has columns in another order, and some of one name"),
        ):
            if columns:
                raise ValueError(
                    f"{name} {problem}: {_some(columns)}; expected {_some(trained)} "
                    f"(metadata[{KEY!r}])"
                )
        places = {column: place for place, column in enumerate(found)}
        order = [places[column] for column in trained]
        return x.iloc[:, order] if hasattr(x, "iloc") else x[trained]

    def _read(self) -> list[str]:
        text = self._model.metadata[KEY]
        try:
            known = json.loads(text)
        except (ValueError, TypeError):
            known = None
        if not isinstance(known, list) or not all(isinstance(item, str) for item in known):
            raise ValueError(
                f"metadata[{KEY!r}] = {text!r}: expected a JSON list of names, by which the "
                "columns of frames are put in order"
            )
        return known

    def _remaining(self, known: list[str]) -> list[str]:
        return _remaining(self._model._core, known)


def _remaining(core: _core.Network, known: list[str]) -> list[str]:
    """Give the names of the columns that a compaction has left."""
    origin = core.origin()
    if origin is None or len(known) != origin[0][0] or len(origin[1][0]) == 0:
        return known
    return [known[i] for i in origin[1][0]]


def remaining_metadata(core: _core.Network, metadata: Mapping[str, str]) -> dict[str, str]:
    """Give metadata for a file that does not know which columns a compaction has removed."""
    metadata = _check.strings("metadata", metadata)
    try:
        known = json.loads(metadata.get(KEY, ""))
    except (ValueError, RecursionError):
        return metadata
    if not isinstance(known, list):
        return metadata
    return metadata | {KEY: json.dumps(_remaining(core, known))}


def learnt(model: Named, x: Any) -> tuple[Columns, Any]:
    """Give the columns of a model, and samples `x` of a call that trains, in their order."""
    columns = Columns(model)
    return columns, columns.learn("x", x)


def ordered(model: Named, x: Any) -> Any:
    """Give samples `x` of a call that does not train, as `Columns.ordered` does."""
    return Columns(model).ordered("x", x) if frames.is_frame(x) else x


def names(name: str, x: Any) -> list[str] | None:
    """Give the names of a frame's columns, as text; None if it is none.

    Raises
    ------
    TypeError
        If some labels are text and others are not.
    """
    if not frames.is_frame(x):
        return None
    labels = frames.labels(x)
    text = [isinstance(label, str) for label in labels]
    if any(text) and not all(text):
        other = labels[text.index(False)]
        raise TypeError(
            f"{name} has column {other!r} beside names: expected text for all columns "
            f"({name}.columns.astype(str)), or for none"
        )
    return [str(label) for label in labels]


def labels(x: Any) -> list[str] | None:
    """Give the labels of a frame's columns as text, of any type; None if it is none."""
    return list(map(str, frames.labels(x))) if frames.is_frame(x) else None


def refuse_alike(name: str, x: Any) -> None:
    """Raise ValueError for a frame with two columns of one name."""
    found = labels(x) or []
    if len(set(found)) < len(found):
        label, count = Counter(found).most_common(1)[0]
        raise ValueError(
            f"{name} has {count} columns named {label!r}: expected another name for each"
        )


def refuse_others(name: str, x: Any, known: list[str] | None) -> None:
    """Raise ValueError for a frame whose columns are not those of the fit, in their order.

    Columns go by position where one of the two is an array, or a frame that only counts them and
    shares no label with the other.
    """
    found = labels(x)
    if found is None:
        return
    counted = _numbers(found)
    expected = counted if known is None else known
    is_permuted = sorted(found) == sorted(expected)
    is_named = known is not None and (
        counted not in (found, expected) or not set(found).isdisjoint(expected)
    )
    if found != expected and (is_permuted or is_named):
        problem = "the columns in another order" if is_permuted else "other columns"
        raise ValueError(
            f"{name} has {problem} than in fit, {_some(found)}: expected {_some(expected)}"
        )


def _numbers(found: list[str] | None) -> list[str]:
    """Give what columns without names are called; they go by position, as arrays do."""
    return [str(place) for place in range(len(found or ()))]


def _some(columns: list[str]) -> str:
    shown = ", ".join(map(repr, columns[:_MOST]))
    return shown + (f" and {len(columns) - _MOST} more" if len(columns) > _MOST else "")
