"""Text that is part of the picture: looked for in every frame, to be masked or refused.

RapidOCR carries its weights (PP-OCR, Apache-2.0) and runs on ONNX Runtime. Its detector knows text
of any script, so what it finds counts whether or not it can be read. It sees an organ before the
letters on it: so it is shown fine bright and fine dark structure without what lies behind them.
Small, faint or handwritten text may be missed: see docs/guide.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.errors import Unavailable

Box = tuple[int, int, int, int]
_MARKERS = frozenset(("l", "r", "lt", "rt", "left", "right", "a", "p", "h", "f"))
_SIDES = {"l": "left", "lt": "left", "left": "left", "r": "right", "rt": "right", "right": "right"}
_LEAST_SIDE = 320
"""Smaller frames are enlarged to this for reading."""
_LARGEST = 2000
_MARGIN = 4
_THICKEST = 9
"""Strokes of letters are thinner than this in pixels, or than a part of larger frames."""
_LINE = 34
"""So many pixels high, margins included, long boxes are lines of text whatever the frame's size."""
_ROUNDS = 3


def find_text(pixels: NDArray[np.generic]) -> list[Box]:
    """Boxes (x0, y0, x1, y1) of text in a frame, (height, width[, 3]) of any depth.

    Side markers alone are not reported. Raises Unavailable without the extra `import`.
    """
    shape = pixels.shape
    shown = _padded(_as_8_bits(pixels))
    boxes = [_around(corners, shape) for view in _views(shown) for corners in _detected(view)]
    lines = _together([b for b in boxes if b[2] > b[0] and b[3] > b[1] and _like_a_line(b, shape)])
    return [b for b in lines if not _is_marker(shown[b[1] : b[3], b[0] : b[2]])]


def side_markers(pixels: NDArray[np.generic]) -> list[tuple[Box, str]]:
    """Where markers of a side were read in a frame, (height, width), each with "left" or "right".

    Raises Unavailable without the extra `import`.
    """
    shown = _padded(_as_8_bits(pixels))
    found = {}
    for view in _views(shown):
        for corners in _detected(view):
            x0, y0, x1, y1 = box = _around(corners, pixels.shape)
            if x1 > x0 and y1 > y0:
                side = _SIDES.get(_word(shown[y0:y1, x0:x1]))
                if side:
                    found[box] = side
    return list(found.items())


def text_in_frames(frames: NDArray[np.generic]) -> list[Box]:
    """Boxes of text in any of the frames, (count, height, width[, 3]). Every frame is looked at.

    What was found in one frame is covered in the next, and each is looked at again where it held
    text; frames that are equal to one that was looked at are passed by.
    """
    boxes: list[Box] = []
    looked: set[bytes] = set()
    for frame in frames:
        for _ in range(_ROUNDS):
            shown = mask(frame[None], boxes)[0] if boxes else frame
            digest = hashlib.sha256(np.ascontiguousarray(shown).tobytes()).digest()
            if digest in looked:
                break
            looked.add(digest)
            found = find_text(shown)
            if not found:
                break
            boxes += found
    return boxes


def mask(frames: NDArray[np.generic], boxes: list[Box], white: bool = False) -> NDArray[np.generic]:
    """A copy with the boxes filled in every frame by the darkest value (`white`: the brightest)."""
    masked = frames.copy()
    fill = frames.max() if white else frames.min()
    for x0, y0, x1, y1 in boxes:
        masked[:, y0:y1, x0:x1] = fill
    return masked


def _as_8_bits(pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    """(height, width, channels), from the darkest thousandth to the brightest."""
    values = pixels.astype(np.float32)
    low, high = np.percentile(values, (0.1, 99.9))
    if high <= low:
        low, high = float(values.min()), float(values.max()) + 1e-6
    gray = (np.clip((values - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    return gray if gray.ndim == 3 else gray[..., None]


def _padded(shown: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Very small frames with a rim, so that what they hold can be seen at all."""
    least = _LEAST_SIDE // 8
    below, right = (max(0, least - size) for size in shown.shape[:2])
    return np.pad(shown, ((0, below), (0, right), (0, 0)), mode="edge")


def _views(shown: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Fine bright structure (white top-hat), then fine dark structure (black top-hat), gray."""
    import cv2

    thickest = max(_THICKEST, min(shown.shape[:2]) // 50) | 1
    kernel = np.ones((thickest, thickest), np.uint8)
    bright, dark = np.ascontiguousarray(shown.max(axis=2)), np.ascontiguousarray(shown.min(axis=2))
    yield cv2.morphologyEx(bright, cv2.MORPH_TOPHAT, kernel).astype(np.uint8)
    yield cv2.morphologyEx(dark, cv2.MORPH_BLACKHAT, kernel).astype(np.uint8)


def _detected(view: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """Corners of boxes that the detector takes for text."""
    colour = np.repeat(view[..., None], 3, axis=2)
    found = _reader()(colour, use_det=True, use_cls=False, use_rec=False)
    return [] if found.boxes is None else [np.asarray(corners) for corners in found.boxes]


def _is_marker(part: NDArray[np.uint8]) -> bool:
    """Whether a small box holds a side marker and nothing else."""
    return _word(part) in _MARKERS


def _word(part: NDArray[np.uint8]) -> str:
    """What a small box holds, in small letters; nothing where it is long."""
    height, width = part.shape[:2]
    if width > 3 * height or height > 3 * width:
        return ""
    colour = np.repeat(part.max(axis=2)[..., None], 3, axis=2)
    read = _reader()(colour, use_det=False, use_cls=False, use_rec=True)
    return "".join(read.txts or ()).strip().lower().rstrip(".")


def _like_a_line(box: Box, shape: tuple[int, ...]) -> bool:
    """Whether a box is no organ taken for a letter: a line, upright or not, and no large part."""
    high, wide = box[3] - box[1], box[2] - box[0]
    if min(high, wide) <= _LINE and max(high, wide) >= 1.6 * min(high, wide):
        return True
    height, width = high / shape[0], wide / shape[1]
    return min(height, width) <= (0.4 if min(shape[:2]) < 96 else 0.2) and height * width <= 0.15


def _together(boxes: list[Box]) -> list[Box]:
    """Boxes that mostly lie on each other as one: both views found the same line."""
    kept: list[Box] = []
    for box in sorted(boxes, key=_area, reverse=True):
        for n, other in enumerate(kept):
            shared = _area((max(box[0], other[0]), max(box[1], other[1]),
                            min(box[2], other[2]), min(box[3], other[3])))  # fmt: skip
            if 2 * shared > _area(box):
                kept[n] = (min(box[0], other[0]), min(box[1], other[1]),
                           max(box[2], other[2]), max(box[3], other[3]))  # fmt: skip
                break
        else:
            kept.append(box)
    return kept


def _area(box: Box) -> int:
    return max(0, box[2] - box[0]) * max(0, box[3] - box[1])


def _around(corners: NDArray[np.float32], shape: tuple[int, ...]) -> Box:
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
            "Global.max_side_len": _LARGEST,
            "Det.limit_side_len": _LEAST_SIDE,
            "Det.limit_type": "min",
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
