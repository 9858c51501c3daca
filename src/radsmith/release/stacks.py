"""Slices that lie on each other: DICOM files of one series, as one NIfTI volume.

A stack is what the source's files say is one: same series, size, spacing and orientation, and
another position each. Single images are no stacks and are not made into one.
"""

from __future__ import annotations

import io
import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from radsmith.errors import InvalidInput, Unavailable
from radsmith.images.dicom.signature import is_dicom
from radsmith.images.dicom.values import decimals
from radsmith.images.dicom.writing import new_uid
from radsmith.release.sources import Candidate

_MODALITIES = ("CT", "MR")
_TOLERANCE = 0.01
"""mm, or part of a direction cosine."""


@dataclass(frozen=True, kw_only=True)
class Slice:
    """A slice's place. uids: study, series, frame of reference, new for the stack.

    offset: mm from the first slice along `normal`.  number: from 1.  spacing: mm between rows,
    columns and slices.  orientation: Image Orientation (Patient).
    """

    stack: int
    number: int
    uids: tuple[str, str, str]
    offset: float
    spacing: tuple[float, float, float]
    orientation: tuple[float, ...]

    @property
    def normal(self) -> NDArray[np.float64]:
        """Direction from slice to slice, patient coordinates (LPS)."""
        return np.cross(self.orientation[:3], self.orientation[3:])

    def put(self, dataset: Dataset) -> None:
        """Write the place into an object of a stack; the first slice lies at the origin."""
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = self.uids[:2]
        dataset.FrameOfReferenceUID = self.uids[2]
        dataset.InstanceNumber = self.number
        dataset.ImageOrientationPatient = decimals(list(self.orientation))
        dataset.ImagePositionPatient = decimals((self.normal * self.offset).tolist())
        dataset.PixelSpacing = decimals(list(self.spacing[:2]))
        dataset.SliceThickness = decimals([self.spacing[2]])[0]


def stacks_of(candidates: Sequence[Candidate]) -> dict[str, Slice]:
    """SHA-256 of a file to its place, for files that are slices of a stack."""
    series: dict[tuple[Any, ...], list[tuple[float, str, tuple[float, ...]]]] = defaultdict(list)
    for candidate in candidates:
        said = _geometry(candidate)
        if said is not None:
            key, position, orientation = said
            series[key].append((position, candidate.sha256, orientation))
    placed: dict[str, Slice] = {}
    stacks = [sorted(s) for s in series.values() if len({round(p, 3) for p, *_ in s}) == len(s) > 1]
    for number, slices in enumerate(sorted(stacks, key=lambda s: s[0][1])):
        uids = new_uid(), new_uid(), new_uid()
        rows, columns = slices[0][2][6:]
        gaps = np.diff([p for p, *_ in slices])
        if np.ptp(gaps) > _TOLERANCE * max(1.0, float(gaps.mean())):
            continue  # a slice is missing: no volume has such gaps
        for k, (position, sha256, orientation) in enumerate(slices):
            placed[sha256] = Slice(
                stack=number,
                number=k + 1,
                uids=uids,
                offset=position - slices[0][0],
                spacing=(rows, columns, float(gaps.mean())),
                orientation=orientation[:6],
            )
    return placed


def nifti(slices: Sequence[tuple[Slice, NDArray[np.generic]]]) -> bytes:
    """The slices, in order, as a compressed NIfTI-1 volume in output units, RAS, with its affine.

    The pixels are (height, width); the volume's axes are column, row, slice.
    Raises Unavailable without nibabel.
    """
    try:
        import nibabel
    except ImportError as error:
        raise Unavailable("NIfTI needs nibabel: pip install 'radsmith[import]'") from error
    first = slices[0][0]
    row, column, gap = first.spacing
    affine = np.eye(4)
    affine[:3, 0] = np.array(first.orientation[:3]) * column
    affine[:3, 1] = np.array(first.orientation[3:]) * row
    affine[:3, 2] = first.normal * gap
    affine[:2] *= -1  # LPS to RAS
    volume = np.stack([pixels.T for _, pixels in slices], axis=-1)
    if volume.shape[2] != len(slices):
        raise InvalidInput("slices of a stack differ in size; release them as single images")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        make: Any = nibabel.Nifti1Image  # it has no types
        image = make(volume.astype(np.float32), affine)
        image.header["descrip"] = b"Synthetic, radsmith. Not for diagnosis."
        return _gzipped(image.to_bytes())


def _gzipped(data: bytes) -> bytes:
    import gzip

    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", mtime=0, filename="") as file:
        file.write(data)
    return stream.getvalue()


def _geometry(
    candidate: Candidate,
) -> tuple[tuple[Any, ...], float, tuple[float, ...]] | None:
    """Which series, where along its normal, and orientation with spacing; None for no slice."""
    data = candidate.bytes()
    if not is_dicom(data):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
        try:
            orientation = [float(v) for v in dataset.ImageOrientationPatient]
            position = [float(v) for v in dataset.ImagePositionPatient]
            row, column = (float(v) for v in dataset.PixelSpacing)
            series = str(dataset.SeriesInstanceUID)
        except (AttributeError, TypeError, ValueError):
            return None
        if dataset.get("Modality") not in _MODALITIES or len(orientation) != 6:
            return None
        normal = np.cross(orientation[:3], orientation[3:])
        turned = tuple(round(v, 3) for v in orientation)
        key = (series, dataset.get("Rows"), dataset.get("Columns"), turned, row, column)
    return key, float(normal @ position), (*orientation, row, column)
