"""What a DICOM file of a bundle may hold: a list of attributes, and rules for their values.

A list of what is allowed, not of what is forbidden: an attribute that nobody thought of is found.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.dataset import Dataset

_ALLOWED = frozenset(
    """
    SpecificCharacterSet SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID
    FrameOfReferenceUID PatientName PatientID PatientBirthDate PatientSex PatientComments
    StudyDate StudyTime ContentDate ContentTime InstanceCreationDate InstanceCreationTime
    AccessionNumber ReferringPhysicianName StudyID StudyDescription SeriesDescription Modality
    SeriesNumber InstanceNumber TimezoneOffsetFromUTC Manufacturer ManufacturerModelName
    DeviceSerialNumber SoftwareVersions ContributingEquipmentSequence ContributionDescription
    PurposeOfReferenceCodeSequence CodeValue CodingSchemeDesignator CodeMeaning SyntheticData
    QualityControlImage ContentQualification DerivationDescription ImageComments BurnedInAnnotation
    PatientIdentityRemoved DeidentificationMethod BodyPartExamined AnatomicRegionSequence
    ImageLaterality Laterality ContrastBolusAgent ImageType SamplesPerPixel
    PhotometricInterpretation Rows Columns BitsAllocated BitsStored HighBit PixelRepresentation
    PixelData WindowCenter WindowWidth RescaleIntercept RescaleSlope RescaleType ConversionType
    PatientOrientation PixelSpacing ImageOrientationPatient ImagePositionPatient
    PositionReferenceIndicator SliceThickness PatientPosition KVP AcquisitionNumber ScanningSequence
    SequenceVariant ScanOptions MRAcquisitionType RepetitionTime EchoTime EchoTrainLength
    PresentationIntentType PixelIntensityRelationship PixelIntensityRelationshipSign
    PresentationLUTShape LossyImageCompression AcquisitionContextSequence ImagerPixelSpacing
    DetectorType PositionerType ViewPosition ViewCodeSequence ViewModifierCodeSequence
    OrganExposed BreastImplantPresent SequenceOfUltrasoundRegions RegionSpatialFormat
    RegionDataType RegionFlags RegionLocationMinX0 RegionLocationMinY0 RegionLocationMaxX1
    RegionLocationMaxY1 PhysicalUnitsXDirection PhysicalUnitsYDirection PhysicalDeltaX
    PhysicalDeltaY
    """.split()  # noqa: SIM905 - a list of words is read as words
)
_OWN_UIDS = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
_EMPTY = ("PatientBirthDate", "AccessionNumber", "ReferringPhysicianName")
_RANDOM = "2.25."
"""Root of UIDs made of UUIDs (PS3.5 B.2)."""


def problems_of(dataset: Dataset) -> list[str]:
    """What of an object breaks the rules of a release, in words; empty where nothing does."""
    return list(_problems(dataset))


def _problems(dataset: Dataset) -> Iterator[str]:
    for element in dataset.iterall():
        name = element.keyword or str(element.tag)
        if element.tag.is_private:
            yield f"it holds private data ({element.tag})"
        elif name not in _ALLOWED:
            yield f"it holds {name}, which no release has"
    if dataset.get("SyntheticData") != "YES":
        yield "Synthetic Data (0008,001C) is not YES"
    if str(dataset.get("PatientName", "")) != "SYNTHETIC^RADSMITH":
        yield "Patient Name is not that of a synthetic image"
    if not str(dataset.get("PatientID", "")).startswith("SYNTHETIC-"):
        yield "Patient ID is not that of a synthetic image"
    for keyword in _EMPTY:
        if str(dataset.get(keyword) or ""):
            yield f"{keyword} is not empty"
    for keyword in _OWN_UIDS:
        uid = str(dataset.get(keyword, _RANDOM))
        if not uid.startswith(_RANDOM):
            yield f"{keyword} is not a random UID: it may be a source's"
    equipment = dataset.get("ContributingEquipmentSequence") or []
    purposes = [i.PurposeOfReferenceCodeSequence[0].CodeValue for i in equipment]
    if "109100" not in purposes:
        yield "no Contributing Equipment says what synthesized it"
