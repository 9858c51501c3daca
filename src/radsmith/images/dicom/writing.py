"""Synthetic images as DICOM objects of the storage class their modality calls for.

Pixels are prepared in `pixels.py`; reading lives in `reading.py`. Knows codes and
attributes, not concepts: the caller translates a prompt into `DicomCodes`. Nothing is copied
from any patient's file.

    x-ray       Digital X-Ray, or Digital Mammography for a sided, coded breast view
    ct, mri     CT Image, MR Image
    ultrasound  Ultrasound Image (8 bit, as PS3.3 C.8.5.6 demands)
    otherwise   Secondary Capture, conversion type SYN; also for x-ray, ct and mri without a
                known pixel spacing, which their own objects require and we do not invent
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args

import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence

from radsmith.errors import InvalidInput
from radsmith.images.dicom.pixels import SLICES, XRAY, StoredPixels, storable, stored_pixels
from radsmith.images.dicom.values import Code, code_string, coded, decimals, line, text
from radsmith.images.image import Image
from radsmith.images.provenance import NOTICE, Generation

Modality = Literal["x-ray", "ct", "mri", "ultrasound"]
PRIVATE_GROUP: Final = 0x0071
PRIVATE_CREATOR: Final = "RADSMITH"
PRIVATE_RECORD: Final = 0x01
"""Element of the creator's block that holds the provenance record as JSON, VR UT."""

_IMPLEMENTATION = uid.UID("2.25.286263196174437350446310316353411519493")
_BREAST = "76752008"
_LOCAL_SCHEME = "99RADSMITH"
_SYNTHESIZING: Code = ("109100", "DCM", "Synthesizing Equipment")
_SOURCE_IMAGE: Code = ("121322", "DCM", "Source image for image processing operation")
_MODALITY = {"x-ray": "DX", "ct": "CT", "mri": "MR", "ultrasound": "US", None: "OT"}
# fmt: off
_UNPAIRED = frozenset((
    "CHEST", "ABDOMEN", "HEAD", "SKULL", "BRAIN", "SPINE", "CSPINE", "TSPINE", "LSPINE", "COCCYX",
    "NECK", "PELVIS", "LIVER", "HEART", "THYROID", "PROSTATE", "JAW", "UTERUS", "BLADDER",
    "GALLBLADDER", "PANCREAS", "SPLEEN", "AORTA", "STERNUM", "NOSE",
))
# fmt: on
_PLANES = {  # Image Orientation (Patient): direction of rows, then of columns
    "AXIAL": ((1, 0, 0), (0, 1, 0)),
    "CORONAL": ((1, 0, 0), (0, 0, -1)),
    "SAGITTAL": ((0, 1, 0), (0, 0, -1)),
}
_MAMMOGRAM_ORIENTATION = {
    ("R", False): ["P", "L"],
    ("L", False): ["A", "R"],
    ("R", True): ["P", "FL"],
    ("L", True): ["A", "FR"],
}


@dataclass(frozen=True, kw_only=True)
class DicomCodes:
    """What the prompt says about the picture, in DICOM's terms; None or "" where it is silent.

    body_part: a term of PS3.16 annex L, such as "chest" or "cspine".
    view: "PA", "AP", "LL", "CC", "MLO" …; for ct and mri "axial", "coronal" or "sagittal".
    laterality: L, R, B (both) or U (unpaired part); None where the side is not known.
    """

    modality: Modality | None = None
    body_part: str = ""
    anatomic_region: Code | None = None
    view: str | None = None
    view_code: Code | None = None
    laterality: Literal["L", "R", "B", "U"] | None = None
    sex: Literal["F", "M"] | None = None
    age_group: str | None = None
    contrast: bool = False

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("modality", self.modality, get_args(Modality)),
            ("laterality", self.laterality, ("L", "R", "B", "U")),
            ("sex", self.sex, ("F", "M")),
        ):
            if value is not None and value not in allowed:
                raise InvalidInput(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
        for code in (self.anatomic_region, self.view_code):
            if code is not None and not (len(code) == 3 and all(code)):
                raise InvalidInput(f"a code is (value, scheme, meaning), got {code!r}")


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
    dataset = Dataset()
    uids = [uid_source() for _ in range(4)]
    _set(
        dataset,
        SpecificCharacterSet="ISO_IR 192",
        SOPClassUID=storage,
        SOPInstanceUID=uids[3],
        StudyInstanceUID=uids[0],
        SeriesInstanceUID=uids[1],
    )
    _add_patient_and_study(dataset, record, codes)
    _add_equipment(dataset, record)
    _add_marks(dataset, record)
    _add_anatomy(dataset, codes)
    _add_pixels(dataset, stored, storage)
    _add_sources(dataset, parents)
    if storage in SLICES:
        dataset.FrameOfReferenceUID = uids[2]
        _add_slice(dataset, image, codes, storage)
    elif storage in XRAY:
        _add_xray(dataset, image, codes, storage, edited=bool(record.parents))
    elif storage == uid.UltrasoundImageStorage:
        _add_ultrasound(dataset, image)
    else:
        dataset.ConversionType = "SYN"
        dataset.PatientOrientation = ""
        if image.spacing is not None:
            dataset.PixelSpacing = decimals(image.spacing)
    return _file_bytes(dataset)


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


def _add_patient_and_study(dataset: Dataset, record: Generation, codes: DicomCodes) -> None:
    """PS3.3 C.7.1.1, C.7.2.1, C.7.3.1: an invented subject, dated when the image was made."""
    made = _created(record)
    digest = hashlib.sha256(record.to_json().encode()).hexdigest()
    _set(
        dataset,
        PatientName="SYNTHETIC^RADSMITH",
        PatientID=f"SYNTHETIC-{digest[:24]}",
        PatientBirthDate="",
        PatientSex=codes.sex or "",
        StudyDate=made.strftime("%Y%m%d"),
        StudyTime=made.strftime("%H%M%S"),
        ContentDate=made.strftime("%Y%m%d"),
        ContentTime=made.strftime("%H%M%S"),
        InstanceCreationDate=made.strftime("%Y%m%d"),
        InstanceCreationTime=made.strftime("%H%M%S"),
        AccessionNumber="",
        ReferringPhysicianName="",
        StudyID=digest[:16],
        StudyDescription=line("Synthetic", 64),
        SeriesDescription=line(NOTICE, 64),
        Modality=_MODALITY[codes.modality],
        SeriesNumber=1,
        InstanceNumber=1,
    )
    if codes.age_group:
        dataset.PatientComments = text(f"Synthetic patient, age group: {codes.age_group}", 10240)
    if made.tzinfo is not None:
        dataset.TimezoneOffsetFromUTC = made.strftime("%z")[:5]


def _add_equipment(dataset: Dataset, record: Generation) -> None:
    """PS3.3 C.7.5.1, and C.12.1 for the equipment that synthesized the data."""
    maker: dict[str, Any] = {
        "Manufacturer": "radsmith",
        "ManufacturerModelName": line(record.model, 64),
        "DeviceSerialNumber": line(record.model_digest, 64),
        "SoftwareVersions": line(f"radsmith {record.radsmith_version}", 64),
    }
    _set(dataset, **maker)
    item = Dataset()
    _set(item, **maker, ContributionDescription=text(f"{record.operation}: {NOTICE}", 1024))
    item.PurposeOfReferenceCodeSequence = coded(_SYNTHESIZING)
    dataset.ContributingEquipmentSequence = Sequence([item])


def _add_marks(dataset: Dataset, record: Generation) -> None:
    """Synthetic Data (PS3.3 C.12.1), the notice in words, and the provenance record.

    An edited picture still holds pixels of its parent, so nothing is claimed of those: neither
    that identity was removed nor that no annotation is burned in.
    """
    asked = f"Prompt: {record.prompt}. Seed: {record.seed}. Model: {record.model}"
    _set(
        dataset,
        SyntheticData="YES",
        QualityControlImage="NO",
        ContentQualification="RESEARCH",
        DerivationDescription=text(f"{NOTICE} {record.operation}. {asked}", 1024),
        ImageComments=text(f"{NOTICE} {asked} ({record.model_digest})", 10240),
    )
    if not record.parents:
        dataset.BurnedInAnnotation = "NO"
        dataset.PatientIdentityRemoved = "YES"
        dataset.DeidentificationMethod = "Synthetic image: there is no patient"
    block = dataset.private_block(PRIVATE_GROUP, PRIVATE_CREATOR, create=True)
    block.add_new(PRIVATE_RECORD, "UT", record.to_json())


def _add_anatomy(dataset: Dataset, codes: DicomCodes) -> None:
    if codes.body_part:
        dataset.BodyPartExamined = code_string(codes.body_part)
    if codes.anatomic_region is not None:
        dataset.AnatomicRegionSequence = coded(codes.anatomic_region)
    if codes.laterality is not None:
        dataset.ImageLaterality = codes.laterality
    elif code_string(codes.body_part) not in _UNPAIRED:
        dataset.Laterality = ""  # type 2C, PS3.3 C.7.3.1: a paired part, side unknown
    if codes.contrast and codes.modality in ("x-ray", "ct", "mri"):
        dataset.ContrastBolusAgent = "Depicted, not given"


def _add_pixels(dataset: Dataset, stored: StoredPixels, storage: uid.UID) -> None:
    """PS3.3 C.7.6.3, C.11.1 and C.11.2. MR and US objects have no rescale."""
    pixels = stored.pixels
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.file_meta = FileMetaDataset()
    bits = stored.bits or pixels.dtype.itemsize * 8
    needed = storage == uid.CTImageStorage or storage in XRAY
    plain = storage in (uid.MRImageStorage, uid.UltrasoundImageStorage)
    rescaled = (stored.slope, stored.intercept) != (1.0, 0.0)
    slope, intercept = (1.0, 0.0) if plain else (stored.slope, stored.intercept)
    turned = stored.inverted != (slope < 0)  # a falling rescale turns the polarity once more
    photometric = "MONOCHROME1" if turned else "MONOCHROME2"
    dataset.set_pixel_data(pixels, photometric, bits, generate_instance_uid=False)
    width = stored.window.width * abs(slope)
    dataset.WindowCenter = decimals([stored.window.center * slope + intercept])[0]
    dataset.WindowWidth = decimals([max(1.0, width)])[0]
    if not plain and (needed or rescaled or stored.rescale_type == "HU"):
        dataset.RescaleIntercept = decimals([intercept])[0]
        dataset.RescaleSlope = decimals([slope])[0]
        dataset.RescaleType = stored.rescale_type


def _add_sources(dataset: Dataset, parents: Iterable[tuple[str, str]]) -> None:
    items = []
    for sop_class, instance in parents:
        item = Dataset()
        _set(item, ReferencedSOPClassUID=sop_class, ReferencedSOPInstanceUID=instance)
        item.PurposeOfReferenceCodeSequence = coded(_SOURCE_IMAGE)
        items.append(item)
    if items:
        dataset.SourceImageSequence = Sequence(items)


def _add_slice(dataset: Dataset, image: Image, codes: DicomCodes, storage: uid.UID) -> None:
    """PS3.3 C.7.6.2 with C.8.2.1 (CT) or C.8.3.1 (MR): one slice centred on the origin."""
    assert image.spacing is not None
    plane = code_string(codes.view or "")
    rows, columns = _PLANES.get(plane, _PLANES["AXIAL"])
    width, height = image.size
    corner = (
        -(
            np.array(rows) * image.spacing[1] * (width - 1)
            + np.array(columns) * image.spacing[0] * (height - 1)
        )
        / 2
    )
    _set(
        dataset,
        PixelSpacing=decimals(image.spacing),
        ImageOrientationPatient=[*rows, *columns],
        ImagePositionPatient=decimals(corner.tolist()),
        PositionReferenceIndicator="",
        SliceThickness=None,
        PatientPosition="HFS",
    )
    if storage == uid.CTImageStorage:
        _set(dataset, ImageType=["DERIVED", "SECONDARY", "AXIAL"], KVP=None, AcquisitionNumber=None)
        return
    _set(
        dataset,
        ImageType=["DERIVED", "SECONDARY", "OTHER"],
        ScanningSequence="RM",
        SequenceVariant="NONE",
        ScanOptions="",
        MRAcquisitionType="2D",
        RepetitionTime=None,
        EchoTime=None,
        EchoTrainLength=None,
    )


def _add_xray(
    dataset: Dataset, image: Image, codes: DicomCodes, storage: uid.UID, *, edited: bool
) -> None:
    """PS3.3 C.8.11.1 to C.8.11.7. Annotation is type 1 here: an edit gets the cautious YES."""
    assert image.spacing is not None
    view = code_string(codes.view or "")
    inverted = dataset.PhotometricInterpretation == "MONOCHROME1"
    dataset.pop("Laterality", None)  # Image Laterality is type 1 here
    _set(
        dataset,
        ImageType=["DERIVED", "SECONDARY", ""],
        PresentationIntentType="FOR PRESENTATION",
        PixelIntensityRelationship="LOG",
        PixelIntensityRelationshipSign=-1,
        PresentationLUTShape="INVERSE" if inverted else "IDENTITY",
        LossyImageCompression="00",
        BurnedInAnnotation="YES" if edited else "NO",
        ImageLaterality=codes.laterality or "U",
        PatientOrientation=_projection_orientation(view),
        AcquisitionContextSequence=Sequence(),
        ImagerPixelSpacing=decimals(image.spacing),
        PixelSpacing=decimals(image.spacing),
        DetectorType="",
        PositionerType="",
    )
    if codes.anatomic_region is None:
        name = code_string(codes.body_part)
        local: Code = (name, _LOCAL_SCHEME, name)
        dataset.AnatomicRegionSequence = coded(local) if name else Sequence()
    if view:
        dataset.ViewPosition = view
    if codes.view_code is not None:
        dataset.ViewCodeSequence = coded(codes.view_code)
        dataset.ViewCodeSequence[0].ViewModifierCodeSequence = Sequence()
    if storage == uid.DigitalMammographyXRayImageStorageForPresentation:
        _add_mammography(dataset, codes)


def _add_mammography(dataset: Dataset, codes: DicomCodes) -> None:
    """PS3.3 C.8.11.7."""
    oblique = code_string(codes.view or "") != "CC"
    _set(
        dataset,
        Modality="MG",
        OrganExposed="BREAST",
        PositionerType="NONE",
        BreastImplantPresent="NO",
        PatientOrientation=_MAMMOGRAM_ORIENTATION[codes.laterality or "L", oblique],
    )


def _projection_orientation(view: str) -> list[str]:
    """Direction of rows and columns: laterals face the viewer's left, the rest the viewer."""
    return ["P", "F"] if view in ("LL", "LATERAL", "LAT") else ["L", "F"]


def _add_ultrasound(dataset: Dataset, image: Image) -> None:
    """PS3.3 C.8.5.6; the spacing as one calibrated region (C.8.5.5), in centimetres."""
    dataset.ImageType = ["DERIVED", "SECONDARY", "", "0001"]
    dataset.PatientOrientation = ""
    dataset.LossyImageCompression = "00"
    if image.spacing is None:
        return
    width, height = image.size
    region = Dataset()
    _set(
        region,
        RegionSpatialFormat=1,
        RegionDataType=1,
        RegionFlags=0,
        RegionLocationMinX0=0,
        RegionLocationMinY0=0,
        RegionLocationMaxX1=width - 1,
        RegionLocationMaxY1=height - 1,
        PhysicalUnitsXDirection=3,
        PhysicalUnitsYDirection=3,
        PhysicalDeltaX=image.spacing[1] / 10,
        PhysicalDeltaY=image.spacing[0] / 10,
    )
    dataset.SequenceOfUltrasoundRegions = Sequence([region])


def _file_bytes(dataset: Dataset) -> bytes:
    dataset.file_meta.ImplementationClassUID = _IMPLEMENTATION
    dataset.file_meta.ImplementationVersionName = "RADSMITH"
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _created(record: Generation) -> datetime:
    try:
        return datetime.fromisoformat(record.created)
    except ValueError as error:
        raise InvalidInput(
            f"created must be an ISO 8601 time such as 2026-01-31T12:00:00+00:00, got"
            f" {record.created!r}"
        ) from error


def _set(dataset: Dataset, **values: Any) -> None:
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
