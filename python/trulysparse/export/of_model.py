"""Methods of `SparseMLP` that write it for other libraries."""

from __future__ import annotations

import os
from typing import Any, Protocol

from trulysparse import _check, _core
from trulysparse.export import npz


class Exported(Protocol):
    """A model, as far as these methods go."""

    metadata: dict[str, str]
    _core: _core.Network


def export_npz(self: Exported, folder: str | os.PathLike[str]) -> None:
    """Write the model to a folder as files that NumPy and SciPy read.

    For each layer ``weight_0.npz`` (`scipy.sparse.save_npz`, (n_in, n_out)) and ``bias_0.npy``;
    ``mean.npy`` and ``scale.npy`` if the model has statistics of standardisation;
    ``settings.json`` with `metadata`; and a ``README.txt`` that says how outputs are computed.
    `from_npz` reads them. Momentum, counters and what was pruned are in the files of `save`
    only; of `metadata`'s ``feature_names`` those are kept that a compaction has left.

    The folder is made if it does not exist, and files of an earlier export are replaced. A file
    that cannot be written is an OSError, a model with SReLU layers a ValueError.
    """
    npz.write(self._core, _check.path("folder", folder), self.metadata)


def to_torch(self: Exported, *, dense: bool = False, logits: bool = False) -> Any:
    """Make a `torch.nn.Module` that computes the same outputs; needs the extra ``torch``.

    Its layers have sparse CSR weights of the connections that exist. Weights and biases are
    parameters, which PyTorch can train and save. Standardisation is part of it; dropout and
    noise on the inputs are not. Inputs are float32, (samples, n_0). Without PyTorch:
    ImportError. An activation that the module does not know, such as SReLU, is a ValueError.

    Parameters
    ----------
    dense
        Make the weights dense, `torch.nn.Linear`: n_in * n_out numbers a layer, for tools that
        know no sparse tensors. `Layer.mask` tells which are connections. Default False.
    logits
        Return what goes into the softmax or sigmoid of the output, as PyTorch's losses take it,
        instead of probabilities. Default False.
    """
    dense, logits = _check.boolean("dense", dense), _check.boolean("logits", logits)
    try:
        from trulysparse.export import torch
    except ImportError as error:
        raise ImportError("to_torch needs PyTorch: pip install 'trulysparse[torch]'") from error
    return torch.network(self._core, dense=dense, logits=logits)
