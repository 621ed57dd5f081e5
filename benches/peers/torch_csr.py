"""PyTorch with weights in torch.sparse's CSR, every product the fastest way that it offers."""

import warnings
from itertools import cycle

import common
import numpy as np
import scipy.sparse as sp
import torch
from torch.nn import functional as F
from torch_common import sgd

warnings.filterwarnings("ignore", message="Sparse CSR tensor support")
torch.sparse.check_sparse_tensor_invariants.disable()  # they would cost time


class Weight:
    """A CSR matrix, a row per output neuron, and its transpose as another CSR matrix.

    PyTorch multiplies by a transposed CSR matrix several times slower than by one stored that
    way, so the transpose's values are gathered anew in every step.
    """

    def __init__(self, weight: sp.csr_array) -> None:
        def tensor(w: sp.csr_array, values: torch.Tensor) -> torch.Tensor:
            indptr, indices = torch.tensor(w.indptr), torch.tensor(w.indices)
            return torch.sparse_csr_tensor(indptr, indices, values, size=w.shape)

        positions = np.arange(weight.nnz)
        transposed = sp.csr_array(
            (positions, weight.indices, weight.indptr), weight.shape
        ).T.tocsr()
        self.order = torch.tensor(transposed.data)
        self.matrix = tensor(weight, torch.tensor(weight.data))
        self.values = self.matrix.values()
        self.transposed = tensor(transposed, torch.zeros(weight.nnz))
        self.transposed_values = self.transposed.values()
        self.pattern = tensor(weight, torch.zeros(weight.nnz))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.matrix @ x

    def backward(self, dy: torch.Tensor) -> torch.Tensor:
        torch.index_select(self.values, 0, self.order, out=self.transposed_values)
        return self.transposed @ dy

    def gradient(self, dy: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return torch.sparse.sampled_addmm(self.pattern, dy, x.T, beta=0.0).values()


class Bench(common.SteppedPeer):
    """Forward and backward by hand, feature-major; autograd would add transposed copies."""

    label = "PyTorch CSR"
    note = "sampled_addmm, backward by hand, feature-major; All-ReLU, dropout, fused SGD"

    def __init__(self, work: common.Work, threads: int) -> None:
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        self.weights = [Weight(w) for w in work.weights]
        self.biases = [torch.zeros(n, 1) for n in work.shape.sizes[1:]]
        self.slopes = [work.slope(i) for i in range(len(self.weights) - 1)]
        parameters = [w.values for w in self.weights] + self.biases
        self.optimizer = sgd(parameters, work.rate)
        self.batches = [
            (torch.tensor(x.T.copy()), torch.tensor(y), F.one_hot(torch.tensor(y), n).T / len(y))
            for n in work.shape.sizes[-1:]
            for x, y in work.batches()
        ]
        self.next = cycle(self.batches)

    def step(self) -> None:
        x, _, target = next(self.next)
        inputs, derivatives = [x], []
        for weight, bias, slope in zip(self.weights, self.biases, self.slopes, strict=False):
            z = weight.forward(inputs[-1]).add_(bias)
            a, mask = torch.native_dropout(F.leaky_relu(z, slope), common.DROPOUT, True)
            inputs.append(a)
            derivatives.append((z, slope, mask))
        z = self.weights[-1].forward(inputs[-1]).add_(self.biases[-1])
        delta = (z.softmax(0) / z.shape[1]).sub_(target)
        for i in reversed(range(len(self.weights))):
            weight, bias = self.weights[i], self.biases[i]
            weight.values.grad = weight.gradient(delta, inputs[i])
            bias.grad = delta.sum(1, keepdim=True)
            if i > 0:
                z, slope, mask = derivatives[i - 1]
                delta = weight.backward(delta)
                delta = torch.ops.aten.native_dropout_backward(
                    delta, mask, 1 / (1 - common.DROPOUT)
                )
                delta = torch.ops.aten.leaky_relu_backward(delta, z, slope, False)
        self.optimizer.step()

    def loss(self) -> float:
        losses = []
        for a, y, _ in self.batches:
            for weight, bias, slope in zip(self.weights, self.biases, self.slopes, strict=False):
                a = F.leaky_relu(weight.forward(a) + bias, slope)
            z = self.weights[-1].forward(a) + self.biases[-1]
            losses.append(F.cross_entropy(z.T, y).item())
        return sum(losses) / len(losses)


def products(weight, x, dy, threads: int) -> dict:
    """The three products, feature-major; dX with the gathering of the transpose's values."""
    torch.set_num_threads(threads)
    w, x, dy = Weight(weight), torch.tensor(x.T.copy()), torch.tensor(dy.T.copy())
    return {
        "forward": lambda: w.forward(x),
        "dX": lambda: w.backward(dy),
        "dW": lambda: w.gradient(dy, x),
    }
