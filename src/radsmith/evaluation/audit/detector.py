"""The copy detector: a small network trained to put an image beside its copies.

It scores copies and does nothing else: it never chooses a training image, a checkpoint or a
generated image. Trained by `training.copy_detector`; knows no file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.engines.default.stages import session
from radsmith.evaluation.features import Images
from radsmith.images.letterbox import letterboxed

NAME = "copies"
"""Of its files in the weights folder."""
SIDE = 96


class CopyDetector:
    """An ONNX encoder with its sidecar: `side` and what it was trained on.

    A feature space in which near images are likely copies: call it with images, get (n, d).
    """

    def __init__(self, model: bytes, config: Mapping[str, Any]) -> None:
        self._session = session(model)
        self.facts = dict(config)

    def __call__(self, images: Images) -> NDArray[np.float32]:
        """Directions (n, d) of length 1 of (height, width) images in 0-1 of any size."""
        found = [
            self._session.run(None, {"image": letterboxed(image, SIDE)[None, None]})[0][0]
            for image in images
        ]
        return np.stack(found).astype(np.float32)
