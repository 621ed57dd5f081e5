"""Samples, targets and weights of a user as the core takes them: in C order, float32 or float64."""

from __future__ import annotations

from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import scipy

from trulysparse import _core
from trulysparse.data.blocks import BlockArrays, Blocks, CsrArrays, DoubleArray, FloatArray
from trulysparse.data.digits import Names, say_integers, say_sparse
from trulysparse.data.missing import refuse_rows, with_nan
from trulysparse.data.numeric import numeric
from trulysparse.data.precision import blurred_integers, exactly
from trulysparse.data.sparse import check_sparse
from trulysparse.losses import LOSSES

ClassArray = npt.NDArray[np.uint32]


Inputs: TypeAlias = FloatArray | DoubleArray | CsrArrays | BlockArrays


def dense_part(inputs: Inputs) -> FloatArray | DoubleArray | None:
    """Give samples without their sparse block; None if there is nothing else."""
    if isinstance(inputs, BlockArrays):
        return inputs.dense
    return None if isinstance(inputs, CsrArrays) else inputs


_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))

MOST_DENSE = 2**30
"""Bytes of sparse targets as an array, up to which they become one."""

_ENCODE = (
    "expected integer class labels, which classes, y = np.unique(y, return_inverse=True) makes"
)


def as_float32(name: str, array: npt.NDArray[Any]) -> FloatArray:
    """Convert to float32 in C order; ValueError if a finite number does not fit."""
    return _converted(name, array, np.float32)


def _converted(
    name: str, array: npt.NDArray[Any], dtype: Any, *, missing: bool = False
) -> npt.NDArray[Any]:
    """Convert to a type; NaN stays if labels may be `missing`."""
    with np.errstate(over="ignore", invalid="ignore"):
        converted = np.require(array, dtype, ["C", "A"])
    # What overflowed was finite before: say so, instead of complaining about an infinity.
    bad = np.empty(0, bool)
    if converted.dtype != array.dtype and not np.isfinite(converted).all():
        bad = np.isinf(converted) if missing else ~np.isfinite(converted)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        value = array[where]
        place = ", ".join(map(str, where))
        kind = np.dtype(dtype).name
        raise ValueError(f"{name}[{place}] = {value}: expected finite numbers in {kind}'s range")
    return converted


def as_float64(name: str, array: npt.NDArray[Any]) -> DoubleArray:
    """Convert to float64 in C order; ValueError if a finite number does not fit."""
    return _converted(name, array, np.float64)


def samples(
    name: str,
    value: Any,
    features: int,
    *,
    wide: bool = False,
    scale: DoubleArray | None = None,
    begins: bool = False,
) -> Inputs:
    """Convert to float32 of shape (samples, features), or the arrays of a sparse matrix, or both.

    With `wide` dense samples become float64 if float32 does not hold all values of their type, and
    sparse ones keep the columns that it blurs; `scale` is that of the model's statistics, if it has
    some. Dense samples are copied only where that is needed. If training `begins` with them,
    columns of which it does not tell the values apart are said.
    """
    if _is_plain(value, features) and (wide or value.dtype == np.float32):
        _core.check_mapped(name, value)
        return cast(FloatArray | DoubleArray, value)
    if isinstance(value, Blocks):
        return _blocks(name, value, features, wide=wide, scale=scale, begins=begins)
    value = check_sparse(name, value, features)
    if scipy.sparse.issparse(value):
        stored = _stored(name, value)
        if begins:
            say_integers(Names(name), value)
            say_sparse(Names(name), value, standardize=wide)
        return _sparse_samples(name, value, stored, exactly(value, scale) if wide else None)
    array = numeric(name, value)
    if array.ndim != 2 or array.shape[1] != features:
        one = _one_row(name, value) if array.shape == (features,) else ""
        raise ValueError(f"{name} has shape {array.shape}: expected (samples, {features}){one}")
    if array.shape[0] == 0:
        raise ValueError(f"{name} has shape {array.shape}: expected at least one sample")
    if begins:
        say_integers(Names(name), array)
    if wide and not np.can_cast(array.dtype, np.float32):
        return as_float64(name, array)
    return as_float32(name, array)


def _one_row(name: str, value: Any) -> str:
    """Say how to give one sample."""
    if hasattr(value, "to_frame"):  # a series
        return "; one row of a frame is frame.iloc[[0]]"
    return f"; one sample is {name}[None]" if isinstance(value, np.ndarray) else ""


def _blocks(
    name: str,
    value: Blocks,
    features: int,
    *,
    wide: bool,
    scale: DoubleArray | None,
    begins: bool,
) -> BlockArrays:
    if value.shape[1] != features:
        (_, dense), sparse = value.dense.shape, value.sparse.shape[1]
        raise ValueError(
            f"{name} has {dense} dense and {sparse} sparse features: expected {features} together"
        )
    first = value.dense.shape[1]
    how: dict[str, Any] = {"wide": wide, "begins": begins}
    dense = samples(f"{name}.dense", value.dense, first, **how)
    scale = None if scale is None else scale[first:]
    sparse = samples(f"{name}.sparse", value.sparse, features - first, scale=scale, **how)
    return BlockArrays(cast(DoubleArray, dense), cast(CsrArrays, sparse))


def _is_plain(value: Any, features: int) -> bool:
    """Tell an array that the core takes as it is, if nothing is to be said of it."""
    if type(value) is not np.ndarray or value.dtype not in _FLOATS or value.ndim != 2:
        return False
    flags = value.flags
    return bool(value.shape[1] == features and len(value) and flags.c_contiguous and flags.aligned)


def _stored(name: str, matrix: Any) -> FloatArray:
    """Give what a CSR matrix stores in float32; ValueError, with the place, if something is not
    finite in it.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        stored = np.require(matrix.data, np.float32, ["C", "A"])
    _refuse_stored(name, matrix, np.isfinite(stored), np.dtype(np.float32))
    return stored


def _refuse_stored(
    name: str, matrix: Any, fits: npt.NDArray[np.bool_], dtype: np.dtype[Any]
) -> None:
    """Raise ValueError for the first stored value that does not fit."""
    if not fits.all():
        at = int(fits.argmin())
        row = int(np.searchsorted(matrix.indptr, at, side="right")) - 1
        place = f"{name}[{row}, {matrix.indices[at]}]"
        expected = f"expected finite numbers in {dtype.name}'s range"
        raise ValueError(f"{place} = {matrix.data[at]}: {expected}")


def _sparse_samples(
    name: str, matrix: Any, stored: FloatArray, exact: DoubleArray | None
) -> CsrArrays:
    if matrix.shape[0] == 0:
        raise ValueError(f"{name} has shape {matrix.shape}: expected at least one sample")
    return _csr_arrays(matrix, stored, exact)


def _csr_arrays(matrix: Any, stored: FloatArray, exact: DoubleArray | None) -> CsrArrays:
    return CsrArrays(
        matrix.indptr.astype(np.int64, copy=False),
        matrix.indices.astype(np.uint32, copy=False),
        stored,
        matrix.shape[1],
        exact,
    )


def dense(name: str, matrix: Any) -> npt.NDArray[Any]:
    """Give a sparse matrix of targets as an array, if that is not large.

    Raises
    ------
    ValueError
        If it would take more than `MOST_DENSE` bytes.
    """
    checked = check_sparse(name, matrix)
    rows, columns = checked.shape
    size = rows * columns * checked.dtype.itemsize
    if size > MOST_DENSE:
        raise ValueError(
            f"{name} is sparse, and would take {size / 1e9:.1f} GB as the array that training "
            f"needs: expected at most {MOST_DENSE / 1e9:.1f} GB, an array ({name}.toarray()), or "
            "batches from an iterator"
        )
    array: npt.NDArray[Any] = checked.toarray()
    return array


def sample_weights(value: Any, count: int) -> FloatArray | None:
    """Convert to float32 of shape (count,), if it is not None; the core checks the values."""
    if value is None:
        return None
    array = numeric("sample_weight", value)
    if array.shape != (count,):
        raise ValueError(
            f"sample_weight has shape {array.shape}: expected ({count},), a weight for each sample"
        )
    weights = as_float32("sample_weight", array)
    if not weights.any() and array.any():
        raise ValueError(
            f"sample_weight has no number above {array.max():g}, and float32 makes zeros of them: "
            "expected larger weights, such as sample_weight / sample_weight.max()"
        )
    return weights


def refuse_weightless(value: Any) -> None:
    """Raise ValueError if the weights of all samples, once checked, are zero."""
    if value is not None and not numeric("sample_weight", value).any():
        raise ValueError("sample_weight is zero for all samples: expected a weight above zero")


def targets(
    name: str, value: Any, count: int, outputs: int, loss: str, *, wide: bool = False
) -> ClassArray | FloatArray | DoubleArray | CsrArrays:
    """Give `value` as class labels (count,), dense targets (count, outputs), or sparse ones.

    Of several outputs NaN is a label that is missing. With `wide` targets become float64 if float32
    does not hold all values of their type.
    """
    if value is None:
        raise TypeError(f"{name} is missing: expected targets beside the samples")
    takes_classes = LOSSES[loss].takes_classes
    if takes_classes and type(value) is np.ndarray and value.shape == (count,) and _count(value):
        _core.check_mapped(name, value)
        return _labels(name, value, outputs)
    if scipy.sparse.issparse(value):
        return _sparse_targets(name, value, count, outputs, loss, wide=wide)
    text = _ENCODE if LOSSES[loss].has_accuracy else "expected an array of numbers"
    array = numeric(name, with_nan(name, value), text=text)
    if array.ndim == 0:
        raise ValueError(f"{name} has no samples: expected {count}, as many as x has")
    if array.ndim == 1 and takes_classes:
        _check_count(name, array, count)
        refuse_rows(name, array)
        return _labels(name, array, outputs)
    if array.ndim == 1 and outputs == 1:
        array = array[:, np.newaxis]
    _check_targets(name, array, count, outputs, loss)
    if (problem := blurred_integers(name, array)) is not None:
        raise ValueError(problem)
    if wide and not np.can_cast(array.dtype, np.float32):
        return _converted(name, array, np.float64, missing=True)
    return _converted(name, array, np.float32, missing=True)


def _check_count(name: str, array: Any, count: int) -> None:
    if array.shape[0] != count:
        raise ValueError(f"{name} has {array.shape[0]} samples: expected {count}, as many as x has")


def _check_targets(name: str, array: Any, count: int, outputs: int, loss: str) -> None:
    """Check the shape of an array or a CSR matrix, and that no label is missing that must not."""
    _check_count(name, array, count)
    if array.ndim != 2 or array.shape[1] != outputs:
        shapes = f"({count}, {outputs})"
        if LOSSES[loss].takes_classes:
            shapes += f" with class probabilities or ({count},) with class labels"
        elif outputs == 1:
            shapes += f" or ({count},)"
        raise ValueError(f"{name} has shape {array.shape}: expected {shapes}")
    if outputs == 1 or LOSSES[loss].takes_classes:
        refuse_rows(name, array)


def _sparse_targets(
    name: str, value: Any, count: int, outputs: int, loss: str, *, wide: bool
) -> CsrArrays:
    matrix = check_sparse(name, value)
    _check_targets(name, matrix, count, outputs, loss)
    with np.errstate(over="ignore", invalid="ignore"):
        stored = np.require(matrix.data, np.float32, ["C", "A"])
    takes_exact = wide and not np.can_cast(matrix.dtype, np.float32)
    exact = matrix.data.astype(np.float64) if takes_exact else None
    values = stored if exact is None else exact
    _refuse_stored(name, matrix, np.isfinite(values) | np.isnan(values), np.dtype(values.dtype))
    return _csr_arrays(matrix, stored, exact)


def _count(array: npt.NDArray[Any]) -> bool:
    """Tell integers of this processor's byte order."""
    return array.dtype.kind in "iu" and array.dtype.isnative


def _labels(name: str, array: npt.NDArray[Any], outputs: int) -> ClassArray:
    # One pass: as an unsigned number a negative one is larger than any class.
    if _count(array) and array.view(f"u{array.dtype.itemsize}").max() < outputs:
        labels = array.astype(np.uint32, order="C", copy=False)
        return labels if labels.flags.aligned else labels.copy()
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    bad = (array < 0) | (array >= outputs)
    if not np.issubdtype(array.dtype, np.integer):
        with np.errstate(invalid="ignore"):
            bad |= array != np.floor(array)  # true for NaN as well
    if bad.any():
        first = int(np.argmax(bad))
        expected = f"integer class labels from 0 to {outputs - 1}"
        raise ValueError(f"{name}[{first}] = {array[first]}: expected {expected}")
    return np.require(array, np.uint32, ["C", "A"])
