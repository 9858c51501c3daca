"""Where findings usually lie in an image of their body part, as boxes.

Canonical, not measured: an adult seen from the front, the patient's right at the viewer's left.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    "apex": (0.15, 0.02, 0.9, 0.3),
    "upper-lobe": (0.12, 0.04, 0.92, 0.48),
    "middle-lobe": (0.12, 0.36, 0.92, 0.7),
    "lower-lobe": (0.1, 0.52, 0.95, 0.98),
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


@dataclass(frozen=True, kw_only=True)
class Opacity:
    """How a finding shows where a radiograph shows air.

    share: of the way to the gray of soft tissue that is gone at each of twelve steps.  extent: of
    its usual place that it fills.  always: drawn so where no place is named, too, on either side.
    fluid: it lies at the bottom of its place and rises towards the chest's wall.
    """

    share: float
    extent: float = 1.0
    always: bool = False
    fluid: bool = False


OPACITIES = {
    "pleural-effusion": Opacity(share=0.65, always=True, fluid=True),
    "pneumonia": Opacity(share=0.2),
    "bacterial-pneumonia": Opacity(share=0.2),
    "viral-pneumonia": Opacity(share=0.14),
    "covid-19-pneumonia": Opacity(share=0.14),
    "consolidation": Opacity(share=0.3, always=True),
    "lung-opacity": Opacity(share=0.2, always=True),
    "infiltration": Opacity(share=0.15),
    "atelectasis": Opacity(share=0.2, extent=0.7, always=True),
    "tuberculosis": Opacity(share=0.2, extent=0.8),
    "active-tuberculosis": Opacity(share=0.2, extent=0.8),
    "lung-mass": Opacity(share=0.45, extent=0.45, always=True),
    "lung-nodule": Opacity(share=0.5, extent=0.25, always=True),
}
"""Findings of a chest radiograph that can be told where to lie: they are where air was."""


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


RIM = 0.5
"""Share of an opacity's half axes over which it fades, half of it outside of them."""


def half_axes(opacity: Opacity | None, width: float, height: float) -> tuple[float, float]:
    """Of the ellipse that a finding fills in a place of this size, in its units; what fills a small
    part of it is round."""
    extent = opacity.extent if opacity else 1.0
    if extent < ROUND:
        width = height = min(width, height)
    return extent * width / 2, extent * height / 2


ROUND = 0.5


def opacity_of(prompt: Prompt, finding: Finding) -> Opacity | None:
    """How it shows where it is present on a chest radiograph from the front; None of others."""
    frontal = prompt.modality == "modality:x-ray" and "view:lateral" not in prompt.views
    chest = frontal and prompt.body_part == "body_part:chest"
    return OPACITIES.get(_slug(finding.concept)) if chest and finding.present else None


def by_rule(prompt: Prompt, finding: Finding) -> Opacity | None:
    """How it is drawn whatever a model learned: where its place is named, or always; else None."""
    opacity = opacity_of(prompt, finding)
    drawn = opacity is not None and (opacity.always or can_place(prompt, finding))
    return opacity if drawn else None


def can_place(prompt: Prompt, finding: Finding) -> bool:
    """Whether this finding is drawn where it is said to be: an opacity with a side, or a site that
    is in the table."""
    if opacity_of(prompt, finding) is None:
        return False
    return has_side(prompt, finding) or any(_slug(s) in _SITES for s in finding.sites)


def has_side(prompt: Prompt, finding: Finding) -> bool:
    """Whether the finding lies in one half of the image."""
    lateral = "view:lateral" in prompt.views
    return finding.side in ("side:left", "side:right") and not (prompt.paired or lateral)


def _slug(concept: str | None) -> str:
    return (concept or "").partition(":")[2]
