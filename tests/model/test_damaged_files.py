"""Files that are no models, damaged models, and paths that cannot be used."""

import json
import math

import numpy as np
import pytest
import trulysparse as ts
from helpers.bad_input import INF, NAN, TYPE, X, Y, check_raises, make_model, with_value
from hypothesis import given, settings
from hypothesis import strategies as st
from trulysparse import cli


def test_cross_entropy_with_one_output_still_loads(tmp_path):
    path = tmp_path / "old.safetensors"
    model = ts.SparseMLP([4, 1], loss="binary_cross_entropy", seed=0)
    model.save(path)
    metadata, tensors = tensors_of(path)
    changed = {k: v.replace("binary_cross_entropy", "cross_entropy") for k, v in metadata.items()}
    assert changed != metadata
    write_tensors(path, changed, tensors)
    assert ts.load(path).predict(X).tolist() == [[1.0]] * 10


def read_safetensors(path):
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def write_safetensors(path, header, data):
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


@pytest.fixture
def saved(tmp_path):
    model = make_model()
    model.fit(X, Y, epochs=2, progress=False)
    model.metadata["note"] = "x"
    path = tmp_path / "model.safetensors"
    model.save(path)
    return path


def tensors_of(path):
    """(header metadata, {name: [dtype, shape, bytes]}) of a safetensors file."""
    header, data = read_safetensors(path)
    metadata = header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = [entry["dtype"], entry["shape"], data[begin:end]]
    return metadata, tensors


def write_tensors(path, metadata, tensors):
    header, data = {} if metadata is None else {"__metadata__": metadata}, b""
    for name, (dtype, shape, raw) in tensors.items():
        offsets = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        data += raw
    write_safetensors(path, header, data)


def check_load_refuses(path):
    with pytest.raises(ValueError, match=path.name):
        ts.load(path)


def test_rewriting_a_file_unchanged_keeps_it_readable(saved, state_of):
    # Guards the tests below: their own writer must not be what `load` objects to.
    before = state_of(ts.load(saved))
    write_tensors(saved, *tensors_of(saved))
    assert state_of(ts.load(saved)) == before


def test_load_refuses_a_shortened_or_lengthened_file(saved):
    raw = saved.read_bytes()
    header_end = 8 + int.from_bytes(raw[:8], "little")
    for length in (0, 1, 7, 8, 9, header_end // 2, header_end, len(raw) // 2, len(raw) - 1):
        saved.write_bytes(raw[:length])
        check_load_refuses(saved)
    saved.write_bytes(raw + b"\0")
    check_load_refuses(saved)


@pytest.mark.parametrize(
    "content",
    [
        b"just some text\n" * 50,
        b"PK\x03\x04" + bytes(500),
        (2**63).to_bytes(8, "little") + b"{}",
        (2**64 - 1).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"{}",
        (4).to_bytes(8, "little") + b"null",
    ],
)
def test_load_refuses_other_files(tmp_path, content):
    path = tmp_path / "other.safetensors"
    path.write_bytes(content)
    check_load_refuses(path)


def test_load_refuses_another_programs_tensors(tmp_path):
    path = tmp_path / "other.safetensors"
    write_tensors(path, {"format": "pt"}, {"weight": ["F32", [2], bytes(8)]})
    check_load_refuses(path)


def test_load_needs_every_tensor_whole(saved):
    metadata, tensors = tensors_of(saved)
    assert metadata
    assert tensors
    for name, (dtype, shape, raw) in tensors.items():
        write_tensors(saved, metadata, {n: t for n, t in tensors.items() if n != name})
        check_load_refuses(saved)
        size = len(raw) // math.prod(shape)
        shorter = [dtype, [shape[0] - 1, *shape[1:]], raw[: -size * math.prod(shape[1:])]]
        write_tensors(saved, metadata, tensors | {name: shorter})
        check_load_refuses(saved)
        other = {"F32": "U32", "U32": "F32", "F64": "U64"}.get(dtype, "F64")
        write_tensors(saved, metadata, tensors | {name: [other, shape, raw]})
        check_load_refuses(saved)


def test_load_checks_structure_and_statistics(saved):
    metadata, tensors = tensors_of(saved)
    for name, (dtype, shape, raw) in tensors.items():
        if dtype == "F32" and name.startswith("layer"):
            continue  # a model that diverged can be saved and looked into
        kinds = {"F32": "<f4", "F64": "<f8", "U32": "<u4", "U64": "<u8", "I64": "<i8"}
        values = np.frombuffer(raw, kinds[dtype])
        for bad in (NAN, INF) if dtype[0] == "F" else (np.iinfo(values.dtype).max,):
            changed = with_value(values, bad, values.dtype).tobytes()
            write_tensors(saved, metadata, tensors | {name: [dtype, shape, changed]})
            check_load_refuses(saved)


@given(data=st.data())
@settings(max_examples=150)
def test_load_survives_any_flipped_bit(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("flip") / "model.safetensors"
    model = make_model()
    model.train_on_batch(X, Y)
    model.save(path)
    raw = bytearray(path.read_bytes())
    header_end = 8 + int.from_bytes(raw[:8], "little")
    place = data.draw(st.integers(0, header_end) | st.integers(0, len(raw) - 1))
    raw[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(raw)
    try:
        loaded = ts.load(path)
    except ValueError:
        return
    # A flip within a number or a note cannot be noticed, but what loads must be sound.
    assert loaded.predict(np.zeros((2, loaded.layer_sizes[0]))).shape == (2, loaded.layer_sizes[-1])


def test_paths(tmp_path, state_of):
    model = make_model()
    before = state_of(model)
    with pytest.raises(FileNotFoundError, match="absent"):
        ts.load(tmp_path / "absent.safetensors")
    with pytest.raises((IsADirectoryError, PermissionError, ValueError), match=tmp_path.name):
        ts.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="absent"):
        model.save(tmp_path / "absent" / "model.safetensors")
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises((OSError, ValueError), match="folder"):
        model.save(folder)
    for path in (None, 3):
        check_raises("path", TYPE, lambda path=path: ts.load(path))
        check_raises("path", TYPE, lambda path=path: model.save(path))
    assert state_of(model) == before
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]  # no temporary file stays behind


def test_huber_goes_through_files(tmp_path):
    model = ts.SparseMLP([4, 6, 2], loss="huber", density=0.5, seed=0)
    path = tmp_path / "model.safetensors"
    model.save(path)
    again = ts.load(path)
    assert (again.loss, again.layers[-1].activation) == ("huber", "identity")
    x = np.random.default_rng(0).normal(size=(5, 4))
    assert again.predict(x).tobytes() == model.predict(x).tobytes()
    assert again.test_on_batch(x, 5 * x[:, :2]) == model.test_on_batch(x, 5 * x[:, :2])


def test_squared_error_with_a_sigmoid_goes_through_files_and_the_command_line(tmp_path, capsys):
    model = ts.SparseMLP([4, 6, 1], loss="squared_error_sigmoid", density=0.5, seed=0)
    path, rows = str(tmp_path / "model.safetensors"), str(tmp_path / "rows.npz")
    model.save(path)
    x = np.random.default_rng(0).normal(size=(5, 4))
    p = model.predict(x)
    again = ts.load(path)
    assert (again.loss, again.layers[-1].activation) == ("squared_error_sigmoid", "sigmoid")
    assert again.predict(x).tobytes() == p.tobytes()
    np.savez(rows, x_train=x, y_train=(p[:, 0] > 0.5).astype(int))
    assert cli.main(["info", path]) == 0
    assert "loss: squared_error_sigmoid\n" in capsys.readouterr().out
    assert cli.main(["evaluate", path, "--data", rows]) == 0
    assert "accuracy 100.00 %" in capsys.readouterr().out
    np.savez(rows, x=x)
    assert cli.main(["predict", path, "--data", rows, "--out", str(tmp_path / "out.npz")]) == 0
