"""Where findings usually lie in an image of their body part, as boxes.

Canonical, not measured: an adult seen from the front, the patient's right at the viewer's left.
"""

from __future__ import annotations

from radsmith.language.prompt import Finding, Prompt

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, as fractions of the image."""

_PARTS: dict[str, Box] = {
    "chest": (0.08, 0.10, 0.92, 0.82),
    "brain": (0.22, 0.16, 0.78, 0.84),
    "head": (0.22, 0.16, 0.78, 0.84),
    "knee": (0.10, 0.30, 0.90, 0.72),
    "shoulder": (0.18, 0.18, 0.82, 0.78),
    "breast": (0.22, 0.22, 0.78, 0.78),
    "thoracolumbar-spine": (0.25, 0.10, 0.75, 0.90),
    "lumbar-spine": (0.25, 0.10, 0.75, 0.90),
}
_ANYWHERE: Box = (0.2, 0.2, 0.8, 0.8)
_SITES: dict[str, Box] = {  # fractions of the part's own box, or of its sided half
    "apex": (0, 0, 1, 0.3),
    "upper-lobe": (0, 0, 1, 0.48),
    "middle-lobe": (0, 0.36, 1, 0.7),
    "lower-lobe": (0, 0.55, 1, 1),
    "hilum": (0.2, 0.3, 0.8, 0.7),
    "retrocardiac": (0.2, 0.5, 0.9, 1),
    "costophrenic-angle": (0, 0.72, 1, 1),
    "upper-quadrant": (0, 0, 1, 0.5),
    "lower-quadrant": (0, 0.5, 1, 1),
    "proximal": (0, 0, 1, 0.4),
    "distal": (0, 0.6, 1, 1),
    "midshaft": (0, 0.3, 1, 0.7),
    "frontal-lobe": (0, 0, 1, 0.4),
    "parietal-lobe": (0, 0.3, 1, 0.75),
    "temporal-lobe": (0, 0.3, 1, 0.75),
    "occipital-lobe": (0, 0.65, 1, 1),
    "sellar-region": (0.3, 0.3, 0.7, 0.7),
    "central": (0.25, 0.25, 0.75, 0.75),
    "focal": (0.3, 0.3, 0.7, 0.7),
    "diffuse": (0, 0, 1, 1),
}
_USUAL: dict[str, Box] = {  # of the part's own box
    "pleural-effusion": (0, 0.55, 1, 1),
    "cardiomegaly": (0.25, 0.4, 0.85, 1),
    "pneumothorax": (0, 0, 1, 0.7),
    "pituitary-tumor": (0.3, 0.3, 0.7, 0.7),
}


def place_of(prompt: Prompt, finding: Finding) -> Box:
    """The usual place of a finding: by its sites and side where they are named.

    Of a paired body part there is no further side, nor in a lateral view.
    """
    box = _PARTS.get(_slug(prompt.body_part), _ANYWHERE)
    named = next((_SITES[s] for s in map(_slug, finding.sites) if s in _SITES), None)
    inner = named or _USUAL.get(_slug(finding.concept), (0, 0, 1, 1))
    if has_side(prompt, finding):
        left, top, right, bottom = box
        middle = (left + right) / 2
        box = (
            (middle, top, right, bottom)
            if finding.side == "side:left"
            else (left, top, middle, bottom)
        )
    left, top = (box[i] + inner[i] * (box[i + 2] - box[i]) for i in (0, 1))
    right, bottom = (box[i] + inner[i + 2] * (box[i + 2] - box[i]) for i in (0, 1))
    return left, top, right, bottom


def can_place(prompt: Prompt, finding: Finding) -> bool:
    """Whether `place_of` says more of this finding than where its body part lies: a site that is in
    the table or a side of an unpaired part, seen from the front."""
    if _slug(prompt.body_part) not in _PARTS:
        return False
    return has_side(prompt, finding) or any(_slug(s) in _SITES for s in finding.sites)


def has_side(prompt: Prompt, finding: Finding) -> bool:
    """Whether the finding lies in one half of the image."""
    lateral = "view:lateral" in prompt.views
    return finding.side in ("side:left", "side:right") and not (prompt.paired or lateral)


def _slug(concept: str | None) -> str:
    return (concept or "").partition(":")[2]
