"""What the writers are told of a picture, in DICOM's own terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from radsmith.errors import InvalidInput
from radsmith.images.dicom.values import Code

Modality = Literal["x-ray", "ct", "mri", "ultrasound"]


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
