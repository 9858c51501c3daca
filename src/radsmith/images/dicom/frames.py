"""One compressed frame to pixels, by pydicom and the decoders that it finds."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    UID,
    JPEG2000TransferSyntaxes,
    JPEGExtended12Bit,
    JPEGLSTransferSyntaxes,
)

from radsmith.images.dicom.jpeg_extended import TWELVE_BITS, is_available, register

register()
ELEMENTS = (
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
)
"""What the head of an object says of its pixels (PS3.3 C.7.6.3)."""
_SIGN_IS_MENDED = (*JPEG2000TransferSyntaxes, *JPEGLSTransferSyntaxes)
"""pydicom mends signs in frames asked for by number alone: in its own it cannot write."""


def head_of(dataset: Dataset, syntax: str, *, as_rgb: bool) -> dict[str, Any]:
    """What `decoded` must know of a frame of this object, for JSON.  as_rgb: YBR becomes RGB."""
    said = {k: dataset.get(k) for k in ELEMENTS}
    plain = {k: v if isinstance(v, int) else str(v) for k, v in said.items() if v is not None}
    return {"syntax": str(syntax), "as_rgb": as_rgb, "elements": plain}


def decoded(head: dict[str, Any], frame: bytes) -> NDArray[np.generic]:
    """(rows, columns) or (rows, columns, 3).  Raises what pydicom and its decoders raise."""
    syntax = UID(head["syntax"])
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    for keyword, value in head["elements"].items():
        setattr(dataset, keyword, value)
    dataset.PixelData = encapsulate([frame])
    options: dict[str, Any] = {"as_rgb": head["as_rgb"], "raw": not head["as_rgb"]}
    if syntax == JPEGExtended12Bit and dataset.BitsStored > 8 and is_available(syntax):
        options["decoding_plugin"] = TWELVE_BITS  # the others complain of it on their own
    indices = [0] if syntax in _SIGN_IS_MENDED else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pixels, _ = next(get_decoder(syntax).iter_array(dataset, indices=indices, **options))
    return np.asarray(pixels)
