"""Is a file marked as synthetic, and on which mark does that answer rest?

Five marks are looked for: content credentials, the watermark, radsmith's record, DICOM's Synthetic
Data, and IPTC's digital source type. Only credentials of a known signer prove anything; the others
can be written by anybody, and all but the watermark are lost when a file is saved again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from radsmith.errors import InvalidInput, NotFound, Unavailable
from radsmith.files import read_bytes
from radsmith.images.dicom.signature import is_dicom
from radsmith.images.pictures import is_npy, read_image, read_record
from radsmith.images.provenance import Generation
from radsmith.marks import credentials, watermark
from radsmith.marks.credentials import Credentials
from radsmith.marks.keys import PublicKey
from radsmith.marks.watermark import Detection

_SYNTHETIC = ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia")


@dataclass(frozen=True, kw_only=True)
class Marked:
    """What was found in a file. unlooked: marks that could not be looked for, and why.

    declared: that DICOM's or IPTC's attribute says so, in words; "" where none does.
    """

    record: Generation | None
    credentials: Credentials | None
    watermark: Detection | None
    declared: str
    unlooked: tuple[str, ...] = ()

    @property
    def rests_on(self) -> str:
        """The strongest mark that says synthetic, in words; "" where there is none."""
        said, seal = self.credentials, self.credentials and self.credentials.source_type
        if said is not None and said.state == "trusted" and seal in _SYNTHETIC:
            return f"content credentials, signed by {said.signer}, whose key was given"
        if self.watermark is not None and self.watermark.present:
            return f"the watermark in the pixels (score {self.watermark.score:.1f})"
        if said is not None and said.state == "valid" and seal in _SYNTHETIC:
            return f"content credentials that hold, by {said.signer}, whom nobody vouches for"
        if self.record is not None and self.record.synthetic:
            return "radsmith's record in the file, which is not signed"
        return self.declared

    def to_dict(self) -> dict[str, Any]:
        """For `radsmith inspect`: the answer first, then each mark."""
        said, mark = self.credentials, self.watermark
        return {
            "synthetic": bool(self.rests_on),
            "rests_on": self.rests_on
            or "no mark was found, which does not show that the image is real",
            "credentials": None
            if said is None
            else {
                "state": said.state,
                "signer": said.signer,
                "digital_source_type": said.source_type,
                "problems": list(said.problems),
            },
            "watermark": None
            if mark is None
            else {
                "found": mark.present,
                "score": round(mark.score, 1),
                "threshold": watermark.THRESHOLD,
                "scale": round(mark.scale, 2),
            },
            "record": self.record is not None,
            "declared": self.declared,
            "not_looked_for": list(self.unlooked),
        }


def look(path: Path, key: PublicKey | None = None) -> Marked:
    """Look for every mark in PNG, JPEG, TIFF, WebP …, NPY or DICOM. key: the signer to trust.

    Raises NotFound, and InvalidInput for what is no image.
    """
    data = read_bytes(path)
    unlooked = []
    if is_npy(data):
        _check_array(data, path)
    try:
        record = read_record(path)
    except (InvalidInput, NotFound):
        record = None
    found = None
    beside = credentials.sidecar(path)
    manifest = read_bytes(beside) if beside.is_file() else None
    try:
        found = credentials.read(data, manifest, key)
    except Unavailable as error:
        unlooked.append(str(error))
    try:
        mark = None if is_npy(data) else _watermark(path)
    except InvalidInput as error:
        if record is None and found is None:
            raise
        mark = None
        unlooked.append(f"watermark: {error}")
    return Marked(
        record=record,
        credentials=found,
        watermark=mark,
        declared=_declared(data),
        unlooked=tuple(unlooked),
    )


def _check_array(data: bytes, path: Path) -> None:
    import io

    try:
        np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InvalidInput(f"{path} is no array that can be read: save it again as NPY") from error


def _watermark(path: Path) -> Detection:
    """On the image as it is stored, from its lowest to its highest value (8 bits: 0 to 255)."""
    pixels = read_image(path).pixels.astype(np.float64)
    low, high = float(pixels.min()), float(pixels.max())
    if low >= 0 and high <= 255:
        low, high = 0.0, 255.0
    return watermark.detect((pixels - low) / max(high - low, 1.0))


def _declared(data: bytes) -> str:
    if is_dicom(data):
        import io

        from radsmith.images.dicom.opening import open_head  # pydicom is slow to start

        yes = str(open_head(io.BytesIO(data)).get("SyntheticData", "")).upper() == "YES"
        return "DICOM's Synthetic Data (0008,001C), which is not signed" if yes else ""
    if any(f"digitalsourcetype/{kind}".encode() in data for kind in _SYNTHETIC):
        return "IPTC's digital source type, which is not signed"
    return ""
