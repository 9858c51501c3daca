"""What the objects of each kind of image add: slices, radiographs, mammograms, ultrasound."""

from __future__ import annotations

import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from radsmith.images.dicom.codes import DicomCodes
from radsmith.images.dicom.synthetic import set_values
from radsmith.images.dicom.values import Code, code_string, coded, decimals
from radsmith.images.image import Image

_LOCAL_SCHEME = "99RADSMITH"
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


def add_slice(dataset: Dataset, image: Image, codes: DicomCodes, storage: uid.UID) -> None:
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
    set_values(
        dataset,
        PixelSpacing=decimals(image.spacing),
        ImageOrientationPatient=[*rows, *columns],
        ImagePositionPatient=decimals(corner.tolist()),
        PositionReferenceIndicator="",
        SliceThickness=None,
        PatientPosition="HFS",
    )
    if storage == uid.CTImageStorage:
        set_values(
            dataset, ImageType=["DERIVED", "SECONDARY", "AXIAL"], KVP=None, AcquisitionNumber=None
        )
        return
    set_values(
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


def add_xray(
    dataset: Dataset, image: Image, codes: DicomCodes, storage: uid.UID, *, edited: bool
) -> None:
    """PS3.3 C.8.11.1 to C.8.11.7. Annotation is type 1 here: an edit gets the cautious YES."""
    assert image.spacing is not None
    view = code_string(codes.view or "")
    inverted = dataset.PhotometricInterpretation == "MONOCHROME1"
    dataset.pop("Laterality", None)  # Image Laterality is type 1 here
    set_values(
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
    set_values(
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


def add_ultrasound(dataset: Dataset, image: Image) -> None:
    """PS3.3 C.8.5.6; the spacing as one calibrated region (C.8.5.5), in centimetres."""
    dataset.ImageType = ["DERIVED", "SECONDARY", "", "0001"]
    dataset.PatientOrientation = ""
    dataset.LossyImageCompression = "00"
    if image.spacing is None:
        return
    width, height = image.size
    region = Dataset()
    set_values(
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
