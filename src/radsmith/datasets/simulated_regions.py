"""What is projected from which CT volume: fields, views, and how each part is exposed.

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


def _read(name: str) -> tuple[dict[str, Exposure], tuple[VolumeField, ...]]:
    tables = tomllib.loads((files("radsmith.datasets") / name).read_text(encoding="utf-8"))
    exposures = {part: Exposure(**_tuples(entry)) for part, entry in tables["exposure"].items()}
    return exposures, tuple(VolumeField(**_tuples(entry)) for entry in tables["field"])


def _tuples(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in entry.items()}


EXPOSURES, REGIONS = _read("simulated_regions.toml")
