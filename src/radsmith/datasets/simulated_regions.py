"""What is projected from which CT volume: fields, views, and how each part is exposed.

A part is brought to the brightness that its radiographs have: `EXPOSURES` gives the range of the
body's median, measured on real ones where there are any. Findings are those seen on the CT.
"""

from __future__ import annotations

from dataclasses import dataclass

WHOLE = (0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class VolumeField:
    """A field of a volume, as fractions (z, y, x) and millimetres.

    centre: of the field.  field: (width, height) at the centre, in mm.  x_range: columns that are
    kept, to take raised arms out of the way.  laterality: of the body part.  finding: what the CT
    shows there.  finding_side: said on frontal views alone, where the picture shows it.
    weight: how often the region is drawn, against others.  tilt, roll: added to the view's own, in
    degrees.
    """

    volume: str
    body_part: str
    centre: tuple[float, float, float]
    field: tuple[float, float]
    views: tuple[str, ...]
    x_range: tuple[float, float] = WHOLE
    laterality: str = ""
    finding: str = ""
    finding_side: str = ""
    weight: int = 1
    tilt: float = 0.0
    roll: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """Ranges to draw from: `Display.middle` and `flatten`, `Detector.scatter`."""

    middle: tuple[float, float]
    flatten: tuple[float, float] = (0.5, 1.0)
    scatter: tuple[float, float] = (0.0, 0.3)


_THICK, _EVEN = (0.1, 0.4), (0.35, 0.8)
EXPOSURES = {
    "chest": Exposure(middle=(0.42, 0.66)),
    "abdomen": Exposure(middle=(0.34, 0.5), scatter=_THICK, flatten=_EVEN),
    "upper abdomen": Exposure(middle=(0.36, 0.52), scatter=_THICK, flatten=_EVEN),
    "pelvis": Exposure(middle=(0.28, 0.46), scatter=_THICK, flatten=_EVEN),
    "hip": Exposure(middle=(0.28, 0.46), scatter=_THICK, flatten=_EVEN),
    "lumbar spine": Exposure(middle=(0.34, 0.5), scatter=_THICK, flatten=_EVEN),
    "thoracic spine": Exposure(middle=(0.36, 0.54), flatten=_EVEN),
    "cervical spine": Exposure(middle=(0.3, 0.48), flatten=_EVEN),
    "skull": Exposure(middle=(0.36, 0.54), flatten=(0.4, 0.9)),
    "shoulder": Exposure(middle=(0.25, 0.42)),
    "humerus": Exposure(middle=(0.15, 0.32)),
}

_HEAD = "visible-human-head"
_UPPER = "acrin-flt-breast-001-upper"
_LOWER = "acrin-flt-breast-001-lower"
_PELVIS = "totalsegmentator-example-abdomen-pelvis"
_EFFUSION = "lidc-idri-0314-chest"
_PORT = "cmb-crc-01068-chest"
_THIN = "acrin-flt-breast-013-chest"
_DRAINED = "cptac-pda-00189-upper-abdomen"
_CRANIUM = "dcm-qa-ct-head"

REGIONS = (
    VolumeField(
        volume=_HEAD,
        body_part="skull",
        centre=(0.45, 0.5, 0.5),
        field=(230, 250),
        views=("AP", "PA", "oblique", "Towne", "Waters"),
    ),
    VolumeField(
        volume=_HEAD,
        body_part="skull",
        centre=(0.42, 0.47, 0.5),
        field=(270, 240),
        views=("lateral",),
    ),
    VolumeField(
        volume=_HEAD,
        body_part="cervical spine",
        centre=(0.72, 0.5, 0.5),
        field=(150, 140),
        views=("lateral", "oblique"),
    ),
    VolumeField(
        volume=_UPPER,
        body_part="skull",
        centre=(0.3, 0.52, 0.5),
        field=(210, 240),
        views=("AP", "PA", "oblique"),
        x_range=(0.345, 0.655),
    ),
    VolumeField(
        volume=_UPPER,
        body_part="skull",
        centre=(0.3, 0.52, 0.5),
        field=(260, 230),
        views=("lateral",),
        x_range=(0.345, 0.655),
    ),
    VolumeField(
        volume=_UPPER,
        body_part="cervical spine",
        centre=(0.6, 0.58, 0.5),
        field=(170, 170),
        views=("AP",),
        x_range=(0.28, 0.72),
        tilt=-15.0,
    ),
    VolumeField(
        volume=_UPPER,
        body_part="cervical spine",
        centre=(0.56, 0.58, 0.5),
        field=(160, 180),
        views=("lateral", "oblique"),
        x_range=(0.345, 0.655),
    ),
    VolumeField(
        volume=_UPPER,
        body_part="shoulder",
        centre=(0.68, 0.5, 0.2),
        field=(220, 220),
        views=("AP",),
        laterality="right",
    ),
    VolumeField(
        volume=_UPPER,
        body_part="shoulder",
        centre=(0.68, 0.5, 0.8),
        field=(220, 220),
        views=("AP",),
        laterality="left",
    ),
    VolumeField(
        volume=_UPPER,
        body_part="humerus",
        centre=(0.42, 0.5, 0.17),
        field=(150, 280),
        views=("AP",),
        x_range=(0.0, 0.33),
        laterality="right",
        roll=180.0,
    ),
    VolumeField(
        volume=_UPPER,
        body_part="humerus",
        centre=(0.42, 0.5, 0.84),
        field=(150, 280),
        views=("AP",),
        x_range=(0.67, 1.0),
        laterality="left",
        roll=180.0,
    ),
    VolumeField(
        volume=_LOWER,
        body_part="abdomen",
        centre=(0.5, 0.5, 0.5),
        field=(370, 400),
        views=("AP",),
        weight=2,
    ),
    VolumeField(
        volume=_LOWER,
        body_part="lumbar spine",
        centre=(0.58, 0.6, 0.5),
        field=(200, 300),
        views=("AP", "oblique"),
    ),
    VolumeField(
        volume=_LOWER,
        body_part="lumbar spine",
        centre=(0.58, 0.68, 0.5),
        field=(190, 300),
        views=("lateral",),
    ),
    VolumeField(
        volume=_PELVIS,
        body_part="abdomen",
        centre=(0.46, 0.5, 0.5),
        field=(350, 320),
        views=("AP",),
        weight=2,
    ),
    VolumeField(
        volume=_PELVIS,
        body_part="lumbar spine",
        centre=(0.36, 0.6, 0.5),
        field=(190, 250),
        views=("AP", "oblique"),
    ),
    VolumeField(
        volume=_PELVIS,
        body_part="lumbar spine",
        centre=(0.36, 0.66, 0.5),
        field=(180, 250),
        views=("lateral",),
    ),
    VolumeField(
        volume=_PELVIS,
        body_part="pelvis",
        centre=(0.72, 0.5, 0.5),
        field=(350, 250),
        views=("AP",),
        weight=2,
        finding="implant",
    ),
    VolumeField(
        volume=_PELVIS,
        body_part="hip",
        centre=(0.86, 0.5, 0.22),
        field=(160, 140),
        views=("AP",),
        laterality="right",
    ),
    VolumeField(
        volume=_PELVIS,
        body_part="hip",
        centre=(0.86, 0.5, 0.78),
        field=(160, 140),
        views=("AP",),
        laterality="left",
        finding="implant",
    ),
    VolumeField(
        volume=_DRAINED,
        body_part="upper abdomen",
        centre=(0.5, 0.5, 0.5),
        field=(330, 176),
        views=("AP",),
    ),
    VolumeField(
        volume=_THIN,
        body_part="chest",
        centre=(0.5, 0.5, 0.5),
        field=(350, 190),
        views=("AP", "PA"),
    ),
    VolumeField(
        volume=_THIN,
        body_part="chest",
        centre=(0.5, 0.5, 0.5),
        field=(250, 190),
        views=("lateral",),
    ),
    VolumeField(
        volume=_PORT,
        body_part="chest",
        centre=(0.5, 0.5, 0.5),
        field=(390, 245),
        views=("PA", "AP"),
        finding="central venous port",
    ),
    VolumeField(
        volume=_PORT,
        body_part="chest",
        centre=(0.5, 0.5, 0.5),
        field=(290, 245),
        views=("lateral", "oblique"),
        finding="central venous port",
    ),
    VolumeField(
        volume=_EFFUSION,
        body_part="chest",
        centre=(0.5, 0.5, 0.5),
        field=(370, 270),
        views=("PA", "AP"),
        finding="pleural effusion",
        finding_side="right",
    ),
    VolumeField(
        volume=_EFFUSION,
        body_part="chest",
        centre=(0.5, 0.5, 0.5),
        field=(310, 270),
        views=("lateral", "oblique"),
        finding="pleural effusion",
    ),
    VolumeField(
        volume=_EFFUSION,
        body_part="thoracic spine",
        centre=(0.5, 0.6, 0.5),
        field=(170, 260),
        views=("AP",),
    ),
    VolumeField(
        volume=_EFFUSION,
        body_part="thoracic spine",
        centre=(0.5, 0.66, 0.5),
        field=(180, 260),
        views=("lateral",),
    ),
    VolumeField(
        volume=_CRANIUM,
        body_part="skull",
        centre=(0.5, 0.5, 0.5),
        field=(200, 116),
        views=("AP", "PA"),
    ),
)
