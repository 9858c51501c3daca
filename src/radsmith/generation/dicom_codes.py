"""A prompt in DICOM's terms."""

from __future__ import annotations

from typing import cast

from radsmith.images.dicom.codes import DicomCodes, Modality
from radsmith.language.prompt import Prompt
from radsmith.language.vocabulary import default_vocabulary

_LATERALITY = {"side:left": "L", "side:right": "R", "side:bilateral": "B"}
_SEX = {"sex:female": "F", "sex:male": "M"}
_CONTRAST = frozenset(
    f"technique:{slug}"
    for slug in (
        "post-contrast",
        "contrast-enhanced",
        "ct-angiography",
        "dynamic-contrast-enhanced",
        "late-gadolinium-enhancement",
        "arterial-phase",
        "portal-venous-phase",
        "delayed-phase",
    )
)


def codes_of(prompt: Prompt) -> DicomCodes:
    """Body Part Examined, coded anatomy, view, laterality … as far as the prompt says them."""
    vocabulary = default_vocabulary()
    part = vocabulary[prompt.body_part] if prompt.body_part else None
    view = next((vocabulary[v] for v in prompt.views if vocabulary[v].dicom), None)
    laterality = _LATERALITY.get(prompt.side or "")
    if laterality is None and part is not None and not part.paired:
        laterality = "U"
    modality = vocabulary[prompt.modality].slug if prompt.modality else None
    return DicomCodes(
        modality=cast("Modality | None", modality),
        body_part=part.dicom if part else "",
        anatomic_region=part.code if part else None,
        view=view.dicom if view else None,
        view_code=view.code if view and modality == "x-ray" else None,
        laterality=laterality,  # type: ignore[arg-type]
        sex=_SEX.get(prompt.sex or ""),  # type: ignore[arg-type]
        age_group=vocabulary[prompt.age_group].name if prompt.age_group else None,
        contrast=bool(_CONTRAST & set(prompt.techniques)),
    )
