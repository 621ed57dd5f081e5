"""What the tests of the data loaders share."""

import struct

import numpy as np


def check(data, *, features, classes):
    """The promises that every data set keeps."""
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        assert x.dtype in (np.float32, np.float64)
        assert y.dtype == np.int64
        assert x.shape == (len(y), features)
        assert np.isfinite(x).all()
        assert y.size == 0 or (y.min() >= 0 and y.max() < classes)
    assert data.n_features == features
    assert data.n_classes == classes
    assert data.feature_names is None or len(data.feature_names) == features


def idx(array, *, kind=8):
    """The bytes of an IDX file."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, kind, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()
