"""Low-rank changes of a network (LoRA, arXiv 2106.09685): few weights learn, the rest stay.

Every matrix and convolution W becomes W + up @ down; of an embedding table the rows that are new
learn. `merged` gives weights of the old form, so nothing downstream knows of this.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


class LowRank(nn.Module):
    """weight + (up @ down), of any weight seen as (outputs, the rest)."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        rows, columns = len(weight), weight[0].numel()
        rank = min(rank, rows, columns)
        self.down = nn.Parameter(torch.randn(rank, columns) / columns**0.5)
        self.up = nn.Parameter(torch.zeros(rows, rank))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + (self.up @ self.down).view_as(weight)


class NewRows(nn.Module):
    """A table whose rows from number `first` on learn."""

    def __init__(self, weight: Tensor, first: int) -> None:
        super().__init__()
        self.first = first
        self.rows = nn.Parameter(weight[first:].clone())

    def forward(self, weight: Tensor) -> Tensor:
        return torch.cat([weight[: self.first], self.rows])


def adapt(network: nn.Module, rank: int, old_rows: int) -> nn.Module:
    """Freeze `network` but for low-rank changes and embedding rows from `old_rows` on."""
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    for module in list(network.modules()):
        if isinstance(module, nn.Linear | nn.Conv2d):
            parametrize.register_parametrization(module, "weight", LowRank(module.weight, rank))
        elif isinstance(module, nn.Embedding) and len(module.weight) > old_rows:
            parametrize.register_parametrization(module, "weight", NewRows(module.weight, old_rows))
    return network


def merged(network: nn.Module) -> dict[str, Tensor]:
    """The state of a network of the old form, the changes added to its weights."""
    modules = dict(network.named_modules())
    whole: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        module, _, leaf = name.partition(".parametrizations.")
        if not leaf:
            whole[name] = tensor
        elif leaf == "weight.original":
            whole[f"{module}.weight"] = modules[module].weight.detach()
    return whole


def trainable(network: nn.Module) -> list[nn.Parameter]:
    """The parameters that learn."""
    return [p for p in network.parameters() if p.requires_grad]
