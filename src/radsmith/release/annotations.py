"""COCO: a box and a mask of what an edit drew, with the finding it drew. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.images.outline import bounds, run_lengths
from radsmith.images.provenance import NOTICE
from radsmith.release.items import Item

DRAWN = "drawn"
"""Category of a region of which no finding is known."""


def coco(items: Sequence[Item], masks: Sequence[NDArray[np.bool_] | None]) -> dict[str, Any]:
    """COCO object detection JSON of every image; those with a mask (height, width) get a box.

    A mask that covers the whole image marks nothing and gives no box.
    """
    names = sorted({item.finding or DRAWN for item in items})
    images: list[dict[str, Any]] = []
    marks: list[dict[str, Any]] = []
    for number, (item, mask) in enumerate(zip(items, masks, strict=True), start=1):
        width, height = item.record.width, item.record.height
        images.append({"id": number, "file_name": item.picture, "width": width, "height": height})
        if mask is None or mask.all() or not mask.any():
            continue
        marks.append(
            {
                "id": len(marks) + 1,
                "image_id": number,
                "category_id": names.index(item.finding or DRAWN) + 1,
                "bbox": bounds(mask),
                "area": int(mask.sum()),
                "iscrowd": 0,
                "segmentation": {"size": [height, width], "counts": run_lengths(mask)},
            }
        )
    used = {mark["category_id"] for mark in marks}
    return {
        "info": {"description": NOTICE},
        "images": images,
        "annotations": marks,
        "categories": [
            {"id": i, "name": name} for i, name in enumerate(names, start=1) if i in used
        ],
    }
