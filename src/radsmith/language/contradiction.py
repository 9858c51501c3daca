"""Whether a prompt asks for another image than the file shows: another modality, part or view; and
for one that there is not.

What a file says of itself may be incomplete, so neighbours ("lung" in a chest radiograph) and what
one of the two leaves open are no contradiction.
"""

from __future__ import annotations

from collections.abc import Iterator

from radsmith.language.prompt import Prompt
from radsmith.language.vocabulary import Vocabulary, default_vocabulary

_REGIONS = tuple(
    frozenset(parts.split())
    for parts in (
        "head brain skull facial-bones paranasal-sinuses orbit eye jaw temporal-bone"
        " pituitary-gland head-and-neck fetal-head",
        "neck head-and-neck thyroid parathyroid salivary-gland carotid-artery cervical-spine"
        " trachea esophagus jaw",
        "chest lung heart mediastinum esophagus trachea ribs sternum aorta thoracic-spine"
        " thoracolumbar-spine spinal-cord clavicle scapula axilla upper-abdomen",
        "abdomen upper-abdomen liver gallbladder bile-duct pancreas spleen kidney adrenal-gland"
        " ureter urinary-bladder stomach small-bowel colon rectum appendix aorta peritoneum"
        " retroperitoneum pelvis lumbar-spine thoracolumbar-spine uterus ovary prostate",
        "pelvis hip sacrum coccyx sacroiliac-joint urinary-bladder rectum uterus ovary prostate"
        " testis colon lumbar-spine femur",
        "cervical-spine thoracic-spine lumbar-spine thoracolumbar-spine sacrum coccyx spinal-cord"
        " sacroiliac-joint",
        "fetus fetal-head placenta uterus pelvis abdomen",
        "breast axilla",
        "shoulder clavicle scapula acromioclavicular-joint humerus axilla arm",
        "arm humerus elbow forearm wrist hand finger thumb",
        "elbow humerus forearm wrist",
        "wrist hand finger thumb",
        "leg hip femur knee patella tibia-and-fibula leg-muscle ankle foot heel toe",
    )
)
_ANYWHERE = frozenset(
    ["whole-body", "soft-tissue", "artery", "vein", "peripheral-nerve", "tendon", "lymph-node"]
)
_PLANES = frozenset(
    f"view:{v}"
    for v in (
        "ap",
        "pa",
        "frontal",
        "lateral",
        "oblique",
        "axial",
        "coronal",
        "sagittal",
        "mlo",
        "cc",
    )
)
_FRONTAL = frozenset(("view:ap", "view:pa", "view:frontal"))


def contradictions(asked: Prompt, shown: Prompt) -> Iterator[str]:
    """What a prompt says against what its file shows, a sentence each.

    asked, shown: as read from the prompt and from what the file says of itself.
    """
    vocabulary = default_vocabulary()
    pairs = [
        (asked.modality, shown.modality, asked.modality == shown.modality),
        (asked.body_part, shown.body_part, _neighbours(asked.body_part, shown.body_part)),
        (asked.side, shown.side, "side:bilateral" in (asked.side, shown.side)),
        (_plane(asked), _plane(shown), {_plane(asked), _plane(shown)} <= _FRONTAL),
        (asked.sex, shown.sex, False),
    ]
    for wanted, there, alike in pairs:
        if wanted and there and wanted != there and not alike:
            names = vocabulary[wanted].name, vocabulary[there].name
            yield (
                f"the prompt says {names[0]}, and the file {names[1]}: it is drawn as the prompt"
                " says, so look whether that is meant"
            )


def _neighbours(one: str | None, other: str | None) -> bool:
    parts = {str(c).partition(":")[2] for c in (one, other)}
    return bool(parts & _ANYWHERE) or any(parts <= region for region in _REGIONS)


def _plane(prompt: Prompt) -> str | None:
    return next((view for view in prompt.views if view in _PLANES), None)


def misfits(prompt: Prompt, vocabulary: Vocabulary) -> Iterator[str]:
    """Combinations that no scanner makes or no such body part has."""
    if prompt.modality:
        own = vocabulary[prompt.modality]
        for concept in (vocabulary[c] for c in (*prompt.views, *prompt.techniques)):
            if concept.modalities and own.slug not in concept.modalities:
                fits = " or ".join(vocabulary[f"modality:{m}"].name for m in concept.modalities)
                yield f"“{concept.name}” goes with {fits}, not with {own.name}"
    if prompt.body_part:
        part = vocabulary[prompt.body_part]
        for finding in prompt.findings:
            known = vocabulary[finding.concept]
            if finding.present and known.body_parts and part.slug not in known.body_parts:
                yield f"“{known.name}” is not a finding of the {part.name}"
    fetal = prompt.age_group == "age_group:fetus"
    if fetal and prompt.modality in ("modality:x-ray", "modality:ct"):
        yield f"a fetus is not imaged by {vocabulary[str(prompt.modality)].name}"
