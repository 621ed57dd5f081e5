"""What the trainers on PyTorch's autograd share."""

from abc import abstractmethod
from itertools import cycle

import common
import torch
from torch import nn
from torch.nn import functional as F


def sgd(parameters, rate: float) -> torch.optim.SGD:
    """Make the optimiser, in PyTorch's fastest form."""
    return torch.optim.SGD(
        parameters,
        lr=rate,
        momentum=common.MOMENTUM,
        weight_decay=common.WEIGHT_DECAY,
        fused=True,
    )


class AllReLU(nn.Module):
    """Leaky ReLU, whose slope PyTorch allows to be negative."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return F.leaky_relu(z, self.slope)


class TorchPeer(common.SteppedPeer):
    """A usual training loop; subclasses say what a layer is."""

    def __init__(self, work: common.Work, threads: int) -> None:
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        self.linears = [self.linear(w) for w in work.weights]
        modules: list[nn.Module] = []
        for i, linear in enumerate(self.linears[:-1]):
            modules += [linear, AllReLU(work.slope(i)), nn.Dropout(common.DROPOUT)]
        self.model = nn.Sequential(*modules, self.linears[-1])
        self.optimizer = sgd(self.model.parameters(), work.rate)
        self.batches = [(torch.tensor(x), torch.tensor(y)) for x, y in work.batches()]
        self.next = cycle(self.batches)

    @abstractmethod
    def linear(self, weight) -> nn.Module:
        """Make the layer of a CSR matrix."""

    def step(self) -> None:
        x, y = next(self.next)
        self.optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(self.model(x), y).backward()
        self.optimizer.step()

    @torch.no_grad()
    def loss(self) -> float:
        self.model.eval()
        losses = [F.cross_entropy(self.model(x), y).item() for x, y in self.batches]
        self.model.train()
        return sum(losses) / len(losses)


def zero_bias(layer: nn.Module) -> nn.Module:
    """Start where the others start."""
    nn.init.zeros_(layer.bias)
    return layer
