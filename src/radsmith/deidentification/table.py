"""The Basic Application Level Confidentiality Profile: what is done to which attribute.

The table is PS3.15 E.1-1 of edition 2026c as the package dicom-anonymizer carries it (BSD).
"""

from __future__ import annotations

from functools import cache
from typing import Literal

from pydicom.tag import BaseTag, Tag

from radsmith.errors import Unavailable

Action = Literal["remove", "empty", "dummy", "uid", "recurse", "keep"]
EDITION = "2026c"
DESCRIPTORS = frozenset((
    0x00081030, 0x0008103E, 0x00081080, 0x00082111, 0x001021B0, 0x00180010, 0x00181030, 0x00184000,
    0x00181400, 0x00189424, 0x00204000, 0x00321030, 0x00321060, 0x00324000, 0x00380040, 0x00380500,
    0x00400007, 0x00400254, 0x00400275, 0x00400280, 0x00401002, 0x00401400, 0x00402400, 0x00104000,
))  # fmt: skip
"""Attributes that the Clean Descriptors Option (E.3.5) lets stay once they are cleaned."""
_ALWAYS_REMOVED = frozenset((0x00880200, 0xFFFCFFFC, 0x00420011, 0x00142222)) | frozenset(
    int(Tag(keyword)) for keyword in (
        # what others said of the object before
        "BurnedInAnnotation", "RecognizableVisualFeatures", "EncryptedAttributesSequence",
        # addresses and orders that the profile does not list
        "RetrieveURL", "StorageURL", "RetrieveURI", "StoredInstanceBaseURI", "FolderAccessURI",
        "FileAccessURI", "PixelDataProviderURL", "UniformResourceLocatorTrial", "ContactURI",
        "ContactDisplayName", "HL7InstanceIdentifier", "OwnerID", "HangingProtocolCreator",
        "HangingProtocolUserGroupName", "PlacerOrderNumberProcedure", "FillerOrderNumberProcedure",
        "PlacerOrderNumberImagingServiceRequestRetired", "ConfidentialityCode", "NTPSourceAddress",
        "FillerOrderNumberImagingServiceRequestRetired", "LocalNamespaceEntityID",
        "UniversalEntityID", "AssignedLocation", "ItineraryID",
    )
)  # fmt: skip
_PERSONAL_GROUPS = frozenset((0x0010, 0x0012, 0x0032, 0x0038))
"""Patient, trial, request and visit: here what the profile does not list goes as well. It leaves,
for one, Patient's Birth Date in Alternative Calendar (0010,0033)."""
BINARY = frozenset(("OB", "OW", "OB or OW", "OF", "OD", "OL", "OV"))
KEPT_BINARY = frozenset((
    "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData", "ICCProfile",
    "BluePaletteColorLookupTableData", "AlphaPaletteColorLookupTableData", "LUTData",
    "SegmentedRedPaletteColorLookupTableData", "SegmentedGreenPaletteColorLookupTableData",
    "SegmentedBluePaletteColorLookupTableData", "SegmentedAlphaPaletteColorLookupTableData",
    "WaveformData", "WaveformPaddingValue", "ChannelMinimumValue", "ChannelMaximumValue",
    "SpectroscopyData", "VectorGridData", "PointCoordinatesData", "VectorCoordinateData",
    "DoublePointCoordinatesData", "FloatingPointValues", "TrackPointIndexList",
    "LongPrimitivePointIndexList", "LongTrianglePointIndexList", "LongEdgePointIndexList",
    "LongVertexPointIndexList", "TrianglePointIndexList", "EdgePointIndexList",
    "VertexPointIndexList", "PrimitivePointIndexList", "RecommendedDisplayCIELabValueList",
    "TwoDimensionalToThreeDimensionalMapData", "VerticesOfThePolygonalOutline",
    "CompensatorProximalThicknessMap", "CompensatorDistalThicknessMap", "BlockEdgeData",
    "AnnotationIndexList", "FirstOrderPhaseCorrectionAngle", "FilterLookupTableData",
    "VolumetricCurvePoints", "VolumetricCurveUpDirections", "UValueData", "VValueData",
))  # fmt: skip
"""Numbers whose meaning the standard defines. Other bytes nobody has looked at: they go."""
_CATEGORIES: tuple[tuple[str, Action], ...] = (
    ("D_TAGS", "dummy"),
    ("Z_TAGS", "empty"),
    ("X_TAGS", "remove"),
    ("U_TAGS", "uid"),
    ("Z_D_TAGS", "dummy"),
    ("X_Z_TAGS", "empty"),
    ("X_D_TAGS", "dummy"),
    ("X_Z_D_TAGS", "dummy"),
    ("X_Z_U_STAR_TAGS", "recurse"),
)


def action_of(tag: BaseTag) -> Action:
    """What the profile does to an attribute. Private, curve, overlay and unknown ones go.

    Raises Unavailable where the extra `import` is missing.
    """
    if tag.is_private or 0x5000 <= tag.group <= 0x50FF or 0x6000 <= tag.group <= 0x60FF:
        return "remove"
    if int(tag) in _ALWAYS_REMOVED or tag.element == 0:
        return "remove"
    unlisted: Action = "remove" if tag.group in _PERSONAL_GROUPS else "keep"
    return _table().get(int(tag), unlisted)


@cache
def _table() -> dict[int, Action]:
    try:
        from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as fields
    except ImportError as error:
        raise Unavailable(
            "de-identification needs the extra `import`: pip install radsmith[import]"
        ) from error
    return {
        (tag[0] << 16) | tag[1]: action
        for name, action in _CATEGORIES
        for tag in getattr(fields, name)
        if len(tag) == 2
    }
