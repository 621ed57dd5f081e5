"""Which spellings are numbers: the float64 that Python reads, or none."""

import math
import re
import struct

import hypothesis.strategies as st
import pytest
from hypothesis import given
from trulysparse.readers import MISSING, numbers, read_table

DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
PADDED = re.compile(r"[+-]?0[0-9]")
texts = st.one_of(
    st.floats(allow_nan=False).map(repr),
    st.integers().map(str),
    st.from_regex(DECIMAL, fullmatch=True),
    st.text("0123456789+-.eE_ ,xfni\uff11", max_size=12),
    st.text(max_size=6),
)


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


@given(texts)
def test_a_spelling_is_the_number_that_python_reads_or_none(text):
    found = numbers.number(text)
    if DECIMAL.fullmatch(text) and not PADDED.match(text):
        assert found is not None
        assert bits(found) == bits(float(text))
    else:
        assert found is None


@given(st.lists(texts, min_size=3, max_size=8))
def test_a_column_of_a_file_holds_the_numbers_that_python_reads(tmp_path_factory, cells):
    """Whatever the cells are: a number that is read is Python's, or is spelled in another style."""
    cells = [re.sub(r"[\s\"|#%\x00-\x1f]", "", cell) for cell in cells]
    path = tmp_path_factory.mktemp("numbers") / "t.csv"
    data = "a|b\n" + "".join(f"{cell}|z\n" for cell in cells)
    path.write_bytes(data.encode("utf-8", "replace"))
    try:
        found = read_table(path, label=False, separator="|", header=True, decimal=".", thousands="")
    except ValueError:
        return
    if "a" not in found.x.columns or not found.x.schema["a"].is_numeric():
        return
    assert len(found) == len(cells)
    for cell, value in zip(cells, found.x["a"].to_list(), strict=True):
        if cell in MISSING:
            assert value is None
        elif DECIMAL.fullmatch(cell):
            assert bits(float(value)) == bits(float(cell)) or value == int(cell)
            assert math.isfinite(value)
        else:
            pytest.fail(f"{cell!r} is read as {value}")


ODD = [
    "1_000",
    "\uff11\uff12",
    "0x10",
    "1e5e",
    "1.5.2",
    "--5",
    "1d5",
    "1.5f",
    "(12)",
    "1,2,3",
    "5'",
    "²",
]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("rows", [30, 3000])
def test_a_doubtful_spelling_among_numbers_is_refused_with_row_and_column(odd, rows, tmp_path):
    path = tmp_path / "t.csv"
    lines = [f"{i}.5;x" for i in range(rows)]
    lines[rows // 3] = f"{odd};x"
    path.write_text("size;kind\n" + "\n".join(lines), encoding="utf-8")
    with pytest.raises(ValueError, match=rf"t\.csv: row {rows // 3 + 2}, column 'size'.*") as error:
        read_table(path)
    assert repr(odd) in str(error.value)
    kept = read_table(path, text=["size"]).x["size"]
    assert kept[rows // 3] == odd
    assert read_table(path, missing=[odd]).x["size"].to_list().count(None) == 1


@pytest.mark.parametrize("odd", ["inf", "-Infinity", "1e400", "-1e999", "9" * 400 + ".5"])
def test_what_is_not_finite_is_refused(odd, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("size,kind\n" + "1.5,x\n" * 20 + f"{odd},x\n" + "2.5,y\n" * 20)
    with pytest.raises(ValueError, match=r"row 22, column 'size': expected a finite number"):
        read_table(path)


@pytest.mark.parametrize("place", [0, 7, 1500, 2998])
def test_a_zero_in_front_makes_codes_of_a_column_wherever_it_is(place, tmp_path):
    codes = [str(10 + i % 80) for i in range(3000)]
    codes[place] = "007"
    for quote in ("", '"'):
        path = tmp_path / "t.csv"
        rows = [f"{i}.5,{quote}{code}{quote},{i % 2}" for i, code in enumerate(codes)]
        path.write_text("size,code,label\n" + "\n".join(rows) + "\n")
        found = read_table(path)
        assert found.x["code"].to_list() == codes
        assert found.x["size"].to_list() == [i + 0.5 for i in range(3000)]
        assert any("'007' has a zero in front" in note for note in found.notes)


@pytest.mark.parametrize(
    ("cells", "value"),
    [
        (["0,5", "1,234"], 1.234),
        (["1,234,567", "1,234"], 1234),
        (["1.234,5", "1.234"], 1234.0),
        (["1,234.5", "1,234"], 1234.0),
        (["1'234.5", "1'234"], 1234.0),
        (["10 000,5", "1 234"], 1234.0),
        (["$1,200.00", "$1,234.00"], 1234.0),
        (["1.200,00 €", "1.234,00 €"], 1234.0),
        (["12.5 %", "1.234 %"], 1.234),
        (["-$5.00", "$7"], 7.0),
    ],
)
def test_numbers_in_the_style_of_their_column(cells, value, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a\tb\n" + "".join(f"{cell}\tx\n" for cell in cells), encoding="utf-8")
    found = read_table(path)
    assert found.x["a"][1] == value
    assert any("is read as" in note for note in found.notes)


def test_what_other_columns_show_decides_and_else_it_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a;b;c\n" + "1,234;x;0,5\n" * 3)
    assert read_table(path, label="b").x["a"].to_list() == [1.234] * 3
    path.write_text("a;b;c\n" + "1,234;x;2.75\n" * 3)
    assert read_table(path, label="b").x["a"].to_list() == [1234] * 3
    path.write_text("a;b\n" + "1,234;x\n" * 3)
    with pytest.raises(ValueError, match=r"row 2, column 'a'.*decimal= or thousands="):
        read_table(path)
    assert read_table(path, decimal=",").x["a"].to_list() == [1.234] * 3
    assert read_table(path, thousands=",").x["a"].to_list() == [1234] * 3
    path.write_text("a;b\n" + "1.234;x\n" * 3)
    with pytest.raises(ValueError, match=r"row 2, column 'a'.*decimal= or thousands="):
        read_table(path)
    assert read_table(path, decimal=".").x["a"].to_list() == [1.234] * 3


def test_two_currencies_and_per_cent_in_some_cells_are_refused(tmp_path):
    path = tmp_path / "t.csv"
    for cells in (["$5", "$6", "€7"], ["5 %", "6 %", "0.07"]):
        path.write_text("a,b\n" + "".join(f"{cell},x\n" for cell in cells), encoding="utf-8")
        with pytest.raises(ValueError, match=r"row 4, column 'a'"):
            read_table(path)


def test_integers_that_float64_merges_are_kept_and_said(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(f"a,b\n{2**53},x\n{2**53 + 1},y\n5,z\n")
    found = read_table(path)
    assert found.x["a"].to_list() == [2**53, 2**53 + 1, 5]
    assert any("beyond 2**53" in note for note in found.notes)
