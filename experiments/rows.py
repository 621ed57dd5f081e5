"""Results of an experiment: a CSV file of one row a run, to which a broken-off experiment adds."""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


class Rows:
    """The rows of an experiment, kept in ``results/NAME.csv``.

    Parameters
    ----------
    name
        Of the experiment; the file's stem.
    keys
        The columns that say which run it was. A run whose keys have a row is not repeated.
    columns
        What was measured.
    folder
        Where the file lies. Default ``experiments/results``, which the repository keeps.
    """

    def __init__(
        self, name: str, keys: list[str], columns: list[str], folder: Path = RESULTS
    ) -> None:
        self.path = folder / f"{name}.csv"
        self.keys, self.columns = keys, columns
        self.rows: list[dict[str, str]] = []
        if self.path.exists():
            with self.path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                if reader.fieldnames != [*keys, *columns]:
                    raise ValueError(f"{self.path} has other columns: move it away to start anew")
                self.rows = list(reader)

    def find(self, **key: Any) -> dict[str, str] | None:
        """Give the row of a run, if it was done."""
        wanted = {name: str(key[name]) for name in self.keys}
        return next((r for r in self.rows if all(r[k] == v for k, v in wanted.items())), None)

    def add(self, **row: Any) -> dict[str, str]:
        """Write a row to the file at once."""
        found = {name: str(row[name]) for name in [*self.keys, *self.columns]}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [*self.keys, *self.columns], lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow(found)
        self.rows.append(found)
        return found

    def drop(self, **key: Any) -> int:
        """Take the rows with these keys out of the file, so that their runs are repeated.

        Gives how many those were. What another process adds meanwhile is lost.
        """
        wanted = {name: str(value) for name, value in key.items()}
        kept = [r for r in self.rows if any(r[k] != v for k, v in wanted.items())]
        gone = len(self.rows) - len(kept)
        if gone:
            written = self.path.with_suffix(".part")
            with written.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, [*self.keys, *self.columns], lineterminator="\n")
                writer.writeheader()
                writer.writerows(kept)
            written.replace(self.path)
            self.rows = kept
        return gone

    def run(self, job: Callable[[], Mapping[str, Any]], **key: Any) -> dict[str, str]:
        """Give the row of a run; do the run first if there is none."""
        return self.find(**key) or self.add(**key, **job())
