"""Archives of NumPy in which bytes or headers are others: an error that names the file."""

import io
import zipfile

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers import sparse_damage
from hypothesis import given
from hypothesis import strategies as st
from trulysparse import cli, datasets

X, Y = np.random.default_rng(0).normal(size=(9, 3)), np.arange(9) % 2


def archive(save):
    out = io.BytesIO()
    save(out, x_train=X, y_train=Y)
    return out.getvalue()


WHOLE = [archive(np.savez), archive(np.savez_compressed)]
SHAPES = ["(-1, 3)", "(9999999999999, 3)", "(0, 3)", "(9,)", "((9,), 3)", "('a',)", "(9.0, 3)"]
KINDS = ["|O", "<f2", "<c16", "<M8[s]", "|S0", "|V8", "<f99", "none", "<U9", "|S99999999999"]
ORDERS = ["True", "None", "[[[[", "()" * 50, '"""']
CHANGE = st.tuples(st.integers(0, 3), st.integers(0, 10**6), st.integers(0, 255))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged") / "table.npz"


def read(path, data):
    """Read what may be whole; what is not is an error that names the file."""
    path.write_bytes(data)
    try:
        return datasets.load_npz(path)
    except (ValueError, MemoryError) as error:
        said = str(error)
    assert str(path) in said
    return None


@given(st.sampled_from(WHOLE), st.lists(CHANGE, min_size=1, max_size=4))
def test_bytes(path, whole, changes):
    data = bytearray(whole)
    for verb, place, byte in changes:
        at = place % max(len(data), 1)
        if verb == 0:
            data[at : at + 1] = bytes([byte])
        elif verb == 1:
            del data[at : at + byte % 30]
        elif verb == 2:
            data[at:at] = data[at : at + byte % 30]
        else:
            del data[at:]
    read(path, bytes(data))


def member(shape, kind, order, version):
    """An array's file with another header before the same numbers."""
    out = io.BytesIO()
    np.save(out, X)
    whole = out.getvalue()
    end = 10 + int.from_bytes(whole[8:10], "little")
    text = f"{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    return whole[:6] + bytes([version, 0]) + len(text).to_bytes(2, "little") + text + whole[end:]


@given(
    st.sampled_from(["(9, 3)", *SHAPES]),
    st.sampled_from(["<f8", *KINDS]),
    st.sampled_from(["False", *ORDERS]),
    st.sampled_from([1, 2, 3, 9]),
)
def test_headers(path, shape, kind, order, version):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        file.writestr("x_train.npy", member(shape, kind, order, version))
        labels = io.BytesIO()
        np.save(labels, Y)
        file.writestr("y_train.npy", labels.getvalue())
    found = read(path, data.getvalue())
    if (shape, kind, order, version) == ("(9, 3)", "<f8", "False", 1):
        assert found is not None


@pytest.mark.parametrize("command", ["predict", "evaluate", "train"])
def test_a_sparse_matrix_is_not_a_table_for_the_command_line(path, capsys, command, tmp_path):
    saved = path.parent / "model.safetensors"
    ts.SparseMLP([3, 4, 2], seed=0, threads=1).save(saved)
    broken = sp.csr_array(X)
    attribute, change = sparse_damage.DAMAGE["csr"]["index-huge"]
    setattr(broken, attribute, change(broken))
    sp.save_npz(path, broken)
    model = [] if command == "train" else [str(saved)]
    out = [] if command == "evaluate" else ["--out", str(tmp_path / "out")]
    assert cli.main([command, *model, "--data", str(path), *out]) == 2
    assert str(path) in capsys.readouterr().err
