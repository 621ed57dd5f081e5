"""Labels that are in a file of their own, beside the table of features."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trulysparse import _check
from trulysparse.readers.columns import of
from trulysparse.readers.notes import Notes
from trulysparse.readers.table import Table, labels_of

if TYPE_CHECKING:
    import polars as pl

_SHOWN = 5


def joined(table: Table, path: str, file: str, found: Table, label: Any) -> Table:
    """Give a table with the labels of another file.

    They belong together by the identifiers of the rows if the table has some, or by a column that
    both have, else by their order.

    Parameters
    ----------
    table, path
        The features, without a label, and their file.
    file, found
        The file of the labels, and all of its columns as features.
    label
        Which of them are labels, as in `read_table`.
    """
    frame: pl.DataFrame = found.x
    if found.ids is not None:
        frame = frame.insert_column(0, found.ids)
    ids, common = _ids(table, path, frame, label)
    key = common if ids is not None else None
    if ids is not None and key is None:
        key = _key(ids, frame, path, file)
    more = Notes()
    names = labels_of(frame.columns, label, key, more)
    notes = more.sentences()
    labels = of(frame, names)
    said = ", ".join(map(repr, names[:_SHOWN])) + (", ..." if len(names) > _SHOWN else "")
    if ids is None:
        if labels.height != len(table):
            raise ValueError(
                f"{file} has {labels.height} rows and {path} {len(table)}, without identifiers: "
                "expected as many, or ids= to name the column that has them"
            )
        notes.append(f"the labels {said} of {file} are taken in their order, row by row")
    else:
        assert key is not None
        labels, unused = _matched(ids, frame[key], labels, path, file)
        notes.append(f"the labels {said} of {file} belong to the rows by {key!r}")
        if unused:
            notes.append(f"{unused:,} row(s) of {file} belong to no row of {path}")
    new = table
    if common in table.names:
        new = replace(
            table,
            x=table.x.drop(common),
            ids=ids,
            names=tuple(name for name in table.names if name != common),
        )
    is_one = len(names) == 1 and (label is None or isinstance(label, str | int))
    return replace(
        new,
        y=labels.to_series() if is_one else labels,
        label=names[0] if is_one else tuple(names),
        notes=(*table.notes, *notes),
    )


def has_no_header(table: Table, found: Table) -> bool:
    """Tell whether the names of the columns of labels are a row: one is that of a sample."""
    import polars as pl

    if not isinstance(table.ids, pl.Series):
        return False
    return bool(table.ids.cast(pl.String).is_in(list(found.names)).any())


def _ids(
    table: Table, path: str, frame: pl.DataFrame, label: Any
) -> tuple[pl.Series | None, str | None]:
    """Give the identifiers of the rows, and the name of the column if it is among the features."""
    import polars as pl

    if isinstance(table.ids, pl.Series):
        return table.ids, table.ids.name if table.ids.name in frame.columns else None
    if table.ids is not None or not isinstance(table.x, pl.DataFrame):
        return None, None
    labels = label if isinstance(label, list | tuple) else [label]
    both = [name for name in table.names if name in frame.columns and name not in labels]
    distinct = [name for name in both if frame[name].n_unique() == frame.height]
    if len(distinct) > 1:
        raise ValueError(
            f"{path}: columns {distinct[:_SHOWN]} are in both files: expected ids= to name the one "
            "by which rows belong together"
        )
    return (table.x[distinct[0]], distinct[0]) if distinct else (None, None)


def _texts(cells: pl.Series) -> pl.Series:
    import polars as pl

    return cells.cast(pl.String).str.strip_chars()


def _key(ids: pl.Series, frame: pl.DataFrame, path: str, file: str) -> str:
    """Find the column that has most of the identifiers."""
    wanted = _texts(ids)
    hits = {
        name: int(wanted.is_in(_texts(frame[name]).to_list()).sum()) for name in frame.columns[:50]
    }
    key = max(hits, key=lambda name: hits[name])
    if not hits[key]:
        raise ValueError(
            f"{file}: no column has the identifiers of {path}, such as {_check.shown(ids[0])}; its "
            f"first row is {[_check.plain(cell) for cell in frame.row(0)[:_SHOWN]]}"
        )
    return key


def _matched(
    ids: pl.Series, keys: pl.Series, labels: pl.DataFrame, path: str, file: str
) -> tuple[pl.DataFrame, int]:
    """Give the labels of the rows, and count those of none."""
    import polars as pl

    wanted, have = _texts(ids), _texts(keys)
    known = have.is_in(wanted.to_list()).fill_null(value=False)
    twice = have.filter(known & have.is_duplicated())
    if len(twice):
        raise ValueError(
            f"{file}: {_check.shown(twice[0])} is there more than once: expected one row for each "
            f"row of {path}"
        )
    missing = ids.filter(~wanted.is_in(have.drop_nulls().to_list()).fill_null(value=False))
    if len(missing):
        some = ", ".join(_check.shown(one) for one in missing.head(_SHOWN).to_list())
        raise ValueError(
            f"{file} has no label for {len(missing)} of {len(ids)} rows of {path}: "
            + some
            + (", ..." if len(missing) > _SHOWN else "")
        )
    place_of = pl.DataFrame({"id": have, "row": range(len(have))}).filter(known)
    rows = wanted.replace_strict(place_of["id"], place_of["row"], return_dtype=pl.Int64)
    return labels[rows.to_list()], int((~known).sum())
