"""The networks of a model back as torch modules, from the ONNX files that a user has.

Fine-tuning begins at what ships: the stored integers of a quantised matrix times their scales.
Knows the exporter's names (`export.to_onnx`): a parameter keeps its own, a matrix product its
module's path in the node's name.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn

from radsmith.errors import InvalidInput
from radsmith.training.network import BaseDenoiser, BaseParams, Upsampler, UpsamplerParams

Arrays = dict[str, NDArray[np.generic]]


def network_from_onnx(stage: str, model: bytes) -> nn.Module:
    """The network of a stage ("base" or a finer one) from its ONNX file."""
    return base_from_onnx(model) if stage == "base" else upsampler_from_onnx(model)


def base_from_onnx(model: bytes) -> BaseDenoiser:
    """The base network. Raises InvalidInput for a file that is none of ours."""
    stored = _Stored(model)
    levels = sum(n.startswith("down.") and n.endswith(".weight") for n in stored.arrays)
    params = BaseParams(
        concepts=len(stored.arrays["tokens.weight"]),
        side=round(stored.arrays["position"].shape[1] ** 0.5) * 2**levels,
        channels=(
            len(stored.arrays["enter.weight"]),
            *(len(stored.arrays[f"down.{i}.weight"]) for i in range(levels - 1)),
        ),
        width=stored.arrays["tokens.weight"].shape[1],
        depth=sum(name.endswith(".offset") for name in stored.arrays),
        heads=stored.arrays["tokens.weight"].shape[1]
        // len(stored.arrays["blocks.0.q_norm.weight"]),
    )
    network = BaseDenoiser(params)
    stored.fill(network)
    return network


def upsampler_from_onnx(model: bytes) -> Upsampler:
    """A finer stage's network. Raises InvalidInput for a file that is none of ours."""
    stored = _Stored(model)
    depth = len({n.split(".")[1] for n in stored.arrays if n.startswith("blocks.")})
    fine, seen = len(stored.arrays["leave.weight"]), stored.arrays["enter.weight"].shape[1]
    cell = round((seen - 3 * fine) ** 0.5)
    params = UpsamplerParams(
        concepts=len(stored.arrays["condition.table.weight"]),
        channels=len(stored.arrays["enter.weight"]),
        depth=depth,
        scale=round(fine**0.5) // cell,
        cell=cell,
        filters=len(stored.arrays.get("grain.filters.weight", ())),
        finish=len(stored.arrays.get("finish.enter.weight", ())),
    )
    network = Upsampler(params)
    stored.fill(network)
    return network


class _Stored:
    """Initializers and nodes of an ONNX file by name."""

    def __init__(self, model: bytes) -> None:
        try:
            graph = onnx.load_from_string(model).graph
        except Exception as error:  # protobuf's own error classes
            raise InvalidInput(f"the network is not an ONNX file: {error}") from error
        self.arrays: Arrays = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
        for node in graph.node:
            if (
                node.op_type == "Identity" and node.input[0] in self.arrays
            ):  # equal values, kept once
                self.arrays[node.output[0]] = self.arrays[node.input[0]]
        self.nodes: dict[str, Any] = {node.name: node for node in graph.node}
        if "enter.weight" not in self.arrays:
            raise InvalidInput("the file holds no network of radsmith")

    def fill(self, network: nn.Module) -> None:
        """Give every parameter of `network` its stored values."""
        state = network.state_dict()
        for name, tensor in state.items():
            found = self._find(name)
            if found is None or found.size != tensor.numel():
                raise InvalidInput(
                    f"the network's file lacks {name}: it is not a model of radsmith"
                )
            state[name] = torch.from_numpy(
                np.array(found.reshape(tensor.shape), np.float32, order="C")
            )
        network.load_state_dict(state)

    def _find(self, name: str) -> NDArray[np.generic] | None:
        if name in self.arrays:
            return self.arrays[name]
        module, _, leaf = name.rpartition(".")
        for stem in (f"{module}.weight_Transposed", self._input(module, "MatMul_quant", 1)):
            matrix = self._matrix(stem.removesuffix("_quantized"))
            if leaf == "weight" and matrix is not None:
                return matrix.T
        plain = self._input(module, "MatMul", 1)
        if leaf == "weight" and plain in self.arrays:
            return self.arrays[plain].T
        return self.arrays.get(self._input(module, {"weight": "Mul", "bias": "Add"}[leaf], -1))

    def _matrix(self, stem: str) -> NDArray[np.float32] | None:
        """A quantised matrix: (in, out)."""
        if f"{stem}_quantized" not in self.arrays:
            return None
        whole = self.arrays[f"{stem}_quantized"].astype(np.int32)
        zero = self.arrays[f"{stem}_zero_point"].astype(np.int32)
        scaled = (whole - zero) * self.arrays[f"{stem}_scale"].astype(np.float32)
        return np.asarray(scaled, np.float32)

    def _input(self, module: str, operator: str, which: int) -> str:
        """Name of an operator's stored input, by the path of the module it came from."""
        parts: list[str] = []
        for part in module.split("."):
            if part.isdigit() and parts:
                parts[-1] += f".{part}"
            else:
                parts.append(part)
        node = self.nodes.get(f"/{'/'.join(parts)}/{operator}")
        if node is None:
            return ""
        inputs = list(node.input)
        stored = [i for i in inputs if i in self.arrays]
        return str(inputs[which] if which > 0 else stored[0] if stored else "")
