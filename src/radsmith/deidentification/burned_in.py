"""Text that is part of the picture: found by OCR, then masked or the image refused.

RapidOCR carries its weights (PP-OCR, Apache-2.0) and runs on ONNX Runtime. It reads large and
middle-sized print well; small, faint, rotated or handwritten text may be missed: see docs/guide.md.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from radsmith.errors import Unavailable

Box = tuple[int, int, int, int]
_PRIMARY = ("CT", "MR", "PT", "NM")
_MARKERS = frozenset(("l", "r", "lt", "rt", "left", "right", "a", "p", "h", "f"))
_LEAST_SIDE = 32
_MARGIN = 4


def looks_needed(dataset: Dataset) -> bool:
    """Whether pixels of this object may carry text: all but original CT, MR, PET and NM slices."""
    if str(dataset.get("BurnedInAnnotation", "")).upper() == "YES":
        return True
    kind = [str(v).upper() for v in dataset.get("ImageType") or ()]
    original = kind[:2] == ["ORIGINAL", "PRIMARY"] and dataset.get("SamplesPerPixel", 1) == 1
    return not (original and str(dataset.get("Modality", "")) in _PRIMARY)


def find_text(pixels: NDArray[np.generic]) -> list[tuple[Box, str]]:
    """Boxes (x0, y0, x1, y1) and words in a frame, (height, width[, 3]) of any depth.

    Side markers alone are not reported. Raises Unavailable without the extra `import`.
    """
    if min(pixels.shape[:2]) < _LEAST_SIDE:
        return []
    found = _reader()(_as_colour(pixels))
    if found.boxes is None:
        return []
    texts = [
        (_around(np.asarray(corners), pixels.shape), str(words))
        for corners, words in zip(found.boxes, found.txts, strict=True)
        if str(words).strip().lower().rstrip(".") not in _MARKERS
    ]
    return [(box, words) for box, words in texts if _like_a_line(box, words, pixels.shape)]


def text_in_frames(frames: NDArray[np.generic]) -> list[tuple[Box, str]]:
    """Text in the first, middle and last frame: annotations stand where they stand."""
    chosen = sorted({0, len(frames) // 2, len(frames) - 1})
    return [found for n in chosen for found in find_text(frames[n])]


def mask(frames: NDArray[np.generic], boxes: list[Box], white: bool = False) -> NDArray[np.generic]:
    """A copy with the boxes filled in every frame by the darkest value (`white`: the brightest)."""
    masked = frames.copy()
    fill = frames.max() if white else frames.min()
    for x0, y0, x1, y1 in boxes:
        masked[:, y0:y1, x0:x1] = fill
    return masked


def _as_colour(pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    values = pixels.astype(np.float32)
    low, high = np.percentile(values, (0.1, 99.9))
    if high <= low:
        low, high = float(values.min()), float(values.max()) + 1e-6
    gray = (np.clip((values - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    return gray if gray.ndim == 3 else np.repeat(gray[..., None], 3, axis=2)


def _like_a_line(box: Box, words: str, shape: tuple[int, ...]) -> bool:
    """Whether a box is no organ taken for a letter: large boxes with a word or two of nothing."""
    width, height = box[2] - box[0], box[3] - box[1]
    letters = sum(c.isalnum() for c in words)
    return height <= 0.2 * shape[0] or (
        letters >= 4 and width * height <= 0.1 * shape[0] * shape[1]
    )


def _around(corners: NDArray[np.generic], shape: tuple[int, ...]) -> Box:
    x0, y0 = (int(v) - _MARGIN for v in np.floor(corners.min(axis=0)))
    x1, y1 = (int(v) + _MARGIN for v in np.ceil(corners.max(axis=0)))
    return max(x0, 0), max(y0, 0), min(x1, shape[1]), min(y1, shape[0])


@cache
def _reader() -> Any:
    try:
        from rapidocr import RapidOCR
    except ImportError as error:
        raise Unavailable(
            "looking for burned-in text needs the extra `import`: pip install radsmith[import]"
        ) from error
    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_cls": False,
            "Global.text_score": 0.3,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
