"""The erase-and-rebuild probe as JSON, a sheet and one HTML page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from radsmith.evaluation.rebuild import Rebuilt
from radsmith.files import write_atomically
from radsmith.images.contact_sheet import Group, Table, Tile, contact_page, contact_sheet
from radsmith.images.image import Image

SHOWN = 2


def write_rebuilt(folder: Path, report: dict[str, Any], images: Sequence[Rebuilt]) -> Path:
    """rebuild.json, rebuild.png and rebuild.html in `folder`; returns the page."""
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    write_atomically(folder / "rebuild.json", text.encode())
    groups = []
    for kind in sorted({item.kind for item in images}):
        members = [item for item in images if item.kind == kind][:SHOWN]
        groups.append(Group(title=kind, tiles=[t for item in members for t in _tiles(item)]))
    page = contact_page("Erased and rebuilt", groups, tables=rebuild_tables(report))
    write_atomically(folder / "rebuild.html", page.encode())
    tiles = [tile for group in groups for tile in group.tiles]
    columns = len(_tiles(images[0]))
    sheet = contact_sheet(tiles, columns=columns, tile=160, title="Erased and rebuilt")
    write_atomically(folder / "rebuild.png", sheet)
    return folder / "rebuild.html"


def rebuild_tables(report: dict[str, Any]) -> list[Table]:
    """What the figures say, for the page and the model card."""
    everyone = list(report["kinds"]["all"])[1:]
    measures = list(report["kinds"]["all"]["engine"])
    kinds = Table(
        title="Erased and rebuilt: distance to what was there",
        columns=("radiograph", "n", *(f"{who}: {m}" for m in measures for who in everyone)),
        rows=[
            (kind, row["n"], *(row[who][m] for m in measures for who in everyone))
            for kind, row in report["kinds"].items()
        ],
        note="Root-mean-square error and PSNR in the erased box; other columns are distances of"
        f" features of the box and its surroundings. Means of {report['candidates']} candidates.",
    )
    against = Table(
        title="Engine minus baseline, paired by image",
        columns=("baseline", "measure", "difference", "95 % interval"),
        rows=[
            (name, m, d["mean"], f"{d['low']} to {d['high']}")
            for name, found in report["against"].items()
            for m, d in found.items()
        ],
        note="Below 0 the engine is nearer to what was there (PSNR: above 0).",
    )
    edge = Table(
        title="Steps across the edge of the erased box",
        columns=(
            *("who", "step", "real, same place", "effect size"),
            *("real, random places", "effect size"),
        ),
        rows=[
            (
                *(who, e.get("step", "–"), e.get("step_real", "–"), _effect(e.get("effect_size"))),
                *(e.get("step_random", "–"), _effect(e["effect_size_random"])),
            )
            for who, e in report["edge"].items()
        ],
        note="Mean absolute difference of neighbouring pixels, one on each side. Effect size: the"
        " difference to the real image's own steps over the pooled deviation (95 % interval); 0 is"
        " no seam. Random places: boxes of the same size elsewhere in the untouched image.",
    )
    return [kinds, against, edge]


def _effect(found: dict[str, float] | None) -> str:
    return f"{found['mean']} ({found['low']} to {found['high']})" if found else "–"


def _tiles(item: Rebuilt) -> list[Tile]:
    erased = np.where(item.mask, 0.5, item.before).astype(np.float32)
    shown = [("real", item.before), ("erased", erased)]
    shown += [(f"candidate {k}", c) for k, c in enumerate(item.candidates)]
    shown += list(item.baselines.items())
    return [Tile(image=Image(pixels=np.clip(p, 0, 1)), caption=name) for name, p in shown]
