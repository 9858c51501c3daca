"""Synthetic images as DICOM objects of the storage class their modality calls for.

Pixels are prepared in `pixels.py`; what all objects say is in `synthetic.py`, what each kind adds
in `kinds.py`; several frames are written by `multiframe.py`; reading lives in `reading.py`. Knows
codes and attributes, not concepts: the caller translates a prompt into `DicomCodes`. Nothing is
copied from any patient's file.

    x-ray       Digital X-Ray, or Digital Mammography for a sided, coded breast view
    ct, mri     CT Image, MR Image
    ultrasound  Ultrasound Image (8 bit, as PS3.3 C.8.5.6 demands)
    otherwise   Secondary Capture, conversion type SYN; also for x-ray, ct and mri without a
                known pixel spacing, which their own objects require and we do not invent
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from radsmith.images.dicom.codes import DicomCodes
from radsmith.images.dicom.kinds import add_slice, add_ultrasound, add_xray
from radsmith.images.dicom.pixels import SLICES, XRAY, StoredPixels, storable, stored_pixels
from radsmith.images.dicom.synthetic import add_sources, file_bytes, synthetic_object
from radsmith.images.dicom.values import decimals
from radsmith.images.image import Image
from radsmith.images.provenance import Generation

_BREAST = "76752008"


def new_uid() -> str:
    """A UID of a random UUID under 2.25 (PS3.5 B.2): tells nothing of machine or patient."""
    return str(uid.generate_uid(prefix=None))


def dicom_bytes(
    image: Image,
    record: Generation,
    codes: DicomCodes,
    uid_source: Callable[[], str] = new_uid,
    *,
    stored: StoredPixels | None = None,
    parents: Iterable[tuple[str, str]] = (),
) -> bytes:
    """A DICOM file (PS3.10, explicit VR little endian) of one synthetic image.

    Intensity is stored as 16-bit (ultrasound 8-bit) MONOCHROME2; for ct, `image.window` says
    which HU the range 0-1 spans, and without it the rescale type is US (unspecified). HU are
    rounded to whole signed units. Stored values are written as they are.
    uid_source is called for the study, series, frame of reference and instance, in this order.
    stored: the integers to write instead, with their depth and rescale.  parents: SOP Class and
    Instance UIDs of images to name as sources (PS3.3 C.7.6.1.1.4).
    Raises InvalidInput for pixels that the modality's object cannot hold.
    """
    storage = storage_class(image, codes)
    if stored is None:
        stored = stored_pixels(image, codes.modality, storage)
    elif not storable(stored, storage):
        storage = uid.SecondaryCaptureImageStorage
    uids = [uid_source() for _ in range(4)]
    dataset = synthetic_object(storage, record, codes, uids)
    _add_pixels(dataset, stored, storage)
    add_sources(dataset, parents)
    if storage in SLICES:
        dataset.FrameOfReferenceUID = uids[2]
        add_slice(dataset, image, codes, storage)
    elif storage in XRAY:
        add_xray(dataset, image, codes, storage, edited=bool(record.parents))
    elif storage == uid.UltrasoundImageStorage:
        add_ultrasound(dataset, image)
    else:
        dataset.ConversionType = "SYN"
        dataset.PatientOrientation = ""
        if image.spacing is not None:
            dataset.PixelSpacing = decimals(image.spacing)
    return file_bytes(dataset)


def storage_class(image: Image, codes: DicomCodes) -> uid.UID:
    """The SOP Class UID (PS3.4 B.5) that `dicom_bytes` gives this image."""
    if codes.modality == "ultrasound":
        return uid.UltrasoundImageStorage
    if codes.modality is None or image.spacing is None:
        return uid.SecondaryCaptureImageStorage
    if codes.modality == "ct":
        return uid.CTImageStorage
    if codes.modality == "mri":
        return uid.MRImageStorage
    region = codes.anatomic_region
    breast = codes.body_part.lower() == "breast" or (region is not None and region[0] == _BREAST)
    if breast and region and codes.view_code and codes.laterality in ("L", "R"):
        return uid.DigitalMammographyXRayImageStorageForPresentation
    return uid.DigitalXRayImageStorageForPresentation


def add_window(dataset: Dataset, stored: StoredPixels, slope: float, intercept: float) -> None:
    """PS3.3 C.11.2: a window in output units, exact where it is narrower than LINEAR can be, and a
    VOI LUT where there is one."""
    width = stored.window.width * abs(slope)
    dataset.WindowCenter = decimals([stored.window.center * slope + intercept])[0]
    dataset.WindowWidth = decimals([width])[0]
    if stored.exact or width < 1:
        dataset.VOILUTFunction = "LINEAR_EXACT"
    if stored.table is not None:
        item = Dataset()
        first = round(stored.table_first * slope + intercept)
        code = "SS" if first < 0 else "US"
        count = len(stored.table)
        item.add_new("LUTDescriptor", code, [count if count < 1 << 16 else 0, first, 16])
        item.add_new("LUTData", "OW", stored.table.astype("<u2").tobytes())
        dataset.VOILUTSequence = Sequence([item])


def _add_pixels(dataset: Dataset, stored: StoredPixels, storage: uid.UID) -> None:
    """PS3.3 C.7.6.3, C.11.1 and C.11.2. MR and US objects have no rescale."""
    pixels = stored.pixels
    bits = stored.bits or pixels.dtype.itemsize * 8
    needed = storage == uid.CTImageStorage or storage in XRAY
    plain = storage in (uid.MRImageStorage, uid.UltrasoundImageStorage)
    rescaled = (stored.slope, stored.intercept) != (1.0, 0.0)
    slope, intercept = (1.0, 0.0) if plain else (stored.slope, stored.intercept)
    turned = stored.inverted != (slope < 0)  # a falling rescale turns the polarity once more
    photometric = "MONOCHROME1" if turned else "MONOCHROME2"
    dataset.set_pixel_data(pixels, photometric, bits, generate_instance_uid=False)
    add_window(dataset, stored, slope, intercept)
    if not plain and (needed or rescaled or stored.rescale_type == "HU"):
        dataset.RescaleIntercept = decimals([intercept])[0]
        dataset.RescaleSlope = decimals([slope])[0]
        dataset.RescaleType = stored.rescale_type
