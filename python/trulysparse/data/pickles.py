"""Arrays out of pickles, without running anything that is in them.

A pickle is a program. Here it may only build numbers, text, bytes, lists and dicts; what it says
of NumPy's arrays is written down as a `_Call` and read as data afterwards. Every other name that it
asks for, and every other instruction, ends in a ``ValueError`` before it has any effect.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
from typing import Any

import numpy as np
import numpy.typing as npt

# What a pickle of arrays asks for: module, name. The modules of NumPy before 2 and since.
ALLOWED = {
    (module, name)
    for modules, names in (
        (("numpy",), ("ndarray", "dtype")),
        (("numpy.core.multiarray", "numpy._core.multiarray"), ("_reconstruct",)),
        (("numpy.core.numeric", "numpy._core.numeric"), ("_frombuffer",)),
        (("_codecs",), ("encode",)),  # how Python 3 writes bytes for Python 2
    )
    for module in modules
    for name in names
}
OPCODES = re.compile(
    "PROTO|FRAME|STOP|MARK|NONE|NEWTRUE|NEWFALSE|INT|BININT[12]?|LONG1?|(SHORT_)?(BIN)?STRING"
    "|(SHORT_)?(BIN)?UNICODE|(SHORT_)?BINBYTES|BINBYTES8|BYTEARRAY8|(EMPTY_)?(LIST|DICT)|APPENDS?"
    "|SETITEMS?|EMPTY_TUPLE|TUPLE[123]?|(STACK_)?GLOBAL|REDUCE|BUILD|((LONG_)?BIN)?(PUT|GET)|MEMOIZE"
)


def load(raw: bytes, what: str) -> Any:
    """Read what a pickle holds: numbers, text, bytes, lists, dicts and `_Call`; see `array`.

    Text of Python 2 is read as Latin-1.

    Raises
    ------
    ValueError
        If it is damaged, or holds anything else. ``what`` names it.
    """
    try:
        # The unpickler itself would set aside as much memory as an instruction says.
        for count, (opcode, argument, _) in enumerate(pickletools.genops(raw)):
            if not OPCODES.fullmatch(opcode.name):
                raise pickle.UnpicklingError(f"it has the instruction {opcode.name}")
            if "PUT" in opcode.name and int(argument or 0) > count:
                raise pickle.UnpicklingError(f"it has a {opcode.name} of {argument}")
        return _Reader(io.BytesIO(raw), encoding="latin1").load()
    except Exception as error:  # damaged ones raise errors of any kind
        raise ValueError(
            f"{what}: expected a pickle of plain arrays and lists ({error})"
        ) from error


def array(value: Any, what: str) -> npt.NDArray[Any]:
    """Make an array of whole numbers of a list, or of what `load` gives for one of NumPy's.

    Raises
    ------
    ValueError
        If it is anything else. ``what`` names it.
    """
    try:
        if isinstance(value, list):
            if not all(type(item) is int for item in value):
                raise ValueError("it has items that are no whole numbers")
            return np.array(value, dtype=np.int64)
        return _array(value)
    except (AttributeError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise ValueError(f"{what}: expected whole numbers ({error})") from error


class _Global:
    """A function or class that a pickle names: a call is recorded and not made."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *arguments: Any) -> Any:
        if self.name == "encode":  # Python 3's bytes; the one call that may be made
            return str.encode(arguments[0], "latin1")
        return _Call(self.name, arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError(f"it changes {self.name}")


class _Call:
    """A call in a pickle, and the state that it sets."""

    __slots__ = ("arguments", "name", "state")

    def __init__(self, name: str, arguments: tuple[Any, ...]) -> None:
        self.name, self.arguments, self.state = name, arguments, None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _Global(name)

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it asks for an object elsewhere")


def _array(value: Any) -> npt.NDArray[Any]:
    if value.name == "_frombuffer":
        raw, dtype, shape, order = value.arguments
    elif value.name == "_reconstruct":
        _, shape, dtype, is_fortran, raw = value.state
        order = "F" if is_fortran else "C"
    else:
        raise ValueError(f"it is a {value.name}")
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"it has the shape {shape!r}")
    found = np.frombuffer(_bytes(raw), dtype=_dtype(dtype))
    return found.reshape(shape, order="F" if order == "F" else "C")


def _dtype(value: Any) -> np.dtype[Any]:
    """Make a dtype of integers; anything else could abuse NumPy's own state."""
    code = value.arguments[0]
    if value.name != "dtype" or code not in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"):
        raise ValueError(f"it has the type {code!r}")
    order = "|" if value.state is None else value.state[1]
    if order not in ("<", ">", "|", "="):
        raise ValueError(f"it has the byte order {order!r}")
    dtype: np.dtype[Any] = np.dtype(code).newbyteorder(order)
    return dtype


def _bytes(raw: Any) -> bytes:
    # Python 2 wrote bytes as text, which was read as Latin-1.
    return raw.encode("latin1") if isinstance(raw, str) else bytes(memoryview(raw))
