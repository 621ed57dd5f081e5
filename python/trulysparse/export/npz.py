"""Models as files of NumPy and SciPy, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from trulysparse import _check, _core, _files
from trulysparse.activations import ACTIVATIONS
from trulysparse.config import SHARED, Config
from trulysparse.data import columns, sparse
from trulysparse.data.samples import limits
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

Not in these files, but in those of SparseMLP.save: momentum, the numbers of epochs and steps, and
which neurons a compaction has removed.
"""
# Of settings.json. Files of earlier versions lack the last ones.
_LAYER = ("n_in", "n_out", "connections", "activation", "slope")
_NEEDED = ("trulysparse", "layers", "settings")
_LATER = ("samples_seen", "targets_seen", "targets_of_one_value", "metadata")
_INPUTS = ("mean.npy", "scale.npy")
_CLIP = "clip.npy"
_TARGETS = ("target_mean.npy", "target_scale.npy")
_STATISTICS = "    mean.npy       numpy.load: float64, (n_in,), and scale.npy beside it\n"
_STANDARDISE = '    x = (x - np.load("mean.npy")) * np.load("scale.npy")\n'
_LIMITS = "    clip.npy       numpy.load: float64, (n_in,), what standardised inputs never exceed\n"
_CLIPPED = '    x = x / np.sqrt(1 + (x / np.load("clip.npy")) ** 2)\n'
_UNITS = "    target_mean.npy  numpy.load: float64, (n_out,), and target_scale.npy beside it\n"
_RESCALE = '    x = x / np.load("target_scale.npy") + np.load("target_mean.npy")\n'


def write(core: _core.Network, folder: str, metadata: Mapping[str, str]) -> None:
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
    for old in (*(place / name for name in (SETTINGS, _CLIP, *_INPUTS, *_TARGETS)), *later):
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
    clip = limits(config, inputs)
    if clip is not None:
        _save(place / _CLIP, clip)
    if targets is not None:
        # A target with one value has no deviation; the network learns its differences to it.
        scale = np.where(targets.scale > 0, targets.scale, 1.0)
        _save_all(place, _TARGETS, targets.mean, scale)
    given = {_INPUTS: inputs is not None, _CLIP: clip is not None, _TARGETS: targets is not None}
    _write(place / "README.txt", _explained(config, layers, given))
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
        "metadata": columns.remaining_metadata(core, metadata),
    }
    _write(place / SETTINGS, json.dumps(description, indent=2) + "\n")


def _explained(config: Config, layers: Sequence[Layer], given: Mapping[Any, bool]) -> str:
    """Say how outputs are computed; `given` tells which statistics there are."""

    def where(*parts: tuple[Any, str]) -> str:
        return "".join(text for files, text in parts if given[files])

    activations = [f"    {i}: {_formula(layer)}" for i, layer in enumerate(layers)]
    return _README.format(
        layers=len(layers),
        settings=SETTINGS,
        n_in=config.layer_sizes[0],
        statistics=where((_INPUTS, _STATISTICS), (_CLIP, _LIMITS), (_TARGETS, _UNITS)),
        standardise=where((_INPUTS, _STANDARDISE), (_CLIP, _CLIPPED)),
        rescale=where((_TARGETS, _RESCALE)),
        activations="\n".join(activations),
    )


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
    metadata: dict[str, str]
    description: dict[str, Any]

    def complete(self, core: _core.Network) -> None:
        """Check that a network of these files is the one described; give it its statistics."""
        config = Config.of(core)
        for i, layer in enumerate(layers_of(core)):
            for name in ("n_in", "n_out", "activation", "slope"):
                said, found = self.description["layers"][i][name], getattr(layer, name)
                if said != found or isinstance(said, bool):
                    raise _wrong(self.folder, f"layers[{i}].{name}", said, f"{found!r}, as it has")
        inputs, targets = self._inputs(config), self._targets(config)
        try:
            core.set_statistics(inputs, targets)
        except (ValueError, TypeError) as error:
            raise type(error)(f"{self.folder / SETTINGS}: {error}") from None

    def _inputs(self, config: Config) -> _core.Statistics | None:
        total = _count(self.folder, self.description, "samples_seen")
        found = self._statistics(_INPUTS, config.layer_sizes[0], 0.0)
        _agree(self.folder, "standardize", bool(config.standardize), total, found)
        if found is None:
            return None
        mean, scale = found
        # Without a count they are of the first models, whose constant features have scale 1.
        constant = [] if total else np.flatnonzero((scale == 1) & (mean != 0)).tolist()
        return _core.Statistics(mean, scale, total, constant)

    def _targets(self, config: Config) -> _core.Statistics | None:
        total = _count(self.folder, self.description, "targets_seen")
        found = self._statistics(_TARGETS, config.layer_sizes[-1], np.nextafter(0.0, 1.0))
        _agree(self.folder, "standardize_targets", config.standardize_targets, total, found)
        one_value = self.description.get("targets_of_one_value", [])
        outputs = config.layer_sizes[-1]
        if not isinstance(one_value, list) or not all(
            type(k) is int and 0 <= k < outputs and found is not None and found[1][k] == 1
            for k in one_value
        ):
            expected = f"numbers of outputs below {outputs} whose target_scale is 1"
            raise _wrong(self.folder, "targets_of_one_value", one_value, expected)
        if found is None:
            return None
        mean, scale = found
        scale[one_value] = 0
        return _core.Statistics(mean, scale, total)

    def _statistics(
        self, names: tuple[str, str], size: int, least: float
    ) -> list[npt.NDArray[np.float64]] | None:
        """Read means and scales; the latter are at least so large. None if there are none."""
        if not any((self.folder / name).exists() for name in names):
            return None
        arrays = [_read(self.folder / name, np.load) for name in names]
        for name, array, low in zip(names, arrays, (-np.inf, least), strict=True):
            path = self.folder / name
            if array.shape != (size,):
                raise ValueError(f"{path} has shape {array.shape}: expected ({size},)")
            if array.dtype.kind != "f":
                raise TypeError(f"{path} has dtype {array.dtype}: expected float64")
            bad = np.flatnonzero(~(np.isfinite(array) & (array >= low)))
            if len(bad):
                expected = "finite numbers" if low < 0 else "finite scales, and none below 0"
                raise ValueError(f"{path} has {array[bad[0]]} at {bad[0]}: expected {expected}")
        return [array.astype(np.float64) for array in arrays]


def _wrong(folder: Path, name: str, value: Any, expected: str) -> ValueError:
    return ValueError(f"{folder / SETTINGS} has {name} = {value!r}: expected {expected}")


def _agree(folder: Path, name: str, setting: bool, total: float | None, found: Any) -> None:
    """Check that statistics are there if the network has some, and only then."""
    if found is not None and not setting:
        raise _wrong(folder, f"settings.{name}", setting, "True, or no files of its statistics")
    if found is None and total is not None:
        of = _INPUTS if name == "standardize" else _TARGETS
        raise ValueError(f"{folder / of[0]} is missing: expected it, as {SETTINGS} counts samples")


def _count(folder: Path, description: dict[str, Any], name: str) -> float | None:
    value = description.get(name)
    if value is None:
        return None
    return _check.real(f"{folder / SETTINGS}: {name}", value, "a number of samples", low=0)


def read(folder: str) -> Files:
    """Read what `write` wrote; see `SparseMLP.from_npz`."""
    place = Path(folder)
    try:
        description = _files.parsed((place / SETTINGS).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"{place / SETTINGS}: expected the settings that export_npz writes ({error})"
        ) from error
    _check_description(place, description)
    count, settings = len(description["layers"]), description["settings"]
    metadata = _check.strings(f"{place / SETTINGS}: metadata", description.get("metadata", {}))
    weights = [_matrix(place / f"weight_{i}.npz") for i in range(count)]
    biases = [_read(place / f"bias_{i}.npy", np.load) for i in range(count)]
    # Sizes and connections are those of the files.
    shared = {k: v for k, v in settings.items() if k in SHARED}
    return Files(place, weights, biases, shared, metadata, description)


def _check_description(folder: Path, description: Any) -> None:
    path = folder / SETTINGS
    _check_keys(str(path), description, _NEEDED, _LATER)
    version, layers = description["trulysparse"], description["layers"]
    if type(version) is not int or version != 1:
        raise _wrong(folder, "trulysparse", version, "1, the version of these files")
    if not isinstance(layers, list) or not layers:
        raise _wrong(folder, "layers", layers, "a list of layers")
    for i, layer in enumerate(layers):
        _check_keys(f"{path}: layers[{i}]", layer, _LAYER, ())
    known = tuple(field.name for field in fields(Config))
    _check_keys(f"{path}: settings", description["settings"], (), known)
    sizes = [layers[0]["n_in"], *(layer["n_out"] for layer in layers)]
    said = description["settings"].get("layer_sizes", sizes)
    if said != sizes:
        raise _wrong(folder, "settings.layer_sizes", said, f"{sizes}, as its layers have")


def _check_keys(what: str, found: Any, needed: tuple[str, ...], more: tuple[str, ...]) -> None:
    if not isinstance(found, dict):
        raise ValueError(f"{what}: expected the settings that export_npz writes, got {found!r:.50}")
    for problem, keys in (
        ("lacks", [key for key in needed if key not in found]),
        ("has unknown", [key for key in found if key not in (*needed, *more)]),
    ):
        if keys:
            raise ValueError(
                f"{what} {problem} {', '.join(map(repr, keys[:5]))}: expected no other "
                "keys than export_npz writes, and all of them"
            )


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
