"""Files of one known table in drawn dialects are read as that table, exactly."""

import pytest
from helpers import dialects
from trulysparse.readers import read_table


@pytest.mark.parametrize("seed", range(90))
def test_drawn_dialect(seed, tmp_path):
    dialect = dialects.draw(seed)
    columns = dialects.table(seed, plain=dialect.is_blanks)
    path = tmp_path / "table.txt"
    path.write_bytes(dialects.write(columns, dialect))
    found = read_table(path, label=False).x
    got = {name: found[name].to_list() for name in found.columns}
    want = dialects.expected(columns, dialect)
    if not dialect.header and dialect.index:
        got.pop("column_1")
    if not dialect.header and dialect.trailing:
        got = {name: cells for name, cells in got.items() if any(c is not None for c in cells)}
    assert list(got) == list(want), dialect
    for name, cells in want.items():
        assert got[name] == cells, (name, dialect)
        assert list(map(type, got[name])) == list(map(type, cells)), (name, dialect)
