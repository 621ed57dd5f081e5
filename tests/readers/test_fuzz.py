"""Random and damaged files are tables or errors; `helpers.table_fuzz` searches for longer."""

from helpers import table_fuzz


def test_random_and_damaged_files(tmp_path):
    files, tables = table_fuzz.run(seed=27, files=100, seconds=float("inf"), folder=tmp_path)
    assert files == 100
    assert 0 < tables < files
