"""PyTorch with dense weights, the usual way to train such a network."""

import torch
from torch import nn
from torch.nn import functional as F
from torch_common import TorchPeer


class Bench(TorchPeer):
    """nn.Linear, and nothing sparse."""

    label = "PyTorch dense"
    note = "All-ReLU as leaky_relu with its slope, dropout, fused SGD"
    needs_dense = True
    same_start = False

    def linear(self, weight) -> nn.Module:
        return nn.Linear(weight.shape[1], weight.shape[0])


def products(weight, x, dy, threads: int) -> dict:
    """The three products as nn.Linear computes them."""
    torch.set_num_threads(threads)
    w, x, dy = torch.tensor(weight.toarray()), torch.tensor(x), torch.tensor(dy)
    return {"forward": lambda: F.linear(x, w), "dX": lambda: dy @ w, "dW": lambda: dy.T @ x}
