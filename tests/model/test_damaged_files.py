"""Files that are no models, damaged models, and paths that cannot be used."""

import json
import math
import warnings

import numpy as np
import pytest
import trulysparse as ts
from helpers import cases
from helpers.bad_input import INF, NAN, TYPE, X, Y, check_raises, make_model, with_value
from helpers.model_file import PIECE, about, as_version_1, tensors_of, with_about, write_tensors
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from trulysparse import cli
from trulysparse.config import Config


def test_cross_entropy_with_one_output_still_loads(tmp_path):
    path = tmp_path / "old.safetensors"
    model = ts.SparseMLP([4, 1], loss="binary_cross_entropy", seed=0)
    model.save(path)
    metadata, tensors = tensors_of(path)
    changed = {k: v.replace("binary_cross_entropy", "cross_entropy") for k, v in metadata.items()}
    assert changed != metadata
    write_tensors(path, changed, tensors)
    assert ts.load(path).predict(X).tolist() == [[1.0]] * 10


@pytest.fixture
def saved(tmp_path):
    model = make_model()
    model.fit(X, Y, epochs=2, progress=False)
    model.metadata["note"] = "x"
    path = tmp_path / "model.safetensors"
    model.save(path)
    return path


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


def test_load_needs_every_checksum(saved):
    metadata, tensors = tensors_of(saved)
    for sums in (None, b"", bytes(4), bytes(400)):
        wrong = {} if sums is None else {"checksums": ["U32", [len(sums) // 4], sums]}
        write_tensors(saved, metadata, tensors | wrong, sums=False)
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


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """A file's path and bytes."""
    path = tmp_path_factory.mktemp("flip") / "model.safetensors"
    model = make_model()
    model.train_on_batch(X, Y)
    model.save(path)
    return path, path.read_bytes()


@given(data=st.data())
@settings(max_examples=cases.drawn(150))
def test_load_refuses_any_damage(content, data):
    path, raw = content
    header_end = 8 + int.from_bytes(raw[:8], "little")
    damaged = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, header_end) | st.integers(0, len(raw) - 1))
        damaged[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(damaged)
    if damaged != raw:
        check_load_refuses(path)


def test_damage_in_any_piece_is_named(tmp_path):
    path = tmp_path / "model.safetensors"
    ts.SparseMLP([800, 1000, 2], density=1.0, seed=0).save(path)
    raw = path.read_bytes()
    assert len(raw) > 4 * PIECE
    for place in range(len(raw) - 1, 0, -PIECE // 2):
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 64]) + raw[place + 1 :])
        check_load_refuses(path)
    path.write_bytes(raw)
    ts.load(path)


# Settings in and out of their ranges: the file takes what the constructor takes.
_REALS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-0.5, 1.5),
    st.sampled_from([0.0, -0.0, 1.0, 1e300, -1e300, 3.4028234e38, 3.4028235e38, 3.5e38, 5e-324]),
)


@given(
    name=st.sampled_from(
        ["slope", "dropout", "input_noise", "label_smoothing", "clip", "epsilon", "density"]
    ),
    value=_REALS,
    version=st.sampled_from([1, 2]),
)
@settings(max_examples=cases.drawn(200))
def test_ranges_of_a_file_are_those_of_the_constructor(content, name, value, version):
    path, raw = content
    path.write_bytes(raw)
    sizes = [2, 3, 2]
    ts.SparseMLP(sizes, activation="leaky_relu", density=0.5, seed=0).save(path)
    fields = about(path)
    config = fields["config"]
    if name == "clip":
        assume(version == 2)
        config["standardize"] = True
    if name == "slope":
        config["activation"]["slope"] = value
    elif name in ("epsilon", "density"):
        config["sparsity"] = {name: value}
    else:
        config[name] = value
    with_about(path, fields)
    if version == 1:
        as_version_1(path)
    options = {"activation": "leaky_relu", "seed": 0, "standardize": name == "clip", name: value}
    expected = constructed(sizes, options)
    if isinstance(expected, ValueError):
        with pytest.raises(ValueError, match=path.name) as caught:
            ts.load(path)
        assert str(expected).split(": ")[1] in str(caught.value)
    else:
        found = (getattr(Config.of(model._core), name) for model in (ts.load(path), expected))
        assert len(set(found)) == 1


def constructed(sizes, options):
    """The model of these options, or the error."""
    try:
        return ts.SparseMLP(sizes, **options)
    except ValueError as error:
        return error


@pytest.mark.parametrize("scale", [0.0, -0.0, -1.0, NAN, INF])
def test_a_scale_that_no_data_have_is_refused(saved, scale):
    metadata, tensors = tensors_of(saved)
    dtype, shape, _ = tensors["standardizer.scale"]
    values = np.array([1, scale, 1, 1], "<f8").tobytes()
    write_tensors(saved, metadata, tensors | {"standardizer.scale": [dtype, shape, values]})
    check_load_refuses(saved)


def objects(value, path=()):
    """The names that lead to each object within a value; users' own names are no fields."""
    if isinstance(value, dict):
        yield path
        for name, inner in value.items():
            if path or name != "user":
                yield from objects(inner, (*path, name))


def within(value, path):
    for name in path:
        value = value[name]
    return value


def test_unknown_and_missing_fields_are_refused(saved):
    whole = about(saved)
    places = list(objects(whole))
    assert {(), ("config",), ("config", "init"), ("counters",)} <= set(places)
    for place in places:
        for name in within(whole, place):
            fields = json.loads(json.dumps(whole))
            del within(fields, place)[name]
            with_about(saved, fields)
            check_load_refuses(saved)
        fields = json.loads(json.dumps(whole))
        within(fields, place)["later"] = 1
        with_about(saved, fields)
        check_load_refuses(saved)
    with_about(saved, whole)
    ts.load(saved)


def test_a_file_of_version_1_loads_and_takes_no_name_of_version_2(saved, state_of):
    as_version_1(saved)
    before = state_of(ts.load(saved))
    other = saved.with_name("other.safetensors")
    ts.load(saved).save(other)  # in version 2
    assert state_of(ts.load(other)) == before
    metadata, tensors = tensors_of(saved)
    write_tensors(saved, metadata, tensors)  # with checksums
    with pytest.raises(ValueError, match=r"\"checksums\" is not a tensor"):
        ts.load(saved)
    write_tensors(saved, metadata, tensors, sums=False)
    fields = about(saved)
    for changed in ({"package": "0.1.0"}, {"version": 2}, {"version": 3}, {"version": 0}):
        text = {"trulysparse": json.dumps(fields | changed)}
        write_tensors(saved, text, tensors, sums=False)
        check_load_refuses(saved)


def test_a_newer_file_says_who_wrote_it(saved):
    with_about(saved, about(saved) | {"version": 3, "package": "9.1"})
    with pytest.raises(ValueError, match=r"format version 3 \(by 9.1\): expected at most 2"):
        ts.load(saved)


def test_numbers_of_a_diverged_model_are_said(saved, capsys):
    metadata, tensors = tensors_of(saved)
    for name in ("layers.0.data", "layers.1.bias"):
        dtype, shape, raw = tensors[name]
        tensors[name] = [dtype, shape, np.array(NAN, "<f4").tobytes() + raw[4:]]
    write_tensors(saved, metadata, tensors)
    with pytest.warns(RuntimeWarning, match="layers.0.data and 1 more arrays have numbers"):
        assert np.isnan(ts.load(saved).layers[0].weight.data).any()
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert cli.main(["info", str(saved)]) == 0
    assert "NaN or infinite" in capsys.readouterr().err


@pytest.mark.parametrize("depth", [200, 200_000])
def test_nested_and_long_metadata_are_refused_in_a_short_text(saved, depth, capsys):
    _, tensors = tensors_of(saved)
    names = "\x1b[2J" + "n" * depth
    for text in ("[" * depth, '{"a":' * depth, json.dumps({"version": 2, names: 1})):
        write_tensors(saved, {"trulysparse": text}, tensors)
        check_load_refuses(saved)
        assert cli.main(["info", str(saved)]) == 2
        said = capsys.readouterr().err
        assert len(said) < 1000
        assert "\x1b" not in said


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
