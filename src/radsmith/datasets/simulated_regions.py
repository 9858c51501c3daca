"""What is projected from which CT volume or limb: fields, views, and how each part is exposed.

The table is `simulated_regions.toml`, part of the package like its code.
A part is brought to the brightness that its radiographs have: `EXPOSURES` gives the range of the
body's median, measured on real ones where there are any. Findings are those seen on the CT.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

WHOLE = (0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Field:
    """What is seen of a body.

    centre: of the field, as fractions (z, y, x) of the body.  field: (width, height) at the centre,
    in mm.  tilt, roll: added to the view's own, in degrees.  loose: share of the usual differences
    in where and how large the field is.
    """

    body_part: str
    field: tuple[float, float]
    views: tuple[str, ...]
    centre: tuple[float, float, float] = (0.5, 0.5, 0.5)
    tilt: float = 0.0
    roll: float = 0.0
    loose: float = 1.0


@dataclass(frozen=True, kw_only=True)
class VolumeField(Field):
    """A field of a CT volume.

    x_range: columns that are kept, to take raised arms out of the way.  laterality: of the body
    part.  finding: what the CT shows there.  finding_side: said on frontal views alone, where the
    picture shows it.  weight: how often the region is drawn, against others.
    """

    volume: str
    x_range: tuple[float, float] = WHOLE
    laterality: str = ""
    finding: str = ""
    finding_side: str = ""
    weight: int = 1


@dataclass(frozen=True, kw_only=True)
class LimbField(Field):
    """A field of a limb of sampled measures (see `limbs`).

    limb: its name in `limbs.LIMBS`.  joint: one of its joints, the middle of the field but for
    `shift` mm towards the fingers or toes.  deep: mm before and behind it.
    """

    limb: str
    joint: str
    loose: float = 0.4
    shift: float = 0.0
    deep: float = 75.0


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """Ranges to draw from: `Display.middle` and `flatten`, `Detector.scatter`."""

    middle: tuple[float, float]
    flatten: tuple[float, float] = (0.5, 1.0)
    scatter: tuple[float, float] = (0.0, 0.3)


def _read(
    name: str,
) -> tuple[dict[str, Exposure], tuple[VolumeField, ...], tuple[LimbField, ...]]:
    tables = tomllib.loads((files("radsmith.datasets") / name).read_text(encoding="utf-8"))
    exposures = {part: Exposure(**_tuples(entry)) for part, entry in tables["exposure"].items()}
    volumes = tuple(VolumeField(**_tuples(entry)) for entry in tables["field"])
    return exposures, volumes, tuple(LimbField(**_tuples(entry)) for entry in tables["limb"])


def _tuples(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in entry.items()}


EXPOSURES, REGIONS, LIMB_REGIONS = _read("simulated_regions.toml")
