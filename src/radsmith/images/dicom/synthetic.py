"""What every synthetic object says, whatever it shows: an invented subject, the maker, the marks.

Nothing is copied from any patient's file.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from collections.abc import Sequence as Listed
from datetime import datetime
from typing import Any, Final

from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence

from radsmith.errors import InvalidInput
from radsmith.images.dicom.codes import DicomCodes
from radsmith.images.dicom.values import Code, code_string, coded, line, text
from radsmith.images.provenance import NOTICE, Generation

PRIVATE_GROUP: Final = 0x0071
PRIVATE_CREATOR: Final = "RADSMITH"
PRIVATE_RECORD: Final = 0x01
"""Element of the creator's block that holds the provenance record as JSON, VR UT."""

_IMPLEMENTATION = uid.UID("2.25.286263196174437350446310316353411519493")
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


def synthetic_object(
    storage: uid.UID, record: Generation, codes: DicomCodes, uids: Listed[str]
) -> Dataset:
    """A data set with all but its pixels and what its kind adds.

    uids: of study, series, frame of reference and instance.
    """
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    set_values(
        dataset,
        SpecificCharacterSet="ISO_IR 192",
        SOPClassUID=storage,
        SOPInstanceUID=uids[3],
        StudyInstanceUID=uids[0],
        SeriesInstanceUID=uids[1],
        ImageType=["DERIVED", "SECONDARY"],
    )
    _add_patient_and_study(dataset, record, codes)
    _add_equipment(dataset, record)
    _add_marks(dataset, record)
    _add_anatomy(dataset, codes)
    return dataset


def _add_patient_and_study(dataset: Dataset, record: Generation, codes: DicomCodes) -> None:
    """PS3.3 C.7.1.1, C.7.2.1, C.7.3.1: an invented subject, dated when the image was made."""
    made = _created(record)
    digest = hashlib.sha256(record.to_json().encode()).hexdigest()
    set_values(
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
    set_values(dataset, **maker)
    item = Dataset()
    set_values(item, **maker, ContributionDescription=text(f"{record.operation}: {NOTICE}", 1024))
    item.PurposeOfReferenceCodeSequence = coded(_SYNTHESIZING)
    dataset.ContributingEquipmentSequence = Sequence([item])


def _add_marks(dataset: Dataset, record: Generation) -> None:
    """Synthetic Data (PS3.3 C.12.1), the notice in words, and the provenance record.

    An edited picture still holds pixels of its parent, so nothing is claimed of those: neither
    that identity was removed nor that no annotation is burned in.
    """
    asked = f"Prompt: {record.prompt}. Seed: {record.seed}. Model: {record.model}"
    set_values(
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


def add_sources(dataset: Dataset, parents: Iterable[tuple[str, str]]) -> None:
    """Name images as sources (PS3.3 C.7.6.1.1.4): (SOP Class UID, SOP Instance UID) of each."""
    items = []
    for sop_class, instance in parents:
        item = Dataset()
        set_values(item, ReferencedSOPClassUID=sop_class, ReferencedSOPInstanceUID=instance)
        item.PurposeOfReferenceCodeSequence = coded(_SOURCE_IMAGE)
        items.append(item)
    if items:
        dataset.SourceImageSequence = Sequence(items)


def file_bytes(dataset: Dataset) -> bytes:
    """A PS3.10 file."""
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


def set_values(dataset: Dataset, **values: Any) -> None:
    """Attributes by keyword."""
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
