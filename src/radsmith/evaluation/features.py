"""Feature spaces in which sets of images are compared: a function from images to (n, d).

Knows no metric. A space is only as good as its encoder: figures of two spaces never compare.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from radsmith.errors import InvalidInput
from radsmith.evaluation.judge import Judge
from radsmith.images.letterbox import letterboxed

Images = Sequence[NDArray[np.floating]]
"""(height, width) in 0-1, of any sizes."""
Space = Callable[[Images], NDArray[np.float32]]
PIXELS = 32


def pixel_space(images: Images) -> NDArray[np.float32]:
    """Gray levels of the image at 32x32, letterboxed: (n, 1024). Layout and contrast, no detail."""
    return np.stack([letterboxed(image, PIXELS).ravel() for image in images])


def judge_space(judge: Judge) -> Space:
    """The judge's last layer, learned on real radiology images."""
    return lambda images: judge.judge(images).features


def onnx_space(model: bytes, config: Mapping[str, Any]) -> Space:
    """Any ONNX encoder: one image input (n, 1 or 3, side, side), the first output is used.

    config: optional `side` (where the model leaves it open), `mean` and `std` of the input, for
    gray levels in 0-1.  More than two output axes are averaged over the last ones.
    Raises InvalidInput for a model of another form.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors share no base class
        raise InvalidInput(f"the encoder is not an ONNX model: {error}") from error
    image = session.get_inputs()[0]
    shape = list(image.shape)
    if len(shape) != 4 or shape[1] not in (1, 3):
        raise InvalidInput(f"the encoder must take (n, 1 or 3, side, side), it takes {shape}")
    side = config.get("side") or shape[2]
    if not isinstance(side, int):
        raise InvalidInput("the encoder leaves its side open: give `side` in its JSON file")
    mean = np.asarray(config.get("mean", 0.0), np.float32).reshape(-1, 1, 1)
    std = np.asarray(config.get("std", 1.0), np.float32).reshape(-1, 1, 1)

    def encode(images: Images) -> NDArray[np.float32]:
        found = []
        for one in images:
            square = np.repeat(letterboxed(one, side)[None], shape[1], 0)
            feed = {image.name: ((square - mean) / std)[None].astype(np.float32)}
            output = session.run(None, feed)[0][0]
            found.append(output.reshape(len(output), -1).mean(1))
        return np.stack(found).astype(np.float32)

    return encode
