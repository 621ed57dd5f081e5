"""Models as other libraries have them: SciPy matrices, files of them, and PyTorch modules."""

from __future__ import annotations

import inspect
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from trulysparse import _check
from trulysparse._described import Described
from trulysparse.data import sparse as _sparse

if TYPE_CHECKING:
    from trulysparse.model import SparseMLP

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

where the activations are, layer by layer:

{activations}

Back to a model of trulysparse: trulysparse.SparseMLP.from_npz(FOLDER)
"""
_STATISTICS = "    mean.npy       numpy.load: float64, (n_in,), and scale.npy beside it\n"
_STANDARDISE = '    x = (x - np.load("mean.npy")) * np.load("scale.npy")\n'
_FORMULAS = {
    "all_relu": "all_relu: where x > 0, x; elsewhere {slope:g} * x",
    "leaky_relu": "leaky_relu: where x > 0, x; elsewhere {slope:g} * x",
    "relu": "relu: where x > 0, x; elsewhere 0",
    "sigmoid": "sigmoid: 1 / (1 + exp(-x))",
    "tanh": "tanh(x)",
    "identity": "x itself",
    "softmax": "softmax: exp(x) / exp(x).sum(axis=1, keepdims=True)",
}


class Exports(Described):
    """What a model is to other libraries."""

    def to_scipy(self) -> tuple[list[scipy.sparse.csc_array], list[npt.NDArray[np.float32]]]:
        """The weights and biases of all layers, as copies that can be changed.

        `SparseMLP.from_scipy` takes both. Statistics of standardisation are not part of them: a
        model that has some computes with ``(x - model.mean) * model.scale``.

        Returns
        -------
        weights : list of csc_array
            float32, (n_in, n_out) each.
        biases : list of arrays
            float32, (n_out,) each.
        """
        layers = self.layers
        return [layer.weight.copy() for layer in layers], [layer.bias.copy() for layer in layers]

    def export_npz(self, folder: str | os.PathLike[str]) -> None:
        """Write the model to a folder as files that NumPy and SciPy read.

        For each layer ``weight_0.npz`` (`scipy.sparse.save_npz`, (n_in, n_out)) and ``bias_0.npy``;
        ``mean.npy`` and ``scale.npy`` if the model has statistics of standardisation;
        ``settings.json``; and a ``README.txt`` that says how outputs are computed from them.
        `from_npz` reads them again. Momentum, counters, what was pruned and the user's metadata are
        in `SparseMLP.save`'s files only.

        Parameters
        ----------
        folder
            Made if it does not exist. Files of an earlier export are replaced.

        Raises
        ------
        OSError
            If a file cannot be written.
        ValueError
            If the model has SReLU layers.
        """
        place = Path(_check.path("folder", folder))
        if any(layer.activation == "srelu" for layer in self.layers):
            raise ValueError(
                "the model has the activation 'srelu': expected another, as its trained parameters "
                "are in SparseMLP.save's files only"
            )
        place.mkdir(parents=True, exist_ok=True)
        layers = self.layers
        # Of an earlier export, and for a reader a sign that this one is complete.
        later = (*place.glob("weight_*.npz"), *place.glob("bias_*.npy"))
        for old in (*(place / name for name in (SETTINGS, "mean.npy", "scale.npy")), *later):
            old.unlink(missing_ok=True)
        for i, layer in enumerate(layers):
            # Weights hardly compress, and trying takes far longer than writing them.
            scipy.sparse.save_npz(place / f"weight_{i}.npz", layer.weight, compressed=False)
            np.save(place / f"bias_{i}.npy", layer.bias)
        mean, scale = self.mean, self.scale
        if mean is not None and scale is not None:
            np.save(place / "mean.npy", mean)
            np.save(place / "scale.npy", scale)
        activations = [
            f"    {i}: {_FORMULAS[layer.activation].format(slope=layer.slope or 0.0)}"
            if layer.activation in _FORMULAS
            else f"    {i}: {layer.activation}"
            for i, layer in enumerate(layers)
        ]
        text = _README.format(
            layers=len(layers),
            settings=SETTINGS,
            n_in=self.layer_sizes[0],
            statistics="" if mean is None else _STATISTICS,
            standardise="" if mean is None else _STANDARDISE,
            activations="\n".join(activations),
        )
        (place / "README.txt").write_text(text, encoding="utf-8")
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
            "settings": self._config.to_dict(),
        }
        (place / SETTINGS).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def from_npz(cls, folder: str | os.PathLike[str], *, threads: int | None = None) -> SparseMLP:
        """Build a model from the files that `export_npz` wrote; they may have been changed since.

        Parameters
        ----------
        folder
            The folder.
        threads
            Threads to use; all that the process may use if None.

        Raises
        ------
        FileNotFoundError
            If one of the files is missing.
        ValueError, TypeError
            If a file is not as expected, or the files do not fit each other.
        """
        place = Path(_check.path("folder", folder))
        try:
            description = json.loads((place / SETTINGS).read_text(encoding="utf-8"))
            count, settings = len(description["layers"]), dict(description["settings"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{place / SETTINGS}: expected the settings that export_npz writes ({error})"
            ) from error
        weights = [_matrix(place / f"weight_{i}.npz") for i in range(count)]
        biases = [_read(place / f"bias_{i}.npy", np.load) for i in range(count)]
        build: Any = cls.from_scipy  # type: ignore[attr-defined]  # of SparseMLP
        # Sizes and connections are those of the files.
        taken = set(inspect.signature(build).parameters) - {"weights", "biases", "threads"}
        options = {key: value for key, value in settings.items() if key in taken}
        model: SparseMLP = build(weights, biases, threads=threads, **options)
        if (place / "mean.npy").exists():
            statistics = [_read(place / name, np.load) for name in ("mean.npy", "scale.npy")]
            for name, array in zip(("mean", "scale"), statistics, strict=True):
                if array.shape != (model.layer_sizes[0],):
                    raise ValueError(
                        f"{place / name}.npy has shape {array.shape}: expected "
                        f"({model.layer_sizes[0]},)"
                    )
            mean, scale = (array.astype(np.float64) for array in statistics)
            # Features that were constant have their value as the mean.
            constant = np.flatnonzero((scale == 1) & (mean != 0))
            model._core.set_standardizer(mean.tolist(), scale.tolist(), constant.tolist())
        return model

    def to_torch(self, *, dense: bool = False, logits: bool = False) -> Any:
        """A PyTorch module that computes the same outputs; needs the extra ``torch``.

        Its layers have sparse CSR weights of the connections that exist; the values and the biases
        are parameters, which PyTorch's optimisers can train, and can be saved with `state_dict`.
        Standardisation is part of it; dropout and noise on the inputs are not. Inputs are float32,
        (samples, n_0).

        Parameters
        ----------
        dense
            Make the weights dense, `torch.nn.Linear`: n_in * n_out numbers a layer, for devices and
            tools that know no sparse tensors. Default False.
        logits
            Return what goes into the softmax or sigmoid of the output, as PyTorch's losses take it,
            instead of the probabilities that `predict` returns. Default False.

        Returns
        -------
        torch.nn.Module

        Raises
        ------
        ImportError
            If PyTorch is not installed.
        ValueError
            If the model has an activation that the module does not know.
        """
        dense, logits = _check.boolean("dense", dense), _check.boolean("logits", logits)
        try:
            from trulysparse import _torch
        except ImportError as error:
            raise ImportError("to_torch needs PyTorch: pip install 'trulysparse[torch]'") from error
        return _torch.network(self, dense=dense, logits=logits)


def save_state(module: Any, path: Path) -> None:
    """Write the tensors of a module that `Exports.to_torch` made."""
    import torch

    with open(path, "wb") as file:  # PyTorch's own error for a missing folder is no OSError
        torch.save(module.state_dict(), file)


def _matrix(path: Path) -> scipy.sparse.csc_array:
    """A file's sparse matrix, checked."""
    return _sparse.loaded(str(path), _read(path, _archive))


def _archive(path: Path) -> dict[str, npt.NDArray[Any]]:
    with np.load(path) as arrays:
        return dict(arrays)


def _read(path: Path, reader: Any) -> Any:
    """A file's array; nothing that is pickled."""
    try:
        return reader(path)
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(f"{path}: not a readable file ({error})") from error
