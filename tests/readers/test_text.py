"""What a text's lines, quotes, names and cells are taken for, and what is refused."""

import datetime

import pytest
from trulysparse.readers import fast, read_table


@pytest.fixture
def read(tmp_path):
    def write_and_read(text, name="t.csv", /, **options):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_table(path, **options)

    return write_and_read


def columns(table):
    return {name: table.x[name].to_list() for name in table.x.columns}


def test_regular_text_goes_through_the_fast_reader(read, monkeypatch):
    from trulysparse.readers import rows

    monkeypatch.setattr(rows, "read", lambda *_: pytest.fail("read row by row"))
    for text in (
        "a,b,kind\n1.5,2,x\n2.5,3,y\n",
        'a,b,kind\n"1.5",2,"x,y"\n2.5,3,"two\nlines"\n',
        "a;b;kind\r\n1.5;;x\r\n2.5;NA;y\r\n",
        "1.5\t2\tx\n2.5\t\ty",
        "# one\n\na,b,kind\n1.5,2,x\n2.5,3,y\n",
    ):
        assert read(text).x.shape == (2, 2)


def test_a_number_behind_the_sample_that_its_column_does_not_show(read):
    """Columns whose first cells are integers, and then are not, or are missing, or are text."""
    n = 20_000
    lines = [f"{i},{i},{i},{i % 3}" for i in range(n)]
    lines[7000] = "2.5,NA,x7000,1"
    found = read("a,b,c,kind\n" + "\n".join(lines), text="c")
    assert found.x["a"][7000] == 2.5
    assert found.x["a"][7001] == 7001.0
    assert found.x["b"].null_count() == 1
    assert found.x["c"][7000] == "x7000"
    with pytest.raises(ValueError, match=r"row 7002, column 'c': expected a number.*'x7000'"):
        read("a,b,c,kind\n" + "\n".join(lines))


@pytest.mark.parametrize("quotes", [False, True])
def test_rows_of_another_length_are_refused_with_their_line(read, quotes):
    lines = [f'{i},"x",y' if quotes else f"{i},x,y" for i in range(500)]
    for bad in ("1,x", "1,x,y,z"):
        lines[300] = bad
        with pytest.raises(ValueError, match=r"row 302 has [24] cells, expected 3"):
            read("a,b,c\n" + "\n".join(lines))
    # One too short and one too long, so that there are as many cells.
    lines[300], lines[400] = "1,x", "1,x,y,z"
    with pytest.raises(ValueError, match=r"row 302 has 2 cells"):
        read("a,b,c\n" + "\n".join(lines))


def test_rows_are_lines_of_the_file(read):
    found = read('# c\n\na,b,c\n1,"x\ny",z\n\n# d\n2,w,z\n')
    assert list(found.rows) == [4, 8]
    assert list(read('a,b,c\n1,"x\ny",z\n2,w,z\n').rows) == [2, 4]


def test_missing_cells_of_every_spelling(read):
    words = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?", "-", ".", "#N/A", "<NA>"]
    found = read("a;b;kind\n" + "".join(f"{w};{w};x\n" for w in words) + "1;y;x\n2;z;x\n")
    assert columns(found) == {"a": [None] * 13 + [1, 2], "b": [None] * 13 + ["y", "z"]}
    assert any("'NA' is read as missing, in 12 cells" in note for note in found.notes)
    kept = read("a;b\n1;None\n2;None\n-9;y\n", not_missing="None", missing="-9")
    assert kept.x["a"].to_list() == [1, 2, None]
    assert kept.y.to_list() == ["None", "None", "y"]


def test_booleans_dates_and_what_stays_text(read):
    found = read(
        "paid,day,time,zone,us,flag,kind\n"
        "TRUE,2020-02-29,2020-01-05T12:30,2020-01-05 12:00:00+02:00,02/03/2020,yes,x\n"
        "FALSE,2021-01-01,2020-01-05 12:30:15.25,2020-01-05T12:00:00Z,12/31/2020,no,x\n"
        ",,,,,,x\n"
    )
    at = datetime.datetime
    assert columns(found) == {
        "paid": [True, False, None],
        "day": [datetime.date(2020, 2, 29), datetime.date(2021, 1, 1), None],
        "time": [at(2020, 1, 5, 12, 30), at(2020, 1, 5, 12, 30, 15, 250_000), None],
        "zone": [at(2020, 1, 5, 10), at(2020, 1, 5, 12), None],
        "us": ["02/03/2020", "12/31/2020", None],
        "flag": ["yes", "no", None],
    }
    with pytest.raises(ValueError, match=r"row 3, column 'day': expected a date that there is"):
        read("day,kind\n2020-01-01,x\n2021-02-30,x\n")


def test_names_of_columns(read):
    with pytest.raises(ValueError, match=r"'a' appears twice"):
        read("a,a,kind\n1,2,x\n3,4,y\n")
    found = read(",a,kind\n0,1.5,x\n1,2.5,y\n")
    assert found.names == ("a",)
    assert any("row numbers" in note for note in found.notes)
    found = read("Unnamed: 0,a,kind\n7,1.5,x\n3,2.5,y\n")  # as pandas writes that again
    assert found.names == ("a",)
    assert "the column of row numbers, 'Unnamed: 0', is left out" in found.notes
    for cells in ("77", "ab", "1."):
        found = read(f"Unnamed: 0,a,kind\n{cells[0]},1.5,x\n{cells[1]},2.5,y\n".replace(".", "1.5"))
        assert found.names == ("Unnamed: 0", "a")
    found = read("Unnamed: 0,a,kind\n7,1.5,x\n3,2.5,y\n", columns=["Unnamed: 0"])
    assert found.names == ("Unnamed: 0",)
    found = read(",a,kind\ns1,1.5,x\ns2,2.5,y\n")
    assert found.ids.to_list() == ["s1", "s2"]
    found = read("a kind\n1 1.5 x\n2 2.5 y\n")  # as R writes rows
    assert columns(found) == {"a": [1.5, 2.5]}
    assert read("0,1,2\n1.5,2.5,x\n3.5,4.5,y\n").names == ("0", "1")
    assert read("a,b\nx,y\nz,w\n", header=False).x["column_1"].to_list() == ["a", "x", "z"]
    assert read("#a,b,kind\n1,2,x\n3,4,y\n").names == ("a", "b")


def test_labels_ids_and_choices_of_columns(read):
    text = "id,a,target,b\n7,1,x,2.5\n8,3,y,4.5\n"
    assert read(text).label == "target"
    assert read(text).names == ("id", "a", "b")
    found = read(text, label=-1, ids="id", drop=[1])
    assert (found.label, found.names, found.ids.to_list()) == ("b", ("target",), [7, 8])
    found = read(text, label=["target", "b"], columns=["a", "id"])
    assert found.label == ("target", "b")
    assert found.names == ("a", "id")
    assert read(text, label=False).y is None
    for options, words in (
        ({"label": "c"}, "no column label='c': expected one of 'id', 'a'"),
        ({"label": 4}, "label = 4: expected the position of one of 4 columns"),
        ({"label": "a", "drop": "a"}, "'a' is a label"),
        ({"columns": "target"}, "no columns are left"),
        ({"drop": "zz"}, "no column drop='zz'"),
    ):
        with pytest.raises(ValueError, match=words):
            read(text, **options)
    for options in ({"label": 1.5}, {"ids": [None]}, {"text": [["a"]]}, {"drop": {"a": 1}}):
        with pytest.raises(TypeError, match="expected a column"):
            read(text, **options)


def test_features_in_rows(read):
    text = "gene,s1,s2,s3\ng1,1.5,NA,2\ng2,3,4,5\nlabel,in,out,in\ncode,01,02,03\n"
    found = read(text, transpose=True)
    assert columns(found) == {
        "g1": [1.5, None, 2.0],
        "g2": [3.0, 4.0, 5.0],
        "code": ["01", "02", "03"],
    }
    assert found.y.to_list() == ["in", "out", "in"]
    assert found.ids.to_list() == ["s1", "s2", "s3"]
    assert read(text, transpose=True, label="g2").y.to_list() == [3.0, 4.0, 5.0]
    more = "".join(f"\t{i}.5" for i in range(20))
    with pytest.raises(ValueError, match=r"row 3, sample 's21', column 'g2'.*'1_0'"):
        read(
            "gene" + "".join(f"\ts{i}" for i in range(1, 22)) + f"\ng1{more}\t1\ng2{more}\t1_0\n",
            transpose=True,
        )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no lines but"),
        (b"\n# only\n\n", "no lines but comments"),
        (b"a,b,c\n", "expected rows below the header"),
        (b"PAR1....", "a Parquet file"),
        (b"PK\x03\x04...", "a spreadsheet"),
        (b"a\0,\0b\0\n\x001\0,\x002\0\n\0", "has a byte 0"),
        (b"\x1f\x8babc", "damaged gzip file"),
        (b'a,b\n1,"open\n2,x\n', "row 2"),
        (b'a,b\n1,"x" y\n2,"z"\n', "row 2"),
        (b"Report\n1,2,x\n3,4,y\n", "line 1 has 1 cells"),
    ],
)
def test_what_is_no_table_is_refused_with_the_files_name(read, data, words):
    with pytest.raises(ValueError, match=words) as error:
        read(data)
    assert "t.csv" in str(error.value)


def test_options_are_checked(read):
    for options in (
        {"separator": "ab"}, {"decimal": ";"}, {"thousands": "x"}, {"encoding": "utf-99"},
        {"encoding": "hex"}, {"quote": "x"}, {"decimal": ",", "thousands": ","},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=next(iter(options))):
            read("a,b\n1,x\n2,y\n", **options)
    with pytest.raises(ValueError, match="is no text"):
        read(b"1 1:2\n", "t.svm", separator=",")


def test_standard_input(monkeypatch):
    import io
    import types

    stream = types.SimpleNamespace(buffer=io.BytesIO(b"a,b\n1.5,x\n2.5,y\n"))
    monkeypatch.setattr("sys.stdin", stream)
    assert columns(read_table("-")) == {"a": [1.5, 2.5]}


def test_a_table_says_what_it_is(read):
    found = read("a;b;kind\n0,5;$3.00;x\n1,5;$4.00;y\n")
    said = str(found)
    assert said.startswith("2 rows, 2 feature(s), label 'kind'\n")
    assert "'0,5' is read as 0.5" in said
    assert len(found) == 2


def test_both_readers_agree_where_quotes_hold_everything(read, monkeypatch):
    text = 'a,b,kind\n"1,5","say ""hi""",x\n"2,5","a\n\n,b",""\n"3,5","",y\n'
    quick = read(text)
    monkeypatch.setattr(fast, "read", lambda *_, **__: None)
    slow = read(text)
    assert quick.x.equals(slow.x)
    assert list(quick.rows) == list(slow.rows) == [2, 3, 6]


def test_lines_that_begin_as_comments_and_have_all_cells_are_rows(read):
    for sign in "#%":
        found = read(f"{sign}1,x\n{sign}2,y\n{sign}1,x\n", header=False, comment="")
        assert columns(found) == {"column_1": [f"{sign}1", f"{sign}2", f"{sign}1"]}


def _long(rows):
    """Give the lines of a table with a number, an integer, text with line breaks, and a label."""
    lines = []
    for i in range(rows):
        cell = f'"t{i}\nx"' if i % 7 == 3 else f"t{i % 5}"
        lines.append(f"{i / 8},{i % 100},{cell},{'ab'[i % 2]}")
    return lines


@pytest.fixture
def blocks_of_few_rows(monkeypatch):
    from trulysparse.readers import blocks

    monkeypatch.setattr(blocks, "SIZE", 256)
    monkeypatch.setattr(blocks, "_WIDE", 1)


@pytest.mark.parametrize(
    ("odd", "at"),
    [
        ("", 200),  # a blank line
        ("# a comment", 210),
        ('1.5,2,in 5" and 6",a', 220),
        ('1.5,2,5" pipe,a', 230),
        ("2.5,NA,-,b", 240),
        (",,,", 250),
        ("2.5,3.5,x,a", 260),  # a number among integers
        ("2.5,007,x,a", 270),
        ('1.5, "2",x,a', 280),
        ("1.5,2,x,a,", 290),
        ('1.5,2,"\n\n",a', 291),
        ("1.5,2,caf\u00e9 \u0411,a", 292),
    ],
)
def test_an_odd_row_within_blocks(read, monkeypatch, blocks_of_few_rows, odd, at):
    """Found out block by block, the columns are what they are if all rows are read one by one."""
    lines = ["x,k,words,kind", *_long(400)]
    lines.insert(at, odd)
    text = "\n".join(lines) + "\n\n"
    quick = read(text)
    assert quick.x.height == 400 + (odd[:1] not in ("", "#"))
    monkeypatch.setattr(fast, "read", lambda *_, **__: None)
    slow = read(text)
    assert quick.x.equals(slow.x)
    assert quick.x.schema == slow.x.schema
    assert quick.y.equals(slow.y)
    assert list(quick.rows) == list(slow.rows)
    assert quick.notes == slow.notes


def test_odd_rows_are_read_one_by_one_in_their_block_only(read, monkeypatch, blocks_of_few_rows):
    from trulysparse.readers import rows

    count, plain = [], rows.read
    monkeypatch.setattr(
        rows, "read", lambda path, body, *more: count.append(len(body)) or plain(path, body, *more)
    )
    lines = ["x,k,words,kind", *_long(400)]
    lines[100:100] = ["", "# a comment"]
    read("\n".join(lines))
    assert 0 < sum(count) < 1000


@pytest.mark.parametrize("bad", ["1,2", "1,2,3,4,5", '1,"2', "1,2,x\0,a", "1_0,2,x,a"])
def test_an_error_in_a_later_block_names_its_row(read, monkeypatch, blocks_of_few_rows, bad):
    lines = ["x,k,words,kind", *_long(400)]
    lines[300] = bad
    with pytest.raises(ValueError, match=r"t\.csv") as quick:
        read("\n".join(lines))
    monkeypatch.setattr(fast, "read", lambda *_, **__: None)
    with pytest.raises(ValueError, match=r"t\.csv") as slow:
        read("\n".join(lines))
    assert str(quick.value) == str(slow.value)


def test_a_file_that_changes_while_it_is_read(tmp_path, monkeypatch, blocks_of_few_rows):
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["x,k,words,kind", *_long(400)]), encoding="utf-8")
    plain = fast.read

    def changed(*args, **options):
        found = plain(*args, **options)
        with open(path, "a", encoding="utf-8") as file:
            file.write("\n1.5,2,x,a")
        return found

    monkeypatch.setattr(fast, "read", changed)
    with pytest.raises(ValueError, match=r"t\.csv: the file was changed while it was read"):
        read_table(path)


@pytest.mark.parametrize("name", ["blanks", "trailing", "blanks behind commas", "and quotes"])
def test_blanks_and_trailing_separators_are_read_fast(read, monkeypatch, name):
    from trulysparse.readers import rows

    monkeypatch.setattr(rows, "read", lambda *_: pytest.fail("read row by row"))
    lines = ["x,k,kind", *(f"{i / 8},{i % 100},{'ab'[i % 2]}," for i in range(50))]
    if name == "blanks":
        lines = [f"  {line.strip(',')} ".replace(",", " \t ") for line in lines]
    elif name != "trailing":
        lines = [line.strip(",").replace(",", ", ") for line in lines]
    if name == "and quotes":
        lines = [", ".join(f'"{cell}"' for cell in line.split(", ")) for line in lines]
    found = read("\n".join(lines))
    assert found.x["x"].to_list() == [i / 8 for i in range(50)]
    assert found.x["k"].to_list() == [i % 100 for i in range(50)]
    assert found.y.to_list() == ["ab"[i % 2] for i in range(50)]


def test_an_odd_row_makes_blocks_of_a_text_that_was_one(read, monkeypatch):
    from trulysparse.readers import blocks, rows

    count, plain = [], rows.read
    monkeypatch.setattr(
        rows, "read", lambda path, body, *more: count.append(len(body)) or plain(path, body, *more)
    )
    monkeypatch.setattr(blocks, "_SMALL", 100)
    lines = ["x,k,words,kind", *_long(400)]
    lines[100:100] = ["", "# a comment"]
    text = "\n".join(lines)
    assert read(text).x.height == 400
    assert 0 < sum(count) < len(text) / 3
