"""Networks as PyTorch modules. Only what needs PyTorch is here."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from trulysparse import _core, _files
from trulysparse.activations import ACTIVATIONS
from trulysparse.config import Config
from trulysparse.data.samples import limits
from trulysparse.layer import Layer, layers


def _csr(crow_indices: Any, col_indices: Any, values: Any, size: tuple[int, int]) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support")
        return torch.sparse_csr_tensor(
            crow_indices, col_indices, values, size=size, check_invariants=False
        )


class _Product(torch.autograd.Function):
    """``x @ W.T``. PyTorch's own backward pass would make a dense gradient of W."""

    @staticmethod
    def forward(
        ctx: Any, crow_indices: Any, col_indices: Any, values: Any, x: Any, size: tuple[int, int]
    ) -> Any:
        ctx.save_for_backward(crow_indices, col_indices, values, x)
        ctx.size = size
        return (_csr(crow_indices, col_indices, values, size) @ x.T).T

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Any) -> tuple[Any, ...]:
        crow_indices, col_indices, values, x = ctx.saved_tensors
        for_values = for_x = None
        columns = gradient.T.contiguous()
        if ctx.needs_input_grad[2]:
            pattern = _csr(crow_indices, col_indices, torch.zeros_like(values), ctx.size)
            product = torch.sparse.sampled_addmm(pattern, columns, x, beta=0.0)
            for_values = product.values()
        if ctx.needs_input_grad[3]:
            weight = _csr(crow_indices, col_indices, values, ctx.size)
            for_x = (weight.t() @ columns).T
        return None, None, for_values, for_x, None


class SparseLinear(nn.Module):
    """``x @ W.T + bias`` with a CSR matrix W, a row per output neuron.

    Parameters are ``values``, of the connections in row order, and ``bias``; ``crow_indices`` and
    ``col_indices`` are buffers. Autograd computes gradients for existing connections only.
    """

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        weight = layer.weight  # (n_in, n_out) by columns is (n_out, n_in) by rows
        self.in_features, self.out_features = layer.n_in, layer.n_out
        wide = max(layer.nnz, layer.n_in) > np.iinfo(np.int32).max
        kind = np.int64 if wide else np.int32
        self.register_buffer("crow_indices", torch.from_numpy(weight.indptr.astype(kind)))
        self.register_buffer("col_indices", torch.from_numpy(weight.indices.astype(kind)))
        self.values = nn.Parameter(torch.from_numpy(weight.data.copy()))
        self.bias = nn.Parameter(torch.from_numpy(layer.bias.copy()))

    @property
    def weight(self) -> Any:
        """W, (out_features, in_features), a sparse CSR tensor over the parameters."""
        size = (self.out_features, self.in_features)
        return _csr(self.crow_indices, self.col_indices, self.values, size)

    def forward(self, x: Any) -> Any:
        """Map (samples, in_features) to (samples, out_features)."""
        size = (self.out_features, self.in_features)
        product = _Product.apply(self.crow_indices, self.col_indices, self.values, x, size)
        return product + self.bias

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"connections={self.values.numel()}"
        )


class Standardize(nn.Module):
    """``(x - mean) * scale`` in float64, as a large mean needs it, and back in the type of x.

    With `limits` the results z become ``z / sqrt(1 + (z / limits)^2)``.
    """

    def __init__(self, mean: Any, scale: Any, limits: Any = None) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("scale", torch.tensor(scale))
        self.register_buffer("limits", None if limits is None else torch.tensor(limits))

    def forward(self, x: Any) -> Any:
        """Map (samples, features) to the same shape."""
        z = (x - self.mean) * self.scale
        if self.limits is not None:
            z = z / (1 + (z / self.limits) ** 2).sqrt()
        return z.to(torch.get_default_dtype())


class Rescale(nn.Module):
    """``x / scale + mean`` in float64: outputs in the units of the targets."""

    def __init__(self, mean: Any, scale: Any) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("scale", torch.tensor(scale))

    def forward(self, x: Any) -> Any:
        """Map (samples, outputs) to float64 of the same shape."""
        return x / self.scale + self.mean


class Sloped(nn.Module):
    """x where it is positive, ``slope * x`` elsewhere, also with a slope below 0 (All-ReLU)."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, x: Any) -> Any:
        """Map any shape to the same shape."""
        return F.leaky_relu(x, self.slope)

    def extra_repr(self) -> str:
        return f"slope={self.slope:g}"


def network(core: _core.Network, *, dense: bool, logits: bool) -> Any:
    """Make an `nn.Sequential` of a network: layers and activations in turn."""
    core = core.copy()  # another thread may train it
    modules: list[Any] = []
    inputs, targets = core.input_statistics(), core.target_statistics()
    if inputs is not None:
        clip = limits(Config.of(core), inputs)
        modules.append(Standardize(inputs.mean, inputs.scale, clip))
    for layer in layers(core):
        modules.append(_linear(layer) if dense else SparseLinear(layer))
        if not (logits and layer.is_output and layer.activation in ("softmax", "sigmoid")):
            modules.append(_activation(layer))
    if targets is not None:
        modules.append(Rescale(targets.mean, np.where(targets.scale > 0, targets.scale, 1.0)))
    return nn.Sequential(*modules).eval()


def _linear(layer: Layer) -> Any:
    # Empty at first, as drawing what is replaced would take time and PyTorch's generator.
    linear = nn.utils.skip_init(nn.Linear, layer.n_in, layer.n_out)
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(layer.weight.T.toarray()))
        linear.bias.copy_(torch.from_numpy(layer.bias.copy()))
    return linear


def _activation(layer: Layer) -> Any:
    if layer.slope is not None:
        return Sloped(layer.slope)
    name = ACTIVATIONS[layer.activation].torch
    if name is None:
        known = ", ".join(n for n, a in ACTIVATIONS.items() if a.torch is not None or a.slope)
        raise ValueError(
            f"the model has the activation {layer.activation!r}: expected one of {known}"
        )
    return nn.Softmax(dim=1) if name == "Softmax" else getattr(nn, name)()


def save_state(module: Any, path: Path) -> None:
    """Write the tensors of a module that `network` made."""
    with (
        _files.writing(path),
        open(path, "wb") as file,
    ):  # PyTorch's own error for a missing folder is no OSError
        torch.save(module.state_dict(), file)
