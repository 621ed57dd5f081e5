"""Pickles are read as data: nothing that they hold is run."""

import os
import pickle
import pickletools

import numpy as np
import pytest
from helpers.stand_ins import channels_first, images, python2_batch, python_batch
from hypothesis import given
from hypothesis import strategies as st
from trulysparse.data import pickles

PIXELS, LABELS = images(4)
ROWS = channels_first(PIXELS)
BATCH = python2_batch(ROWS, LABELS)
SMALL = pickle.dumps({"data": np.arange(6, dtype=np.uint8), "labels": [1, 2]}, protocol=2)


class Evil:
    """Calls a function when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def test_the_stand_in_is_what_python_2_writes():
    """Python itself reads it, as CIFAR-10's page says to."""
    batch = pickle.loads(BATCH, encoding="bytes")
    np.testing.assert_array_equal(batch[b"data"], ROWS)
    assert batch[b"labels"] == LABELS.tolist()
    assert len(batch[b"filenames"]) == 4


class TestArrays:
    @pytest.mark.parametrize("protocol", range(6))
    @pytest.mark.parametrize(
        "array",
        [
            np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
            np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(2, 3)),
            np.array([1, -2, 1 << 40]),
            np.array([1, -2], dtype=">i4"),
            np.arange(256, dtype=np.uint8)[::-1],
        ],
    )
    def test_as_numpy_pickles_them(self, protocol, array):
        raw = pickle.dumps([array], protocol=protocol)
        (found,) = pickles.load(raw, "file")
        found = pickles.array(found, "file")
        np.testing.assert_array_equal(found, array)
        assert found.dtype == array.dtype

    @pytest.mark.parametrize("module", [b"numpy.core.multiarray", b"numpy._core.multiarray"])
    def test_as_older_and_newer_numpy_name_their_modules(self, module):
        raw = BATCH.replace(b"numpy.core.multiarray", module)
        found = pickles.load(raw, "file")
        np.testing.assert_array_equal(pickles.array(found["data"], "file"), ROWS)
        np.testing.assert_array_equal(pickles.array(found["labels"], "file"), LABELS)

    @pytest.mark.parametrize(
        "value",
        [
            np.array([1.5]),
            np.array([{}], dtype=object),
            np.array([1], dtype=[("a", "i4")]),
            np.array(["a"]),
            [1, "2"],
            [1, True],
            [1 << 70],
            {"a": 1},
            None,
            "text",
        ],
    )
    def test_others_are_refused(self, value):
        found = pickles.load(pickle.dumps([value], protocol=2), "file")[0]
        with pytest.raises(ValueError, match=r"^here: expected whole numbers"):
            pickles.array(found, "here")

    def test_sizes_that_do_not_fit_the_bytes_are_refused(self):
        raw = SMALL.replace(b"K\x06\x85", b"K\x07\x85")
        assert raw != SMALL
        with pytest.raises(ValueError, match="expected whole numbers"):
            pickles.array(pickles.load(raw, "file")["data"], "file")


class TestEvil:
    @pytest.mark.parametrize("protocol", range(6))
    def test_functions_are_not_called(self, tmp_path, protocol):
        target = tmp_path / "called"
        for evil in (Evil(os.system, f"touch {target}"), Evil(open, str(target), "w")):
            raw = pickle.dumps({"data": ROWS, "labels": evil}, protocol=protocol)
            with pytest.raises(ValueError, match=r"^file: expected a pickle of plain arrays"):
                pickles.load(raw, "file")
        assert not target.exists()
        pickle.loads(raw)  # a harmless one would do it
        assert target.exists()

    @pytest.mark.parametrize(
        "raw",
        [
            b"cos\nsystem\n(S'true'\ntR.",
            b"(S'true'\nios\nsystem\n.",  # INST
            b"(cos\nsystem\nS'true'\no.",  # OBJ
            b"\x80\x02cbuiltins\neval\nU\x011\x85R.",
            b"\x80\x02cnumpy\nload\nU\x011\x85R.",
            b"\x80\x02cnumpy\ndtype\n)\x81.",  # NEWOBJ
            b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n}U\x08__code__K\x01sb.",
            b"\x80\x02cnumpy\ndtype\n}(U\x01aK\x01ub.",
            b"\x80\x02U\x01xQ.",  # BINPERSID
            b"Px\n.",  # PERSID
            b"\x80\x02\x82\x01.",  # EXT1
            b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
            b"\x80\x02K\x01q\xff.",  # a place in the memo beyond all instructions
            b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7fK\x01.",  # a frame longer than the file
            b"\x80\x02K\x01r\xff\xff\xff\x7f.",  # a memo of two milliard places
            b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",  # more bytes than there are
            b"\x80\x05\x96\xff\xff\xff\xff\x00\x00\x00\x00.",
            b"\x80\x02(lp0\n",
            b"",
            b".",
            b"hello",
        ],
    )
    def test_every_way_to_more_than_data_is_refused(self, raw):
        with pytest.raises(ValueError, match=r"^file: expected a pickle"):
            pickles.load(raw, "file")

    def test_what_is_allowed_keeps_nothing_of_an_earlier_file(self):
        names = {name for _, name in pickles.ALLOWED}
        assert names == {"ndarray", "dtype", "_reconstruct", "_frombuffer", "encode"}
        known = {opcode.name for opcode in pickletools.opcodes}
        allowed = {name for name in known if pickles.OPCODES.fullmatch(name)}
        assert len(allowed) == 47
        assert not allowed & {"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "PERSID", "BINPERSID"}
        assert not {name for name in allowed if "EXT" in name or "BUFFER" in name}


def outcome(raw):
    """Arrays or ValueError for any bytes."""
    try:
        found = pickles.load(raw, "file")
        if isinstance(found, dict):
            for value in found.values():
                pickles.array(value, "file")
    except ValueError:
        pass


@given(st.integers(0, len(SMALL) - 1), st.binary(max_size=4), st.integers(0, 4))
def test_damage_is_a_value_error(place, new, dropped):
    outcome(SMALL[:place] + new + SMALL[place + dropped :])


@given(st.binary(max_size=60))
def test_noise_is_a_value_error(raw):
    outcome(b"\x80\x02" + raw)


def test_every_truncation_is_found():
    raw = python_batch(ROWS[:1], LABELS[:1])
    for length in [*range(200), *range(len(raw) - 60, len(raw))]:
        with pytest.raises(ValueError, match=r"^file: "):
            pickles.load(raw[:length], "file")
