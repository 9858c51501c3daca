"""Where findings usually lie in an image of their body part, as boxes.

Canonical, not measured: an adult seen from the front, the patient's right at the viewer's left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from radsmith.language.prompt import Finding, Prompt
from radsmith.language.vocabulary import default_vocabulary

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, as fractions of the image."""

SIDES = ("side:right", "side:left")
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
_IN_LUNGS: dict[str, Box] = {  # of lungs as they are seen, which end where fluid begins
    "pleural-effusion": (0, 0.45, 1, 1.15),
}
_ONE_SIDED = {"middle-lobe": "side:right", "retrocardiac": "side:left"}
_LOBES = frozenset(("frontal-lobe", "parietal-lobe", "temporal-lobe", "occipital-lobe"))
"""Sites whose boxes are those of an axial slice."""
_LEVELS = frozenset(("apex", "upper-lobe", "middle-lobe", "lower-lobe", "costophrenic-angle"))
"""Sites that are levels of the body: no place in an axial slice."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How a finding is put into an image by hand.

    share: of the way to its gray that is gone at each of twelve steps; 0: in edits alone.  dense:
    of it that is gone in what an edit begins from.  place: where it is put in the part's own box,
    or its sided half, unless a site is named; None: all of it, or where such a finding usually
    lies.  extent: of that place that it fills; round: as a circle.  core: share of its half axes
    within which nothing is drawn.  rim: share of them over which it fades, half of it outside of
    them.  ragged: by which its border strays.  varied: by which its half axes are shorter, each by
    chance, at most.  always: drawn so where no place is named, too, on
    either side, or, if it is midline, in the middle.  fluid: it lies at the bottom of its place and
    rises towards the chest's wall.  learned: the model is asked for it as well, wherever that may
    put it; alone: it is never asked; neither: it is where no place is named.  narrower: findings
    that imply it are drawn so, too.  strength: how freely it is redrawn once it is put in, where
    nobody says: where freer, the networks take it away again or cover it with grain.
    """

    share: float
    dense: float
    place: Box | None = None
    extent: float = 1.0
    round: bool = False
    core: float = 0.0
    rim: float = 0.5
    always: bool = False
    midline: bool = False
    fluid: bool = False
    learned: bool = False
    alone: bool = False
    narrower: bool = True
    ragged: float = 0.0
    varied: float = 0.0
    strength: float = 0.5

    @property
    def reach(self) -> float:
        """How many half axes away something of it can be."""
        return (1 + self.rim / 2) * (1 + self.ragged)


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """The findings of a kind of image that are put in by hand.

    gray: what they are drawn towards, as a quantile of what the image shows: from 0.5 on what is
    darker becomes brighter, below it what is brighter darker.  look: in words.
    """

    gray: float
    look: str
    rules: Mapping[str, Rule]


_TUMOUR = Rule(
    share=0.7,
    dense=0.97,
    place=(0.1, 0.3, 0.9, 0.63),
    extent=0.7,
    round=True,
    core=0.5,
    rim=0.4,
    ragged=0.25,
    varied=0.25,
    always=True,
    learned=True,
)
_NODULE = Rule(
    share=0.55, dense=0.65, extent=0.3, always=True, round=True, rim=0.8, varied=0.25, strength=0.4
)
_BREAST_MASS = Rule(
    share=0.0,
    dense=0.8,
    place=(0.2, 0.25, 0.8, 0.6),
    extent=0.65,
    rim=0.3,
    ragged=0.1,
    varied=0.25,
    always=True,
    learned=True,
)
_CT_NODULE = Rule(
    share=0.85,
    dense=0.97,
    extent=0.3,
    round=True,
    rim=0.25,
    ragged=0.15,
    varied=0.25,
    always=True,
    alone=True,
)
_CHEST = ("modality:x-ray", "body_part:chest")
_CHEST_CT = ("modality:ct", "body_part:chest")
BY_HAND = {
    _CHEST: Drawn(
        gray=0.75,
        look="an opacity",
        rules={
            "pleural-effusion": Rule(share=0.65, dense=0.95, always=True, fluid=True),
            "pneumonia": Rule(share=0.3, dense=0.7, ragged=0.35),
            "bacterial-pneumonia": Rule(share=0.3, dense=0.7, ragged=0.35),
            "viral-pneumonia": Rule(share=0.2, dense=0.55, ragged=0.5),
            "covid-19-pneumonia": Rule(share=0.2, dense=0.55, ragged=0.5),
            "consolidation": Rule(share=0.36, dense=0.85, always=True, ragged=0.35),
            "lung-opacity": Rule(share=0.3, dense=0.7, always=True, ragged=0.35),
            "infiltration": Rule(share=0.22, dense=0.55, ragged=0.5),
            "atelectasis": Rule(share=0.3, dense=0.75, extent=0.7, always=True, ragged=0.2),
            "tuberculosis": Rule(share=0.3, dense=0.7, extent=0.8, ragged=0.5),
            "active-tuberculosis": Rule(share=0.3, dense=0.7, extent=0.8, ragged=0.5),
            "lung-mass": replace(_NODULE, share=0.45, dense=0.6, extent=0.5, ragged=0.15),
            "lung-nodule": _NODULE,
        },
    ),
    _CHEST_CT: Drawn(
        gray=0.8,
        look="a round opacity",
        rules={"lung-nodule": _CT_NODULE, "lung-mass": replace(_CT_NODULE, extent=0.5)},
    ),
    ("modality:mri", "body_part:brain"): Drawn(
        gray=0.97,
        look="a bright mass (as after contrast agent)",
        rules={
            "meningioma": replace(
                _TUMOUR, place=(0.1, 0.1, 0.9, 0.43), extent=0.6, core=0.0, rim=0.25
            ),
            "pituitary-tumor": replace(
                _TUMOUR, place=None, extent=0.49, core=0.0, rim=0.3, midline=True
            ),
            "brain-tumor": replace(_TUMOUR, narrower=False),
            "glioma": _TUMOUR,
        },
    ),
    ("modality:ultrasound", "body_part:breast"): Drawn(
        gray=0.12,
        look="a dark mass",
        rules={
            "benign-breast-mass": _BREAST_MASS,
            "malignant-breast-mass": replace(
                _BREAST_MASS, dense=0.95, place=(0.3, 0.2, 0.7, 0.65), rim=0.5, ragged=0.35
            ),
        },
    ),
}
"""By modality and body part: opacities of a chest are where air was, tumours of the brain take up
contrast agent, a mass of the breast gives no echo."""


def shows_lungs(prompt: Prompt) -> bool:
    """Whether it is a chest radiograph from the front, or a slice of a chest with both lungs."""
    return by_hand(prompt) in (BY_HAND[_CHEST], BY_HAND[_CHEST_CT])


def in_ct(prompt: Prompt) -> bool:
    """Whether it is a slice of CT, not a radiograph."""
    return prompt.modality == _CHEST_CT[0]


def place_of(
    prompt: Prompt,
    finding: Finding,
    rule: Rule | None = None,
    lungs: Callable[[str | None], Box] | None = None,
) -> Box:
    """The usual place of a finding: by its sites and side where they are named.

    Of a paired body part there is no further side, nor in a view from the side.  rule: by which it
    is drawn, where it is.  lungs: where that of a side lies in the image of a chest, or both do;
    None: where they usually lie.
    """
    box = _PARTS.get(_slug(prompt.body_part), _ANYWHERE)
    if lungs is not None:
        box = lungs(None)
    tables = (_USUAL,) if lungs is None else (_IN_LUNGS, _USUAL)
    known = next((t[name] for t in tables if (name := _slug(finding.concept)) in t), (0, 0, 1, 1))
    usual = (rule and rule.place) or known
    inner = _site(prompt, finding) or usual
    if lungs is not None and has_side(prompt, finding):
        box = lungs(finding.side)
    elif has_side(prompt, finding):
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


def on_sides(
    prompt: Prompt, finding: Finding, rule: Rule | None, chosen: str | None
) -> tuple[Finding, ...]:
    """The finding once for each side on which it is drawn by rule.

    chosen: the side of one that lies on one of two and is not said to; None: on neither.
    """
    if rule is None or rule.midline or has_side(prompt, finding):
        return (finding,)
    if shows_lungs(prompt) and finding.side == "side:bilateral":
        return tuple(replace(finding, side=side) for side in SIDES)
    sites = map(_slug, finding.sites) if shows_lungs(prompt) else ()
    side = next((_ONE_SIDED[site] for site in sites if site in _ONE_SIDED), chosen)
    return (finding if side is None else replace(finding, side=side),)


def _site(prompt: Prompt, finding: Finding) -> Box | None:
    """That of a site that is named and lies so in this view."""
    turned = {"view:sagittal", "view:coronal"} & set(prompt.views)
    levels = _LOBES if turned else _LEVELS if in_ct(prompt) else frozenset()
    named = (s for s in map(_slug, finding.sites) if s not in levels)
    return next((_SITES[s] for s in named if s in _SITES), None)


def half_axes(rule: Rule | None, place: Box, width: float, height: float) -> tuple[float, float]:
    """Of the ellipse that a finding fills in a place of an image of this width and height, in its
    units."""
    left, top, right, bottom = place
    width, height = (right - left) * width, (bottom - top) * height
    extent = rule.extent if rule else 1.0
    if rule and rule.round:
        width = height = min(width, height)
    return extent * width / 2, extent * height / 2


def by_hand(prompt: Prompt) -> Drawn | None:
    """The findings that may be put in by hand, from the front or in a slice; None of others."""
    if "view:lateral" in prompt.views or (in_ct(prompt) and "view:sagittal" in prompt.views):
        return None
    return BY_HAND.get((prompt.modality or "", prompt.body_part or ""))


def rule_of(prompt: Prompt, finding: Finding) -> Rule | None:
    """How it could be put in where it is present; None where there is no rule."""
    drawn = by_hand(prompt)
    if drawn is None or not finding.present:
        return None
    known = default_vocabulary().concepts
    broader = known[finding.concept].broader if finding.concept in known else ()
    wider = (rule for slug, rule in drawn.rules.items() if f"finding:{slug}" in broader)
    own = drawn.rules.get(_slug(finding.concept))
    return own or next((rule for rule in wider if rule.narrower), None)


def by_rule(prompt: Prompt, finding: Finding) -> Rule | None:
    """How it is drawn whatever a model learned: where its place is named, or always; else None."""
    rule = rule_of(prompt, finding)
    return rule if rule is not None and (rule.always or can_place(prompt, finding)) else None


def can_place(prompt: Prompt, finding: Finding) -> bool:
    """Whether this finding is drawn where it is said to be: by rule, and with a side, or a site
    that is in the table."""
    if rule_of(prompt, finding) is None:
        return False
    return has_side(prompt, finding) or _site(prompt, finding) is not None


def only_there(prompt: Prompt, finding: Finding) -> bool:
    """Whether it is drawn where it is said to be and the model is not asked for it."""
    rule = by_rule(prompt, finding)
    if rule is None or rule.learned:
        return False
    return rule.alone or can_place(prompt, finding)


def tells_site(prompt: Prompt, finding: Finding) -> bool:
    """Whether one of its sites is a place in this view."""
    return _site(prompt, finding) is not None


def has_side(prompt: Prompt, finding: Finding) -> bool:
    """Whether the finding lies in one half of the image."""
    from_the_side = {"view:lateral", "view:sagittal"} & set(prompt.views)
    return finding.side in ("side:left", "side:right") and not (prompt.paired or from_the_side)


def _slug(concept: str | None) -> str:
    return (concept or "").partition(":")[2]
