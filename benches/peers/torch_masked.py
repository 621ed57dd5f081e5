"""PyTorch with masks on dense weights, the usual way to study sparse training."""

import torch
from torch import nn
from torch_common import TorchPeer, zero_bias


class Bench(TorchPeer):
    """nn.Linear whose weights are multiplied by a 0/1 mask after every update."""

    label = "PyTorch masked"
    note = "as dense, and weights times mask after every update"
    needs_dense = True

    def __init__(self, work, threads: int) -> None:
        super().__init__(work, threads)
        self.weights = [layer.weight.data for layer in self.linears]
        self.masks = [(w != 0).float() for w in self.weights]

    def linear(self, weight) -> nn.Module:
        layer = nn.Linear(weight.shape[1], weight.shape[0])
        layer.weight.data = torch.tensor(weight.toarray())
        return zero_bias(layer)

    def step(self) -> None:
        super().step()
        torch._foreach_mul_(self.weights, self.masks)
