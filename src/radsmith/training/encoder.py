"""An ImageNet network as ONNX: a feature space for measuring that saw no medical image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from radsmith.training.judge import backbone, export_onnx


def export_imagenet_encoder(path: Path) -> Path:
    """Write the untouched ImageNet network as an encoder for `evaluate --features`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    export_onnx(_Pooled(backbone(pretrained=True)), path, ["features"], 224, 3)
    sidecar = {"mean": 127 / 255, "std": 128 / 255, "source": "EfficientNet-Lite0, ImageNet"}
    path.with_suffix(".json").write_text(json.dumps(sidecar) + "\n", encoding="utf-8")
    return path


class _Pooled(nn.Module):
    def __init__(self, body: Any) -> None:
        super().__init__()
        self.body = body

    def forward(self, image: Tensor) -> Tensor:
        return self.body.extract_features(image).mean((2, 3))
