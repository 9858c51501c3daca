"""Simulated radiographs as one more corpus folder: train.csv and a tar shard.

Those of CT volumes share one source, hence one style token, and every volume is one patient; those
of limbs of sampled measures share another, and every limb is one. Volumes are the `.npz` files of
the data folder: `hu` (z, y, x; head first) and `spacing` in mm.
"""

from __future__ import annotations

import csv
import io
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from radsmith.compute.tasks import in_order, over_tasks
from radsmith.datasets.labels import SIMULATED
from radsmith.datasets.simulated_bodies import limb_body, mirrored, volume_body, warped
from radsmith.datasets.simulated_exposure import FRONTAL, radiograph
from radsmith.datasets.simulated_regions import LIMB_REGIONS, REGIONS, LimbField, VolumeField
from radsmith.errors import InvalidInput, NotFound
from radsmith.language.vocabulary import slug

SOURCE, LIMB_SOURCE = SIMULATED
COLUMNS = (
    *("key", "shard", "width", "height", "modality", "body_part", "view", "technique", "findings"),
    *("caption", "patient_id", "sex", "age", "laterality", "source", "origin", "age_group"),
)
_SHARD = "train-000.tar"
_A_SHAPE = 5
"""Images of one view that share a warped volume."""
_A_LIMB = 4
"""Images of one view that share a limb, by turns a right and a left one."""
Drawn = tuple[str, Mapping[str, Any], NDArray[np.uint8]]
"""Key, cells of the manifest, pixels."""


@dataclass(frozen=True, kw_only=True)
class _Task:
    """A region to be drawn. volumes: the folder, None for a limb."""

    region: VolumeField | LimbField
    volumes: Path | None
    count: int
    seed: int
    warp: float = 0.0


def simulate(
    volumes: Path | None,
    folder: Path,
    count: int,
    seed: int,
    workers: int = 1,
    *,
    warp: float = 0.0,
    limbs: bool = False,
) -> int:
    """Write radiographs of every region whose volume is there, and of limbs; returns how many.

    volumes: None for limbs alone.  count: images of each view, times the region's weight.  warp:
    about how many mm points of a volume are moved, each few images otherwise; 0 leaves it as it
    was scanned.  Image n of a region and view depends on the seed, the region, the view, n and the
    warp alone. Raises NotFound where no volume is found.
    """
    if count < 1 or warp < 0:
        raise InvalidInput(f"count must be at least 1 and warp at least 0, got {count} and {warp}")
    tasks = []
    if volumes is not None:
        present = [r for r in REGIONS if (volumes / f"{r.volume}.npz").is_file()]
        if not present:
            names = ", ".join(sorted({r.volume for r in REGIONS}))
            raise NotFound(f"no volume in {volumes}: expected .npz files such as {names}")
        tasks += [
            _Task(region=r, volumes=volumes, count=count * r.weight, seed=seed, warp=warp)
            for r in present
        ]
    if limbs:
        tasks += [_Task(region=r, volumes=None, count=count, seed=seed) for r in LIMB_REGIONS]
    if not tasks:
        raise InvalidInput("nothing to simulate: name a folder of volumes, ask for limbs, or both")
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{_SHARD}.part"
    rows: list[Mapping[str, Any]] = []
    with tarfile.open(partial, "w") as tar:
        for key, cells, pixels in _images(tasks, workers):
            _add(tar, f"{key}.webp", pixels)
            rows.append(_row(key, cells, pixels))
    partial.replace(folder / _SHARD)
    with (folder / "train.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


def _images(tasks: Sequence[_Task], workers: int) -> Iterator[Drawn]:
    for images in in_order(over_tasks(_numbered, list(enumerate(tasks)), workers)):
        yield from images


def _numbered(task: tuple[int, _Task]) -> tuple[int, list[Drawn]]:
    region = task[1].region
    drawn = _of_volume if isinstance(region, VolumeField) else _of_limb
    return task[0], list(drawn(task[1], region))  # type: ignore[arg-type]


def _of_volume(task: _Task, region: VolumeField) -> Iterator[Drawn]:
    assert task.volumes is not None
    whole = volume_body(task.volumes / f"{region.volume}.npz", region)
    parts = (region.volume, slug(region.body_part), region.laterality)
    for view in region.views:
        name = "-".join(part for part in (*parts, view) if part)
        own = zlib.crc32(name.encode())
        side = region.finding_side if view in FRONTAL else ""
        cells = {
            "view": view,
            "body_part": region.body_part,
            "technique": "simulated from CT" + (", warped" if task.warp else ""),
            "findings": f"{side} {region.finding}".strip(),
            "patient_id": region.volume,
            "laterality": region.laterality,
            "source": SOURCE,
            "origin": region.volume,
        }
        key = f"{name}-warped" if task.warp else name
        for number in range(task.count):
            if number % (_A_SHAPE if task.warp else task.count) == 0:
                shape_rng = np.random.default_rng([task.seed, own, number, 1])
                body = warped(whole, task.warp, shape_rng).for_view(view)
            rng = np.random.default_rng([task.seed, own, number])
            yield f"{key}-{number}", cells, radiograph(body, region, view, rng)


def _of_limb(task: _Task, region: LimbField) -> Iterator[Drawn]:
    for view in region.views:
        name = f"limb-{slug(region.body_part)}-{view}"
        own = zlib.crc32(name.encode())
        for number in range(task.count):
            which, turn = divmod(number, _A_LIMB)
            if turn == 0:
                left = limb_body(region, np.random.default_rng([task.seed, own, which, 1]))
                sides = {"left": left, "right": mirrored(left)}
            side = ("right", "left")[number % 2]
            rng = np.random.default_rng([task.seed, own, number])
            cells = {
                "view": view,
                "body_part": region.body_part,
                "technique": "simulated from shapes",
                "patient_id": f"{name}-{task.seed}-{which}",
                "laterality": side,
                "source": LIMB_SOURCE,
                "origin": "limbs of sampled measures",
            }
            yield f"{name}-{number}", cells, radiograph(sides[side], region, view, rng)


def _row(key: str, cells: Mapping[str, Any], pixels: NDArray[np.uint8]) -> Mapping[str, Any]:
    height, width = pixels.shape
    size = {"key": key, "shard": _SHARD, "width": width, "height": height}
    return {**size, "modality": "x-ray", "age_group": "adult", **cells}


def _add(tar: tarfile.TarFile, name: str, pixels: NDArray[np.uint8]) -> None:
    stream = io.BytesIO()
    Picture.fromarray(pixels).save(stream, "WEBP", quality=88)
    info = tarfile.TarInfo(name)
    info.size = stream.tell()
    stream.seek(0)
    tar.addfile(info, stream)
