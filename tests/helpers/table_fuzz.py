"""Random and damaged files for the readers of tables: a table or an error of the caller's file.

    PYTHONPATH=tests python -m helpers.table_fuzz --seconds 600 --seed 1

Each text is read by the fast reader, with blocks of a few rows too, and row by row; all have to say
the same. A failure
prints the seed and the number of the file, and keeps the file.
"""

from __future__ import annotations

import argparse
import bz2
import faulthandler
import gzip
import io
import lzma
import random
import tempfile
import time
import zipfile
from pathlib import Path
from unittest import mock

import numpy as np
import scipy.io
import scipy.sparse
from trulysparse.readers import Table, blocks, fast, read_table

from helpers import dialects

SECONDS = 20.0
"""That no file of a few kilobytes may take."""
_TOKENS = [
    *(b",", b";", b"\t", b"|", b" ", b"\n", b"\r\n", b"\r", b'"', b'""', b"'", b"#", b"%", b"\0"),
    *(b"1", b"0", b"007", b"-1.5", b"1e5", b"1e400", b"inf", b"nan", b"NA", b"", b"1,234", b"0,5"),
    *(b"1.234", b"1_000", b"true", b"False", b"2020-02-30", b"2020-01-05 12:00Z", b"12 %", b"$5"),
    *(b"abc", b"\xff", b"\xc3\xa9", b"\xef\xbb\xbf", b"99999999999999999999", b"1:2", b"qid:3"),
]


def _text(rng: random.Random) -> bytes:
    """Draw lines of tokens, most of them as long as each other."""
    separator = rng.choice([b",", b";", b"\t", b"|", b" "])
    width = rng.randrange(1, 6)
    few = rng.sample(_TOKENS, rng.randrange(1, 12))
    uneven = rng.choice([[0], [0] * 30 + [-1, 1]])
    lines = [
        separator.join(rng.choice(few) for _ in range(width + rng.choice(uneven)))
        for _ in range(rng.randrange(0, 40))
    ]
    return rng.choice([b"\n", b"\n", b"\r\n", b"\r"]).join(lines)


def _numpy(rng: random.Random) -> bytes:
    file = io.BytesIO()
    x = np.arange(12.0).reshape(4, 3)
    kind = rng.randrange(3)
    if kind == 0:
        np.savez_compressed(file, x=x, y=np.arange(4))
    elif kind == 1:
        scipy.sparse.save_npz(file, scipy.sparse.csr_array(x))
    else:
        np.save(file, x)
    return file.getvalue()


def _frame(rng: random.Random) -> bytes:
    import polars as pl

    file = io.BytesIO()
    frame = pl.DataFrame({"a": [1.0, None, 3.0], "b": ["x", "y", None], "c": [1, 2, 3]})
    if rng.random() < 0.5:
        frame.write_parquet(file)
    else:
        frame.write_ipc(file)
    return file.getvalue()


def _market(rng: random.Random) -> bytes:
    file = io.BytesIO()
    x = np.arange(12.0).reshape(4, 3)
    scipy.io.mmwrite(file, scipy.sparse.coo_array(x) if rng.random() < 0.5 else x)
    return file.getvalue()


def _packed(rng: random.Random) -> tuple[str, bytes]:
    data = b"a,b,c\n" + b"".join(b"%d,%d.5,x\n" % (k, k) for k in range(rng.randrange(1, 40)))
    kind = rng.choice([".gz", ".bz2", ".xz", ".zip"])
    if kind != ".zip":
        packer = {".gz": gzip, ".bz2": bz2, ".xz": lzma}[kind]
        return kind, packer.compress(data)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t.csv", data)
    return kind, file.getvalue()


def _svm(rng: random.Random) -> bytes:
    lines = []
    for _ in range(rng.randrange(1, 20)):
        pairs = sorted(rng.sample(range(1, 50), rng.randrange(0, 6)))
        lines.append(f"{rng.randrange(3)} " + " ".join(f"{k}:{rng.random():.3f}" for k in pairs))
    return "\n".join(lines).encode()


def _damaged(rng: random.Random, data: bytes) -> bytes:
    """Change some bytes, cut, double, or put tokens in."""
    found = bytearray(data)
    for _ in range(rng.choice([0, 1, 1, 2, 5, 20])):
        at = rng.randrange(len(found) + 1)
        action = rng.randrange(5)
        if action == 0:
            found[at:at] = rng.choice(_TOKENS)
        elif action == 1:
            del found[at : at + rng.choice([1, 1, 5, 200])]
        elif action == 2:
            found[at : at + 1] = bytes([rng.randrange(256)])
        elif action == 3:
            found[at:at] = found[at : at + rng.randrange(1, 300)]
        else:
            found[at : at + 1] = rng.choice(_TOKENS)
    return bytes(found)


def draw(rng: random.Random) -> tuple[str, bytes]:
    """Draw the end of a name, and the bytes of a file."""
    kind = rng.random()
    if kind < 0.45:
        return rng.choice([".csv", ".tsv", ".txt"]), _damaged(rng, _text(rng))
    if kind < 0.8:
        seed = rng.randrange(500)
        dialect = dialects.draw(seed)
        data = dialects.write(dialects.table(seed, plain=dialect.is_blanks), dialect)
        return ".csv", _damaged(rng, data)
    if kind < 0.84:
        return rng.choice([".csv", ".svm", ".npz", ".parquet"]), rng.randbytes(rng.randrange(400))
    if kind < 0.9:
        return rng.choice([".npz", ".npy"]), _damaged(rng, _numpy(rng))
    if kind < 0.92:
        return ".mtx", _damaged(rng, _market(rng))
    if kind < 0.94:
        suffix, data = _packed(rng)
        return suffix, _damaged(rng, data)
    if kind < 0.96:
        return rng.choice([".parquet", ".arrow"]), _damaged(rng, _frame(rng))
    return ".svm", _damaged(rng, _svm(rng))


def _read(path: Path) -> Table | str:
    try:
        return read_table(path, label=False)
    except (ValueError, OSError) as error:
        return str(error)


def check(path: Path) -> bool:
    """Read a file both ways; tell whether it is a table."""
    start = time.monotonic()
    quick = _read(path)
    if path.suffix in (".csv", ".tsv", ".txt"):
        with mock.patch.object(fast, "read", return_value=None):
            slow = _read(path)
        with mock.patch.multiple(blocks, SIZE=100, _WIDE=1):
            cut = _read(path)
        for other in (quick, cut):
            assert type(other) is type(slow), (str(other), str(slow))
            if isinstance(other, Table) and isinstance(slow, Table):
                rows = list(zip(other.x.rows(), slow.x.rows(), strict=True))
                assert other.x.equals(slow.x), next(pair for pair in rows if pair[0] != pair[1])
                assert other.x.schema == slow.x.schema
                assert list(other.rows) == list(slow.rows)
    assert time.monotonic() - start < SECONDS
    return isinstance(quick, Table)


def run(seed: int, files: int, seconds: float, folder: Path) -> tuple[int, int]:
    """Read files until their number or the time is reached; give how many, and how many tables."""
    end, tables, count = time.monotonic() + seconds, 0, 0
    while count < files and time.monotonic() < end:
        rng = random.Random(f"{seed} {count}")
        suffix, data = draw(rng)
        path = folder / f"fuzz{suffix}"
        path.write_bytes(data)
        try:
            tables += check(path)
        except BaseException:
            print(f"seed {seed}, file {count}: {path}")
            raise
        count += 1
    return count, tables


def main() -> None:
    """Search for as long as is asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--files", type=int, default=10**9)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="table_fuzz"))
    faulthandler.dump_traceback_later(args.seconds + 120, exit=True)
    files, tables = run(args.seed, args.files, args.seconds, folder)
    print(f"{files} files, {tables} of them tables: no other error, and both readers agree")


if __name__ == "__main__":
    main()
