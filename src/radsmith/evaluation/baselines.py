"""Classical inpainting as a yardstick: OpenCV's Telea and scikit-image's biharmonic."""

from __future__ import annotations

import warnings

import numpy as np

from radsmith.errors import Unavailable
from radsmith.evaluation.rebuild import Baseline
from radsmith.images.image import Array, Mask


def load_baselines() -> dict[str, Baseline]:
    """Those whose library is installed. Raises Unavailable where none is."""
    found: dict[str, Baseline] = {}
    try:
        import cv2

        def telea(pixels: Array, mask: Mask) -> Array:
            levels = np.rint(pixels * 255).astype(np.uint8)
            done = cv2.inpaint(levels, mask.astype(np.uint8), 3, cv2.INPAINT_TELEA)
            return np.where(mask, done.astype(np.float32) / 255, pixels).astype(np.float32)

        found["telea"] = telea
    except ImportError:
        pass
    try:
        from skimage.restoration import inpaint_biharmonic

        def biharmonic(pixels: Array, mask: Mask) -> Array:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                done = inpaint_biharmonic(pixels, mask, split_into_regions=False)
            return np.clip(done, 0, 1).astype(np.float32)

        found["biharmonic"] = biharmonic
    except ImportError:
        pass
    if not found:
        raise Unavailable(
            "comparing needs one of two libraries: pip install scikit-image opencv-python-headless"
        )
    return found
