"""SparseLab: its layers in PyTorch's training loop, its SET."""

import numpy as np
import sparselab
import torch
from sparselab import _core, ops
from torch import nn
from torch_common import TorchPeer, zero_bias


def padded(weight) -> sparselab.PaddedCSR:
    """SparseLab's storage of a CSR matrix."""
    parts = [torch.tensor(part) for part in (weight.indptr, weight.indices, weight.data)]
    return sparselab.PaddedCSR.from_torch_sparse_csr(
        torch.sparse_csr_tensor(*parts, size=weight.shape)
    )


class Bench(TorchPeer):
    """SparseLinear, and nn.Linear for a layer that is full."""

    label = "SparseLab"
    note = "All-ReLU as leaky_relu with its slope, dropout, fused SGD; full layers dense"

    def __init__(self, work, threads: int) -> None:
        ops._clear_transpose_cache()  # it is keyed by the ids of matrices that may be gone
        super().__init__(work, threads)
        # Its kernels take OMP_NUM_THREADS, which run.py sets before anything is imported.
        self.set = sparselab.SET(sparsity=0.5, drop_fraction=0.3, seed=0)
        self.evolving = self.linears[:-1]
        for layer in self.evolving:
            if isinstance(layer, sparselab.SparseLinear):
                self.set.attach(layer)

    def linear(self, weight) -> nn.Module:
        n_out, n_in = weight.shape
        if weight.nnz == n_in * n_out:
            layer = nn.Linear(n_in, n_out)
            layer.weight.data = torch.tensor(weight.toarray())
            return zero_bias(layer)
        # Its constructor draws dense matrices, 6 GB each for the wide shape: so the smallest, and
        # then what it would have stored.
        layer = sparselab.SparseLinear(1, n_out, sparsity=0.0)
        layer.in_features = n_in
        layer._csr = padded(weight)
        layer._values = nn.Parameter(torch.from_numpy(np.asarray(layer._csr.values)))
        return zero_bias(layer)

    def evolve(self) -> None:
        self.set.update()
        for layer in self.set.layers:
            ops._cached_transpose(layer._csr)  # else the next step pays for it


def products(weight, x, dy, threads: int) -> dict:
    """The three products as its backward calls them; dX refreshes the transpose's values."""
    w, x, dy = padded(weight), np.ascontiguousarray(x.T), np.ascontiguousarray(dy.T)
    return {
        "forward": lambda: _core.spmm_simd(w, x),
        "dX": lambda: _core.spmm_simd(ops._cached_transpose(w), dy),
        "dW": lambda: _core.spmm_grad_w_simd(w, dy, x),
    }
