"""Tensors of other libraries as NumPy's arrays and SciPy's matrices, without importing them.

What NumPy can read shares its memory with the tensor: by ``__array__``, or else by DLPack.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

# The memory that DLPack's numbers of devices stand for; NumPy reads that of the CPU.
_CPU = (1, 3, 11, 13)
_DEVICES = {2: "CUDA", 4: "OpenCL", 7: "Vulkan", 8: "Metal", 10: "ROCm", 14: "oneAPI"}
_PLAIN = (list, tuple, dict, str, int, float, type(None))
_TO_CPU = (
    "expected one in the CPU's memory, which tensor.cpu() makes in PyTorch, array.get() in CuPy "
    "and numpy.asarray(array) in JAX"
)


def as_numpy(name: str, value: Any) -> Any:
    """Give a tensor of another library as an array, or a sparse one as SciPy's; all else as it is.

    PyTorch's are detached from their gradients. bfloat16, which NumPy has not, becomes float32.

    Parameters
    ----------
    name
        The argument, for errors.
    value
        Anything.

    Raises
    ------
    TypeError
        If a tensor is on another device than the CPU, has a layout that has no counterpart in
        SciPy, or cannot be read; the message says with what it could be.
    """
    kind = type(value)
    if kind in _PLAIN or isinstance(value, np.ndarray):
        return value
    libraries = {base.__module__.partition(".")[0] for base in kind.__mro__}
    if "pyarrow" in libraries:  # columns, whose missing cells NumPy has not
        return value
    has_dlpack = hasattr(kind, "__dlpack__")
    if has_dlpack and "torch" in libraries:
        return _of_torch(name, value)
    is_array = hasattr(kind, "__array__") or hasattr(value, "__array_interface__")
    if not is_array:
        return _narrowed(_of_dlpack(name, value)) if has_dlpack else value
    if not has_dlpack and hasattr(value, "shape"):  # a frame, a column, or what NumPy has made
        return value
    try:
        return _narrowed(np.asarray(value))
    except Exception as error:
        if has_dlpack:
            _refuse_device(name, value)
        raise _unread(name, value, error) from None


def _of_dlpack(name: str, value: Any) -> npt.NDArray[Any]:
    _refuse_device(name, value)
    try:
        return np.from_dlpack(value)
    except Exception as error:
        raise _unread(name, value, error) from None


def _refuse_device(name: str, value: Any) -> None:
    """Raise TypeError for memory that is not the CPU's."""
    try:
        device, number = map(int, value.__dlpack_device__())
    except Exception as error:
        raise _unread(name, value, error) from None
    if device not in _CPU:
        where = _DEVICES.get(device, f"kind {device} of DLPack")
        raise TypeError(
            f"{name} is a {type(value).__name__} on the device {where}:{number}: {_TO_CPU}"
        )


def _narrowed(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Give bfloat16, a type that packages add to NumPy, as float32, which holds all its values."""
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def _of_torch(name: str, tensor: Any) -> Any:
    if tensor.device.type != "cpu":
        raise TypeError(f"{name} is a tensor on the device {tensor.device}: {_TO_CPU}")
    tensor, layout = tensor.detach(), str(tensor.layout).removeprefix("torch.")
    if layout == "strided":
        return _strided(name, tensor)
    if layout not in ("sparse_csr", "sparse_csc", "sparse_coo"):
        raise TypeError(
            f"{name} is a tensor of the layout {layout}: expected sparse_csr, which "
            "tensor.to_sparse_csr() makes, or a dense one"
        )
    if layout == "sparse_coo":
        tensor = tensor.coalesce()
    if tensor.ndim != 2 or tensor.values().ndim != 1:
        raise TypeError(
            f"{name} is a sparse tensor of shape {tuple(tensor.shape)}: expected two dimensions, "
            "both of them sparse"
        )
    values, shape = _strided(name, tensor.values()), tuple(tensor.shape)
    if layout == "sparse_coo":
        row, column = _strided(name, tensor.indices())
        return scipy.sparse.coo_array((values, (row, column)), shape)
    if layout == "sparse_csr":
        places = _strided(name, tensor.col_indices()), _strided(name, tensor.crow_indices())
        return scipy.sparse.csr_array((values, *places), shape)
    places = _strided(name, tensor.row_indices()), _strided(name, tensor.ccol_indices())
    return scipy.sparse.csc_array((values, *places), shape)


def _strided(name: str, tensor: Any) -> npt.NDArray[Any]:
    if str(tensor.dtype) == "torch.bfloat16":
        tensor = tensor.float()
    try:
        return np.asarray(tensor.resolve_conj().resolve_neg())
    except Exception as error:
        raise _unread(name, tensor, error) from None


def _unread(name: str, value: Any, error: Exception) -> TypeError:
    return TypeError(
        f"{name} is a {type(value).__name__} that NumPy cannot read ({error}): expected an array "
        "of numbers, or something that numpy.asarray makes one of"
    )
