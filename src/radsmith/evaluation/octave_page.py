"""The octave table as files: JSON for machines, one HTML page for people; and its tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from radsmith.evaluation.octaves import Octaves
from radsmith.files import write_atomically
from radsmith.images.contact_sheet import Group, Table, Tile, contact_page
from radsmith.images.image import Image

STAGE_COLUMNS = ("kind", "n", "stage", "by the stage", "by cubics", "real:real", "by the model")


def write_octaves(folder: Path, found: Octaves) -> Path:
    """octaves.json and octaves.html in `folder`; returns the page."""
    text = json.dumps(found.report, indent=1, ensure_ascii=False) + "\n"
    write_atomically(folder / "octaves.json", text.encode())
    groups = [
        Group(
            title=title,
            tiles=[Tile(image=Image(pixels=pixels), caption=caption) for caption, pixels in tiles],
        )
        for title, tiles in found.shown.items()
    ]
    title = f"Octaves of {found.report['model']['name']}"
    page = contact_page(title, groups, tables=octave_tables(found.report))
    write_atomically(folder / "octaves.html", page.encode())
    return folder / "octaves.html"


def octave_tables(report: Mapping[str, Any]) -> list[Table]:
    """The distances at each octave, then the stages on real input, one table a feature space."""
    spaces = list(report["kinds"][0]["spaces"])
    tables = [_octaves(report, space) for space in spaces]
    if report["stages"]:
        return tables + [_stages(report, space) for space in spaces]
    without = Table(
        title="Stages on real input",
        columns=STAGE_COLUMNS,
        rows=[],
        note="Left out: this engine does not draw in stages that can be asked for alone.",
    )
    return [*tables, without]


def _octaves(report: Mapping[str, Any], space: str) -> Table:
    rows = []
    for kind in report["kinds"]:
        found = kind["spaces"][space]
        apart = found["told_apart_at"]
        octaves = [found["octaves"][str(side)] for side in report["sides"]]
        cells = [_with_interval(o["generated"], o["floor"]) for o in octaves]
        told = f"{apart}x{apart}" if apart else "nowhere"
        rows.append((kind["kind"], kind["n"], *cells, told))
    return Table(
        title=f"Octaves: KID (real:real) [95 %], feature space “{space}”",
        columns=("kind", "n", *(f"{side}x{side}" for side in report["sides"]), "told apart at"),
        rows=rows,
        note="n generated images and n real ones, shrunk to that side and enlarged alike. In round"
        " brackets: the other half of the real images, other patients, in place of the generated"
        " ones. Told apart at: the first side at which the interval lies above the whole interval"
        " of real against real.",
    )


def _stages(report: Mapping[str, Any], space: str) -> Table:
    rows = [
        (
            kind["kind"],
            stage.get("n", kind["n"]),
            f"{stage['name']}, {stage['input_side']} to {stage['output_side']}",
            *(_with_interval(stage["spaces"][space][name]) for name in ("stage", "cubic", "floor")),
            _with_interval(stage["spaces"][space]["drawn"])
            if "drawn" in stage["spaces"][space]
            else "above",
        )
        for kind in report["kinds"]
        for stage in kind["stages"]
    ]
    return Table(
        title=f"Stages on real input: KID [95 %], feature space “{space}”",
        columns=STAGE_COLUMNS,
        rows=rows,
        note="Real images shrunk to the stage's input side and drawn finer by that stage alone,"
        " with the image's own labels and style; beside it, enlarged by cubic interpolation. A"
        " stage is worth its time where it is nearer to real images than cubics are. Stages that"
        " draw more than 256 pixels are measured where there are as many real images so large, on"
        " the middle 256; by the model: images drawn at that size from labels alone.",
    )


def _with_interval(found: Mapping[str, float], floor: Mapping[str, float] | None = None) -> str:
    """Two lines where there is room: estimate, floor; interval."""
    beside = f" ({floor['kid']:.3f})" if floor else ""
    return f"{found['kid']:.3f}{beside}\n[{found['low']:.3f}, {found['high']:.3f}]"
