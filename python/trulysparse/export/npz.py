"""Models as files of NumPy and SciPy, and back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from trulysparse import _core, _files
from trulysparse.activations import ACTIVATIONS
from trulysparse.config import SHARED, Config
from trulysparse.data import sparse
from trulysparse.layer import Layer
from trulysparse.layer import layers as layers_of

SETTINGS = "settings.json"
_README = """\
A neural network as files of NumPy and SciPy, written by trulysparse.

    weight_0.npz   scipy.sparse.load_npz: float32, (n_in, n_out), a layer's connections
    bias_0.npy     numpy.load: float32, (n_out,)
    weight_1.npz   and so on, for {layers} layers
{statistics}    {settings}  what the layers' activations are, and how the model was made

What it computes, for samples x of shape (samples, {n_in}):

    import numpy as np, scipy.sparse as sp
{standardise}\
    for i in range({layers}):
        x = x @ sp.load_npz(f"weight_{{i}}.npz") + np.load(f"bias_{{i}}.npy")
        x = activation(x)
{rescale}\

where the activations are, layer by layer:

{activations}

Back to a model of trulysparse: trulysparse.SparseMLP.from_npz(FOLDER)
"""
_INPUTS = ("mean.npy", "scale.npy")
_TARGETS = ("target_mean.npy", "target_scale.npy")
_STATISTICS = "    mean.npy       numpy.load: float64, (n_in,), and scale.npy beside it\n"
_STANDARDISE = '    x = (x - np.load("mean.npy")) * np.load("scale.npy")\n'
_UNITS = "    target_mean.npy  numpy.load: float64, (n_out,), and target_scale.npy beside it\n"
_RESCALE = '    x = x / np.load("target_scale.npy") + np.load("target_mean.npy")\n'


def write(core: _core.Network, folder: str) -> None:
    """Write a network to a folder; see `SparseMLP.export_npz`."""
    core = core.copy()  # another thread may train it
    place, config = Path(folder), Config.of(core)
    layers = layers_of(core)
    if any(ACTIVATIONS[layer.activation].formula is None for layer in layers):
        raise ValueError(
            "the model has the activation 'srelu': expected another, as its trained parameters "
            "are in SparseMLP.save's files only"
        )
    place.mkdir(parents=True, exist_ok=True)
    # Of an earlier export, and for a reader a sign that this one is complete.
    later = (*place.glob("weight_*.npz"), *place.glob("bias_*.npy"))
    for old in (*(place / name for name in (SETTINGS, *_INPUTS, *_TARGETS)), *later):
        old.unlink(missing_ok=True)
    for i, layer in enumerate(layers):
        # Weights hardly compress, and trying takes far longer than writing them.
        path = place / f"weight_{i}.npz"
        with _files.writing(path):
            scipy.sparse.save_npz(path, layer.weight, compressed=False)
        _save(place / f"bias_{i}.npy", layer.bias)
    inputs, targets = core.input_statistics(), core.target_statistics()
    if inputs is not None:
        _save_all(place, _INPUTS, inputs.mean, inputs.scale)
    if targets is not None:
        # A target with one value has no deviation; the network learns its differences to it.
        scale = np.where(targets.scale > 0, targets.scale, 1.0)
        _save_all(place, _TARGETS, targets.mean, scale)
    activations = [f"    {i}: {_formula(layer)}" for i, layer in enumerate(layers)]
    text = _README.format(
        layers=len(layers),
        settings=SETTINGS,
        n_in=config.layer_sizes[0],
        statistics=("" if inputs is None else _STATISTICS) + ("" if targets is None else _UNITS),
        standardise="" if inputs is None else _STANDARDISE,
        rescale="" if targets is None else _RESCALE,
        activations="\n".join(activations),
    )
    _write(place / "README.txt", text)
    description = {
        "trulysparse": 1,
        "layers": [
            {
                "n_in": layer.n_in,
                "n_out": layer.n_out,
                "connections": layer.nnz,
                "activation": layer.activation,
                "slope": layer.slope,
            }
            for layer in layers
        ],
        "settings": config.to_dict(),
        "samples_seen": None if inputs is None else inputs.total,
        "targets_seen": None if targets is None else targets.total,
        "targets_of_one_value": []
        if targets is None
        else (targets.scale == 0).nonzero()[0].tolist(),
    }
    _write(place / SETTINGS, json.dumps(description, indent=2) + "\n")


def _save(path: Path, array: npt.NDArray[Any]) -> None:
    with _files.writing(path):
        np.save(path, array)


def _write(path: Path, text: str) -> None:
    with _files.writing(path):
        path.write_text(text, encoding="utf-8")


def _save_all(place: Path, names: tuple[str, str], *arrays: npt.NDArray[np.float64]) -> None:
    for name, array in zip(names, arrays, strict=True):
        _save(place / name, array)


def _formula(layer: Layer) -> str:
    formula = ACTIVATIONS[layer.activation].formula or layer.activation
    return formula.format(slope=layer.slope or 0.0)


@dataclass(frozen=True)
class Files:
    """What `write` wrote: the layers' arrays, settings by name, and where statistics may be."""

    folder: Path
    weights: list[scipy.sparse.csc_array]
    biases: list[npt.NDArray[Any]]
    settings: dict[str, Any]
    description: dict[str, Any]

    def standardize(self, core: _core.Network) -> None:
        """Give a network the statistics of standardisation, if there are some."""
        sizes, inputs, targets = Config.of(core).layer_sizes, None, None
        if (self.folder / _INPUTS[0]).exists():
            mean, scale = self._statistics(_INPUTS, sizes[0])
            total = self.description.get("samples_seen")
            # Without a count they are of the first models, whose constant features have scale 1.
            constant = [] if total else np.flatnonzero((scale == 1) & (mean != 0)).tolist()
            inputs = _core.Statistics(mean, scale, total, constant)
        if (self.folder / _TARGETS[0]).exists():
            mean, scale = self._statistics(_TARGETS, sizes[-1])
            scale[self.description.get("targets_of_one_value", [])] = 0
            targets = _core.Statistics(mean, scale, self.description.get("targets_seen"))
        core.set_statistics(inputs, targets)

    def _statistics(self, names: tuple[str, str], columns: int) -> list[npt.NDArray[np.float64]]:
        arrays = [_read(self.folder / name, np.load) for name in names]
        for name, array in zip(names, arrays, strict=True):
            if array.shape != (columns,):
                raise ValueError(
                    f"{self.folder / name} has shape {array.shape}: expected ({columns},)"
                )
        return [array.astype(np.float64) for array in arrays]


def read(folder: str) -> Files:
    """Read what `write` wrote; see `SparseMLP.from_npz`."""
    place = Path(folder)
    try:
        description = _files.parsed((place / SETTINGS).read_text(encoding="utf-8"))
        count, settings = len(description["layers"]), dict(description["settings"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{place / SETTINGS}: expected the settings that export_npz writes ({error})"
        ) from error
    weights = [_matrix(place / f"weight_{i}.npz") for i in range(count)]
    biases = [_read(place / f"bias_{i}.npy", np.load) for i in range(count)]
    # Sizes and connections are those of the files.
    shared = {k: v for k, v in settings.items() if k in SHARED}
    return Files(place, weights, biases, shared, description)


def _matrix(path: Path) -> scipy.sparse.csc_array:
    """Read a file's sparse matrix, and check it."""
    return sparse.loaded(str(path), _read(path, _archive))


def _archive(path: Path) -> dict[str, npt.NDArray[Any]]:
    with np.load(path) as arrays:
        return dict(arrays)


def _read(path: Path, reader: Any) -> Any:
    """Read a file's array; refuse what is pickled."""
    try:
        return reader(path)
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(f"{path}: not a readable file ({error})") from error
